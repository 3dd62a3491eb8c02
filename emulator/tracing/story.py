"""What became of every task, bundle, message and run: facts and orders folded into records with a begin and an end.

The one telling: tables, exports, differences and reports all read it. It goes through the lines once and hands each
record on when it has ended, so memory grows with what is under way, never with the trace; what has not ended is handed
on when the trace is over. What has not happened is None. No physics: instants are the recorded ones.
`docs/trace-format.md` says what each instant means, `records.py` what a record holds.
"""

from collections.abc import Callable
from typing import Any

from emulator.events import Captured, Delivered, Event, Finished, Missed, NodeFailed, NodeRecovered, Offered
from emulator.orders import Cancel, End, Order, Run, Send
from emulator.state import BUNDLE, RESULT
from emulator.tracing.ends import ends_bundle, ends_message, ends_run, loses_message, loses_run
from emulator.tracing.records import (
    CANCELLED,
    DELIVERED,
    FINISHED,
    LOST,
    WITHDRAWN,
    BundleRecord,
    Clouds,
    HopRecord,
    RunRecord,
    Sink,
    TaskRecord,
)
from emulator.world import STATION, World
from workloads.pipeline import CLOUDY, Graph


class UnderWay:
    """A task or bundle that has not ended, with its messages and runs that have not; `record` is None for a stranger,
    which began before the span that is told."""

    __slots__ = ("hops", "record", "runs")

    def __init__(self, record: Any) -> None:
        self.record: Any = record  # a TaskRecord in `_tasks`, a BundleRecord in `_bundles`, or None
        self.hops: dict[tuple[str, str], HopRecord] = {}  # by (id, what)
        self.runs: dict[str, RunRecord] = {}  # by id


