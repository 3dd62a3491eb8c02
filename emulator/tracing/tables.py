"""Tables of a trace: what happened, a row each, missing values as None, never 0 or -1; units in the names of columns.

Times are seconds after the scenario's epoch. A column is a list; `columns` reads the log once for all of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

from emulator.events import Captured, Delivered, Event, Finished, Missed
from emulator.orders import Cancel, End, Order, Run, Send
from emulator.tracing.reader import Trace
from emulator.world import SATELLITE

FACTS = {"line": "int", "at_s": "float", "kind": "str", "node": "str", "task": "str", "orders": "int"}
TASKS = {
    "task": "str", "node": "str", "captured_s": "float", "sent_s": "float", "started_s": "float",
    "finished_s": "float", "delivered_s": "float", "ended_s": "float", "how": "str", "reason": "str", "ran_on": "str",
    "raw_bytes": "int", "model": "str", "inferences": "int", "deadline_s": "float", "priority": "int",
}  # fmt: skip
HOPS = {
    "task": "str", "what": "str", "from_node": "str", "to_node": "str", "contact": "int", "size_bytes": "int",
    "start_s": "float", "free_s": "float", "due_s": "float", "delivered_s": "float",
}  # fmt: skip
RUNS = {
    "task": "str", "node": "str", "run": "int", "basis": "str", "start_s": "float", "due_s": "float",
    "finished_s": "float", "label": "str", "product_bytes": "int",
}  # fmt: skip
DECISIONS = {"at_s": "float", "trigger": "str", "kind": "str", "task": "str", "to_node": "str", "reason": "str"}
CONTACTS = {"contact": "int", "a": "str", "b": "str", "kind": "str", "start_s": "float", "stop_s": "float"}
TABLES: dict[str, dict[str, str]] = {
    "tasks": TASKS, "hops": HOPS, "runs": RUNS, "facts": FACTS, "decisions": DECISIONS, "contacts": CONTACTS,
}  # fmt: skip

Row = dict[str, Any]


def rows(trace: Trace, table: str, from_s: float | None = None, to_s: float | None = None) -> list[Row]:
    """All rows of a table, of what lies between two instants if given. Raises `TraceError` for a damaged trace."""
    makers: dict[str, Callable[[], Iterator[Row]]] = {
        "facts": lambda: fact_rows(trace, from_s, to_s),
        "decisions": lambda: (row for row in _decisions(trace) if _within(row["at_s"], from_s, to_s)),
        "contacts": lambda: _contacts(trace),
    }
    if table in makers:
        return list(makers[table]())
    gathered = Gathered(trace)
    for _, _, (event, orders) in trace.lines(from_s, to_s):
        gathered.take(event, orders)
    found: dict[str, list[Row]] = {"tasks": list(gathered.tasks.values()), "hops": gathered.hops, "runs": gathered.runs}
    return found[table]


def fact_rows(trace: Trace, from_s: float | None = None, to_s: float | None = None) -> Iterator[Row]:
    """A row for every fact."""
    for number, _, (event, orders) in trace.lines(from_s, to_s):
        kind = str(event.__struct_config__.tag)
        task = event.task.id if isinstance(event, Captured) else getattr(event, "task", None)
        yield dict(zip(FACTS, (number, event.at_s, kind, event.node or None, task, len(orders)), strict=True))


class Gathered:
    """Tasks, hops and runs, gathered from the lines of a log."""

    def __init__(self, trace: Trace) -> None:
        self.tasks: dict[str, Row] = {}
        self.hops: list[Row] = []
        self.runs: list[Row] = []
        self._flying: dict[tuple[str, str], Row] = {}
        self._running: dict[tuple[str, int], Row] = {}
        self._satellites = {node.name for node in trace.world.nodes if node.kind == SATELLITE}

    def take(self, event: Event, orders: list[Order]) -> None:
        """Take one line."""
        if isinstance(event, Captured):
            task = event.task
            self.tasks[task.id] = dict.fromkeys(TASKS) | {
                "task": task.id, "node": task.node, "captured_s": event.at_s, "raw_bytes": task.raw_bytes,
                "model": task.model, "inferences": task.inferences, "deadline_s": task.deadline_s,
                "priority": task.priority,
            }  # fmt: skip
        elif isinstance(event, Delivered | Missed):
            hop = self._flying.get((event.task, event.what))
            if hop is not None and hop["to_node"] == event.node:
                del self._flying[event.task, event.what]
                hop["delivered_s"] = event.at_s if isinstance(event, Delivered) else None
        elif isinstance(event, Finished):
            run = self._running.pop((event.task, event.run), None)
            if run is not None:
                outcome = event.outcome
                run.update(finished_s=event.at_s, label=outcome.label, product_bytes=outcome.product_bytes)
                row = self.scene(event.task)
                if row is not None:
                    row.update(finished_s=event.at_s, ran_on=event.node)
        for order in orders:
            self._order(event.at_s, order)

    def scene(self, task: str) -> Row | None:
        """The row of a task, or of the scene of which it is a stage; None for a bundle."""
        return self.tasks.get(task) or self.tasks.get(task.rpartition("#")[0])

    def _order(self, at_s: float, order: Order) -> None:
        if isinstance(order, Send):
            values = (order.task, order.what, order.node, order.to, order.contact, order.size_bytes)
            times_s = (order.start_s, order.free_s, order.deliver_s, None)
            hop = dict(zip(HOPS, (*values, *times_s), strict=True))
            self.hops.append(hop)
            self._flying[order.task, order.what] = hop
            row = self.scene(order.task)
            if row is not None and row["sent_s"] is None:
                row["sent_s"] = order.start_s
        elif isinstance(order, Run):
            named = (order.task, order.node, order.run, order.basis)
            run = dict(zip(RUNS, (*named, order.start_s, order.finish_s, None, None, None), strict=True))
            self.runs.append(run)
            self._running[order.task, order.run] = run
            row = self.scene(order.task)
            if row is not None and row["started_s"] is None:
                row["started_s"] = order.start_s
        elif isinstance(order, Cancel):
            self._running.pop((order.task, order.run), None)
        elif isinstance(order, End):
            row = self.tasks.get(order.task)
            if row is not None:
                delivered_s = at_s if order.how == "done" else None
                row.update(how=order.how, reason=order.reason, ended_s=at_s, delivered_s=delivered_s)


def _decisions(trace: Trace) -> Iterator[Row]:
    for at_s, trigger, decisions in trace.decisions():
        for decided in decisions:
            kind, *rest = decided if isinstance(decided, list) and len(decided) > 1 else ["?", None, None]
            to_node = rest[1] if kind in ("assign", "downlink") else None
            reason = rest[1] if kind == "drop" else None
            task = None if kind == "wake" else rest[-1] if kind == "?" else rest[0]
            yield dict(zip(DECISIONS, (at_s, trigger, kind, task or None, to_node, reason), strict=True))


def _contacts(trace: Trace) -> Iterator[Row]:
    for number, each in enumerate(trace.world.plan.contacts):
        yield dict(zip(CONTACTS, (number, each.a, each.b, each.kind, each.start_s, each.stop_s), strict=True))


def _within(at_s: float, from_s: float | None, to_s: float | None) -> bool:
    return (from_s is None or at_s >= from_s) and (to_s is None or at_s <= to_s)
