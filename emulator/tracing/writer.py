"""Writes a trace: `header.json` and `world.json.gz` first, the logs block by block, `footer.json` and the rest last.

It grows in `.NAME.orbitmesh-partial` beside its final name and is renamed when whole, so a folder of that name is
complete. After an error nothing remains; after a crash the partial folder does, and `resume` goes on from it.
"""

import gzip
import hashlib
import os
import shutil
from collections import deque
from contextlib import ExitStack, suppress
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from xxhash import xxh3_128_digest

from emulator.decision_log import DECISIONS_LOG
from emulator.errors import ReplayMismatch, TraceError
from emulator.folders import made
from emulator.interpreter import threads_beside
from emulator.tracing.header import Footer, Header
from emulator.tracing.log import Log
from emulator.tracing.seal import sealed, sum_of
from emulator.tracing.squeeze import Piece, Squeezer, to_disk
from emulator.world import World

EVENTS = "events.jsonl.gz"
SAME = (
    "schema",
    "scenario",
    "scenario_sha256",
    "epoch",
    "policy",
    "seed",
    "engine",
    "world_sha256",
)  # of a resumed run
_TAKEN = "another run is writing {} now; name another folder, or wait for its end"


class Left(NamedTuple):
    """A block that an interrupted run had written: lines before it and in it, and the sum of what it holds."""

    before: int
    lines: int
    sum: bytes  # XXH3, 128 bits


