"""Brings one node's process up: connects to the coordinator, says hello, and serves until the run is over.

A letter of introduction comes on standard input, whose end means that whoever started this is gone: the coordinator,
or `orbitmesh node` on another host. One that goes in order says a byte first; one that was killed does not, and leaves
a folder behind that its nodes remove. A node on another host finds out by itself where its peers and applications reach
it. Errors go to standard error, and the exit code says which: 0 the run ended, 1 something failed, 2 it was not let in,
3 the coordinator is gone, 4 the scenario has the node fail for a while, and it is to be started again.
"""

import os
import shutil
import signal
import socket as sockets
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import zmq

from emulator.clock import wall_s
from emulator.errors import BAD_INPUT, BadInput, RunFailed
from emulator.live import control as say
from emulator.live.agent import Agent, Struck
from emulator.live.model_transfer import refuse_paths
from emulator.live.priority import RATHER, realtime
from emulator.live.wait import Waiter
from emulator.printable import printable
from emulator.version import installed_version
from links.endpoints import connect, ipc_endpoint, own_address
from links.handshakes import Gate, Watch
from links.keys import Keys, secure_client

WELCOME_S = 30.0  # wall seconds until a welcome: a hundred nodes that start together on two cores need most of it
REFUSAL_S = 5.0  # wall seconds after which somebody who does not answer at all is told of
LAST_WORDS_S = 0.5  # wall seconds from a broken connection to the end: what came before it is still obeyed
MOST_INTRODUCTION_BYTES = 65_536
GONE, STRUCK = 3, 4  # exit codes

_decode = msgspec.msgpack.Decoder(say.ToNode).decode


class Introduction(msgspec.Struct, frozen=True):
    """What a node must know to say hello. `run` is empty on another host; `keys` where the run has none."""

    control: str
    node: str = ""
    epoch: int = 0
    run: bytes = b""
    scenario_sha256: str = ""
    keys: Keys | None = None
    listen: str = ""  # on another host: where to bind the ear; "": at the address that leads to the coordinator
    sockets: str = ""  # on another host: the folder for applications' sockets; "": a private one
    realtime: bool = False  # whether the loop and its link threads go before ordinary programs
    folder: str = ""  # of who starts this, for what all its nodes need; goes with it


class Gone(Exception):
    """The coordinator, or who started this node, is not there any more; `killed`: the latter, and left its folder."""

    def __init__(self, killed: bool) -> None:
        super().__init__(killed)
        self.killed = killed


