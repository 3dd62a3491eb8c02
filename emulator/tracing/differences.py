"""Where and why two runs part: what was different before them, the first fact or order, then tasks and figures."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from emulator.tracing.reader import Line, Trace
from emulator.tracing.tables import Row, rows

MOST_LISTED = 20
_IN_HEADER = ("scenario", "scenario_sha256", "epoch", "policy", "seed", "engine", "orbitmesh", "world_sha256", "host")
_OF_TASKS = ("how", "reason", "ran_on", "captured_s", "sent_s", "started_s", "finished_s", "delivered_s")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs; None where a side has none."""

    field: str
    left: Any
    right: Any


class FirstDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The first line that differs: its number from 1, its instant, and what each side has there (None: no line)."""

    line: int
    at_s: float | None
    what: str
    left: str | None
    right: str | None


class TaskChange(msgspec.Struct, frozen=True, kw_only=True):
    """A task that fared differently."""

    task: str
    changes: list[Change]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All that differs between two traces. `tasks` lists the first; `tasks_changed` counts them all."""

    same: bool
    digests: tuple[str, str]
    setup: list[Change]
    first: FirstDifference | None
    tasks_changed: int
    tasks: list[TaskChange]
    figures: list[Change]
    notes: list[str]


def difference(left: Trace, right: Trace) -> Difference:
    """Compare two traces. Raises `TraceError` where one is damaged."""
    first = _first(left, right)
    changed = _tasks(left, right) if first is not None else []
    figures = _changes(_figures(left), _figures(right))
    setup = _changes(_setup(left), _setup(right))
    notes = [f"{trace.folder}: {trace.missing or 'was never closed'}" for trace in (left, right) if not trace.closed]
    return Difference(
        same=first is None and not [each for each in figures if each.field != "name"],
        digests=(left.header.digest, right.header.digest),
        setup=setup,
        first=first,
        tasks_changed=len(changed),
        tasks=changed[:MOST_LISTED],
        figures=figures,
        notes=notes,
    )


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value within tables and lists, by its dotted path."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from flat(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from flat(each, f"{path}[{index}]")
    else:
        yield path, value


def _changes(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    names = [*left, *(name for name in right if name not in left)]
    return [
        Change(field=name, left=left.get(name), right=right.get(name))
        for name in names
        if left.get(name) != right.get(name)
    ]


def _setup(trace: Trace) -> dict[str, Any]:
    header = trace.header
    return (
        {name: getattr(header, name) for name in _IN_HEADER}
        | {f"versions.{name}": each for name, each in header.versions.items()}
        | dict(flat(header.scenario_table or {}, "scenario"))
        | dict(flat(header.elements, "elements"))
    )


def _figures(trace: Trace) -> dict[str, Any]:
    return {name: value for name, value in flat(trace.summary()) if name != "digest"} if trace.closed else {}


def _raw_lines(trace: Trace) -> Iterator[bytes]:
    for _, raw in trace.chunks():
        yield from raw.splitlines()


def _first(left: Trace, right: Trace) -> FirstDifference | None:
    for number, (a, b) in enumerate(zip_longest(_raw_lines(left), _raw_lines(right)), 1):
        if a != b:
            return _told(number, a and left.decoded(number, a, _decode), b and right.decoded(number, b, _decode))
    return None


_decode = msgspec.json.Decoder(Line).decode


def _told(number: int, left: Any, right: Any) -> FirstDifference:
    instants = [side[0].at_s for side in (left, right) if side]
    at_s = min(instants) if instants else None
    if not left or not right:
        what = "one trace ends here"
        return FirstDifference(line=number, at_s=at_s, what=what, left=_text(left), right=_text(right))
    if left[0] != right[0]:
        what = "another fact"
        return FirstDifference(line=number, at_s=at_s, what=what, left=str(left[0]), right=str(right[0]))
    for index, (a, b) in enumerate(zip_longest(left[1], right[1]), 1):
        if a != b:
            what = f"the same fact, {left[0]}, then another order, number {index}"
            return FirstDifference(line=number, at_s=at_s, what=what, left=a and str(a), right=b and str(b))
    return FirstDifference(line=number, at_s=at_s, what="the same, written differently", left=None, right=None)


def _text(side: Any) -> str | None:
    return str(side[0]) if side else None


def _tasks(left: Trace, right: Trace) -> list[TaskChange]:
    ours = {row["task"]: row for row in rows(left, "tasks")}
    theirs = {row["task"]: row for row in rows(right, "tasks")}
    empty: Row = {}
    found = []
    for task in [*ours, *(name for name in theirs if name not in ours)]:
        a, b = ours.get(task, empty), theirs.get(task, empty)
        changes = _changes({name: a.get(name) for name in _OF_TASKS}, {name: b.get(name) for name in _OF_TASKS})
        if changes:
            found.append(TaskChange(task=task, changes=changes))
    return found
