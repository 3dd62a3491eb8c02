"""The commands of traces on a real run: recorded, killed, resumed, told, compared, replayed on every level."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator import console
from emulator.errors import TraceError
from emulator.trace import Trace
from emulator.tracing.tables import rows
from emulator.tracing.writer import EVENTS, partial_of

Command = Callable[..., Any]


@pytest.fixture
def kept(orbitmesh: Command, quick: str, tmp_path: Path) -> Path:
    assert orbitmesh("run", quick, "--policy", "mesh", "--duration", "400", "--out", "kept").code == 0
    return tmp_path / "kept"


def test_report_diff_and_trace_tell_a_run(kept: Path, orbitmesh: Command, quick: str) -> None:
    assert orbitmesh("run", quick, "--policy", "bent-pipe", "--duration", "400", "--out", "other").code == 0
    told = orbitmesh("report", "kept", "--json").document
    assert (
        told["figures"]["tasks"]["captured"] == told["ledger"]["tasks"]["captured"] == len(rows(Trace(kept), "tasks"))
    )
    assert told["header"]["tai_minus_utc_s"] == 37.0  # since 2017, IERS Bulletin C 52
    table = orbitmesh("report", "kept")
    assert table.code == 0
    assert "scenes captured" in table.out
    found = orbitmesh("diff", "kept", "other", "--json").document
    assert not found["same"]
    assert {each["field"] for each in found["setup"]} == {"policy"}
    assert orbitmesh("diff", "kept", "kept", "--json").document["same"]
    assert "first difference: line" in orbitmesh("diff", "kept", "other").out
    task = rows(Trace(kept), "tasks")[0]["task"]
    life = orbitmesh("trace", "kept", "--task", task, "--json").document
    assert life["steps"][0]["what"].startswith("captured")
    assert orbitmesh("trace", "kept", "--task", task).code == 0


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("command", "title"),
    [
        (("diff", "kept", "kept"), "diff"),
        (("export", "kept", "--to", "csv", "--out", "tables"), "export to csv"),
        (("report", "kept", "--parquet", "tables"), "Parquet"),
    ],
)
def test_long_work_on_a_trace_shows_that_it_goes_on(
    command: tuple[str, ...], title: str, orbitmesh: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--parquet" in command:
        pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    titles: list[str] = []

    @contextmanager
    def progress() -> Iterator[Callable[[str, float | None], None]]:
        yield lambda title, total: titles.append(title)

    monkeypatch.setattr(console, "progress", progress)
    assert orbitmesh(*command).code == 0
    assert titles == [title]


def test_tables_are_saved_beside_the_trace_and_read_there(kept: Path, orbitmesh: Command) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    told = orbitmesh("report", "kept", "--parquet", "kept/tables", "--json").document
    trace = Trace(kept)
    assert told["tables"]["facts"] == trace.header.events
    for table, count in told["tables"].items():
        assert parquet.read_table(kept / "tables" / f"{table}.parquet").num_rows == count
        assert trace.arrow(table).to_pylist() == rows(trace, table)
    assert orbitmesh("report", "kept", "--parquet", "kept/tables").code == 2  # nothing is written over
    plain = parquet.read_table(kept / "tables" / "tasks.parquet").drop_columns(["runs"])
    parquet.write_table(plain, kept / "tables" / "tasks.parquet")  # as an older version made it
    with pytest.raises(TraceError, match="has the columns of another version"):
        trace.arrow("tasks")


@pytest.mark.usefixtures("kept")
def test_the_header_holds_the_scenario_and_the_elements(kept: Path) -> None:
    header = Trace(kept).header
    assert header.scenario_table is not None
    assert header.scenario_table["duration_s"] == 400.0
    assert len(header.elements) == 12
    assert set(header.sources) == {"captures"}
    assert {"python", "numpy", "sgp4"} <= set(header.versions)


@pytest.mark.usefixtures("kept")
def test_a_run_replays_on_every_level(orbitmesh: Command, quick: str) -> None:
    digest = orbitmesh("replay", "kept", "--json").document["digest"]
    for level in ("decisions", "inputs", "measured"):
        document = orbitmesh("replay", "kept", "--level", level, "--json").document
        assert (document["matches"], document["digest"], document["differences"]) == (True, digest, None)
    other = orbitmesh("run", quick, "--policy", "bent-pipe", "--duration", "400", "--json").document["digest"]
    again = orbitmesh("replay", "kept", "--level", "inputs", "--policy", "bent-pipe", "--out", "b", "--json").document
    assert (again["digest"], again["matches"], again["trace"]) == (other, False, "b")
    assert again["differences"]["setup"]
    assert orbitmesh("replay", "b").code == 0
    same = orbitmesh("replay", "kept", "--level", "decisions", "--scenario", quick, "--json").document
    assert same["digest"] == digest  # orbits and contacts computed anew are the same


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("replay", "kept", "--processor", "orin"), "--processor is for --level decisions or inputs or measured"),
        (("replay", "kept", "--level", "inputs", "--scenario", "x"), "--scenario is for --level decisions"),
        (("replay", "kept", "--from", "9", "--to", "8"), "--from 9.0 is after --to 8.0"),
        (("replay", "kept", "--to", "nan"), "--to is nan"),
        (("replay", "kept", "--from", "400.5"), "--from 400.5 is after the end of the run, 400.0 s"),
        (("replay", "kept", "--level", "inputs", "--processor", "../x.toml"), "leads out of"),
        (("replay", "kept", "--level", "decisions", "--policy", "mesh"), "--policy is for --level"),
        (("replay", "kept", "--level", "inputs", "--out", "kept"), "not an empty folder"),
        (("trace", "kept", "--task", "../../etc/passwd"), "no task '../../etc/passwd' was captured"),
        (("report", "kept", "--parquet", "kept"), "not an empty folder"),
        (("diff", "kept", "gone"), "gone is no trace"),
        (("run", "quick.toml", "--policy", "mesh", "--resume"), "name it with --out DIR"),
        (("run", "quick.toml", "--policy", "mesh", "--out", "kept", "--resume"), "the run in kept is finished"),
        (("run", "quick.toml", "--policy", "mesh", "--out", "x", "--resume", "--engine", "live"), "virtual engine"),
    ],
)
def test_what_cannot_be_is_refused(options: tuple[str, ...], part: str, refused: Callable[..., str]) -> None:
    assert part in refused(*options)


def test_a_killed_run_is_told_and_resumes_to_the_digest_of_one_that_was_not(
    orbitmesh: Command, quick: str, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, time\n\ndef slow(view):\n"
        "    for task in view.waiting:\n"
        "        if view.now_s > 20000.0 and os.environ.get('ORBITMESH_TEST_LOG'):\n"
        "            while not os.path.getsize(os.environ['ORBITMESH_TEST_LOG']):\n"
        "                time.sleep(0.01)\n"
        "            print('here', flush=True)\n            time.sleep(60)\n"
        "        yield __import__('emulator.decisions').decisions.Assign(task.id, task.at)\n"
    )
    command = ["run", quick, "--policy", "slow:slow", "--duration", "21000", "--out", "long"]
    running = [sys.executable, "-m", "emulator.cli", *command]
    log = str(partial_of(tmp_path / "long") / EVENTS)  # its blocks are packed beside it
    environment = os.environ | {"ORBITMESH_TEST_LOG": log}  # a name of our own: hosts have set `LOG` to files of theirs
    with subprocess.Popen(running, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    left = partial_of(tmp_path / "long")
    told = orbitmesh("report", str(left), "--json").document
    assert not told["closed"]
    assert told["so_far"]["facts"] > 1000
    assert orbitmesh("run", *command[1:]).code == 2  # is there, and neither resumed nor overwritten
    done = orbitmesh(*command, "--resume", "--json")
    assert (done.code, done.err) == (0, "")
    resumed = done.document
    assert not left.exists()
    assert resumed["resumed_events"] == told["so_far"]["facts"]
    assert f"resumed after {resumed['resumed_events']:,} facts" in " ".join(resumed["notes"])
    whole = orbitmesh(*command[:-2], "--json").document
    assert resumed["digest"] == whole["digest"]
    assert "resumed_events" not in whole


def test_a_part_that_is_run_again_is_compared_with_that_part(kept: Path, orbitmesh: Command) -> None:
    part = ("replay", "kept", "--level", "decisions", "--from", "100", "--to", "300")
    said = orbitmesh(*part, "--json").document
    within = sum(100.0 <= row["captured_s"] <= 300.0 for row in rows(Trace(kept), "tasks"))
    assert (said["part_s"], said["row"]["tasks"]["captured"]) == ([100.0, 300.0], within)
    assert (said["differences"]["first"], said["differences"]["figures"]) == (None, [])
    assert said["matches"] == (said["differences"]["tasks_changed"] == 0)
    told = orbitmesh(*part).out
    fared = f"{within:,} tasks were captured, {said['differences']['tasks_changed']:,} fared differently by then"
    assert f"level decisions, from 100.000 s to 300.000 s: {fared}" in told
    assert not [each for each in ("first difference", "figures  ", "never asked") if each in told]
    whole = orbitmesh("replay", "kept", "--level", "decisions", "--from", "0", "--to", "400", "--json").document
    assert (whole["part_s"], whole["matches"], whole["differences"]) == (None, True, None)


def test_figures_that_differ_are_told_in_units(kept: Path, orbitmesh: Command, quick: str) -> None:
    assert orbitmesh("run", quick, "--policy", "bent-pipe", "--duration", "400", "--out", "other").code == 0
    said = orbitmesh("diff", "kept", "other", "--json").document
    orbit_ops = next(each["left"] for each in said["figures"] if each["field"] == "ops")
    told = orbitmesh("diff", "kept", "other").out
    assert console.scaled(orbit_ops, "op") in told
    assert str(orbit_ops) not in told
    assert kept.is_dir()
