"""One run is one folder: `header.json`, `world.json.gz`, `events.jsonl.gz`, `summary.json`.

Written beside its final name and renamed when whole, so that a folder that is there is complete. Read with limits
on every size. JSON only: nothing in a trace is ever executed.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from emulator.errors import TraceError
from emulator.events import Event
from emulator.folders import made
from emulator.orders import Order
from emulator.world import World

SCHEMA = 3  # 2: facts and counts of bundles; 3: how the time of each run is known
MOST_WORLD_BYTES = 2 << 30
MOST_LINE_BYTES = 64 << 20  # a node that fails with a day of scenes on board ends all of them in one line
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
    world_sha256: str = ""  # of world.json.gz, unpacked; filled in when the trace is closed


def refuse_taken(folder: Path) -> None:
    """Raise `TraceError` unless a trace can be given this name: nothing is there but, at most, an empty folder."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        if taken or not folder.name or folder.resolve() == Path.cwd():
            raise TraceError(f"--out {folder} is there and not an empty folder to fill; name a new one, or remove it")
        with suppress(FileNotFoundError):
            os.stat(folder)  # tells of names that cannot be, which the questions above may pass over
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise TraceError(f"--out {str(folder)[:200]}: cannot be written: {error}") from error


class TraceWriter:
    """Writes a trace; use it as a context manager. Left without `close`, nothing remains."""

    def __init__(self, folder: Path) -> None:
        refuse_taken(folder)
        self.folder = Path(os.path.realpath(folder))

    def __enter__(self) -> "TraceWriter":
        with ExitStack() as stack:
            parent = stack.enter_context(made(self.folder.parent))
            beside = stack.enter_context(TemporaryDirectory(prefix=".orbitmesh-", suffix=".partial", dir=parent))
            self._partial = Path(beside) / "trace"
            self._partial.mkdir()
            self._raw = stack.enter_context((self._partial / "events.jsonl.gz").open("wb"))
            self._events = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0, compresslevel=3)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        with suppress(OSError):  # a full disk has been told already
            self._events.close()
        self._stack.__exit__(*exception)

    def write(self, chunk: bytes) -> None:
        """Append recorded lines."""
        self._events.write(chunk)

    def close(self, header: Header, world: World, summary: Any, live: Any = None) -> None:
        """Write the rest (what only a live run has, if there is any, as `live.json`) and give the folder its name."""
        self._events.close()
        self._raw.close()
        world_json = msgspec.json.encode(world)
        header = msgspec.structs.replace(header, world_sha256=hashlib.sha256(world_json).hexdigest())
        (self._partial / "world.json.gz").write_bytes(gzip.compress(world_json, compresslevel=3, mtime=0))
        (self._partial / "header.json").write_bytes(_pretty(header))
        (self._partial / "summary.json").write_bytes(_pretty(summary))
        if live is not None:
            (self._partial / "live.json").write_bytes(_pretty(live))
        self._partial.rename(self.folder)  # takes the place of an empty folder, of nothing else


class Trace:
    """An opened trace: header, world, and lines one by one. Raises `TraceError` for what is not one."""

    def __init__(self, folder: Path) -> None:
        if not os.path.isfile(folder / "header.json"):
            text = "it has no header.json; `orbitmesh run SCENARIO --out DIR` makes one"
            raise TraceError(f"{str(folder)[:200]} is no trace: {text}")
        self.folder = folder
        head = self._read("header.json", MOST_HEADER_BYTES)
        schema = self._decode("header.json", head, dict).get("schema")
        if schema != SCHEMA:
            raise TraceError(f"{folder}: schema {schema!r}, this version reads schema {SCHEMA}")
        self.header: Header = self._decode("header.json", head, Header)
        world = self._read("world.json.gz", MOST_WORLD_BYTES)
        self.world: World = self._decode("world.json.gz", world, World)
        self.world_sha256 = hashlib.sha256(world).hexdigest()

    def summary(self) -> Any:
        """The recorded row of figures, as plain lists and tables."""
        return self._decode("summary.json", self._read("summary.json", MOST_HEADER_BYTES), Any)

    def lines(self) -> Iterator[tuple[int, bytes, Line]]:
        """Each line's number from 1, its bytes, and what it says."""
        decode = msgspec.json.Decoder(Line).decode
        number = 0
        try:
            with gzip.open(self.folder / "events.jsonl.gz") as stream:
                while line := stream.readline(MOST_LINE_BYTES):
                    number += 1
                    if not line.endswith(b"\n"):
                        text = f"line {number} is cut off or longer than {MOST_LINE_BYTES} bytes"
                        raise TraceError(f"{self.folder}: {text}")
                    yield number, line, decode(line)
        except (OSError, EOFError, zlib.error) as error:
            raise TraceError(f"{self.folder}: events.jsonl.gz is damaged after line {number}: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{self.folder}: line {number} is no record: {error}") from error

    def _read(self, name: str, most_bytes: int) -> bytes:
        path = self.folder / name
        try:
            with gzip.open(path) if name.endswith(".gz") else path.open("rb") as stream:
                data = stream.read(most_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise TraceError(f"{path}: cannot be read: {error}") from error
        if len(data) > most_bytes:
            raise TraceError(f"{path}: larger than {most_bytes} bytes")
        return data

    def _decode(self, name: str, data: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TraceError(f"{self.folder / name}: {error}") from error


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
