"""A scenario: constellation, links, stations, workload, from a TOML file or by the name of one that ships.

Everything that cannot be is refused with file, line and field before anything runs; all problems at once.
"""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from emulator.errors import ScenarioError
from emulator.toml_text import line_of, parse_path
from links.laser import LaserTerminals
from links.radio import Downlink
from links.topology import Topology
from nodes.elements import Elements
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.station import GroundStation
from nodes.walker import Walker
from workloads.imaging import Imaging
from workloads.inference import Products

MOST_BYTES = 16 << 20  # of a scenario file
MOST_EXTENDS = 8
MOST_DURATION_S = 366 * 86400.0
KNOWLEDGE = ("global",)
PRECISIONS = ("int8", "fp16", "fp32")

Problem = tuple[tuple[str | int, ...], str]


class Constellation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The satellites, from exactly one of `elements`, `file` (TLE or OMM) or `walker`, and what each carries."""

    elements: list[Elements] = []
    file: str | None = None
    walker: Walker | None = None
    processor: str = "tbc-744"
    efficiency: str = "embedded"
    storage_bytes: float = 2.5e12  # 30 TB in all over twelve satellites [press]
    batch: int = 64
    precision: str = "int8"

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        found = []
        given = [bool(self.elements), self.file is not None, self.walker is not None]
        if sum(given) != 1:
            found.append(("", "give exactly one of elements, file or walker"))
        if not 0.0 < self.storage_bytes < float("inf"):
            found.append(("storage_bytes", f"{self.storage_bytes}; a finite number of bytes above 0"))
        if not 1 <= self.batch <= 65536:
            found.append(("batch", f"{self.batch}; 1 to 65536 inferences per launch"))
        if self.precision not in PRECISIONS:
            found.append(("precision", f"{self.precision!r}; one of {', '.join(PRECISIONS)}"))
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
            found.append(("at_s", f"{self.at_s}; seconds after the epoch, 0 or more"))
        if self.recovers_s is not None and not self.at_s < self.recovers_s < float("inf"):
            found.append(("recovers_s", f"{self.recovers_s}; it must come after at_s = {self.at_s}"))
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
    imaging: Imaging = Imaging()
    products: Products = Products()
    models: dict[str, str] = {}  # name -> path of an ONNX file, relative to the scenario
    faults: list[Fault] = []
    policies: tuple[str, ...] = ("bent-pipe", "onboard", "mesh")


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario with where it came from: its folder bounds every path it names."""

    scenario: Scenario
    source: str
    text: str
    folder: Path | None

    @property
    def sha256(self) -> str:
        """Of the whole scenario in one canonical form, whatever it extends and however it is laid out."""
        return hashlib.sha256(msgspec.json.encode(self.scenario, order="sorted")).hexdigest()

    def refuse(self, problems: list[Problem]) -> ScenarioError:
        """One error that names source, line, field and problem of each."""
        lines = []
        for path, message in problems:
            number = line_of(self.text, path)
            where = f"{self.source}:{number}" if number else self.source
            field = _dotted(path)
            lines.append(f"{where}: {field}: {message}" if field else f"{where}: {message}")
        return ScenarioError("\n".join(lines))


def shipped() -> list[str]:
    """Names of the scenarios that ship."""
    return sorted(p.name[:-5] for p in files("emulator.scenarios").iterdir() if p.name.endswith(".toml"))


def load(name: str, **overrides: Any) -> LoadedScenario:
    """Read a scenario by name or path; `overrides` (seed, duration_s) replace fields. Raises `ScenarioError`."""
    text, folder = _read(name)
    return parse(text, name if folder is not None else f"{name}.toml", folder, **overrides)


def parse(text: str, source: str, folder: Path | None, **overrides: Any) -> LoadedScenario:
    """Check a scenario's text in full. Raises `ScenarioError`."""
    table = _table(text, source, folder, 0)
    table.update({key: value for key, value in overrides.items() if value is not None})
    try:
        scenario = msgspec.convert(table, Scenario)
    except msgspec.ValidationError as error:
        raise _explain(error, text, source) from error
    loaded = LoadedScenario(scenario, source, text, folder)
    problems = _problems(scenario)
    if problems:
        raise loaded.refuse(problems)
    return loaded


