"""Reads and writes a processor as a TOML file: what a maker publishes, what was measured, and what is a guess.

A file comes from outside: its size, its counts and the length of its texts have limits, and every problem is told
with file, line and field. What is written reads back as the same processor.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from emulator.errors import ProcessorError, ScenarioError
from emulator.explain import explain
from emulator.layers import Layer, inside, parsed, place
from emulator.toml_text import Path as Field
from emulator.toml_text import dotted, parse_path
from nodes.processor import Processor, preset, presets
from workloads.whole_file import whole

MOST_BYTES = 4 << 20  # of a file: some 10,000 calibrations [guess]
MOST_CALIBRATIONS = 1000  # models that were measured on one processor [guess]
MOST_TIMINGS = 64  # batches of one model; powers of two up to 65,536 are 17
MOST_MODES = 64  # nvpmodel has eight at most
MOST_TEXT = 2000  # characters: sources take a line or two
SUFFIX = ".toml"


class ProcessorFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file: one table."""

    processor: Processor


def read(path: Path) -> Processor:
    """The processor of a file. Raises `ProcessorError` with every problem, each with file, line and field."""
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise ProcessorError(f"{str(path)[:200]}: is a folder, a pipe or a device; give a TOML file")
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ProcessorError(f"{path}: more than {MOST_BYTES} bytes; a processor file has far fewer")
        layer = Layer(str(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ProcessorError(f"{path}: is no UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero in it
        raise ProcessorError(f"{str(path)[:200]}: cannot be read: {getattr(error, 'strerror', error)}") from error
    return _checked(layer)


def named(name: str, folder: Path | None) -> Processor:
    """The processor that a scenario means: a preset, or a TOML file in the scenario's folder.

    Raises NodeError for a name that is neither, `ProcessorError` for a file that cannot be one.
    """
    if not is_file(name):
        return preset(name)
    if folder is None:
        raise ProcessorError(f"{name[:200]!r}: a shipped scenario cannot name files; extend it in one of your own")
    if not inside(folder, name):
        raise ProcessorError(f"{name[:200]!r} leads out of the scenario's folder; put the file inside it")
    return read(folder / name)


def is_file(name: str) -> bool:
    """Whether a scenario means a file by this name, and no preset."""
    return name.endswith(SUFFIX) and name not in presets()


def text(processor: Processor) -> str:
    """The processor as a TOML document; what is None or empty is left out. Raises `ProcessorError` if it cannot be."""
    problems = [*processor.problems(), *_too_many(processor)]
    if problems:
        told = "\n  ".join(f"{field} {message}" for field, message in problems)
        raise ProcessorError(f"processor {processor.name!r} cannot be written:\n  {told}")
    table = msgspec.to_builtins(processor)
    calibrations = table.pop("calibrations")
    lines = ["# Processor of orbitmesh. SI units; one multiply-accumulate is two operations.", "", "[processor]"]
    lines += _fields(table)
    for calibration in calibrations:
        lines += ["", "[[processor.calibrations]]", *_fields(calibration)]
    return "\n".join(lines) + "\n"


def write(processor: Processor, path: Path) -> None:
    """Write the file whole, over one that is there, or not at all. Raises `ProcessorError`, OSError."""
    document = text(processor)
    with whole(path) as partial:
        partial.write_text(document, encoding="utf-8")


def _checked(layer: Layer) -> Processor:
    try:
        table = parsed(layer)
    except ScenarioError as error:
        raise ProcessorError(str(error)) from error
    try:
        made = msgspec.convert(table, ProcessorFile).processor
    except msgspec.ValidationError as error:
        path, message = explain(error, table, ProcessorFile)
        raise ProcessorError(f"{place((layer,), path)}: {dotted(path)}: {message}") from error
    problems = [*_too_many(made)] or made.problems()
    if problems:
        told: list[tuple[Field, str]] = [(("processor", *parse_path(field)), text) for field, text in problems]
        raise ProcessorError("\n".join(f"{place((layer,), path)}: {dotted(path)}: {text}" for path, text in told))
    return made


def _too_many(processor: Processor) -> Iterator[tuple[str, str]]:
    """Counts and texts beyond the limits of a file, as (field, message)."""
    counted = [("calibrations", processor.calibrations, MOST_CALIBRATIONS)]
    counted_modes = [("power_modes", processor.power_modes, MOST_MODES), ("guesses", processor.guesses, MOST_MODES)]
    timings = [
        (f"calibrations[{number}].timings", each.timings, MOST_TIMINGS)
        for number, each in enumerate(processor.calibrations[:MOST_CALIBRATIONS])
    ]
    for field, entries, most in (*counted, *counted_modes, *timings):
        if len(entries) > most:
            yield field, f"has {len(entries)} entries; at most {most} are read"
    for field, value in _texts(msgspec.to_builtins(processor), ""):
        if len(value) > MOST_TEXT:
            yield field, f"is a text of {len(value)} characters; at most {MOST_TEXT} are read"


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(part, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _texts(part, f"{path}[{index}]")


def _fields(table: dict[str, Any]) -> list[str]:
    """A line for every field that says something; lists of tables one entry a line."""
    lines = []
    for key, value in table.items():
        if value is None or value == "" or value == [] or value == {} or value == ():
            continue
        if isinstance(value, list | tuple) and isinstance(value[0], dict):
            lines += [f"{key} = [", *(f"  {_value(entry)}," for entry in value), "]"]
        else:
            lines.append(f"{key} = {_value(value)}")
    return lines


def _value(value: Any) -> str:
    """A TOML value. Texts are JSON's, which TOML reads alike, with DEL escaped too."""
    if isinstance(value, str):
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        given = {key: part for key, part in value.items() if part is not None and part != ""}
        return "{" + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in given.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _value(key)
