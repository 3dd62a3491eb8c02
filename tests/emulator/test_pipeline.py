"""Pipelines in the core: small ones worked out by hand, and random ones of which certain things must always hold.

Raw tiles are 1,000 bytes of 10 tiles unless told otherwise, so 100 bytes a tile; an output is 50 bytes a tile; an
inference takes 0.1 s. Links carry 1,000 bytes a second, a laser's light takes 0.25 s, a radio's 0.125 s.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, cycle
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emulator.core import Core
from emulator.decisions import CODES, Assign, Downlink, Drop, Preempt, WakeAt
from emulator.events import Captured, Delivered, Event, Finished, NodeFailed, NodeRecovered
from emulator.ledger import counts
from emulator.orders import Cancel, End, Order, Rejected, Run, Send
from emulator.recorder import Recorder
from emulator.report import summarise
from emulator.schedulers import load
from emulator.state import ENDED
from emulator.virtual import run
from emulator.world import World
from workloads.arrivals import NEVER_S, UNIT_WORK
from workloads.pipeline import Graph, Pipeline, Stage
from workloads.streams import stream, uniforms
from workloads.tasks import Outcome, Task

TILES = 10
OPS = 100_000_000  # of an inference: 0.1 s of the processors here
OUTPUT_BYTES = 50  # a tile
ANSWER_BYTES = 200
SUMMARY_BYTES = 20
MODELS = {
    name: msgspec.structs.replace(UNIT_WORK, name=name, ops=OPS, output_bytes=OUTPUT_BYTES) for name in ("m", "n")
}
FRACTIONS = (0.0, 0.25, 0.5, 0.8, 1.0)  # of cloud, by tile
CLEAR, QUARTER, HALF, CLOUDY, SOLID = range(5)

CASCADE = Pipeline(
    stages=(
        Stage(name="screen", model="m", passes="clear", exit="cloudy"),
        Stage(name="detect", model="n", after=("screen",)),
    )
)
DIAMOND = Pipeline(
    stages=(
        Stage(name="a", model="m"),
        Stage(name="b", model="m", after=("a",), takes="outputs"),
        Stage(name="c", model="n", after=("a",), takes="outputs"),
        Stage(name="d", model="n", after=("b", "c"), takes="both"),
    )
)


def infer(task: Task) -> Outcome:
    """The screen's answers: above 0.7 of cloud a summary of 20 bytes, else 200; nothing where all is cloud."""
    fraction = FRACTIONS[task.tile]
    if fraction == 1.0:
        return Outcome("cloudy", fraction, 0)
    return Outcome("cloudy", fraction, SUMMARY_BYTES) if fraction > 0.7 else Outcome("clear", fraction, ANSWER_BYTES)


class Sim:
    """A run that has ended."""

    def __init__(self, core: Core, lines: list[tuple[Event, list[Order]]], digest: str) -> None:
        self.core, self.lines, self.digest = core, lines, digest

    def orders(self, kind: type) -> list[Any]:
        return [order for _, orders in self.lines for order in orders if type(order) is kind]

    def runs(self) -> list[tuple[str, str, float]]:
        return [(r.node, r.task, r.start_s) for r in self.orders(Run)]

    def sends(self) -> list[tuple[str, str, str, str, int]]:
        return [(s.node, s.to, s.task, s.what, s.size_bytes) for s in self.orders(Send)]

    def fates(self) -> dict[str, tuple[str, str, float]]:
        return {o.task: (o.how, o.reason, e.at_s) for e, orders in self.lines for o in orders if type(o) is End}

    def stored(self) -> dict[str, int]:
        return {name: node.stored_bytes for name, node in self.core.nodes.items() if node.stored_bytes}


class Door:
    """Records facts and orders, and looks at the core after each."""

    def __init__(self, core: Core, look: Callable[[Core], None] = lambda core: None) -> None:
        self.core, self.look = core, look
        self.recorder = Recorder(core)
        self.lines: list[tuple[Event, list[Order]]] = []

    def handle(self, event: Event) -> list[Order]:
        orders = self.recorder.handle(event)
        self.lines.append((event, orders))
        self.look(self.core)
        return orders


def play(world: World, facts: Iterable[Event], decide: Any, look: Callable[[Core], None] = lambda core: None) -> Sim:
    core = Core(world, decide)
    door = Door(core, look)
    run(door, facts, world.settings.duration_s, infer, None, world.pipeline)
    return Sim(core, door.lines, door.recorder.digest())


