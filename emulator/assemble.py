"""Turns a scenario into the world that every scheduler of a comparison shares: orbits, contacts, captures, models.

Computed once per run and read by all; schedulers differ, the sky does not. Instants that enter the core are rounded
to 1e-6 s, so that the last bits of sines do not reach a digest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emulator.connectivity import Connectivity, connectivity
from emulator.errors import BadInput
from emulator.events import Captured, ContactClosed, ContactOpened, Event, NodeFailed, NodeRecovered, SunRose, SunSet
from emulator.scenario import LoadedScenario, Scenario
from emulator.schedulers import load as load_scheduler
from emulator.world import SATELLITE, STATION, NodeSpec, Settings, World
from links.errors import LinkError
from links.network import Network
from links.plan import build_plan
from nodes.catalogue import read_elements
from nodes.elements import Elements
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.orbit import Ephemeris, age_warnings
from nodes.processor import Processor, preset
from nodes.station import Stations
from nodes.sun import Shadow, shadow_intervals, sun_positions
from nodes.track import subpoints, sun_elevation_deg
from workloads.errors import WorkloadError
from workloads.graph import profile
from workloads.imaging import capture_times, captures
from workloads.inference import Runner
from workloads.models import find_model
from workloads.scenes import TileBank
from workloads.tasks import Outcome, Task

Bar = Callable[[str, float], Callable[[float], None]]
PLANES_APART_DEG = 1.0  # nodes this close count as one plane when elements do not say


def silent(title: str, total: float) -> Callable[[float], None]:
    """A progress bar that nobody sees."""
    return lambda value: None


@dataclass
class Sky:
    """Where everything is: satellites, stations, and how they are meant to be joined."""

    epoch: Epoch
    elements: list[Elements]
    ephemeris: Ephemeris
    stations: Stations
    network: Network


@dataclass
class Assembled:
    """A scenario ready to run with any scheduler."""

    loaded: LoadedScenario
    sky: Sky
    world: World
    facts: list[Event]
    runner: Runner
    notes: list[str] = field(default_factory=list)

    @property
    def ephemeris(self) -> Ephemeris:
        """Of the satellites."""
        return self.sky.ephemeris

    def infer(self, task: Task) -> Outcome:
        """What the task's model says of its tile."""
        return self.runner.outcome(task.model, task.tile, task.raw_bytes)

    def connectivity(self, at_s: float = 0.0) -> Connectivity:
        """Who sees whom."""
        return connectivity(self.world.plan, self.ephemeris.names, at_s)

    def sun_direction(self, at_s: float) -> NDArray[np.float64]:
        """Unit vector to the Sun, TEME."""
        sun = sun_positions(self.sky.epoch, np.array([at_s]))[0]
        return np.asarray(sun / np.sqrt(sun @ sun))


def read_sky(loaded: LoadedScenario) -> Sky:
    """Orbits and stations of a scenario. Raises `ScenarioError` naming the field, or ElementsError."""
    scenario = loaded.scenario
    epoch = Epoch(scenario.epoch)
    elements = _elements(loaded)
    ephemeris = Ephemeris.propagate(elements, epoch, scenario.duration_s, scenario.ephemeris_step_s)
    stations = Stations(scenario.stations, epoch)
    shared = sorted(set(ephemeris.names) & set(stations.names))
    if shared:
        raise loaded.refuse([(("stations",), f"{', '.join(shared)}: a station cannot have a satellite's name")])
    plane, slot = _planes(elements)
    network = Network(
        satellites=ephemeris,
        sites=stations if scenario.stations else None,
        laser=scenario.laser,
        downlink=scenario.downlink,
        topology=scenario.topology,
        plane=plane,
        slot=slot,
        antennas=[station.antennas for station in scenario.stations],
        min_elevation_deg=[station.min_elevation_deg for station in scenario.stations],
    )
    return Sky(epoch, elements, ephemeris, stations, network)


