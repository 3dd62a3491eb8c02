"""Turns msgspec's complaint about a scenario's table into the field, its value, and what would be right."""

import re
from datetime import date, time
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from emulator.toml_text import Path, parse_path

MOST_SHOWN = 80  # characters of a value
WANTED = {
    "float": "a bare number, in the unit that the field's name ends with",
    "int": "a bare whole number",
    "str": "text, in quotes",
    "bool": "true or false",
    "array": "a list, in [ ]",
    "object": "a table of its own",
}


def explain(error: msgspec.ValidationError, table: Any, schema: Any) -> tuple[Path, str]:
    """Field and message of an error that `msgspec.convert(table, schema)` raised."""
    text, _, where = str(error).partition(" - at `")
    if "[...]" in where:  # in a table of names, of which msgspec does not tell the name
        return _in_named(error, parse_path(where.partition("[...]")[0]), table, schema)
    path = parse_path(where.rstrip("`"))
    name = re.search(r"field `(.*)`", text, re.DOTALL)
    if name is not None and "missing" in text:
        return (*path, name.group(1)), "is missing, and has no default"
    if name is not None:
        return _unknown(path, name.group(1), schema)
    value = shown(value_at(table, path))
    options = _options(kind_at(schema, path))
    if options:
        return path, f"is {value}; it must be one of {', '.join(options)}"
    expected = re.match(r"Expected `(\w+)[^`]*`( of length \d+)?", text)
    if expected is not None and expected.group(1) in WANTED:
        return path, f"is {value}; it must be {WANTED[expected.group(1)]}{expected.group(2) or ''}"
    return path, f"is {value}: {text}"


def _in_named(error: msgspec.ValidationError, path: Path, table: Any, schema: Any) -> tuple[Path, str]:
    kind = get_args(kind_at(schema, path))[1]
    for name, value in value_at(table, path).items():
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as inner:
            below, message = explain(inner, value, _table_of(kind))
            return (*path, name, *below), message
    return path, f"is {shown(value_at(table, path))}: {error}"


def _table_of(kind: Any) -> Any:
    """Of text or a table, the table, which has fields to tell of; any other type as it is."""
    if get_origin(kind) is UnionType:
        return next((each for each in get_args(kind) if fields(each)), kind)
    return kind


def _unknown(path: Path, name: str, schema: Any) -> tuple[Path, str]:
    known = fields(kind_at(schema, path))
    close = get_close_matches(name, known, 1, 0.5)
    homes = [each for each in fields(schema) if name in fields(kind_at(schema, (each, 0)))]
    message = f"there is no field {shown(name)} here; "
    if homes:
        message += f"it belongs to {' or '.join(homes)}. "
    elif close:
        message += f"did you mean {close[0]!r}? "
    return (*path, name), f"{message}Known: {', '.join(known)} (the unit is in the name; numbers are SI)"


def shown(value: Any) -> str:
    """The value as Python writes it, dates as TOML does, cut to a line."""
    text = value.isoformat() if isinstance(value, date | time) else repr(value)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def value_at(table: Any, path: Path) -> Any:
    """The value at `path`, or `None`."""
    for part in path:
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            return None
    return table


def kind_at(schema: Any, path: Path) -> Any:
    """The type that the schema has at `path`, `object` where it has none; a number leads into a list, if it is one."""
    kind = schema
    for part in path:
        if isinstance(part, int):
            arguments = get_args(kind)
            kind = arguments[0] if arguments else kind
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            kind = get_type_hints(kind).get(part, object) if isinstance(kind, type) else object
        parts = get_args(kind)
        if NoneType in parts:
            kind = next(each for each in parts if each is not NoneType)
    return kind


def fields(kind: Any) -> list[str]:
    """The fields of a Struct; empty for any other type."""
    return [field.encode_name for field in msgspec.structs.fields(kind)] if hasattr(kind, "__struct_fields__") else []


def _options(kind: Any) -> list[str]:
    return [repr(each) for each in get_args(kind)] if get_origin(kind) is Literal else []
