"""A disk that is full or a folder that cannot be written, at any moment of a recording: told, nothing half-written.

The kernel refuses: a limit on the size of files stands in for a full disk (both are an OSError from the same call), and
what lies where a file should go for one that cannot be made.
"""

import errno
import json
import os
import re
import resource
import shutil
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import main
from emulator.errors import BadInput, TraceError
from emulator.replay import replay
from emulator.schedulers import load
from emulator.trace import Trace
from emulator.tracing.squeeze import Piece, Squeezer
from emulator.tracing.writer import partial_of

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
FULL = (errno.EFBIG, errno.ENOSPC)


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """For this process, as the kernel sees to it; Python ignores the signal and gets the error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def whole(lab, tmp_path_factory) -> dict[str, bytes]:
    """The files of the run when nothing is in its way."""
    folder = tmp_path_factory.mktemp("disk") / "run"
    lab.record(folder, block_lines=4)
    return listing(folder)


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def meddled(lab: Any, meanwhile: Callable[[], object]) -> Any:
    """The lab, with something that happens on the host while a run is going on."""

    class Meddled(type(lab)):  # type: ignore[misc]
        def infer(self, task: Any) -> Any:
            meanwhile()
            return super().infer(task)

    return Meddled()


def test_a_full_disk_at_any_size_of_any_file_is_an_error_and_leaves_nothing(lab, whole, tmp_path) -> None:
    largest = max(len(data) for data in whole.values())
    for size_bytes in (0, 1, *range(7, largest, 61), largest - 1):
        with no_file_larger_than(size_bytes), pytest.raises((OSError, BadInput)) as told:
            lab.record(tmp_path / "new" / "run", block_lines=4)
        cause = told.value if isinstance(told.value, OSError) else told.value.__cause__
        assert isinstance(cause, OSError)
        assert cause.errno in FULL
        assert list(tmp_path.iterdir()) == [], size_bytes
    with no_file_larger_than(largest):
        lab.record(tmp_path / "run", block_lines=4)
    assert listing(tmp_path / "run") == whole


def test_a_disk_that_fills_up_while_a_run_may_be_resumed_costs_nothing_that_was_written(lab, whole, tmp_path) -> None:
    largest = max(len(data) for data in whole.values())
    folder = tmp_path / "run"
    for size_bytes in (*range(7, largest, 211), largest - 1):  # a little more room each time
        with no_file_larger_than(size_bytes), pytest.raises(OSError, match="File too large"):
            lab.record(folder, block_lines=4, resume=True)
        assert not folder.exists()
        left = partial_of(folder)
        if (left / "header.json").exists():
            trace = Trace(left)
            found, _ = replay(trace, load("mesh", lambda: 0.0))
            assert (trace.closed, found.matches) == (False, True)
            assert found.missing
    lab.record(folder, block_lines=4, resume=True)
    assert listing(folder) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_command_tells_a_full_disk_and_resumes_to_the_digest_of_a_run_that_had_room(
    tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short.toml").write_text('extends = "three-body"\nname = "s"\n[imaging]\ndistinct_tiles = 2\n')
    command = ["run", "short.toml", "--policy", "mesh", "--duration", "900", "--json"]
    assert main([*command, "--out", "roomy"]) == 0
    digest = json.loads(capsys.readouterr().out)["digest"]
    sizes = sorted(path.stat().st_size for path in Path("roomy").iterdir())
    for size_bytes in (sizes[0] - 1, sizes[-1] // 2, sizes[-1] - 1):
        with no_file_larger_than(size_bytes):
            assert main([*command, "--out", "a/tight", "--resume"]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.strip().startswith("orbitmesh: the run failed: ")
        assert re.search(r"File too large: '.*/\.tight\.orbitmesh-partial/.*'", said.err)
        assert not Path("a/tight").exists()
    assert main([*command, "--out", "a/tight", "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == digest
    assert main(["replay", "a/tight"]) == 0


@pytest.mark.parametrize("name", ["summary.json", "footer.json", "header.json"])
def test_a_last_file_that_cannot_be_written_is_an_error_and_leaves_nothing(lab, whole, tmp_path, name) -> None:
    folder = tmp_path / "run"
    in_the_way = partial_of(folder) / f"{name}.partial"
    with pytest.raises(IsADirectoryError):
        meddled(lab, lambda: in_the_way.mkdir(exist_ok=True)).record(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resume", [False, True])
def test_a_name_that_was_taken_meanwhile_is_not_overwritten(lab, whole, tmp_path, resume) -> None:
    folder = tmp_path / "run"

    def take() -> None:
        folder.mkdir(exist_ok=True)
        (folder / "thesis.txt").write_text("years of work")

    with pytest.raises(OSError, match="not empty"):
        meddled(lab, take).record(folder, block_lines=4, resume=resume)
    assert listing(folder) == {"thesis.txt": b"years of work"}
    left = [path.name for path in tmp_path.iterdir() if path != folder]
    assert left == ([partial_of(folder).name] if resume else [])
    if resume:  # what took an hour to compute is still there, and can be given another chance
        (folder / "thesis.txt").unlink()
        lab.record(folder, block_lines=4, resume=True)
        assert listing(folder) == whole


def test_a_folder_that_goes_away_meanwhile_is_an_error(lab, tmp_path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(OSError, match="No such file"):
        meddled(lab, lambda: shutil.rmtree(partial_of(folder), ignore_errors=True)).record(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused_before_the_run(lab, tmp_path) -> None:
    (tmp_path / "fixed").mkdir(mode=0o500)
    with pytest.raises(BadInput, match="cannot be written"):
        lab.record(tmp_path / "fixed" / "run")


def test_what_lies_where_a_trace_would_grow_is_named_and_left(lab, tmp_path) -> None:
    left = partial_of(tmp_path / "run")
    for make in (lambda: left.write_text("mine"), lambda: left.symlink_to(tmp_path), lambda: os.mkfifo(left)):
        make()
        before = os.lstat(left)
        for resume in (False, True):
            with pytest.raises(TraceError, match="is in the way"):
                lab.record(tmp_path / "run", resume=resume)
        assert os.lstat(left).st_ino == before.st_ino
        left.unlink()


@pytest.mark.parametrize("name", ["header.json", "world.json.gz", "events.jsonl.gz", "decisions.jsonl.gz"])
@pytest.mark.parametrize("data", [b"", b"{", b"\xff" * 40, b"{}"])
def test_what_a_killed_run_left_damaged_ends_in_the_same_run_or_in_a_named_error(
    lab, whole, tmp_path, name, data
) -> None:
    left = partial_of(tmp_path / "run")
    left.mkdir()
    header = json.loads(whole["header.json"]) | {"events": 0, "digest": ""}
    for each in ("world.json.gz", "events.jsonl.gz", "decisions.jsonl.gz"):
        (left / each).write_bytes(whole[each])
    (left / "header.json").write_text(json.dumps(header))
    (left / name).write_bytes(data)
    if name == "header.json":
        with pytest.raises(TraceError, match=r"--resume: .*header\.json.*remove the folder"):
            lab.record(tmp_path / "run", block_lines=4, resume=True)
        assert (left / "events.jsonl.gz").read_bytes() == whole["events.jsonl.gz"]
    else:
        lab.record(tmp_path / "run", block_lines=4, resume=True)
        assert listing(tmp_path / "run") == whole


def test_whatever_goes_wrong_beside_a_run_is_raised_in_it_and_nobody_waits(tmp_path) -> None:
    with FileIO(tmp_path / "log", "w") as file:
        squeezer = Squeezer()
        squeezer.put(Piece(file, b"x\n", 1 << 33, 0.0, 0.0))  # more lines than its head can say
        pieces = [Piece(file, b"x\n", 1, 0.0, 0.0)] * 100
        with pytest.raises(struct.error):
            deque(map(squeezer.put, pieces), maxlen=0)
        squeezer.abandon()
