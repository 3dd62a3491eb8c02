"""Each level of replay keeps what it says: the same inputs and scheduler give the same bytes, else the rest differs."""

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core import Core
from emulator.decision_log import DecisionLog, read, written
from emulator.decisions import Assign, Downlink, Drop, Preempt, WakeAt
from emulator.errors import MeasuredError, TraceError
from emulator.events import Captured, ContactClosed, ContactOpened, Finished, NodeFailed, NodeRecovered
from emulator.hardware import exchanged_notes
from emulator.measured_runs import RunTimes, Tiles, measured_power
from emulator.orders import Run
from emulator.recorder import Recorder
from emulator.replay import replay
from emulator.report import summarise
from emulator.rerun import LEVELS, rerun
from emulator.rerun_inputs import Inputs
from emulator.schedulers import load
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.tracing.differences import difference
from emulator.tracing.tables import rows
from emulator.virtual import run
from nodes.processor import Processor, preset
from workloads.pipeline import Pipeline, Stage
from workloads.tasks import Outcome, Task

GIVEN = (Captured, ContactOpened, ContactClosed, NodeFailed, NodeRecovered)


class Odd:
    """Decides by every kind of decision, badly at times."""

    def __init__(self) -> None:
        self.asked = 0

    def decide(self, view):
        self.asked += 1
        yield WakeAt(float("inf") if self.asked % 3 else view.now_s + 0.75)
        for number, task in enumerate(view.waiting):
            kind = (self.asked + number) % 6
            if kind == 0:
                yield Drop(task.id, "too many \ud800")
            elif kind == 1:
                yield Downlink(task.id, relay=True)
            elif kind == 2:
                yield "nonsense"
            elif kind == 3:
                yield Assign(task.id, "nowhere")
            else:
                yield Assign(task.id, task.at)
                if kind == 5:
                    yield Preempt(task.id)


def record(lab, folder: Path, scheduler, policy: str, processors: dict[str, Processor] | None = None) -> Trace:
    contacts = [
        lab.laser("A", "B", 0.5, 30.0),
        lab.laser("B", "C"),
        lab.radio("B", "G", 5.0, 60.0),
        lab.radio("C", "H"),
    ]
    world = lab.world(contacts, specs={name: {"processor": each} for name, each in (processors or {}).items()})
    tasks = [lab.task(f"{n:02d}", 0.375 * n, "ABC"[n % 3], work_s=2.0, tile=int(n % 4 == 1)) for n in range(24)]
    faults = [NodeFailed(4.0, "C"), NodeRecovered(8.0, "C")]
    answers = DecisionLog()
    core = Core(world, answers.watched(scheduler))
    header = Header(
        schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
        epoch="2025-10-03T16:00:00Z", policy=policy, seed=1, engine="virtual",
    )  # fmt: skip
    with TraceWriter(folder) as writer:
        writer.begin(header, world)
        recorder = Recorder(core, writer.write, answers, 16)
        run(recorder, lab.facts(world, tasks, faults), world.settings.duration_s, lab.infer)
        ended = msgspec.structs.replace(header, events=recorder.events, digest=recorder.digest())
        writer.close(ended, world, summarise(core, policy, recorder.digest()))
    return Trace(folder)


def again(trace: Trace, out: Path, level: str, scheduler, **options):
    inputs = options.pop("inputs", None) or Inputs(trace)
    with TraceWriter(out) as writer:
        return rerun(trace, writer, level, scheduler, inputs=inputs, **options)


def given_of(trace: Trace) -> list[object]:
    return [event for _, _, (event, _) in trace.lines() if isinstance(event, GIVEN)]


@pytest.fixture(scope="module")
def recorded(lab, tmp_path_factory) -> Trace:
    return record(lab, tmp_path_factory.mktemp("levels") / "run", load("mesh", lambda: 0.0), "mesh")


@pytest.mark.parametrize("level", ["inputs", "measured"])
def test_the_same_inputs_and_scheduler_give_the_same_bytes(recorded, tmp_path, level) -> None:
    found = again(recorded, tmp_path / "again", level, load("mesh", lambda: 0.0))
    assert found.matches
    assert found.digest == recorded.header.digest
    events = "events.jsonl.gz"
    assert b"".join(raw for _, raw in Trace(tmp_path / "again").chunks()) == b"".join(
        raw for _, raw in recorded.chunks()
    )
    assert (tmp_path / "again" / events).is_file()


