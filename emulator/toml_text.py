"""Finds the line of a TOML text on which a field stands, so that an error can name it. The parser keeps no lines."""

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*(\"[^\"]+\"|'[^']+'|[A-Za-z0-9_.-]+)\s*=")

Path = tuple[str | int, ...]


def parse_path(text: str) -> Path:
    """The path in a message of msgspec: `$.stations[2].name` becomes `("stations", 2, "name")`."""
    parts: list[str | int] = []
    for name, index in re.findall(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]", text):
        parts.append(name if name else int(index))
    return tuple(parts)


def line_of(text: str, path: Path) -> int | None:
    """The line, from 1, of the key at `path`, or of the nearest table around it; `None` if there is no such line."""
    found: dict[Path, int] = {}
    here: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            names: Path = tuple(part.strip().strip("\"'") for part in header.group(2).split("."))
            if header.group(1) == "[[":
                counts[names] = counts.get(names, -1) + 1
                here = (*names, counts[names])
            else:
                here = names
            found.setdefault(here, number)
            continue
        key = _KEY.match(line)
        if key:
            dotted = tuple(part.strip("\"'") for part in key.group(1).split("."))
            found.setdefault((*here, *dotted), number)
    for length in range(len(path), 0, -1):
        if path[:length] in found:
            return found[path[:length]]
    return None
