"""Reads a log of blocks: all of it, a stretch of time, or as much as is whole.

A log that is plain gzip, as schema 3 wrote it or as another tool packed it again, is read too, from its beginning.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from emulator.errors import TraceError
from emulator.tracing.blocks import HEAD, Block, Damage, head_at, packed, unpack

MOST_LINE_BYTES = 64 << 20  # a node that fails with a day of scenes on board ends all of them in one line
_CHUNK_BYTES = 1 << 20


class Chunk(NamedTuple):
    """Whole lines of a log, and the number of the first, counted from 1."""

    first: int
    raw: bytes


class Log:
    """One log file of a trace. `missing` says what the last pass did not find; empty if nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.missing = ""
        try:
            if not path.is_file():  # a pipe by that name would be waited for
                raise FileNotFoundError("it is no file")
            with path.open("rb") as file:
                start = file.read(len(HEAD))
        except OSError as error:
            raise TraceError(f"{path}: cannot be read: {error}") from error
        self.blocked = start == HEAD or (start[:4] == HEAD[:4] and HEAD.startswith(start))

    def index(self, strict: bool = True) -> list[Block]:
        """What every block says of itself, none unpacked. Raises `TraceError` for damage, or with `strict` false
        ends there and says so in `missing`."""
        self.missing = ""
        found: list[Block] = []
        line = offset = size_bytes = 0
        try:
            size_bytes = os.path.getsize(self.path)
            with self.path.open("rb") as file:
                while offset < size_bytes:
                    block = head_at(file, offset, size_bytes)
                    found.append(block)
                    offset, line = offset + block.size_bytes, line + block.lines
        except (OSError, Damage) as error:
            self._damaged(line, size_bytes, offset, error, strict)
        return found

    def count(self) -> int:
        """How many lines there are, by what the blocks say; plain gzip is unpacked for it. Raises `TraceError`."""
        if self.blocked:
            return sum(block.lines for block in self.index())
        return sum(chunk.raw.count(b"\n") for chunk in self._plain(strict=True))

    def chunks(self, strict: bool = True, from_s: float | None = None, to_s: float | None = None) -> Iterator[Chunk]:
        """The lines, chunk by chunk, checked; of the chunks that meet `from_s` to `to_s` only, if given.

        The next one is unpacked in a thread while this one is used: inflating needs no interpreter lock.
        Raises `TraceError` for damage, or with `strict` false ends there and says so in `missing`.
        """
        if not self.blocked:
            yield from self._plain(strict)
            return
        blocks = self.index(strict)
        if from_s is not None or to_s is not None:
            blocks = self._sound(blocks, strict)
        wanted = list(_within(blocks, from_s, to_s))
        missing, at = self.missing, 0
        try:
            with self.path.open("rb") as file, ThreadPoolExecutor(1, "log") as ahead:
                coming = [ahead.submit(unpack, file, block) for _, block in wanted[:1]]
                for at, (line, _) in enumerate(wanted):
                    raw = coming.pop().result()
                    coming += [ahead.submit(unpack, file, block) for _, block in wanted[at + 1 : at + 2]]
                    yield Chunk(line + 1, raw)
        except (OSError, Damage) as error:
            line, offset = (wanted[at][0], wanted[at][1].offset) if wanted else (0, 0)
            self._damaged(line, os.path.getsize(self.path), offset, error, strict)
            missing = self.missing
        self.missing = missing

    def _sound(self, blocks: list[Block], strict: bool) -> list[Block]:
        """The blocks up to the first whose sum is wrong: one that lies about its time would be passed over unseen."""
        line = offset = 0
        try:
            with self.path.open("rb") as file:
                for block in blocks:
                    offset = block.offset
                    packed(file, block)
                    line += block.lines
        except (OSError, Damage) as error:
            self._damaged(line, os.path.getsize(self.path), offset, error, strict)
            return [block for block in blocks if block.offset < offset]
        return blocks

    def _plain(self, strict: bool) -> Iterator[Chunk]:
        self.missing = ""
        line, rest, rest_bytes = 0, [b""], 0
        try:
            with gzip.open(self.path) as stream:
                while data := stream.read(_CHUNK_BYTES):
                    whole, end, tail = data.rpartition(b"\n")
                    if end:
                        raw = b"".join((*rest, whole, end))
                        yield Chunk(line + 1, raw)
                        line += raw.count(b"\n")
                        rest, rest_bytes = [], 0
                    rest.append(tail)
                    rest_bytes += len(tail)
                    if rest_bytes > MOST_LINE_BYTES:
                        break
        except (OSError, EOFError, zlib.error) as error:
            self._damaged(line, os.path.getsize(self.path), 0, error, strict)
            return
        if rest_bytes:
            text = f"line {line + 1} is cut off or longer than {MOST_LINE_BYTES} bytes"
            if strict:
                raise TraceError(f"{self.path.parent}: {text}")
            self.missing = text

    def _damaged(self, line: int, size_bytes: int, offset: int, error: Exception, strict: bool) -> None:
        text = f"{self.path.name} is damaged after line {line}: {error}"
        if strict:
            raise TraceError(f"{self.path.parent}: {text}") from error
        left_bytes = f"; {size_bytes - offset:,} of its {size_bytes:,} bytes are left out" if self.blocked else ""
        self.missing = text + left_bytes


def _within(blocks: list[Block], from_s: float | None, to_s: float | None) -> Iterator[tuple[int, Block]]:
    """The blocks that meet a stretch of time, each with the number of lines before it."""
    line = 0
    for block in blocks:
        if (from_s is None or block.last_s >= from_s) and (to_s is None or block.first_s <= to_s):
            yield line, block
        line += block.lines