@pytest.fixture
def go(lab):
    """Runs scenes through a pipeline in a world of few words."""

    def made(
        pipeline: Pipeline, decide: Any, tasks: Sequence[Task], contacts: Sequence[Any] = (),
        faults: Sequence[Any] = (), **world: Any,
    ) -> Sim:  # fmt: skip
        built = msgspec.structs.replace(lab.world(contacts, **world), models=MODELS, pipeline=pipeline)
        return play(built, lab.facts(built, tasks, faults), decide)

    return made


def scene(
    name: str = "t", at_s: float = 0.0, node: str = "A", tile: int = CLEAR, priority: int = 0, **more: Any
) -> Task:
    fields = {"raw_bytes": 1000, "inferences": TILES} | more
    return Task(name, at_s, node, fields["raw_bytes"], "", fields["inferences"], tile, NEVER_S, priority)


def by_stage(**nodes: str) -> Callable[[Any], Iterator[Any]]:
    """A scheduler that sends each stage to a node."""

    def decide(view: Any) -> Iterator[Any]:
        for task in view.waiting:
            yield Assign(task.id, nodes[task.stage], relay=False)

    return decide


# by hand


def test_a_cascade_runs_the_second_model_on_the_clear_tiles_only(go, lab) -> None:
    sim = go(CASCADE, by_stage(screen="A", detect="A"), [scene(tile=QUARTER)], [lab.radio("A")])
    assert sim.runs() == [("A", "t#screen", 0.0), ("A", "t#detect", 1.0)]
    assert sim.fates() == {"t": ("done", "clear", pytest.approx(1.0 + 0.8 + 0.2 + 0.125))}  # 8 of 10: 7.5, rounded up
    assert sim.core.nodes["A"].budget.ops == 18 * OPS
    assert sim.sends() == [("A", "G", "t#detect", "result", ANSWER_BYTES)]
    assert sim.stored() == {}


def test_only_the_clear_tiles_travel_to_where_the_second_stage_runs(go, lab) -> None:
    contacts = [lab.laser("A", "B"), lab.radio("B")]
    sim = go(CASCADE, by_stage(screen="A", detect="B"), [scene(tile=HALF)], contacts)
    assert sim.sends() == [("A", "B", "t#detect", "raw", 500), ("B", "G", "t#detect", "result", ANSWER_BYTES)]
    assert sim.runs() == [("A", "t#screen", 0.0), ("B", "t#detect", 1.0 + 0.5 + 0.25)]
    assert sim.stored() == {}


def test_raw_tiles_go_along_with_the_first_stage_and_are_not_sent_again(go, lab) -> None:
    sim = go(CASCADE, by_stage(screen="B", detect="B"), [scene(tile=HALF)], [lab.laser("A", "B"), lab.radio("B")])
    assert sim.sends()[0] == ("A", "B", "t#screen", "raw", 1000)
    assert len([send for send in sim.sends() if send[3] == "raw"]) == 1
    assert sim.fates()["t"][0] == "done"


def test_a_cloudy_scene_ends_after_the_screen(go, lab) -> None:
    tasks = [scene(tile=CLOUDY), scene("u", 2.0, tile=SOLID)]
    sim = go(CASCADE, by_stage(screen="A", detect="A"), tasks, [lab.radio("A")])
    assert [task for _, task, _ in sim.runs()] == ["t#screen", "u#screen"]
    assert sim.sends() == [("A", "G", "t#screen", "result", SUMMARY_BYTES)]
    assert {name: fate[:2] for name, fate in sim.fates().items()} == {
        "t": ("done", "cloudy"), "u": ("dropped", "cloudy"),
    }  # fmt: skip
    assert sim.stored() == {}


def test_without_a_clear_tile_there_is_nothing_to_run_even_where_no_rule_ends_the_scene(go, lab) -> None:
    stages = (msgspec.structs.replace(CASCADE.stages[0], exit="never"), CASCADE.stages[1])
    sim = go(Pipeline(stages=stages), by_stage(screen="A", detect="A"), [scene(tile=SOLID)], [lab.radio("A")])
    assert [task for _, task, _ in sim.runs()] == ["t#screen"]
    assert sim.fates()["t"][:2] == ("dropped", "cloudy")


