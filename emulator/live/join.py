"""Brings one node's process up: connects to the coordinator, says hello, and serves until the run is over.

A node that was started here reads its letter of introduction from standard input, whose end means that the coordinator
is gone. A node on another host has an endpoint and a key file instead. Errors go to standard error, and the exit code
says which: 0 the run ended, 1 something failed, 2 it was not let in, 3 the coordinator is gone.
"""

import os
import signal
import socket as sockets
import sys
import tempfile
from pathlib import Path

import msgspec
import zmq

from emulator.clock import wall_s
from emulator.errors import BAD_INPUT, BadInput, RunFailed
from emulator.live import control as say
from emulator.live.agent import Agent
from emulator.live.wait import Waiter
from emulator.version import installed_version
from links.endpoints import connect
from links.handshakes import Gate, Watch
from links.keys import Keys, secure_client

WELCOME_S = 30.0  # wall seconds until a welcome: a hundred nodes that start together on two cores need most of it
REFUSAL_S = 5.0  # wall seconds after which somebody who does not answer at all is told of
SILENT_S = 15.0  # wall seconds without a word after which the coordinator is taken for dead by another host
MOST_INTRODUCTION_BYTES = 65_536
GONE = 3  # exit code

_decode = msgspec.msgpack.Decoder(say.ToNode).decode


class Introduction(msgspec.Struct, frozen=True):
    """What a node must know to say hello. `run` is empty on another host; `keys` where the run has none."""

    control: str
    node: str = ""
    epoch: int = 0
    run: bytes = b""
    scenario_sha256: str = ""
    keys: Keys | None = None
    listen: str = ""  # host part of endpoints to bind on another host


class Gone(Exception):
    """The coordinator is not there any more."""


def main() -> int:
    """The process of a node that was started by a coordinator on this host."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator gets it too, and says what is to be done
    line = sys.stdin.buffer.readline(MOST_INTRODUCTION_BYTES)
    if not line.endswith(b"\n"):
        print("this is for orbitmesh itself; use `orbitmesh node --join ENDPOINT`", file=sys.stderr)
        return 2
    try:
        serve(msgspec.json.decode(line, type=Introduction), sys.stdin.fileno())
    except Gone:
        return GONE
    except BAD_INPUT as error:
        print(f"not let in: {error}", file=sys.stderr)
        return 2
    except RunFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(introduction: Introduction, parent_fd: int | None) -> None:
    """Say hello, and serve to the end. Raises `Gone`, `BadInput` if not let in, `RunFailed` if something breaks."""
    with Waiter() as waiter, tempfile.TemporaryDirectory(prefix="om-") as folder:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            _serve(introduction, parent_fd, waiter, Path(folder), context)
        finally:
            context.destroy(linger=500)


def _serve(
    introduction: Introduction, parent_fd: int | None, waiter: Waiter, folder: Path,
    context: "zmq.Context[zmq.Socket[bytes]]",
) -> None:  # fmt: skip
    keys = introduction.keys
    gate = Gate(context, keys) if keys is not None else None
    control = context.socket(zmq.DEALER)
    control.set(zmq.MAXMSGSIZE, say.MOST_WELCOME_BYTES)
    control.set_hwm(0)  # bounded by what the coordinator has under way; a report must not be lost here
    if keys is not None:
        secure_client(control, keys)
    watch = Watch(control)
    connect(control, introduction.control)
    if parent_fd is not None:
        os.set_blocking(parent_fd, False)
        waiter.add(parent_fd)
    for fd in (int(control.fd), int(watch.socket.fd), *([int(gate.socket.fd)] if gate is not None else [])):
        waiter.add(fd)
    heard_s = wall_s()

    def alone(ready: set[int]) -> bool:
        """Serve the gate, and see whether the coordinator is still there."""
        nonlocal heard_s
        if gate is not None:
            gate.serve()
        watch.notice()
        if parent_fd is not None:
            return parent_fd in ready and os.read(parent_fd, 1) == b""
        heard_s = wall_s() if watch.ready else heard_s
        return wall_s() - heard_s > SILENT_S

    control.send(say.encode(_hello(introduction)))
    welcome = _welcome(control, watch, waiter, alone)
    agent = Agent(context, control, welcome, waiter, folder, keys, alone)
    try:
        agent.serve()
        if not agent.finished:
            raise Gone
    finally:
        agent.close()
        watch.close()
        control.close(linger=1000)
        if gate is not None:
            gate.close()


def _hello(introduction: Introduction) -> say.Hello:
    return say.Hello(
        say.PROTOCOL, installed_version(), introduction.node, introduction.epoch, os.getpid(), introduction.run,
        introduction.scenario_sha256, sockets.gethostname(),
    )  # fmt: skip


def _welcome(control: "zmq.Socket[bytes]", watch: Watch, waiter: Waiter, alone: object) -> say.Welcome:
    """Wait to be let in. Raises `BadInput` with the reason if that does not happen."""
    begun_s = wall_s()
    while True:
        try:
            answer = _decode(control.recv(zmq.NOBLOCK))
        except zmq.Again:
            if callable(alone) and alone(waiter.wait(wall_s() + 0.2)):
                raise Gone from None
            waited_s = wall_s() - begun_s
            why = watch.refusal() or (watch.trouble() if waited_s > REFUSAL_S else "")
            if not why and waited_s > WELCOME_S:
                why = f"the coordinator is there but has not let this node in for {WELCOME_S:g} s"
            if why:
                raise BadInput(why) from None
            continue
        if isinstance(answer, say.Unwelcome):
            raise BadInput(answer.problem)
        if isinstance(answer, say.Welcome):
            return answer
        raise BadInput(f"the coordinator said {type(answer).__name__} where a welcome was due; is it another version?")


if __name__ == "__main__":
    sys.exit(main())
