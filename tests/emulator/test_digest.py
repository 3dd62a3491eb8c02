"""The digest in a thread beside the run is hashlib's, however the bytes come."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from emulator import digest
from emulator.digest import Digest

PIECE_BYTES = 3 << 18  # two of them are more than what is hashed at once


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.integers(0, PIECE_BYTES)), max_size=8))
def test_it_is_the_sha256_of_all_pieces_in_their_order(pieces: list[tuple[bytes, int]]) -> None:
    ours, theirs = Digest(), hashlib.sha256()
    for pattern, times in pieces:
        piece = pattern * (times // len(pattern))
        ours.update(piece)
        theirs.update(piece)
    assert ours.hexdigest() == theirs.hexdigest()


def test_asking_in_between_changes_nothing() -> None:
    ours, theirs = Digest(), hashlib.sha256()
    for number in range(5):
        piece = bytes([number]) * (digest._AT_ONCE_BYTES // 2 + 1)
        ours.update(piece)
        theirs.update(piece)
        assert ours.hexdigest() == theirs.hexdigest()


def test_a_copy_goes_its_own_way() -> None:
    first = Digest()
    first.update(b"x" * (digest._AT_ONCE_BYTES + 1))
    second = first.copy()
    first.update(b"a")
    second.update(b"b")
    start = b"x" * (digest._AT_ONCE_BYTES + 1)
    assert first.hexdigest() == hashlib.sha256(start + b"a").hexdigest()
    assert second.hexdigest() == hashlib.sha256(start + b"b").hexdigest()
