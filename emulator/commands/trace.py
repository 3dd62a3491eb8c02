"""Tell the life of one task of a recorded run, hop by hop, with the reason for every wait."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh trace mesh-run --task "SCS-01 A/00012"
  orbitmesh trace mesh-run --task "SCS-01 A/00012" --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that `run --out` left")
    parser.add_argument("--task", required=True, metavar="ID", help="a task's name, as the trace has it")


def carry_out(options: argparse.Namespace) -> None:
    """Print it."""
    from emulator import console
    from emulator.trace import Trace
    from emulator.tracing.life import life

    told = life(Trace(options.folder), options.task)
    if options.json:
        console.print_json(told)
        return
    made = console.table(f"task {told.task}", ["node", "what"], ["at, s", "waited before"])
    for step in told.steps:
        made.add_row(step.node, step.what, f"{step.at_s:.6f}", console.seconds(step.waited_s) if step.waited_s else "")
        for reason in step.reasons:
            made.add_row("", f"  waited: {reason}", "", "")
    console.show(made)
    console.out.print(f"{told.how}: {told.reason}" if told.how else "pending at the end of the trace")
