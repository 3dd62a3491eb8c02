"""Packs blocks and writes them to their files in a thread beside the run: deflate and disk need no interpreter lock.

What goes wrong there is raised at the next call from the run.
"""

import os
from io import FileIO
from queue import Queue
from threading import Thread
from typing import NamedTuple

from emulator.tracing.blocks import pack

MOST_WAITING = 4  # blocks that wait to be packed; the run waits when there are more


class Piece(NamedTuple):
    """Whole lines for one of the files."""

    file: FileIO
    raw: bytes
    lines: int
    first_s: float
    last_s: float


class Squeezer:
    """One thread that packs and writes, in the order given."""

    def __init__(self) -> None:
        self._pieces: Queue[Piece | None] = Queue(MOST_WAITING)
        self._error: Exception | None = None
        self._thread: Thread | None = None

    def put(self, piece: Piece) -> None:
        """Have it packed and written. Raises what went wrong with an earlier one."""
        self._check()
        if self._thread is None:
            self._thread = Thread(target=self._work, name="trace", daemon=True)
            self._thread.start()
        self._pieces.put(piece)

    def finish(self) -> None:
        """Wait until all is on disk. Raises what went wrong."""
        self.abandon()
        self._check()

    def abandon(self) -> None:
        """End the thread, whatever came of it."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            if self._error is not None:
                continue  # the run will hear of it; until then it must not wait for ever
            try:
                rest = memoryview(pack(piece.raw, piece.lines, piece.first_s, piece.last_s))
                while rest:  # the files have no buffers, whose rest would have to be written when they are closed
                    rest = rest[piece.file.write(rest) :]
            except Exception as error:  # whatever it was, the run must hear it, or it waits for ever
                if isinstance(error, OSError):
                    error.filename = error.filename or str(piece.file.name)  # a full disk does not say where it is
                self._error = error


def to_disk(file: FileIO) -> None:
    """Have what was written survive a loss of power too."""
    os.fsync(file.fileno())
