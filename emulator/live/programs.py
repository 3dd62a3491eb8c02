"""Programs that a live run starts on its nodes: each finds its node's endpoint in the environment.

Their output is theirs: it goes where this process's standard error goes. When the run is over they are told to end; on
Linux so they are when this process is killed.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from emulator.errors import BadInput
from emulator.live.interrupts import held
from emulator.live.roster import Member
from nodes.protocol import NODE_VARIABLE

END_S = 3.0  # wall seconds that a program has to end by itself
TETHER = Path(__file__).with_name("tether.py")
MOST_WORDS_BYTES = 4096  # of why a program cannot be


class Program:
    """One of them: `node` it is on, its command line, its process."""

    def __init__(self, node: str, command: str, door: str) -> None:
        """Starts it. Raises OSError or ValueError if that cannot be, on Linux some only when `problem` is asked."""
        self.node, self.command = node, command
        self._fd, told_fd = os.pipe()
        os.set_blocking(self._fd, False)
        tether: list[str] = []
        if sys.platform == "linux":
            tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(told_fd)]
        try:
            self.process = subprocess.Popen(
                [*tether, *shlex.split(command)], env=os.environ | {NODE_VARIABLE: door}, stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(), pass_fds=(told_fd,) if tether else (),
            )  # fmt: skip
        except BaseException:
            self.let_go()
            raise
        finally:
            os.close(told_fd)

    def problem(self) -> str:
        """Why it could not begin, "" as far as is known."""
        if self._fd < 0:
            return ""
        try:
            said = os.read(self._fd, MOST_WORDS_BYTES)
        except BlockingIOError:
            return ""
        self.let_go()
        return said.decode(errors="replace")

    def let_go(self) -> None:
        """Ask no more whether it has begun."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Programs:
    """All of them; use it as a context manager around the run."""

    def __init__(self, wanted: Sequence[tuple[str, str]], members: Mapping[str, Member]) -> None:
        """`wanted` is (node, command line). They are started with the first `look` after time has begun."""
        self._wanted = [(node, command, members[node].door) for node, command in wanted]
        self._running: list[Program] = []

    def __enter__(self) -> "Programs":
        return self

    def _start(self) -> None:
        wanted, self._wanted = self._wanted, []
        for node, command, door in wanted:
            try:
                with held():
                    self._running.append(Program(node, command, door))
            except (OSError, ValueError) as error:
                self._refuse(node, command, str(error), error)

    def _refuse(self, node: str, command: str, why: str, cause: Exception | None = None) -> None:
        self._end()
        raise BadInput(f"--app {node}={command}: cannot be started: {why}") from cause

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def look(self, now_s: float, note: Callable[[str], None]) -> None:
        """Start them when time has begun, for before nothing can be sent; notice who has ended and tell who failed."""
        if self._wanted and now_s > 0.0:
            self._start()
        for program in tuple(self._running):
            code = program.process.poll()
            if why := program.problem():
                self._refuse(program.node, program.command, why)
            if code is not None:
                self._running.remove(program)
                program.let_go()
                if code != 0:
                    note(f"program {program.command!r} on {program.node} ended with exit code {code}")

    def _end(self) -> None:
        for program in self._running:
            program.let_go()
            program.process.terminate()
        for program in self._running:
            try:
                program.process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                program.process.kill()
                program.process.wait()
        self._running.clear()
