"""Checks of numbers that a user wrote: each returns (field, message) problems and never raises."""

from math import isfinite

Problem = tuple[str, str]


def within(field: str, value: float, least: float, most: float, unit: str, open_below: bool = False) -> list[Problem]:
    """A problem unless `value` is finite and in [least, most], or (least, most] if `open_below`."""
    good = isfinite(value) and value <= most and (value > least if open_below else value >= least)
    if good:
        return []
    first = "more than" if open_below else "at least"
    text = f"is {value!r}; it must be {first} {least:g} and at most {most:g} {unit}".rstrip()
    return [(field, text)]


def one_of(field: str, value: str, allowed: tuple[str, ...]) -> list[Problem]:
    """A problem unless `value` is one of `allowed`."""
    if value in allowed:
        return []
    return [(field, f"is {value!r}; it must be one of {', '.join(allowed)}")]