def test_a_join_waits_for_all_and_fetches_from_where_each_was_left(go, lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("A", "C"), lab.laser("B", "C"), lab.radio("C")]
    sim = go(DIAMOND, by_stage(a="A", b="B", c="A", d="C"), [scene()], contacts)
    assert sim.sends() == [
        ("A", "B", "t#b", "a", 10 * OUTPUT_BYTES),  # the outputs of a, of which c has its own copy where they were made
        ("A", "C", "t#d", "raw", 1000),
        ("B", "C", "t#d", "b", 10 * OUTPUT_BYTES),
        ("A", "C", "t#d", "c", 10 * OUTPUT_BYTES),
        ("C", "G", "t#d", "result", ANSWER_BYTES),
    ]
    b_ends_s = 1.0 + 0.5 + 0.25 + 1.0
    assert sim.runs() == [
        ("A", "t#a", 0.0), ("A", "t#c", 1.0), ("B", "t#b", 1.75), ("C", "t#d", b_ends_s + 1.5 + 0.25),
    ]  # fmt: skip  # raw and c's outputs share one laser, b's outputs have their own
    assert sim.stored() == {}


def test_bent_pipe_sends_the_scene_down_once_and_does_everything_there(go, lab) -> None:
    two_roots = Pipeline(stages=(Stage(name="a", model="m"), Stage(name="b", model="n"), DIAMOND.stages[1]))
    roots = Pipeline(
        stages=(
            *two_roots.stages[:2],
            Stage(name="d", model="n", after=("a", "b"), takes="outputs"),
        )
    )
    sim = go(roots, load("bent-pipe", lambda: 0.0), [scene()], [lab.radio("A")])
    assert sim.sends() == [("A", "G", "t#a", "raw", 1000)]
    assert [(node, task) for node, task, _ in sim.runs()] == [("G", "t#a"), ("G", "t#b"), ("G", "t#d")]
    assert sim.fates() == {"t": ("done", "clear", pytest.approx(1.125 + 3.0))}
    assert sim.orders(Rejected) == []
    assert sim.stored() == {}


def test_a_whole_scene_stays_where_it_was_put_and_is_not_asked_about_again(go, lab) -> None:
    asked: list[str] = []

    def decide(view: Any) -> Iterator[Any]:
        for task in view.waiting:
            asked.append(task.id)
            yield Assign(task.id, "B", whole=True)

    sim = go(CASCADE, decide, [scene()], [lab.laser("A", "B"), lab.radio("B")])
    assert asked == ["t#screen"]
    assert [(node, task) for node, task, _ in sim.runs()] == [("B", "t#screen"), ("B", "t#detect")]


def test_the_view_says_where_each_input_lies(go, lab) -> None:
    seen: dict[str, Any] = {}

    def decide(view: Any) -> Iterator[Any]:
        for task in view.waiting:
            seen[task.stage] = (task.scene, task.model, task.inferences, task.raw_bytes, task.at, task.inputs)
            if task.stage == "d":
                seen["fetch"] = {name: view.fetch_s(task, name) for name in "AB"}
            yield Assign(task.id, {"a": "A", "b": "B", "c": "A", "d": "A"}[task.stage])

    go(DIAMOND, decide, [scene()], [lab.laser("A", "B"), lab.radio("A")])
    assert seen["a"] == ("t", "m", 10, 1000, "A", (("A", 1000, "raw"),))
    assert seen["c"] == ("t", "n", 10, 500, "A", (("A", 500, "a"),))
    assert seen["d"] == ("t", "n", 10, 2000, "A", (("A", 1000, "raw"), ("A", 500, "c"), ("B", 500, "b")))
    assert seen["fetch"] == {"A": 0.5 + 0.25, "B": 1.0 + 0.25}


def test_a_join_in_pieces_can_only_come_down_at_one_named_station(go, lab) -> None:
    script: list[tuple[str, str]] = []

    def decide(view: Any) -> Iterator[Any]:
        script.extend((r.decision.task, r.code) for r in view.rejected)
        for task in view.waiting:
            if task.stage != "d":
                yield Assign(task.id, {"a": "A", "b": "B", "c": "A"}[task.stage])
            else:
                yield Downlink(task.id, "G" if script else None)

    contacts = [lab.laser("A", "B"), lab.radio("A", "G"), lab.radio("B", "G")]
    sim = go(DIAMOND, decide, [scene()], contacts)
    assert script == [("t#d", "needs_station")]
    assert ("G", "t#d") in [(node, task) for node, task, _ in sim.runs()]
    assert sim.fates()["t"][0] == "done"
    assert sim.stored() == {}


