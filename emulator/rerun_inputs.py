"""What a recorded run was given: its world, the facts that nothing in it could change, what inference said.

Answers that the trace does not have, because another scheduler infers what that one did not, come from other tasks with
the same model and tile, else from the scenario's model itself.
"""

from collections.abc import Callable

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
from emulator.measured_runs import RunTimes, Tiles
from emulator.mission import answered
from emulator.scenario import LoadedScenario, Scenario
from emulator.trace import Trace
from emulator.world import World
from workloads.arrivals import UNIT_WORK
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
        self._alike: dict[tuple[str, int, int, int], Outcome] = {}
        self._filed = {name for name, profile in trace.world.models.items() if profile.sha256}  # models from files
        self.times = RunTimes({node.name: node.kind for node in trace.world.nodes})
        scenes: dict[str, Task] = {}
        find, tiles = work_of(trace.world.pipeline, scenes), Tiles(trace.world)
        for number, _, (event, orders) in trace.lines():
            if isinstance(event, GIVEN):
                self.facts.append(event)
            if isinstance(event, Captured):
                scenes[event.task.id] = event.task
            if isinstance(event, Finished):
                try:
                    task = find(event.task)
                except (KeyError, ValueError) as error:
                    raise TraceError(f"{trace.folder}: line {number}: {event.task!r} was never captured") from error
                self._outcomes[event.task] = event.outcome
                self._alike[self._key(task)] = event.outcome
                self.times.finish(event.at_s, event.node, event.run, tiles.ran_on(task, event.outcome))
            self.times.begin(orders)

    def infer(self, task: Task) -> Outcome:
        """What inference says of a task: as recorded, as of one alike, or as the model says now."""
        found = self._outcomes.get(task.id) or self._alike.get(self._key(task))
        if found is None:
            self.inferred += 1
            found = self._model()(task)
        return found

    def _key(self, task: Task) -> tuple[str, int, int, int]:
        """What answers depend on: model, tile, bytes of the scene; of a request, which no file answers, its length."""
        return task.model, task.tile, task.raw_bytes, 0 if task.model in self._filed else task.inferences

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
    """The scenario's own models, for answers that a trace does not have; of requests and batch jobs, their lengths.

    Raises `TraceError` where it has none.
    """
    from emulator.assemble import silent
    from emulator.scenario_models import open_models

    loaded = scenario_of(trace)
    unfiled = {name: 0.0 for name, profile in trace.world.models.items() if not profile.sha256}
    if loaded.scenario.workload is not None:
        tokens = {name: loaded.scenario.workload.bytes_per_token for name in unfiled if name != UNIT_WORK.name}
        unfiled |= tokens | {UNIT_WORK.name: float(loaded.scenario.products.load_product_bytes)}
    if unfiled and set(unfiled) >= set(trace.world.models):
        return lambda task: answered(task, unfiled[task.model])
    if loaded.scenario.models:
        names = ", ".join(loaded.scenario.models)
        text = f"the models {names} are files beside its scenario, which a trace does not hold: give it with --scenario"
        raise TraceError(f"{trace.folder}: another run infers what this one did not, and {text}")
    try:
        runner = open_models(loaded, silent)
    except WorkloadError as error:
        raise TraceError(f"{trace.folder}: its model cannot be run here: {error}") from error

    def infer(task: Task) -> Outcome:
        if task.model in unfiled:
            return answered(task, unfiled[task.model])
        return runner.outcome(task.model, task.tile, task.raw_bytes)

    return infer
