"""The files that a scenario names, each with the sha256 of its content: a scenario and these are one experiment.

One place for all kinds: orbits, processors, models, lists of tasks, measured loads. What ships without being named (a
preset, a model of ours) is known by the version; a processor of the command line counts as a file that was named.

They are hashed apart from the reading, at the end: a file that has changed since the scenario was loaded is refused, so
what was read and what was hashed are one content.
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
from emulator.processor_file import MOST_BYTES as MOST_PROCESSOR_BYTES
from emulator.processor_file import is_file
from emulator.toml_text import Path as Field
from emulator.workload import LIST, shipped_lists
from nodes.errors import NodeError
from workloads.errors import WorkloadError
from workloads.importing.source_file import read_bytes

if TYPE_CHECKING:
    from emulator.scenario import LoadedScenario


Stamp = tuple[tuple[str, int, int, int], ...]  # of each file: name, inode, bytes, when it was last written, ns
Stamps = tuple[tuple[str, Stamp], ...]  # by the name that the scenario has for it


class NamedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file by the name that the scenario has for it; of a folder of ephemerides `sha256` is of its listing."""

    name: str
    sha256: str


def named_files(loaded: "LoadedScenario") -> tuple[NamedFile, ...]:
    """Every file that decides what a scenario is, by name. Raises `ScenarioError` for one that cannot be read."""
    found: dict[str, str] = {}
    before = dict(loaded.stamps)
    for field, key, kind in _names(loaded):
        if key in found:
            continue
        try:
            found[key] = _sha256(loaded, key, kind)
            if key in before and before[key] != _stamp(loaded, key):
                raise WorkloadError("it was changed while it was in use; run it again, on files that stay as they are")
        except (OSError, ValueError, NodeError, WorkloadError) as error:  # ValueError: a name with a zero in it
            text = f"{key[:200]!r} cannot be read: {getattr(error, 'strerror', None) or error}"
            raise loaded.refuse([(field, text)]) from error
    for option, processor in (("--orbit", loaded.orbit), ("--ground", loaded.ground)):
        if processor is not None:
            found[option] = hashlib.sha256(msgspec.json.encode(processor, order="sorted")).hexdigest()
    return tuple(NamedFile(name=name, sha256=found[name]) for name in sorted(found))


def stamps(loaded: "LoadedScenario") -> Stamps:
    """By which each file that a scenario names, as it is now, is told from what may become of it."""
    return tuple((name, _stamp(loaded, name)) for _, name, _ in _names(loaded))


def _stamp(loaded: "LoadedScenario", name: str) -> Stamp:
    """Empty for what ships and what cannot be asked: reading it will tell. Of a folder, of what lies there."""
    try:
        if loaded.folder is None or not inside(loaded.folder, name):
            return ()
        path = loaded.folder / name
        every = [(each.name, each.stat()) for each in sorted(path.iterdir() if path.is_dir() else [path])]
    except (OSError, ValueError):
        return ()
    return tuple((own, each.st_ino, each.st_size, each.st_mtime_ns) for own, each in every)


def scenario_sha256(loaded: "LoadedScenario", named: tuple[NamedFile, ...]) -> str:
    """Of the whole scenario in one canonical form, then of a line `sha256  name` for each file that it names.

    A scenario that names none has the sum of the form alone, as it always had.
    """
    text = msgspec.json.encode(loaded.scenario, order="sorted")
    lines = "".join(f"\n{each.sha256}  {each.name}" for each in named)
    return hashlib.sha256(text + lines.encode()).hexdigest()


def _names(loaded: "LoadedScenario") -> Iterator[tuple[Field, str, str]]:
    """Field, name and kind of each file: "orbits", "model", "list", "load" or "processor"."""
    scenario, carried = loaded.scenario, loaded.scenario.satellites
    if carried.file is not None:
        yield ("satellites", "file"), carried.file, "orbits"
    for number, load in enumerate(carried.loads):
        yield ("satellites", "loads", number, "file"), load.file, "load"
    processors: list[tuple[Field, str]] = [(("satellites", "processor"), carried.processor)]
    processors += [(("stations", n, "processor"), each.processor) for n, each in enumerate(scenario.stations)]
    for field, name in processors:
        if is_file(name):
            yield field, name, "processor"
    if scenario.workload is not None:
        yield ("workload", "file"), scenario.workload.file, "list"
    for field, name in model_uses(scenario):
        if name in scenario.models:
            yield field, model_file(scenario.models, name).file, "model"


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
    data = read_bytes(path, MOST_PROCESSOR_BYTES) if kind == "processor" else read_bytes(path)
    return hashlib.sha256(data).hexdigest()
