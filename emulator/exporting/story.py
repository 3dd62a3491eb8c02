"""What became of every task, message and run: facts and orders of a trace folded into records with a begin and an end.

Goes through the lines once and hands each record on when it has ended, so that memory grows with what is under way,
not with the trace. What has not happened is None. Computes no physics: instants are the recorded ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from emulator.errors import TraceError
from emulator.events import Captured, Delivered, Event, Finished, Missed, NodeFailed, NodeRecovered
from emulator.orders import Cancel, End, Order, Run, Send
from emulator.replay import DAMAGE
from emulator.state import BUNDLE, RESULT
from emulator.trace import Trace
from emulator.world import STATION, World
from workloads.tasks import Outcome, Task

DELIVERED, LOST, WITHDRAWN, IN_FLIGHT = "delivered", "lost", "withdrawn", "in flight"
FINISHED, CANCELLED, RUNNING = "finished", "cancelled", "running"
PENDING = "pending"


class Hop:
    """One message over one link: serialised from `start_s` to `free_s`, due at the other end at `due_s`.

    `how` it ended at `ended_s`: `delivered`, `lost` (with a node, or on the way), `withdrawn` (its task had ended),
    or `in flight` when the trace ends, and then `ended_s` is None. `owner` is the task, or the bundle.
    """

    __slots__ = ("ended_s", "how", "order", "owner")

    def __init__(self, order: Send, owner: str) -> None:
        self.order, self.owner = order, owner
        self.how = IN_FLIGHT
        self.ended_s: float | None = None

    @property
    def delivered_s(self) -> float | None:
        """When its last bit was there; None if it never was."""
        return self.ended_s if self.how == DELIVERED else None


class Work:
    """One run on a processor; `how` it ended at `ended_s`: `finished`, `cancelled`, `lost`, or `running` (None)."""

    __slots__ = ("ended_s", "how", "order", "outcome", "owner")

    def __init__(self, order: Run, owner: str) -> None:
        self.order, self.owner = order, owner
        self.how = RUNNING
        self.ended_s: float | None = None
        self.outcome: Outcome | None = None


class Life:
    """One task from capture to its end (`done`, `dropped`, `lost`, or `pending` with `ended_s` None).

    `sent_s`: its first message, raw or result, began to leave. `started_s` and `finished_s`: begin of the first and
    end of the last run that ended as a run should; in a pipeline, over all stages. `delivered_s`: the answer was on
    the ground. Each is None where it did not happen.
    """

    __slots__ = (
        "delivered_s", "ended_s", "finished_s", "hops", "how", "outcome", "ran_on", "reason", "result_sent_s",
        "sent_s", "started_s", "task", "works",
    )  # fmt: skip

    def __init__(self, task: Task) -> None:
        self.task = task
        self.sent_s: float | None = None
        self.result_sent_s: float | None = None
        self.started_s: float | None = None
        self.finished_s: float | None = None
        self.delivered_s: float | None = None
        self.ended_s: float | None = None
        self.how, self.reason = PENDING, ""
        self.ran_on: str | None = None  # the node of the last run that finished
        self.outcome: Outcome | None = None
        self.hops: dict[tuple[str, str], Hop] = {}  # under way, by (id, what)
        self.works: dict[str, Work] = {}  # under way, by id


class Sink:
    """Takes what has ended; override what you want to hear of."""

    def hop(self, hop: Hop) -> None:
        """A message has ended."""

    def work(self, work: Work) -> None:
        """A run has ended."""

    def task(self, life: Life) -> None:
        """A task has ended."""


class Story:
    """Folds a trace; feed it every line with `take`, then `close` it."""

    def __init__(self, world: World, sink: Sink) -> None:
        self._sink = sink
        self._piped = world.pipeline is not None
        self._stations = {node.name for node in world.nodes if node.kind == STATION}
        self._lives: dict[str, Life] = {}
        self._strays: dict[tuple[str, str], Hop] = {}  # bundles, and what a task that has ended still sends
        self._down: dict[str, float] = {}
        self.outages: list[tuple[str, float, float | None]] = []  # (node, from, to) of nodes that failed, so far

    def take(self, event: Event, orders: list[Order]) -> None:
        """One line. Raises KeyError for a run of a task that was never captured, or has ended."""
        kind = type(event)
        if kind is Delivered:
            self._delivered(event)  # type: ignore[arg-type]  # narrowed by `kind`, which is quicker than isinstance
        elif kind is Finished:
            self._finished(event)  # type: ignore[arg-type]
        elif kind is Captured:
            self._lives[event.task.id] = Life(event.task)  # type: ignore[union-attr,arg-type]
        elif isinstance(event, Missed):
            hop = self._hop(event.task, event.what, event.node)
            if hop is not None:
                self._end_hop(hop, LOST, event.at_s)
        elif isinstance(event, NodeFailed):
            self._failed(event)
        elif isinstance(event, NodeRecovered) and event.node in self._down:
            self.outages.append((event.node, self._down.pop(event.node), event.at_s))
        for order in orders:
            if isinstance(order, Send):
                self._sent(order)
            elif isinstance(order, Run):
                work = Work(order, self._owner(order.task))
                self._lives[work.owner].works[order.task] = work
            elif isinstance(order, Cancel):
                self._cancelled(order, event.at_s)
            elif isinstance(order, End):
                self._ended(order, event)

    def close(self) -> None:
        """The trace is over: hand on what is still under way."""
        for life in self._lives.values():
            for hop in life.hops.values():
                self._sink.hop(hop)
            for work in life.works.values():
                self._sink.work(work)
            self._sink.task(life)
        for hop in self._strays.values():
            self._sink.hop(hop)
        self.outages += [(node, since_s, None) for node, since_s in self._down.items()]

    def _owner(self, name: str) -> str:
        return name.rpartition("#")[0] if self._piped else name  # `workloads.pipeline.stage_id`

    def _hops(self, owner: str, what: str) -> dict[tuple[str, str], Hop]:
        """Where a message that is under way is kept."""
        life = self._lives.get(owner) if what != BUNDLE else None
        return self._strays if life is None else life.hops

    def _hop(self, name: str, what: str, node: str) -> Hop | None:
        """The message on its way to `node`; None for the echo of one that was lost or withdrawn."""
        hop = self._hops(self._owner(name), what).get((name, what))
        return hop if hop is not None and hop.order.to == node else None

    def _sent(self, order: Send) -> None:
        hop = Hop(order, order.task if order.what == BUNDLE else self._owner(order.task))
        self._hops(hop.owner, order.what)[order.task, order.what] = hop
        life = self._lives.get(hop.owner) if order.what != BUNDLE else None
        if life is not None and life.sent_s is None:
            life.sent_s = order.start_s
        if life is not None and order.what == RESULT and life.result_sent_s is None:
            life.result_sent_s = order.start_s

    def _end_hop(self, hop: Hop, how: str, at_s: float) -> None:
        order = hop.order
        hop.how, hop.ended_s = how, at_s
        del self._hops(hop.owner, order.what)[order.task, order.what]
        self._sink.hop(hop)

    def _delivered(self, event: Delivered) -> None:
        hop = self._hop(event.task, event.what, event.node)
        if hop is None or event.at_s < hop.order.deliver_s:
            return
        self._end_hop(hop, DELIVERED, event.at_s)
        life = self._lives.get(hop.owner)
        if life is not None and hop.order.what == RESULT and event.node in self._stations:
            life.delivered_s = event.at_s

    def _finished(self, event: Finished) -> None:
        life = self._lives.get(self._owner(event.task))
        work = life.works.get(event.task) if life is not None else None
        if life is None or work is None or work.order.run != event.run:
            return  # it was cancelled, or lost with its node, before this was told
        life.finished_s, life.outcome, life.ran_on = event.at_s, event.outcome, event.node
        if life.started_s is None or work.order.start_s < life.started_s:
            life.started_s = work.order.start_s
        work.outcome = event.outcome
        self._end_work(life, work, FINISHED, event.at_s)

    def _end_work(self, life: Life, work: Work, how: str, at_s: float) -> None:
        work.how, work.ended_s = how, at_s
        del life.works[work.order.task]
        self._sink.work(work)

    def _cancelled(self, order: Cancel, at_s: float) -> None:
        life = self._lives[self._owner(order.task)]
        work = life.works.get(order.task)
        if work is not None and work.order.run == order.run:
            self._end_work(life, work, CANCELLED, at_s)

    def _failed(self, event: NodeFailed) -> None:
        """What ran there, was bound for there, or had not left it whole is lost."""
        node, at_s = event.node, event.at_s
        if node in self._down:
            return
        self._down[node] = at_s
        hops = [hop for life in self._lives.values() for hop in life.hops.values()] + list(self._strays.values())
        for hop in hops:
            if hop.order.to == node or (hop.order.node == node and hop.order.free_s > at_s):
                self._end_hop(hop, LOST, at_s)
        for life in self._lives.values():
            for work in [work for work in life.works.values() if work.order.node == node]:
                self._end_work(life, work, LOST, at_s)

    def _ended(self, order: End, event: Event) -> None:
        life = self._lives.get(order.task)
        if life is None:
            return  # a bundle: its last message has ended with it
        for hop in list(life.hops.values()):
            self._end_hop(hop, WITHDRAWN, event.at_s)
        for work in list(life.works.values()):
            self._end_work(life, work, CANCELLED, event.at_s)
        life.how, life.reason, life.ended_s = order.how, order.reason, event.at_s
        if order.how == "done" and life.delivered_s is None:
            life.delivered_s = event.at_s  # inferred at the station
        elif order.how == "done" and isinstance(event, Finished) and event.node in self._stations:
            life.delivered_s = event.at_s  # in a pipeline: the last answer was found on the ground
        elif order.how != "done":
            life.delivered_s = None  # of a pipeline's answers some were down, but never all
        del self._lives[order.task]
        self._sink.task(life)


def tell(trace: Trace, sink: Sink) -> Story:
    """Read the whole trace into `sink`. Raises `TraceError`, naming the line, for one that contradicts itself."""
    story = Story(trace.world, sink)
    for number, (event, orders) in facts(trace):
        try:
            story.take(event, orders)
        except (KeyError, IndexError) as error:
            raise contradiction(trace, number, error) from error
    story.close()
    return story


@contextmanager
def damage(trace: Trace) -> Iterator[None]:
    """What a world or a log that cannot be leads to inside is a `TraceError`."""
    try:
        yield
    except DAMAGE as error:
        text = f"holds what cannot be exported: {type(error).__name__}: {str(error)[:200]}"
        raise TraceError(f"{trace.folder}: {text}; `orbitmesh replay` says whether the trace is whole") from error


def facts(trace: Trace) -> Iterator[tuple[int, tuple[Event, list[Order]]]]:
    """Each line's number from 1, and what it says."""
    for number, _, said in trace.lines():
        yield number, said


def contradiction(trace: Trace, number: int, error: Exception) -> TraceError:
    """For a line that speaks of what the lines before it and the world do not have."""
    text = f"line {number} speaks of {str(error)[:200]}, which neither the world nor any line before it has"
    return TraceError(f"{trace.folder}: {text}; `orbitmesh replay` says whether the trace is whole")
