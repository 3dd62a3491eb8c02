"""Decisions: what a scheduler may yield, and the codes with which a bad one comes back."""

import msgspec


class Assign(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="assign"):
    """Infer the task on `node`; the raw data travel there if they must.

    On a satellite, the result then goes down by itself: with `relay` over whichever satellite of the mesh
    gets it to the ground first, without it over the node's own radio. Of a stage of a pipeline, `whole` has all
    stages after it run there too, without asking again.
    """

    task: str
    node: str
    relay: bool = True
    whole: bool = False


class Downlink(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="downlink"):
    """Send the raw data to the ground and infer there, at `station` or at the first one reached.

    With `relay` they may cross the mesh to another satellite's radio first. Of a stage of a pipeline, its input goes
    down, and all that is to be done after it, or waits for the same data, is done at that station.
    """

    task: str
    station: str | None = None
    relay: bool = False


class Drop(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="drop"):
    """Give the task up on purpose."""

    task: str
    reason: str


class Preempt(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="preempt"):
    """Stop the task's running inference, or take it out of its queue; it waits again where its raw data are."""

    task: str


class WakeAt(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="wake"):
    """Call me again at `at_s`; an instant after the end of the run, infinity too, never comes."""

    at_s: float


Decision = Assign | Downlink | Drop | Preempt | WakeAt

CODES = {
    "bad_decision": "what was yielded is no decision",
    "unknown_task": "no task of that id has been captured",
    "not_waiting": "the task is not waiting for a decision",
    "not_running": "the task is neither running nor queued",
    "unknown_node": "the constellation has no node of that name",
    "no_processor": "the node has no processor",
    "no_memory": "the model does not fit into the node's memory",
    "node_down": "the node is down",
    "not_a_station": "the node is not a ground station",
    "needs_station": "the stage's data are in several pieces, which must come down at one station: name it",
    "unreachable": "no contact within the run leads there",
    "in_the_past": "the instant is not after now",
}


class DecisionRejected(msgspec.Struct, frozen=True):
    """A refused decision with its code; `CODES` says what each means."""

    decision: Decision
    code: str


def plain_text(value: object) -> str:
    """Any value as text that a trace can hold: lone surrogates become question marks."""
    return str(value).encode("utf-8", "replace").decode()
