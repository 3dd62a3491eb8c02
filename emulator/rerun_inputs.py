"""What a recorded run was given: its world, the facts that nothing in it could change, what inference said.

Answers that the trace does not have, because another scheduler infers what that one did not, come from other tasks with
the same model and tile, else from the scenario's model itself.
"""

from collections.abc import Callable
from statistics import fmean

import msgspec

from emulator.errors import TraceError
from emulator.events import (
    Captured,
    ContactClosed,
    ContactOpened,
    Event,
    Finished,
    NodeFailed,
    NodeRecovered,
    Offered,
    SunRose,
    SunSet,
)
from emulator.orders import Run
from emulator.scenario import LoadedScenario, Scenario
from emulator.trace import Trace
from emulator.world import World
from workloads.errors import WorkloadError
from workloads.pipeline import work_of
from workloads.tasks import Outcome, Task

GIVEN = (Captured, Offered, NodeFailed, NodeRecovered, ContactOpened, ContactClosed, SunRose, SunSet)

Fallback = Callable[[Task], Outcome]


class Inputs:
    """The inputs of a trace. `world` and `facts` may be replaced by those of another physics.

    `inferred` counts answers that had to be computed. Raises `TraceError` for a trace that is damaged.
    """

    def __init__(self, trace: Trace, fallback: Fallback | None = None) -> None:
        self.world: World = trace.world
        self.facts: list[Event] = []
        self.inferred = 0
        self._trace = trace
        self._fallback = fallback
        self._outcomes: dict[str, Outcome] = {}
        self._alike: dict[tuple[str, int, int], Outcome] = {}  # by model, tile, and bytes of the scene
        self._durations_s: dict[str, float] = {}
        self._of_kind_s: dict[tuple[str, str, int], list[float]] = {}  # by kind of node, model and inferences
        self._kinds = {node.name: node.kind for node in trace.world.nodes}
        self._works: dict[str, Task] = {}
        started_s: dict[tuple[str, int], float] = {}
        scenes: dict[str, Task] = {}
        find = work_of(trace.world.pipeline, scenes)
        for number, _, (event, orders) in trace.lines():
            if isinstance(event, GIVEN):
                self.facts.append(event)
            if isinstance(event, Captured):
                scenes[event.task.id] = event.task
            if isinstance(event, Finished):
                begun_s = started_s.pop((event.task, event.run), None)
                try:
                    task = find(event.task)
                except (KeyError, ValueError) as error:
                    raise TraceError(f"{trace.folder}: line {number}: {event.task!r} was never captured") from error
                self._finished(event, task, begun_s)
            for order in orders:
                if isinstance(order, Run):
                    started_s[order.task, order.run] = order.start_s
        self._find = find

    def infer(self, task: Task) -> Outcome:
        """What inference says of a task: as recorded, as of one alike, or as the model says now."""
        found = self._outcomes.get(task.id) or self._alike.get((task.model, task.tile, task.raw_bytes))
        if found is None:
            self.inferred += 1
            found = self._model()(task)
        return found

    def duration_s(self, task: str, node: str) -> float | None:
        """What a run took in the trace: of this task, else the mean of those alike; None where nothing is known."""
        known_s = self._durations_s.get(task)
        if known_s is not None:
            return known_s
        try:
            work = self._find(task)
        except (KeyError, ValueError):  # a task that the measured run did not have
            return None
        alike_s = self._of_kind_s.get((self._kinds.get(node, ""), work.model, work.inferences))
        return fmean(alike_s) if alike_s else None

    def _finished(self, event: Finished, task: Task, begun_s: float | None) -> None:
        self._outcomes[event.task] = event.outcome
        self._alike[task.model, task.tile, task.raw_bytes] = event.outcome
        if begun_s is not None:
            self._durations_s[event.task] = event.at_s - begun_s
            kind = self._kinds.get(event.node, "")
            self._of_kind_s.setdefault((kind, task.model, task.inferences), []).append(event.at_s - begun_s)

    def _model(self) -> Fallback:
        if self._fallback is None:
            self._fallback = scenario_model(self._trace)
        return self._fallback


def scenario_of(trace: Trace) -> LoadedScenario:
    """The scenario that a trace holds in full. Raises `TraceError` for a trace without one."""
    table = trace.header.scenario_table
    if table is None:
        raise TraceError(f"{trace.folder}: its header holds no scenario; schema 3 did not, and some replays do not")
    try:
        return LoadedScenario(msgspec.convert(table, Scenario), (), None)
    except msgspec.ValidationError as error:
        raise TraceError(f"{trace.folder}/header.json: scenario_table: {error}") from error


def scenario_model(trace: Trace) -> Fallback:
    """The scenario's own models, for answers that a trace does not have. Raises `TraceError` where it has none."""
    from emulator.assemble import silent
    from emulator.scenario_models import open_models

    loaded = scenario_of(trace)
    if loaded.scenario.models:
        names = ", ".join(loaded.scenario.models)
        text = f"the models {names} are files beside its scenario, which a trace does not hold: give it with --scenario"
        raise TraceError(f"{trace.folder}: another run infers what this one did not, and {text}")
    try:
        runner = open_models(loaded, silent)
    except WorkloadError as error:
        raise TraceError(f"{trace.folder}: its model cannot be run here: {error}") from error
    return lambda task: runner.outcome(task.model, task.tile, task.raw_bytes)
