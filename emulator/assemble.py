"""Turns a scenario into the world that every scheduler of a comparison shares: orbits, contacts, captures, models.

Computed once per run and read by all; schedulers differ, the sky does not. Instants that enter the core are rounded
to 1e-6 s, so that the last bits of sines do not reach a digest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emulator.connectivity import Connectivity, connectivity
from emulator.events import Captured, ContactClosed, ContactOpened, Event, NodeFailed, NodeRecovered, SunRose, SunSet
from emulator.hardware import processor_notes, refuse_rates, satellite_processor, station_processors
from emulator.mission import Mission, mission_tasks
from emulator.model_files import model_file
from emulator.model_uses import model_uses
from emulator.satellite_loads import measured_loads
from emulator.scenario import LoadedScenario, Scenario
from emulator.scenario_models import open_models, refuse_stages, warm_all
from emulator.scenes import nothing_captured, scene_tasks
from emulator.schedulers import load as load_scheduler
from emulator.sky import Sky, contacts, read_sky
from emulator.world import SATELLITE, STATION, NodeSpec, Settings, World
from links.contacts import ContactPlan
from nodes.orbit import Ephemeris, age_warnings
from nodes.sun import Shadow, shadow_intervals, sun_positions
from workloads.inference import Runner
from workloads.tasks import Outcome, Task

Bar = Callable[[str, float], Callable[[float], None]]
MOST_SCENES = 20_000_000  # that satellites could take in a run; each that they take costs about a kilobyte [guess]


def silent(title: str, total: float) -> Callable[[float], None]:
    """A progress bar that nobody sees."""
    return lambda value: None


@dataclass
class Assembled:
    """A scenario ready to run with any scheduler."""

    loaded: LoadedScenario
    sky: Sky
    world: World
    facts: list[Event]
    runner: Runner
    mission: Mission | None = None  # where the tasks are a mission's
    notes: list[str] = field(default_factory=list)

    @property
    def ephemeris(self) -> Ephemeris:
        """Of the satellites."""
        return self.sky.ephemeris

    def infer(self, task: Task) -> Outcome:
        """What the task's model says of its tile; of a request, its answer."""
        if self.mission is not None and task.model in self.mission.models:
            return self.mission.answer(task)
        return self.runner.outcome(task.model, task.tile, task.raw_bytes)

    def connectivity(self, at_s: float = 0.0) -> Connectivity:
        """Who sees whom."""
        return connectivity(self.world.plan, self.ephemeris.names, at_s)

    def sun_direction(self, at_s: float) -> NDArray[np.float64]:
        """Unit vector to the Sun, TEME."""
        sun = sun_positions(self.sky.epoch, np.array([at_s]))[0]
        return np.asarray(sun / np.sqrt(sun @ sun))


def assemble(
    loaded: LoadedScenario, policies: Sequence[str], bar: Bar = silent, *, infer: bool = True
) -> Assembled:  # fmt: skip
    """Everything that the schedulers share; `infer`: every tile is inferred now, as the virtual engine needs it.

    Refuses unknown schedulers first. Raises what `BAD_INPUT` holds.
    """
    scenario = loaded.scenario
    for policy in policies:
        load_scheduler(policy, lambda: 0.0)
    steps = bar("orbits and contacts", 4.0)
    sky = read_sky(loaded)
    if scenario.workload is None:  # before anything that takes time
        _refuse_too_many_scenes(loaded, len(sky.ephemeris.names))
    steps(1.0)
    plan = contacts(loaded, sky)
    steps(2.0)
    shadows = shadow_intervals(sky.ephemeris, sky.epoch, 0.0, scenario.duration_s)
    steps(3.0)
    mission = _mission(loaded, sky)
    tasks = mission.tasks if mission is not None else scene_tasks(loaded.scenario, sky)
    steps(4.0)
    runner = open_models(loaded, bar, images=mission is None or mission.images)
    world, load_notes = _world(loaded, sky, plan, shadows, runner, mission)
    refuse_stages(loaded, runner, world)
    refuse_rates(loaded, world)
    tiles = sorted({task.tile for task in tasks if task.model in runner.paths})
    if infer:
        advance = bar("inference", float(max(1, len(tiles))))
        warm_all(runner, world, scenario.imaging.inferences, tiles, advance)
    assembled = Assembled(loaded, sky, world, _facts(scenario, world, shadows, tasks), runner, mission)
    nothing = [] if tasks else [nothing_captured(scenario, sky)]
    assembled.notes += [*nothing, *_notes(assembled, len(tiles), infer), *load_notes]
    return assembled


