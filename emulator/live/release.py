"""Releases: what is held until its emulated instant, by time, and in order of arrival where times are equal.

No clock and no sockets. It bounds nothing: whoever pushes counts what it holds and refuses what is too much.
"""

from heapq import heappop, heappush
from math import isfinite
from typing import Generic, TypeVar

from emulator.errors import RunFailed

Item = TypeVar("Item")


class ReleaseError(RunFailed, ValueError):
    """An instant of release that is not a finite number."""


class Releases(Generic[Item]):
    """A heap of (due_s, sequence, item); items are never compared."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, due_s: float, item: Item) -> None:
        """Hold `item` until the emulated instant `due_s`, past ones too. Raises ReleaseError if it is not finite."""
        if not isfinite(due_s):  # a NaN would break the order of the heap, infinity would be held for ever
            raise ReleaseError(f"nothing can be released at {due_s!r} s: give a finite instant")
        self._sequence += 1
        heappush(self._heap, (due_s, self._sequence, item))

    def next_due_s(self) -> float | None:
        """The earliest instant at which something is due, `None` if nothing is held."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_s: float) -> list[tuple[float, Item]]:
        """All that is due at the emulated instant `now_s`, with its instants, in order; empty if nothing is."""
        found: list[tuple[float, Item]] = []
        while self._heap and self._heap[0][0] <= now_s:
            due_s, _, item = heappop(self._heap)
            found.append((due_s, item))
        return found
