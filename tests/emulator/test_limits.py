"""Sizes on the command line, as people write them."""

import argparse

import pytest

from emulator.limits import size_bytes


@pytest.mark.parametrize(
    ("text", "meant"),
    [("7", 7), ("7B", 7), ("4GiB", 4 * 2**30), ("500MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("0.5KiB", 512)],
)
def test_sizes_are_read_by_their_units(text: str, meant: int) -> None:
    assert size_bytes(text) == meant


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1e9", "4G", "4gib", "0x10", "1.", "9" * 19, "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no size"):
        size_bytes(text)
