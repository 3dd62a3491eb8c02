"""What coordinator and nodes say to each other: frozen structs in msgpack, one to a message, no payloads.

Nodes report facts with emulated instants; the coordinator gives orders. Whatever arrives is decoded against these types
and within limits, or refused; nothing here is ever executed.
"""

from typing import Annotated, Any

import msgspec

from emulator.live.pace import Segment
from links.faulty import Faults
from workloads.inference import Products
from workloads.tasks import Outcome

PROTOCOL = 4  # raised with every change of meaning here
PROBE_LINK = 0  # contact number of the links over which transport is measured; real ones count from 1
MOST_MESSAGE_BYTES = 1 << 20  # of any message but a welcome: the largest is a farewell with its counts, some kilobytes
MOST_WELCOME_BYTES = 128 << 20  # a welcome may bring the models along
# Between hosts ZeroMQ itself asks for signs of life, on its own thread, so that load on either side does no harm.
HEARTBEAT_MS = 1000
SILENT_MS = 6000  # without an answer until the connection counts as broken: a host that is down, a cut cable [guess]

Name = Annotated[str, msgspec.Meta(max_length=512)]
Text = Annotated[str, msgspec.Meta(max_length=65_536)]
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Said(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """All messages are short arrays."""


# From a node.


class Hello(_Said, frozen=True, tag="hello"):
    """The first word: who this is, and what it speaks. A node that was started here shows the run's secret name."""

    protocol: int
    version: Name
    node: Name  # "" from a host that takes any node that is still awaited
    epoch: Whole
    pid: int
    run: bytes  # empty from another host, which the keys let in
    scenario_sha256: Name
    host: Name


class Ready(_Said, frozen=True, tag="ready"):
    """Sockets are bound: where peers and applications find it."""

    ear: Name
    door: Name


class Loaded(_Said, frozen=True, tag="loaded"):
    """The models are in memory, `cold_start_s` wall seconds after the process began to load them; what counts joules
    there, or why nothing does."""

    cold_start_s: float
    counter: Name = ""
    uncounted: Name = ""


class Beat(_Said, frozen=True, tag="beat"):
    """Still here, and what it has counted so far."""

    counts: dict[str, int]


class Pong(_Said, frozen=True, tag="pong"):
    """Answers a ping: its instant, when it came, when this left, the last two on the node's clock."""

    sent_s: float
    came_s: float
    left_s: float


class Got(_Said, frozen=True, tag="got"):
    """A message was released: when it arrived (wall), when it was released (emulated), how late that was (emulated)."""

    letter: Name
    arrived_wall_s: float
    released_s: float
    late_s: float
    problem: Text = ""  # why nobody there could take it


class Ran(_Said, frozen=True, tag="ran"):
    """A run's modelled time is over; `host_s` is what the host took for the inference, None where there was none to
    do. `energy_j`: what the host's counter counted meanwhile, None where nothing counts."""

    task: Name
    run: Whole
    outcome: Outcome
    finished_s: float
    late_s: float
    host_s: float | None
    energy_j: float | None = None


class Broke(_Said, frozen=True, tag="broke"):
    """An inference could not be done; why."""

    task: Name
    run: Whole
    problem: Text


class Offer(_Said, frozen=True, tag="offer"):
    """An application wants to send; the payload stays on the node until it is put on a link."""

    bundle: Name
    target: Name
    size_bytes: Whole
    priority: int
    at_s: float


class Ask(_Said, frozen=True, tag="ask"):
    """An application asks its node something that only the coordinator knows."""

    token: Whole
    what: Name


class Stuck(_Said, frozen=True, tag="stuck"):
    """What was to be sent again is not there any more."""

    letter: Name


class Farewell(_Said, frozen=True, tag="farewell"):
    """The last word: everything that was counted."""

    counts: dict[str, int]


FromNode = Hello | Ready | Loaded | Beat | Pong | Got | Ran | Broke | Offer | Ask | Stuck | Farewell

# From the coordinator.


class Model(msgspec.Struct, frozen=True):
    """A model by its file on this host, or by its bytes where the host is another; no other content may run."""

    name: str
    sha256: Sha256  # of the file and its weight files as `OpenModel` says, or of the bytes
    path: str = ""
    data: bytes = b""


class Welcome(_Said, frozen=True, tag="welcome", kw_only=True):
    """All that a node needs to know."""

    node: str
    epoch: int
    run: bytes
    scenario: str
    scenario_sha256: str
    epoch_utc: str
    nodes: list[str]
    ear: str  # endpoint to bind
    door: str
    models: list[Model]
    products: Products
    tiles: int
    tiles_path: str = ""  # shared file with the tiles; "": make them
    provider: str = "cpu"
    threads: int = 1
    spin_s: float
    held_bytes: int
    faults: Faults | None = None  # that links have on purpose
    seed: int = 0
    powercap: str = ""  # folder of the host's energy counters; "": where Linux has it


class Unwelcome(_Said, frozen=True, tag="unwelcome"):
    """This node cannot take part; why."""

    problem: Text


class Begin(_Said, frozen=True, tag="begin"):
    """How time runs, in the coordinator's clock, and how much more this node's clock reads."""

    segments: tuple[Segment, ...]
    offset_s: float


class Turn(_Said, frozen=True, tag="turn"):
    """Time runs at another rate from an instant to come."""

    segment: Segment


class Shift(_Said, frozen=True, tag="shift"):
    """The node's clock reads so much more than the coordinator's, measured anew."""

    offset_s: float


class Ping(_Said, frozen=True, tag="ping"):
    """What time is it there? `sent_s` is the coordinator's."""

    sent_s: float


class Link(_Said, frozen=True, tag="link"):
    """Contact number `contact` leads to `peer`, which listens there."""

    contact: Whole
    peer: Name
    ear: Name


class Unlink(_Said, frozen=True, tag="unlink"):
    """The contact is over."""

    contact: Whole


class Put(_Said, frozen=True, tag="put"):
    """Send a message over a contact. Of a bundle, `real_bytes` is not 0 if the node must hold its payload; of all
    else it is how many zeros to send."""

    letter: Name
    contact: Whole
    size_bytes: Whole
    real_bytes: Whole
    sent_s: float
    due_s: float


class Again(_Said, frozen=True, tag="again"):
    """The same message once more: nobody has said that it arrived."""

    letter: Name


class Fate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What became of a bundle that was offered here."""

    bundle: Name
    how: Name
    reason: Text


class News(_Said, frozen=True, tag="news"):
    """What is in no hurry, gathered: fates of bundles, letters that the next node has, and bundles that are no more."""

    fates: tuple[Fate, ...]
    settled: tuple[Name, ...]
    ended: tuple[Name, ...]


class Forget(_Said, frozen=True, tag="forget"):
    """A message under way was cut off: do not release it."""

    letter: Name


class Infer(_Said, frozen=True, tag="infer"):
    """Run a model on a tile, and be done at `finish_s`, not earlier."""

    task: Name
    run: Whole
    model: Name
    tile: Whole
    raw_bytes: Whole
    start_s: float
    finish_s: float


class Hold(_Said, frozen=True, tag="hold"):
    """Be busy until `finish_s` with work that no model here does; its outcome is computed."""

    task: Name
    run: Whole
    outcome: Outcome
    start_s: float
    finish_s: float


class Leave(_Said, frozen=True, tag="leave"):
    """Stop a run that was ordered; its result is not wanted."""

    task: Name
    run: Whole


class Reply(_Said, frozen=True, tag="reply"):
    """The answer to an `Ask`, a JSON object."""

    token: Whole
    fields: bytes


class Fail(_Said, frozen=True, tag="fail"):
    """The scenario has this node fail: end now; whoever started it starts it again if it `comes_back`."""

    comes_back: bool


class Finish(_Said, frozen=True, tag="finish"):
    """The run is over: say farewell and go."""


ToNode = (
    Welcome | Unwelcome | Begin | Turn | Shift | Ping | Link | Unlink | Put | Again | News | Forget | Infer | Hold
    | Leave | Reply | Fail | Finish
)  # fmt: skip


def encode(message: Any) -> bytes:
    """As msgpack."""
    return msgspec.msgpack.encode(message)


def letter_id(what: str, attempt: int, name: str) -> str:
    """The name of a message on one hop: what it is, which hop of the run this is, and the task's or bundle's name."""
    return f"{what}:{attempt}:{name}"


def letter_parts(letter: str) -> tuple[str, int, str]:
    """The reverse of `letter_id`. Raises ValueError for what is none."""
    what, attempt, name = letter.split(":", 2)
    return what, int(attempt), name


def holding(letter: str) -> str:
    """Under which name a node holds the payload: the same on every hop."""
    what, _, name = letter.split(":", 2)
    return f"{what}:{name}"
