"""A file is there whole or not at all, and two that write the same one never meet."""

from pathlib import Path

import pytest

from emulator.folders import whole


def test_what_was_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("old")
    with whole(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("old")

    def broken() -> None:
        with whole(path) as partial:
            partial.write_text("ha")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        broken()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_at_once_do_not_remove_each_other_s(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250)  # a name to which nothing more could be added
    with whole(path) as first:
        first.write_text("first")
        with whole(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
        assert first.read_text() == "first"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
