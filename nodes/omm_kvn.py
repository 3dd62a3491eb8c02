"""The messages of a CCSDS OMM file in keyword-value notation as fields by name: CCSDS 502.0-B-3, section 4 and 7.

One message, or several one after the other, as catalogues write them. A unit in brackets must be the standard's.
"""

import re
from collections.abc import Iterator, Mapping

from nodes.errors import ElementsError
from nodes.omm_xml import UNITS

VERSION, VERSIONS = "CCSDS_OMM_VERS", ("1.0", "2.0", "3.0")
_VALUE = re.compile(r"(.*?)\s*\[([^\[\]]*)\]", re.ASCII)


def messages(text: str, source: str) -> Iterator[tuple[int, str, Mapping[str, str]]]:
    """(line, where, fields) of every message; raises ElementsError, with the line, for what no OMM may hold."""
    if not text.endswith(("\n", "\r")):
        raise ElementsError(f"{source}: the last line has no line end; the file was cut, or give it one")
    fields: dict[str, str] = {}
    begin = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line, where = raw.strip(), f"{source}, line {number}"
        if not line or line.split(None, 1)[0] == "COMMENT":
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise ElementsError(f"{where}: {line[:60]!r}; must be KEYWORD = value")
        if name == VERSION:
            if value not in VERSIONS:
                raise ElementsError(f"{where}: OMM version {value[:20]!r}; must be {', '.join(VERSIONS)}")
            if begin:
                yield begin, f"line {begin}", fields
            fields, begin = {}, number
        elif fields.setdefault(name, _bare(name, value, where)) != _bare(name, value, where):
            raise ElementsError(f"{where}: {name[:60]} stands there twice, with different values")
    yield begin, f"line {begin}", fields


def _bare(name: str, value: str, where: str) -> str:
    """The value without its unit."""
    match = _VALUE.fullmatch(value) if name in UNITS else None
    if match is None:
        return value
    if match[2].strip() != UNITS[name]:
        raise ElementsError(f"{where}: {name} has the unit {match[2][:20]!r}; in an OMM it is in {UNITS[name]}")
    return match[1]
