"""Nodes of a live run on a host of their own: one process each, brought up together, ended together.

Everything that can be wrong with endpoints and keys is refused before a process is started. A node that is killed, or
that the scenario has fail for a while, is started again, as the coordinator does with those of its own host. The keys
go to the processes by a pipe: they are in no command line, environment or file.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from emulator.errors import BadInput, RunFailed
from emulator.live.interrupts import held
from emulator.live.join import GONE, STRUCK, Introduction
from emulator.live.priority import realtime_refused
from emulator.live.supervisor import hang_up
from links.endpoints import (
    ANY,
    Endpoint,
    check_bind,
    check_free,
    ipc_endpoint,
    is_loopback,
    parse,
    private_folder,
    resolved,
)
from links.keys import load

COMMAND = (sys.executable, "-P", "-m", "emulator.live.join")  # -P: no module of the folder where the user stands
MOST_NODES = 1000  # on one host
MOST_DEATHS = 5  # of one node, before it is given up
LOOK_S = 0.2  # wall seconds between looks at the processes; each look is some microseconds
END_S = 3.0  # wall seconds that processes have to end by themselves


def join(
    endpoint: str, key: Path | None, name: str, count: int, listen: str, sockets: str, realtime: bool = False
) -> list[int]:
    """Bring up `count` nodes and wait for their end; returns their exit codes (`join.py` says which there are).

    Raises BadInput if one is not let in, RunFailed if one fails or the coordinator is gone.
    """
    refused = realtime_refused() if realtime else ""
    if refused:
        raise BadInput(f"--realtime: {refused}")
    introductions = [
        replace(each, realtime=realtime) for each in _introductions(endpoint, key, name, count, listen, sockets)
    ]
    with private_folder() as folder:
        outpost = Outpost(introductions, folder)
        try:
            codes = outpost.serve()
        finally:
            outpost.close()
    if 2 in codes:
        raise BadInput(f"{codes.count(2)} of {count} nodes could not take part (said above)")
    if GONE in codes:
        raise RunFailed(f"the coordinator at {endpoint} is gone")
    if any(codes):
        raise RunFailed(f"nodes ended with exit codes {codes} (said above)")
    return codes


class Outpost:
    """The processes of this host's nodes."""

    def __init__(self, introductions: list[Introduction], folder: str) -> None:
        """Starts them; what they write for a while goes into `folder`."""
        self._lines = [msgspec.json.encode(replace(each, folder=folder)) + b"\n" for each in introductions]
        self._environment = os.environ | {"TMPDIR": folder}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._deaths = [0] * len(introductions)
        self._codes = [0] * len(introductions)
        for place in range(len(introductions)):
            self._start(place)

    def serve(self) -> list[int]:
        """Until the last one has ended; returns their exit codes."""
        while self._running:
            with suppress(subprocess.TimeoutExpired):
                next(iter(self._running.values())).wait(timeout=LOOK_S)
            for place, process in tuple(self._running.items()):
                code = process.poll()
                if code is not None:
                    self._ended(place, process, code)
        return self._codes

    def close(self) -> None:
        """End those that still run: by themselves if they can, by force if not."""
        for process in self._running.values():
            hang_up(process)
        patience_s = END_S
        for process in self._running.values():
            try:
                process.wait(timeout=patience_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                patience_s = 0.0  # the others have had their time too
        self._running.clear()

    def _start(self, place: int) -> None:
        with held():
            process = self._running[place] = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, start_new_session=True, env=self._environment
            )
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # it died at once, which its exit code will tell
                process.stdin.write(self._lines[place])
                process.stdin.flush()

    def _ended(self, place: int, process: "subprocess.Popen[bytes]", code: int) -> None:
        hang_up(process)
        del self._running[place]
        self._codes[place] = code
        if code < 0:
            self._deaths[place] += 1
            print(f"a node (process {process.pid}) was killed by signal {-code}", file=sys.stderr)
        if code == STRUCK or (code < 0 and self._deaths[place] <= MOST_DEATHS):
            self._start(place)


def _introductions(
    endpoint: str, key: Path | None, name: str, count: int, listen: str, sockets: str
) -> list[Introduction]:
    """What each process is to know. Raises BadInput or LinkError for everything that cannot be."""
    where = parse(endpoint)
    if where.transport != "tcp" or where.port == 0 or where.where in ANY:
        raise BadInput(f"--join {endpoint}: write tcp://HOST:PORT, as the coordinator says at its start")
    if not 1 <= count <= MOST_NODES:
        raise BadInput(f"--count {count}: 1 to {MOST_NODES} nodes on one host")
    if name and count > 1:
        raise BadInput(f"--name {name} and --count {count}: a name is for one node")
    keys = None if key is None else load(str(key))
    if keys is None and not is_loopback(endpoint):
        raise BadInput(f"--join {endpoint} is another host: give the run's keys with --key FILE")
    if sockets:
        ipc_endpoint(sockets, "door")  # too long a path is told now
    ears = [""] * count if not listen else _ears(listen, count, keys is not None, is_loopback(endpoint))
    return [Introduction(str(where), name, keys=keys, listen=ear, sockets=sockets) for ear in ears]


def _ears(listen: str, count: int, secured: bool, near: bool) -> list[str]:
    """Where each process is to hear its peers: any free port, or ports that count on from the one given."""
    where = parse(listen)
    if where.transport != "tcp" or where.where in ANY:
        raise BadInput(f"--listen {listen}: name one address of this host by which others reach it, tcp://HOST:0")
    if is_loopback(listen) and not near:
        raise BadInput(f"--listen {listen} cannot be reached from other hosts: name an address that can")
    if where.port + count > 65536:
        raise BadInput(f"--listen {listen}: {count} nodes need as many ports from there on, up to 65535")
    address = resolved(listen).where
    ears = [str(Endpoint("tcp", address, where.port + place if where.port else 0)) for place in range(count)]
    for ear in ears:
        check_bind(ear, secured)
        check_free(ear)
    return ears
