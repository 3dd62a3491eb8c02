"""The processors that a scenario's nodes compute with: presets and files, and what has to be said of them.

Decided in one place, before a run; the world that the core is told holds them whole.
"""

from emulator.processor_file import is_file, named
from emulator.scenario import LoadedScenario, Problem
from emulator.toml_text import Path as Field
from emulator.world import SATELLITE, STATION, World
from nodes.errors import NodeError
from nodes.processor import Processor, preset


def satellite_processor(loaded: LoadedScenario) -> Processor:
    """What every satellite computes with: a preset at the scenario's efficiency or power mode, or a file's."""
    carried = loaded.scenario.satellites
    if loaded.orbit is not None:
        return loaded.orbit
    if is_file(carried.processor):
        processor = named(carried.processor, loaded.folder)
    else:
        processor = preset(carried.processor, None if carried.power_mode else carried.efficiency or None)
    return processor.at_mode(carried.power_mode) if carried.power_mode else processor


def station_processors(loaded: LoadedScenario) -> dict[str, Processor]:
    """What each ground station computes with, by the station's name."""
    stations = loaded.scenario.stations
    if loaded.ground is not None:
        return {station.name: loaded.ground for station in stations}
    used = {name: named(name, loaded.folder) for name in sorted({station.processor for station in stations})}
    return {station.name: used[station.processor] for station in stations}


def refuse_rates(loaded: LoadedScenario, world: World) -> None:
    """Raise `ScenarioError` where a processor has no rate that one of the models could run at."""
    stations = {station.name: index for index, station in enumerate(loaded.scenario.stations)}
    problems: list[Problem] = []
    told: set[str] = set()
    for node in world.nodes:
        if node.processor is None or node.processor.name in told:
            continue
        for model in world.models.values():
            try:
                node.processor.precision_of(model, world.settings.precision)
            except NodeError as error:
                told.add(node.processor.name)
                path: Field = ("stations", stations[node.name]) if node.kind == STATION else ("satellites",)
                problems.append(((*path, "processor"), str(error)))
    if problems:
        raise loaded.refuse(problems)


def processor_notes(loaded: LoadedScenario, world: World) -> list[str]:
    """Of each processor: how much of its label it reaches, which file it is from, what of it is guessed or unknown."""
    scenario = loaded.scenario
    carried, notes = scenario.satellites, []
    processors = {node.processor.name: node.processor for node in world.nodes if node.processor is not None}
    satellites = satellite_processor(loaded)
    how = carried.power_mode or ("its file" if is_file(carried.processor) else carried.efficiency or "the preset's own")
    how = "--orbit" if loaded.orbit is not None else how
    sure = loaded.orbit is not None or is_file(carried.processor) or not (carried.power_mode or carried.efficiency)
    mark = "" if sure and "efficiency" not in satellites.guesses else " [guess]"
    notes.append(f"satellites reach {satellites.efficiency:g} of their label ({how}){mark}")
    files = set() if loaded.orbit is not None else {carried.processor}
    files |= set() if loaded.ground is not None else {station.processor for station in scenario.stations}
    for name in sorted(filter(is_file, files)):
        used = named(name, loaded.folder)
        count = len(used.calibrations)
        notes.append(f"processor {used.name}: from {name}, {count} model{'' if count == 1 else 's'} measured")
    for processor in processors.values():
        notes += told_of(processor, world)
    return notes


def told_of(processor: Processor, world: World) -> list[str]:
    """What is guessed or unknown of one processor, wherever it stands, and in what it runs the world's models."""
    name, notes = processor.name, []
    if processor.guesses:
        notes.append(f"processor {name}: {', '.join(processor.guesses)} [guess]")
    jobs = {model.name: processor.job(model, 1, 1, world.settings.precision) for model in world.models.values()}
    powers = [job.power_w for job in jobs.values()] or [processor.working_power_w]
    if processor.idle_power_w is None or None in powers:
        notes.append(f"processor {name}: its power is not known, so neither is energy")
    if processor.beyond_modes:
        notes.append(f"processor {name}: its power is that of its quickest measured point, which it exceeds")
    for model in world.models.values():
        runs = processor.precision_of(model, world.settings.precision)
        if runs != world.settings.precision:
            notes.append(f"processor {name}: {model.name} runs in {runs}, not {world.settings.precision}")
        measured_in = jobs[model.name].measured_in
        if measured_in and measured_in != runs:
            notes.append(
                f"processor {name}: {model.name} in {runs} is scaled from another precision: {measured_in} was "
                "measured there, no gain is assumed [guess]"
            )
    return notes


def exchanged_notes(notes: list[str], world: World, processor: Processor) -> list[str]:
    """A run's `notes` where `processor` takes the place of its satellites' own: theirs go, its own come."""
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for node in world.nodes:
        if node.processor is not None:
            names[node.kind == SATELLITE].add(node.processor.name)
    gone = tuple(f"processor {name}: " for name in names[True] - names[False])
    kept = [each for each in notes if not each.startswith(("satellites reach ", "satellites compute with ", *gone))]
    mark = " [guess]" if "efficiency" in processor.guesses else ""
    reach = f"satellites compute with {processor.name}, which reaches {processor.efficiency:g} of its label{mark}"
    return kept + [note for note in (reach, *told_of(processor, world)) if note not in kept]
