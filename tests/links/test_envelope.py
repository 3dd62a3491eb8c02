"""What is encoded comes back; what is damaged, foreign, too large or nonsense is refused by its code."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from links.envelope import (
    LATEST_S,
    PREFIX,
    SUMMED_FROM,
    VERSION,
    WHOLE_BYTES,
    Buffer,
    Envelope,
    Letter,
    Limits,
    Refused,
    decode,
    encode,
)
from links.errors import LinkError, WireError

RUN = bytes(range(16))
LIMITS = Limits()
REASONS = {"malformed", "version", "checksum", "run", "too_large", "too_many"}


def letter(name: str = "m1", size_bytes: int = 100_000, due_s: float = 2.0, sent_s: float = 1.0) -> Letter:
    return Letter(name, size_bytes, due_s, sent_s)


def envelope(*letters: Letter, first: int = 0) -> Envelope:
    return Envelope(RUN, "SCS-01 A", 3, 17, first, letters or (letter(),))


def refusal(frames: list[Buffer], limits: Limits = LIMITS, run: bytes = RUN) -> str:
    with pytest.raises(Refused) as caught:
        decode(frames, limits, run)
    assert str(caught.value).startswith(caught.value.code)
    return caught.value.code


def sealed(header: bytes, tail: bytes = msgspec.msgpack.encode([[]]), *more: Buffer) -> list[Buffer]:
    """Any header and tail, with a prefix that is right."""
    summed = len(header).to_bytes(4, "little") + header + tail
    checksum = xxh3_64_intdigest(summed)
    for frame in more:
        checksum = xxh3_64_intdigest(frame, checksum)
    head = b"OM" + VERSION.to_bytes(2, "little") + checksum.to_bytes(8, "little") + summed
    return [head, *more]


sizes = st.one_of(st.integers(0, 300), st.sampled_from([WHOLE_BYTES - 1, WHOLE_BYTES, WHOLE_BYTES + 1]))
shapes = st.lists(st.lists(sizes, max_size=4), min_size=1, max_size=6)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(shapes, st.integers(0, 2**40), st.floats(-LATEST_S, LATEST_S), st.text(max_size=20), st.integers(0, 9))
def test_what_goes_in_comes_out(shape: list[list[int]], first: int, due_s: float, name: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    payloads = [[draw.bytes(size) for size in sizes] for sizes in shape]
    letters = [Letter(f"{name}{i}", sum(sizes) + i, due_s, due_s) for i, sizes in enumerate(shape)]
    mine = envelope(*letters, first=first)
    frames = encode(mine, payloads, LIMITS)
    assert len(frames) == 1 + sum(size >= WHOLE_BYTES for sizes in shape for size in sizes)
    theirs, views = decode([bytes(frame) for frame in frames], LIMITS, RUN)
    assert theirs == mine
    assert views == payloads
    assert all(view.readonly for parts in views for view in parts)


def test_large_parts_are_not_copied() -> None:
    large = bytearray(WHOLE_BYTES)
    frames = encode(envelope(), [[b"small", large]], LIMITS)
    large[0] = 7  # shows through, as it is the same memory
    assert frames[1][0] == 7
    large[0] = 0
    _, ((small, whole),) = decode(frames, LIMITS, RUN)
    large[1] = 9
    assert small == b"small"
    assert whole[1] == 9


def test_views_of_other_kinds_are_taken_as_bytes() -> None:
    doubles = memoryview(bytes(16 * WHOLE_BYTES)).cast("d")
    stated = letter(size_bytes=doubles.nbytes)
    _, ((part,),) = decode(encode(envelope(stated), [[doubles]], LIMITS), LIMITS, RUN)
    assert part == doubles.cast("B")


def test_the_layout_is_as_documented() -> None:
    """For whoever writes the other side in another language: a program that does not use ours."""
    head = bytes(encode(envelope(letter("m1"), letter("m2")), [[b"ab"], []], LIMITS)[0])
    magic, version, _, header_bytes = PREFIX.unpack_from(head)
    assert (magic, version, PREFIX.size) == (b"OM", 1, 16)
    header = msgspec.msgpack.decode(head[16 : 16 + header_bytes])
    assert header == [RUN, "SCS-01 A", 3, 17, 0, [["m1", 100_000, 2.0, 1.0], ["m2", 100_000, 2.0, 1.0]]]
    assert msgspec.msgpack.decode(head[16 + header_bytes :]) == [[b"ab"], []]


def test_every_changed_byte_is_noticed() -> None:
    frames = encode(envelope(), [[b"payload", bytes(WHOLE_BYTES)]], LIMITS)
    for k, frame in enumerate(frames):
        for at in {*range(min(len(frame), 300)), len(frame) - 1}:
            damaged = bytearray(frame)
            damaged[at] ^= 1 << at % 8
            code = refusal([*frames[:k], damaged, *frames[k + 1 :]])
            if k or at >= PREFIX.size or 4 <= at < SUMMED_FROM:
                assert code == "checksum"


def test_every_cut_is_noticed() -> None:
    frames = encode(envelope(), [[b"payload", bytes(WHOLE_BYTES)]], LIMITS)
    head = bytes(frames[0])
    codes = {refusal([head[:at], frames[1]]) for at in range(len(head))}
    assert codes == {"malformed", "checksum"}
    assert refusal([head]) == "checksum"
    assert refusal([head, frames[1][:-1]]) == "checksum"
    assert refusal([*frames, b""]) in ("malformed", "checksum")  # an empty frame may not show in the sum


def test_another_run_and_another_version_are_refused() -> None:
    frames = encode(envelope(), [[]], LIMITS)
    assert refusal(frames, run=bytes(16)) == "run"
    head = bytearray(frames[0])
    head[2] = VERSION + 1
    assert refusal([head]) == "version"
    assert refusal([b"XY" + head[2:]]) == "malformed"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(letters=1), "too_many"),
        (Limits(frames=2), "too_many"),
        (Limits(parts=2), "too_many"),
        (Limits(frame_bytes=WHOLE_BYTES), "too_large"),
        (Limits(message_bytes=2 * WHOLE_BYTES), "too_large"),
        (Limits(header_bytes=50), "too_large"),
    ],
)
def test_both_ends_keep_the_limits(limits: Limits, code: str) -> None:
    mine = envelope(letter("m1"), letter("m2"))
    payloads = [[b"small", bytes(WHOLE_BYTES + 1)], [bytes(WHOLE_BYTES)]]
    assert refusal(encode(mine, payloads, LIMITS), limits) == code
    with pytest.raises(Refused, match=code):
        encode(mine, payloads, limits)


def test_what_a_receiver_would_refuse_is_not_encoded() -> None:
    for wrong in (
        letter(due_s=0.5),
        letter(due_s=math.nan),
        letter(due_s=math.inf),
        letter(sent_s=math.nan),
        letter(sent_s=-math.inf),
        letter(size_bytes=3),
    ):
        with pytest.raises(Refused, match="malformed"):
            encode(envelope(wrong), [[b"four"]], LIMITS)
    with pytest.raises(Refused, match="payloads for 2"):
        encode(envelope(), [[], []], LIMITS)
    with pytest.raises(Refused, match="0 letters"):
        encode(Envelope(RUN, "A", 0, 0, 0, ()), [], LIMITS)


def raw(**changes: object) -> bytes:
    """A header like ours but for some fields."""
    fields: dict[str, object] = {
        "run": RUN, "sender": "A", "epoch": 0, "contact": 0, "first": 0, "letters": [["m", 1, 1.0, 0.0]],
    }  # fmt: skip
    return msgspec.msgpack.encode(list((fields | changes).values()))


@pytest.mark.parametrize(
    "header",
    [
        raw(run=b"short"),
        raw(sender=""),
        raw(sender="x" * 1000),
        raw(sender=b"\xff\xfe"),
        raw(epoch=-1),
        raw(contact=-1),
        raw(first=-1),
        raw(first=1.5),
        raw(letters=[]),
        raw(letters=[["m", -1, 1.0, 0.0]]),
        raw(letters=[["m", 1, math.nan, 0.0]]),
        raw(letters=[["m", 1, 1.0, -math.inf]]),
        raw(letters=[["m", 1, 1.0]]),
        raw(letters=[["m", 1, 1.0, 0.0, "extra"]]),
        raw(extra=1),
        raw()[:-1],
        raw() + b"\x00",
        b"",
        b"\xc1",
        b"\x91" * 100_000,  # lists within lists
        b"\x96\xdd\xff\xff\xff\xff",  # a list of 2**32 - 1 entries, none of which is there
        b"\x96\xc4\x10" + RUN + b"\xa2\xff\xfe" + raw()[20:],  # a name that is no UTF-8
    ],
)
def test_headers_that_cannot_be_are_malformed(header: bytes) -> None:
    assert refusal(sealed(header)) == "malformed"


def test_the_same_header_unchanged_is_fine() -> None:
    assert decode(sealed(raw()), LIMITS, RUN)[1] == [[]]


def test_payloads_that_are_not_what_is_stated_are_malformed() -> None:
    pack = msgspec.msgpack.encode
    large = bytes(WHOLE_BYTES)
    assert decode(sealed(raw(), pack([[WHOLE_BYTES]]), large), LIMITS, RUN)[1] == [[large]]
    for tail, more in (
        ([], ()),
        ([[], []], ()),
        ([[WHOLE_BYTES]], ()),
        ([[WHOLE_BYTES]], (large[1:],)),
        ([[WHOLE_BYTES]], (large, large)),
        ([[WHOLE_BYTES, WHOLE_BYTES]], (large,)),
        ([[-1]], (large,)),
        ([["text"]], ()),
        ({}, ()),
    ):
        assert refusal(sealed(raw(), pack(tail), *more)) == "malformed"
    assert refusal(sealed(raw(), b"\x91" * 100_000)) == "malformed"
    assert refusal([]) == "too_many"


def test_a_hundred_thousand_damaged_and_random_messages_are_refused_and_nothing_else() -> None:
    draw = np.random.default_rng(7)
    codes: dict[str, int] = {}
    whole = [
        bytes(f) for f in encode(envelope(letter("m1"), letter("m2")), [[b"ab" * 20], [bytes(WHOLE_BYTES)]], LIMITS)
    ]
    for _ in range(100_000):
        head = bytearray(whole[0])
        kind = draw.integers(4)
        if kind == 0:
            head[draw.integers(len(head))] ^= draw.integers(1, 256)
        elif kind == 1:
            del head[draw.integers(len(head)) :]
        elif kind == 2:
            head = bytearray(draw.bytes(draw.integers(80)))
        else:  # damage under a checksum that is right, in the header or the payloads
            start = PREFIX.size + PREFIX.unpack_from(head)[3]
            inside = bytearray(head[PREFIX.size :])
            inside[draw.integers(len(inside))] = draw.integers(256)
            cut = start - PREFIX.size
            head = bytearray(sealed(bytes(inside[:cut]), bytes(inside[cut:]), whole[1])[0])
        try:
            decode([head, whole[1]], LIMITS, RUN)
        except Refused as refused:
            codes[refused.code] = codes.get(refused.code, 0) + 1
        else:
            codes["read"] = codes.get("read", 0) + 1
    assert sum(codes.values()) == 100_000
    assert {"malformed", "checksum", "version", "run", "too_large"} <= set(codes) <= REASONS | {"read"}
    assert codes["read"] < 25_000  # only of the last kind, where a name or a number became another


def test_refusals_are_link_errors_with_a_code() -> None:
    assert issubclass(Refused, WireError)
    assert issubclass(WireError, LinkError)
    assert str(Refused("run", "why")) == "run: why"
