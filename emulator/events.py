"""Facts: what has happened, each with `at_s`, and the one total order in which they are handled.

A fact never changes and never lies: delivery, completion and the opening of a contact are told to the core by
whichever engine runs. Order: time, then rank of kind, then node name, then the engine's sequence number.
"""

import msgspec

from workloads.tasks import Outcome, Task


class NodeFailed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="failed"):
    """A node died; what it held, ran or was receiving is lost, with that reason."""

    at_s: float
    node: str


class NodeRecovered(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="recovered"):
    """A node came back, empty."""

    at_s: float
    node: str


class ContactOpened(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="opened"):
    """Contact number `contact` of the plan is usable from now; `node` is its first end."""

    at_s: float
    node: str
    contact: int


class ContactClosed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="closed"):
    """Contact number `contact` of the plan is over."""

    at_s: float
    node: str
    contact: int


class SunRose(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="sunrise"):
    """The node left the Earth's shadow (penumbra included)."""

    at_s: float
    node: str


class SunSet(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="sunset"):
    """The node entered the Earth's shadow (penumbra included)."""

    at_s: float
    node: str


class Delivered(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="delivered"):
    """The last bit of a message reached `node`.

    A task has one message of a kind (`raw`, `result`) at a time; of a bundle, `task` is the id and `what` is `bundle`.
    """

    at_s: float
    node: str
    task: str
    what: str


class Missed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="missed"):
    """A message never came to `node`, and whoever sent it cannot send it again; or nobody there took it, says `why`.

    Only real processes lose like this.
    """

    at_s: float
    node: str
    task: str
    what: str
    why: str = ""


class Finished(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="finished"):
    """Run number `run` of a task ended on `node`, and inference said `outcome`."""

    at_s: float
    node: str
    task: str
    run: int
    outcome: Outcome


class Captured(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="captured"):
    """A satellite has taken a scene."""

    at_s: float
    node: str
    task: Task


class Bundle(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Data that an application sends to another on node `target`; `size_bytes` is what the links carry."""

    id: str
    source: str
    target: str
    size_bytes: int
    priority: int = 0  # larger is more urgent


class Offered(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="offered"):
    """An application on `node` has handed over a bundle."""

    at_s: float
    node: str
    bundle: Bundle


class TimerRang(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="timer"):
    """A timer that a `Wake` order asked for. `timer` is `radio` or a peer's name (a transmitter is free),
    `decide` (the scheduler asked to be woken) or `decision` (a decision that took time is ready)."""

    at_s: float
    node: str
    timer: str


class Ended(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="ended"):
    """The run is over; the ledger is checked."""

    at_s: float
    node: str = ""


Event = (
    NodeFailed
    | NodeRecovered
    | ContactOpened
    | ContactClosed
    | SunRose
    | SunSet
    | Delivered
    | Missed
    | Finished
    | Captured
    | Offered
    | TimerRang
    | Ended
)

# Faults first, then what the sky does, then what arrives, ends, begins, rings. A contact that closes at the
# instant another opens frees its terminals first.
RANK: dict[type, int] = {
    NodeFailed: 0,
    NodeRecovered: 1,
    ContactClosed: 2,
    ContactOpened: 3,
    SunRose: 4,
    SunSet: 5,
    Delivered: 6,
    Missed: 7,
    Finished: 8,
    Captured: 9,
    Offered: 10,
    TimerRang: 11,
    Ended: 12,
}


def order_key(event: Event, sequence: int) -> tuple[float, int, str, int]:
    """The key by which both engines sort facts; ties within one node fall to the engine's sequence number."""
    return (event.at_s, RANK[type(event)], event.node, sequence)