def test_forced_decisions_under_the_same_physics_give_the_same_bytes(lab, recorded, tmp_path) -> None:
    assert again(recorded, tmp_path / "mesh", "decisions", None).matches
    odd = record(lab, tmp_path / "odd", Odd(), "odd")
    found = again(odd, tmp_path / "again", "decisions", None)
    assert (found.matches, found.parted_s, found.decisions_left) == (True, None, 0)
    kinds = {row["kind"] for row in rows(odd, "decisions")}
    assert kinds == {"assign", "downlink", "drop", "preempt", "wake", "?"}


@pytest.mark.parametrize("shift_s", [-0.0625, 0.0625])
def test_forced_decisions_hold_where_the_physics_differ(recorded, tmp_path, shift_s) -> None:
    spec = recorded.world.nodes[0].processor
    slow = msgspec.structs.replace(spec, name="slow", peak_ops_per_s={"int8": 0.5e9})
    inputs = Inputs(recorded)
    inputs.facts = [moved(each, shift_s) if isinstance(each, Captured) else each for each in inputs.facts]
    found = again(recorded, tmp_path / "slow", "decisions", None, processor=slow, inputs=inputs)
    assert not found.matches
    kept_s = {0.0} if shift_s < 0.0 else set()  # nothing is captured before the run
    assert found.parted_s == min({e.at_s for e in inputs.facts if isinstance(e, Captured)} - kept_s)
    before = {row["task"]: row for row in rows(recorded, "decisions") if row["kind"] == "assign"}
    after = {row["task"]: row for row in rows(Trace(tmp_path / "slow"), "decisions") if row["kind"] == "assign"}
    fates = rows(Trace(tmp_path / "slow"), "tasks")
    assert set(after) == set(before) & {row["task"] for row in fates if row["reason"] != "node down"}
    assert all(before[task]["to_node"] == row["to_node"] for task, row in after.items())
    assert all(row["at_s"] >= before[task]["at_s"] for task, row in after.items())  # none before it was made
    for _, _, (_, orders) in Trace(tmp_path / "slow").lines():
        assert all(order.finish_s - order.start_s == 4.0 for order in orders if isinstance(order, Run))


def moved(event: Captured, by_s: float) -> Captured:
    """The same capture at another time."""
    at_s = max(0.0, event.at_s + by_s)
    return Captured(at_s, event.node, msgspec.structs.replace(event.task, at_s=at_s))


def test_another_scheduler_over_recorded_inputs_is_its_own_run(lab, recorded, tmp_path) -> None:
    own = record(lab, tmp_path / "own", load("onboard", lambda: 0.0), "onboard")
    inputs = Inputs(recorded, lab.infer)
    found = again(recorded, tmp_path / "again", "inputs", load("onboard", lambda: 0.0), policy="onboard", inputs=inputs)
    assert found.digest == own.header.digest
    assert not found.matches
    assert given_of(Trace(tmp_path / "again")) == given_of(recorded)
    assert Trace(tmp_path / "again").header.replay_of == {"level": "inputs", "digest": recorded.header.digest}


def test_another_processor_over_recorded_inputs(recorded, tmp_path) -> None:
    spec = recorded.world.nodes[0].processor
    fast = msgspec.structs.replace(spec, name="fast", peak_ops_per_s={"int8": 4e9})
    again(recorded, tmp_path / "fast", "inputs", load("mesh", lambda: 0.0), processor=fast)
    trace = Trace(tmp_path / "fast")
    assert {row["due_s"] - row["start_s"] for row in rows(trace, "runs")} == {0.5}
    assert given_of(trace) == given_of(recorded)
    assert difference(recorded, trace).why[-1] == "other processors or settings: world.satellite.processor"
    assert [each.field for each in difference(recorded, trace).setup if "processor" in each.field] == [
        "world.satellite.processor"
    ]


