"""The core: the whole state of the world behind one door, `handle(event) -> orders`.

It opens no socket, reads no clock, never sleeps, and draws no random number that it was not given. Same facts in,
same orders out, on any machine: it computes with IEEE additions, subtractions, products and quotients only.
Every task ends as done, dropped with a reason, or lost with a reason, or is still pending.
"""

from collections.abc import Callable
from typing import Any

from emulator import bundles, withdrawal
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
from emulator.stages import Stages
from emulator.state import (
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
    SceneState,
    StageState,
    TaskState,
)
from emulator.transport import Transport
from emulator.world import STATION, World
from workloads.pipeline import Pipeline


class Core:
    """The state of the world; deterministic."""

    def __init__(self, world: World, scheduler: Decider) -> None:
        self.world = world
        self.settings = world.settings
        self.moment = Moment()
        self.nodes = {spec.name: NodeState(spec) for spec in sorted(world.nodes, key=lambda spec: spec.name)}
        self.tasks: dict[str, TaskState] = {}  # every scene that was captured
        self.work = self.tasks if world.pipeline is None else {}  # what is placed: scenes, or the stages of scenes
        self.waiting: dict[str, TaskState] = {}
        self.bundles: dict[str, BundleState] = {}
        self.transport = Transport(world, self.nodes, self.moment)
        self.compute = Compute(world, self.nodes, self.moment)
        self.stages = Stages(self, world.pipeline or Pipeline(stages=()))
        self.consultation = Consultation(self, scheduler)
        self.wakes: set[float] = set()  # instants at which the scheduler is to be woken; asking twice wakes once
        self.events = 0
        self.stale = 0  # echoes of what had been lost or cancelled
        self.ended = {"done": 0, "dropped": 0, "lost": 0}
        self._handlers: dict[type, Callable[[Any], None]] = {
            Captured: self._captured,
            Offered: lambda event: bundles.offer(self, event),
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
        piped = self.world.pipeline is not None
        state = self.tasks[task.id] = SceneState(task, self.stages.graph.sinks) if piped else TaskState(task)
        node = self.nodes[event.node]
        if not node.up:
            self.end(state, "lost", "node down")
            return
        node.stored_bytes += task.raw_bytes
        if node.stored_bytes > node.storage_bytes:
            node.stored_bytes -= task.raw_bytes
            self.end(state, "lost", "storage full")
            return
        if isinstance(state, SceneState):
            self.stages.begin(state)
        else:
            self.waiting[task.id] = state
        self.consultation.hold("captured")

    def _overflow(self) -> None:
        """What found no room in a transmitter's queue is lost."""
        overflowed, self.transport.overflowed = self.transport.overflowed, []
        for message in overflowed:
            self.nodes[message.held].stored_bytes -= message.kept_bytes
            self._lose(message, "queue full")

    def _lose(self, message: Message, reason: str) -> None:
        if isinstance(message.state, BundleState):
            bundles.end(self, message.state, "lost", reason)
        else:
            self.end(message.state, "lost", reason)

    def _delivered(self, event: Delivered) -> None:
        message = self.transport.delivered(event.task, event.what, event.node)
        if message is None:
            self.stale += 1
            return
        node = self.nodes[event.node]
        state = message.state
        if isinstance(state, BundleState):
            bundles.pass_on(self, message, state, node)
            return
        blob = message.blob
        if not isinstance(state, StageState):
            state.at = node.name
        elif blob is not None:
            self.stages.data.left(state, blob)
        if node.stored_bytes > node.storage_bytes:
            node.stored_bytes -= message.size_bytes
            self.end(state, "lost", "storage full")
        elif node.name != message.target and not (message.target is None and node.kind == STATION):
            self.transport.forward(message, node.name)
        elif message.what == RESULT:
            node.stored_bytes -= message.size_bytes
            if isinstance(state, StageState):
                self.stages.answered(state, True)
            else:
                state.delivered_s = self.moment.now_s
                self.end(state, "done", state.outcome.label if state.outcome is not None else "")
        elif blob is not None and isinstance(state, StageState):
            if self.stages.arrived(state, blob, node):
                self.consultation.hold("returned")
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
        state = self.work.get(event.task)
        if state is None or state.stage != RUNNING or state.run != event.run:
            self.stale += 1
            return
        node = self.nodes[event.node]
        state.finished_s = self.moment.now_s
        outcome = state.outcome = event.outcome
        self.compute.finish(node, state)
        if isinstance(state, StageState):
            self.stages.finished(state, node)
            self.consultation.hold("finished")
            self.compute.start_next(node)  # a stage that begins with this one's end has its turn
            return
        self.compute.start_next(node)
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
        lost, returned = withdrawal.lose(self.transport, node.name)
        for message in lost:
            self._lose(message, reason)
        for message in returned:
            if isinstance(message.state, StageState) and message.state.scene.stage == ENDED:  # lost with other data
                self.nodes[message.held].stored_bytes -= message.kept_bytes
            elif message.blob is not None:
                self.stages.returned(message)
            elif isinstance(message.state, TaskState) and message.what == RAW:
                message.state.stage = WAITING
                self.waiting[message.state.task.id] = message.state
            else:
                message.via = None
                self.transport.forward(message, message.held)
        for state in [s for s in self.tasks.values() if s.at == node.name and s.stage in (WAITING, QUEUED, RUNNING)]:
            self.end(state, "lost", reason)
        self.stages.node_failed(node, reason)
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

    def end(self, state: TaskState, how: str, reason: str) -> None:
        """A task, or the scene of which it is a stage, is `done`, `dropped` or `lost`, and why."""
        if isinstance(state, StageState):
            self.stages.end(state.scene, how, reason)
        else:
            self.close(state, how, reason)

    def close(self, state: TaskState, how: str, reason: str) -> None:
        """What was captured has ended, and counts."""
        self.waiting.pop(state.task.id, None)
        state.stage, state.how, state.reason = ENDED, how, reason
        self.ended[how] += 1
        self.moment.orders.append(End(state.task.id, how, reason))
