"""What an application and its node say to each other, version 1; docs/applications.md is its description.

Frame 0 of every message is one of these as a JSON object with its kind in `op`; payload frames follow where there is
a payload. What comes from an application is checked strictly (no unknown field); an application skips an `op` and
fields that it does not know, so that nodes may learn to say more.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

VERSION = 1
NODE_VARIABLE = "ORBITMESH_NODE"  # environment: the endpoint of the node that a program lives on
REFERENCE_MAX = 2**53 - 1  # what a language whose numbers are all doubles still counts exactly
NAME_CHARS = 64  # as the longest name of a node in a scenario
SIZE_BYTES_MAX = 10**15  # a petabyte: over two hours at 1 Tbit/s, so no message of a run is larger

Reference = Annotated[int, Meta(ge=0, le=REFERENCE_MAX)]
# No control characters, which would reach terminals and logs; \Z because $ would let a last newline through.
Name = Annotated[str, Meta(max_length=NAME_CHARS, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
SizeBytes = Annotated[int, Meta(ge=0, le=SIZE_BYTES_MAX)]
Priority = Annotated[int, Meta(ge=0, le=7)]  # three bits, as Ethernet's and MPLS's classes


class Asked(msgspec.Struct, frozen=True, tag_field="op", forbid_unknown_fields=True):
    """What an application says."""


class Hello(Asked, frozen=True, tag="hello"):
    """Here I am; others reach me as `service` on this node. The same `instance` again: the same program, come back."""

    version: int
    service: Name = ""
    instance: Name = ""


class Send(Asked, frozen=True, tag="send"):
    """Carry the payload to `service` on node `to`; `size_bytes` says how large it counts as on links, if larger."""

    to: Name
    reference: Reference
    service: Name = ""
    size_bytes: SizeBytes | None = None
    priority: Priority = 0


class Received(Asked, frozen=True, tag="received"):
    """I have message `id`; give me further ones."""

    id: Annotated[str, Meta(max_length=200)]


class Question(Asked, frozen=True):
    """Something to be answered under its reference."""

    reference: Reference


class WhereAsked(Question, frozen=True, tag="where"):
    """Where is my node?"""


class LinksAsked(Question, frozen=True, tag="links"):
    """Whom does my node see?"""


class BudgetAsked(Question, frozen=True, tag="budget"):
    """How much can my node still compute?"""


class TimeAsked(Question, frozen=True, tag="time"):
    """What is the emulated time?"""


class Bye(msgspec.Struct, frozen=True, tag_field="op", tag="bye"):
    """I go: said by an application that ends and by a node whose run is over."""

    reason: str = ""


class Welcome(msgspec.Struct, frozen=True, tag_field="op", tag="welcome"):
    """You are on `node`. Instants are seconds since `epoch_utc`; `start` counts how often the node was started."""

    node: str
    epoch_utc: str
    scenario: str
    rate: float  # emulated seconds per wall second
    now_s: float
    start: int = 0
    message_bytes: int = 0  # the most payload of one message; a frame over twice that costs the connection
    version: int = VERSION


class Accepted(msgspec.Struct, frozen=True, tag_field="op", tag="accepted"):
    """The node has taken what you sent under `reference`, and calls it `id`."""

    reference: int
    id: str


class Refused(msgspec.Struct, frozen=True, tag_field="op", tag="refused"):
    """What you asked under `reference` will not be done."""

    reference: int
    code: str
    problem: str


class Arrival(msgspec.Struct, frozen=True, tag_field="op", tag="message", rename={"source": "from"}):
    """A message for you, with its payload in the frames that follow."""

    id: str
    source: str  # "from" on the wire: the node that sent it
    service_from: str
    sent_s: float
    arrived_s: float
    size_bytes: int


class Outcome(msgspec.Struct, frozen=True, tag_field="op", tag="outcome"):
    """What became of what you sent: `how` is `done` (it is at its destination) or `lost`, with the reason.

    The Python client adds `refused`, with the code as reason, and `unknown` when the node died meanwhile.
    """

    reference: int
    id: str
    how: str
    reason: str = ""


class Error(msgspec.Struct, frozen=True, tag_field="op", tag="error"):
    """Something you said could not be read or may not be; it has no reference."""

    code: str
    problem: str


class Ping(msgspec.Struct, frozen=True, tag_field="op", tag="ping"):
    """Are you still there? No answer is needed: that it can be sent is the answer."""


class Where(msgspec.Struct, frozen=True):
    """The answer to `where`: the node at emulated time `at_s`, in TEME, and over WGS84."""

    at_s: float
    position_m: tuple[float, float, float]
    velocity_m_per_s: tuple[float, float, float]
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    sunlit: bool


class Link(msgspec.Struct, frozen=True):
    """One pair that the contact plan knows; delay and rate are there while it is open, the reason while it is not."""

    peer: str
    open: bool
    delay_s: float | None = None
    bits_per_s: float | None = None
    reason: str = ""


class Links(msgspec.Struct, frozen=True):
    """The answer to `links`."""

    links: tuple[Link, ...]


class Budget(msgspec.Struct, frozen=True):
    """The answer to `budget`: the processor's peak, its busy share of the run so far, the work that waits for it."""

    peak_ops_per_s: float
    busy_share: float
    backlog_s: float


class Time(msgspec.Struct, frozen=True):
    """The answer to `time`."""

    now_s: float
    rate: float


Answer = Where | Links | Budget | Time


def answer_frame(reference: int, answer: Answer) -> bytes:
    """Frame 0 of an `answer`: the reference and the fields of the answer, side by side."""
    fields: dict[str, Any] = {"op": "answer", "reference": reference, **msgspec.to_builtins(answer)}
    return msgspec.json.encode(fields)
