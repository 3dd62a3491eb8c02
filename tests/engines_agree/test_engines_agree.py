"""One world, one scheduler, two engines: the same placements, ways, ends and reasons, and times within a stated bound.

The bound is generous, as a busy host is late by milliseconds and timings decide no test; what it finds is a delay in
the wrong unit, or doubled on the way: light takes 0.25 s here, a scene 0.1 s of serialisation and 0.4 s of inference.
That nothing is early is exact. Wherever a decision is taken, what it weighs differs by more than a busy host adds.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.cli import main
from emulator.decisions import Assign, Decision, Downlink, Drop, Preempt, WakeAt
from emulator.events import Captured, Finished, NodeFailed, NodeRecovered
from emulator.orders import Cancel, Rejected, Run, Send
from emulator.schedulers.ground import bent_pipe
from emulator.schedulers.orbit import mesh, onboard
from emulator.view import View

BOUND_S = 0.5  # emulated, by which a scene may end later than in the virtual engine
RATE = 2.0


class Fickle:
    """A scheduler with a memory: it changes its mind, gives up, wakes itself and uses every kind of decision."""

    def __init__(self) -> None:
        self.seen = 0
        self.woken = False

    def decide(self, view: View) -> Iterator[Decision]:
        if view.trigger == "woken":
            self.woken = True
            yield Preempt("t1")  # running on A since 0.5 s
        if not self.seen:
            yield WakeAt(0.7)
        for task in view.waiting:
            self.seen += 1
            if task.id == "t4":
                yield Drop(task.id, "not worth it")
            elif task.id == "t5":
                yield Downlink(task.id, "G", relay=True)
            elif self.woken and task.id == "t1":
                yield Assign(task.id, "B", relay=True)
            else:
                yield Assign(task.id, ("A", "C")[self.seen % 3 == 0], relay=False)
        if self.woken:
            yield Assign("nobody", "A")  # refused with a code, in both engines alike


def burst(stage: Any) -> Any:
    """Six scenes at A within a second, more than it can do; every satellite has a radio."""
    links = [stage.laser("A", "B"), stage.laser("B", "C"), *(stage.radio(name) for name in "ABC")]
    tasks = [stage.task(f"t{k}", 0.05 + 0.15 * k, work_s=0.4, raw_bytes=100_000) for k in range(6)]
    return stage.build(links, tasks, duration_s=60.0)


def check_alike(stage: Any, made: Any, decide: Callable[[], Any], **options: Any) -> Any:
    """Run it in both engines and compare; returns the live run, and the virtual one."""
    scenes = sum(isinstance(fact, Captured) for fact in made.facts)
    live = stage.live(made, decide(), stage.ended(scenes), stage.over, **options)
    virtual = stage.virtual(made, decide())
    assert live.placements == virtual.placements
    assert live.fates == virtual.fates
    assert live.hops == virtual.hops
    assert {fact.task: fact.outcome for fact in live.facts(Finished)} == {
        fact.task: fact.outcome for fact in virtual.facts(Finished)
    }  # the model ran for real, on its node
    late_s = max((b.at_s - a.at_s for a, b in _comebacks(virtual, live)), default=0.0)
    for name, virtual_s in virtual.ended_s.items():
        assert virtual_s - 1e-6 <= live.ended_s[name] <= virtual_s + BOUND_S + late_s, name
    assert stage.replayed(made, decide(), live) == live.digest
    return live, virtual


def _comebacks(virtual: Any, live: Any) -> Iterator[tuple[Any, Any]]:
    """A process takes as long to start as it takes, and the node is back when it is there."""
    return zip(virtual.facts(NodeRecovered), live.facts(NodeRecovered), strict=True)


@pytest.mark.parametrize("decide", [mesh, onboard, bent_pipe], ids=["mesh", "onboard", "bent-pipe"])
def test_shipped_schedulers_place_alike(stage: Any, decide: Any) -> None:
    live, _ = check_alike(stage, burst(stage), lambda: decide, rate=RATE)
    assert {how for how, _ in live.fates.values()} == {"done"}
    assert len(live.fates) == 6
    assert live.figures.restarts == live.figures.resent == live.figures.stale == 0
    assert sum(counted.get("inferred", 0) for counted in live.figures.nodes.values()) == len(live.placements) == 6
    placed = set(live.placements.values())
    assert placed == {mesh: {"A", "B"}, onboard: {"A"}, bent_pipe: {"G"}}[decide]


def test_a_scheduler_of_ones_own_with_every_kind_of_decision_places_alike(stage: Any) -> None:
    live, virtual = check_alike(stage, burst(stage), Fickle, rate=RATE)
    assert live.fates["t4"] == ("dropped", "not worth it")
    assert len(live.orders(Cancel)) == len(virtual.orders(Cancel)) == 1
    assert live.placements["t1", 1] == "B"
    assert live.placements["t5", 0] == "G"
    refused = [(order.task, order.code) for order in live.orders(Rejected)]
    assert refused == [(order.task, order.code) for order in virtual.orders(Rejected)]
    assert set(refused) == {("nobody", "unknown_task")}


def test_hops_gaps_and_a_planned_fault_are_alike(stage: Any) -> None:
    """From A over B to C, which meets a station only later; meanwhile B's process is killed, and comes back."""
    links = [stage.laser("A", "B"), stage.laser("B", "C"), stage.radio("C", "G", 2.6)]
    tasks = [stage.task(f"t{k}", at_s, work_s=0.2, raw_bytes=100_000) for k, at_s in enumerate((0.1, 0.2, 1.2, 2.0))]
    faults = [NodeFailed(1.4, "B"), NodeRecovered(3.4, "B")]
    made = stage.build(links, tasks, faults, duration_s=60.0)

    def far(view: View) -> Iterator[Decision]:
        for task in view.waiting:
            yield Assign(task.id, "C" if task.id in ("t0", "t2") else "A", relay=True)

    live, _ = check_alike(stage, made, lambda: far)
    assert live.hops["t0", "raw"] == [("A", "B"), ("B", "C")]
    assert live.hops["t1", "result"] == [("A", "B"), ("B", "C"), ("C", "G")]  # B had passed it on, C kept it
    assert live.hops["t3", "result"] == [("A", "B"), ("B", "C"), ("C", "G")]  # it waited at A for B to come back
    assert live.placements == {("t0", 0): "C", ("t1", 0): "A", ("t2", 0): "C", ("t3", 0): "A"}
    assert [order.start_s >= 3.4 for order in live.orders(Run) if order.task == "t2"] == [True]
    assert {how for how, _ in live.fates.values()} == {"done"}
    assert len(live.fates) == 4
    assert live.figures.restarts == 0  # of processes that nobody had planned to kill


