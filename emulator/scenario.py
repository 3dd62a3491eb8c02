"""A scenario: constellation, links, stations, workload, from a TOML file or by the name of one that ships.

Everything that cannot be is refused with file, line and field before anything runs; all problems at once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import msgspec

from emulator.errors import ProcessorError, ScenarioError
from emulator.explain import explain
from emulator.layers import Layer, inherited, place, read, shipped, table_of
from emulator.model_files import ModelFile
from emulator.model_uses import model_problems
from emulator.named_files import NamedFile, Stamps, named_files, scenario_sha256, stamps
from emulator.processor_file import named
from emulator.satellite_loads import SatelliteLoad
from emulator.toml_text import Path as Field
from emulator.toml_text import dotted, parse_path
from emulator.workload import Workload, workload_problems
from links.contacts import RADIO
from links.laser import LaserTerminals
from links.radio import Downlink, Uplink
from links.topology import Topology
from nodes.elements import Elements
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.processor import Processor, preset, presets
from nodes.station import GroundStation
from nodes.walker import Walker
from workloads.imaging import Imaging
from workloads.inference import Products
from workloads.pipeline import Pipeline

__all__ = ["Constellation", "Fault", "LoadedScenario", "Scenario", "load", "name_problem", "parse", "shipped"]

MOST_DURATION_S = 366 * 86400.0
MOST_NAME = 64  # characters
MOST_TILES = 65_536  # distinct tiles that are inferred: minutes of a core [guess]
KNOWLEDGE = ("global",)
PRECISIONS = ("int8", "fp16", "fp32")

OPTIONS = {"seed": "--seed", "duration_s": "--duration"}  # fields that the command line may replace
_FOLDER_NAME = re.compile(r"\w[\w .-]*")

Problem = tuple[Field, str]


class Constellation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The satellites, from exactly one of `elements`, `file` (TLE, OMM, OEM, STK) or `walker`; what each has."""

    elements: list[Elements] = []
    file: str | None = None
    walker: Walker | None = None
    processor: str = "tbc-744"  # a preset, or a TOML file in the scenario's folder
    efficiency: str = ""  # a named one in place of the preset's own; a file has its own
    power_mode: str = ""  # one of the processor's `power_modes`; empty: its own rate
    storage_bytes: float = 2.5e12  # 30 TB in all over twelve satellites [press]
    batch: int = 64
    batch_across: bool = False  # whether a launch takes several small tasks of one model together
    precision: str = "int8"
    loads: list[SatelliteLoad] = []  # what satellites draw by their telemetry, in place of the processor's idle power

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        found = []
        given = [bool(self.elements), self.file is not None, self.walker is not None]
        if sum(given) != 1:
            found.append(("", "give exactly one of elements, file or walker"))
        if not 0.0 < self.storage_bytes < float("inf"):
            found.append(("storage_bytes", f"is {self.storage_bytes}; a finite number of bytes above 0"))
        if not 1 <= self.batch <= 65536:
            found.append(("batch", f"is {self.batch}; 1 to 65536 inferences per launch"))
        if self.precision not in PRECISIONS:
            found.append(("precision", f"is {self.precision!r}; one of {', '.join(PRECISIONS)}"))
        return found


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node that dies at `at_s` and comes back, empty, at `recovers_s` (or never)."""

    node: str
    at_s: float
    recovers_s: float | None = None

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        found = []
        if not 0.0 <= self.at_s < float("inf"):
            found.append(("at_s", f"is {self.at_s}; seconds after the epoch, 0 or more"))
        if self.recovers_s is not None and not self.at_s < self.recovers_s < float("inf"):
            found.append(("recovers_s", f"is {self.recovers_s}; it must come after at_s = {self.at_s}"))
        return found


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole scenario. Units are in the names; instants are seconds after `epoch`."""

    name: str
    epoch: str
    satellites: Constellation
    stations: list[GroundStation]
    description: str = ""
    duration_s: float = 86400.0
    seed: int = 1
    knowledge: str = "global"
    decision_s: float = 0.0
    ephemeris_step_s: float = 60.0
    laser: LaserTerminals = LaserTerminals()
    topology: Topology = Topology()
    downlink: Downlink = Downlink()
    uplink: Uplink = Uplink()
    queue_bytes: float | None = None  # of one transmitter
    imaging: Imaging = Imaging()
    products: Products = Products()
    workload: Workload | None = None  # a mission's tasks, instead of scenes along the ground track
    pipeline: Pipeline | None = None  # what is done with every scene, instead of one run of imaging.model
    models: dict[str, str | ModelFile] = {}  # name -> an ONNX file, relative to the scenario
    faults: list[Fault] = []
    policies: tuple[str, ...] = ("bent-pipe", "onboard", "mesh")


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario with where it came from: its folder bounds every path it names."""

    scenario: Scenario
    layers: tuple[Layer, ...]  # its text, and those of what it extends
    folder: Path | None
    replaced: frozenset[str] = frozenset()  # fields given on the command line
    orbit: Processor | None = None  # what all satellites compute with instead: `compare --orbit`
    ground: Processor | None = None  # and all stations: `compare --ground`
    stamps: Stamps = ()  # of the files that it names, before any of them was read for a run

    @cached_property
    def files(self) -> tuple[NamedFile, ...]:
        """The files that it names with the sha256 of their content, read once. Raises `ScenarioError`."""
        return named_files(self)

    @cached_property
    def sha256(self) -> str:
        """Of the whole scenario, whatever it extends and however it is laid out, and of the files that it names."""
        return scenario_sha256(self, self.files)

    def refuse(self, problems: list[Problem]) -> ScenarioError:
        """One error that names source, line, field and problem of each."""
        lines = []
        for path, message in problems:
            if path and path[0] in self.replaced:
                lines.append(f"{OPTIONS[str(path[0])]} {message}")
            else:
                field = dotted(path)
                told = f"{place(self.layers, path)}: {field}: {message}{inherited(self.layers, path)}"
                lines.append(told if field else message)
        return ScenarioError("\n".join(lines))


def load(name: str, **overrides: Any) -> LoadedScenario:
    """Read a scenario by name or path; `overrides` (seed, duration_s) replace fields. Raises `ScenarioError`."""
    layer, folder = read(name)
    return _checked(layer, folder, overrides)


def parse(text: str, source: str, folder: Path | None, **overrides: Any) -> LoadedScenario:
    """Check a scenario's text in full. Raises `ScenarioError`."""
    return _checked(Layer(source, text), folder, overrides)


