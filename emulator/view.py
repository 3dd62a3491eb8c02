"""What a scheduler sees: waiting tasks, nodes, links and contacts, as last heard.

Read only. Under `global` knowledge everything is as it is now, and every `heard_s` is now; the fields are here
from the start so that a scheduler written today runs unchanged when knowledge is `local`.
"""

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from emulator.decisions import DecisionRejected
from emulator.state import RAW, NodeState, StageState, TaskState
from emulator.world import SATELLITE, STATION

if TYPE_CHECKING:
    from emulator.core import Core


class InputView(NamedTuple):
    """Data that a task needs: where they lie, how many bytes of them it needs, and what they are.

    `source` is `raw`, or the stage of a pipeline whose outputs they are.
    """

    at: str
    size_bytes: int
    source: str


class TaskView:
    """A task that waits for a decision: a scene, or with a pipeline a stage of one that can begin."""

    __slots__ = ("_core", "_state")

    def __init__(self, core: "Core", state: TaskState) -> None:
        self._core = core
        self._state = state

    id = property(lambda self: self._state.task.id, doc="its name, unique in the run")
    at = property(lambda self: self._state.at, doc="the node that holds its raw data, or most of a stage's input")
    captured_s = property(lambda self: self._state.task.at_s, doc="when it was captured")
    raw_bytes = property(lambda self: self._state.task.raw_bytes, doc="size of its raw data, or of a stage's input")
    model = property(lambda self: self._state.task.model, doc="the model to run")
    inferences = property(lambda self: self._state.task.inferences, doc="how many runs of the model")
    deadline_s = property(lambda self: self._state.task.deadline_s, doc="absolute")
    priority = property(lambda self: self._state.task.priority, doc="larger is more urgent")

    @property
    def scene(self) -> str:
        """The scene it belongs to: several stages of one may wait at once."""
        state = self._state
        return state.scene.task.id if isinstance(state, StageState) else state.task.id

    @property
    def stations(self) -> tuple[str, ...]:
        """Where the mission's plan would have its raw data go down; empty where it says nothing."""
        return self._core.world.planned.get(self.scene.rpartition("/")[0], ())

    @property
    def stage(self) -> str:
        """The stage of the pipeline; empty without one."""
        return self._state.name if isinstance(self._state, StageState) else ""

    @property
    def inputs(self) -> tuple[InputView, ...]:
        """Where each part of its data lies."""
        state = self._state
        if not isinstance(state, StageState):
            return (InputView(state.at, state.task.raw_bytes, RAW),)
        return tuple(InputView(*each) for each in self._core.stages.data.needs(state))


class NodeView:
    """A node as last heard at `heard_s`."""

    __slots__ = ("_core", "_node", "id", "kind")

    def __init__(self, core: "Core", node: NodeState) -> None:
        self._core = core
        self._node = node
        self.id = node.name
        self.kind = node.kind

    @property
    def heard_s(self) -> float:
        """When this was true: now, under `global` knowledge."""
        return self._core.now_s

    @property
    def up(self) -> bool:
        """Whether the node works."""
        return self._node.up

    @property
    def backlog_s(self) -> float:
        """Seconds of queued and running work; infinite without a processor or when down."""
        if not self._node.up or self._node.spec.processor is None:
            return inf
        return self._core.compute.backlog_s(self._node)

    @property
    def queued(self) -> int:
        """Tasks queued or running."""
        return len(self._node.queue) + (len(self._node.batch) or self._node.running is not None)

    @property
    def free_storage_bytes(self) -> float:
        """Room left; infinite on the ground."""
        limit = self._node.spec.storage_bytes
        return inf if limit is None else limit - self._node.stored_bytes

    @property
    def memory_bytes(self) -> float:
        """The processor's memory; a model and one batch of activations must fit. 0 without a processor."""
        processor = self._node.spec.processor
        return 0.0 if processor is None else processor.memory_bytes

    @property
    def downlink_backlog_bytes(self) -> int:
        """Bytes that wait for this node's radio."""
        return self._node.radio.raw_bytes + self._node.radio.result_bytes

    @property
    def sunlit(self) -> bool:
        """Whether any of the Sun's disc is in view (always, on the ground)."""
        return self._node.sunlit


class ContactView(NamedTuple):
    """A contact, open or to come."""

    a: str
    b: str
    kind: str
    start_s: float
    stop_s: float


class View:
    """The world at one instant, for a scheduler."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self.trigger = ""
        self.rejected: tuple[DecisionRejected, ...] = ()
        every = tuple(NodeView(core, node) for node in core.nodes.values())
        self.satellites = tuple(n for n in every if n.kind == SATELLITE)
        self.stations = tuple(n for n in every if n.kind == STATION)
        self.nodes = self.satellites + self.stations
        self._by_id = {n.id: n for n in every}

    @property
    def now_s(self) -> float:
        """Seconds since the scenario's epoch."""
        return self._core.now_s

    @property
    def waiting(self) -> tuple[TaskView, ...]:
        """Tasks that wait for a decision, in the order in which they began to wait."""
        deciding = self._core.consultation.deciding
        waiting = self._core.waiting.values()
        return tuple([TaskView(self._core, s) for s in waiting if not deciding or s.task.id not in deciding])

    def node(self, name: str) -> NodeView:
        """The node of that name."""
        return self._by_id[name]

    def links(self, name: str) -> tuple[str, ...]:
        """Who the node can send to now."""
        return tuple(sorted(self._core.transport.routes.open[name]))

    def reachable(self, name: str) -> dict[str, float]:
        """Least delay in seconds to every node that open contacts lead to, the node itself included."""
        return self._core.transport.routes.ways(name)[0]

    def delay_s(self, a: str, b: str) -> float:
        """Least one-way delay of light over open contacts; infinite where none lead."""
        return 0.0 if a == b else self._core.transport.routes.ways(a)[0].get(b, inf)

    def transfer_s(self, a: str, b: str, size_bytes: int) -> float:
        """Expected seconds to move that many bytes: queues, serialisation and light; infinite where no way leads."""
        return self._core.transport.routes.transfer_s(a, b, size_bytes)

    def fetch_s(self, task: TaskView, name: str) -> float:
        """Expected seconds to have all that a task needs on that node: 0 where it lies, infinite where no way leads."""
        state = task._state
        if not isinstance(state, StageState):
            return self.transfer_s(state.at, name, state.task.raw_bytes)
        return max(self.transfer_s(at, name, size_bytes) for at, size_bytes, _ in self._core.stages.data.needs(state))

    def job_s(self, task: TaskView, name: str) -> float:
        """Seconds that the task would run on that node; infinite without a processor."""
        node = self._core.nodes[name]
        if node.spec.processor is None:
            return inf
        return self._core.compute.job(node, task.model, task.inferences).duration_s

    def ground_s(self, name: str, size_bytes: int, result: bool = True) -> float:
        """Expected seconds until that many bytes are on the ground by the node's own radio, queue included."""
        return self._core.transport.routes.ground_s(name, size_bytes, result)

    def contacts(self, horizon_s: float = inf) -> tuple[ContactView, ...]:
        """Contacts that are open, or open within `horizon_s` from now, by start."""
        now_s = self._core.now_s
        return tuple(
            ContactView(c.a, c.b, c.kind, c.start_s, c.stop_s)
            for c in self._core.transport.contacts
            if c.stop_s > now_s and c.start_s <= now_s + horizon_s
        )