def assemble(loaded: LoadedScenario, policies: Sequence[str], bar: Bar = silent) -> Assembled:
    """Everything that the schedulers share. Refuses unknown schedulers first. Raises what `BAD_INPUT` holds."""
    scenario = loaded.scenario
    for policy in policies:
        load_scheduler(policy, lambda: 0.0)
    steps = bar("orbits and contacts", 4.0)
    sky = read_sky(loaded)
    steps(1.0)
    try:
        plan = build_plan(sky.network, scenario.duration_s)
    except LinkError as error:
        raise loaded.refuse([(("topology",), str(error))]) from error
    steps(2.0)
    shadows = shadow_intervals(sky.ephemeris, sky.epoch, 0.0, scenario.duration_s)
    steps(3.0)
    tasks = _captures(scenario, sky)
    steps(4.0)
    runner, path = _runner(loaded)
    world = World(
        nodes=_nodes(loaded, shadows),
        plan=plan,
        models={scenario.imaging.model: profile(path, name=scenario.imaging.model)},
        settings=Settings(
            duration_s=scenario.duration_s,
            batch=scenario.satellites.batch,
            precision=scenario.satellites.precision,
            decision_s=scenario.decision_s,
            knowledge=scenario.knowledge,
        ),
    )
    tiles = sorted({task.tile for task in tasks})
    advance = bar("inference", float(max(1, len(tiles))))
    runner.warm(tiles, progress=lambda done, total: advance(float(done)))
    assembled = Assembled(loaded, sky, world, _facts(scenario, world, shadows, tasks), runner)
    assembled.notes += _notes(assembled, len(tiles))
    return assembled


def inside(folder: Path | None, name: str) -> Path:
    """A path that a scenario names, kept inside the scenario's folder. Raises `BadInput` for any other."""
    if folder is None:
        raise BadInput(f"{name!r}: a shipped scenario cannot name files")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise BadInput(f"{name!r} leads out of the scenario's folder {folder}; put the file inside it")
    return path


def _elements(loaded: LoadedScenario) -> list[Elements]:
    satellites = loaded.scenario.satellites
    if satellites.file is not None:
        try:
            return read_elements(inside(loaded.folder, satellites.file))
        except BadInput as error:
            raise loaded.refuse([(("satellites", "file"), str(error))]) from error
    if satellites.walker is not None:
        return satellites.walker.elements(loaded.scenario.epoch)
    return list(satellites.elements)


def _planes(elements: Sequence[Elements]) -> tuple[list[int], list[int]]:
    """Plane and slot of each satellite: as its elements say, or one plane for nodes that lie close together."""
    if all(each.plane is not None and each.slot is not None for each in elements):
        return [int(each.plane or 0) for each in elements], [int(each.slot or 0) for each in elements]
    order = sorted(range(len(elements)), key=lambda i: (elements[i].raan_deg, elements[i].name))
    plane = [0] * len(elements)
    number = 0
    for before, after in zip(order, order[1:], strict=False):
        gap_deg = elements[after].raan_deg - elements[before].raan_deg
        number += gap_deg > PLANES_APART_DEG
        plane[after] = number
    if number and (elements[order[0]].raan_deg + 360.0 - elements[order[-1]].raan_deg) <= PLANES_APART_DEG:
        plane = [0 if p == number else p for p in plane]  # the last group runs on across 0 degrees
    slot = [0] * len(elements)
    taken: dict[int, int] = {}
    for i in sorted(range(len(elements)), key=lambda i: elements[i].name):
        slot[i] = taken.get(plane[i], 0)
        taken[plane[i]] = slot[i] + 1
    return plane, slot


