"""Explain where and why two recorded runs part: the first differing event, then tasks, then figures.

What was different before they began (scenario field by field, scheduler, seed, versions, host) comes first."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  orbitmesh diff mesh-run onboard-run
  orbitmesh diff mesh-run mesh-run-elsewhere --json
"""
MOST_ROWS = 20  # of a table; --json has all
MOST_TASKS = 5
INSTANTS = ("captured_s", "sent_s", "started_s", "finished_s", "delivered_s", "ended_s")  # of a task


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("left", metavar="DIR1", type=Path, help="a folder that `run --out` left")
    parser.add_argument("right", metavar="DIR2", type=Path, help="another")


def carry_out(options: argparse.Namespace) -> None:
    """Print it."""
    from emulator import console
    from emulator.cells import instant
    from emulator.trace import Trace
    from emulator.tracing.differences import difference

    with console.progress() as bar:
        bar("diff", None)
        found = difference(Trace(options.left), Trace(options.right))
    if options.json:
        console.print_json(found)
        return
    names = [str(options.left), str(options.right)]
    console.out.print("the same run" if found.same else "they differ")
    console.notes(found.why)
    _listed("set up differently", names, found.setup)
    if found.first is not None:
        at = "" if found.first.at_s is None else f", at {instant(found.first.at_s)}"
        console.out.print(f"first difference: line {found.first.line}{at}: {found.first.what}", soft_wrap=True)
        _sides(names, found.first)
    if found.decision is not None:
        console.out.print(f"first decision that differs: at {instant(found.decision.at_s)}", soft_wrap=True)
        _sides(names, found.decision)
    if found.tasks:
        in_fields = ", ".join(f"{count:,} in {field}" for field, count in found.tasks_by_field.items())
        only = f"; {found.only_left:,} only in {names[0]}, {found.only_right:,} only in {names[1]}"
        text = f"{found.tasks_changed:,} tasks fared differently: {in_fields}"
        console.out.print(text + (only if found.only_left or found.only_right else ""), soft_wrap=True)
    for task in found.tasks[:MOST_TASKS]:
        _listed(f"task {task.task}", names, task.changes)
    _listed("figures", names, found.figures)
    console.notes(found.notes)


def _sides(names: list[str], found: Any) -> None:
    from emulator import console

    for name, text in zip(names, (found.left, found.right), strict=True):
        console.out.print(f"  {name}: {'nothing' if text is None else text}", soft_wrap=True)


def _listed(title: str, names: list[str], changes: list[Any]) -> None:
    from emulator import console

    if not changes:
        return
    made = console.table(title, ["", *names])
    for each in changes[:MOST_ROWS]:
        made.add_row(each.field, *_told(each))
    console.show(made)
    if len(changes) > MOST_ROWS:
        console.notes([f"{len(changes) - MOST_ROWS:,} more differ; --json lists them"])


def _told(change: Any) -> tuple[str, str]:
    from emulator.cells import cells, instant

    sides = (change.left, change.right)
    if change.field in INSTANTS:
        a, b = ("-" if each is None else instant(each) for each in sides)
        return (a, b) if a != b else (f"{change.left} s", f"{change.right} s")
    return cells(change.field, *sides)
