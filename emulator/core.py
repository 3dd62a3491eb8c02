"""The core: the whole state of the world behind one door, `handle(event) -> orders`.

It opens no socket, reads no clock, never sleeps, and draws no random number that it was not given. Same facts in,
same orders out, on any machine: it computes with IEEE additions, subtractions, products and quotients only.
Every task ends as done, dropped with a reason, or lost with a reason, or is still pending.
"""

from collections.abc import Callable
from typing import Any

from emulator.compute import Compute
from emulator.consult import Consultation, Decider
from emulator.errors import RunFailed, TimeReversed
from emulator.events import (
    Captured,
    ContactClosed,
    ContactOpened,
    Delivered,
    Ended,
    Event,
    Finished,
    Missed,
    NodeFailed,
    NodeRecovered,
    Offered,
    SunRose,
    SunSet,
    TimerRang,
)
from emulator.ledger import check
from emulator.orders import End, Order
from emulator.state import (
    BUNDLE,
    ENDED,
    MOVING,
    QUEUED,
    RAW,
    RESULT,
    RETURNING,
    RUNNING,
    WAITING,
    BundleState,
    Message,
    Moment,
    NodeState,
    TaskState,
)
from emulator.transport import Transport
from emulator.world import STATION, World


class Core:
    """The state of the world; deterministic."""

    def __init__(self, world: World, scheduler: Decider) -> None:
        self.world = world
        self.settings = world.settings
        self.moment = Moment()
        self.nodes = {spec.name: NodeState(spec) for spec in sorted(world.nodes, key=lambda spec: spec.name)}
        self.tasks: dict[str, TaskState] = {}
        self.waiting: dict[str, TaskState] = {}
        self.bundles: dict[str, BundleState] = {}
        self.transport = Transport(world, self.nodes, self.moment)
        self.compute = Compute(world, self.nodes, self.moment)
        self.consultation = Consultation(self, scheduler)
        self.wakes: set[float] = set()  # instants at which the scheduler is to be woken; asking twice wakes once
        self.events = 0
        self.stale = 0  # echoes of what had been lost or cancelled
        self.ended = {"done": 0, "dropped": 0, "lost": 0}
        self._handlers: dict[type, Callable[[Any], None]] = {
            Captured: self._captured,
            Offered: self._offered,
            Delivered: self._delivered,
            Missed: self._missed,
            Finished: self._finished,
            TimerRang: self._timer_rang,
            ContactOpened: self._contact_opened,
            ContactClosed: self._contact_closed,
            SunRose: self._sun_changed,
            SunSet: self._sun_changed,
            NodeFailed: self._node_failed,
            NodeRecovered: self._node_recovered,
            Ended: self._run_ended,
        }

    @property
    def now_s(self) -> float:
        """Seconds since the scenario's epoch: the instant of the last fact."""
        return self.moment.now_s

    def handle(self, event: Event) -> list[Order]:
        """Take one fact, change the state, return what is to be done. The only door.

        Raises `TimeReversed` for a fact older than the last one.
        """
        moment = self.moment
        if event.at_s < moment.now_s:
            raise TimeReversed(f"a fact at {event.at_s} s came after one at {moment.now_s} s: {event}")
        moment.now_s = event.at_s
        orders = moment.orders = []
        self.events += 1
        self._handlers[type(event)](event)
        if self.transport.overflowed:
            self._overflow()
        return orders

    # facts

    def _captured(self, event: Captured) -> None:
        task = event.task
        if task.id in self.tasks:
            raise RunFailed(f"task {task.id} was captured twice, the second time at {event.at_s} s")
        state = self.tasks[task.id] = TaskState(task)
        node = self.nodes[event.node]
        if not node.up:
            self.end(state, "lost", "node down")
            return
        node.stored_bytes += task.raw_bytes
        if node.stored_bytes > node.storage_bytes:
            node.stored_bytes -= task.raw_bytes
            self.end(state, "lost", "storage full")
            return
        self.waiting[task.id] = state
        self.consultation.hold("captured")

    def _offered(self, event: Offered) -> None:
        bundle = event.bundle
        if bundle.id in self.bundles:
            raise RunFailed(f"bundle {bundle.id} was offered twice, the second time at {event.at_s} s")
        state = self.bundles[bundle.id] = BundleState(bundle, event.at_s)
        node = self.nodes[event.node]
        if not node.up:
            self._end_bundle(state, "lost", "node down")
            return
        if bundle.target not in self.nodes:
            self._end_bundle(state, "lost", f"there is no node {bundle.target}")
            return
        node.stored_bytes += bundle.size_bytes
        self._pass_on(Message(state, BUNDLE, bundle.size_bytes, bundle.target, True), state, node)

    def _pass_on(self, message: Message, state: BundleState, node: NodeState) -> None:
        """A bundle is whole on a node: store it and send it on, or it has arrived."""
        state.at = node.name
        if node.name == state.bundle.target:  # its application has it, however full the storage is
            node.stored_bytes -= message.size_bytes
            state.delivered_s = self.moment.now_s
            self._end_bundle(state, "done", "")
        elif node.stored_bytes > node.storage_bytes:
            node.stored_bytes -= message.size_bytes
            self._end_bundle(state, "lost", "storage full")
        else:
            self.transport.forward(message, node.name)

    def _overflow(self) -> None:
        """What found no room in a transmitter's queue is lost."""
        overflowed, self.transport.overflowed = self.transport.overflowed, []
        for message in overflowed:
            self.nodes[message.held].stored_bytes -= message.size_bytes
            self._lose(message, "queue full")

    def _lose(self, message: Message, reason: str) -> None:
        if isinstance(message.state, BundleState):
            self._end_bundle(message.state, "lost", reason)
        else:
            self.end(message.state, "lost", reason)

    def _end_bundle(self, state: BundleState, how: str, reason: str) -> None:
        """A bundle is `done` or `lost`, and why."""
        state.how, state.reason = how, reason
        self.moment.orders.append(End(state.bundle.id, how, reason))

    def _delivered(self, event: Delivered) -> None:
        message = self.transport.delivered(event.task, event.what, event.node)
        if message is None:
            self.stale += 1
            return
        node = self.nodes[event.node]
        state = message.state
        if isinstance(state, BundleState):
            self._pass_on(message, state, node)
            return
        state.at = node.name
        if node.stored_bytes > node.storage_bytes:
            node.stored_bytes -= message.size_bytes
            self.end(state, "lost", "storage full")
        elif node.name != message.target and not (message.target is None and node.kind == STATION):
            self.transport.forward(message, node.name)
        elif message.what == RESULT:
            node.stored_bytes -= message.size_bytes
            state.delivered_s = self.moment.now_s
            self.end(state, "done", self._label(state))
        elif not self.compute.fits(node, state.task.model):
            node.stored_bytes -= message.size_bytes
            self.end(state, "lost", f"{node.name} cannot run the model")
        else:
            self.compute.enqueue(node, state)

    def _missed(self, event: Missed) -> None:
        message = self.transport.missed(event.task, event.what, event.node)
        if message is None:
            self.stale += 1
        else:
            self._lose(message, event.why or f"never came to {event.node}")

    def _finished(self, event: Finished) -> None:
        state = self.tasks.get(event.task)
        if state is None or state.stage != RUNNING or state.run != event.run:
            self.stale += 1
            return
        node = self.nodes[event.node]
        state.finished_s = self.moment.now_s
        outcome = state.outcome = event.outcome
        self.compute.finish(node, state)
        node.stored_bytes -= state.task.raw_bytes
        if node.kind == STATION:
            state.delivered_s = self.moment.now_s
            self.end(state, "done", outcome.label)
        elif outcome.product_bytes <= 0:
            self.end(state, "dropped", outcome.label)
        else:
            node.stored_bytes += outcome.product_bytes
            state.stage = RETURNING
            self.transport.forward(Message(state, RESULT, outcome.product_bytes, None, state.relay), node.name)
        self.consultation.hold("finished")

    def _timer_rang(self, event: TimerRang) -> None:
        if event.node:
            self.transport.transmitter_free(event.node, event.timer)
        elif event.timer == "decide":
            self.wakes = {at_s for at_s in self.wakes if at_s > event.at_s}
            self.consultation.hold("woken")
        else:
            self.consultation.decision_ready()

    def _contact_opened(self, event: ContactOpened) -> None:
        contact = self.transport.contacts[event.contact]
        if self.nodes[contact.a].up and self.nodes[contact.b].up:
            self.transport.opened(event.contact)
            self.consultation.hold("contact opened")

    def _contact_closed(self, event: ContactClosed) -> None:
        contact = self.transport.contacts[event.contact]
        if self.transport.routes.open[contact.a].get(contact.b) == event.contact:
            self.transport.closed(event.contact)
            self.consultation.hold("contact closed")

    def _sun_changed(self, event: SunRose | SunSet) -> None:
        self.nodes[event.node].sunlit = type(event) is SunRose

    def _node_failed(self, event: NodeFailed) -> None:
        node = self.nodes[event.node]
        if not node.up:
            return
        node.up = False
        reason = f"{node.name} failed"
        lost, returned = self.transport.lose(node.name)
        for message in lost:
            self._lose(message, reason)
        for message in returned:
            if isinstance(message.state, TaskState) and message.what == RAW:
                message.state.stage = WAITING
                self.waiting[message.state.task.id] = message.state
            else:
                message.via = None
                self.transport.forward(message, message.held)
        for state in [s for s in self.tasks.values() if s.at == node.name and s.stage in (WAITING, QUEUED, RUNNING)]:
            self.end(state, "lost", reason)
        self.compute.stop(node)
        node.stored_bytes = 0
        self.consultation.hold("node failed")

    def _node_recovered(self, event: NodeRecovered) -> None:
        node = self.nodes[event.node]
        if not node.up:
            node.up = True
            self.transport.restore(node.name)
            self.consultation.hold("node recovered")

    def _run_ended(self, event: Ended) -> None:
        check(self)

    # what facts and decisions bring about

    def move(self, state: TaskState, relay: bool) -> None:
        """Send a task's raw data from where they are to its target."""
        state.stage = MOVING
        self.transport.forward(Message(state, RAW, state.task.raw_bytes, state.target, relay), state.at)

    def _label(self, state: TaskState) -> str:
        return state.outcome.label if state.outcome is not None else ""

    def end(self, state: TaskState, how: str, reason: str) -> None:
        """A task is `done`, `dropped` or `lost`, and why."""
        self.waiting.pop(state.task.id, None)
        state.stage, state.how, state.reason = ENDED, how, reason
        self.ended[how] += 1
        self.moment.orders.append(End(state.task.id, how, reason))