def main() -> int:
    """The process of one node."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this gets it too, and says what is to be done
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as pipe:  # what follows is for `Line`
        line = pipe.readline(MOST_INTRODUCTION_BYTES)
    if not line.endswith(b"\n"):
        _say("this is for orbitmesh itself; use `orbitmesh node --join ENDPOINT`")
        return 2
    introduction = msgspec.json.decode(line, type=Introduction)
    try:
        if introduction.realtime:
            _realtime()
        serve(introduction, sys.stdin.fileno())
    except Gone as gone:
        if gone.killed and introduction.folder:
            shutil.rmtree(introduction.folder, ignore_errors=True)  # the last node to end leaves nothing in it
        return GONE
    except Struck as struck:
        return STRUCK if struck.comes_back else 0
    except BAD_INPUT as error:
        _say(f"{introduction.node or 'a node'} cannot take part: {error}")
        return 2
    except RunFailed as error:
        _say(f"{introduction.node or 'a node'} failed: {error}")
        return 1
    return 0


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)


def _realtime() -> None:
    try:
        realtime()
    except OSError as error:
        raise BadInput(f"no real-time priority ({error.strerror or error}): {RATHER}") from error


def serve(introduction: Introduction, parent_fd: int) -> None:
    """Say hello, and serve to the end.

    Raises `Gone`, `Struck`, `BadInput` if not let in (any more), `RunFailed` if something breaks.
    """
    with Waiter() as waiter, tempfile.TemporaryDirectory(prefix="om-") as folder:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            _serve(Line(context, introduction, waiter, parent_fd), Path(folder))
        finally:
            context.destroy(linger=500)


def _serve(line: "Line", folder: Path) -> None:
    introduction = line.introduction
    agent = None
    try:
        line.hello()
        welcome = line.welcome()
        if not introduction.run:
            welcome = placed(welcome, introduction)
        agent = Agent(line.context, line.control, welcome, line.waiter, folder, introduction.keys, line.broken)
        if not introduction.run:
            _say(f"{welcome.node}: applications connect to {agent.reception.endpoint}")
        agent.serve()
        if not agent.finished:
            raise Gone(line.orphaned)
    finally:
        if agent is not None:
            agent.close()
        line.close()


def placed(welcome: say.Welcome, introduction: Introduction) -> say.Welcome:
    """The welcome of a node on another host with its own endpoints, which the coordinator cannot know.

    Applications' sockets lie in the starter's folder, whose path is known to be short enough for them. Raises BadInput
    for a welcome that names files of this host.
    """
    refuse_paths(welcome)
    ear = introduction.listen or f"tcp://{own_address(introduction.control)}:*"
    door = ipc_endpoint(introduction.sockets or introduction.folder, f"door {welcome.node}")
    return msgspec.structs.replace(welcome, ear=ear, door=door)


class Line:
    """A node's line to the coordinator, and what it notices of its end."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", introduction: Introduction, waiter: Waiter, parent_fd: int
    ) -> None:
        """Connects, which does not wait. Raises LinkError for an endpoint that cannot be."""
        self.context, self.introduction, self.waiter = context, introduction, waiter
        keys = introduction.keys
        self.gate = Gate(context, keys) if keys is not None else None
        self.control = context.socket(zmq.DEALER)
        self.control.set(zmq.MAXMSGSIZE, say.MOST_WELCOME_BYTES)
        self.control.set_hwm(0)  # bounded by what the coordinator has under way; a report must not be lost here
        if not introduction.run:
            self.control.set(zmq.HEARTBEAT_IVL, say.HEARTBEAT_MS)
            self.control.set(zmq.HEARTBEAT_TIMEOUT, say.SILENT_MS)
        if keys is not None:
            secure_client(self.control, keys)
        self.watch = Watch(self.control)
        connect(self.control, introduction.control)
        self.orphaned = False  # who started this was killed: it left without a word
        self._parent_fd = parent_fd
        os.set_blocking(parent_fd, False)
        self._lost_s: float | None = None
        waiter.add(parent_fd)
        self._watch_fd = int(self.watch.socket.fd)
        self._gate_fd = -1 if self.gate is None else int(self.gate.socket.fd)
        for fd in (int(self.control.fd), self._watch_fd, self._gate_fd):
            if fd >= 0:
                waiter.add(fd)
        self.broken({self._watch_fd, self._gate_fd})  # they wake only after a look that finds nothing

    def broken(self, ready: set[int]) -> bool:
        """Whether the coordinator is gone; serves the gate, too. `ready`: descriptors that can be read."""
        if self.gate is not None and self._gate_fd in ready:
            self.gate.serve()
        lost = self._watch_fd in ready and any(noticed.what == "lost" for noticed in self.watch.notice())
        if lost and self._lost_s is None:
            self._lost_s = wall_s()  # a new connection would be a stranger's: the coordinator has seen this one break
        if self._parent_fd in ready:
            self.orphaned = not os.read(self._parent_fd, 1)
            return True
        return self._lost_s is not None and wall_s() - self._lost_s > LAST_WORDS_S

    def hello(self) -> None:
        """Say who this is, which does not wait: once refused, ZeroMQ has no way out left and would wait for ever."""
        with suppress(zmq.Again):  # `welcome` says why
            self.control.send(say.encode(_hello(self.introduction)), zmq.NOBLOCK)

    def welcome(self) -> say.Welcome:
        """Wait to be let in. Raises `BadInput` with the reason if that does not happen, `Gone` if nobody is there."""
        begun_s = wall_s()
        while True:
            try:
                answer = _decode(self.control.recv(zmq.NOBLOCK))
            except zmq.Again:
                if self.broken(self.waiter.wait(wall_s() + 0.2)):
                    raise Gone(self.orphaned) from None
                why = self._objection(wall_s() - begun_s)
                if why:
                    raise BadInput(why) from None
                continue
            except msgspec.MsgspecError as error:
                raise BadInput(f"what the coordinator says cannot be read; is it another version? ({error})") from error
            if isinstance(answer, say.Unwelcome):
                raise BadInput(answer.problem)
            if isinstance(answer, say.Welcome):
                return answer
            raise BadInput(f"the coordinator said {type(answer).__name__} where a welcome was due: another version?")

    def close(self) -> None:
        """Say no more; what was said has a second to leave."""
        self.watch.close()
        self.control.close(linger=1000)
        if self.gate is not None:
            self.gate.close()

    def _objection(self, waited_s: float) -> str:
        """Why there will be no welcome, "" while there may be one."""
        where = self.introduction.control
        why = self.watch.refusal() or (self.watch.trouble() if waited_s > REFUSAL_S else "")
        if why:
            return why if where in why else f"{where}: {why}"
        if waited_s > WELCOME_S:
            return f"{where} is there but has not let this node in for {WELCOME_S:g} s"
        return ""


def _hello(introduction: Introduction) -> say.Hello:
    return say.Hello(
        say.PROTOCOL, installed_version(), introduction.node, introduction.epoch, os.getpid(), introduction.run,
        introduction.scenario_sha256, sockets.gethostname(),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
