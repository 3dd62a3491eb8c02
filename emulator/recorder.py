"""Wraps the core's only door and writes down what went in and what came out, a line per fact.

A line is the JSON array `[fact, [order, ...]]`. The digest is the sha256 of all lines, line ends included.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

import msgspec

from emulator.events import Event
from emulator.orders import Order

_FLUSH_LINES = 256


class Door(Protocol):
    """What takes facts and gives orders."""

    def handle(self, event: Event) -> list[Order]: ...


class Recorder:
    """Records every fact with its orders; `write` gets whole chunks of lines, or nothing is kept but the digest."""

    def __init__(self, core: Door, write: Callable[[bytes], object] | None = None) -> None:
        self._handle = core.handle
        self._write = write
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._lines: list[tuple[Event, list[Order]]] = []
        self._hash = hashlib.sha256()
        self._flushed = 0

    def handle(self, event: Event) -> list[Order]:
        """Hand the fact to the core, record both, return the orders."""
        orders = self._handle(event)
        lines = self._lines
        lines.append((event, orders))  # facts and orders are frozen, and engines leave the list as it is
        if len(lines) >= _FLUSH_LINES:
            self._flush()
        return orders

    @property
    def events(self) -> int:
        """How many facts have been recorded."""
        return self._flushed + len(self._lines)

    def digest(self) -> str:
        """The sha256 of everything recorded so far."""
        self._flush()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        if not self._lines:
            return
        self._flushed += len(self._lines)
        chunk = self._encode_lines(self._lines)
        self._lines.clear()
        self._hash.update(chunk)
        if self._write is not None:
            self._write(chunk)
