"""The summary of a trace that is whole, cut off, empty, of an older schema, or of a live run of another version."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.assemble import assemble
from emulator.errors import TraceError
from emulator.rerun import rerun
from emulator.run import run
from emulator.scenario import parse
from emulator.schedulers import load
from emulator.trace import Trace, TraceWriter
from emulator.tracing.reporting import document, figures, lines, live_figures
from emulator.tracing.tables import rows


@pytest.fixture
def small(lab: Any, tmp_path: Path) -> Path:
    lab.record(tmp_path / "run")
    return tmp_path / "run"


def header(folder: Path, **changed: Any) -> None:
    """Change fields of a trace's header."""
    old = msgspec.json.decode((folder / "header.json").read_bytes())
    unsealed = {name: old[name] for name in old if name not in ("header_sha256", "sums", "decisions")}  # as once
    (folder / "header.json").write_bytes(msgspec.json.encode(unsealed | changed))


def unclosed(folder: Path, log: bytes) -> Trace:
    """The folder as a killed run leaves it, with this log."""
    header(folder, digest="", events=0)
    for name in ("footer.json", "summary.json"):
        (folder / name).unlink()
    (folder / "events.jsonl.gz").write_bytes(log)
    return Trace(folder)


def test_a_whole_trace_is_told_by_its_figures_and_ledger(small) -> None:
    told = document(Trace(small))
    row = figures(told)
    assert row is not None
    assert row.tasks.captured == told["ledger"]["tasks"]["captured"] == 12
    assert (told["live"], live_figures(told)) == (None, None)
    assert dict(lines(told))["scenes captured"] == "12"


@pytest.mark.parametrize("name", ["events.jsonl.gz", "decisions.jsonl.gz"])
def test_figures_are_not_told_of_a_closed_trace_whose_log_is_damaged(small, name) -> None:
    whole = (small / name).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for bad in (whole[: len(whole) // 2], bytes(flipped)):
        (small / name).write_bytes(bad)
        with pytest.raises(TraceError, match="is damaged after line"):
            document(Trace(small))


def test_a_replay_is_told_as_one_with_its_level(small, lab, tmp_path) -> None:
    assert not any(note.startswith("a replay") for note in document(Trace(small))["notes"])
    with TraceWriter(tmp_path / "again") as writer:
        rerun(Trace(small), writer, "inputs", load("mesh", lambda: 0.0), policy="mesh", to_s=5.0)
    assert any(note.startswith("a replay: level inputs") for note in document(Trace(tmp_path / "again"))["notes"])


def test_a_cut_trace_is_told_as_far_as_it_goes(small) -> None:
    whole = (small / "events.jsonl.gz").read_bytes()
    trace = unclosed(small, whole[: len(whole) * 2 // 3])
    said = [(number, event.at_s) for number, _, (event, _) in trace.lines()]
    told = document(trace)
    assert (told["figures"], told["ledger"], told["closed"]) == (None, None, False)
    ends = Counter(row["how"] for row in rows(trace, "tasks"))
    assert told["so_far"] == {"facts": said[-1][0], "last_s": said[-1][1], "captured": ends.total(), **ends}
    assert dict(lines(told))["facts"] == str(len(said))
    assert any("is damaged after line" in note for note in told["notes"])


@pytest.mark.parametrize("log", [b"", gzip.compress(b"", mtime=0)], ids=["empty", "packed"])
def test_a_trace_without_a_line_says_so(small, log) -> None:
    told = document(unclosed(small, log))
    assert told["so_far"] == {"facts": 0, "last_s": None, "captured": 0}
    assert dict(lines(told))["last s"] == "none"


def test_schema_3_opens_and_says_what_it_did_not_keep(small) -> None:
    header(small, schema=3)
    for name in ("footer.json", "decisions.jsonl.gz"):
        (small / name).unlink()
    (small / "events.jsonl.gz").write_bytes(gzip.compress(gzip.decompress((small / "events.jsonl.gz").read_bytes())))
    trace = Trace(small)
    told = document(trace)
    assert "schema 3 kept no ledger and no decisions" in told["notes"]
    assert dict(lines(told))["scenes captured"] == "12"
    assert len(rows(trace, "tasks")) == 12
    with pytest.raises(TraceError, match="traces keep decisions from schema 4 on"):
        rows(trace, "decisions")


def test_what_another_version_kept_of_a_live_run_is_not_refused(small) -> None:
    (small / "live.json").write_bytes(b'{"late": 1.0}')
    told = document(Trace(small))
    assert (told["live"], live_figures(told)) == ({"late": 1.0}, None)
    assert any("live.json is of another version" in note for note in told["notes"])


def test_messages_of_applications_have_a_line(small) -> None:
    told = document(Trace(small))
    assert "messages of applications" not in dict(lines(told))
    told["figures"]["bundles"] = {"offered": 5, "done": 3, "lost": 1, "pending": 1}
    assert dict(lines(told))["messages of applications"] == "5: 3 done, 1 lost, 1 pending"


def test_figures_that_are_none_are_a_named_error(small) -> None:
    (small / "summary.json").write_bytes(b'{"name": 1}')
    with pytest.raises(TraceError, match=r"summary\.json"):
        lines(document(Trace(small)))


def test_what_the_run_assumed_goes_with_the_trace(tmp_path) -> None:
    loaded = parse('extends = "three-body"\nname = "short"\nduration_s = 60.0\n', "short", None)
    ready = assemble(loaded, ["mesh"])
    run(ready, "mesh", tmp_path / "run")
    assert any("[guess]" in note for note in ready.notes)
    told = document(Trace(tmp_path / "run"))
    assert told["notes"][-len(ready.notes) :] == Trace(tmp_path / "run").header.notes == ready.notes
    header(tmp_path / "run", replay_of={"level": "inputs"})
    assert document(Trace(tmp_path / "run"))["notes"][-1] == f"given to this replay: {ready.notes[-1]}"
    old = msgspec.json.decode((tmp_path / "run" / "header.json").read_bytes())
    del old["notes"]  # as in traces from before it was kept
    (tmp_path / "run" / "header.json").write_bytes(msgspec.json.encode(old))
    assert document(Trace(tmp_path / "run"))["closed"]


def test_tasks_that_are_no_scenes_are_not_called_so(small) -> None:
    header(small, scenario_table={"workload": {"file": "jobs.jsonl"}})
    told = dict(lines(document(Trace(small))))
    assert told["tasks captured"] == "12"  # of the laboratory's models, which are no files
    assert not [name for name in told if "scene" in name]