class Story:
    """Folds a trace; feed it every line with `take`, then `close` it.

    With `strangers`, lines may speak of tasks that were captured before the first of them; without, that is a KeyError.
    With `until_s`, what begins after that instant is passed over, and `done` says when nothing else is left.
    """

    def __init__(self, world: World, sink: Sink, strangers: bool = False, until_s: float | None = None) -> None:
        self._sink = sink
        self._graph = None if world.pipeline is None else Graph(world.pipeline, world.models)
        self._contacts = len(world.plan.contacts)
        self._clouds = Clouds(world)
        self._stations = {node.name for node in world.nodes if node.kind == STATION}
        self._strangers, self._until_s = strangers, until_s
        self._captures = 0
        self._late = False  # past `until_s`
        self._tasks: dict[str, UnderWay] = {}
        self._bundles: dict[str, UnderWay] = {}
        self._down: dict[str, float] = {}
        self.outages: list[tuple[str, float, float | None]] = []  # (node, from, to) of nodes that failed, so far
        self._facts: dict[type, Callable[[Any], None]] = {
            Delivered: self._delivered,
            Finished: self._finished,
            Captured: self._captured,
            Offered: self._offered,
            Missed: self._missed,
            NodeFailed: self._failed,
            NodeRecovered: self._recovered,
        }

    def take(self, event: Event, orders: list[Order]) -> None:
        """One line. Raises KeyError where it contradicts the lines before it."""
        if self._until_s is not None and event.at_s > self._until_s:
            self._late = True
        told = self._facts.get(type(event))
        if told is not None:
            told(event)
        for order in orders:
            kind = type(order)
            if kind is Send:
                self._sent(order)  # type: ignore[arg-type]  # narrowed by `kind`, which is quicker than isinstance
            elif kind is Run:
                self._started(order)  # type: ignore[arg-type]
            elif kind is End:
                self._ended(order, event)  # type: ignore[arg-type]
            elif kind is Cancel:
                self._cancelled(order, event.at_s)  # type: ignore[arg-type]

    @property
    def done(self) -> bool:
        """Whether nothing is under way of what began in the span, and the span is over."""
        return self._late and not self._tasks and not self._bundles

    def close(self) -> None:
        """The trace is over: hand on what is still under way."""
        for owner in (*self._tasks.values(), *self._bundles.values()):
            for hop in owner.hops.values():
                self._sink.hop(hop)
            for run in owner.runs.values():
                self._sink.run(run)
        for owner in self._tasks.values():
            if owner.record is not None:
                self._sink.task(owner.record)
        for owner in self._bundles.values():
            if owner.record is not None:
                self._sink.bundle(owner.record)
        self.outages += [(node, since_s, None) for node, since_s in self._down.items()]

    # whose it is

    def _name(self, part: str) -> str:
        return part.rpartition("#")[0] if self._graph is not None else part  # `workloads.pipeline.stage_id`

    def _owner(self, part: str, what: str = "") -> UnderWay | None:
        return self._bundles.get(part) if what == BUNDLE else self._tasks.get(self._name(part))

    def _known(self, part: str, what: str = "") -> UnderWay | None:
        """Whose message or run begins; None for one to be passed over. Raises KeyError for what never began."""
        name, found = (part, self._bundles) if what == BUNDLE else (self._name(part), self._tasks)
        owner = found.get(name)
        if owner is None and not self._late:
            if not self._strangers:
                raise KeyError(f"{what or 'task'} {name!r}")
            owner = found[name] = UnderWay(None)
        return owner

    def _forget(self, part: str, what: str, owner: UnderWay) -> None:
        """A stranger is kept while something of it is under way."""
        if owner.record is None and not owner.hops and not owner.runs:
            (self._bundles if what == BUNDLE else self._tasks).pop(part if what == BUNDLE else self._name(part), None)

    # facts

    def _captured(self, event: Captured) -> None:
        task = event.task
        if task.id in self._tasks:
            raise KeyError(f"a second capture of task {task.id!r}")
        if not self._late:
            self._tasks[task.id] = UnderWay(TaskRecord(task, self._captures))
            self._captures += 1

    def _offered(self, event: Offered) -> None:
        bundle = event.bundle
        if bundle.id in self._bundles:
            raise KeyError(f"a second offer of bundle {bundle.id!r}")
        if not self._late:
            self._bundles[bundle.id] = UnderWay(BundleRecord(bundle, event.at_s))

    def _delivered(self, event: Delivered) -> None:
        owner = self._owner(event.task, event.what)
        hop = owner.hops.get((event.task, event.what)) if owner is not None else None
        if owner is None or hop is None or not ends_message(event, hop.order):
            return
        self._end_hop(owner, hop, DELIVERED, event.at_s)
        if event.what == RESULT and owner.record is not None and event.node in self._stations:
            owner.record.answered_s = event.at_s

    def _missed(self, event: Missed) -> None:
        owner = self._owner(event.task, event.what)
        hop = owner.hops.get((event.task, event.what)) if owner is not None else None
        if owner is not None and hop is not None and ends_message(event, hop.order):
            self._end_hop(owner, hop, LOST, event.at_s)

    def _finished(self, event: Finished) -> None:
        owner = self._owner(event.task)
        run = owner.runs.get(event.task) if owner is not None else None
        if owner is None or run is None or not ends_run(event, run.order):
            return
        run.outcome, run.cloud_fraction = event.outcome, self._clouds.of(event.task, event.outcome)
        record = owner.record
        if record is not None:
            record.finished_s, record.outcome, record.ran_on = event.at_s, event.outcome, event.node
            record.cloud_fraction = run.cloud_fraction
            if event.node in self._stations and self._answers(event, record):
                record.answered_s = event.at_s  # inferred on the ground
        self._end_run(owner, run, FINISHED, event.at_s)

    def _answers(self, event: Finished, record: TaskRecord) -> bool:
        """Whether a run's end is an answer: without a pipeline always, else of a last stage or one that ends it all."""
        if self._graph is None:
            return True
        stage = event.task[len(record.task.id) + 1 :]
        ends_all = self._graph.stages[stage].exit == CLOUDY == event.outcome.label
        return ends_all or stage in self._graph.sinks

    def _failed(self, event: NodeFailed) -> None:
        if event.node in self._down:
            return
        self._down[event.node] = event.at_s
        for owner in [*self._tasks.values(), *self._bundles.values()]:
            for hop in list(owner.hops.values()):
                if loses_message(event, hop.order):
                    self._end_hop(owner, hop, LOST, event.at_s)
            for run in list(owner.runs.values()):
                if loses_run(event, run.order):
                    self._end_run(owner, run, LOST, event.at_s)

    def _recovered(self, event: NodeRecovered) -> None:
        if event.node in self._down:
            self.outages.append((event.node, self._down.pop(event.node), event.at_s))

    # orders

    def _sent(self, order: Send) -> None:
        if not 0 <= order.contact < self._contacts:
            raise KeyError(f"contact {order.contact}")
        owner = self._known(order.task, order.what)
        if owner is None:
            return
        if (order.task, order.what) in owner.hops:
            raise KeyError(f"{order.what} of {order.task!r} sent while it is on its way")
        name = order.task if order.what == BUNDLE else self._name(order.task)
        owner.hops[order.task, order.what] = HopRecord(order, name)
        record = owner.record
        if record is not None:
            if record.sent_s is None:
                record.sent_s = order.start_s
            if order.what == RESULT and record.result_sent_s is None:
                record.result_sent_s = order.start_s

    def _started(self, order: Run) -> None:
        owner = self._known(order.task)
        if owner is None:
            return
        if order.task in owner.runs:
            raise KeyError(f"run {order.run} of {order.task!r} while another is under way")
        owner.runs[order.task] = RunRecord(order, self._name(order.task))
        record = owner.record
        if record is not None:
            record.runs += 1
            if record.started_s is None:
                record.started_s = order.start_s

    def _cancelled(self, order: Cancel, at_s: float) -> None:
        owner = self._owner(order.task)
        run = owner.runs.get(order.task) if owner is not None else None
        if owner is not None and run is not None and ends_run(order, run.order):
            self._end_run(owner, run, CANCELLED, at_s)

    def _ended(self, order: End, event: Event) -> None:
        """A task's end, or else a bundle's: a task and a bundle of one name are told apart by the fact."""
        kinds = (self._bundles, self._tasks) if ends_bundle(event) else (self._tasks, self._bundles)
        found = next((each for each in kinds if order.task in each), None)
        if found is None:
            if not self._strangers and not self._late:
                raise KeyError(f"{order.task!r}, which is said to end")
            return
        owner = found.pop(order.task)
        for hop in list(owner.hops.values()):
            self._end_hop(owner, hop, WITHDRAWN, event.at_s)
        for run in list(owner.runs.values()):
            self._end_run(owner, run, CANCELLED, event.at_s)
        record = owner.record
        if record is None:
            return
        record.how, record.reason, record.ended_s = order.how, order.reason or None, event.at_s
        if found is self._bundles:
            self._sink.bundle(record)
        else:
            self._sink.task(record)

    # ends

    def _end_hop(self, owner: UnderWay, hop: HopRecord, how: str, at_s: float) -> None:
        order = hop.order
        hop.how, hop.ended_s = how, at_s
        del owner.hops[order.task, order.what]
        self._forget(order.task, order.what, owner)
        self._sink.hop(hop)

    def _end_run(self, owner: UnderWay, run: RunRecord, how: str, at_s: float) -> None:
        run.how, run.ended_s = how, at_s
        del owner.runs[run.order.task]
        self._forget(run.order.task, "", owner)
        self._sink.run(run)