def name_problem(name: str) -> str:
    """What keeps a text from being the name of a node; empty if nothing does."""
    if name == RADIO:
        return f"is {name!r}, which in traces is what every satellite calls its radio; take another"
    if name.strip() and name.isprintable() and len(name) <= MOST_NAME:
        return ""
    return f"is {name[: 2 * MOST_NAME]!r}; a name is 1 to {MOST_NAME} characters that can be printed"


def _checked(layer: Layer, folder: Path | None, overrides: dict[str, Any]) -> LoadedScenario:
    table, layers = table_of(layer, folder)
    replaced = {key: value for key, value in overrides.items() if value is not None}
    table |= replaced
    try:
        scenario = msgspec.convert(table, Scenario)
    except msgspec.ValidationError as error:
        path, message = explain(error, table, Scenario)
        raise ScenarioError(f"{place(layers, path)}: {dotted(path)}: {message}{inherited(layers, path)}") from error
    loaded = LoadedScenario(scenario, layers, folder, frozenset(replaced))
    problems = _own_problems(scenario) + _parts_problems(scenario) + _name_problems(scenario)
    problems += _hardware_problems(loaded) + model_problems(loaded) + workload_problems(loaded)
    if problems:
        raise loaded.refuse(problems)
    return replace(loaded, stamps=stamps(loaded))