def test_a_replay_says_of_its_own_processor_what_is_guessed_and_no_more_of_the_old_one(recorded) -> None:
    old = msgspec.structs.replace(recorded.world.nodes[0].processor, name="old")
    nodes = [msgspec.structs.replace(n, processor=old) if n.kind == "satellite" else n for n in recorded.world.nodes]
    world, new = msgspec.structs.replace(recorded.world, nodes=nodes), preset("orin")
    before = ["scenes are synthetic", "satellites reach 0.5 of their label [guess]"]
    before += ["processor old: x [guess]", "processor cpu: y [guess]"]  # that of the stations is still there
    notes = exchanged_notes(before, world, new)
    reach = f"satellites compute with orin, which reaches {new.efficiency:g} of its label"
    assert notes[:3] == ["scenes are synthetic", "processor cpu: y [guess]", reach]
    assert f"processor orin: {', '.join(new.guesses)} [guess]" in notes
    assert sorted(exchanged_notes(notes, world, new)) == sorted(notes)  # a replay of the replay


def test_measured_times_are_those_of_the_measured_run(lab, recorded, tmp_path) -> None:
    spec = recorded.world.nodes[0].processor
    assert isinstance(spec, Processor)
    slow = msgspec.structs.replace(spec, name="slow", peak_ops_per_s={"int8": 0.5e9})
    again(recorded, tmp_path / "slow", "inputs", load("mesh", lambda: 0.0), processor=slow)
    measured = Trace(tmp_path / "slow")
    found = again(recorded, tmp_path / "timed", "measured", load("mesh", lambda: 0.0), measured=measured)
    assert found.runs_measured > 0
    assert found.runs_modelled == 0  # all tasks are of one model and one size
    finished = [row["finished_s"] - row["start_s"] for row in rows(Trace(tmp_path / "timed"), "runs") if row["label"]]
    assert set(finished) == {4.0}


@pytest.mark.parametrize("level", LEVELS)
def test_a_span_of_a_run_holds_what_was_captured_in_it(recorded, tmp_path, level) -> None:
    scheduler = None if level == "decisions" else load("mesh", lambda: 0.0)
    found = again(recorded, tmp_path / "span", level, scheduler, from_s=2.0, to_s=5.0)
    span = Trace(tmp_path / "span")
    assert {row["task"] for row in rows(span, "tasks")} == {
        row["task"] for row in rows(recorded, "tasks") if 2.0 <= row["captured_s"] <= 5.0
    }
    assert span.world.settings.duration_s == 5.0
    assert span.header.replay_of["from_s"] == "2.0"
    assert not found.matches
    assert found.row.tasks.captured == 8  # 0.375 s apart: from 2.25 s to 4.875 s


def test_an_exact_replay_of_a_span_compares_only_there(recorded) -> None:
    found, core = replay(recorded, load("mesh", lambda: 0.0), from_s=2.0, to_s=5.0)
    within = [raw for _, raw, (event, _) in recorded.lines() if 2.0 <= event.at_s <= 5.0]
    assert (found.matches, found.events) == (True, len(within))
    assert found.digest == found.recorded_digest == hashlib.sha256(b"".join(within)).hexdigest()
    assert core.now_s <= 5.0


def quick(recorded, lab) -> Processor:
    return msgspec.structs.replace(lab.cpu, name="quick", peak_ops_per_s={"int8": 4e9})


def test_a_time_that_the_budget_does_not_allow_is_named_and_nothing_is_written(lab, recorded, tmp_path) -> None:
    """0.5 s for 2e9 operations on a processor of 1e9 operations a second."""
    again(recorded, tmp_path / "quick", "inputs", load("mesh", lambda: 0.0), processor=quick(recorded, lab))
    told = (
        r"task \d\d: its run took 0\.5 s in \S*quick, but 2e\+09 operations take 2 s at least on [ABC], whose "
        r"processor 'cpu' has a peak of 1e\+09 ops/s in int8: .* --processor, or times of this one with --measured"
    )
    with pytest.raises(MeasuredError, match=told):
        again(recorded, tmp_path / "out", "measured", load("mesh", lambda: 0.0), measured=Trace(tmp_path / "quick"))
    assert [path.name for path in tmp_path.iterdir()] == ["quick"]
    found = again(
        recorded, tmp_path / "out", "measured", load("mesh", lambda: 0.0), measured=Trace(tmp_path / "quick"),
        processor=quick(recorded, lab),
    )  # fmt: skip
    assert found.runs_modelled == 0
    assert found.digest == Trace(tmp_path / "quick").header.digest


