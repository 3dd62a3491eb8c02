"""A run that is killed at any time goes on to the same bytes."""

import os
import shutil
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from emulator import recorder
from emulator.errors import ReplayMismatch, TraceError
from emulator.interpreter import SWITCH_S, threads_beside
from emulator.replay import replay
from emulator.schedulers import load
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.tracing.log import Log
from emulator.tracing.writer import EVENTS, partial_of


@pytest.fixture(scope="module")
def whole(lab, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    lab.record(folder)
    return folder


def killed(whole: Path, folder: Path, events_bytes: int, decisions_bytes: int) -> None:
    """What a run into `folder` leaves that is killed when its logs have that many bytes."""
    left = partial_of(folder)
    left.mkdir(parents=True)
    header = msgspec.json.decode((whole / "header.json").read_bytes()) | {"events": 0, "digest": ""}
    (left / "header.json").write_bytes(msgspec.json.encode(header))
    (left / "world.json.gz").write_bytes((whole / "world.json.gz").read_bytes())
    for name, size in ((EVENTS, events_bytes), ("decisions.jsonl.gz", decisions_bytes)):
        (left / name).write_bytes((whole / name).read_bytes()[:size])


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_killed_at_any_byte_resumes_to_the_same_files(lab, whole, tmp_path) -> None:
    events, decisions = (len((whole / name).read_bytes()) for name in (EVENTS, "decisions.jsonl.gz"))
    for number, share in enumerate((0.0, 0.013, 0.3, 0.5, 0.77, 0.999, 1.0)):
        for ahead in (0.0, 0.2):  # one log may be further than the other
            folder = tmp_path / f"{number}-{ahead}" / "run"
            killed(whole, folder, int(events * share), int(decisions * min(1.0, share + ahead)))
            lab.record(folder, resume=True)
            assert listing(folder) == listing(whole)
            assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_what_a_killed_run_left_opens_replays_and_says_that_it_is_not_whole(whole, tmp_path) -> None:
    killed(whole, tmp_path / "run", len((whole / EVENTS).read_bytes()) // 2, 0)
    trace = Trace(partial_of(tmp_path / "run"))
    assert not trace.closed
    found, _ = replay(trace, load("mesh", lambda: 0.0))
    assert found.matches
    assert 0 < found.events < Trace(whole).header.events
    assert "is damaged after line" in found.missing


def test_the_name_that_a_killed_run_did_not_get_leads_to_what_it_left(whole, tmp_path) -> None:
    killed(whole, tmp_path / "run", 1000, 0)
    with pytest.raises(TraceError, match=r"its run was cut off, and left .*\.run\.orbitmesh-partial, which opens"):
        Trace(tmp_path / "run")
    with pytest.raises(TraceError, match=r"it has no header\.json"):
        Trace(tmp_path / "other")


def test_a_resumed_run_that_says_something_else_is_told(lab, whole, tmp_path) -> None:
    killed(whole, tmp_path / "run", len((whole / EVENTS).read_bytes()), 0)
    with pytest.raises(ReplayMismatch, match=r"the run, started anew, .* after line \d+"):
        lab.record(tmp_path / "run", resume=True, tasks=11)
    assert Log(partial_of(tmp_path / "run") / EVENTS).index()  # what was there is there


def test_another_run_is_neither_resumed_nor_overwritten(lab, whole, tmp_path) -> None:
    killed(whole, tmp_path / "run", 1000, 0)
    left = partial_of(tmp_path / "run")
    header = msgspec.json.decode((left / "header.json").read_bytes())
    (left / "header.json").write_bytes(msgspec.json.encode(header | {"seed": 2}))
    before = listing(left)
    with pytest.raises(TraceError, match="was another one: seed 2, not 1"):
        lab.record(tmp_path / "run", resume=True)
    with pytest.raises(TraceError, match=r"an interrupted run has left .* --resume goes on with it"):
        lab.record(tmp_path / "run")
    assert listing(left)["header.json"] == before["header.json"]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_do_not_write_into_one_trace(lab, tmp_path, resume: bool) -> None:
    with TraceWriter(tmp_path / "run"), pytest.raises(TraceError, match=r"another run is writing .* now; name another"):
        lab.record(tmp_path / "run", resume=resume)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ({"engine": "live"}, r"a live run cannot be resumed; move the folder"),
        ({"replay_of": {"level": "inputs"}}, r"a replay cannot be resumed; remove the folder"),
    ],
)
def test_what_was_left_is_not_said_to_be_resumable_where_it_is_not(
    lab, whole, tmp_path, what: dict[str, object], told: str
) -> None:
    killed(whole, tmp_path / "run", 1000, 0)
    path = partial_of(tmp_path / "run") / "header.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | what))
    with pytest.raises(TraceError, match=told):
        lab.record(tmp_path / "run")


