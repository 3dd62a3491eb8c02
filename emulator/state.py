"""The state of nodes, tasks, messages and transmitters: plain slots, changed only by the core and its parts."""

from math import inf

from emulator.events import Bundle
from emulator.orders import Order
from emulator.world import NodeSpec
from nodes.ledger import OpsLedger
from workloads.tasks import Outcome, Task

RAW = "raw"
RESULT = "result"
BUNDLE = "bundle"  # data of an application; the term is RFC 9171's

# Stages of a task, in the order it can pass them.
WAITING = "waiting"  # for a decision
MOVING = "moving"  # its raw data are on the way to where it will be inferred
QUEUED = "queued"  # at a processor
RUNNING = "running"
RETURNING = "returning"  # its result is on the way to the ground
ENDED = "ended"


class Moment:
    """Now, and what is to be done about it: shared by the core and its parts, renewed with every fact."""

    __slots__ = ("now_s", "orders")

    def __init__(self) -> None:
        self.now_s = 0.0
        self.orders: list[Order] = []


class TaskState:
    """One task, from capture to its end."""

    __slots__ = (
        "at", "delivered_s", "duration_s", "finished_s", "how", "ops", "outcome", "reason", "relay", "run", "stage",
        "started_s", "target", "task",
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
        self.started_s = -1.0
        self.finished_s = -1.0
        self.delivered_s = -1.0
        self.outcome: Outcome | None = None
        self.how = ""
        self.reason = ""


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
        "account", "deliver_s", "free_s", "held", "hop", "id", "priority", "relay", "size_bytes", "state", "target",
        "via", "what",
    )  # fmt: skip

    def __init__(
        self, state: TaskState | BundleState, what: str, size_bytes: int, target: str | None, relay: bool
    ) -> None:
        whole = state.task if isinstance(state, TaskState) else state.bundle
        self.state = state
        self.id = whole.id
        self.priority = whole.priority
        self.what = what
        self.size_bytes = size_bytes
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
        "budget", "busy_until_s", "fits", "jobs", "kind", "name", "ports", "queue", "queued_s", "radio", "running",
        "spec", "storage_bytes", "stored_bytes", "sunlit", "up",
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
        self.busy_until_s = 0.0
        self.jobs: dict[tuple[str, int], tuple[float, int]] = {}  # (model, inferences) -> (duration_s, ops)
        self.fits: dict[str, bool] = {}  # model -> whether it fits into memory
        self.budget: OpsLedger | None = None

    def port(self, there: str) -> Port:
        """The laser terminal that looks at `there`."""
        port = self.ports.get(there)
        if port is None:
            port = self.ports[there] = Port(there)
        return port
