"""Explain where and why two recorded runs part: the first differing event, then tasks, then figures.

What was different before they began (scenario field by field, scheduler, seed, versions, host) comes first."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh diff mesh-run onboard-run
  orbitmesh diff mesh-run mesh-run-elsewhere --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("left", metavar="DIR1", type=Path, help="a folder that `run --out` left")
    parser.add_argument("right", metavar="DIR2", type=Path, help="another")


def carry_out(options: argparse.Namespace) -> None:
    """Print it."""
    from emulator import console
    from emulator.trace import Trace
    from emulator.tracing.differences import Change, difference

    found = difference(Trace(options.left), Trace(options.right))
    if options.json:
        console.print_json(found)
        return

    def listed(title: str, changes: list[Change]) -> None:
        if changes:
            made = console.table(title, ["", str(options.left), str(options.right)])
            for each in changes:
                made.add_row(each.field, _cell(each.left), _cell(each.right))
            console.show(made)

    console.out.print("the same run" if found.same else "they differ")
    listed("set up differently", found.setup)
    first = found.first
    if first is not None:
        console.out.print(f"first difference: line {first.line}, at {first.at_s} s: {first.what}", soft_wrap=True)
        console.out.print(f"  {options.left}: {first.left}", soft_wrap=True)
        console.out.print(f"  {options.right}: {first.right}", soft_wrap=True)
        console.out.print(f"{found.tasks_changed:,} tasks fared differently; the first:" if found.tasks else "")
    for task in found.tasks[:5]:
        listed(f"task {task.task}", task.changes)
    listed("figures", found.figures)
    console.notes(found.notes)


def _cell(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 48 else text[:47] + "…"
