"""Tell the life of one task or bundle of a recorded run, hop by hop, with the reason for every wait.

A wait is named by what the trace shows of that time: the scheduler had not decided, there was no contact (and why), a
transmitter or processor served others, a contact was too short, or the message was to go another way."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh trace mesh-run --task "SCS-01 A/00080"
  orbitmesh trace mesh-run --task "SCS-01 A/00080" --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that `run --out` left")
    parser.add_argument("--task", required=True, metavar="ID", help="a task's or bundle's name")


def carry_out(options: argparse.Namespace) -> None:
    """Print it."""
    from emulator import console
    from emulator.trace import Trace
    from emulator.tracing.life import life
    from emulator.tracing.records import PENDING

    trace = Trace(options.folder)
    told = life(trace, options.task)
    if options.json:
        console.print_json(told)
        return
    made = console.table(f"task {told.task}", ["node", "what"], ["at, s", "waited before"])
    for step in told.steps:
        what = f"{step.part}: {step.what}" if step.part else step.what
        made.add_row(step.node, what, f"{step.at_s:.6f}", console.seconds(step.waited_s) if step.waited_s else "")
        for reason in step.reasons:
            made.add_row("", f"  waited: {reason}", "", "")
    console.show(made)
    ended = f"{told.how}: {told.reason}" if told.reason else told.how
    console.out.print("pending at the end of the trace" if told.how == PENDING else ended)
    if not trace.closed:
        console.notes([f"the run was cut off, and so is what is told here: {trace.missing or 'its log is whole'}"])