def test_a_scene_is_lost_with_data_that_a_later_stage_needs(go, lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("A", "C"), lab.radio("C")]
    sim = go(DIAMOND, by_stage(a="A", b="B", c="A", d="C"), [scene()], contacts, [NodeFailed(2.5, "B")])
    assert sim.fates() == {"t": ("lost", "B failed", 2.5)}  # b was running there
    assert sim.stored() == {}
    assert len([order for order in sim.orders(Run) if order.task == "t#d"]) == 0


def test_a_stage_bound_for_a_node_that_dies_waits_again_with_its_data(go, lab) -> None:
    def decide(view: Any) -> Iterator[Any]:
        for task in view.waiting:
            place = {"a": "A", "b": "B", "c": "A", "d": "C" if view.node("C").up else "A"}[task.stage]
            yield Assign(task.id, place, relay=False)

    contacts = [lab.laser("A", "B"), lab.laser("A", "C"), lab.laser("B", "C"), lab.radio("A")]
    sim = go(DIAMOND, decide, [scene()], contacts, [NodeFailed(3.0, "C")])  # b ended at 2.75, d's data are under way
    assert [(node, task) for node, task, _ in sim.runs()][-1] == ("A", "t#d")
    assert sim.fates()["t"][0] == "done"
    assert sim.stored() == {}


TWO_ROOTS = Pipeline(stages=(Stage(name="far", model="n"), Stage(name="near", model="m")))


@pytest.mark.parametrize(("near", "fails_s"), [("E", 3.0), ("B", 3.375)])  # the near stage's raw data, or its answer
def test_what_comes_back_of_a_scene_that_is_lost_with_other_data_goes_nowhere(go, lab, near, fails_s) -> None:
    """C dies while it sends the far stage's data to D, and B has something of the same scene on its way to C."""
    contacts = [lab.laser("A", "B"), lab.laser("B", "C"), lab.laser("C", "D"), lab.laser("C", "E"), lab.radio("C")]
    contacts += [lab.laser("B", "F", 20.0), lab.radio("F", "G", 20.0)]  # another way down for what B still has

    def decide(view: Any) -> Iterator[Any]:
        for task in view.waiting:
            yield Assign(task.id, {"far": "D", "near": near}[task.stage])

    faults = [NodeFailed(fails_s, "C")]
    sim = go(TWO_ROOTS, decide, [scene()], contacts, faults, satellites="ABCDEF")  # its ledger is checked at the end
    sends = sim.orders(Send)
    assert {(s.node, s.to) for s in sends if s.start_s + s.size_bytes / 1000 > fails_s} == {("C", "D"), ("B", "C")}
    assert all(send.start_s < fails_s for send in sends)
    assert sim.fates() == {"t": ("lost", "C failed", fails_s)}
    assert sim.stored() == {}


def test_urgent_scenes_are_urgent_in_every_stage(go, lab) -> None:
    tasks = [scene("x"), scene("y", 0.1), scene("z", 0.2, priority=5)]
    sim = go(CASCADE, by_stage(screen="A", detect="A"), tasks, [lab.radio("A")])
    assert [task for _, task, _ in sim.runs()] == [
        "x#screen", "z#screen", "z#detect", "y#screen", "x#detect", "y#detect",
    ]  # fmt: skip


# batches across tasks


def batched(lab: Any, tasks: Sequence[Task], decide: Any, batch: int = 8, faults: Sequence[Any] = ()) -> Sim:
    world = lab.world([lab.radio("A")])
    slow = {name: msgspec.structs.replace(model, weight_bytes=0) for name, model in MODELS.items()}
    world = msgspec.structs.replace(
        world, models=slow, settings=msgspec.structs.replace(world.settings, batch=batch, batch_across=True)
    )
    return play(world, lab.facts(world, tasks, faults), decide)


def small(name: str, at_s: float, model: str = "m", inferences: int = 3, priority: int = 0) -> Task:
    return Task(name, at_s, "A", 100, model, inferences, CLEAR, NEVER_S, priority)