def test_what_ran_on_the_ground_says_nothing_of_satellites(lab, tmp_path) -> None:
    """The stations are four times as quick; times of theirs on satellites would be beyond the satellites' budget."""
    fast = msgspec.structs.replace(lab.cpu, name="fast", peak_ops_per_s={"int8": 4e9})
    down = record(lab, tmp_path / "down", load("bent-pipe", lambda: 0.0), "bent-pipe", {"G": fast, "H": fast})
    assert {row["node"] for row in rows(down, "runs")} == {"G", "H"}
    inputs = Inputs(down, lab.infer)
    found = again(down, tmp_path / "up", "measured", load("onboard", lambda: 0.0), inputs=inputs)
    assert found.runs_measured == 0
    assert found.runs_modelled == len(rows(Trace(tmp_path / "up"), "runs")) > 0


def test_the_time_of_a_batch_is_of_that_batch_only() -> None:
    times = RunTimes({"A": "satellite"})
    first = [Run("A", "a", 1, 0.0, 3.0), Run("A", "b", 2, 0.0, 3.0), Run("A", "c", 3, 9.0, 10.0)]
    times.begin(first)
    tasks = {name: Task(name, 0.0, "A", 0, "m", 5, 0, 1e9, 0) for name in "abcd"}
    for each in first:
        times.finish(each.finish_s, "A", each.run, tasks[each.task])
    pair = frozenset("ab")
    assert [times.duration_s(tasks[name], "satellite", pair) for name in "ab"] == [3.0, 3.0]
    assert times.duration_s(tasks["a"], "satellite", frozenset("ac")) is None
    assert times.duration_s(tasks["a"], "satellite", frozenset("a")) == 1.0  # as the one alike that ran alone
    assert times.duration_s(tasks["d"], "satellite", frozenset("d")) == 1.0
    assert times.duration_s(tasks["d"], "station", frozenset("d")) is None
    times.begin([Run("A", "e", 4, 20.0, 23.0)])
    times.finish(23.0, "A", 4, msgspec.structs.replace(tasks["d"], id="e"))
    assert times.duration_s(tasks["d"], "satellite", frozenset("d")) == 2.0  # the mean of 1 s and 3 s


def test_a_task_of_the_same_name_that_asked_for_another_model_lends_no_time() -> None:
    """Tasks of every scenario of the same satellites have the same names, whatever they ask for."""
    times = RunTimes({"A": "satellite"})
    times.begin([Run("A", "a", 1, 0.0, 3.0)])
    asked = Task("a", 0.0, "A", 0, "m", 5, 0, 1e9, 0)
    times.finish(3.0, "A", 1, asked)
    alone = frozenset("a")
    assert times.duration_s(asked, "satellite", alone) == 3.0
    assert times.duration_s(msgspec.structs.replace(asked, model="other"), "satellite", alone) is None
    assert times.duration_s(msgspec.structs.replace(asked, inferences=6), "satellite", alone) is None


def test_a_task_that_the_measured_run_never_had_takes_the_mean_of_those_alike(lab, recorded, tmp_path) -> None:
    """The first half of the tasks ran 1.5 times as long there; the second half was never captured there."""
    slow = msgspec.structs.replace(lab.cpu, name="slow", peak_ops_per_s={"int8": 1e9 / 1.5})
    again(recorded, tmp_path / "slow", "inputs", load("mesh", lambda: 0.0), processor=slow, to_s=5.0)
    there = Trace(tmp_path / "slow")
    assert 0 < len(rows(there, "tasks")) < 24
    found = again(recorded, tmp_path / "out", "measured", load("mesh", lambda: 0.0), measured=there)
    assert found.runs_modelled == 0
    ran = [row for row in rows(Trace(tmp_path / "out"), "runs") if row["how"] == "finished"]
    assert len({row["task"] for row in ran}) > len(rows(there, "tasks"))
    for row in ran:
        assert row["finished_s"] - row["start_s"] == pytest.approx(3.0)  # 2 s of work, 1.5 times as slow


