"""Where results go: a new folder, whole or not at all, and never over anything that is there."""

import re
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
    assert "No space left on device (--out a/kept, or standard output)" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["quick.toml"]


def test_what_an_interrupted_run_left_is_told_before_the_work(
    refused: Callable[..., str], tmp_path: Path, quick: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> None:
        raise AssertionError("the work had begun")

    monkeypatch.setattr("emulator.assemble.read_sky", late)
    left = tmp_path / ".kept.orbitmesh-partial"
    left.mkdir()
    (left / "events.jsonl.gz").write_bytes(b"")
    told = refused("run", quick, *RUN, "--out", "kept")
    assert f"an interrupted run has left {left}: --resume goes on with it" in told
    left.rename(tmp_path / "moved")
    left.write_text("mine")
    assert f"{left} is in the way" in refused("run", quick, *RUN, "--out", "kept")


@pytest.mark.parametrize("letters", [240, 300])
def test_a_name_too_long_for_a_trace_or_for_what_grows_beside_it_is_bad_input(
    letters: int, refused: Callable[..., str], quick: str
) -> None:
    assert "cannot be written: " in refused("run", quick, *RUN, "--out", "x" * letters)


@pytest.mark.parametrize("out", ["x" * 300, "file/below", "circle/below"])
@pytest.mark.parametrize("form", ["perfetto", "csv", "geojson", "omm", "oem"])
def test_an_export_is_not_put_where_it_cannot_be(
    form: str, out: str, orbitmesh: Callable[..., Any], refused: Callable[..., str], places: Path, quick: str
) -> None:
    assert orbitmesh("run", quick, *RUN, "--out", "kept").code == 0
    assert "cannot be written: " in refused("export", "kept", "--to", form, "--out", out)


@pytest.mark.parametrize("out", ["x" * 300, "file/below", "circle/below"])
def test_the_tables_of_a_report_are_not_put_where_they_cannot_be(
    out: str, orbitmesh: Callable[..., Any], refused: Callable[..., str], places: Path, quick: str
) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    assert orbitmesh("run", quick, *RUN, "--out", "kept").code == 0
    assert "cannot be written: " in refused("report", "kept", "--parquet", out)


@pytest.mark.parametrize("out", ["x" * 300 + ".jsonl", "x" * 300 + ".csv", "a\0b.jsonl", "circle/below.jsonl"])
def test_a_conversion_is_not_put_where_it_cannot_be(out: str, refused: Callable[..., str], places: Path) -> None:
    (places / "plan.swf").write_text("1 0 0 60 1 -1 -1 1 60 -1 1 1 1 -1 1 -1 -1 -1\n")
    assert re.search(r"OUT .*: (cannot be written|its folder is not there)", refused("convert", "plan.swf", out))
