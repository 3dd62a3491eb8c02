"""Finds the line of a TOML text on which a field stands, so that an error can name it. The parser keeps no lines.

Multi-line arrays and strings are skipped as values; fields of inline tables are found as far as the key before them.
"""

import re

Path = tuple[str | int, ...]

_NAME = re.compile(r"\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+")
_TOKEN = re.compile(r"\"\"\"|'''|\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*|[\[\]{}]")


def parse_path(text: str) -> Path:
    """The path in a message of msgspec: `$.stations[2].name` becomes `("stations", 2, "name")`."""
    parts: list[str | int] = []
    for name, index in re.findall(r"([A-Za-z0-9_-]+)|\[(\d+)\]", text):
        parts.append(name if name else int(index))
    return tuple(parts)


def dotted(path: Path) -> str:
    """The path for a person, entries of lists counted from 1: `stations[3].name`."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if part else ""
    return text.lstrip(".")


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, of every table header and key; entries of arrays of tables are numbered from 0."""
    found: dict[Path, int] = {}
    here: Path = ()
    counts: dict[Path, int] = {}
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        value = line
        if depth == 0 and not quote:
            bare = line.strip()
            head, equals, value = line.partition("=")
            if bare.startswith("["):
                names = _names(bare.partition("]")[0])
                here = _entered(names, bare.startswith("[["), counts)
                found.setdefault(here, number)
                continue
            if not equals:
                continue
            found.setdefault((*here, *_names(head)), number)
        depth, quote = _still_open(value, depth, quote)
    return found


def _names(text: str) -> Path:
    return tuple(part.strip("\"'") for part in _NAME.findall(text))


def _entered(names: Path, new: bool, counts: dict[Path, int]) -> Path:
    """The path of the table that a header opens; a header below an array of tables means its newest entry."""
    path: Path = ()
    for at, name in enumerate(names):
        path = (*path, name)
        if new and at == len(names) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _still_open(text: str, depth: int, quote: str) -> tuple[int, str]:
    """How many brackets, and which multi-line quote, are open after `text`."""
    at = 0
    while True:
        if quote:
            end = text.find(quote, at)
            if end < 0:
                return depth, quote
            at, quote = end + 3, ""
        token = _TOKEN.search(text, at)
        if token is None:
            return max(0, depth), ""
        at = token.end()
        if token.group() in ('"""', "'''"):
            quote = token.group()
        elif token.group() in "[]{}":
            depth += 1 if token.group() in "[{" else -1