def _read(name: str) -> tuple[str, Path | None]:
    """The text of a scenario, and its folder unless it ships."""
    if name in shipped():
        return (files("emulator.scenarios") / f"{name}.toml").read_text(encoding="utf-8"), None
    path = Path(name)
    if not path.is_file():
        close = get_close_matches(name, shipped(), 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ScenarioError(f"{name}: no such file and no shipped scenario{hint} Shipped: {', '.join(shipped())}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ScenarioError(f"{name}: {path.stat().st_size} bytes; a scenario has at most {MOST_BYTES}")
        return path.read_text(encoding="utf-8"), path.resolve().parent
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{name}: cannot be read as UTF-8 text: {error}") from error


def _table(text: str, source: str, folder: Path | None, depth: int) -> dict[str, Any]:
    """The text as a table, laid over the scenario that it extends."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: is not TOML: {error}") from error
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str) or depth >= MOST_EXTENDS:
        raise ScenarioError(f"{source}: extends: {base!r}; give one scenario's name, at most {MOST_EXTENDS} deep")
    if base not in shipped():
        if folder is None or not (folder / base).resolve().is_relative_to(folder):
            raise ScenarioError(f"{source}: extends: {base!r} is neither a shipped scenario nor in this one's folder")
        base = str(folder / base)
    base_text, base_folder = _read(base)
    return _laid_over(_table(base_text, base, base_folder, depth + 1), table)


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _laid_over(base[key], value) if both else value
    return merged


def _problems(scenario: Scenario) -> list[Problem]:
    found: list[Problem] = []
    try:
        Epoch(scenario.epoch)
    except NodeError as error:
        found.append((("epoch",), str(error)))
    if not 0.0 < scenario.duration_s <= MOST_DURATION_S:
        found.append((("duration_s",), f"{scenario.duration_s}; above 0 and at most {MOST_DURATION_S} s"))
    if not 0 <= scenario.seed < 1 << 63:
        found.append((("seed",), f"{scenario.seed}; 0 to 2^63 - 1"))
    if scenario.knowledge not in KNOWLEDGE:
        found.append((("knowledge",), f"{scenario.knowledge!r}; one of {', '.join(KNOWLEDGE)}"))
    if not 0.0 <= scenario.decision_s <= 3600.0:
        found.append((("decision_s",), f"{scenario.decision_s}; 0 to 3600 s"))
    if not 1.0 <= scenario.ephemeris_step_s <= 120.0:
        found.append((("ephemeris_step_s",), f"{scenario.ephemeris_step_s}; 1 to 120 s (error 5.4 m at 120 s)"))
    if not scenario.policies:
        found.append((("policies",), "name at least one scheduler"))
    for field in ("satellites", "laser", "topology", "downlink", "imaging", "products"):
        found += [((field, name), message) for name, message in getattr(scenario, field).problems()]
    for field in ("stations", "faults"):
        for index, part in enumerate(getattr(scenario, field)):
            found += [((field, index, name), message) for name, message in part.problems()]
    for index, part in enumerate(scenario.satellites.elements):
        found += [(("satellites", "elements", index, name), message) for name, message in part.problems()]
    if scenario.satellites.walker is not None:
        walker = scenario.satellites.walker.problems()
        found += [(("satellites", "walker", name), message) for name, message in walker]
    return found


def _explain(error: msgspec.ValidationError, text: str, source: str) -> ScenarioError:
    """Add line and field to msgspec's message, and the field that was probably meant."""
    message, _, where = str(error).partition(" - at `")
    path = parse_path(where.rstrip("`"))
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if unknown:
        name = unknown.group(1)
        known = _fields(path)
        close = get_close_matches(name, known, 1, 0.5)
        message = f"there is no field {name!r} here; " + (f"did you mean {close[0]!r}? " if close else "")
        message += f"Known: {', '.join(known)} (the unit is in the name; numbers are SI)"
        path = (*path, name)
    elif "Expected `float`" in message or "Expected `int`" in message:
        message += "; give a bare number, in the unit that the field's name ends with"
    line = line_of(text, path)
    return ScenarioError(f"{source}:{line}: {_dotted(path)}: {message}" if line else f"{source}: {message}")


def _fields(path: tuple[str | int, ...]) -> list[str]:
    """The fields of the table at `path` in the schema."""
    kind: Any = Scenario
    for part in path:
        if isinstance(part, int):
            kind = get_args(kind)[0]
            continue
        kind = get_type_hints(kind).get(part, object)
        options = [a for a in get_args(kind) if isinstance(a, type) and issubclass(a, msgspec.Struct)]
        if not isinstance(kind, type) and options and type(None) in get_args(kind):
            kind = options[0]
    return [f.encode_name for f in msgspec.structs.fields(kind)] if hasattr(kind, "__struct_fields__") else []


def _dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if part else ""
    return text.lstrip(".")