def test_a_stage_is_alike_to_stages_of_as_many_tiles(lab) -> None:
    """Of 10 tiles under 80 % of cloud two go on, of 10 under 25 % eight (7.5, to the nearest)."""
    stages = (Stage(name="screen", model="m", passes="clear"), Stage(name="detect", model="n", after=("screen",)))
    tiles = Tiles(msgspec.structs.replace(lab.world([]), pipeline=Pipeline(stages=stages)))
    for scene, cloudy, left in (("a", 0.8, 2), ("b", 0.25, 8)):
        work = Task(f"{scene}#screen", 0.0, "A", 0, "m", 10, 0, 1e9, 0)
        assert tiles.ran_on(work, Outcome("clear", cloudy, 1)) == work
        then = msgspec.structs.replace(work, id=f"{scene}#detect", model="n")
        assert tiles.ran_on(then, Outcome("clear", 0.0, 1)) == msgspec.structs.replace(then, inferences=left)


def test_a_model_of_the_same_name_but_another_file_lends_no_time(lab, recorded, tmp_path) -> None:
    again(recorded, tmp_path / "same", "inputs", load("mesh", lambda: 0.0))
    models = {name: msgspec.structs.replace(each, sha256="0" * 64) for name, each in recorded.world.models.items()}
    inputs = Inputs(recorded, lab.infer)
    inputs.world = msgspec.structs.replace(inputs.world, models=models)
    same, mesh = Trace(tmp_path / "same"), load("mesh", lambda: 0.0)
    found = again(recorded, tmp_path / "out", "measured", mesh, measured=same, inputs=inputs)
    assert found.runs_measured == 0
    assert found.runs_modelled > 0


COUNTED = {
    "counters": {"A": "RAPL: package-0"}, "uncounted": {}, "idle_power_w": 5.0, "host_j": 100.0,
    "works": [
        {"node": node, "model": "m", "runs": 3, "host_s": 4.0, "counted": 2, "counted_s": 2.0, "energy_j": energy_j}
        for node, energy_j in (("A", 20.0), ("B", 40.0))
    ],
}  # fmt: skip


def with_energy(trace: Trace, folder: Path, **changed) -> Trace:
    """A copy of a trace in which a host has measured power: on A 10 W, on B 20 W, 15 W on all, 5 W idle."""
    shutil.copytree(trace.folder, folder)
    (folder / "live.json").write_text(json.dumps({"energy": COUNTED | changed}))
    return Trace(folder)


def test_measured_power_takes_the_place_of_the_modelled(lab, recorded, tmp_path) -> None:
    """C, whose power nobody measured, draws what satellites drew on average; stations stay as they were modelled."""
    metered = with_energy(recorded, tmp_path / "metered")
    found = again(metered, tmp_path / "out", "measured", load("mesh", lambda: 0.0))
    assert found.digest == recorded.header.digest  # only joules differ
    again_ = Trace(tmp_path / "out")
    processors = {node.name: node.processor for node in again_.world.nodes}
    assert {name: spec.busy_power_w for name, spec in processors.items()} == {
        "A": 10.0, "B": 20.0, "C": 15.0, "G": 110.0, "H": 110.0,
    }  # fmt: skip
    core = replay(again_, load("mesh", lambda: 0.0))[1]
    busy_s = {name: node.budget.busy_s for name, node in core.nodes.items()}
    assert found.row.energy.orbit_compute_j == pytest.approx(5 * busy_s["A"] + 15 * busy_s["B"] + 10 * busy_s["C"])
    assert found.power_from.startswith(f"measured in {metered.folder} (RAPL: package-0): satellites 15 W, idle 5 W")


def test_a_replay_at_measured_power_replays_exactly(recorded, tmp_path) -> None:
    again(with_energy(recorded, tmp_path / "metered"), tmp_path / "out", "measured", load("mesh", lambda: 0.0))
    found, _ = replay(Trace(tmp_path / "out"), load("mesh", lambda: 0.0))
    assert (found.matches, found.mismatch) == (True, "")