PIPELINE = """
[[pipeline.stages]]
name = "screen"
model = "cloud-screen"
passes = "clear"
exit = "cloudy"
[[pipeline.stages]]
name = "classify"
model = "light-squeezenet"
after = ["screen"]
[[pipeline.stages]]
name = "again"
model = "cloud-screen"
after = ["screen"]
[[pipeline.stages]]
name = "join"
model = "light-squeezenet"
after = ["classify", "again"]
takes = "outputs"
"""


def test_the_stages_of_a_pipeline_run_their_own_models_in_the_same_places(stage: Any) -> None:
    """A cascade with a join: the screen where the scene was taken, what follows on other satellites."""
    links = [stage.laser("A", "B"), stage.laser("B", "C"), *(stage.radio(name) for name in "ABC")]
    made = stage.build(links, [], duration_s=60.0, more=PIPELINE)
    fractions = {tile: made.runner.outcome("cloud-screen", tile).cloud_fraction for tile in range(12)}
    cloudy, clear = (next(t for t in fractions if sign * (fractions[t] - 0.5) > 0.3) for sign in (1, -1))
    tasks = [stage.task(f"t{n}", 0.1 + 0.4 * n, work_s=0.02, raw_bytes=100_000) for n in range(3)]
    tasks = [msgspec.structs.replace(task, tile=(clear, cloudy, clear)[n]) for n, task in enumerate(tasks)]
    made = dataclasses.replace(made, facts=[*made.facts, *(Captured(task.at_s, "A", task) for task in tasks)])

    def spread(view: View) -> Iterator[Decision]:
        for task in view.waiting:
            yield Assign(task.id, {"screen": "A", "classify": "B", "again": "A", "join": "C"}[task.stage])

    live, virtual = check_alike(stage, made, lambda: spread, rate=RATE)
    assert {name for name, _ in live.placements} == {
        "t0#screen", "t0#classify", "t0#again", "t0#join", "t1#screen",
        "t2#screen", "t2#classify", "t2#again", "t2#join",
    }  # fmt: skip
    assert live.placements["t2#join", 0] == "C"
    assert live.fates == {"t0": ("done", "clear"), "t1": ("done", "cloudy"), "t2": ("done", "clear")}
    sizes = {(order.task, order.what): order.size_bytes for order in live.orders(Send)}
    assert sizes == {(order.task, order.what): order.size_bytes for order in virtual.orders(Send)}
    assert sizes["t0#join", "classify"] == 4000 * round(20 * (1.0 - fractions[clear]))  # a thousand float32 a tile


def test_real_orbits_and_the_command_line_are_alike(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("three.toml").write_text(stage.scenario("AE", "I", duration_s=0.8) + "[imaging]\nscene_interval_s = 0.2\n")
    how = ("run", "three.toml", "--policy", "mesh", "--json")
    assert main([*how, "--out", "virtual"]) == 0
    assert main([*how, "--out", "live", "--engine", "live", "--late-budget", "3600"]) == 0
    capsys.readouterr()
    assert main(["replay", "live", "--json"]) == 0
    assert '"matches": true' in capsys.readouterr().out
    placements, fates = _of_trace(stage, "live")
    assert (placements, fates) == _of_trace(stage, "virtual")
    assert len(placements) >= 6
    assert {how for how, _ in fates.values()} == {"done"}


def _of_trace(stage: Any, name: str) -> tuple[Any, Any]:
    from emulator.trace import Trace

    played = stage.played([line for _, _, line in Trace(Path(name)).lines()])
    return played.placements, played.fates
