"""The state of nodes, tasks, messages and transmitters: plain slots, changed only by the core and its parts."""

from math import inf
from typing import Final

from emulator.events import Bundle
from emulator.orders import Order
from emulator.world import NodeSpec
from nodes.job_time import Job
from nodes.ledger import OpsLedger
from workloads.tasks import Outcome, Task

RAW: Final = "raw"
RESULT: Final = "result"
BUNDLE: Final = "bundle"  # data of an application; the term is RFC 9171's

# Stages of a task, in the order it can pass them.
WAITING: Final = "waiting"  # for a decision
MOVING: Final = "moving"  # its raw data are on the way to where it will be inferred
QUEUED: Final = "queued"  # at a processor
RUNNING: Final = "running"
RETURNING: Final = "returning"  # its result is on the way to the ground
ENDED: Final = "ended"
IN_STAGES: Final = "in stages"  # of a scene in a pipeline: the stages have the states above


class Moment:
    """Now, and what is to be done about it: shared by the core and its parts, renewed with every fact."""

    __slots__ = ("now_s", "orders")

    def __init__(self) -> None:
        self.now_s = 0.0
        self.orders: list[Order] = []


class TaskState:
    """One task, from capture to its end."""

    __slots__ = (
        "at", "delivered_s", "duration_s", "finished_s", "how", "job", "ops", "outcome", "reason", "relay", "run",
        "stage", "started_s", "target", "task",
    )  # fmt: skip

    def __init__(self, task: Task) -> None:
        self.task = task
        self.stage = WAITING
        self.at = task.node  # where its newest data are
        self.target: str | None = None  # where it is to be inferred; None: at the first station reached
        self.relay = False
        self.run = 0  # number of the current or last run
        self.duration_s = 0.0  # of its run, on the processor it was queued at
        self.ops = 0
        self.job: Job | None = None  # what that run costs, and how this is known
        self.started_s = -1.0
        self.finished_s = -1.0
        self.delivered_s = -1.0
        self.outcome: Outcome | None = None
        self.how = ""
        self.reason = ""

    @property
    def doing(self) -> str:
        """What it is at, in words."""
        return self.stage


class Blob:
    """Data of a scene in one place or on one way: raw tiles, or a stage's outputs, and which stages are to have them.

    A copy on its way is stored by its message, from the first hop on; until then `origin` is kept, which it is of.
    """

    __slots__ = ("at", "claims", "copies", "message", "origin", "size_bytes", "source")

    def __init__(self, source: str, at: str, size_bytes: int, claims: set[str]) -> None:
        self.source = source
        self.at = at  # where it lies, or is going from
        self.size_bytes = size_bytes
        self.claims = claims  # names of stages
        self.message: Message | None = None  # that brings it
        self.origin: Blob | None = None  # what it is a copy of, until it has made its first hop
        self.copies: list[Blob] = []  # of this, that have not left yet


class SceneState(TaskState):
    """A scene that goes through a pipeline: its data, and what its stages have come to."""

    __slots__ = ("blobs", "open", "parts", "passed", "pinned")

    def __init__(self, task: Task, sinks: tuple[str, ...]) -> None:
        super().__init__(task)
        self.stage = IN_STAGES
        self.blobs: list[Blob] = []
        self.parts: dict[str, StageState] = {}  # stages that have begun to wait
        self.passed: dict[str, int] = {}  # tiles that a stage passed on, for those that ended or had none
        self.open = set(sinks)  # stages whose answers are awaited
        self.pinned: str | None = None  # the node where all further stages run

    @property
    def doing(self) -> str:
        """What its stages are at, in words."""
        return ", ".join(f"{name} {part.stage}" for name, part in self.parts.items() if part.stage != ENDED)


class StageState(TaskState):
    """A stage of a scene; its task has the stage's model, tiles and bytes of input."""

    __slots__ = ("name", "result", "scene")

    def __init__(self, task: Task, name: str, scene: SceneState) -> None:
        super().__init__(task)
        self.name = name
        self.scene = scene
        self.result: Message | None = None  # on its way down


