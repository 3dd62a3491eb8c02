"""How the tasks of a part of a run fared when only that part was run again.

A part begins empty, without what was under way before it, and ends while tasks are under way: its lines and figures are
not those of the run. Only tasks that were captured within it are compared, as they stood at its end.
"""

from collections.abc import Iterator

from emulator.tracing.differences import Difference, Fared
from emulator.tracing.reader import Trace
from emulator.tracing.records import PENDING
from emulator.tracing.tables import Cells, columns_of, stream

_NAMES = [column.name for column in columns_of("tasks")]
_ENDED = _NAMES.index("ended_s")
_INSTANTS = ("sent_s", "result_sent_s", "started_s", "finished_s")
_OF_THE_LAST_RUN = ("finished_s", "ran_on", "runs", "label")  # of a task under way, a row may tell of a later run


def part_difference(recorded: Trace, replayed: Trace, from_s: float, to_s: float) -> Difference:
    """Compare the tasks captured from `from_s` to `to_s`, as of `to_s`. Raises `TraceError` where a trace is damaged.

    `same` says that each fared as recorded; `first` is None and `figures` is empty.
    """
    ours, theirs = (_as_of(trace, from_s, to_s) for trace in (recorded, replayed))
    fared = Fared(ours, theirs, of_ended=_OF_THE_LAST_RUN)
    span = f"{from_s:g} s to {to_s:g} s"
    notes = [f"compared are tasks captured from {span}, as they stood then; lines and figures of a part are not"]
    if from_s > 0.0:
        notes.append(f"what was under way at {from_s:g} s is not there: queues begin empty, so tasks may be sooner")
    return Difference(
        same=not fared.changed, digests=(recorded.header.digest, replayed.header.digest), why=[], setup=[], first=None,
        decision=None, tasks_changed=fared.changed, tasks_by_field=fared.fields(), only_left=fared.only_left,
        only_right=fared.only_right, tasks=fared.listed(), figures=[], notes=notes,
    )  # fmt: skip


def _as_of(trace: Trace, from_s: float, to_s: float) -> Iterator[Cells]:
    """Rows of the tasks captured in the span, without what came of them after it."""
    for _, cells in stream(trace, ["tasks"], from_s, to_s):
        ended_s = cells[_ENDED]
        if ended_s is not None and ended_s <= to_s:
            yield cells
            continue
        row = dict(zip(_NAMES, cells, strict=True))
        row |= {"how": PENDING, "reason": None, "delivered_s": None, "ended_s": None}
        row |= {name: None for name in _INSTANTS if row[name] is not None and row[name] > to_s}
        yield tuple(row.values())
