"""The envelope in which messages cross a link: a versioned, checksummed msgpack header, then payloads.

No sockets, no clock. One envelope carries letters of one contact, numbered in a row. Its first frame is a fixed
prefix, the header and the small payloads; every large payload is a frame of its own and is never copied:

    frame 0    magic 2 | version 2 | checksum 8 | length of the header 4 | header (msgpack) | payloads (msgpack)
    frame 1..  one large payload each, in the order of letters and parts

Payloads are one list of parts for each letter: bytes, or in place of a large part its length. Integers of the prefix
are little-endian. The checksum covers all that follows it, frames included. What comes from outside holds or is
refused with a code; sizes and counts are checked before anything is decoded.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Annotated, Literal

import msgspec
from xxhash import xxh3_64_intdigest

from links.errors import WireError

VERSION = 1
MAGIC = b"OM"
PREFIX = Struct("<2sHQI")  # magic, version, checksum, length of the header
SUMMED_FROM = 12  # bytes: where the prefix goes on after the checksum
RUN_BYTES = 16  # 128 random bits: no two runs have the same by chance
WHOLE_BYTES = 65_536  # from here on a part is a frame of its own: pyzmq's own threshold; at 10 kB a copy is quicker
NAME_CHARS = 200  # far above any satellite's name [guess]
LATEST_S = 1e12  # 30,000 years: what an instant may be, which keeps NaN and infinity out

Buffer = bytes | bytearray | memoryview
Code = Literal["malformed", "version", "checksum", "run", "too_large", "too_many"]

Count = Annotated[int, msgspec.Meta(ge=0)]
Instant = Annotated[float, msgspec.Meta(ge=-LATEST_S, le=LATEST_S)]


class Refused(WireError):
    """A message that is not taken, and why: `code` is one word to count by, the message says more."""

    def __init__(self, code: Code, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class Letter(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """One message on one hop. Its real bytes, if it has any, travel beside it as parts."""

    id: str
    size_bytes: Count  # what the emulated link carries; never less than the real bytes
    due_s: Instant  # emulated instant at which the last bit is at the receiver
    sent_s: Instant  # emulated instant at which serialisation began


class Envelope(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """Letters of one contact in one direction; letter number i has the sequence number `first` + i."""

    run: Annotated[bytes, msgspec.Meta(min_length=RUN_BYTES, max_length=RUN_BYTES)]
    sender: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS)]
    epoch: Count  # incarnation of the sending process
    contact: Count
    first: Count
    letters: Annotated[tuple[Letter, ...], msgspec.Meta(min_length=1)]


class Limits(msgspec.Struct, frozen=True):
    """What one ZeroMQ message may be at most, at both ends; ZeroMQ's own limit is per frame only."""

    frame_bytes: int = 64 << 20  # thirteen of the largest tensors here (4.9 MB: 640 x 640 x 3 as float32)
    frames: int = 256  # a batch of large payloads [guess]
    message_bytes: int = 256 << 20  # twelve nodes that hold one each stay within 4 GB
    header_bytes: int = 1 << 20  # a kilobyte of header for each of 1,024 letters
    letters: int = 1024  # larger batches gain nothing: python -m benchmarks.link_throughput
    parts: int = 4096  # of all letters of a message: four for each


_encoder = msgspec.msgpack.Encoder()
_headers = msgspec.msgpack.Decoder(Envelope)
_small = msgspec.msgpack.Decoder(list[list[memoryview]])
_mixed = msgspec.msgpack.Decoder(list[list[memoryview | int]])


def encode(envelope: Envelope, payloads: Sequence[Sequence[Buffer]], limits: Limits) -> list[Buffer]:
    """The frames of `envelope`; `payloads` holds each letter's parts, which must stay unchanged until they are sent.

    Raises Refused where a receiver with the same limits would refuse, and for more real bytes than are stated.
    """
    letters = envelope.letters
    if not 0 < len(letters) <= limits.letters:
        raise Refused("too_many", f"{len(letters)} letters in one envelope; 1 to {limits.letters} go")
    if len(payloads) != len(letters):
        raise Refused("malformed", f"{len(letters)} letters, but payloads for {len(payloads)}")
    frames: list[Buffer] = [b""]
    stated: Sequence[Sequence[Buffer | int]] = payloads
    if _largest_bytes(letters, payloads) >= WHOLE_BYTES:
        stated = [[_framed(part, frames) for part in parts] for parts in payloads]
    if sum(map(len, payloads)) > limits.parts:
        raise Refused("too_many", f"{sum(map(len, payloads))} parts in one envelope; at most {limits.parts} go")
    head = bytearray(PREFIX.size)
    _encoder.encode_into(envelope, head, PREFIX.size)
    header_bytes = len(head) - PREFIX.size
    if header_bytes > limits.header_bytes:
        raise Refused("too_large", f"a header of {header_bytes} bytes; at most {limits.header_bytes} go")
    _encoder.encode_into(stated, head, len(head))
    frames[0] = head
    _within(frames, limits)
    PREFIX.pack_into(head, 0, MAGIC, VERSION, 0, header_bytes)
    PREFIX.pack_into(head, 0, MAGIC, VERSION, _checksum(head, frames), header_bytes)
    return frames


