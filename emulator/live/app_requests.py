"""What an application may ask of its node, and how much: reading of foreign frames into requests.

No sockets here. Everything that cannot be is a `Refusal` with a code from a fixed set; nothing else is raised,
whatever the bytes.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import zmq

from nodes.protocol import (
    VERSION,
    Asked,
    BudgetAsked,
    Bye,
    Hello,
    LinksAsked,
    Received,
    Reference,
    Send,
    TimeAsked,
    WhereAsked,
)

Payload = tuple[bytes | memoryview, ...]
What = Literal["where", "links", "budget", "time"]

COPY_BELOW_BYTES = 10_000  # below about this a copy costs less than keeping the frame alive [guess]


class AppLimits(msgspec.Struct, frozen=True):
    """The most that applications of one node may have of everything. Sizes in bytes."""

    json_bytes: int = 4096  # the longest honest frame 0 is under 2 kB: two names of 64 characters, all escaped
    frames: int = 16  # a tensor or two with their descriptions [guess]
    frame_bytes: int = 16 * 2**20  # a 4.9 MB tensor three times over [guess]
    message_bytes: int = 16 * 2**20  # all payload frames together [guess]
    applications: int = 64  # programs that one node serves [guess]
    services: int = 64  # services for which messages wait, whether or not somebody is there [guess]
    inbox_messages: int = 1024  # messages that wait for one service [guess]
    inbox_bytes: int = 32 * 2**20  # payload that waits for one service [guess]
    node_bytes: int = 64 * 2**20  # payload that waits on the node in all: it stays below 100 MB of memory
    window_messages: int = 32  # given to an application and not yet `received`: 0.2 ms round trip, so no brake
    window_bytes: int = 16 * 2**20  # as the largest message, and a single message always passes
    replies: int = 1024  # small answers held back for one application that does not read, beyond ZeroMQ's own 1000


class Offer(msgspec.Struct, frozen=True):
    """Application `app` wants the payload carried to `service` on node `to`; it counts as `size_bytes` on links."""

    app: str
    reference: int
    to: str
    service: str
    service_from: str
    size_bytes: int
    priority: int
    payload: Payload


class Query(msgspec.Struct, frozen=True):
    """Application `app` asks its node something."""

    app: str
    reference: int
    what: What


Request = Offer | Query


class Refusal(Exception):
    """Something that an application said and that will not be done; with a reference if it could be read."""

    def __init__(self, code: str, problem: str, reference: int | None = None) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem
        self.reference = reference


class Heard(msgspec.Struct, frozen=True):
    """One message of an application, read and within limits; large payload frames are not copied."""

    said: Asked | Bye
    reference: int | None
    payload: Payload
    payload_bytes: int


class _Head(msgspec.Struct, frozen=True):
    op: str
    reference: Reference | None = None


_HEAD = msgspec.json.Decoder(_Head)
_ASKED: dict[str, msgspec.json.Decoder[Asked | Bye]] = {
    "hello": msgspec.json.Decoder(Hello),
    "send": msgspec.json.Decoder(Send),
    "received": msgspec.json.Decoder(Received),
    "where": msgspec.json.Decoder(WhereAsked),
    "links": msgspec.json.Decoder(LinksAsked),
    "budget": msgspec.json.Decoder(BudgetAsked),
    "time": msgspec.json.Decoder(TimeAsked),
    "bye": msgspec.json.Decoder(Bye),
}
_WHAT: dict[type, What] = {WhereAsked: "where", LinksAsked: "links", BudgetAsked: "budget", TimeAsked: "time"}
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # RecursionError: brackets nested too deep


def read(frames: Sequence[zmq.Frame], limits: AppLimits) -> Heard:
    """What an application said. Raises Refusal for whatever is malformed, unknown or larger than `limits`."""
    if not frames:
        raise Refusal("malformed", "an empty message; frame 0 must be a JSON object with an `op`")
    if len(frames[0]) > limits.json_bytes:
        raise Refusal("json_too_big", f"frame 0 has {len(frames[0])} bytes; at most {limits.json_bytes}")
    text = frames[0].bytes
    try:
        head = _HEAD.decode(text)
    except _UNREADABLE as problem:
        raise Refusal("malformed", f"frame 0 must be a JSON object with an `op`: {problem}") from None
    decoder = _ASKED.get(head.op)
    if decoder is None:
        raise Refusal("unknown_op", f"unknown op {head.op[:40]!r}; known: {', '.join(_ASKED)}", head.reference)
    try:
        said = decoder.decode(text)
    except _UNREADABLE as problem:
        raise Refusal("bad_field", f"{head.op}: {problem}", head.reference) from None
    payload, payload_bytes = _payload(frames[1:], limits, said, head.reference)
    return Heard(said, head.reference, payload, payload_bytes)


def _payload(
    frames: Sequence[zmq.Frame], limits: AppLimits, said: Asked | Bye, reference: int | None
) -> tuple[Payload, int]:
    if frames and type(said) is not Send:
        raise Refusal("no_payload_here", "only `send` has payload frames", reference)
    if len(frames) > limits.frames:
        raise Refusal("too_many_frames", f"{len(frames)} payload frames; at most {limits.frames}", reference)
    sizes_bytes = [len(frame) for frame in frames]
    if max(sizes_bytes, default=0) > limits.frame_bytes:
        raise Refusal("frame_too_big", f"a frame of {max(sizes_bytes)} bytes; at most {limits.frame_bytes}", reference)
    total_bytes = sum(sizes_bytes)
    if total_bytes > limits.message_bytes:
        raise Refusal("message_too_big", f"a payload of {total_bytes} bytes; at most {limits.message_bytes}", reference)
    if type(said) is Send and said.size_bytes is not None and said.size_bytes < total_bytes:
        problem = f"size_bytes = {said.size_bytes} is less than the payload's {total_bytes} bytes"
        raise Refusal("size_below_payload", problem, reference)
    kept = tuple(f.bytes if n < COPY_BELOW_BYTES else f.buffer for f, n in zip(frames, sizes_bytes, strict=True))
    return kept, total_bytes


def request(app: str, service_from: str, heard: Heard) -> Request | None:
    """What application `app` wants of the node; None if it wants nothing that outlasts this message."""
    said = heard.said
    if type(said) is Send:
        size_bytes = heard.payload_bytes if said.size_bytes is None else said.size_bytes
        return Offer(app, said.reference, said.to, said.service, service_from, size_bytes, said.priority, heard.payload)
    what = _WHAT.get(type(said))
    return None if what is None or heard.reference is None else Query(app, heard.reference, what)


def check_version(said: Hello) -> None:
    """Raises Refusal for an application that speaks another version of the protocol."""
    if said.version != VERSION:
        raise Refusal("version", f"this node speaks version {VERSION}, the application version {said.version}")
