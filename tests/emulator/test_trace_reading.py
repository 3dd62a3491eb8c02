"""A log that was cut or changed anywhere gives its whole lines up to there, and never a line that was not written."""

import gzip
import os
import re
import zlib
from pathlib import Path

import msgspec
import pytest

import emulator.trace
from emulator.errors import TraceError
from emulator.replay import replay
from emulator.schedulers import load
from emulator.trace import Trace
from emulator.tracing.blocks import HEAD_BYTES, pack, unpack
from emulator.tracing.log import Log

EVENTS = "events.jsonl.gz"


@pytest.fixture(scope="module")
def small(lab, tmp_path_factory) -> tuple[Path, bytes, bytes]:
    """Its folder, its log, its lines."""
    folder = tmp_path_factory.mktemp("small") / "run"
    lines = lab.record(folder)
    return folder, (folder / EVENTS).read_bytes(), lines


@pytest.fixture(scope="module")
def tiny(lab, tmp_path_factory) -> tuple[Path, bytes, bytes]:
    """The same of a run so short that every byte of its log can be tried."""
    folder = tmp_path_factory.mktemp("tiny") / "run"
    lines = lab.record(folder, block_lines=3, tasks=2)
    return folder, (folder / EVENTS).read_bytes(), lines


def read(path: Path, packed: bytes) -> tuple[bytes, str]:
    """What is whole of a log with these bytes, and what is said to be missing."""
    path.write_bytes(packed)
    log = Log(path)
    return b"".join(chunk.raw for chunk in log.chunks(strict=False)), log.missing


def test_any_gzip_tool_reads_a_log_and_its_blocks_are_whole_lines(small) -> None:
    folder, packed, lines = small
    log = Log(folder / EVENTS)
    blocks = log.index()
    assert len(blocks) > 4
    assert sum(block.size_bytes for block in blocks) == len(packed)
    assert b"".join(chunk.raw for chunk in log.chunks()) == lines
    assert [chunk.first for chunk in log.chunks()] == [1 + sum(b.lines for b in blocks[:n]) for n in range(len(blocks))]
    assert [b.first_s for b in blocks] == sorted(b.first_s for b in blocks)


def test_a_log_cut_at_every_byte_gives_its_whole_blocks_and_says_what_is_missing(tiny, tmp_path) -> None:
    folder, packed, lines = tiny
    ends = {0} | {b.offset + b.size_bytes for b in Log(folder / EVENTS).index()}
    whole = {b.offset + b.size_bytes: b for b in Log(folder / EVENTS).index()}
    for size in range(len(packed)):
        said, missing = read(tmp_path / "log", packed[:size])
        expected = sum(b.raw_bytes for end, b in whole.items() if end <= size)
        if size >= 4:  # fewer bytes do not tell what the file was
            assert said == lines[:expected]
        assert bool(missing) == (size not in ends), size
        assert not missing or re.search(r"damaged after line \d+: ", missing)


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_log_changed_at_any_byte_never_gives_a_line_that_was_not_written(tiny, tmp_path, flip) -> None:
    _, packed, lines = tiny
    found = 0
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= flip
        said, missing = read(tmp_path / "log", bytes(changed))
        assert lines.startswith(said), at
        assert missing or said == lines, at
        found += bool(missing)
    assert found >= len(packed) - HEAD_BYTES  # without its first head it is plain gzip, and checked as such


def test_a_closed_trace_that_was_cut_is_refused_and_tells_what_is_left_if_asked(small, tmp_path) -> None:
    folder, packed, lines = small
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in folder.iterdir():
        (cut / path.name).write_bytes(path.read_bytes())
    (cut / EVENTS).write_bytes(packed[:-1])
    trace = emulator.trace.open(cut)
    with pytest.raises(TraceError, match=r"damaged after line \d+: the last block is cut off"):
        list(trace.lines())
    whole = b"".join(line for _, line, _ in trace.lines(strict=False))
    assert lines.startswith(whole)
    assert "bytes are left out" in trace.missing


