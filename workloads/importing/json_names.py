"""Names that stand in one object of a JSON text twice: readers keep one of the values, and which one nobody said.

RFC 8259, section 4: names should be unique, and what becomes of others is not foreseeable.
"""

import json


def named_twice(text: str) -> str:
    """The first such name of a text that is JSON, empty if there is none. Raises RecursionError for one too deep."""
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            found.append(next(name for name in names if names.count(name) > 1))

    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)  # numbers of any length
    return found[0] if found else ""
