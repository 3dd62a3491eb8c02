"""The nodes of a run as the coordinator knows them, and the one socket by which it hears and tells them.

Everything that comes in is decoded within limits or counted as refused. A message from a process that has been replaced
is counted as stale and goes no further.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import zmq

from emulator.clock import wall_s
from emulator.live import control as say
from emulator.live.offset import Exchange, OffsetEstimate
from links.endpoints import bind
from links.handshakes import Watch
from links.keys import Keys, secure_server

MOST_AT_ONCE = 512  # messages taken before what is due has its turn
HWM = 100_000  # messages to a node that does not read; a second of the busiest run. Beyond, it is taken for dead

UNREADABLE = say.Unwelcome("what was said cannot be read here: install the same version of orbitmesh on all hosts")

_decode = msgspec.msgpack.Decoder(say.FromNode).decode


class Member:
    """One node."""

    def __init__(self, name: str, kind: str, remote: bool) -> None:
        self.name, self.kind, self.remote = name, kind, remote
        self.epoch = 0
        self.identity = b""
        self.ear = self.door = self.host = ""
        self.pid = 0
        self.ready = False  # its sockets are bound
        self.loaded = False  # its models are in memory
        self.up = True  # for the core
        self.recover_s: float | None = None  # it is down, and may come back from this emulated instant on
        self.heard_s = 0.0
        self.cold_start_s = 0.0
        self.deaths = 0
        self.offset: OffsetEstimate | None = OffsetEstimate() if remote else None
        self.counts: dict[str, int] = {}
        self.past: Counter[str] = Counter()  # of its processes that are gone, as far as they told
        self.bye = False

    def gone(self) -> None:
        """Its process is no more."""
        self.past.update(self.counts)
        self.counts = {}
        self.identity, self.ear = b"", ""
        self.ready = self.loaded = self.bye = False


class Roster:
    """All members, and their control socket."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str, members: Iterable[Member], keys: Keys | None
    ) -> None:
        """Binds. Raises LinkError with the reason if that cannot be."""
        self.members = {member.name: member for member in members}
        self.refused: Counter[str] = Counter()
        self.broken: set[bytes] = set()  # identities that were to be told something and are not connected any more
        self._by_identity: dict[bytes, Member] = {}
        self.socket = context.socket(zmq.ROUTER)
        self.socket.set(zmq.ROUTER_MANDATORY, 1)
        self.socket.set(zmq.MAXMSGSIZE, say.MOST_MESSAGE_BYTES)
        self.socket.set_hwm(HWM)
        if keys is not None:
            secure_server(self.socket, keys)
        self.watch: Watch | None = None
        if endpoint.startswith("tcp"):
            self.watch = Watch(self.socket)  # counts who fails at the handshake
            self.socket.set(zmq.HEARTBEAT_IVL, say.HEARTBEAT_MS)
            self.socket.set(zmq.HEARTBEAT_TIMEOUT, say.SILENT_MS)
        try:
            self.endpoint = bind(self.socket, endpoint)
        except ValueError:
            self.close()
            raise
        self.fd = int(self.socket.fd)

    def hear(self, greet: Callable[[bytes, say.Hello], Member | None]) -> list[tuple[Member, Any]]:
        """What members say; a hello is answered by `greet`, which returns who it is, or None if not let in."""
        found: list[tuple[Member, Any]] = []
        for _ in range(MOST_AT_ONCE):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                if len(frames) != 2:
                    raise msgspec.DecodeError("not one frame")
                message = _decode(frames[1])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                self.refused["malformed"] += 1
                if frames[0] not in self._by_identity:
                    self.answer(frames[0], UNREADABLE)
                continue
            member = self._by_identity.get(frames[0])
            if isinstance(message, say.Hello):
                if member is not None:
                    self.refused["hello again"] += 1
                    continue
                newcomer = greet(frames[0], message)
                if newcomer is not None:
                    self._by_identity[frames[0]] = newcomer
                    newcomer.heard_s = wall_s()
                continue
            if member is None:
                self.refused["stranger"] += 1
            elif member.identity != frames[0]:
                self.refused["stale epoch"] += 1
            else:
                member.heard_s = wall_s()
                found.append((member, message))
        return found

    def tell(self, name: str, message: Any) -> bool:
        """Say something to a node; False if it is not there, or has not read for so long that no more is kept."""
        return self.answer(self.members[name].identity, message)

    def answer(self, identity: bytes, message: Any) -> bool:
        """Say something to whoever has this identity."""
        if not identity:
            return False
        try:
            self.socket.send_multipart((identity, say.encode(message)), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                self.broken.add(identity)
            self.refused["not told"] += 1
            return False
        return True

    def tell_all(self, message: Any) -> None:
        """Say the same to all that are ready."""
        for member in self.members.values():
            if member.ready:
                self.answer(member.identity, message)

    def pinged(self, member: Member, pong: say.Pong) -> None:
        """Learn from an exchange how far the node's clock is from ours."""
        if member.offset is not None:
            member.offset.add(Exchange(pong.sent_s, pong.came_s, pong.left_s, wall_s()))

    def close(self) -> None:
        """Say no more."""
        if self.watch is not None:
            self.watch.close()
        self.socket.close(linger=200)
