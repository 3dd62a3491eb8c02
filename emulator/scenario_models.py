"""The models of a scenario: opened, checked against the pipeline, run beforehand on the tiles that will need them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from emulator.model_files import where
from emulator.model_uses import model_uses
from emulator.scenario import LoadedScenario
from emulator.world import World
from workloads.errors import RefusedModel, WorkloadError
from workloads.inference import Runner
from workloads.pipeline import CLOUDY, Graph
from workloads.scenery.scenes import TileBank

if TYPE_CHECKING:
    from emulator.assemble import Bar


def open_models(loaded: LoadedScenario, bar: "Bar", *, images: bool = True) -> Runner:
    """Every model that is run, in one runner; none without `images`.

    Raises `ScenarioError` naming the field of the first that cannot be.
    """
    uses = model_uses(loaded.scenario) if images else []
    brought = set(loaded.scenario.models) if loaded.folder is not None else set()
    tried = bar("first run of the model, apart", 1.0) if any(name in brought for _, name in uses) else None
    fields = {name: ("models", name) if name in brought else field for field, name in reversed(uses)}
    try:
        runner = _runner(loaded, [name for _, name in uses])
    except RefusedModel as error:
        raise loaded.refuse([(fields[error.name], str(error))]) from error
    if tried is not None:
        tried(1.0)
    return runner


def _runner(loaded: LoadedScenario, names: Sequence[str]) -> Runner:
    scenario = loaded.scenario
    paths, digests = {}, {}
    for name in names:
        try:
            paths[name], digests[name] = where(scenario.models, loaded.folder, name)
        except WorkloadError as error:
            raise RefusedModel(name, str(error)) from error
    bank = TileBank(scenario.imaging.distinct_tiles)
    return Runner(paths, bank, scenario.products, batch=16, sha256=digests)


def refuse_stages(loaded: LoadedScenario, runner: Runner, world: World) -> None:
    """Raise `ScenarioError` for stages of which only the models themselves tell that they cannot be."""
    found = []
    stages = world.pipeline.stages if world.pipeline is not None else ()
    models = {stage.name: stage.model for stage in stages}
    for n, stage in enumerate(stages):
        if stage.screens and not runner.is_screen(stage.model):
            field = "passes" if stage.passes == "clear" else "exit"
            text = f"needs a cloud fraction, which {stage.model} does not answer: only a cloud screener does"
            found.append((("pipeline", "stages", n, field), text))
        for before in stage.after if stage.takes != "tiles" else ():
            if not world.models[models[before]].output_bytes:
                text = f"is {stage.takes!r}, but the size of what {models[before]} puts out is not known"
                found.append((("pipeline", "stages", n, "takes"), text))
    if found:
        raise loaded.refuse(list(found))


def warm_all(
    runner: Runner, world: World, inferences: int, tiles: Sequence[int], advance: Callable[[float], None]
) -> None:
    """Answer beforehand for all distinct tiles; in a pipeline, for each stage on those that can reach it."""
    total = float(max(1, len(tiles)))
    if world.pipeline is None:
        runner.warm(tiles, progress=lambda done, of: advance(float(done)))
        return
    graph = Graph(world.pipeline, world.models)
    passed: dict[int, dict[str, int]] = {tile: {} for tile in tiles}  # without those whose scene has ended
    for done, (name, stage) in enumerate(graph.stages.items(), 1):
        reached = [tile for tile, so_far in passed.items() if graph.reaching(so_far, inferences)[name]]
        runner.warm(reached, [stage.model])
        for tile in reached:
            outcome = runner.outcome(stage.model, tile)
            ran = graph.reaching(passed[tile], inferences)[name]
            passed[tile][name] = graph.passing(name, ran, inferences, outcome.cloud_fraction)
            if stage.exit == CLOUDY and outcome.label == CLOUDY:
                del passed[tile]
        advance(total * done / len(graph.stages))
