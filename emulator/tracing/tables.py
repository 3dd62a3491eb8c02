"""Tables of a trace: what happened, a row each, missing values as None; `columns.py` names the columns.

Rows come as the log is read, once for all tables that are asked for, and memory holds only what is under way. A row of
`tasks`, `hops`, `runs` or `bundles` comes when it has ended; what never did comes last. `contacts` are the plan's.
"""

from collections.abc import Collection, Iterator
from numbers import Real
from typing import Any

from emulator.errors import BadInput
from emulator.events import Captured, Event, Offered
from emulator.orders import Order
from emulator.tracing.columns import TABLES
from emulator.tracing.reader import Trace
from emulator.tracing.records import BundleRecord, HopRecord, RunRecord, Sink, TaskRecord
from emulator.tracing.telling import damage, telling
from emulator.version import installed_version
from links.contacts import Contact

Cells = tuple[Any, ...]
Row = dict[str, Any]

SCENES = "what scenes show is synthetic: procedural tiles stand for them (docs/model.md)"
LISTED = "tasks come when the scenario's [workload] list has them; their data and answers are synthetic (docs/model.md)"
_OF_RECORDS = frozenset({"tasks", "hops", "runs", "bundles", "facts"})


def rows(trace: Trace, table: str, from_s: float | None = None, to_s: float | None = None) -> list[Row]:
    """All rows of a table. Raises `TraceError` for a damaged trace, `BadInput` for a table that there is not."""
    names = [column.name for column in columns_of(table)]
    return [dict(zip(names, cells, strict=True)) for _, cells in stream(trace, [table], from_s, to_s)]


def columns_of(table: str) -> Any:
    """The columns of a table. Raises `BadInput` for one that there is not."""
    if table not in TABLES:
        raise BadInput(f"there is no table {table[:64]!r} in a trace; there are {', '.join(TABLES)}")
    return TABLES[table]


def there(trace: Trace) -> list[str]:
    """The tables that a trace can give: schema 3 kept no decisions."""
    return [table for table in TABLES if table != "decisions" or trace.keeps_decisions]


def stream(
    trace: Trace, tables: Collection[str], from_s: float | None = None, to_s: float | None = None
) -> Iterator[tuple[str, Cells]]:
    """(table, cells) of each row, all tables in one pass over the log; with instants, of what lies between them.

    A task belongs to the span in which it was captured, a message or run to that in which it began, a bundle to that
    in which it was offered; their rows tell all that came of them, later too. A contact belongs to each that it meets.
    """
    _check_span(from_s, to_s)
    if set(tables) & _OF_RECORDS:
        sink = _Rows(tables, to_s)
        with damage(trace):
            for _ in telling(trace, sink, sink.line if "facts" in tables else None, from_s, to_s):
                if sink.ended:
                    yield from sink.ended
                    sink.ended.clear()
    if "contacts" in tables:
        with damage(trace):
            for number, contact in enumerate(trace.world.plan.contacts):
                if (from_s is None or contact.stop_s >= from_s) and (to_s is None or contact.start_s <= to_s):
                    yield "contacts", contact_cells(number, contact)
    if "decisions" in tables:
        for cells in _decisions(trace, from_s, to_s):
            yield "decisions", cells


def _check_span(*instants_s: Any) -> None:
    for at_s in instants_s:
        if at_s is not None and (not isinstance(at_s, Real) or at_s != at_s):
            raise BadInput(f"a span begins or ends at {at_s!r}; give seconds after the epoch, a number")


class _Rows(Sink):
    """Makes cells of what has ended, of the tables that are wanted and what began before the end of the span."""

    def __init__(self, tables: Collection[str], to_s: float | None) -> None:
        self.ended: list[tuple[str, Cells]] = []
        self._tasks, self._hops, self._runs, self._bundles = (
            name in tables for name in ("tasks", "hops", "runs", "bundles")
        )
        self._to_s = to_s

    def task(self, task: TaskRecord) -> None:
        if self._tasks:
            self.ended.append(("tasks", task_cells(task)))

    def hop(self, hop: HopRecord) -> None:
        if self._hops and (self._to_s is None or hop.order.start_s <= self._to_s):
            self.ended.append(("hops", hop_cells(hop)))

    def run(self, run: RunRecord) -> None:
        if self._runs and (self._to_s is None or run.order.start_s <= self._to_s):
            self.ended.append(("runs", run_cells(run)))

    def bundle(self, bundle: BundleRecord) -> None:
        if self._bundles:
            self.ended.append(("bundles", bundle_cells(bundle)))

    def line(self, number: int, event: Event, orders: list[Order]) -> None:
        """A row of `facts`."""
        name = getattr(event, "task", None)
        if isinstance(event, Captured):
            name = event.task.id
        elif isinstance(event, Offered):
            name = event.bundle.id
        kind = event.__struct_config__.tag
        self.ended.append(("facts", (number, event.at_s, kind, event.node or None, name, len(orders))))


