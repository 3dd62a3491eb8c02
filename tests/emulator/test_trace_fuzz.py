"""Whatever befalls the files of a trace: a named error, or a prefix of it that says what is missing; never another run.

Every byte of every file is changed, and every file is cut after every byte. Then everything is asked of what is left
that one may ask of a trace; what is told as whole must be what was recorded.
"""

import contextlib
import gzip
import os
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from emulator.errors import OrbitmeshError, TraceError
from emulator.exporting.tables import export_csv
from emulator.replay import replay
from emulator.schedulers import load
from emulator.trace import Trace
from emulator.tracing import reader, reporting
from emulator.tracing.blocks import HEAD, HEAD_BYTES, pack
from emulator.tracing.log import Log

FILES = ("header.json", "world.json.gz", "events.jsonl.gz", "decisions.jsonl.gz", "footer.json", "summary.json")
EVENTS = "events.jsonl.gz"
A_BIT = tuple(1 << bit for bit in range(8))
TWO_LIMITS_BYTES = 2 * (64 << 20)  # the largest header or line that is read at all, and a copy of it


class Told(NamedTuple):
    """All that a trace says."""

    header: Any
    world: Any
    lines: list[bytes]
    decisions: list[Any]
    footer: Any
    summary: Any


class Kept(NamedTuple):
    """A trace that is whole: the bytes of its files, and what it says."""

    files: dict[str, bytes]
    told: Told


def told(trace: Trace) -> Told:
    """Everything, read as strictly as a user's commands do. Raises `OrbitmeshError`."""
    lines = [line for _, line, _ in trace.lines()]
    return Told(trace.header, trace.world, lines, list(trace.decisions()), trace.footer(), trace.summary())


@pytest.fixture(scope="module")
def tiny(lab, tmp_path_factory) -> Kept:
    """Of a run so short that every byte can be tried; its log has several blocks."""
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    lab.record(folder, block_lines=3, tasks=2)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    return Kept({name: (folder / name).read_bytes() for name in FILES}, told(Trace(folder)))


@pytest.fixture
def put(tiny, tmp_path) -> Callable[..., Path]:
    """`put(name=bytes)`: a folder with the whole trace but for what is given; None: without that file."""
    folder = tmp_path / "put"
    folder.mkdir()
    for name, data in tiny.files.items():
        (folder / name).write_bytes(data)

    def make(**changed: bytes | None) -> Path:
        for name, data in changed.items():
            path = folder / name
            path.unlink(missing_ok=True)
            if data is not None:
                path.write_bytes(data)
        return folder

    return make


def unsealed(header: bytes) -> dict[str, Any]:
    """A header as of the time before headers held sums of themselves: another may be made of it."""
    table = msgspec.json.decode(header)
    return {name: each for name, each in table.items() if name not in ("sums", "decisions", "header_sha256")}


def outcome(folder: Path) -> str | Told:
    """What replaying and reading a trace says against it; if nothing, what it tells."""
    try:
        trace = Trace(folder)
        if not trace.closed:
            return "it was never closed"
        said = told(trace)
        found, _ = replay(trace, load("mesh", lambda: 0.0))
        return trace.missing or found.mismatch or said
    except OrbitmeshError as error:
        return str(error)


def cuts(data: bytes) -> Iterator[bytes]:
    yield from (data[:size] for size in range(len(data)))


def flips(data: bytes) -> Iterator[bytes]:
    """Every byte with one bit turned, another bit for each byte."""
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ A_BIT[at % 8]]) + data[at + 1 :]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", [cuts, flips])
def test_what_is_cut_or_flipped_at_any_byte_is_refused_or_is_the_same_run(put, tiny, name, change) -> None:
    named = 0
    for number, data in enumerate(change(tiny.files[name])):
        found = outcome(put(**{name: data}))
        assert isinstance(found, str) or found == tiny.told, (name, change.__name__, number)
        assert not isinstance(found, str) or found.strip(), (name, change.__name__, number)
        named += isinstance(found, str)
    assert named > 0.7 * len(tiny.files[name])  # the rest is white space, and the time and system in a gzip header


