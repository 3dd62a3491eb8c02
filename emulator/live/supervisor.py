"""Starts the processes of nodes, notices when one dies, and leaves none behind.

New processes are started, never forked, in a session of their own, so that an interrupt at the terminal reaches the
coordinator alone. Each holds the end of a pipe whose other end is here: when this process is gone, however it went,
they know. What they write to a temporary folder lies in the run's own, which goes with the run, however they went.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from emulator.clock import wall_s
from emulator.live.interrupts import held
from emulator.live.join import GONE, Introduction

LOG_LINES = 20  # of a dead process, in the error
MOST_LOG_BYTES = 65_536  # read back of a log
KILL_S = 5.0  # wall seconds that a process may take to end by itself
NOT_LET_IN = 2  # exit code, as `emulator/live/join.py` has it


class Death(msgspec.Struct, frozen=True):
    """A process that ended: its exit code (negative: the signal), the end of its log, and why it was killed, if so."""

    node: str
    pid: int
    code: int
    log: str
    why: str = ""

    def __str__(self) -> str:
        if self.why:
            return self.why
        how = f"was killed by signal {-self.code}" if self.code < 0 else f"ended with exit code {self.code}"
        return f"{self.node} (process {self.pid}) {how}" + (f"; its last words:\n{self.log}" if self.log else "")


class Supervisor:
    """The processes of one run's nodes, by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}
        self._by_fd: dict[int, str] = {}
        self._started = 0

    def start(self, introduction: Introduction) -> int | None:
        """Start a node's process; returns a descriptor that becomes readable when it dies, where there is such."""
        self._started += 1
        log = self._folder / f"node-{self._started}.log"
        node = introduction.node
        with log.open("wb") as out, held():
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "emulator.live.join"],
                stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True,
                env=os.environ | {"TMPDIR": str(self._folder)},
            )  # fmt: skip
            self._running[node], self._logs[node] = process, log
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # it died at once, which `deaths` will tell
                process.stdin.write(msgspec.json.encode(replace(introduction, folder=str(self._folder))) + b"\n")
                process.stdin.flush()
        if not hasattr(os, "pidfd_open"):
            return None
        fd = os.pidfd_open(process.pid)
        self._by_fd[fd] = node
        return fd

    def pid(self, node: str) -> int | None:
        """The process of a node, if it runs here."""
        process = self._running.get(node)
        return None if process is None else process.pid

    def runs(self, node: str) -> bool:
        """Whether the process of a node is alive."""
        process = self._running.get(node)
        return process is not None and process.poll() is None

    @property
    def pids(self) -> dict[str, int]:
        """Node and process of all that run."""
        return {node: process.pid for node, process in self._running.items()}

    def deaths(self) -> tuple[list[Death], list[int]]:
        """Who has died since the last call, and the descriptors that are closed now."""
        found: list[Death] = []
        for node, process in tuple(self._running.items()):
            code = process.poll()
            if code is not None:
                found.append(Death(node, process.pid, code, self._last_words(node)))
                self._forget(node)
        closed = [fd for fd, node in self._by_fd.items() if node not in self._running]
        return found, closed

    def closed(self, fd: int) -> None:
        """Close the descriptor of a process that is gone; wait for it no more before."""
        del self._by_fd[fd]
        os.close(fd)

    def kill(self, node: str) -> None:
        """End a process at once, as a failing computer does."""
        process = self._running.get(node)
        if process is not None:
            process.kill()

    def reap(self, node: str) -> None:
        """Wait until a process that was killed is gone."""
        process = self._running.get(node)
        if process is not None:
            process.wait()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Of processes, as returned by `start` and not closed yet."""
        return tuple(self._by_fd)

    def stop(self, patience_s: float = KILL_S) -> list[Death]:
        """Tell all to end, wait until they have, then end the rest; returns those that failed or had to be killed."""
        found: list[Death] = []
        for process in self._running.values():
            hang_up(process)
        until_s = wall_s() + patience_s  # for all of them together
        for node, process in tuple(self._running.items()):
            try:
                code = process.wait(timeout=max(0.0, until_s - wall_s()))
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            if code not in (0, GONE):  # a coordinator that hangs up is gone: so it was told
                found.append(Death(node, process.pid, code, self._last_words(node)))
            self._forget(node)
        for fd in tuple(self._by_fd):
            self.closed(fd)
        return found

    def _forget(self, node: str) -> None:
        hang_up(self._running.pop(node))

    def _last_words(self, node: str) -> str:
        with suppress(OSError), self._logs[node].open("rb") as log:
            log.seek(max(0, self._logs[node].stat().st_size - MOST_LOG_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-LOG_LINES:])
        return ""


def hang_up(process: "subprocess.Popen[bytes]") -> None:
    """Close our end of a process's pipe, by which it knows that nobody needs it any more.

    The byte before says that this is in order: without it this process was killed, and its folder is theirs to remove.
    """
    if process.stdin is not None and not process.stdin.closed:
        with suppress(BrokenPipeError):
            process.stdin.write(b".")
        with suppress(BrokenPipeError):
            process.stdin.close()