def task_cells(record: TaskRecord) -> Cells:
    """A row of `tasks`."""
    task = record.task
    return (
        task.id, task.node, task.model, task.priority, task.raw_bytes, task.inferences, record.deadline_s, task.at_s,
        record.sent_s, record.result_sent_s, record.started_s, record.finished_s, record.delivered_s, record.ended_s,
        record.how, record.reason, record.runs, record.ran_on, *_said(record),
    )  # fmt: skip


def hop_cells(hop: HopRecord) -> Cells:
    """A row of `hops`."""
    order = hop.order
    return (
        order.task, order.what, order.node, order.to, order.contact, order.size_bytes, order.start_s, order.free_s,
        order.deliver_s, hop.delivered_s, hop.ended_s, hop.how,
    )  # fmt: skip


def run_cells(run: RunRecord) -> Cells:
    """A row of `runs`."""
    order = run.order
    finished_s = run.ended_s if run.outcome is not None else None
    return (
        order.task, order.run, order.node, order.start_s, order.finish_s, finished_s, run.ended_s, run.how,
        order.basis, *_said(run),
    )  # fmt: skip


def bundle_cells(record: BundleRecord) -> Cells:
    """A row of `bundles`."""
    bundle = record.bundle
    return (
        bundle.id, bundle.source, bundle.target, bundle.priority, bundle.size_bytes, record.offered_s, record.sent_s,
        record.delivered_s, record.ended_s, record.how, record.reason,
    )  # fmt: skip


def contact_cells(number: int, contact: Contact) -> Cells:
    """A row of `contacts`."""
    ranges_m = [None, None] if not any(contact.range_m) else [min(contact.range_m), max(contact.range_m)]
    ends_s = [min(contact.start_s + k * contact.step_s, contact.stop_s) for k in range(len(contact.bits_per_s) + 1)]
    bits = sum(rate * (ends_s[k + 1] - ends_s[k]) for k, rate in enumerate(contact.bits_per_s))
    return (
        number, contact.a, contact.b, contact.kind, contact.start_s, contact.stop_s, *ranges_m,
        min(contact.delay_ab_s), max(contact.delay_ab_s), min(contact.bits_per_s), max(contact.bits_per_s), bits / 8.0,
    )  # fmt: skip


def _said(record: RunRecord | TaskRecord) -> Cells:
    outcome = record.outcome
    return (None, None, None) if outcome is None else (outcome.label, record.cloud_fraction, outcome.product_bytes)


def _decisions(trace: Trace, from_s: float | None, to_s: float | None) -> Iterator[Cells]:
    for at_s, trigger, decisions in trace.decisions(from_s, to_s):
        for decided in decisions:
            kind, *rest = decided if isinstance(decided, list) and len(decided) > 1 else ["?", None, None]
            wake_s = rest[0] if kind == "wake" and isinstance(rest[0], int | float) else None
            task = None if kind == "wake" else rest[-1] if kind == "?" else rest[0]
            to_node = rest[1] if kind in ("assign", "downlink") and len(rest) > 1 else None
            reason = rest[1] if kind == "drop" and len(rest) > 1 else None
            yield at_s, trigger, _text(kind), _text(task), _text(to_node), _text(reason), wake_s


def _text(value: object) -> str | None:
    """A name that a scheduler gave; what is of another type, as Python writes it: it was rejected."""
    return None if value is None or value == "" else value if isinstance(value, str) else str(value)[:64]


def about_trace(trace: Trace) -> dict[str, str]:
    """What every table and export says of the run it came from."""
    header = trace.header
    return {
        "orbitmesh": installed_version(),
        "scenario": header.scenario,
        "scenario_sha256": header.scenario_sha256,
        "policy": header.policy,
        "engine": header.engine,
        "seed": str(header.seed),
        "epoch_utc": header.epoch,
        "digest": header.digest,
        "instants": "seconds after epoch_utc, leap seconds counted",
        "synthetic": synthetic(trace),
    }


def synthetic(trace: Trace) -> str:
    """What of a run is no measurement of anything."""
    return LISTED if (trace.header.scenario_table or {}).get("workload") is not None else SCENES
