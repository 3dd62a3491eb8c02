"""Reads the TOML of a scenario, and of those that it extends, into one table; knows where each field stands.

Every text is bounded in size, depth and numbers before anything looks at its meaning. What a scenario extends ships,
or lies in that scenario's folder.
"""

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from emulator.errors import ScenarioError
from emulator.toml_text import Path as Field
from emulator.toml_text import dotted, lines_of, overlong_key

MOST_BYTES = 4 << 20  # of a scenario file: some 12,000 satellites written out [guess]; more go into `satellites.file`
MOST_EXTENDS = 8
SOURCES = ("elements", "file", "walker")  # of satellites; a scenario has exactly one
MOST_DEPTH = 16  # tables within tables; the schema has four


@dataclass(frozen=True)
class Layer:
    """One TOML text, and what messages call it."""

    source: str
    text: str
    ships: bool = False  # with us: not for a user to edit


def shipped() -> list[str]:
    """Names of the scenarios that ship."""
    return sorted(p.name[:-5] for p in files("emulator.scenarios").iterdir() if p.name.endswith(".toml"))


def read(name: str) -> tuple[Layer, Path | None]:
    """The text of a scenario by name or path, and its folder unless it ships. Raises `ScenarioError`."""
    if name in shipped():
        text = (files("emulator.scenarios") / f"{name}.toml").read_text(encoding="utf-8")
        return Layer(f"{name}.toml", text, ships=True), None
    path = Path(name)
    try:
        if not path.is_file():
            beside = f"{name}.toml"
            close = [beside] if Path(beside).is_file() else get_close_matches(name, shipped(), 1)
            hint = f"; did you mean {close[0]}?" if close else "."
            raise ScenarioError(f"{name}: no such file and no shipped scenario{hint} Shipped: {', '.join(shipped())}")
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ScenarioError(f"{name}: more than {MOST_BYTES} bytes; put satellites into a file of elements")
        return Layer(name, data.decode("utf-8-sig")), path.resolve().parent
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{name}: is no UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from error
    except OSError as error:
        raise ScenarioError(f"{name[:200]}: cannot be read: {error.strerror}") from error


def parsed(layer: Layer) -> dict[str, Any]:
    """The table of one text, with limits on its depth, numbers and characters. Raises `ScenarioError`."""
    line = overlong_key(layer.text, MOST_DEPTH)
    if line is not None:  # tomllib takes minutes for one key of 20,000 names
        raise ScenarioError(f"{layer.source}:{line}: is nested too deeply; {MOST_DEPTH} levels at most")
    try:
        table = tomllib.loads(layer.text)
    except RecursionError as error:
        raise ScenarioError(f"{layer.source}: is nested too deeply; {MOST_DEPTH} levels at most") from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{layer.source}: is not TOML: {error}") from error
    except ValueError as error:
        raise ScenarioError(
            f"{layer.source}: holds a whole number of thousands of digits; TOML's have 64 bits"
        ) from error
    _check(table, layer)
    return table


def table_of(
    layer: Layer, folder: Path | None, above: tuple[str, ...] = ()
) -> tuple[dict[str, Any], tuple[Layer, ...]]:
    """The table of a text laid over what it extends, and the texts, topmost first. Raises `ScenarioError`."""
    table = parsed(layer)
    base = table.pop("extends", None)
    if base is None:
        return table, (layer,)
    at = place((layer,), ("extends",)) + ": extends"
    if not isinstance(base, str):
        raise ScenarioError(f"{at}: is {base!r}; give one scenario's name, in quotes")
    chain = (*above, _key(layer.source, folder))
    path = base
    if base not in shipped():
        if folder is None or not inside(folder, base):
            raise ScenarioError(f"{at}: {base[:200]!r} is neither a shipped scenario nor in this one's folder")
        path = str(folder / base)
    if _key(path, folder) in chain or len(chain) > MOST_EXTENDS:
        raise ScenarioError(f"{at}: {base!r} leads back or too far: at most {MOST_EXTENDS} scenarios, each once")
    if folder is not None:
        table.setdefault("name", Path(layer.source).stem)  # results lie in a folder of this name: not in the base's
    below, base_folder = read(path)
    base_table, layers = table_of(below, base_folder, chain)
    return laid_over(base_table, table), (layer, *layers)


def inside(folder: Path, name: str) -> bool:
    """Whether the path `name`, seen from `folder`, stays in it, links followed."""
    return Path(os.path.realpath(folder / name)).is_relative_to(os.path.realpath(folder))


def laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else is replaced; satellites from one source replace those from another."""
    merged = dict(base)
    if any(source in over for source in SOURCES):
        merged = {key: value for key, value in base.items() if key not in SOURCES}
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = laid_over(base[key], value) if both else value
    return merged


def place(layers: Sequence[Layer], path: Field) -> str:
    """`file:line` of a field, or of the nearest table around it, in the topmost text that has it."""
    layer, line = _found(layers, path)
    return "" if layer is None else f"{layer.source}:{line}" if line else layer.source


def inherited(layers: Sequence[Layer], path: Field) -> str:
    """What to do about a field that stands in a text that ships and not in the user's own; empty for all others."""
    layer, line = _found(layers, path)
    if layer is None or not line or not layer.ships or layers[0].ships:
        return ""
    return f" (inherited from {layer.source}, which ships: set {dotted(path)} in {layers[0].source})"


def _found(layers: Sequence[Layer], path: Field) -> tuple[Layer | None, int]:
    """The text that has a field, and its line there; of one that none has, the topmost and 0."""
    found = [(layer, lines_of(layer.text)) for layer in layers]
    for cut in (at for at, part in enumerate(path) if isinstance(part, int)):
        for number, (_, lines) in enumerate(found):  # a list is replaced whole: look no further than where it is
            if path[:cut] in lines or (*path[:cut], 0) in lines:
                found = found[: number + 1]
                break
    for length in range(len(path), 0, -1):
        for layer, lines in found:
            if path[:length] in lines:
                return layer, lines[path[:length]]
    return (layers[0] if layers else None), 0


def _key(source: str, folder: Path | None) -> str:
    return source if folder is None else os.path.realpath(source)


def _check(table: dict[str, Any], layer: Layer) -> None:
    """Raise `ScenarioError` for depth, control characters, or whole numbers of more than 64 bits."""
    rest: list[tuple[Field, Any]] = [((), table)]
    while rest:
        path, value = rest.pop()
        problem = ""
        if len(path) > MOST_DEPTH:
            problem = f"is nested too deeply; {MOST_DEPTH} levels at most"
        elif isinstance(value, dict):
            rest += [((*path, key), part) for key, part in value.items()]
        elif isinstance(value, list):
            rest += [((*path, index), part) for index, part in enumerate(value)]
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            problem = f"is a whole number of {value.bit_length()} bits; TOML's have 64"
        elif isinstance(value, str) and any((ord(c) < 32 and c not in "\n\t") or ord(c) == 127 for c in value):
            problem = f"is {value[:80]!r}; control characters cannot stand in it"
        if problem:
            raise ScenarioError(f"{place((layer,), path[:4])}: {dotted(path[:4])}: {problem}")