def test_a_launch_takes_queued_tasks_of_its_model_until_the_batch_is_full(lab) -> None:
    tasks = [small("p", 0.0), small("q", 0.1), small("r", 0.125), small("s", 0.15), small("x", 0.175, "n")]
    sim = batched(lab, tasks, lab.everywhere("A"))
    spans = [(order.task, order.start_s, order.finish_s) for order in sim.orders(Run)]
    assert spans == [
        ("p", 0.0, pytest.approx(0.3)),  # nobody waited yet
        ("q", pytest.approx(0.3), pytest.approx(0.9)), ("r", pytest.approx(0.3), pytest.approx(0.9)),  # 6 of 8; 9 no
        ("s", pytest.approx(0.9), pytest.approx(1.2)), ("x", pytest.approx(1.2), pytest.approx(1.5)),
    ]  # fmt: skip
    assert sim.core.nodes["A"].budget.ops == 15 * OPS
    assert sim.core.nodes["A"].budget.busy_s == pytest.approx(1.5)
    assert sim.core.nodes["A"].budget.runs == 4  # the two that ran together are one


def test_nothing_less_urgent_goes_before_what_is_left_behind(lab) -> None:
    tasks = [
        small("p", 0.0), small("q", 0.1, priority=3), small("x", 0.125, "n", priority=2), small("r", 0.15, priority=1),
    ]  # fmt: skip
    sim = batched(lab, tasks, lab.everywhere("A"))
    assert [order.task for order in sim.orders(Run)] == ["p", "q", "x", "r"]
    equal = [small("p", 0.0), small("q", 0.1), small("x", 0.125, "n"), small("r", 0.15)]
    assert [order.task for order in batched(lab, equal, lab.everywhere("A")).orders(Run)] == ["p", "q", "r", "x"]


@pytest.mark.parametrize("out", ["q", "r"])
def test_one_that_is_taken_out_of_a_launch_leaves_the_others_to_their_end(lab, out) -> None:
    def decide(view: Any) -> Iterator[Any]:
        if view.trigger == "woken" and view.now_s == 0.5:
            yield Preempt(out)
        if view.now_s == 0.0:
            yield WakeAt(0.5)
        if view.trigger == "finished" or view.now_s < 0.3:
            yield from (Assign(task.id, "A") for task in view.waiting)

    sim = batched(lab, [small("p", 0.0), small("q", 0.1), small("r", 0.125)], decide)
    other = {"q": "r", "r": "q"}[out]
    assert [order.task for order in sim.orders(Cancel)] == [out]
    finished_s = {event.task: event.at_s for event, orders in sim.lines if type(event) is Finished if orders}
    assert finished_s[other] == pytest.approx(0.9)
    assert [(task, start_s) for _, task, start_s in sim.runs()][-1] == (out, pytest.approx(0.9))
    assert sim.core.nodes["A"].budget.ops == 9 * OPS


def test_a_launch_that_dies_is_lost_with_all_that_ran_in_it(lab) -> None:
    tasks = [small("p", 0.0), small("q", 0.1), small("r", 0.125)]
    sim = batched(lab, tasks, lab.everywhere("A"), faults=[NodeFailed(0.4375, "A")])
    assert {task: fate[:2] for task, fate in sim.fates().items()} == {
        "p": ("lost", "A failed"), "q": ("lost", "A failed"), "r": ("lost", "A failed"),
    }  # fmt: skip
    assert sim.core.nodes["A"].budget.ops == 3 * OPS
    assert sim.core.nodes["A"].budget.busy_s == pytest.approx(0.4375)


# drawn at random