def _nodes(loaded: LoadedScenario, shadows: Sequence[Shadow]) -> list[NodeSpec]:
    scenario = loaded.scenario
    satellites = scenario.satellites
    problems = []
    try:
        processor = preset(satellites.processor, satellites.efficiency)
        processor.peak(satellites.precision)
    except NodeError as error:
        raise loaded.refuse([(("satellites", "processor"), str(error))]) from error
    nodes = [
        NodeSpec(
            name=shadow.satellite,
            kind=SATELLITE,
            processor=processor,
            storage_bytes=satellites.storage_bytes,
            sunlit=not any(start <= 0.0 < stop for start, stop in shadow.penumbra),
            laser_power_w=scenario.laser.power_w,
            radio_power_w=scenario.downlink.budget().power_w,
        )
        for shadow in shadows
    ]
    for index, station in enumerate(scenario.stations):
        try:
            nodes.append(NodeSpec(name=station.name, kind=STATION, processor=preset(station.processor)))
        except NodeError as error:
            problems.append((("stations", index, "processor"), str(error)))
    known = {node.name for node in nodes}
    for index, fault in enumerate(scenario.faults):
        if fault.node not in known:
            problems.append((("faults", index, "node"), f"{fault.node!r} is no node; there are {', '.join(sorted(known))}"))
    if problems:
        raise loaded.refuse(problems)
    return nodes


def _captures(scenario: Scenario, sky: Sky) -> list[Task]:
    """The scenes of every satellite along its true ground track."""
    tasks: list[Task] = []
    for row, name in enumerate(sky.ephemeris.names):
        times_s = capture_times(scenario.imaging, name, scenario.duration_s, scenario.seed)
        positions = sky.ephemeris.only(row).positions(times_s)
        lat_deg, lon_deg, _ = subpoints(positions, sky.epoch, times_s)
        height_deg = sun_elevation_deg(lat_deg, lon_deg, sky.epoch, times_s)
        tasks += captures(
            scenario.imaging, name, times_s, lat_deg[0], lon_deg[0], height_deg[0], scenario.seed
        )
    return tasks


def _runner(loaded: LoadedScenario) -> tuple[Runner, Path]:
    scenario = loaded.scenario
    name = scenario.imaging.model
    try:
        path = inside(loaded.folder, scenario.models[name]) if name in scenario.models else find_model(name)
        bank = TileBank(scenario.imaging.distinct_tiles)
        return Runner({name: path}, bank, scenario.products, batch=16), path
    except (BadInput, WorkloadError) as error:
        raise loaded.refuse([(("imaging", "model"), str(error))]) from error


def _facts(scenario: Scenario, world: World, shadows: Sequence[Shadow], tasks: Sequence[Task]) -> list[Event]:
    """All that is known beforehand, in no order."""
    facts: list[Event] = [Captured(task.at_s, task.node, task) for task in tasks]
    for number, contact in enumerate(world.plan.contacts):
        facts.append(ContactOpened(contact.start_s, contact.a, number))
        if contact.stop_s < scenario.duration_s:
            facts.append(ContactClosed(contact.stop_s, contact.a, number))
    for shadow in shadows:
        for start_s, stop_s in shadow.penumbra:
            if start_s > 0.0:
                facts.append(SunSet(round(start_s, 6), shadow.satellite))
            if stop_s < scenario.duration_s:
                facts.append(SunRose(round(stop_s, 6), shadow.satellite))
    for fault in scenario.faults:
        facts.append(NodeFailed(fault.at_s, fault.node))
        if fault.recovers_s is not None:
            facts.append(NodeRecovered(fault.recovers_s, fault.node))
    return facts


def _notes(assembled: Assembled, tiles: int) -> list[str]:
    """What is assumed, for the screen and the file: synthetic data and guesses by name."""
    scenario = assembled.loaded.scenario
    runner = assembled.runner
    notes = [
        f"scenes are synthetic: each of the captured scenes stands for one of {tiles} procedural tiles, and "
        f"{runner.distinct_runs} runs of {scenario.imaging.model} through onnxruntime decided them all"
    ]
    seen: set[str] = set()
    for node in assembled.world.nodes:
        processor: Processor | None = node.processor
        if processor is not None and processor.guesses and processor.name not in seen:
            seen.add(processor.name)
            notes.append(f"processor {processor.name}: {', '.join(processor.guesses)} are guesses [guess]")
    if scenario.imaging.model in {name for name in scenario.models}:
        notes.append(f"model {scenario.imaging.model}: {scenario.models[scenario.imaging.model]}")
    notes += age_warnings(assembled.sky.elements, assembled.sky.epoch, scenario.duration_s)
    return notes


