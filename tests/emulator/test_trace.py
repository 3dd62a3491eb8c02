"""What is recorded can be replayed; what was changed is noticed, and never by a traceback of another kind."""

import gzip
import hashlib
import re
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.core import Core
from emulator.errors import BadInput, OrbitmeshError, ReplayMismatch, TraceError
from emulator.events import NodeFailed, NodeRecovered, SunSet
from emulator.recorder import Recorder
from emulator.replay import replay
from emulator.report import summarise
from emulator.schedulers import load
from emulator.trace import SCHEMA, Header, Line, Trace, TraceWriter
from emulator.virtual import run

POLICY = "mesh"
IN_FOLDER = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def world_of(lab):
    contacts = [
        lab.laser("A", "B", 0.5, 30.0),
        lab.laser("B", "C"),
        lab.radio("B", "G", 5.0, 60.0),
        lab.radio("C", "H", 9.0),
    ]
    world = lab.world(contacts, specs={"A": {"storage_bytes": 4000.0}})
    tasks = [
        lab.task(f"{n:02d}", 0.375 * n, "ABC"[n % 3], work_s=2.0, priority=n % 2, tile=int(n % 4 == 1))
        for n in range(24)
    ]
    faults = [NodeFailed(4.0, "C"), NodeRecovered(8.0, "C"), SunSet(3.0, "A")]
    return world, lab.facts(world, tasks, faults)


def header(recorder: Recorder) -> Header:
    return Header(
        schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
        epoch="2025-10-03T16:00:00Z", policy=POLICY, seed=1, engine="virtual", events=recorder.events,
        digest=recorder.digest(),
    )  # fmt: skip


def record(lab, folder: Path) -> Header:
    """Run the world of above and keep its trace in `folder`."""
    world, facts = world_of(lab)
    core = Core(world, load(POLICY, lambda: 0.0))
    with TraceWriter(folder) as writer:
        recorder = Recorder(core, writer.write)
        run(recorder, facts, world.settings.duration_s, lab.infer)
        row = summarise(core, POLICY, recorder.digest())
        written = header(recorder)
        writer.close(written, world, row)
    return written


