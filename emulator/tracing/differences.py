"""Where and why two runs part: what was different before them, the first fact or order, then tasks and figures.

Both logs are read side by side and both tellings of tasks too, so memory grows with what the runs do not share.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import zip_longest
from typing import Any

import msgspec

from emulator.tracing.parting import FirstDecision, FirstDifference, first_decision, first_difference, reasons
from emulator.tracing.reader import Trace
from emulator.tracing.tables import Cells, columns_of, stream

MOST_LISTED = 20
MOST_KEPT = 2000  # changed tasks in memory, of which the first by capture are kept
_IN_HEADER = ("scenario", "scenario_sha256", "epoch", "policy", "seed", "engine", "orbitmesh", "world_sha256", "schema")
_OF_TASKS = (
    "how", "reason", "ran_on", "captured_s", "sent_s", "started_s", "finished_s", "delivered_s", "ended_s", "runs",
    "label",
)  # fmt: skip


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs; None where a side has none."""

    field: str
    left: Any
    right: Any


class TaskChange(msgspec.Struct, frozen=True, kw_only=True):
    """A task that fared differently."""

    task: str
    changes: list[Change]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All that differs between two traces.

    `first` is the first line that does, `decision` the scheduler's first answer that does, `why` what follows from
    both and from the setup, in words. `tasks` lists the first tasks by capture that fared differently; `tasks_changed`
    counts them all, `tasks_by_field` how many differ in each field, `only_left` and `only_right` those of one side.
    """

    same: bool
    digests: tuple[str, str]
    why: list[str]
    setup: list[Change]
    first: FirstDifference | None
    decision: FirstDecision | None
    tasks_changed: int
    tasks_by_field: dict[str, int]
    only_left: int
    only_right: int
    tasks: list[TaskChange]
    figures: list[Change]
    notes: list[str]


def difference(left: Trace, right: Trace) -> Difference:
    """Compare two traces. Raises `TraceError` where one is damaged."""
    first = first_difference(left, right)
    asked = first is not None or left.header.policy != right.header.policy
    decision = first_decision(left, right) if asked else None
    ours, theirs = (_tasks(trace) if first is not None else iter(()) for trace in (left, right))
    fared = Fared(ours, theirs)
    both = left.closed and right.closed
    figures = _changes(_figures(left), _figures(right)) if both else []
    setup, notes = _setup_changes(left, right)
    for trace in (left, right):
        if made := trace.header.replay_of:
            told = ", ".join(f"{name} {value[:80]}" for name, value in made.items())
            notes.append(f"{trace.folder} is a replay: {told}")
    notes += [
        f"{trace.folder}: {trace.missing or 'was never closed'}; it has no figures yet"
        for trace in (left, right)
        if not trace.closed
    ]
    return Difference(
        same=first is None and not [each for each in figures if each.field not in ("name", "digest")],
        digests=(left.header.digest, right.header.digest),
        why=reasons(first, decision, [each.field for each in setup]),
        setup=setup,
        first=first,
        decision=decision,
        tasks_changed=fared.changed,
        tasks_by_field=fared.fields(),
        only_left=fared.only_left,
        only_right=fared.only_right,
        tasks=fared.listed(),
        figures=figures + (_changes(_live(left), _live(right)) if both and first is not None else []),
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


def _setup_changes(left: Trace, right: Trace) -> tuple[list[Change], list[str]]:
    """What differs before the runs begin, as far as both headers hold it, and what one of them does not."""
    changes = _changes(
        {n: getattr(left.header, n) for n in _IN_HEADER}, {n: getattr(right.header, n) for n in _IN_HEADER}
    )
    if left.header.world_sha256 != right.header.world_sha256:
        changes += _changes(_equipment(left), _equipment(right))
    notes = []
    for name, title in (
        ("scenario_table", "scenario"),
        ("files", "files"),
        ("elements", "elements"),
        ("versions", "versions"),
        ("host", "host"),
    ):
        a, b = getattr(left.header, name), getattr(right.header, name)
        if a and b:
            changes += _changes(dict(flat(a, title)), dict(flat(b, title)))
        elif a or b:
            notes.append(f"{(right if a else left).folder}: its header holds no {title}, which are not compared")
    return changes, notes


def _equipment(trace: Trace) -> dict[str, Any]:
    """What a replay may have exchanged while the scenario stayed: processors of each kind of node, and settings."""
    names: dict[str, set[str]] = {}
    for node in trace.world.nodes:
        if node.processor is not None:
            names.setdefault(f"world.{node.kind}.processor", set()).add(node.processor.name)
    settings = flat(msgspec.to_builtins(trace.world.settings), "world.settings")
    return {kind: ", ".join(sorted(each)) for kind, each in names.items()} | dict(settings)


def _figures(trace: Trace) -> dict[str, Any]:
    return {name: value for name, value in flat(trace.summary()) if name != "digest"}


def _live(trace: Trace) -> dict[str, Any]:
    """What a live run says of itself, but for the counts of each node and pace by pace."""
    told = trace.live()
    plain = told.items() if isinstance(told, dict) else ()
    return dict(flat({name: value for name, value in plain if name not in ("nodes", "rates")}, "live"))


def _tasks(trace: Trace) -> Iterator[Cells]:
    return (cells for _, cells in stream(trace, ["tasks"]))


class Fared:
    """Tasks that fared differently: each side's are matched as they end, so only those without a match are kept.

    Fields `of_ended` are compared only of tasks that have ended on both sides.
    """

    def __init__(self, left: Iterator[Cells], right: Iterator[Cells], of_ended: Collection[str] = ()) -> None:
        names = [column.name for column in columns_of("tasks")]
        self._ended, self._of_ended = names.index("ended_s"), of_ended
        self._fields = [(name, names.index(name)) for name in _OF_TASKS]
        self._captured = names.index("captured_s")
        self.changed = 0
        self._first: list[tuple[float, str, list[Change]]] = []  # by capture; cut when it has grown long
        self.by_field: Counter[str] = Counter()
        alone: tuple[dict[str, Cells], dict[str, Cells]] = ({}, {})
        for pair in zip_longest(left, right):
            for side, cells in enumerate(pair):
                if cells is not None:
                    other = alone[1 - side].pop(cells[0], None)
                    if other is None:
                        alone[side][cells[0]] = cells
                    else:
                        self._compare(*((cells, other) if side == 0 else (other, cells)))
        self.only_left, self.only_right = len(alone[0]), len(alone[1])
        for cells in alone[0].values():
            self._compare(cells, None)
        for cells in alone[1].values():
            self._compare(None, cells)

    def listed(self) -> list[TaskChange]:
        """The first by capture."""
        self._cut()
        return [TaskChange(task=task, changes=changes) for _, task, changes in self._first]

    def fields(self) -> dict[str, int]:
        """How many tasks differ in each field, most first."""
        return dict(sorted(self.by_field.items(), key=lambda each: (-each[1], each[0])))

    def _cut(self) -> None:
        self._first = sorted(self._first, key=lambda each: each[:2])[:MOST_LISTED]

    def _compare(self, left: Cells | None, right: Cells | None) -> None:
        there = left if left is not None else right
        both = all(side is not None and side[self._ended] is not None for side in (left, right))
        changes = [
            Change(field=name, left=left and left[index], right=right and right[index])
            for name, index in self._fields
            if (left is None or right is None or left[index] != right[index]) and (both or name not in self._of_ended)
        ]
        changes = [each for each in changes if each.left is not None or each.right is not None]
        if changes and there is not None:
            self.changed += 1
            self._first.append((there[self._captured], there[0], changes))
            if len(self._first) > MOST_KEPT:
                self._cut()
            self.by_field.update(each.field for each in changes)
