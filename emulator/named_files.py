"""The files that a scenario names, each with the sha256 of its content: a scenario and these are one experiment.

One place for all kinds: orbits, processors, models, lists of tasks, measured loads. What ships without being named (a
preset, a model of ours) is known by the version; a processor of the command line counts as a file that was named.
"""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from emulator.layers import inside
from emulator.model_files import model_file
from emulator.model_uses import model_uses
from emulator.processor_file import is_file
from emulator.toml_text import Path as Field
from emulator.workload import LIST, shipped_lists
from nodes.errors import NodeError
from workloads.errors import WorkloadError

if TYPE_CHECKING:
    from emulator.scenario import LoadedScenario


class NamedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file by the name that the scenario has for it; of a folder of ephemerides `sha256` is of its listing."""

    name: str
    sha256: str


def named_files(loaded: "LoadedScenario") -> tuple[NamedFile, ...]:
    """Every file that decides what a scenario is, by name. Raises `ScenarioError` for one that cannot be read."""
    found: dict[str, str] = {}
    for field, name, kind in _names(loaded):
        key = name if kind != "model" else model_file(loaded.scenario.models, name).file
        if key in found:
            continue
        try:
            found[key] = _sha256(loaded, key, kind)
        except (OSError, ValueError, NodeError, WorkloadError) as error:  # ValueError: a name with a zero in it
            text = f"{key[:200]!r} cannot be read: {getattr(error, 'strerror', None) or error}"
            raise loaded.refuse([(field, text)]) from error
    for option, processor in (("--orbit", loaded.orbit), ("--ground", loaded.ground)):
        if processor is not None:
            found[option] = hashlib.sha256(msgspec.json.encode(processor, order="sorted")).hexdigest()
    return tuple(NamedFile(name=name, sha256=found[name]) for name in sorted(found))


def scenario_sha256(loaded: "LoadedScenario", named: tuple[NamedFile, ...]) -> str:
    """Of the whole scenario in one canonical form, then of a line `sha256  name` for each file that it names.

    A scenario that names none has the sum of the form alone, as it always had.
    """
    text = msgspec.json.encode(loaded.scenario, order="sorted")
    lines = "".join(f"\n{each.sha256}  {each.name}" for each in named)
    return hashlib.sha256(text + lines.encode()).hexdigest()


def _names(loaded: "LoadedScenario") -> Iterator[tuple[Field, str, str]]:
    """Field, name and kind of each file: "orbits", "model", "list" or "file"."""
    scenario, carried = loaded.scenario, loaded.scenario.satellites
    if carried.file is not None:
        yield ("satellites", "file"), carried.file, "orbits"
    for number, load in enumerate(carried.loads):
        yield ("satellites", "loads", number, "file"), load.file, "file"
    processors: list[tuple[Field, str]] = [(("satellites", "processor"), carried.processor)]
    processors += [(("stations", n, "processor"), each.processor) for n, each in enumerate(scenario.stations)]
    for field, name in processors:
        if is_file(name):
            yield field, name, "file"
    if scenario.workload is not None:
        yield ("workload", "file"), scenario.workload.file, "list"
    for field, name in model_uses(scenario):
        if name in scenario.models:
            yield field, name, "model"


def _sha256(loaded: "LoadedScenario", name: str, kind: str) -> str:
    if kind == "list" and name in shipped_lists():
        return hashlib.sha256((files("emulator.scenarios") / f"{name}{LIST}").read_bytes()).hexdigest()
    if loaded.folder is None or not inside(loaded.folder, name):
        raise WorkloadError("it does not lie in the scenario's folder")
    path: Path = loaded.folder / name
    if kind == "orbits":
        from nodes.ephemerides import digest  # imports numpy: only who asks for the sum pays

        return digest(path)
    if not path.is_file():  # not a pipe that never ends
        raise WorkloadError("there is no such file")
    if kind == "model":
        from workloads.loading.opening import open_model

        return open_model(path, to_run=False).sha256  # with weights that lie beside it
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
