"""Programs that a live run starts on its nodes: each finds its node's endpoint in the environment.

Their output is theirs: it goes where this process's standard error goes. When the run is over they are told to end.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from emulator.errors import BadInput
from emulator.live.roster import Member
from nodes.protocol import NODE_VARIABLE

END_S = 3.0  # wall seconds that a program has to end by itself


class Programs:
    """All of them; use it as a context manager around the run."""

    def __init__(self, wanted: Sequence[tuple[str, str]], members: Mapping[str, Member]) -> None:
        """`wanted` is (node, command line). They are started with the first `look` after time has begun."""
        self._wanted = [(node, command, members[node].door) for node, command in wanted]
        self._running: list[tuple[str, str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> "Programs":
        return self

    def _start(self) -> None:
        wanted, self._wanted = self._wanted, []
        try:
            for node, command, door in wanted:
                environment = os.environ | {NODE_VARIABLE: door}
                process = subprocess.Popen(
                    shlex.split(command), env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()
                )
                self._running.append((node, command, process))
        except (OSError, ValueError) as error:
            self._end()
            raise BadInput(f"--app {node}={command}: cannot be started: {error}") from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def look(self, now_s: float, note: Callable[[str], None]) -> None:
        """Start them when time has begun, for before nothing can be sent; notice who has ended and tell who failed."""
        if self._wanted and now_s > 0.0:
            self._start()
        for entry in tuple(self._running):
            node, command, process = entry
            code = process.poll()
            if code is not None:
                self._running.remove(entry)
                if code != 0:
                    note(f"program {command!r} on {node} ended with exit code {code}")

    def _end(self) -> None:
        for _, _, process in self._running:
            process.terminate()
        for _, _, process in self._running:
            try:
                process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
