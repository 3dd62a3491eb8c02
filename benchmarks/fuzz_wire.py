"""Throws a million bad messages at an ear and at decode, and says how each was refused; any other error ends it.

    python -m benchmarks.fuzz_wire [--messages N] [--seed N]

Half go straight into `decode`, half through a real socket, a good letter after every thousand. Kinds: random bytes, one
byte changed, cut short, nested lists, lengths that promise what is not there, huge frames, too many frames, wrong run,
random values under a checksum that is right. Exits 1 unless every message was refused or read, and every good letter
came.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import zmq
from xxhash import xxh3_64_intdigest

from links.envelope import MAGIC, VERSION, WHOLE_BYTES, Buffer, Envelope, Letter, Limits, Refused, decode, encode
from links.wire import Ear, Outbound

RUN = bytes(range(16))
LIMITS = Limits(frame_bytes=100_000, frames=8, message_bytes=300_000, header_bytes=20_000, letters=16, parts=32)
EVERY = 1000  # bad messages to a good one
PATIENCE_MS = 20_000


def sealed(header: bytes, tail: bytes, *more: bytes) -> list[Buffer]:
    """Any header and tail under a prefix that is right."""
    rest = len(header).to_bytes(4, "little") + header + tail
    found = xxh3_64_intdigest(rest)
    for frame in more:
        found = xxh3_64_intdigest(frame, found)
    return [MAGIC + VERSION.to_bytes(2, "little") + found.to_bytes(8, "little") + rest, *more]


class Fuzz:
    """Bad messages without end, from a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        letters = tuple(Letter(f"m{k}", 10**6, 2.0, 1.0) for k in range(3))
        self.envelope = Envelope(RUN, "stranger", 1, 0, 0, letters)
        self.good = [bytes(f) for f in encode(self.envelope, [[b"small"], [], [bytes(WHOLE_BYTES)]], LIMITS)]
        self.foreign = encode(Envelope(bytes(16), "x", 1, 0, 0, letters), [[], [], []], LIMITS)
        self.kinds: tuple[Callable[[], list[Buffer]], ...] = (
            self.noise, self.changed, self.cut, self.nested, self.promising, self.huge, self.many, self.values,
            lambda: self.foreign, lambda: [self.good[0]], lambda: [*self.good, b""],
        )  # fmt: skip

    def __iter__(self) -> Iterator[list[Buffer]]:
        while True:
            yield self.draw.choice(self.kinds)()

    def noise(self) -> list[Buffer]:
        """Random frames, some behind a right beginning."""
        start = self.draw.choice((b"", MAGIC, MAGIC + b"\x01\x00"))
        return [start + self.draw.randbytes(self.draw.randrange(200)) for _ in range(self.draw.randrange(1, 4))]

    def changed(self) -> list[Buffer]:
        """A good message with one byte changed."""
        k = self.draw.randrange(2)
        damaged = bytearray(self.good[k])
        damaged[self.draw.randrange(len(damaged))] ^= self.draw.randrange(1, 256)
        return [damaged, self.good[1]] if k == 0 else [self.good[0], damaged]

    def cut(self) -> list[Buffer]:
        """A good message cut short."""
        return [self.good[0][: self.draw.randrange(len(self.good[0]))], self.good[1]]

    def nested(self) -> list[Buffer]:
        """Lists or maps within each other, in place of header or payloads, checksum right."""
        deep = self.draw.choice((b"\x91", b"\x81\x00", b"\x96", b"\xdc\x00\x01")) * self.draw.randrange(1, 4000)
        return sealed(deep, b"\x91\x90") if self.draw.random() < 0.5 else sealed(self.header(), deep)

    def promising(self) -> list[Buffer]:
        """Lists and strings that say they are up to 4 GB long, checksum right."""
        kind = self.draw.choice((b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9"))
        claim = kind + self.draw.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", self.draw.randbytes(4)))
        where = self.draw.randrange(3)
        return sealed(*((claim, b""), (b"\x96" + claim, b""), (self.header(), claim))[where])

    def huge(self) -> list[Buffer]:
        """Frames and headers over the limits."""
        if self.draw.random() < 0.5:
            return [bytes(LIMITS.frame_bytes + 1)]
        return sealed(bytes(LIMITS.header_bytes + 1), b"")

    def many(self) -> list[Buffer]:
        """More frames, letters or parts than may be."""
        pack = msgspec.msgpack.encode
        return self.draw.choice(
            (
                [b"x"] * (LIMITS.frames + self.draw.randrange(1, 50)),
                sealed(self.header(LIMITS.letters + 1), pack([[]] * (LIMITS.letters + 1))),
                sealed(self.header(1), pack([[b""] * (LIMITS.parts + 1)])),
            )
        )

    def values(self) -> list[Buffer]:
        """A header of the right shape but for one value that is anything, checksum right."""
        fields: list[object] = [RUN, "stranger", 1, 0, 0, [["m", 1, 2.0, 1.0]]]
        wrong: tuple[object, ...] = (-1, 2**63, 1e308, float("nan"), "", "x" * 300, None, [], {}, b"", True, -0.5)
        where = self.draw.randrange(10)
        if where < 6:
            fields[where] = self.draw.choice(wrong)
        else:
            fields[5][0][where - 6] = self.draw.choice(wrong)  # type: ignore[index]
        return sealed(msgspec.msgpack.encode(fields), b"\x91\x90")

    def header(self, letters: int = 1) -> bytes:
        """A header that is right."""
        return msgspec.msgpack.encode([RUN, "stranger", 1, 0, 0, [["m", 1, 2.0, 1.0]] * letters])


def through_decode(messages: int, seed: int) -> Counter[str]:
    """How each was refused; `read` where nothing was wrong with it after all."""
    found: Counter[str] = Counter()
    for frames, _ in zip(Fuzz(seed), range(messages), strict=False):
        try:
            decode(frames, LIMITS, RUN)
        except Refused as refused:
            found[refused.code] += 1
        else:
            found["read"] += 1
    return found


def through_a_socket(messages: int, seed: int) -> Counter[str]:
    """The same over TCP on the loopback; `good` counts the good letters that came in between."""
    found: Counter[str] = Counter()
    with zmq.Context() as context, context.socket(zmq.PUSH) as stranger:
        stranger.linger = 0
        ear = Ear(context, "tcp://127.0.0.1:*", RUN, LIMITS)
        outbound = Outbound(context, ear.endpoint, RUN, "friend", 1, 0, LIMITS)
        stranger.connect(ear.endpoint)

        def hear() -> int:
            while ear.waiting:
                found.update("good" if receipt.sender == "friend" else "read" for receipt in ear.receive(100))
            return found.total() + sum(ear.refused.values()) + ear.duplicates

        for k, frames in zip(range(messages), Fuzz(seed), strict=False):
            stranger.send_multipart(frames)
            if k % EVERY == EVERY - 1:
                assert outbound.send([Letter(f"good {k}", 4, 2.0, 1.0)], [[b"data"]])
            hear()
        while hear() < messages + messages // EVERY:
            assert ear.socket.poll(PATIENCE_MS), f"only {hear()} messages are accounted for"
        found["read"] += ear.duplicates
        found.update(ear.refused)
        outbound.close()
        ear.close()
    return found


def main() -> int:
    """Run both halves; returns the exit code."""
    parser = argparse.ArgumentParser(description="Throw bad messages at the wire.")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    half = options.messages // 2
    straight, heard = through_decode(half, options.seed), through_a_socket(half, options.seed + 1)
    good = heard.pop("good", 0)
    print(f"decode: {half:,} messages, {dict(sorted(straight.items()))}")
    print(f"socket: {half:,} messages, {dict(sorted(heard.items()))}; {good} good letters of {half // EVERY} came")
    return 0 if straight.total() == half and heard.total() == half and good == half // EVERY else 1


if __name__ == "__main__":
    sys.exit(main())