def test_an_interruption_keeps_what_is_there_only_where_it_is_to_be_resumed(tmp_path) -> None:
    for resume in (False, True):
        folder = tmp_path / str(resume)
        with pytest.raises(KeyboardInterrupt):
            interrupted(folder, resume)
        assert partial_of(folder).exists() is resume
    shutil.rmtree(partial_of(tmp_path / "True"))
    assert os.listdir(tmp_path) == []


def interrupted(folder: Path, resume: bool) -> None:
    with TraceWriter(folder, resume) as writer:
        writer.write(b"[]\n", 1, 0.0, 0.0)
        raise KeyboardInterrupt


def filled(folder: Path) -> None:
    with TraceWriter(folder) as writer:
        for _ in range(50):
            writer.write(b"[]\n", 1, 0.0, 0.0)


def test_a_full_disk_is_told_at_the_next_block_and_leaves_nothing(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.tracing.squeeze.pack", full)
    with pytest.raises(OSError, match="No space left"):
        filled(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def interrupted_after(lab, folder: Path, blocks: int) -> None:
    """Resume, if there is anything, write that many blocks of a megabyte, and be interrupted."""
    header = Header(
        schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
        epoch="2025-10-03T16:00:00Z", policy="mesh", seed=1, engine="virtual",
    )  # fmt: skip
    with suppress(KeyboardInterrupt), TraceWriter(folder, resume=True) as writer:
        writer.begin(header, lab.world())
        for number in range(blocks):
            writer.write(b"%07d\n" % number * (1 << 17), 1 << 17, 0.0, 0.0)
        raise KeyboardInterrupt


def test_resuming_holds_a_few_blocks_of_a_long_log_and_no_more(lab, tmp_path) -> None:
    blocks, block_bytes = 24, 1 << 20
    interrupted_after(lab, tmp_path / "run", blocks)
    assert len(Log(partial_of(tmp_path / "run") / EVENTS).index()) == blocks
    tracemalloc.start()
    try:
        interrupted_after(lab, tmp_path / "run", blocks)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert block_bytes < peak_bytes < 8 * block_bytes
    assert len(Log(partial_of(tmp_path / "run") / EVENTS).index()) == blocks  # compared, and not written again
    shutil.rmtree(partial_of(tmp_path / "run"))


def test_a_resumed_run_says_after_how_many_facts_it_went_on(whole, tmp_path) -> None:
    events = (whole / EVENTS).read_bytes()
    killed(whole, tmp_path / "run", len(events) // 2, 0)
    there = sum(block.lines for block in Log(partial_of(tmp_path / "run") / EVENTS).index(strict=False))
    with TraceWriter(tmp_path / "run", resume=True) as writer:
        assert writer.resumed_events == there > 0


def test_lines_that_are_put_apart_keep_the_decisions_to_them(lab, whole, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(recorder, "FULL_BYTES", 64)  # less than any line: each becomes a block of its own
    lab.record(tmp_path / "run")
    apart, together = Trace(tmp_path / "run"), Trace(whole)
    assert len(apart.log.index()) == together.header.events > len(together.log.index())
    assert list(apart.decisions()) == list(together.decisions())
    assert apart.header.digest == together.header.digest


def test_the_interpreter_lock_changes_hands_as_before_once_a_trace_is_written_or_given_up(lab, tmp_path) -> None:
    before_s = sys.getswitchinterval()
    lab.record(tmp_path / "run")
    assert sys.getswitchinterval() == before_s
    with TraceWriter(tmp_path / "other"):
        assert sys.getswitchinterval() == SWITCH_S < before_s
    assert sys.getswitchinterval() == before_s
    with pytest.raises(KeyError), threads_beside():
        raise KeyError
    assert sys.getswitchinterval() == before_s
