"""Wraps the core's only door and writes down what went in and what came out, a line per fact.

A line is the JSON array `[fact, [order, ...]]`. The digest is the sha256 of all lines, line ends included. What the
scheduler answered goes into a log of its own, `[at_s, trigger, [decision, ...]]`, which the digest leaves out: it adds
nothing to what facts and orders say, but a replay can force it upon another physics.
"""

from typing import Protocol

import msgspec

from emulator.decision_log import FULL_BYTES, DecisionLog
from emulator.digest import Digest
from emulator.events import Event
from emulator.orders import Order

BLOCK_LINES = 8192  # a run that is killed loses at most these: 40 ms of work
_LINES_AT_ONCE = 256  # encoded together, while they are in the processor's cache


class Door(Protocol):
    """What takes facts and gives orders."""

    def handle(self, event: Event) -> list[Order]: ...


class Write(Protocol):
    """Takes whole lines: how many, and the instants of the first and the last."""

    def __call__(self, chunk: bytes, lines: int, first_s: float, last_s: float, name: str = "") -> object: ...


class Recorder:
    """Records every fact with its orders; `write` gets whole blocks of lines, or nothing is kept but the digest.

    `answers` are the scheduler's, kept too if given. `block_lines` facts go into one block.
    """

    def __init__(
        self,
        core: Door,
        write: Write | None = None,
        answers: DecisionLog | None = None,
        block_lines: int = BLOCK_LINES,
    ) -> None:
        self._handle = core.handle
        self._write = write
        self._answers = answers
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._lines: list[tuple[Event, list[Order]]] = []
        self._hash = Digest()
        self._flushed = 0
        self._at_once = min(_LINES_AT_ONCE, block_lines)
        self._block_lines = block_lines
        self._block: list[bytes] = []  # what is encoded of the block that is being filled
        self._in_block = self._block_bytes = 0
        self._first_s = self._last_s = 0.0

    def handle(self, event: Event) -> list[Order]:
        """Hand the fact to the core, record both, return the orders."""
        orders = self._handle(event)
        lines = self._lines
        lines.append((event, orders))  # facts and orders are frozen, and engines leave the list as it is
        if len(lines) >= self._at_once:
            self._encode()
        return orders

    @property
    def events(self) -> int:
        """How many facts have been recorded."""
        return self._flushed + len(self._lines)

    def digest(self) -> str:
        """The sha256 of everything recorded so far, which ends a block."""
        self._encode()
        self._end_block()
        return self._hash.hexdigest()

    def _encode(self) -> None:
        lines = self._lines
        if not lines:
            return
        chunk = self._encode_lines(lines)
        self._hash.update(chunk)
        self._flushed += len(lines)
        if self._answers is not None:
            self._answers.encode()
        if self._write is not None:
            if self._block_bytes + len(chunk) > FULL_BYTES:
                self._end_block()
            if len(chunk) > FULL_BYTES:
                self._put_apart(self._write)
            else:
                self._fill(chunk)
        lines.clear()

    def _fill(self, chunk: bytes) -> None:
        lines = self._lines
        if not self._in_block:
            self._first_s = lines[0][0].at_s
        self._last_s = lines[-1][0].at_s
        self._block.append(chunk)
        self._in_block += len(lines)
        self._block_bytes += len(chunk)
        if self._in_block >= self._block_lines:
            self._end_block()

    def _end_block(self) -> None:
        if self._write is None:
            return
        if self._in_block:
            block, lines = b"".join(self._block), self._in_block
            self._block, self._in_block, self._block_bytes = [], 0, 0
            self._write(block, lines, self._first_s, self._last_s)
        if self._answers is not None:  # those to lines that were put apart too
            self._answers.flush(self._write)

    def _put_apart(self, write: Write) -> None:
        """Lines that are very long, each in a block of its own."""
        for event, orders in self._lines:
            write(self._encode_lines([(event, orders)]), 1, event.at_s, event.at_s)