DURATION_S = 30.0
EXAMPLES = 250
DRAWN = settings(
    derandomize=True, deadline=None, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


class Chaos:
    """Decides at random on what waits, and at times on what does not."""

    def __init__(self, seed: int, nodes: str) -> None:
        self.numbers = cycle(uniforms(stream(seed, "test"), 4_999).tolist())
        self.nodes = nodes
        self.wake_s = 0.0

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[int(next(self.numbers) * len(choices))]

    def decide(self, view: Any) -> Iterator[Any]:
        if view.now_s >= self.wake_s:
            self.wake_s = view.now_s + 2.0 + 2.0 * next(self.numbers)
            yield WakeAt(self.wake_s)
        known = sorted(view._core.work)
        for task in view.waiting:
            kind = next(self.numbers)
            if kind < 0.7:
                yield Assign(task.id, self.pick(self.nodes), self.pick((True, False)), self.pick((False, False, True)))
            elif kind < 0.8:
                yield Downlink(task.id, self.pick((None, *self.nodes)), self.pick((True, False)))
            elif kind < 0.82:
                yield Drop(task.id, "chaos")
        if known and next(self.numbers) < 0.3:
            yield Preempt(self.pick(known))


class Case(NamedTuple):
    """A world, what happens in it, and who decides."""

    world: World
    facts: list[Event]
    policy: str
    seed: int

    def scheduler(self) -> Any:
        if self.policy == "chaos":
            return Chaos(self.seed, "".join(node.name for node in self.world.nodes))
        numbers = cycle(uniforms(stream(self.seed, "test"), 4_999).tolist())
        return load(self.policy, lambda: next(numbers))


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Any graph of one to five stages."""
    stages: list[Stage] = []
    for name in "abcde"[: draw(st.integers(1, 5))]:
        after = tuple(stage.name for stage in stages if draw(st.booleans()))
        stages.append(
            Stage(
                name=name, model=draw(st.sampled_from(["m", "n"])), after=after,
                takes=draw(st.sampled_from(["tiles", "outputs", "both"])) if after else "tiles",
                passes=draw(st.sampled_from(["all", "all", "clear"])),
                exit=draw(st.sampled_from(["never", "never", "never", "cloudy"])),
            )
        )  # fmt: skip
    pipeline = Pipeline(stages=tuple(stages))
    assert pipeline.problems() == []
    return pipeline


@st.composite
def cases(draw: st.DrawFn, lab: Any) -> Case:
    """Any small world with a pipeline."""
    satellites = "ABCD"[: draw(st.integers(2, 4))]
    stations = "GH"[: draw(st.integers(1, 2))]
    number = iter(range(1, 10_000))

    def instant(low: int, high: int) -> float:
        return draw(st.integers(low * 4, high * 4)) / 4.0 + next(number) * 2.0**-14  # no two are the same

    def stretch(longest: int) -> tuple[float, float]:
        start_s = instant(0, 6)
        return start_s, min(DURATION_S, start_s + draw(st.integers(1, longest)))

    contacts = [lab.laser(a, b, *stretch(30)) for a, b in combinations(satellites, 2) if draw(st.integers(0, 4))]
    contacts += [
        lab.radio(a, draw(st.sampled_from(stations)), *stretch(30)) for a in satellites if draw(st.integers(0, 3))
    ]
    limited = {name: {"storage_bytes": 2500.0} for name in satellites if not draw(st.integers(0, 3))}
    queue_bytes = draw(st.sampled_from([None, None, None, 3000.0]))
    world = lab.world(
        contacts, satellites=satellites, stations=stations, specs=limited, duration_s=DURATION_S,
        batch_across=draw(st.booleans()), decision_s=draw(st.sampled_from([0.0, 0.0, 0.25])), queue_bytes=queue_bytes,
    )  # fmt: skip
    settings = msgspec.structs.replace(world.settings, batch=draw(st.sampled_from([1, 8, 30])))
    world = msgspec.structs.replace(world, models=MODELS, pipeline=draw(pipelines()), settings=settings)
    sizes, counted = st.sampled_from([0, 300, 1000, 2001]), st.sampled_from([1, 3, 10])
    tasks = [
        scene(
            f"t{n}", instant(0, 12), draw(st.sampled_from(satellites)), draw(st.integers(0, 4)),
            draw(st.integers(0, 2)), raw_bytes=draw(sizes), inferences=draw(counted),
        )
        for n in range(draw(st.integers(2, 8)))
    ]  # fmt: skip
    faults: list[Event] = []
    for _ in range(draw(st.integers(0, 2))):
        node, failed_s = draw(st.sampled_from(satellites + stations)), instant(0, 15)
        faults.append(NodeFailed(failed_s, node))
        if draw(st.booleans()):
            faults.append(NodeRecovered(failed_s + draw(st.integers(1, 8)), node))
    policy = draw(st.sampled_from(["chaos", "chaos", "chaos", "mesh", "onboard", "bent-pipe"]))
    return Case(world, lab.facts(world, tasks, faults), policy, draw(st.integers(0, 99)))


@pytest.fixture(scope="module")
def drawn(lab: Any) -> list[Case]:
    """The worlds that all properties are checked on: to draw them takes longer than to play them."""
    found: list[Case] = []

    @settings(DRAWN, max_examples=EXAMPLES)
    @given(cases(lab))
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return found


def never_overfull(core: Core) -> None:
    """Storage is never negative, and holds no more than there is room for, answers and outputs apart."""
    made = sum(s.outcome.product_bytes for s in core.work.values() if s.outcome is not None)
    made += sum(OUTPUT_BYTES * s.task.inferences for s in core.work.values() if s.finished_s >= 0.0)
    for node in core.nodes.values():
        assert 0 <= node.stored_bytes <= node.storage_bytes + made


def test_no_scene_is_lost_or_doubled_and_nothing_stays_behind(drawn) -> None:
    seen: set[str] = set()
    for case in drawn:
        sim = play(case.world, case.facts, case.scheduler(), never_overfull)  # its ledger is checked at the end
        total = counts(sim.core)
        assert total.captured == total.done + total.dropped + total.lost + total.pending
        ends = [order.task for order in sim.orders(End)]
        captured = [event.task.id for event, _ in sim.lines if type(event) is Captured]
        assert sorted(sim.core.tasks) == sorted(captured)
        assert len(ends) == len(set(ends)) == total.captured - total.pending
        assert set(ends) <= set(captured)
        assert set(sim.core.consultation.rejections) <= set(CODES)
        if not total.pending:
            assert sim.stored() == {}
            assert not sim.core.waiting
            assert not sim.core.transport.in_flight
            assert not any(node.queue or node.running for node in sim.core.nodes.values())
        seen.update(f"{how}: {reason.split()[-1]}" for how, reason, _ in sim.fates().values())
        seen.update(f"pending: {part.stage}" for part in sim.core.work.values() if part.stage != ENDED)
    wanted = {"done: clear", "done: cloudy", "dropped: cloudy", "dropped: chaos", "lost: failed", "lost: full"}
    assert seen >= wanted | {"pending: waiting", "pending: moving", "pending: returning"}


class Witness:
    """Follows a run by its facts and orders alone: who has which data, and how many tiles each stage passed on."""

    def __init__(self, case: Case) -> None:
        assert case.world.pipeline is not None
        self.stages = {stage.name: stage for stage in case.world.pipeline.stages}
        self.scenes = {event.task.id: event.task for event in case.facts if type(event) is Captured}
        self.passed: dict[tuple[str, str], int] = {}  # by scene and stage
        self.at = {(task.id, "raw"): {task.node} for task in self.scenes.values()}
        self.sent: dict[tuple[str, str], Send] = {}
        self.running: dict[int, Run] = {}

    def reaching(self, name: str, stage: str) -> int:
        before = self.stages[stage].after
        return min((self.passed[name, each] for each in before), default=self.scenes[name].inferences)

    def hear(self, event: Event) -> None:
        if type(event) is Delivered and (event.task, event.what) in self.sent:
            send = self.sent[event.task, event.what]
            if event.what != "result" and send.to == event.node and event.at_s >= send.deliver_s:
                self.at[event.task.rpartition("#")[0], event.what].add(event.node)
        if type(event) is Finished and event.run in self.running:
            order = self.running.pop(event.run)
            assert event.at_s >= order.finish_s
            self.finished(order.task.rpartition("#")[0], order.task.rpartition("#")[2], order.node)

    def finished(self, name: str, stage: str, node: str) -> None:
        tiles, ran = self.scenes[name].inferences, self.reaching(name, stage)
        clear = int(tiles * (1.0 - FRACTIONS[self.scenes[name].tile]) + 0.5)
        self.passed[name, stage] = min(ran, clear) if self.stages[stage].passes == "clear" else ran
        self.at.setdefault((name, stage), set()).add(node)
        for other in self.stages.values():  # what no tile reaches passes none
            if any(self.passed.get((name, before)) == 0 for before in other.after):
                self.passed.setdefault((name, other.name), 0)

    def check(self, order: Any) -> None:
        name, _, stage = getattr(order, "task", "").rpartition("#")
        if type(order) is Send:
            self.sent[order.task, order.what] = order
            if order.what != "result":
                task, tiles = self.scenes[name], self.reaching(name, stage)
                raw_bytes = -(-task.raw_bytes * tiles // task.inferences)
                assert order.size_bytes == (raw_bytes if order.what == "raw" else OUTPUT_BYTES * tiles)
                assert order.node in self.at[name, order.what], "sent by who does not have it"
        if type(order) is Run:
            self.running[order.run] = order
            assert self.reaching(name, stage) > 0
            if self.stages[stage].takes != "outputs":
                assert order.node in self.at[name, "raw"], "run where the tiles are not"
            for before in self.stages[stage].after if self.stages[stage].takes != "tiles" else ():
                assert order.node in self.at[name, before], "run where the outputs are not"
        if type(order) is Cancel:
            del self.running[order.run]


def test_what_runs_and_moves_follows_from_the_graph_and_from_what_was_answered(drawn) -> None:
    runs = moved = 0
    for case in drawn:
        sim, witness = play(case.world, case.facts, case.scheduler()), Witness(case)
        for event, orders in sim.lines:
            if type(event) is NodeFailed:
                witness.running = {n: order for n, order in witness.running.items() if order.node != event.node}
            witness.hear(event)
            for order in orders:
                witness.check(order)
        runs += len(sim.orders(Run))
        moved += sum(send.what != "result" for send in sim.orders(Send))
    assert runs > 5 * len(drawn)
    assert moved > 2 * len(drawn)


def test_operations_stay_within_budget_times_time(drawn) -> None:
    def within(core: Core) -> None:
        for node in core.nodes.values():
            assert node.budget is not None
            assert node.budget.ops <= 1e9 * core.now_s + 1.0
            assert node.budget.busy_s <= core.now_s + 1e-9

    together = 0
    for case in drawn[:150]:
        sim = play(case.world, case.facts, case.scheduler(), within)
        done = sum(s.task.inferences * OPS for s in sim.core.work.values() if s.finished_s >= 0.0)
        assert done == sum(node.budget.ops for node in sim.core.nodes.values())
        starts = [(order.node, order.start_s) for order in sim.orders(Run)]
        together += len(starts) - len(set(starts))
    assert together > 10  # tasks that started with another


def test_what_happened_replays(drawn) -> None:
    for case in drawn[:60]:
        sim = play(case.world, case.facts, case.scheduler())
        world = msgspec.json.decode(msgspec.json.encode(case.world), type=World)
        core = Core(world, case.scheduler())
        recorder = Recorder(core)
        for event, orders in sim.lines:
            assert recorder.handle(event) == orders
        assert recorder.digest() == sim.digest
        assert summarise(core, "x", sim.digest) == summarise(sim.core, "x", sim.digest)


def test_one_stage_that_answers_is_a_scene_without_a_pipeline(drawn) -> None:
    """The same places, times and ends, whichever way it is written."""
    one = Pipeline(stages=(Stage(name="s", model="m"),))
    for case in drawn[:80]:
        piped = play(msgspec.structs.replace(case.world, pipeline=one), case.facts, load("mesh", lambda: 0.0))
        facts = [
            msgspec.structs.replace(f, task=msgspec.structs.replace(f.task, model="m")) if type(f) is Captured else f
            for f in case.facts
        ]
        plain = play(msgspec.structs.replace(case.world, pipeline=None), facts, load("mesh", lambda: 0.0))
        assert piped.fates() == plain.fates()
        assert [(n, t.removesuffix("#s"), s) for n, t, s in piped.runs()] == plain.runs()
        assert [(a, b, t.removesuffix("#s"), *r) for a, b, t, *r in piped.sends()] == plain.sends()


# what a file may say


@pytest.mark.parametrize(
    ("stages", "field", "text"),
    [
        ((), "stages", "has 0 stages; give 1 to 32"),
        ((Stage(name="a#b", model="m"),), "stages[0].name", "is 'a#b'"),
        ((Stage(name="raw", model="m"),), "stages[0].name", "none of raw"),
        ((Stage(name="a", model="m"), Stage(name="a", model="m")), "stages[1].name", "which another stage has"),
        ((Stage(name="a", model=""),), "stages[0].model", "is empty"),
        ((Stage(name="a", model="m", after=("a",)),), "stages[0].after", "no stage above this one"),
        ((Stage(name="a", model="m"), Stage(name="b", model="m", after=("a", "a"))), "stages[1].after", "stage once"),
        ((Stage(name="a", model="m", takes="outputs"),), "stages[0].takes", "no stage comes before"),
    ],
)  # fmt: skip
def test_pipelines_that_cannot_be(stages, field, text) -> None:
    problems = Pipeline(stages=stages).problems()
    assert [name for name, _ in problems] == [field]
    assert text in problems[0][1]


@pytest.mark.parametrize(("fraction", "passed"), [(0.0, 10), (0.04, 10), (0.06, 9), (0.5, 5), (0.96, 0), (1.0, 0)])
def test_the_clear_share_to_the_nearest_tile(fraction, passed) -> None:
    assert Graph(CASCADE, MODELS).passing("screen", 10, 10, fraction) == passed
    assert Graph(CASCADE, MODELS).passing("screen", 3, 10, fraction) == min(3, passed)
    assert Graph(CASCADE, MODELS).passing("detect", 7, 10, fraction) == 7
