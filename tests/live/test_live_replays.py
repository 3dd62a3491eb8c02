"""Live runs leave traces that replay: with a node killed, with work that no model does, with power measured, cut off.

One run of two satellites, of which one is killed, serves most of the tests: what it left must hold at each level.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.assemble import Assembled, assemble, silent
from emulator.cli import main
from emulator.core import Core
from emulator.decision_log import DecisionLog
from emulator.events import (
    Captured,
    ContactClosed,
    ContactOpened,
    Event,
    Finished,
    NodeFailed,
    NodeRecovered,
    order_key,
)
from emulator.live.figures import LiveFigures
from emulator.live.launch import Launch
from emulator.live.options import LiveOptions
from emulator.orders import Run
from emulator.recorder import Recorder
from emulator.replay import replay
from emulator.report import Row, summarise
from emulator.rerun import rerun
from emulator.rerun_inputs import GIVEN, Inputs
from emulator.scenario import parse
from emulator.schedulers import load
from emulator.trace import Trace, TraceWriter
from emulator.tracing.parts import footer_of, header_of
from emulator.tracing.tables import rows
from links.contacts import ContactPlan
from nodes.ledger import RESOLUTION_S
from workloads.importing.records import Imported, MissionTask
from workloads.importing.task_file import write_records

LASTS_S = 30.0  # at most: it ends when what it is for has happened
STEP_UJ = 5_000_000  # what the host's counter rises by, once, while time runs
TASKS = [
    *(MissionTask(id=f"ask-{n}", at_s=0.1 * n, prompt_tokens=64, output_tokens=n + 1) for n in range(8)),
    *(MissionTask(id=f"job-{n}", at_s=0.05 + 0.06 * n, ops=2e9) for n in range(4)),
    *(MissionTask(id=f"scene-{n}", at_s=0.02 + 0.08 * n, scenes=1, duration_s=0.01) for n in range(12)),
]


@dataclasses.dataclass
class Left:
    """What the run left: its trace, its figures, and what only a live run has."""

    trace: Trace
    row: Row
    figures: LiveFigures


def scenario(stage: Any, folder: Path, duration_s: float) -> Any:
    """Two satellites over a station; requests, batch jobs and scenes, taken in turn."""
    tasks = sorted(TASKS, key=lambda each: each.at_s)
    made = Imported(form="columns", epoch=None, records=list(tasks), read=len(tasks))
    write_records(folder / "own.jsonl", made, "own.csv", "")
    text = stage.scenario("AE", "I", duration_s=duration_s)
    text += '[satellites]\nbatch = 1\n[workload]\nfile = "own.jsonl"\nalign = "start"\nflown = "in-turn"\n'
    return parse(text + "[imaging]\ndistinct_tiles = 2\n", "stage.toml", folder)


def near(stage: Any, made: Assembled) -> Assembled:
    """The same world, in which light takes a quarter of a second over every link, so that no busy host overtakes it."""
    links = (stage.laser("A", "E"), stage.radio("A", "I"), stage.radio("E", "I"))
    links = tuple(msgspec.structs.replace(each, stop_s=LASTS_S) for each in links)
    facts: list[Event] = [fact for fact in made.facts if not isinstance(fact, ContactOpened | ContactClosed)]
    facts += [ContactOpened(0.0, contact.a, number) for number, contact in enumerate(links)]
    world = msgspec.structs.replace(made.world, plan=ContactPlan(LASTS_S, links, ()))
    return dataclasses.replace(made, world=world, facts=facts)


def counter(root: Path) -> Path:
    """A package's counter as the kernel has it, in a folder of its own; returns the file that counts."""
    zone = root / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, value in (("name", "package-0"), ("energy_uj", "1000000"), ("max_energy_range_uj", "262143328850")):
        (zone / name).write_text(f"{value}\n")
    return zone / "energy_uj"


