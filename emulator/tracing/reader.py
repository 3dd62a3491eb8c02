"""Opens a trace, whole or cut off, with limits on every size. JSON only: nothing in a trace is ever executed."""

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from emulator.decision_log import DECISIONS_LOG
from emulator.errors import TraceError
from emulator.events import Event
from emulator.orders import Order
from emulator.tracing.header import READS, Footer, Header
from emulator.tracing.log import MOST_LINE_BYTES, Log
from emulator.tracing.seal import broken, sum_of
from emulator.tracing.writer import EVENTS, partial_of
from emulator.world import World

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

MOST_WORLD_BYTES = 2 << 30
MOST_HEADER_BYTES = 64 << 20
MOST_FOLD = 100  # unpacked over packed: worlds that ship have 3, small ones by hand 8; deflate could do 1,032 [guess]
_LINES_AT_ONCE = 256  # decoded together, while they are in the processor's cache

Line = tuple[Event, list[Order]]


class Trace:
    """An opened trace: header, world, lines one by one, and tables. Raises `TraceError` for what is not one.

    `closed` is false for what a killed run left; its log is then read as far as it is whole, and `missing` says where
    it ends.
    """

    def __init__(self, folder: Path) -> None:
        if not os.path.isfile(folder / "header.json"):
            raise TraceError(f"{str(folder)[:200]} is no trace: {_instead(folder)}")
        self.folder = folder
        head = self._read("header.json", MOST_HEADER_BYTES)
        table = self._decode("header.json", head, dict)
        schema = table.get("schema")
        if schema not in READS:
            newer = isinstance(schema, int) and schema > READS[-1]
            hint = "; it is newer: update orbitmesh" if newer else ""
            raise TraceError(f"{folder}: schema {schema!r}, this version reads {READS[0]} to {READS[-1]}{hint}")
        if broken(table):
            raise TraceError(f"{folder / 'header.json'}: {broken(table)}")
        self.header: Header = self._decode("header.json", head, Header)
        self.closed = bool(self.header.digest)
        self.log = Log(folder / EVENTS)
        self.missing = ""  # what the last pass over a log that is not whole did not find
        self._world: World | None = None
        self._world_sha256 = ""

    @property
    def world(self) -> World:
        """What the core was told; read when it is first asked for."""
        if self._world is None:
            data = self._read("world.json.gz", MOST_WORLD_BYTES)
            self._world_sha256 = sum_of(data)
            if self.closed and self.header.header_sha256 and self._world_sha256 != self.header.world_sha256:
                raise TraceError(f"{self.folder / 'world.json.gz'}: it is not the world that was recorded")
            self._world = self._decode("world.json.gz", data, World)
        return self._world

    @property
    def world_sha256(self) -> str:
        """Of the world as it lies there."""
        return self._world_sha256 if self.world is not None else ""

    def summary(self) -> Any:
        """The recorded row of figures, as plain lists and tables."""
        return self._decode("summary.json", self._beside("summary.json"), Any)

    def live(self) -> Any:
        """What only a live run has, as plain lists and tables; None for a run on the virtual engine."""
        if "live.json" not in self.header.sums and not os.path.isfile(self.folder / "live.json"):
            return None
        return self._decode("live.json", self._beside("live.json"), Any)

    def footer(self) -> Footer | None:
        """The ledger; None in traces of schema 3 and in those that were never closed."""
        if "footer.json" not in self.header.sums and not os.path.isfile(self.folder / "footer.json"):
            return None
        footer: Footer = self._decode("footer.json", self._beside("footer.json"), Footer)
        if self.closed and (footer.events, footer.digest) != (self.header.events, self.header.digest):
            text = f"it is of {footer.events} facts of digest {footer.digest[:64]}"
            raise TraceError(f"{self.folder / 'footer.json'}: {text}; the header has {self.header.events} of another")
        return footer

    def check_beside(self) -> None:
        """Raise `TraceError` where anything beside the log of facts is not as it was written; decisions by blocks."""
        self.footer()
        self.live()
        _ = self.world
        if self.keeps_decisions:
            for _ in self.decisions(from_s=inf):
                pass

    def chunks(
        self, from_s: float | None = None, to_s: float | None = None, strict: bool | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Whole lines as bytes, by the thousand, with the number of the first; `strict` false: as far as it is whole.

        A closed trace is read strictly if nothing is said, one that was cut off is not.
        """
        strict = self.closed if strict is None else strict
        if strict and self.closed and (self.log.blocked or self.header.header_sha256):
            self._count(self.log, "facts", self.header.events)
        yield from self.log.chunks(strict, from_s, to_s)
        self.missing = self.log.missing

    def lines(
        self, from_s: float | None = None, to_s: float | None = None, strict: bool | None = None
    ) -> Iterator[tuple[int, bytes, Line]]:
        """Each line's number from 1, its bytes, and what it says; with instants, those of `from_s` to `to_s`."""
        decoder = msgspec.json.Decoder(Line)
        for first, raw in self.chunks(from_s, to_s, strict):
            lines = raw.splitlines(keepends=True)
            for start in range(0, len(lines), _LINES_AT_ONCE):
                part, before = lines[start : start + _LINES_AT_ONCE], first + start
                for number, said in enumerate(self._decoded_together(before, part, decoder), before):
                    if (from_s is None or said[0].at_s >= from_s) and (to_s is None or said[0].at_s <= to_s):
                        yield number, part[number - before], said

    def _decoded_together(self, first: int, lines: list[bytes], decoder: Any) -> Iterable[Line]:
        """What lines say: all at once, which is quicker, or one by one up to that which is no record."""
        raw = b"".join(lines)
        try:
            said: list[Line] = decoder.decode_lines(raw) if len(raw) <= MOST_LINE_BYTES else []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = []
        if len(said) == len(lines):
            return said
        return (self.decoded(number, line, decoder.decode) for number, line in enumerate(lines, first))

    def decoded(self, number: int, line: bytes, decode: Any) -> Any:
        """What a line says. Raises `TraceError` with its number."""
        if len(line) > MOST_LINE_BYTES:
            raise TraceError(f"{self.folder}: line {number} is cut off or longer than {MOST_LINE_BYTES} bytes")
        try:
            return decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{self.folder}: line {number} is no record: {error}") from error

    @property
    def keeps_decisions(self) -> bool:
        """Whether the scheduler's answers lie beside the log, as they do from schema 4 on, or should."""
        there = self.closed and self.header.schema >= 4 and self.header.decisions is not None
        return there or (self.folder / DECISIONS_LOG).is_file()

    def decisions(
        self, from_s: float | None = None, to_s: float | None = None, about: bytes = b""
    ) -> Iterator[tuple[float, str, list[Any]]]:
        """Answers of the scheduler: instant, trigger, decisions; with `about`, those whose line holds these bytes.

        Raises `TraceError` where none were kept.
        """
        if not self.keeps_decisions:
            raise TraceError(
                f"{self.folder}: no {DECISIONS_LOG}: traces keep decisions from schema 4 on; record it again"
            )
        if not (self.folder / DECISIONS_LOG).is_file():
            raise TraceError(f"{self.folder / DECISIONS_LOG}: cannot be read: it is not there, or no file")
        decode = msgspec.json.Decoder(tuple[float, str, list[Any]]).decode
        log = Log(self.folder / DECISIONS_LOG)
        if self.closed and self.header.decisions is not None:
            self._count(log, "lines of decisions", self.header.decisions)
        for first, raw in log.chunks(self.closed, from_s, to_s):
            for number, line in enumerate(raw.splitlines() if about in raw else (), first):
                if about in line:
                    said = self.decoded(number, line, decode)
                    if (from_s is None or said[0] >= from_s) and (to_s is None or said[0] <= to_s):
                        yield said

    def arrow(self, table: str, **span_s: float) -> "pyarrow.Table":
        """A table of the trace (`emulator.tracing.tables.TABLES`) as Arrow; needs the extra `parquet`."""
        from emulator.tracing.columnar import arrow

        return arrow(self, table, **span_s)

    def pandas(self, table: str, **span_s: float) -> "pandas.DataFrame":
        """The same as a pandas DataFrame; needs pandas too."""
        frame: pandas.DataFrame = self.arrow(table, **span_s).to_pandas()
        return frame

    def polars(self, table: str, **span_s: float) -> "polars.DataFrame":
        """The same as a polars DataFrame; needs polars too."""
        from emulator.tracing.columnar import polars_frame

        frame: polars.DataFrame = polars_frame(self.arrow(table, **span_s))
        return frame

    def _count(self, log: Log, what: str, expected: int) -> None:
        """Raise `TraceError` where whole blocks are gone or are too many: each is whole, and no sum would tell."""
        held = log.count()
        if held != expected:
            raise TraceError(f"{log.path}: the header counts {expected} {what}, the log holds {held}")

    def _beside(self, name: str) -> bytes:
        """A small file, as the run wrote it. Raises `TraceError`."""
        data = self._read(name, MOST_HEADER_BYTES)
        expected = self.header.sums.get(name) if self.closed else None
        if expected is not None and sum_of(data) != expected:
            raise TraceError(f"{self.folder / name}: it is not what the run wrote: header.json has another sum of it")
        return data

    def _read(self, name: str, most_bytes: int) -> bytes:
        path = self.folder / name
        try:
            if not path.is_file():  # a pipe by that name would be waited for
                raise FileNotFoundError("it is not there, or no file")
            packed, size_bytes = name.endswith(".gz"), path.stat().st_size
            most_bytes = min(most_bytes, (1 << 20) + size_bytes * (MOST_FOLD if packed else 1))
            with gzip.open(path) if packed else path.open("rb") as stream:
                data = stream.read(most_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise TraceError(f"{path}: cannot be read: {error}") from error
        if len(data) > most_bytes:
            raise TraceError(f"{path}: larger than {most_bytes} bytes{', unpacked' if packed else ''}")
        return data

    def _decode(self, name: str, data: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{self.folder / name}: {error}") from error


def _instead(folder: Path) -> str:
    """What to do about a folder without a header: a run into it may have been killed."""
    with suppress(OSError, ValueError):  # a name that cannot be has no neighbour either
        left = partial_of(folder)
        if os.path.isfile(left / "header.json"):
            return f"its run was cut off, and left {str(left)[:400]}, which opens; `run --resume` goes on with it"
    return "it has no header.json; `orbitmesh run SCENARIO --out DIR` makes one"