def test_a_log_that_was_never_closed_gives_a_prefix_and_says_so(put, tiny) -> None:
    header = msgspec.json.decode(tiny.files["header.json"]) | {"events": 0, "digest": ""}
    replayed = {0}  # lines; what so many say is replayed once
    for data in (*cuts(tiny.files[EVENTS]), *flips(tiny.files[EVENTS])):
        folder = put(**{"header.json": msgspec.json.encode(header), EVENTS: data})
        try:
            trace = Trace(folder)
            lines = [line for _, line, _ in trace.lines()]
        except TraceError:
            continue  # its first bytes changed: then it is plain gzip, and damaged
        assert lines == tiny.told.lines[: len(lines)]
        assert not trace.closed
        if len(lines) not in replayed:
            replayed.add(len(lines))
            found, _ = replay(trace, load("mesh", lambda: 0.0))
            assert (found.matches, found.events, bool(found.missing)) == (True, len(lines), True)
    assert len(replayed) > 4


@pytest.mark.parametrize("name", [EVENTS, "decisions.jsonl.gz"])
def test_whole_blocks_that_are_gone_or_too_many_are_noticed_by_every_reader(put, tiny, name) -> None:
    folder = put()
    ends = [block.offset + block.size_bytes for block in Log(folder / name).index()]
    for data in (*(tiny.files[name][:end] for end in (0, *ends[:-1])), tiny.files[name] * 2):
        if data:
            with pytest.raises(TraceError, match=r"the header counts \d+ .*, the log holds \d+"):
                told(Trace(put(**{name: data})))


