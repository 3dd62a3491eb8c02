"""Finds the line of a TOML text on which a field stands, so that an error can name it. The parser keeps no lines.

Also finds keys of so many names that the parser, which takes their number squared and more, would not end.
Multi-line arrays and strings are skipped as values; fields of inline tables are found as far as the key before them.
"""

import re

Path = tuple[str | int, ...]

_NAME = re.compile(r"\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+")
_TOKEN = re.compile(r"\"\"\"|'''|\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*|[\[\]{}]")

# What can hold dots that join no names, whole; quotes that nothing closes; what ends a key. Possessive: never goes back
_KEY_PART = re.compile(
    r"""\"{3}(?:[^"\\]++|\\.|"(?!""))*+"{3,5}+|'{3}(?:[^']++|'(?!''))*+'{3,5}+|\"{3}|'{3}"""
    r"""|"(?:[^"\\\n]++|\\[^\n])*+"|'[^'\n]*+'|#[^\n]*+|[.\n=,\[\]{}]|["']""",
    re.DOTALL,
)
_OPEN = frozenset(['"', "'", '"""', "'''"])
_ENDS_KEY = frozenset("\n=,[]{}")


def overlong_key(text: str, most: int) -> int | None:
    """The line, from 1, of the first key or table header of more than `most` names; None if there is none.

    Takes time in proportion to the text. Finds every such key that a parser would come to: it stops only at a string
    that does not end, where a parser stops too.
    """
    if all(line.count(".") < most for line in text.split("\n")):
        return None
    dots = 0
    for found in _KEY_PART.finditer(text):
        part = found.group()
        if part in _OPEN:
            return None
        if part in _ENDS_KEY:
            dots = 0
        elif part == ".":
            dots += 1
            if dots >= most:
                return text.count("\n", 0, found.start()) + 1
    return None


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