def decode(frames: Sequence[Buffer], limits: Limits, run: bytes) -> tuple[Envelope, list[list[memoryview]]]:
    """The envelope in `frames` and each letter's parts, as read-only views of the frames: nothing is copied.

    Raises Refused, with the reason as `code`, and nothing else, whatever the frames hold.
    """
    _within(frames, limits)
    head = memoryview(frames[0]).toreadonly()
    start = PREFIX.size + _header_bytes(head, frames, limits)
    try:
        envelope = _headers.decode(head[PREFIX.size : start])
        if envelope.run != run:
            raise Refused("run", f"a message of run {envelope.run.hex()}; this is {run.hex()}")
        tail = head[start:]
        payloads = _small.decode(tail) if len(frames) == 1 else _whole(_mixed.decode(tail), frames)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Refused("malformed", str(error)) from None
    letters = envelope.letters
    if len(letters) > limits.letters or sum(map(len, payloads)) > limits.parts:
        raise Refused("too_many", f"{len(letters)} letters in one envelope; at most {limits.letters} go, "
                                  f"and {limits.parts} parts")  # fmt: skip
    if len(payloads) != len(letters):
        raise Refused("malformed", f"{len(letters)} letters, but payloads for {len(payloads)}")
    return envelope, payloads


def _largest_bytes(letters: Sequence[Letter], payloads: Sequence[Sequence[Buffer]]) -> int:
    """The real bytes of the letter that has most."""
    largest_bytes = 0
    for letter, parts in zip(letters, payloads, strict=True):
        real_bytes = 0
        for part in parts:
            real_bytes += len(part)
        if real_bytes > letter.size_bytes or not -LATEST_S <= letter.sent_s <= letter.due_s <= LATEST_S:
            raise Refused("malformed", f"{letter} holds {real_bytes} bytes; due before sent, or too small for them")
        if real_bytes > largest_bytes:
            largest_bytes = real_bytes
    return largest_bytes


def _framed(part: Buffer, frames: list[Buffer]) -> Buffer | int:
    """The part itself, or its length once it is in `frames`."""
    if len(part) < WHOLE_BYTES:
        return part
    frames.append(memoryview(part).cast("B"))
    return len(frames[-1])


def _whole(stated: list[list[memoryview | int]], frames: Sequence[Buffer]) -> list[list[memoryview]]:
    """Parts with their frames put in; all frames must be used up exactly."""
    rest = iter(frames[1:])
    found = [[_taken(part, rest) if isinstance(part, int) else part for part in parts] for parts in stated]
    if next(rest, None) is not None:
        raise Refused("malformed", "more frames than parts that are to be frames")
    return found


def _taken(length: int, rest: Iterator[Buffer]) -> memoryview:
    frame = next(rest, None)
    if frame is None or len(frame) != length:
        raise Refused("malformed", f"a part of {length} bytes is to be a frame, and is none")
    return memoryview(frame).toreadonly()


def _within(frames: Sequence[Buffer], limits: Limits) -> None:
    if not 0 < len(frames) <= limits.frames:
        raise Refused("too_many", f"{len(frames)} frames in one message; 1 to {limits.frames} go")
    sizes_bytes = [len(frame) for frame in frames]
    if max(sizes_bytes) > limits.frame_bytes:
        raise Refused("too_large", f"a frame of {max(sizes_bytes)} bytes; at most {limits.frame_bytes} go")
    if sum(sizes_bytes) > limits.message_bytes:
        raise Refused("too_large", f"a message of {sum(sizes_bytes)} bytes; at most {limits.message_bytes} go")


def _header_bytes(head: memoryview, frames: Sequence[Buffer], limits: Limits) -> int:
    """The header's length, once prefix and checksum hold."""
    if len(head) < PREFIX.size:
        raise Refused("malformed", f"a first frame of {len(head)} bytes; {PREFIX.size} at least are needed")
    magic, version, checksum, header_bytes = PREFIX.unpack_from(head)
    if magic != MAGIC:
        raise Refused("malformed", f"begins with {magic!r} instead of {MAGIC!r}")
    if version != VERSION:
        raise Refused("version", f"version {version} of the envelope; this program speaks {VERSION}")
    if header_bytes > limits.header_bytes:
        raise Refused("too_large", f"a header of {header_bytes} bytes; at most {limits.header_bytes} go")
    if header_bytes > len(head) - PREFIX.size:
        raise Refused("malformed", f"a header of {header_bytes} bytes in a frame of {len(head)}")
    if checksum != _checksum(head, frames):
        raise Refused("checksum", "damaged on the way")
    return int(header_bytes)


def _checksum(head: Buffer, frames: Sequence[Buffer]) -> int:
    found = xxh3_64_intdigest(memoryview(head)[SUMMED_FROM:])
    for k in range(1, len(frames)):
        found = xxh3_64_intdigest(frames[k], found)  # the sum so far is the seed: order counts
    return found