@pytest.fixture(scope="module")
def whole(lab, tmp_path_factory) -> dict[str, bytes]:
    """The files of a good trace."""
    folder = tmp_path_factory.mktemp("traces") / "whole"
    record(lab, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def again(folder: Path, files: dict[str, bytes]):
    """Replay files as a trace."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return replay(Trace(folder), load(POLICY, lambda: 0.0))[0]


def noticed(folder: Path, files: dict[str, bytes]) -> str:
    """What a replay says of files that were tampered with; fails for a replay that finds nothing."""
    try:
        found = again(folder, files)
    except OrbitmeshError as error:
        return str(error)
    assert not found.matches
    return found.mismatch


def same(one: bytes, other: bytes) -> bool:
    """Whether two lines say the same: 3.0 and 3.00 do."""
    try:
        return msgspec.json.decode(one, type=Line) == msgspec.json.decode(other, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def unpacked(packed: bytes) -> bytes | None:
    """What gzip makes of it; None if it is damaged."""
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None


def lines_of(files: dict[str, bytes]) -> list[bytes]:
    return gzip.decompress(files["events.jsonl.gz"]).splitlines(keepends=True)


def with_lines(files: dict[str, bytes], lines: list[bytes]) -> dict[str, bytes]:
    return files | {"events.jsonl.gz": gzip.compress(b"".join(lines))}


def with_line(files: dict[str, bytes], marker: bytes, old: bytes, new: bytes) -> dict[str, bytes]:
    """Change the first line that holds `marker`."""
    lines = lines_of(files)
    number = next(n for n, line in enumerate(lines) if marker in line and old in line)
    return with_lines(files, [*lines[:number], lines[number].replace(old, new, 1), *lines[number + 1 :]])


def test_a_recorded_run_replays_to_the_same_digest(lab, tmp_path) -> None:
    written = record(lab, tmp_path / "run")
    found, core = replay(Trace(tmp_path / "run"), load(POLICY, lambda: 0.0))
    assert (found.matches, found.mismatch) == (True, "")
    assert found.digest == found.recorded_digest == written.digest
    assert found.events == core.events == written.events
    assert summarise(core, POLICY, found.digest) == msgspec.json.decode(
        (tmp_path / "run" / "summary.json").read_bytes(), type=type(summarise(core, POLICY, ""))
    )


def test_the_digest_is_the_sha256_of_the_lines(whole) -> None:
    recorded = msgspec.json.decode(whole["header.json"], type=Header)
    lines = gzip.decompress(whole["events.jsonl.gz"])
    assert hashlib.sha256(lines).hexdigest() == recorded.digest
    assert lines.count(b"\n") == recorded.events


def test_the_same_run_leaves_the_same_bytes(lab, tmp_path, whole) -> None:
    record(lab, tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == whole


def test_a_trace_gives_back_the_world_that_the_core_was_told(lab, tmp_path, whole) -> None:
    again(tmp_path / "run", whole)
    assert Trace(tmp_path / "run").world == world_of(lab)[0]


def test_another_scheduler_parts_from_the_recorded_orders_at_a_line(tmp_path, whole) -> None:
    again(tmp_path / "run", whole)
    with pytest.raises(ReplayMismatch, match=r"line \d+, order \d: recorded \w+\(.*replayed "):
        replay(Trace(tmp_path / "run"), load("onboard", lambda: 0.0))


def test_a_scheduler_that_breaks_in_a_replay_says_at_which_line(tmp_path, whole) -> None:
    again(tmp_path / "run", whole)
    with pytest.raises(OrbitmeshError, match=r"line \d+: scheduler <lambda> raised ZeroDivisionError"):
        replay(Trace(tmp_path / "run"), lambda view: 1 / 0)


@pytest.mark.parametrize(
    ("marker", "old", "new", "says"),
    [
        (b'["run"', b'["run","A"', b'["run","B"', r"line \d+, order 1: recorded Run\(node='B'.*replayed Run\(node='A'"),
        (b'["send"', b'"raw"', b'"result"', r"line \d+, order 1: recorded Send.*replayed Send"),
        (b'["end"', b'"done"', b'"lost"', r"recorded End\(.*how='lost'.*replayed End\(.*how='done'"),
        (b'["captured"', b'["captured",0.375,', b'["captured",0.25,', "line"),
        (b'["captured"', b'"captured",0.75', b'"captured",0.0', r"line \d+: a fact at 0\.0 s came after one at"),
        (b'["captured"', b'"03"', b'"02"', "line"),
        (b'["captured"', b'"unit-work"', b'"work-unit"', r"line \d+: .*KeyError: 'work-unit'"),
        (b'["captured"', b'2000000,0,', b'0,0,', r"line \d+: .*NodeError: a job of 0 inferences"),
        (b'["opened"', b'"B",0]', b'"B",99]', r"cannot be in the trace's world: IndexError"),
        (b'["opened"', b'"B",0]', b'"B",-1]', "line"),
        (b'["failed"', b'"C"]', b'"X"]', r"cannot be in the trace's world: KeyError: 'X'"),
        (b'["finished"', b'"clear"', b'"cloudy"', "line"),
        (b'["sunset"', b'"sunset"', b'"moonset"', r"line \d+ is no record: Invalid value 'moonset'"),
        (b'["sunset"', b'3.0', b'"3"', r"line \d+ is no record: Expected `float`, got `str`"),
        (b'["sunset"', b'3.0', b'NaN', r"line \d+ is no record"),
        (b'["sunset"', b'"A"', b'"\xff"', r"line \d+ is no record"),
        (b'["sunset"', b'["sunset"', b'["sunset"' * 3, r"line \d+ is no record"),
        (b'["sunset"', b'"A"', b'"B"', "every order agrees, but the log's digest is"),
    ],
)  # fmt: skip
def test_a_changed_line_is_noticed(tmp_path, whole, marker, old, new, says) -> None:
    assert re.search(says, noticed(tmp_path / "run", with_line(whole, marker, old, new)))


def test_a_missing_a_doubled_and_a_swapped_line_are_noticed(tmp_path, whole) -> None:
    lines = lines_of(whole)
    assert "the header counts" in noticed(tmp_path / "run", with_lines(whole, lines[:-1]))
    assert "the header counts" in noticed(tmp_path / "run", with_lines(whole, []))
    sunset = next(n for n, line in enumerate(lines) if b'"sunset"' in line)
    doubled = [*lines[: sunset + 1], *lines[sunset:]]
    assert "the header counts" in noticed(tmp_path / "run", with_lines(whole, doubled))
    assert noticed(tmp_path / "run", with_lines(whole, lines[::-1])).startswith("line ")


def test_a_cut_line_is_noticed(tmp_path, whole) -> None:
    lines = lines_of(whole)
    says = noticed(tmp_path / "run", with_lines(whole, [*lines[:-1], lines[-1][:-1]]))
    assert f"line {len(lines)} is cut off" in says


@pytest.mark.parametrize("name", ["header.json", "world.json.gz", "events.jsonl.gz"])
def test_a_missing_or_empty_file_is_noticed(tmp_path, whole, name) -> None:
    left = {other: data for other, data in whole.items() if other != name}
    with pytest.raises(TraceError):
        again(tmp_path / "missing", left)
    assert noticed(tmp_path / "empty", whole | {name: b""})


def test_another_schema_is_refused(tmp_path, whole) -> None:
    head = whole["header.json"].replace(b'"schema": 4', b'"schema": 99')
    with pytest.raises(TraceError, match="schema 99, this version reads 3 to 4; it is newer"):
        again(tmp_path / "run", whole | {"header.json": head})


@pytest.mark.parametrize(
    "head", [b"[]", b"{", b'{"schema": 1}', b"null", b'{"schema": 1, "a": ' + b"[" * 100_000, b"\xff"]
)
def test_a_header_that_is_none_is_refused(tmp_path, whole, head) -> None:
    with pytest.raises(TraceError):
        again(tmp_path / "run", whole | {"header.json": head})


WORLD_CHANGES = [
    (b'"name":"A"', b'"name":"Z"'),  # contacts of a node that is not there
    (b'"kind":"satellite"', b'"kind":7'),
    (b'"int8":1000000000.0', b'"int4":1000000000.0'),  # no rate for the precision
    (b'"int8":1000000000.0', b'"int8":0.0'),
    (b'[8000.0]', b'[0.0]'),
    (b'[8000.0]', b'[]'),
    (b'[0.25,0.25]', b'[]'),
    (b'"duration_s":100.0', b'"duration_s":"long"'),
    (b'"models":{', b'"models":['),
    (b'"busy_power_w":', b'"busy_power_w":9'),  # changes no order
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), WORLD_CHANGES)
def test_a_changed_world_is_noticed(tmp_path, whole, old, new) -> None:
    world = gzip.decompress(whole["world.json.gz"])
    assert old in world
    assert noticed(tmp_path / "run", whole | {"world.json.gz": gzip.compress(world.replace(old, new))})


def test_a_changed_figure_is_noticed(tmp_path, whole) -> None:
    summary = msgspec.json.decode(whole["summary.json"])
    other = whole | {"summary.json": msgspec.json.encode(summary | {"energy_j": 1.0})}
    assert "summary.json: it is not what the run wrote" in noticed(tmp_path / "sealed", other)
    table = msgspec.json.decode(whole["header.json"])
    early = {name: each for name, each in table.items() if name not in ("sums", "decisions", "header_sha256")}
    told = noticed(tmp_path / "run", other | {"header.json": msgspec.json.encode(early)})
    assert "energy_j" in told
    assert "summary.json" in noticed(tmp_path / "none", whole | {"summary.json": b"[]"})


@settings(IN_FOLDER, max_examples=150)
@given(st.data())
def test_flipped_bits_are_noticed(tmp_path, whole, data) -> None:
    name = data.draw(st.sampled_from(["world.json.gz", "events.jsonl.gz"]))
    damaged = bytearray(whole[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(10, len(damaged) - 1))  # the first ten bytes of gzip say nothing of the content
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    if unpacked(bytes(damaged)) != gzip.decompress(whole[name]):  # deflate can say one thing in two ways
        assert noticed(tmp_path / "run", whole | {name: bytes(damaged)})


@settings(IN_FOLDER, max_examples=60)
@given(st.data())
def test_a_file_cut_short_is_noticed(tmp_path, whole, data) -> None:
    name = data.draw(st.sampled_from(["world.json.gz", "events.jsonl.gz", "header.json"]))
    keep = data.draw(st.integers(0, len(whole[name]) - 3))  # a header without its last brace and line end
    assert noticed(tmp_path / "run", whole | {name: whole[name][:keep]})


@settings(IN_FOLDER, max_examples=150)
@given(st.data())
def test_a_line_with_other_bytes_is_noticed(tmp_path, whole, data) -> None:
    lines = lines_of(whole)
    number = data.draw(st.integers(0, len(lines) - 1))
    line = bytearray(lines[number])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at : at + data.draw(st.integers(0, 2))] = data.draw(
        st.binary(max_size=3) | st.sampled_from([b"0", b"9", b"-", b"A"])
    )
    if not same(lines[number], bytes(line)):
        assert noticed(tmp_path / "run", with_lines(whole, [*lines[:number], bytes(line), *lines[number + 1 :]]))


def test_a_folder_that_is_no_trace_is_refused(tmp_path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(TraceError, match=r"is no trace: it has no header\.json"):
            Trace(folder)


def test_a_folder_that_holds_something_is_left_alone(tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("done")
    with pytest.raises(BadInput, match="not an empty folder"), TraceWriter(tmp_path / "mine"):
        pass
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_run_that_fails_leaves_nothing(lab, tmp_path) -> None:
    def breaks(view):
        raise RuntimeError

    with pytest.raises(OrbitmeshError), TraceWriter(tmp_path / "new" / "run") as writer:
        run(Recorder(Core(world_of(lab)[0], breaks), writer.write), world_of(lab)[1], 100.0, lab.infer)
    assert list(tmp_path.iterdir()) == []


def test_a_line_of_very_many_orders_can_be_read_again(lab, tmp_path) -> None:
    world = lab.world()
    facts = lab.facts(world, [lab.task(f"{n:05d}" * 4, 1.0) for n in range(25_000)], [NodeFailed(2.0, "A")])
    core = Core(world, lambda view: ())
    with TraceWriter(tmp_path / "run") as writer:
        recorder = Recorder(core, writer.write)
        run(recorder, facts, 9.0, lab.infer)
        writer.close(header(recorder), world, summarise(core, POLICY, recorder.digest()))
    longest = max(len(line) for _, line, _ in Trace(tmp_path / "run").lines())
    assert longest > 1_000_000
    assert replay(Trace(tmp_path / "run"), lambda view: ())[0].matches
