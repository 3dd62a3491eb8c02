"""What was measured, for replays on the level `measured`: how long runs took in a recorded run, and what hosts drew.

Rules: a time is of a task, as it asked there, on a kind of node, or the mean of those alike; runs that started together
as one batch have one time, which holds for that batch only. A measured time that a node's budget of operations does not
allow is refused, never clipped. Power that nobody counted stays the modelled one, and is called so.
"""

from collections.abc import Sequence
from math import isfinite
from statistics import fmean
from typing import NamedTuple

import msgspec

from emulator.errors import MeasuredError, TraceError
from emulator.live.metering import Energy
from emulator.orders import Order, Run
from emulator.state import NodeState, TaskState
from emulator.trace import Trace
from emulator.world import World
from nodes.ledger import RESOLUTION_S
from nodes.processor import Processor
from workloads.pipeline import Graph
from workloads.tasks import Outcome, Task

MOST_WORKS = 1_000_000  # nodes times models of a live run: thousands [guess]
Group = frozenset[str]


class RunTimes:
    """How long runs took in a trace; fed line by line."""

    def __init__(self, kinds: dict[str, str]) -> None:
        """`kinds`: of every node, by its name."""
        self.kinds = kinds
        self._begun: dict[tuple[str, int], tuple[float, Group]] = {}
        self._own_s: dict[tuple[str, str, str, int], tuple[float, Group]] = {}  # by task too: names recur
        self._alike_s: dict[tuple[str, str, int], list[float]] = {}  # by kind of node, model and inferences
        self._mean_s: dict[tuple[str, str, int], float] = {}  # of those, as asked for since the last run ended

    def begin(self, orders: Sequence[Order]) -> None:
        """Take notice of the runs among the orders of one fact."""
        for run, group in groups(orders):
            self._begun[run.task, run.run] = (run.start_s, group)

    def finish(self, at_s: float, node: str, run: int, task: Task) -> None:
        """A run ended."""
        begun = self._begun.pop((task.id, run), None)
        if begun is None:
            return
        start_s, group = begun
        kind = self.kinds.get(node, "")
        self._own_s[task.id, kind, task.model, task.inferences] = (at_s - start_s, group)
        if len(group) == 1:
            self._alike_s.setdefault((kind, task.model, task.inferences), []).append(at_s - start_s)
            self._mean_s.clear()

    def duration_s(self, task: Task, kind: str, group: Group) -> float | None:
        """What a run took there on that kind of node: this task's own, if it asked for the same, else the mean of
        those alike; None where nothing is known."""
        own = self._own_s.get((task.id, kind, task.model, task.inferences))
        if own is not None and own[1] == group:
            return own[0]
        alike = kind, task.model, task.inferences
        if len(group) > 1 or alike not in self._alike_s:
            return None
        if alike not in self._mean_s:
            self._mean_s[alike] = fmean(self._alike_s[alike])
        return self._mean_s[alike]


class Tiles:
    """How many tiles of its scene each stage of a pipeline ran on: what those before it passed; no order says it."""

    def __init__(self, world: World) -> None:
        self._graph = None if world.pipeline is None else Graph(world.pipeline, world.models)
        self._passed: dict[str, dict[str, int]] = {}  # by scene and stage

    def ran_on(self, work: Task, outcome: Outcome) -> Task:
        """A finished run's work, of all tiles of its scene, with those tiles that it ran on."""
        if self._graph is None:
            return work
        scene, _, stage = work.id.rpartition("#")
        passed = self._passed.setdefault(scene, {})
        tiles = self._graph.reaching(passed, work.inferences)[stage]
        passed[stage] = self._graph.passing(stage, tiles, work.inferences, outcome.cloud_fraction)
        return msgspec.structs.replace(work, inferences=tiles)


def groups(orders: Sequence[Order]) -> list[tuple[Run, Group]]:
    """The runs among the orders of one fact, each with the tasks that started with it as one batch."""
    runs = [order for order in orders if isinstance(order, Run)]
    together: dict[tuple[str, float], list[str]] = {}
    for run in runs:
        together.setdefault((run.node, run.start_s), []).append(run.task)
    return [(run, frozenset(together[run.node, run.start_s])) for run in runs]


