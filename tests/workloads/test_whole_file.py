"""A file is there whole or not at all, and two that write the same one never meet."""

import os
from pathlib import Path

import pytest

from workloads.whole_file import whole


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


def test_every_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    with whole(tmp_path / "one.txt") as partial:
        partial.write_text("one")
        assert not synced
    assert synced == [(tmp_path / "one.txt").stat().st_ino]
    with whole(tmp_path / "several") as partial:
        (partial / "inside").mkdir(parents=True)
        names = ("a.txt", "inside/b.txt")
        for name in names:
            (partial / name).write_text(name)
    assert set(synced[1:]) == {(tmp_path / "several" / name).stat().st_ino for name in names}


def test_a_folder_takes_the_place_of_nothing_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    def refused() -> None:
        with whole(tmp_path / "out") as partial:
            partial.mkdir()
            (partial / "theirs.txt").write_text("theirs")

    with pytest.raises(OSError, match="out"):
        refused()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]