def _world(
    loaded: LoadedScenario, sky: Sky, plan: ContactPlan, shadows: Sequence[Shadow], runner: Runner,
    mission: Mission | None,
) -> tuple[World, list[str]]:  # fmt: skip
    """What the core is told before the first fact, and notes on measured loads."""
    scenario = loaded.scenario
    loads, whose, load_notes = measured_loads(loaded, sky.ephemeris.names)
    world = World(
        nodes=_nodes(loaded, shadows, whose),
        plan=plan,
        models=runner.profiles | ({} if mission is None else mission.models),
        settings=Settings(
            duration_s=scenario.duration_s,
            batch=scenario.satellites.batch,
            precision=scenario.satellites.precision,
            decision_s=scenario.decision_s,
            knowledge=scenario.knowledge,
            queue_bytes=scenario.queue_bytes,
            batch_across=scenario.satellites.batch_across,
        ),
        pipeline=scenario.pipeline,
        loads=loads,
        silent=tuple(name for name in runner.paths if not runner.is_screen(name)),
        planned={} if mission is None else mission.planned,
    )
    return world, load_notes


def _nodes(loaded: LoadedScenario, shadows: Sequence[Shadow], whose: Mapping[str, int]) -> list[NodeSpec]:
    scenario, satellites = loaded.scenario, loaded.scenario.satellites
    processor = satellite_processor(loaded)
    nodes = [
        NodeSpec(
            name=shadow.satellite,
            kind=SATELLITE,
            processor=processor,
            storage_bytes=satellites.storage_bytes,
            sunlit=not any(start <= 0.0 < stop for start, stop in shadow.penumbra),
            laser_power_w=scenario.laser.power_w,
            radio_power_w=scenario.downlink.budget().power_w,
            load=whose.get(shadow.satellite),
        )
        for shadow in shadows
    ]
    ground = station_processors(loaded)
    return nodes + [NodeSpec(name=name, kind=STATION, processor=processor) for name, processor in ground.items()]


def _mission(loaded: LoadedScenario, sky: Sky) -> Mission | None:
    """The tasks of a mission's list, if the scenario has one."""
    workload = loaded.scenario.workload
    if workload is None:
        return None
    return mission_tasks(loaded, workload, sky.ephemeris.names, model_uses(loaded.scenario)[0][1])


def _refuse_too_many_scenes(loaded: LoadedScenario, satellites: int) -> None:
    scenario = loaded.scenario
    scenes = satellites * scenario.duration_s / scenario.imaging.scene_interval_s
    if scenes > MOST_SCENES:
        text = (
            f"{satellites} satellites, {scenario.duration_s} s and a scene every {scenario.imaging.scene_interval_s} s"
        )
        text += f" make {scenes:.3g} scenes; {MOST_SCENES} at most: a longer interval, or a shorter duration_s"
        raise loaded.refuse([(("imaging", "scene_interval_s"), text)])


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


def _notes(assembled: Assembled, tiles: int, inferred: bool) -> list[str]:
    """What is assumed, for the screen and the file: synthetic data and guesses by name."""
    scenario = assembled.loaded.scenario
    runner = assembled.runner
    models = list(runner.paths)
    notes = [] if assembled.mission is None else list(assembled.mission.notes)
    if models:
        notes += _scene_notes(assembled, models, tiles, inferred)
    notes += processor_notes(assembled.loaded, assembled.world)
    guessed_places = any("[guess]" in station.source for station in scenario.stations)
    notes.append(
        "defaults that nobody published [guess]: lasers' rate over range, terminals, power; radios' power and gains; "
        "storage; the Sun's least height; urgency, deadlines and sizes of products"
        + ("; places and antennas of the Chinese stations" if guessed_places else "")
        + " (docs/model.md)"
    )
    for model in models:
        if model in scenario.models:
            file = model_file(scenario.models, model).file
            notes.append(f"model {model}: {file}")
    notes += assembled.sky.notes
    notes += age_warnings(assembled.sky.elements, assembled.sky.epoch, scenario.duration_s)
    return notes


def _scene_notes(assembled: Assembled, models: Sequence[str], tiles: int, inferred: bool) -> list[str]:
    """What scenes show, and what the answers of models are worth."""
    scenario, runner = assembled.loaded.scenario, assembled.runner
    notes = [
        f"scenes are synthetic: each shows one of {tiles} procedural tiles, and "
        + (
            f"{runner.distinct_runs} runs of {' and '.join(models)} through onnxruntime decide them all"
            if inferred
            else f"one run of {' and '.join(models)} through onnxruntime on its node decides each; the modelled time "
            "is that of all its tiles"
        ),
    ]
    ran = "" if scenario.pipeline is None else "that it runs on "
    notes += [
        f"the answers of {model} mean nothing here: every scene {ran}counts as clear and yields "
        f"{scenario.products.load_product_bytes} bytes in orbit (products.load_product_bytes)"
        for model in models
        if not runner.is_screen(model)
    ]
    return notes
