"""Who is let in, and who was refused and why: ZeroMQ's handshakes, answered and watched.

Rules. No thread, no clock, and no call waits: `Gate` and `Watch` each have a socket to poll. Both sides learn of a
wrong key within a second, and "wrong key" is never told as "unreachable". Every refusal is counted by its reason.

What each side of a handshake is told (libzmq 4.3.5, as the tests have it): a wrong client key is told to both; a wrong
server key to the server only, which hangs up on the client again and again; a side with keys and one without: the
faster tells, and hangs up on the other.
"""

import errno
import secrets
import struct
from collections import Counter
from types import TracebackType
from typing import Literal, Self

import msgspec
import zmq
from zmq.utils import z85

from links.errors import WireError
from links.keys import DOMAIN, Keys

ZAP_ENDPOINT = "inproc://zeromq.zap.01"  # RFC 27
ZAP_FRAMES = 7  # RFC 27: version, request, domain, address, identity, mechanism, and for CURVE the client's key
MOST_ADDRESSES = 1000  # that `Gate` counts one by one, so that no scanner fills the memory [guess]
SURE = 2  # times hung up on in a row: once may be a peer that just ended

WATCHED = (
    zmq.EVENT_LISTENING
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_CLOSED
    | zmq.EVENT_ACCEPTED
    | zmq.EVENT_ACCEPT_FAILED
    | zmq.EVENT_DISCONNECTED
)

What = Literal[
    "accepted", "ready", "lost", "wrong_client_key", "wrong_server_key", "not_secured", "not_zeromq", "hung_up",
    "silent", "no_gate", "unreachable", "no_more_files",
]  # fmt: skip
# What a bound socket's watch has of those who were not let in.
STRANGE: frozenset[What] = frozenset(
    ("wrong_client_key", "wrong_server_key", "not_secured", "not_zeromq", "hung_up", "silent", "no_gate")
)
FINAL: dict[What, str] = {  # ZeroMQ tries no more after these
    "wrong_client_key": "refuses this key: use the key file that it was started with",
    "wrong_server_key": "cannot read what was sent with this key: use the key file that it was started with",
    "not_secured": "has keys where this side has none, or none where it has; give the same --key FILE on every host",
    "not_zeromq": "does not speak as orbitmesh does; check host and port",
}


