"""Reads off an assembled scenario what the crossover needs: its passes, its scenes, and what every model asks of one.

All models that ship, those of the onnx package and the scenario's own are counted; what cannot be is told, not run.
Models that only a calibration of the processors knows are taken as they were counted then: there is no file to read.
"""

from collections import Counter
from math import isqrt, prod
from pathlib import Path

import msgspec
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
from workloads.scenery import captions
from workloads.scenery.scenes import TILE_PX
from workloads.sessions import ROLE, SCREEN
from workloads.tasks import ModelProfile, Task

MOST_STEPS = 200_000  # of contacts' rates: each is looked at some hundred times [guess]
CHANNELS = (3, 4)  # of the images that a model is taken to want of which only its input bytes are known [guess]
FLOAT32_BYTES = 4  # an element of them [guess]
LEAST_PX = 32  # a side of such an image; fewer bytes are taken for none [guess]


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
        passes=Passes(passes, settings.duration_s, stations),
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

    A scene is read once: a model that takes images runs on as many tiles of its own size as have the pixels of the
    scenario's tiles; any other model, and the scenario's own as in its run, once for each of these. Decoders of
    captions are left out unless they are the scenario's own: a report takes many inferences, and another model before.
    """
    scenario = assembled.loaded.scenario
    own, product_bytes = scenario.imaging.model, _product_bytes(assembled, scenes)
    clear_bytes = float(scenario.products.outcome(0.0, scenario.imaging.raw_bytes).product_bytes)
    screened_bytes = (
        product_bytes if assembled.runner.is_screen(own) else clear_bytes
    )  # no cloud is known: at most this
    found: list[Demand] = []
    seen: set[str] = set()
    notes = ["the crossover is of single models, not of the scenario's pipeline"] if scenario.pipeline else []
    tiles = scenario.imaging.inferences
    for name, (path, sha256) in sorted(_paths(assembled).items(), key=lambda item: item[0] != own):
        try:
            model = open_tried(path, sha256=sha256, to_run=False)
            seen.add(model.sha256)
            counted = count(model, name)
        except WorkloadError as error:
            notes.append(f"{name} is not in the crossover: {error}")
            continue
        if counted.uncounted:
            notes.append(f"{name} is not in the crossover: {len(counted.uncounted)} of its nodes cannot be counted")
            continue
        if model.properties.get(ROLE) == captions.ROLE:
            notes.append(
                f"{name} is {'counted as one byte' if name == own else 'not in the crossover'}: {captions.ONE_BYTE}"
            )
            if name != own:
                continue
        runs = _runs(tiles, _pixels(model))
        if name == own and runs != tiles:
            notes.append(_as_it_runs(name, tiles, runs))
            runs = tiles
        screens = model.properties.get(ROLE) == SCREEN
        sent = screened_bytes if screens else float(scenario.products.load_product_bytes)
        sent = product_bytes if name == own else sent
        found.append(Demand(profile=counted.profile(), inferences=runs, product_bytes=sent))
    taken = {demand.profile.name for demand in found}
    for profile in _calibrated(assembled, seen, taken):
        runs = _runs(tiles, _guessed_pixels(profile))
        sent = float(scenario.products.load_product_bytes)
        found.append(Demand(profile=profile, inferences=runs, product_bytes=sent, from_calibration=True))
    return found, notes


def _runs(tiles: int, pixels: int) -> int:
    """How often a model of images of so many pixels (0: of none) runs on a scene of `tiles` tiles of the imager."""
    return -(-tiles * TILE_PX**2 // pixels) if pixels else tiles


def _as_it_runs(name: str, tiles: int, runs: int) -> str:
    return (
        f"{name} runs {tiles:,} times a scene, as imaging.inferences says; "
        f"its own images would cover the {TILE_PX} x {TILE_PX} tiles of the others with {runs:,}"
    )


def _calibrated(assembled: Assembled, seen: set[str], taken: set[str]) -> list[ModelProfile]:
    """The models that were measured on a processor of the world and are no file of those `seen`, by sha256, each once.

    One whose name is `taken` gets the beginning of its sha256 as well.
    """
    profiles: dict[str, ModelProfile] = {}
    for node in assembled.world.nodes:
        for each in node.processor.calibrations if node.processor is not None else ():
            if each.profile.sha256 not in seen:
                profiles.setdefault(each.profile.sha256 or each.profile.name, each.profile)
    named = []
    names = set(taken)
    for key, profile in profiles.items():
        name = profile.name if profile.name not in names else f"{profile.name} {key[:8]}"
        names.add(name)
        named.append(msgspec.structs.replace(profile, name=name))
    return named


def _guessed_pixels(profile: ModelProfile) -> int:
    """Of the square image whose float32 bytes a model takes as its input; 0 if there is none [guess]."""
    for channels in CHANNELS:
        pixels, rest = divmod(profile.input_bytes, channels * FLOAT32_BYTES)
        if not rest and isqrt(pixels) ** 2 == pixels and pixels >= LEAST_PX**2:
            return pixels
    return 0


def _paths(assembled: Assembled) -> dict[str, tuple[Path, str]]:
    """Path of every model by its name, and the sha256 that it has to have ("": any)."""
    loaded = assembled.loaded
    models = loaded.scenario.models
    own = {name: where(models, loaded.folder, name) for name in [*models, loaded.scenario.imaging.model]}
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
