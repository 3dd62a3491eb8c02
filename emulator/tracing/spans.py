"""Spans of time as (start_s, stop_s) pairs: cut to a window, joined, and with holes cut out."""

from collections.abc import Iterable

Span = tuple[float, float]

INSTANT_S = 1e-9  # shorter is nothing: times are rounded to 1e-6 s


def within(spans: Iterable[Span], from_s: float, to_s: float) -> list[Span]:
    """What of them lies between two instants; spans without length are left out."""
    cut = ((max(from_s, start_s), min(to_s, stop_s)) for start_s, stop_s in spans)
    return [span for span in cut if span[1] > span[0]]


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not touch, in order."""
    found: list[Span] = []
    for start_s, stop_s in sorted(spans):
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop_s))
        else:
            found.append((start_s, stop_s))
    return found


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What is left of spans when holes are cut out of them, in the order of time."""
    left = sorted(spans)
    for start_s, stop_s in holes:
        left = [
            part
            for a, b in left
            for part in ((a, min(b, start_s)), (max(a, stop_s), b))
            if part[1] > part[0]
        ]  # fmt: skip
    return left


def length_s(spans: Iterable[Span]) -> float:
    """How long they are together; spans that overlap count twice."""
    return sum(stop_s - start_s for start_s, stop_s in spans)
