"""Reads off an assembled scenario what the crossover needs: its passes, its scenes, and what every model asks of one.

All models that ship, those of the onnx package and the scenario's own are counted; what cannot be is told, not run.
"""

from collections import Counter
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emulator.assemble import Assembled
from emulator.crossing.analysis import Demand, Downlink, Side
from emulator.events import Captured
from emulator.model_files import where
from emulator.world import SATELLITE, STATION
from links.contacts import RADIO, Contact
from links.delivery import Passes
from workloads.counting.graph import count
from workloads.errors import WorkloadError
from workloads.loading.opening import OpenModel
from workloads.loading.trial import open_tried
from workloads.models import light_models, shipped_models
from workloads.sessions import ROLE, SCREEN
from workloads.tasks import Task

MOST_STEPS = 200_000  # of contacts' rates: each is looked at some hundred times [guess]


def captured(assembled: Assembled) -> list[Task]:
    """The scenes of the whole run."""
    return [fact.task for fact in assembled.facts if isinstance(fact, Captured)]


def downlink(assembled: Assembled, scenes: list[Task]) -> Downlink:
    """The fleet of a scenario with its passes, repeating after the run's duration; all scenes are alike.

    In a constellation too large to look at whole, every n-th satellite stands for those after it, and the stations'
    processors count for as many fewer.
    """
    world = assembled.world
    satellites, every = _sample(assembled)
    kept = set(satellites)
    of = Counter(task.node for task in scenes)
    passes: dict[str, list[Contact]] = {name: [] for name in satellites}
    for contact in world.plan.contacts:
        if contact.kind == RADIO and contact.a in kept:
            passes[contact.a].append(contact)
    processors = {node.name: node.processor for node in world.nodes if node.processor is not None}
    stations = [node.name for node in world.nodes if node.kind == STATION and node.name in processors]
    settings = world.settings
    return Downlink(
        passes=Passes(passes, settings.duration_s),
        scenes_per_s=np.array([of[name] / settings.duration_s for name in satellites]),
        raw_bytes=assembled.loaded.scenario.imaging.raw_bytes,
        orbit=Side([processors[name] for name in satellites], settings.batch, settings.precision),
        ground=Side([processors[name] for name in stations], settings.batch, settings.precision, 1.0 / every),
    )


def captured_s(fleet: Downlink, scenes: list[Task]) -> list[NDArray[np.float64]]:
    """The instants at which each satellite of the fleet takes its scenes, rising."""
    times_s: dict[str, list[float]] = {name: [] for name in fleet.passes.satellites}
    for task in scenes:
        if task.node in times_s:
            times_s[task.node].append(task.at_s)
    return [np.array(sorted(each), dtype=np.float64) for each in times_s.values()]


def demands(assembled: Assembled, scenes: list[Task]) -> tuple[list[Demand], list[str]]:
    """What each model asks of one scene, the scenario's own first, and what could not be counted and why.

    A scene is read once: a model that takes images runs on as many tiles of its own size as have the pixels that the
    scenario's model sees; any other model runs once for each of the scenario's tiles.
    """
    scenario = assembled.loaded.scenario
    own, product_bytes = scenario.imaging.model, _product_bytes(assembled, scenes)
    clear_bytes = float(scenario.products.outcome(0.0, scenario.imaging.raw_bytes).product_bytes)
    screened_bytes = (
        product_bytes if assembled.runner.is_screen(own) else clear_bytes
    )  # no cloud is known: at most this
    found: list[Demand] = []
    notes: list[str] = []
    scene_pixels = 0
    for name, (path, sha256) in sorted(_paths(assembled).items(), key=lambda item: item[0] != own):
        try:
            model = open_tried(path, sha256=sha256, to_run=False)
            counted = count(model, name)
        except WorkloadError as error:
            notes.append(f"{name} is not in the crossover: {error}")
            continue
        if counted.uncounted:
            notes.append(f"{name} is not in the crossover: {len(counted.uncounted)} of its nodes cannot be counted")
            continue
        pixels, runs = _pixels(model), scenario.imaging.inferences
        if name == own:
            scene_pixels = runs * pixels
        elif pixels and scene_pixels:
            runs = -(-scene_pixels // pixels)
        screens = model.properties.get(ROLE) == SCREEN
        sent = screened_bytes if screens else float(scenario.products.load_product_bytes)
        sent = product_bytes if name == own else sent
        found.append(Demand(profile=counted.profile(), inferences=runs, product_bytes=sent))
    return found, notes


def _paths(assembled: Assembled) -> dict[str, tuple[Path, str]]:
    """Path of every model by its name, and the sha256 that it has to have ("": any)."""
    loaded = assembled.loaded
    models = loaded.scenario.models
    own = {name: where(models, loaded.folder, name) for name in models}
    return {name: (path, "") for name, path in (shipped_models() | light_models()).items()} | own


def _product_bytes(assembled: Assembled, scenes: list[Task]) -> float:
    """The mean bytes that are sent of a scene once the scenario's model has answered; 0 counts where none is."""
    tiles = Counter(task.tile for task in scenes)
    of = {task.tile: task for task in scenes}
    total = sum(assembled.infer(of[tile]).product_bytes * count for tile, count in tiles.items())
    return total / len(scenes)


def _pixels(model: OpenModel) -> int:
    """Of one image that the model takes: height times width of its first input; 0 if that is no image."""
    shape = model.tensors.shapes.get(model.inputs[0]) if model.inputs else None
    return prod(shape[2:]) if shape is not None and len(shape) == 4 else 0


def _sample(assembled: Assembled) -> tuple[list[str], int]:
    """The satellites to look at, and one of how many each is."""
    satellites = [node.name for node in assembled.world.nodes if node.kind == SATELLITE]
    steps = sum(len(c.bits_per_s) for c in assembled.world.plan.contacts if c.kind == RADIO)
    every = -(-steps // MOST_STEPS) or 1
    return satellites[::every], every