@pytest.fixture(scope="module")
def left(stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("live")
    energy_uj = counter(folder / "powercap")
    made = near(stage, assemble(scenario(stage, folder, LASTS_S), ["mesh"], infer=False))

    def rise(engine: Any) -> bool:
        if engine.now_s <= 0.0:
            return False
        beside = energy_uj.with_name("beside")
        beside.write_text(str(int(energy_uj.read_text()) + STEP_UJ))
        beside.rename(energy_uj)
        return True

    def kill(engine: Any) -> bool:
        if engine.now_s < 0.5:
            return False
        os.kill(engine.crew.supervisor.pids["E"], signal.SIGKILL)
        return True

    answers = DecisionLog()
    core = Core(made.world, answers.watched(load("mesh", lambda: 0.0)))
    options = LiveOptions(**stage.patient, powercap=str(folder / "powercap"))
    with TraceWriter(folder / "run") as writer:
        writer.begin(header_of(made, "mesh", "live"), made.world)
        recorder = Recorder(core, writer.write, answers, 256)
        board = stage.Chaos(rise, kill, lambda engine: engine.restarts == 1 and engine.now_s > 1.2, stage.over)
        figures = Launch(made, core, options, board).play(recorder, silent, recorder.digest)
        row = summarise(core, "mesh", recorder.digest())
        header = msgspec.structs.replace(
            header_of(made, "mesh", "live"), events=recorder.events, digest=row.digest
        )  # fmt: skip
        writer.close(header, made.world, row, figures, footer_of(core, header))
    assert not board.acts
    return Left(Trace(folder / "run"), row, figures)


def again(left: Left, out: Path, level: str, **options: Any) -> Any:
    with TraceWriter(out) as writer:
        scheduler = None if level == "decisions" else load("mesh", lambda: 0.0)
        return rerun(left.trace, writer, level, scheduler, **options)


def given_of(trace: Trace) -> list[Any]:
    """The facts that nothing in a run could change, but for the instants at which the coordinator was late."""
    facts = [event for _, _, (event, _) in trace.lines() if isinstance(event, GIVEN)]
    return sorted(facts, key=lambda event: order_key(event, 0))


def test_a_live_run_in_which_a_node_was_killed_replays_exactly(left: Left) -> None:
    assert [event.node for _, _, (event, _) in left.trace.lines() if isinstance(event, NodeFailed)] == ["E"]
    assert left.figures.restarts == 1
    found, _ = replay(left.trace, load("mesh", lambda: 0.0))
    assert (found.matches, found.mismatch, found.digest) == (True, "", left.row.digest)


def test_work_without_a_model_is_waited_for_and_answered_as_computed(left: Left) -> None:
    tokens = {each.id: each.output_tokens or 0 for each in TASKS}
    ended = {e.task: e for _, _, (e, _) in left.trace.lines() if isinstance(e, Finished)}
    kinds = {name: name.split("/")[1].split("-")[0] for name in ended}
    assert {"ask", "job", "scene"} == set(kinds.values())
    for name, event in ended.items():
        if kinds[name] == "ask":  # four bytes a token
            assert (event.outcome.label, event.outcome.product_bytes) == ("answered", 4 * tokens[name.split("/")[1]])
        elif kinds[name] == "job":
            assert (event.outcome.label, event.outcome.product_bytes) == (
                "answered",
                4_000,
            )  # of products.load_product_bytes
        else:
            assert event.outcome.label in ("clear", "cloudy")
    waited = sum(kind != "scene" for kind in kinds.values())
    assert left.figures.runs_waited >= waited > 0  # one that ended too late for the run is waited for, too
    assert left.figures.runs_inferred >= len(kinds) - waited > 0
    assert any(f"{left.figures.runs_waited} runs were waited for, not run" in note for note in left.figures.notes)
    for _, _, (fact, orders) in left.trace.lines():
        for order in orders:
            if isinstance(order, Run) and order.task in ended:
                assert ended[order.task].at_s >= order.finish_s > fact.at_s  # never before the computed time is over


def test_the_hosts_energy_is_what_its_counter_counted(left: Left) -> None:
    energy = left.figures.energy
    assert energy.counters == dict.fromkeys("AEI", "RAPL: package-0")
    assert energy.uncounted == {}
    assert energy.idle_power_w == 0.0  # it did not rise before time began
    assert energy.host_j == pytest.approx(1e-6 * STEP_UJ)
    assert energy.works
    for works in energy.works:
        assert works.model == "cloud-screen"
        assert works.counted == works.runs > 0
        assert works.counted_s == works.host_s > 0.0
        assert works.energy_j in (pytest.approx(0.0), pytest.approx(1e-6 * STEP_UJ))  # at most one saw the rise
    recorded = json.loads((left.trace.folder / "live.json").read_text())["energy"]
    assert recorded == msgspec.to_builtins(energy)
    assert left.row.energy.orbit_compute_j != energy.host_j  # the modelled satellites' is apart


def test_the_inputs_of_a_live_run_are_those_it_was_given(left: Left, tmp_path: Path) -> None:
    """Captures, contacts and the death at its instant; only the host's lateness is gone."""
    found = again(left, tmp_path / "out", "inputs")
    assert given_of(Trace(tmp_path / "out")) == given_of(left.trace)
    assert found.row.tasks.captured == left.row.tasks.captured
    said = {e.task: e.outcome for _, _, (e, _) in left.trace.lines() if isinstance(e, Finished)}
    anew = {e.task: e.outcome for _, _, (e, _) in Trace(tmp_path / "out").lines() if isinstance(e, Finished)}
    assert all(anew[task] == outcome for task, outcome in said.items() if task in anew)
    assert len(anew.keys() & said.keys()) > 0


def test_measured_times_of_a_live_run_are_those_that_it_took(left: Left, tmp_path: Path) -> None:
    found = again(left, tmp_path / "out", "measured")
    took_s: dict[tuple[str, str], float] = {}
    begun_s: dict[int, tuple[float, str]] = {}
    for _, _, (event, orders) in left.trace.lines():
        begun_s |= {order.run: (order.start_s, order.node) for order in orders if isinstance(order, Run)}
        if isinstance(event, Finished):
            start_s, node = begun_s[event.run]
            took_s[event.task, node] = event.at_s - start_s
    runs = [row for row in rows(Trace(tmp_path / "out"), "runs") if row["label"]]
    same = [row for row in runs if (row["task"], row["node"]) in took_s]
    assert same
    for row in same:
        assert row["finished_s"] - row["start_s"] == pytest.approx(took_s[row["task"], row["node"]], abs=RESOLUTION_S)
    assert found.power_from.startswith(f"measured in {left.trace.folder} (RAPL: package-0): satellites ")
    assert any("was run live" in note for note in found.notes)


def test_the_decisions_of_a_live_run_are_forced(left: Left, tmp_path: Path) -> None:
    found = again(left, tmp_path / "out", "decisions")
    assert given_of(Trace(tmp_path / "out")) == given_of(left.trace)
    decided = {row["task"]: row["to_node"] for row in rows(left.trace, "decisions") if row["kind"] == "assign"}
    forced = {row["task"]: row["to_node"] for row in rows(Trace(tmp_path / "out"), "decisions")}
    assert forced
    assert all(decided[task] == node for task, node in forced.items() if node is not None)
    assert found.row.tasks.captured == left.row.tasks.captured


def test_a_requests_answer_that_the_trace_does_not_have_is_computed(left: Left, tmp_path: Path) -> None:
    """E was dead when the last were captured there; without its death they are answered."""
    facts = [event for event in given_of(left.trace) if not isinstance(event, NodeFailed | NodeRecovered)]
    inputs = Inputs(left.trace)
    inputs.facts = facts
    found = again(left, tmp_path / "out", "inputs", inputs=inputs)
    assert found.row.tasks.lost == 0
    assert inputs.inferred > 0
    assert any("were not in the trace and were computed anew" in note for note in found.notes)
    tokens = {each.id: each.output_tokens or 0 for each in TASKS}
    anew = {e.task.split("/")[1]: e.outcome for _, _, (e, _) in Trace(tmp_path / "out").lines() if type(e) is Finished}
    asked = {name: outcome.product_bytes for name, outcome in anew.items() if name.startswith("ask")}
    assert asked == {name: 4 * tokens[name] for name in asked}
    assert len(asked) == 8


# a run that is killed


@pytest.fixture(scope="module")
def killed(stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `run` left when it was killed, with all its processes gone."""
    folder = tmp_path_factory.mktemp("killed")
    text = stage.scenario("A", "G", duration_s=300.0)  # no link joins them: no light that a busy host could overtake
    text += "[imaging]\nscene_interval_s = 0.1\ndistinct_tiles = 1\n"
    (folder / "stage.toml").write_text(text)
    command = [sys.executable, "-P", "-m", "emulator.cli", "live", "stage.toml", "--no-table", "--rate", "1"]
    command += ["--late-budget", "3600", "--spin", "0", "--policy", "onboard", "--out", "run"]
    log = folder / ".run.orbitmesh-partial" / "events.jsonl.gz"
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, stderr=said, stdout=said, start_new_session=True)
        try:
            stage.until(lambda: process.poll() is not None or (log.exists() and log.stat().st_size > 0))
            nodes = stage.children(process.pid)
        finally:
            process.kill()
            process.wait()
    assert nodes, (folder / "said").read_text()
    stage.until(lambda: not stage.alive(nodes))
    return folder


@pytest.fixture
def said(killed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command beside what the killed run left; returns its exit code and what it said."""
    monkeypatch.chdir(killed)

    def run(*command: str) -> tuple[int, Any]:
        code = main(list(command))
        told = capsys.readouterr()
        return code, (json.loads(told.out) if code == 0 and "--json" in command else told.err)

    return run


PARTIAL = ".run.orbitmesh-partial"


def test_a_killed_live_run_leaves_a_prefix_that_opens(killed: Path, said: Callable[..., Any]) -> None:
    trace = Trace(killed / PARTIAL)
    facts = [event for _, _, (event, _) in trace.lines()]
    assert not trace.closed
    code, report = said("report", PARTIAL, "--json")
    assert (code, report["closed"], report["so_far"]["facts"]) == (0, False, len(facts))
    assert any("live run, which cannot be taken up" in note for note in report["notes"])
    task = next(event.task.id for event in facts if isinstance(event, Captured))
    code, life = said("trace", PARTIAL, "--task", task, "--json")
    assert (code, life["task"]) == (0, task)
    code, found = said("replay", PARTIAL, "--json")
    assert (code, found["matches"], found["events"]) == (0, True, len(facts))
    half_s = facts[len(facts) // 2].at_s
    code, found = said("replay", PARTIAL, "--to", str(half_s), "--json")
    assert (code, found["matches"], found["events"]) == (0, True, sum(event.at_s <= half_s for event in facts))
    code, found = said("replay", PARTIAL, "--level", "inputs", "--json")
    assert (code, found["row"]["tasks"]["captured"]) == (0, sum(isinstance(event, Captured) for event in facts))


def test_a_killed_live_run_is_not_taken_up_and_the_refusal_says_what_to_do(said: Callable[..., Any]) -> None:
    code, err = said("run", "stage.toml", "--policy", "onboard", "--engine", "live", "--out", "run", "--resume")
    assert code == 2
    assert "--resume is for the virtual engine: the world of a live run went on meanwhile" in err
    assert "opens in report, trace and replay; move it away, or remove it, and run anew" in err
    assert PARTIAL in err