class BundleState:
    """Data that an application on one node sends to one on another, from the offer to its end."""

    __slots__ = ("at", "bundle", "delivered_s", "how", "offered_s", "reason")

    def __init__(self, bundle: Bundle, offered_s: float) -> None:
        self.bundle = bundle
        self.at = bundle.source  # the last node that had it whole
        self.offered_s = offered_s
        self.delivered_s = -1.0
        self.how = ""  # `done` or `lost`; empty while it is on its way
        self.reason = ""


class Message:
    """Raw data, a result or a bundle between two nodes, hop by hop."""

    __slots__ = (
        "account", "blob", "bulk", "deliver_s", "free_s", "held", "hop", "id", "kept_bytes", "priority", "relay",
        "size_bytes", "state", "target", "via", "what",
    )  # fmt: skip

    def __init__(
        self, state: TaskState | BundleState, what: str, size_bytes: int, target: str | None, relay: bool
    ) -> None:
        whole = state.task if isinstance(state, TaskState) else state.bundle
        self.state = state
        self.id = whole.id
        self.priority = whole.priority
        self.what = what
        self.bulk = what != RESULT and what != BUNDLE  # what has to be inferred yields to answers and applications
        self.size_bytes = size_bytes
        self.kept_bytes = size_bytes  # stored for it where it is held
        self.blob: Blob | None = None  # data of a scene in a pipeline
        self.target = target  # a node's name, or None for any ground station
        self.relay = relay
        self.via: str | None = None  # the satellite whose radio is to send it down
        self.held = state.at  # the node that holds it until the next one has it whole
        self.hop = ""  # the node it is being sent to
        self.free_s = 0.0  # when its last bit leaves
        self.deliver_s = 0.0  # when its last bit is due there
        self.account: LinkAccount | None = None


class LinkAccount:
    """Bytes put on one directed link, and what became of them: sent = received + lost + in flight, always."""

    __slots__ = ("lost_bytes", "received_bytes", "sent_bytes")

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.received_bytes = 0
        self.lost_bytes = 0


class Port:
    """One transmitter: a laser terminal towards a peer, or the radio. Serves a queue, most urgent first."""

    __slots__ = ("account", "armed", "contact", "free_s", "peer", "queue", "raw_bytes", "result_bytes", "to", "tx_s")

    def __init__(self, to: str) -> None:
        self.to = to  # a peer's name, or "radio"
        self.peer = to  # who is at the other end of the open contact
        self.contact = -1  # number of the open contact, -1: none
        self.account: LinkAccount | None = None  # of the link to `peer`, once something was sent
        self.free_s = 0.0
        self.queue: list[tuple[int, int, int, Message]] = []  # (results first, -priority, sequence, message)
        self.raw_bytes = 0  # queued
        self.result_bytes = 0  # queued
        self.armed = False  # a Wake for free_s is out
        self.tx_s = 0.0  # how long it has been sending, for the energy


class NodeState:
    """One node: its processor's queue, its transmitters, its storage."""

    __slots__ = (
        "batch", "batch_ops", "budget", "busy_until_s", "fits", "jobs", "kind", "name", "ports", "queue", "queued_s",
        "radio", "running", "spec", "storage_bytes", "stored_bytes", "sunlit", "unmetered_s", "up", "work_j",
    )  # fmt: skip

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.kind = spec.kind
        self.up = True
        self.sunlit = spec.sunlit
        self.storage_bytes = inf if spec.storage_bytes is None else spec.storage_bytes
        self.stored_bytes = 0
        self.ports: dict[str, Port] = {}
        self.radio = Port("radio")
        self.queue: list[tuple[int, int, TaskState]] = []
        self.queued_s = 0.0
        self.running: TaskState | None = None
        self.batch: list[TaskState] = []  # what still runs of tasks that started together, `running` among them
        self.batch_ops = 0  # of those of them that have ended
        self.busy_until_s = 0.0
        self.jobs: dict[tuple[str, int], Job] = {}  # by (model, inferences)
        self.fits: dict[str, bool] = {}  # model -> whether it fits into memory
        self.budget: OpsLedger | None = None
        self.work_j = 0.0  # of its runs, above idle
        self.unmetered_s = 0.0  # of runs whose power nobody knows

    def port(self, there: str) -> Port:
        """The laser terminal that looks at `there`."""
        port = self.ports.get(there)
        if port is None:
            port = self.ports[there] = Port(there)
        return port
