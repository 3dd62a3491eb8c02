"""Nodes of a live run on a host of their own: one process each, brought up together, ended together.

Everything that can be wrong with endpoint and keys is refused before a process is started.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from emulator.errors import BadInput, RunFailed
from emulator.live.join import GONE, Introduction
from links.endpoints import is_loopback, parse
from links.keys import load

MOST_NODES = 1000  # on one host


def join(endpoint: str, key: Path | None, name: str, count: int, listen: str) -> list[int]:
    """Bring up `count` nodes and wait for their end; returns their exit codes.

    Raises BadInput if one is not let in, RunFailed if one fails or the coordinator is gone.
    """
    where = parse(endpoint)
    if not 1 <= count <= MOST_NODES:
        raise BadInput(f"--count {count}: 1 to {MOST_NODES} nodes on one host")
    if name and count > 1:
        raise BadInput(f"--name {name} and --count {count}: a name is for one node")
    keys = None if key is None else load(str(key))
    if keys is None and not is_loopback(endpoint):
        raise BadInput(f"--join {endpoint} is another host: give the run's keys with --key FILE")
    if listen and parse(listen).transport != "tcp":
        raise BadInput(f"--listen {listen}: other nodes need tcp://HOST:0")
    introduction = Introduction(str(where), name, keys=keys, listen=listen)
    line = msgspec.json.encode(introduction) + b"\n"
    processes = [_start(line) for _ in range(count)]
    try:
        codes = [process.wait() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
    if 2 in codes:
        raise BadInput(f"{codes.count(2)} of {count} nodes were not let in (said above)")
    if GONE in codes:
        raise RunFailed(f"the coordinator at {endpoint} is gone")
    if any(codes):
        raise RunFailed(f"nodes ended with exit codes {codes} (said above)")
    return codes


def _start(line: bytes) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "emulator.live.join"], stdin=subprocess.PIPE, start_new_session=True,
        env=os.environ | {"ORBITMESH_AWAY": "1"},
    )  # fmt: skip
    if process.stdin is not None:
        process.stdin.write(line)
        process.stdin.flush()
    return process