def test_a_bomb_is_refused_before_it_goes_off(tmp_path) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    honest = pack(b"[]\n", 1, 0.0, 0.0)
    huge = squeeze.compress(b"\n" * (1 << 26)) + squeeze.flush()
    bomb = pack(b"\n" * 100, 100, 0.0, 0.0)
    bomb = bomb[:HEAD_BYTES] + huge + bomb[-8:]
    for packed in (honest + bomb, honest + honest[:-8] + b"\xff" * 8, gzip.compress(b"[" * (1 << 27), 1)):
        said, missing = read(tmp_path / "log", packed)
        assert said in (b"[]\n", b"")
        assert missing


def test_what_is_no_file_is_refused_and_not_waited_for(small, tmp_path) -> None:
    folder, _, _ = small
    for name in (EVENTS, "world.json.gz"):
        made = tmp_path / name.partition(".")[0]
        made.mkdir()
        (made / "header.json").write_bytes((folder / "header.json").read_bytes())
        os.mkfifo(made / name)
        with pytest.raises(TraceError, match="cannot be read"):
            replay(Trace(made), load("mesh", lambda: 0.0))


def test_only_the_blocks_of_a_span_are_unpacked_and_all_lines_of_it(small, tmp_path, monkeypatch) -> None:
    folder, packed, _ = small
    every = [(line, said[0].at_s) for _, line, said in Trace(folder).lines()]
    for from_s, to_s in ((0.0, 1.0), (2.0, 4.5), (99.0, 1e9), (3.0, 3.0)):
        found = [line for _, line, _ in Trace(folder).lines(from_s, to_s)]
        assert found == [line for line, at_s in every if from_s <= at_s <= to_s]
    last = Log(folder / EVENTS).index()[-1]
    damaged = packed[: last.offset + HEAD_BYTES] + b"\xff" * (len(packed) - last.offset - HEAD_BYTES)
    (tmp_path / EVENTS).write_bytes(damaged)
    with pytest.raises(TraceError, match="checksum is wrong"):  # it might have lied about its time
        list(Log(tmp_path / EVENTS).chunks(to_s=1.0))
    unpacked = []
    monkeypatch.setattr(
        "emulator.tracing.log.unpack", lambda file, block: unpacked.append(block) or unpack(file, block)
    )
    assert list(Log(folder / EVENTS).chunks(to_s=1.0))
    assert unpacked == [block for block in Log(folder / EVENTS).index() if block.first_s <= 1.0]
    assert last not in unpacked


def test_a_trace_of_schema_3_opens_and_replays(small, tmp_path) -> None:
    folder, _, lines = small
    old = tmp_path / "old"
    old.mkdir()
    header = msgspec.json.decode((folder / "header.json").read_bytes())
    kept = ("orbitmesh", "created_utc", "scenario", "scenario_sha256", "epoch", "policy", "seed", "engine", "events",
            "digest", "world_sha256")  # fmt: skip
    (old / "header.json").write_bytes(msgspec.json.encode({"schema": 3} | {name: header[name] for name in kept}))
    (old / EVENTS).write_bytes(gzip.compress(lines))
    for name in ("world.json.gz", "summary.json"):
        (old / name).write_bytes((folder / name).read_bytes())
    trace = emulator.trace.open(old)
    assert replay(trace, load("mesh", lambda: 0.0))[0].matches
    assert trace.footer() is None
    with pytest.raises(TraceError, match="traces keep decisions from schema 4 on"):
        list(trace.decisions())


def test_a_partial_replay_compares_its_span_only(small) -> None:
    folder, _, _ = small
    every = [said for _, _, said in Trace(folder).lines()]
    found, core = replay(Trace(folder), load("mesh", lambda: 0.0), from_s=2.0, to_s=4.0)
    assert found.matches
    assert found.digest == found.recorded_digest
    assert found.events == sum(2.0 <= event.at_s <= 4.0 for event, _ in every)
    assert core.events == sum(event.at_s <= 4.0 for event, _ in every)
    assert core.now_s <= 4.0