@pytest.mark.parametrize("changed", [{"idle_power_w": None}, {"idle_power_w": 50.0}, {"remote": ["B"]}])
def test_energy_above_an_idle_that_cannot_be_told_is_not_told(recorded, tmp_path, changed) -> None:
    """Not measured; more than what working draws; of another host than some node's."""
    metered = with_energy(recorded, tmp_path / "metered", **changed)
    found = again(metered, tmp_path / "out", "measured", load("mesh", lambda: 0.0))
    assert found.row.energy.orbit_compute_j is None
    assert found.row.energy_j is None


def test_power_that_nobody_measured_stays_modelled_and_says_why(recorded, tmp_path) -> None:
    plain = again(recorded, tmp_path / "plain", "measured", load("mesh", lambda: 0.0))
    why = {"counters": {}, "uncounted": {"A": "this host shows no RAPL counter"}, "works": []}
    metered = with_energy(recorded, tmp_path / "metered", **why)
    found = again(metered, tmp_path / "out", "measured", load("mesh", lambda: 0.0))
    assert found.row == plain.row
    assert found.power_from.startswith("modelled: ")
    assert found.power_from.endswith("did not measure power, because this host shows no RAPL counter")


def test_a_live_run_that_was_killed_is_not_said_to_measure_no_power(recorded, tmp_path) -> None:
    with TraceWriter(tmp_path / "run") as writer:
        writer.begin(msgspec.structs.replace(recorded.header, engine="live", events=0, digest=""), recorded.world)
        killed = Trace(shutil.copytree(tmp_path / ".run.orbitmesh-partial", tmp_path / "killed"))
        assert measured_power(killed) == (
            None,
            f"{killed.folder} was killed before its end, when power is written down",
        )


@pytest.mark.parametrize(
    "changed",
    [{"idle_power_w": -1.0}, {"host_j": 1e999}, {"works": 5}, {"works": [{"node": "A"}]}, {"idle_power_w": "much"}],
)
def test_energy_that_cannot_be_is_refused(recorded, tmp_path, changed) -> None:
    metered = with_energy(recorded, tmp_path / "metered", **changed)
    with pytest.raises(TraceError, match=r"live\.json"):
        again(metered, tmp_path / "out", "measured", load("mesh", lambda: 0.0))
    assert not (tmp_path / "out").exists()


def test_an_answer_that_nothing_knows_is_asked_for_by_name(lab, tmp_path) -> None:
    nothing = record(lab, tmp_path / "run", lambda view: (), "nothing")
    with pytest.raises(TraceError, match="its header holds no scenario"):
        again(nothing, tmp_path / "again", "inputs", load("onboard", lambda: 0.0))
    assert not (tmp_path / "again").exists()


def test_recorded_answers_of_inference_are_not_asked_for_again(lab, recorded) -> None:
    inputs = Inputs(recorded)
    said = {e.task: e.outcome for _, _, (e, _) in recorded.lines() if isinstance(e, Finished)}
    for event in given_of(recorded):
        if isinstance(event, Captured) and event.task.id in said:
            assert inputs.infer(event.task) == said[event.task.id] == lab.infer(event.task)
    assert inputs.inferred == 0


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
DECISIONS = st.one_of(
    st.builds(Assign, TEXT, TEXT, st.booleans(), st.booleans()),
    st.builds(Downlink, TEXT, st.none() | TEXT, st.booleans()),
    st.builds(Drop, TEXT, TEXT),
    st.builds(Preempt, TEXT),
    st.builds(WakeAt, st.floats(-1e9, 1e9)),
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(DECISIONS)
def test_a_decision_survives_the_log(decision) -> None:
    assert read(msgspec.json.decode(msgspec.json.encode(written(decision)))) == decision


@pytest.mark.parametrize("other", [None, 7, "x", Assign, Assign({1, 2}, "b"), Assign("a", 1j)])
def test_what_is_no_decision_is_read_as_something_as_bad(other) -> None:
    found = read(msgspec.json.decode(msgspec.json.encode(written(other))))
    assert type(found).__name__ == type(other).__name__
    assert not isinstance(found, Assign | Downlink | Drop | Preempt | WakeAt)


@pytest.mark.parametrize("wrong", [Assign(["a"], "b"), Assign("a", None), Drop("a", {}), WakeAt("x")])
def test_a_decision_of_wrong_types_is_kept_as_it_is(wrong) -> None:
    assert read(msgspec.json.decode(msgspec.json.encode(written(wrong)))) == wrong