def refuse_taken(folder: Path, resume: bool = False) -> None:
    """Raise `TraceError` unless a trace can be given this name: nothing is there but, at most, an empty folder, and
    nothing is in the way where it would grow, but, with `resume`, what an interrupted run has left."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        if taken or not folder.name or folder.resolve() == Path.cwd():
            raise TraceError(f"--out {folder} is there and not an empty folder to fill; name a new one, or remove it")
        with suppress(FileNotFoundError):
            os.stat(folder)  # tells of names that cannot be, which the questions above may pass over
        with suppress(FileNotFoundError):
            os.stat(partial_of(folder))  # a longer name
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise TraceError(f"--out {str(folder)[:200]}: cannot be written: {error}") from error
    _refuse_left(partial_of(folder), resume)


def _refuse_left(partial: Path, resume: bool) -> None:
    if partial.is_symlink() or (partial.exists() and not partial.is_dir()):
        raise TraceError(f"--out: {partial} is in the way: a trace would grow there; remove it")
    if partial.is_dir() and _being_written(partial):
        raise TraceError(f"--out: {_TAKEN.format(partial)}")
    if partial.is_dir() and not resume and any(partial.iterdir()):
        raise TraceError(f"--out: an interrupted run has left {partial}: {_what_to_do(partial)}")


def _what_to_do(partial: Path) -> str:
    with suppress(TraceError):
        header = _left_header(partial)
        if header is not None and header.engine == "live":
            return "a live run cannot be resumed; move the folder (report and replay open it) or remove it"
        if header is not None and header.replay_of:
            return "a replay cannot be resumed; remove the folder, and replay anew"
    return "--resume goes on with it, removing the folder forgets it"


def _left_header(partial: Path) -> Header | None:
    try:
        return msgspec.json.decode((partial / "header.json").read_bytes(), type=Header)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise TraceError(f"--resume: {partial / 'header.json'}: {error}; remove the folder") from error


def partial_of(folder: Path) -> Path:
    """Where a trace of this name grows."""
    final = Path(os.path.realpath(folder))
    return final.with_name(f".{final.name}.orbitmesh-partial")


class TraceWriter:
    """Writes a trace; use it as a context manager. Left without `close`, nothing remains, but with `resume`.

    With `resume` an interrupted trace is taken up: blocks that are there are compared with what the run, which starts
    anew, says again, and it goes on behind them. Then an interruption leaves what was written.
    """

    def __init__(self, folder: Path, resume: bool = False) -> None:
        refuse_taken(folder, resume)
        self.folder = Path(os.path.realpath(folder))
        self.resume = resume
        self.resumed_events: int | None = None  # that an interrupted run had left, if one is taken up
        self._decisions = 0  # lines

    def __enter__(self) -> "TraceWriter":
        with ExitStack() as stack:
            stack.enter_context(made(self.folder.parent))
            stack.enter_context(threads_beside())
            self._partial = partial_of(self.folder)
            self._closed = False
            self._clear_or_keep()
            self._squeezer = Squeezer()
            self._header: Header | None = None
            self._old_header: Header | None = _left_header(self._partial)
            self._left: dict[str, deque[Left]] = {}
            stack.callback(self._leave)
            self._files = {name: stack.enter_context(self._opened(name)) for name in (EVENTS, DECISIONS_LOG)}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._squeezer.abandon()
        taken_up = self.resume and self._old_header is not None
        self._keep = taken_up or (self.resume and isinstance(exception[1], KeyboardInterrupt | OSError))
        self._stack.__exit__(*exception)

    def begin(self, header: Header, world: World) -> None:
        """Say what runs, before it does. Raises `TraceError` where an interrupted run was of something else."""
        world_json = msgspec.json.encode(world)
        header = msgspec.structs.replace(header, world_sha256=hashlib.sha256(world_json).hexdigest())
        old = self._old_header
        if old is not None:
            other = [name for name in SAME if getattr(old, name) != getattr(header, name)]
            if other:
                told = ", ".join(f"{name} {getattr(old, name)!r}, not {getattr(header, name)!r}" for name in other)
                raise TraceError(f"--resume: the interrupted run in {self._partial} was another one: {told}")
            header = msgspec.structs.replace(header, created_utc=old.created_utc)
        self._header = header
        self._put("world.json.gz", gzip.compress(world_json, compresslevel=3, mtime=0))
        self._put("header.json", pretty(header))

    def write(self, chunk: bytes, lines: int, first_s: float, last_s: float, name: str = EVENTS) -> None:
        """Append whole lines as one block; `first_s` and `last_s` are their span of time."""
        self._decisions += lines if name == DECISIONS_LOG else 0
        left = self._left.get(name)
        if left:
            old = left.popleft()
            if old.sum != xxh3_128_digest(chunk):
                text = "the run, started anew, says something else than the interrupted one did"
                raise ReplayMismatch(f"--resume: {text}, in the {old.lines} lines of {name} after line {old.before}")
            return
        self._squeezer.put(Piece(self._files[name], chunk, lines, first_s, last_s))

    def close(self, header: Header, world: World, summary: Any, live: Any = None, footer: Footer | None = None) -> None:
        """Write the rest (what only a live run has, if there is any, as `live.json`) and give the folder its name."""
        if any(self._left.values()):
            raise ReplayMismatch("--resume: the run, started anew, ended before the interrupted one had")
        if self._header is None:
            self.begin(header, world)
        self._squeezer.finish()
        if self._header is not None:
            header = msgspec.structs.replace(self._header, events=header.events, digest=header.digest)
        for file in self._files.values():
            to_disk(file)
            file.close()
        beside = {"summary.json": summary, "live.json": live, "footer.json": footer}
        sums = {name: self._put(name, pretty(each)) for name, each in beside.items() if each is not None}
        self._put("header.json", pretty(sealed(header, sums, self._decisions)))
        self._partial.rename(self.folder)  # takes the place of an empty folder, of nothing else
        self._closed = True

    def _put(self, name: str, data: bytes) -> str:
        """Write a file whole; returns its sha256."""
        beside = self._partial / f"{name}.partial"
        try:
            beside.write_bytes(data)
        except OSError as error:
            error.filename = error.filename or str(beside)  # a full disk does not say where it is
            raise
        beside.replace(self._partial / name)  # rename does not replace everywhere
        return sum_of(data)

    def _clear_or_keep(self) -> None:
        """An interrupted run's folder is taken up, or refused; one that has no log yet is of no worth."""
        self._keep = False
        _refuse_left(self._partial, self.resume)
        self._partial.mkdir(exist_ok=True)

    def _opened(self, name: str) -> FileIO:
        """A log to append to, without what an interruption cut off; its whole blocks wait to be compared."""
        path = self._partial / name
        file = FileIO(path, "a")
        try:
            _lock(file)
        except OSError as error:
            file.close()
            self._keep = True  # it is another's
            raise TraceError(f"--out: {_TAKEN.format(self._partial)}") from error
        if self._old_header is None:
            file.truncate(0)
            return file
        kept, size_bytes = _whole_blocks(Log(path))
        file.truncate(size_bytes)
        self._left[name] = kept
        if name == EVENTS:
            self.resumed_events = sum(each.lines for each in kept)
        return file

    def _leave(self) -> None:
        """After the files are closed: nothing remains of what was not closed, unless it is to be resumed."""
        if not self._keep and not self._closed:
            with suppress(FileNotFoundError):
                shutil.rmtree(self._partial)


def _whole_blocks(log: Log) -> tuple[deque[Left], int]:
    """What is whole of a log that was cut off, and how many bytes that is; a block is held only while it is summed."""
    kept: deque[Left] = deque()
    if not log.blocked:
        return kept, 0
    for first, raw in log.chunks(strict=False):
        kept.append(Left(first - 1, raw.count(b"\n"), xxh3_128_digest(raw)))
    blocks = log.index(strict=False)[: len(kept)]
    return kept, blocks[-1].offset + blocks[-1].size_bytes if blocks else 0


def _being_written(partial: Path) -> bool:
    """Whether a run that still lives holds the log there."""
    if not (partial / EVENTS).is_file():  # a pipe by that name would be waited for
        return False
    with suppress(OSError), FileIO(partial / EVENTS) as file:
        try:
            _lock(file)  # let go when it is closed
        except OSError:
            return True
    return False


def _lock(file: FileIO) -> None:
    """Keep another run from writing there too; where the system has no such locks, it is left to the user."""
    if os.name == "posix":
        locks = import_module("fcntl")
        locks.flock(file, locks.LOCK_EX | locks.LOCK_NB)


def pretty(value: Any) -> bytes:
    """JSON for people too."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