def _own_problems(scenario: Scenario) -> list[Problem]:
    found: list[Problem] = []
    try:
        Epoch(scenario.epoch)
    except NodeError as error:
        found.append((("epoch",), str(error)))
    if not 0.0 < scenario.duration_s <= MOST_DURATION_S:
        found.append((("duration_s",), f"is {scenario.duration_s}; above 0 and at most {MOST_DURATION_S} s"))
    if not 0 <= scenario.seed < 1 << 63:
        found.append((("seed",), f"is {scenario.seed}; 0 to 2^63 - 1"))
    if scenario.knowledge not in KNOWLEDGE:
        found.append((("knowledge",), f"is {scenario.knowledge!r}; one of {', '.join(KNOWLEDGE)}"))
    if not 0.0 <= scenario.decision_s <= 3600.0:
        found.append((("decision_s",), f"is {scenario.decision_s}; 0 to 3600 s"))
    if scenario.queue_bytes is not None and not 0.0 < scenario.queue_bytes < float("inf"):
        found.append((("queue_bytes",), f"is {scenario.queue_bytes}; finite and above 0, or leave it out"))
    if not 1.0 <= scenario.ephemeris_step_s <= 120.0:
        found.append((("ephemeris_step_s",), f"is {scenario.ephemeris_step_s}; 1 to 120 s (error 5.4 m at 120 s)"))
    if scenario.imaging.distinct_tiles > MOST_TILES:
        tiles = scenario.imaging.distinct_tiles
        found.append((("imaging", "distinct_tiles"), f"is {tiles}; 1 to {MOST_TILES}: each is inferred"))
    twice = sorted({name for name in scenario.policies if scenario.policies.count(name) > 1})
    if twice or not scenario.policies:
        text = f"names {', '.join(twice)} twice" if twice else "is empty"
        found.append((("policies",), f"{text}; name at least one scheduler, and each once"))
    return found


def _parts_problems(scenario: Scenario) -> list[Problem]:
    """What the parts say of themselves."""
    parts: list[tuple[Field, Any]] = [
        ((field,), getattr(scenario, field))
        for field in ("satellites", "laser", "topology", "downlink", "uplink", "imaging", "products")
    ]
    for field in ("stations", "faults"):
        parts += [((field, index), part) for index, part in enumerate(getattr(scenario, field))]
    parts += [(("satellites", "elements", index), part) for index, part in enumerate(scenario.satellites.elements)]
    parts += [(("satellites", "loads", index), part) for index, part in enumerate(scenario.satellites.loads)]
    for field in ("workload", "pipeline"):
        if getattr(scenario, field) is not None:
            parts.append(((field,), getattr(scenario, field)))
    if scenario.satellites.walker is not None:
        parts.append((("satellites", "walker"), scenario.satellites.walker))
    return [((*path, *parse_path(name)), message) for path, part in parts for name, message in part.problems()]


def _name_problems(scenario: Scenario) -> list[Problem]:
    """Names that cannot be shown, name no folder, or are taken."""
    found: list[Problem] = []
    if not _FOLDER_NAME.fullmatch(scenario.name) or len(scenario.name) > MOST_NAME:
        text = f"is {scenario.name[: 2 * MOST_NAME]!r}; results lie in a folder of this name: letters, digits, '-', "
        found.append((("name",), f"{text}'_', '.', blanks, {MOST_NAME} at most, a letter or digit first"))
    taken: set[str] = set()
    named: list[tuple[Field, str]] = [
        (("satellites", "elements", index, "name"), each.name)
        for index, each in enumerate(scenario.satellites.elements)
    ]
    named += [(("stations", index, "name"), each.name) for index, each in enumerate(scenario.stations)]
    for path, name in named:
        problem = name_problem(name) if name.strip() else ""  # a part refuses its own empty name
        if name in taken:
            problem = f"is {name!r}, which another node has; give each its own"
        taken.add(name)
        if problem:
            found.append((path, problem))
    return found


def _hardware_problems(loaded: LoadedScenario) -> list[Problem]:
    """Processors, efficiencies, power modes and precisions that there are not."""
    scenario, folder = loaded.scenario, loaded.folder
    carried = scenario.satellites
    own = partial(named, carried.processor, folder)
    wanted: list[tuple[Field, Callable[[], object]]] = [
        (("satellites", "processor"), own),
        (("satellites", "efficiency"), lambda: preset(presets()[0], carried.efficiency or None)),
        (("satellites", "power_mode"), lambda: own().at_mode(carried.power_mode) if carried.power_mode else None),
        (("satellites", "precision"), lambda: own().peak(carried.precision)),
    ]
    for index, station in enumerate(scenario.stations):
        wanted.append((("stations", index, "processor"), partial(named, station.processor, folder)))
    found: list[Problem] = []
    for path, make in wanted:
        try:
            make()
        except (NodeError, ProcessorError) as error:
            found.append((path, str(error)))
            if path == ("satellites", "processor"):
                return found  # the rest would only repeat it
    return found
