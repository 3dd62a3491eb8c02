"""One run is one folder: `header.json`, `world.json.gz`, `events.jsonl.gz`, `summary.json`.

Written beside its final name and renamed when whole, so that a folder that is there is complete. Read with limits
on every size. JSON only: nothing in a trace is ever executed.
"""

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from emulator.errors import TraceError
from emulator.events import Event
from emulator.orders import Order
from emulator.world import World

SCHEMA = 1
MOST_WORLD_BYTES = 2 << 30
MOST_LINE_BYTES = 1 << 20
MOST_HEADER_BYTES = 64 << 20

Line = tuple[Event, list[Order]]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What ran, and what came out of it."""

    schema: int
    orbitmesh: str
    created_utc: str
    scenario: str
    scenario_sha256: str
    epoch: str
    policy: str
    seed: int
    engine: str
    events: int
    digest: str


class TraceWriter:
    """Writes a trace; use it as a context manager. Left without `close`, nothing remains."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise TraceError(f"{folder} exists and is not an empty folder; name another with --out, or remove it")
        self.folder = folder
        self._partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(self._partial, ignore_errors=True)
        try:
            self._partial.mkdir(parents=True)
        except OSError as error:
            raise TraceError(f"{folder}: cannot be written: {error.strerror}") from error
        raw = (self._partial / "events.jsonl.gz").open("wb")
        self._raw = raw
        self._events = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=3)

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self._events.close()
        self._raw.close()
        shutil.rmtree(self._partial, ignore_errors=True)

    def write(self, chunk: bytes) -> None:
        """Append recorded lines."""
        self._events.write(chunk)

    def close(self, header: Header, world: World, summary: Any) -> None:
        """Write the rest and give the folder its name."""
        self._events.close()
        self._raw.close()
        world_json = gzip.compress(msgspec.json.encode(world), compresslevel=3, mtime=0)
        (self._partial / "world.json.gz").write_bytes(world_json)
        (self._partial / "header.json").write_bytes(_pretty(header))
        (self._partial / "summary.json").write_bytes(_pretty(summary))
        if self.folder.exists():
            self.folder.rmdir()
        self._partial.rename(self.folder)


class Trace:
    """An opened trace: header, world, and lines one by one. Raises `TraceError` for what is not one."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "header.json").is_file():
            raise TraceError(f"{folder} is no trace: it has no header.json; `orbitmesh run SCENARIO --out DIR` makes one")
        self.folder = folder
        head = self._read("header.json", MOST_HEADER_BYTES)
        schema = self._decode("header.json", head, dict).get("schema")
        if schema != SCHEMA:
            raise TraceError(f"{folder}: schema {schema!r}, this version reads schema {SCHEMA}")
        self.header: Header = self._decode("header.json", head, Header)
        self.world: World = self._decode("world.json.gz", self._read("world.json.gz", MOST_WORLD_BYTES), World)

    def lines(self) -> Iterator[tuple[int, bytes, Line]]:
        """Each line's number from 1, its bytes, and what it says."""
        decode = msgspec.json.Decoder(Line).decode
        number = 0
        try:
            with gzip.open(self.folder / "events.jsonl.gz") as stream:
                while line := stream.readline(MOST_LINE_BYTES):
                    number += 1
                    if not line.endswith(b"\n"):
                        raise TraceError(f"{self.folder}: line {number} is cut off or longer than {MOST_LINE_BYTES} bytes")
                    yield number, line, decode(line)
        except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
            raise TraceError(f"{self.folder}: events.jsonl.gz is damaged after line {number}: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TraceError(f"{self.folder}: line {number} is no record: {error}") from error

    def _read(self, name: str, most_bytes: int) -> bytes:
        path = self.folder / name
        try:
            with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
                data = stream.read(most_bytes + 1)
        except (OSError, EOFError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
            raise TraceError(f"{path}: cannot be read: {error}") from error
        if len(data) > most_bytes:
            raise TraceError(f"{path}: larger than {most_bytes} bytes")
        return data

    def _decode(self, name: str, data: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TraceError(f"{self.folder / name}: {error}") from error


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
