"""Where results go: a new folder, whole or not at all, and never over anything that is there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = ("--policy", "onboard", "--duration", "60")


@pytest.fixture
def places(tmp_path: Path) -> Path:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    (tmp_path / "full.partial").mkdir()
    (tmp_path / "full.partial" / "more.txt").write_text("and more")
    (tmp_path / "file").write_text("x")
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize(
    ("out", "part"),
    [
        ("full", "--out full is there and not an empty folder"),
        ("file", "--out file is there and not an empty folder"),
        (".", "--out . is there"),
        ("", "--out . is there"),
        ("..", "--out .. is there"),
        ("/", "--out / is there"),
        ("file/below", "cannot be written"),
        ("circle", "cannot be written"),
        ("x" * 300, "cannot be written"),
        ("/proc/nothing/here", "cannot be written"),
    ],
)
def test_a_trace_is_not_put_where_it_cannot_be(out: str, part: str, refused: Callable[..., str], quick: str) -> None:
    assert part in refused("run", quick, *RUN, "--out", out)


@pytest.mark.usefixtures("places")
@pytest.mark.parametrize("out", ["file", "file/below", "x" * 300, "/proc/nothing"])
def test_plots_are_not_put_where_they_cannot_be(out: str, refused: Callable[..., str], quick: str) -> None:
    assert "cannot be written: " in refused("compare", quick, "--duration", "60", "--out", out)


def test_a_folder_of_another_name_is_left_alone(orbitmesh: Callable[..., Any], places: Path, quick: str) -> None:
    (places / "new.partial").mkdir()
    (places / "new.partial" / "mine.txt").write_text("keep")
    assert orbitmesh("run", quick, *RUN, "--out", "new").code == 0
    assert (places / "new.partial" / "mine.txt").read_text() == "keep"
    assert sorted(path.name for path in places.iterdir() if path.name.startswith(".")) == []


def test_an_empty_folder_may_be_filled(orbitmesh: Callable[..., Any], tmp_path: Path, quick: str) -> None:
    (tmp_path / "ready").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    for out in ("ready", "link"):
        assert orbitmesh("run", quick, *RUN, "--out", out).code == 0
        assert (tmp_path / out / "header.json").is_file()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "ready").stat().st_mode & 0o777 == (tmp_path / "elsewhere").stat().st_mode & 0o777


def test_a_run_that_fails_on_the_way_leaves_no_parents(refused: Callable[..., str], tmp_path: Path, quick: str) -> None:
    (tmp_path / "late.py").write_text("def late(view):\n    raise RuntimeError('late')\n")
    assert "late" in refused("run", quick, "--policy", "late:late", "--out", "a/b/c")
    assert not (tmp_path / "a").exists()


def test_a_full_disk_leaves_nothing(
    orbitmesh: Callable[..., Any], tmp_path: Path, quick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.trace.TraceWriter.write", full)
    done = orbitmesh("run", quick, *RUN, "--out", "a/kept", "--json")
    assert (done.code, done.out) == (1, "")
    assert "No space left on device" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["quick.toml"]