@pytest.mark.parametrize("name", [EVENTS, "decisions.jsonl.gz"])
def test_a_span_is_the_same_or_refused_whatever_bit_of_a_block_is_turned(put, tiny, name) -> None:
    def spanned(trace: Trace, from_s: float, to_s: float) -> list[Any]:
        if name == EVENTS:
            return [line for _, line, _ in trace.lines(from_s, to_s)]
        return list(trace.decisions(from_s, to_s))

    folder = put()
    blocks = Log(folder / name).index()
    middle = blocks[len(blocks) // 2]
    spans = ((0.0, middle.first_s), (middle.first_s, middle.last_s), (middle.last_s, 1e9))
    whole = [spanned(Trace(folder), *span) for span in spans]
    data, refused = tiny.files[name], 0
    for bit in range(8 * middle.offset, 8 * (middle.offset + HEAD_BYTES)):
        turned = bytearray(data)
        turned[bit // 8] ^= 1 << bit % 8
        trace = Trace(put(**{name: bytes(turned)}))
        for span, lines in zip(spans, whole, strict=True):
            try:
                assert spanned(trace, *span) == lines, (bit, span)
            except TraceError:
                refused += 1
    assert refused >= 3 * 8 * (HEAD_BYTES - len(HEAD))  # a first block with another start is read as plain gzip


@pytest.mark.parametrize("make", ["pipe", "socket", "folder", "circle", "nowhere"])
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_refused_and_not_waited_for(put, make, name, monkeypatch) -> None:
    folder = put(**{name: None})
    monkeypatch.chdir(folder)  # a socket's path has a limit of some hundred bytes
    with contextlib.ExitStack() as stack:
        if make == "pipe":
            os.mkfifo(name)
        elif make == "socket":
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(name)
        elif make == "folder":
            Path(name).mkdir()
        else:
            Path(name).symlink_to(name if make == "circle" else "/nowhere/at/all")
        found = outcome(folder)
    assert isinstance(found, str)
    assert "put" in found or name in found


def test_a_link_to_a_file_is_that_file(put, tiny, tmp_path) -> None:
    (tmp_path / "log").write_bytes(tiny.files[EVENTS])
    folder = put(**{EVENTS: None})
    (folder / EVENTS).symlink_to(tmp_path / "log")
    assert outcome(folder) == tiny.told


def bombs(tiny: Kept) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Files of some hundred kilobytes at most that would unpack to gigabytes, or that say that they do."""
    zeros = gzip.compress(b"\0" * (1 << 24), 9)  # gzip allows as many members as one likes
    yield "a world of a gigabyte", {"world.json.gz": zeros * 64}
    yield "a log of plain gzip without line ends", {EVENTS: zeros * 64}
    yield "a log of plain gzip of empty lines", {EVENTS: gzip.compress(b"\n" * (1 << 24), 9) * 8}
    deep = b"[" * (1 << 20)
    yield "a line of brackets", {EVENTS: gzip.compress(deep + b"\n", 1)}
    yield "a header of brackets", {"header.json": deep}
    yield "a header of one number", {"header.json": b'{"schema": ' + b"4" * (1 << 20) + b"}"}
    honest = pack(b"[]\n", 1, 0.0, 0.0)
    for size, lines, raw in ((0, 0, 0), (HEAD_BYTES, 1, 3), (1 << 31, 1, 1 << 31), (len(honest), 1 << 31, 1 << 31)):
        lies = bytearray(honest)
        for at, value in ((16, size), (20, lines), (24, raw)):
            lies[at : at + 4] = value.to_bytes(4, "little")
        yield f"a block that says {size}, {lines}, {raw}", {EVENTS: bytes(lies)}
    header = unsealed(tiny.files["header.json"])
    for events in (0, -1, 1 << 62, 10**30):
        yield f"a header of {events} facts", {"header.json": msgspec.json.encode(header | {"events": events})}


def test_bombs_are_named_within_bounds_of_memory(tiny, put) -> None:
    for name, changed in bombs(tiny):
        folder = put(**(tiny.files | changed))
        tracemalloc.start()
        try:
            found = outcome(folder)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert isinstance(found, str), name
        assert peak_bytes < TWO_LIMITS_BYTES + (32 << 20), (name, peak_bytes)


def test_a_header_larger_than_any_is_not_read(put) -> None:
    folder = put()
    with (folder / "header.json").open("wb") as file:
        file.truncate(10 << 30)  # ten gigabytes of nothing, which take no room
    tracemalloc.start()
    try:
        with pytest.raises(TraceError, match=r"header\.json: larger than"):
            Trace(folder)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < TWO_LIMITS_BYTES + (32 << 20)


@pytest.mark.parametrize("schema", [5, 99, 2, 0, -4, 4.5, "4", None, True, [4], 10**40])
def test_a_schema_that_is_not_ours_is_refused_by_its_number(put, tiny, schema) -> None:
    if schema in reader.READS:
        pytest.skip("this version reads it")
    header = msgspec.json.decode(tiny.files["header.json"])
    folder = put(**{"header.json": msgspec.json.encode(header | {"schema": schema})})
    newer = isinstance(schema, int) and schema > max(reader.READS)
    with pytest.raises(TraceError, match=r"put.*" + ("it is newer: update orbitmesh" if newer else "schema")):
        Trace(folder)


@pytest.mark.parametrize("name", ["../escape", "/tmp/orbitmesh-escape", "a/../../b", "..", "nul\0byte", "x" * 5000])
def test_names_in_a_trace_lead_nowhere(put, tiny, tmp_path, name) -> None:
    named = dict.fromkeys(("scenario", "policy", "engine", "orbitmesh", "created_utc"), name)
    header = unsealed(tiny.files["header.json"]) | named | {"replay_of": {"trace": name}}
    folder = put(**{"header.json": msgspec.json.encode(header)})
    before = {path.name for path in tmp_path.parent.iterdir()} | {path.name for path in tmp_path.iterdir()}
    export_csv(Trace(folder), tmp_path / "out")
    assert reporting.lines(reporting.document(Trace(folder)))
    after = {path.name for path in tmp_path.parent.iterdir()} | {path.name for path in tmp_path.iterdir()}
    assert after == before | {"out"}
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".csv", ".json"}


@pytest.mark.parametrize("name", ["footer.json", "decisions.jsonl.gz"])
def test_an_exact_replay_tells_of_damage_to_what_it_does_not_need(name: str, lab: Any, tmp_path: Path) -> None:
    lab.record(tmp_path / "run")
    path = tmp_path / "run" / name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(TraceError, match=name.replace(".", r"\.")):
        replay(Trace(tmp_path / "run"), load("mesh", lambda: 0.0))


def test_decisions_that_are_gone_from_a_closed_trace_are_named(put: Callable[..., Path]) -> None:
    folder = put(**{"decisions.jsonl.gz": None})
    for read in (Trace(folder).check_beside, lambda: replay(Trace(folder), load("mesh", lambda: 0.0))):
        with pytest.raises(TraceError, match=r"decisions\.jsonl\.gz: cannot be read: it is not there"):
            read()