class Gate:
    """Tells the secured sockets of a context whether a client's key is the right one (a ZAP handler).

    Poll `socket`, call `serve`: a handshake waits for it, 5 s at most. `admitted` and `refused` count handshakes,
    `refused_from` their addresses: a thousand, then "others".
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", keys: Keys) -> None:
        """Raises WireError if the context has a gate already."""
        self._key = z85.decode(keys.client_public)
        self.admitted = 0
        self.refused = 0
        self.refused_from: Counter[str] = Counter()
        self.socket: zmq.Socket[bytes] = context.socket(zmq.REP)
        try:
            self.socket.bind(ZAP_ENDPOINT)
        except zmq.ZMQError as error:
            self.socket.close(0)
            raise WireError("this ZeroMQ context has a gate already, and one serves all its sockets") from error

    def serve(self) -> int:
        """Answer all who wait, without waiting; returns how many were refused."""
        before = self.refused
        while self.socket.poll(0):
            frames = self.socket.recv_multipart(zmq.NOBLOCK)
            request = frames[1] if len(frames) > 1 else b""
            if len(frames) == ZAP_FRAMES and frames[2] == DOMAIN and frames[5:] == [b"CURVE", self._key]:
                self.admitted += 1
                self.socket.send_multipart([b"1.0", request, b"200", b"OK", b"", b""])
                continue
            self.refused += 1
            address = frames[3].decode(errors="replace")[:64] if len(frames) > 3 else "?"
            known = address in self.refused_from or len(self.refused_from) < MOST_ADDRESSES
            self.refused_from[address if known else "others"] += 1
            self.socket.send_multipart([b"1.0", request, b"400", b"no such key", b"", b""])
        return self.refused - before

    def close(self) -> None:
        """Nobody gets in from now on; close the secured sockets first."""
        self.socket.close(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


PROTOCOL_ERRORS: dict[int, What] = {  # zmq.h, values of HANDSHAKE_FAILED_PROTOCOL
    0x11000001: "wrong_server_key",  # ..._ZMTP_CRYPTOGRAPHIC
    0x11000002: "not_secured",  # ..._ZMTP_MECHANISM_MISMATCH
}


class Noticed(msgspec.Struct, frozen=True):
    """What a watch noticed of one connection, and at which endpoint (the one bound or connected to)."""

    what: What
    endpoint: str


class Watch:
    """Notices what becomes of a socket's connections; make it before the socket binds or connects.

    Poll `socket`, call `notice`. `counts` has every notice by its reason; of a socket that is bound, `refused` is how
    many were not let in. For a socket with one connection, `ready` says that it stands, `refusal` that it never will,
    and `trouble` what is wrong when time is up.
    """

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self.counts: Counter[What] = Counter()
        self.ready = False
        self._watched = socket
        self._bound = False
        self._hung_up = 0  # in a row
        self._last: Noticed | None = None
        address = f"inproc://watch-{secrets.token_hex(8)}"  # descriptors are used again before an old name is free
        socket.monitor(address, WATCHED)
        self.socket: zmq.Socket[bytes] = socket.context.socket(zmq.PAIR)
        # Unlimited: at its limit libzmq's I/O thread would stand still until it is read, and with it all sockets of
        # the context (measured: with 2,305 events unread). An event takes some 150 bytes.
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.connect(address)

    def notice(self) -> list[Noticed]:
        """All that has happened since the last call, without waiting."""
        noticed = []
        while self.socket.poll(0):
            head, endpoint = self.socket.recv_multipart(zmq.NOBLOCK)
            event, value = struct.unpack("=Hi", head)  # zmq_socket_monitor(3)
            what = self._what(event, value)
            if what is None:
                continue
            one = Noticed(what, endpoint.decode(errors="replace"))
            noticed.append(one)
            self.counts[what] += 1
            self.ready = what == "ready"
            self._hung_up = self._hung_up + 1 if what == "hung_up" else 0
            self._last = one
        return noticed

    @property
    def refused(self) -> int:
        """How many were accepted and are not, or not yet, ready: strangers whose first bytes are no ZeroMQ at all are
        dropped by libzmq without a reason."""
        return self.counts["accepted"] - self.counts["ready"]

    @property
    def strangers(self) -> dict[str, int]:
        """How many were not let in, by reason; `unnamed` are those of `refused` for whom libzmq has none (so far)."""
        named: dict[str, int] = {what: n for what, n in self.counts.items() if what in STRANGE}
        unnamed = self.refused - sum(named.values())
        return named | ({"unnamed": unnamed} if unnamed > 0 else {})

    def refusal(self) -> str:
        """Why the peer will never let this socket in, "" while it may; for a socket with one connection."""
        last = self._last
        if last is None:
            return ""
        if last.what in FINAL:
            return f"{last.endpoint} {FINAL[last.what]}"
        if self._hung_up >= SURE:
            return (
                f"{last.endpoint} hangs up in the middle of the handshake, as one does that holds other keys, or none, "
                "or asks for keys: use the key file that it was started with"
            )
        return ""

    def trouble(self) -> str:
        """What keeps this socket from being ready, "" if it is; for a socket with one connection, when time is up."""
        refusal = self.refusal()
        if self.ready or refusal:
            return refusal
        if self._last is None:
            return "no answer at all: the host is down, or something between drops what is sent"
        where = self._last.endpoint
        if self._last.what == "silent":
            return f"{where} is open but does not answer as orbitmesh does; check host and port"
        if self._last.what == "lost":
            return f"{where} was there and is gone"
        return f"{where} is unreachable: nothing listens there; is it started?"

    def close(self) -> None:
        """Watch no more."""
        if not self._watched.closed:
            self._watched.disable_monitor()
        self.socket.close(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _what(self, event: int, value: int) -> What | None:
        match event:
            case zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return "ready"
            case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                return "wrong_client_key"
            case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                return PROTOCOL_ERRORS.get(value, "not_zeromq")
            case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                if value == errno.EFAULT:  # what libzmq says of a secured socket whose context has no ZAP handler
                    return "no_gate"
                return "hung_up" if value in (errno.EPIPE, errno.ECONNRESET) else "silent"
            case zmq.EVENT_CLOSED:  # of an attempt to connect, or of what was bound
                return None if self._bound else "unreachable"
            case zmq.EVENT_ACCEPTED:
                return "accepted"
            case zmq.EVENT_ACCEPT_FAILED:
                return "no_more_files"
            case zmq.EVENT_DISCONNECTED:  # comes after every refusal too; a bound socket's peers cannot be told apart
                return "lost" if self.ready and not self._bound else None
        self._bound = self._bound or event == zmq.EVENT_LISTENING
        return None