def allowed_s(node: NodeState, state: TaskState, duration_s: float, source: str) -> float:
    """A measured time, if the node's budget allows it; what is below by the ledger's resolution is brought up to it.

    Raises `MeasuredError` with task and values for a time in which its operations cannot be done.
    """
    processor, job = node.spec.processor, state.job
    if processor is None or job is None:
        return duration_s
    peak_ops_per_s = processor.peak(job.precision)
    least_s = job.ops / peak_ops_per_s
    if duration_s < least_s - RESOLUTION_S:
        raise MeasuredError(
            f"task {state.task.id}: its run took {duration_s:.6g} s in {source}, but {job.ops:.6g} operations take "
            f"{least_s:.6g} s at least on {node.name}, whose processor {processor.name!r} has a peak of "
            f"{peak_ops_per_s:.6g} ops/s in {job.precision}: it was measured on a quicker one; give the replay that "
            "processor with --processor, or times of this one with --measured"
        )
    return max(duration_s, least_s)


class Power(NamedTuple):
    """Watts that hosts were measured to draw, by node and by kind of node; `idle_w` where that was measured."""

    by_node: dict[str, float]
    by_kind: dict[str, float]
    idle_w: float | None
    source: str


def measured_power(trace: Trace) -> tuple[Power | None, str]:
    """What a recorded live run measured, or None and why. Raises `TraceError` for a `live.json` that cannot be."""
    energy = measured_energy(trace)
    if energy is None:
        if trace.live() is None and not trace.closed and trace.header.engine == "live":
            return None, f"{trace.folder} was killed before its end, when power is written down"
        if trace.live() is None:
            return None, f"{trace.folder} was run on the {trace.header.engine} engine, which measures no power"
        return None, f"{trace.folder} is of a version that did not measure energy"
    drawn: dict[str, tuple[float, float]] = {}
    kinds = {node.name: node.kind for node in trace.world.nodes}
    for works in energy.works:
        if works.energy_j is not None and works.counted_s > 0.0:
            for key in (f"node {works.node}", f"kind {kinds.get(works.node, '')}"):
                joules, seconds = drawn.get(key, (0.0, 0.0))
                drawn[key] = (joules + works.energy_j, seconds + works.counted_s)
    if not drawn:
        why = "; ".join(sorted(set(energy.uncounted.values()))[:4]) or "no model was run"
        return None, f"{trace.folder} did not measure power, because {why}"
    mean_w = {key: joules / seconds for key, (joules, seconds) in drawn.items()}
    by_node = {key[5:]: power_w for key, power_w in mean_w.items() if key.startswith("node ")}
    by_kind = {key[5:]: power_w for key, power_w in mean_w.items() if key.startswith("kind ")}
    idle_w = None if any(node in energy.remote for node in by_node) else energy.idle_power_w  # of one host only
    return Power(by_node, by_kind, idle_w, "; ".join(sorted(set(energy.counters.values()))[:4])), ""


def measured_energy(trace: Trace) -> Energy | None:
    """What the hosts of a live run counted; None for other runs. Raises `TraceError` for what cannot be."""
    live = trace.live()
    if not isinstance(live, dict) or live.get("energy") is None:
        return None
    try:
        energy = msgspec.convert(live["energy"], Energy)
    except msgspec.ValidationError as error:
        raise TraceError(f"{trace.folder}/live.json: energy: {error}") from error
    _check(trace, energy)
    return energy


def _check(trace: Trace, energy: Energy) -> None:
    """A file from outside: counts and values within reason."""
    numbers = [energy.idle_power_w, energy.host_j]
    for works in energy.works[:MOST_WORKS]:
        numbers += [works.host_s, works.counted_s, works.energy_j]
    if len(energy.works) > MOST_WORKS or any(n is not None and not (isfinite(n) and n >= 0.0) for n in numbers):
        text = f"holds joules, watts or seconds below 0, or more than {MOST_WORKS} entries"
        raise TraceError(f"{trace.folder}/live.json: energy {text}: it was changed, or its counter is broken")


def powered(world: World, power: Power, kinds: Sequence[str]) -> World:
    """The world with measured power on nodes of these kinds; where idle was not measured, or is above, it is unknown.

    Energy above idle is then unknown there too. Times stay as they are.
    """
    nodes = []
    for node in world.nodes:
        power_w = power.by_node.get(node.name, power.by_kind.get(node.kind)) if node.kind in kinds else None
        if power_w is not None and node.processor is not None:
            node = msgspec.structs.replace(node, processor=_drawing(node.processor, power_w, power))
        nodes.append(node)
    return msgspec.structs.replace(world, nodes=nodes)


def _drawing(processor: Processor, power_w: float, power: Power) -> Processor:
    known = power.idle_w is None or power_w >= power.idle_w
    return msgspec.structs.replace(
        processor,
        idle_power_w=power.idle_w,
        busy_power_w=power_w if known else None,
        power_modes=(),
        calibrations=tuple(msgspec.structs.replace(each, power_w=None) for each in processor.calibrations),
        guesses=tuple(name for name in processor.guesses if "power" not in name),
        source=f"{processor.source}; power measured: {power.source}".lstrip("; "),
    )
