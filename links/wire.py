"""The two ends of the wire: `Outbound`, one direction of one contact, and `Ear`, where a node hears all its peers.

Nothing here blocks, waits or reads a clock. PUSH connects to PULL. What the wire loses, doubles or damages is left
out and counted by reason; acknowledging and ordering a resend are the caller's. Only ipc, inproc and the loopback are
open to messages without `secure`, which sets CURVE on a socket before it is bound or connected.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import msgspec
import zmq

from links.endpoints import is_loopback
from links.envelope import NAME_CHARS, RUN_BYTES, WHOLE_BYTES, Buffer, Envelope, Letter, Limits, Refused, decode, encode
from links.errors import LinkError, WireError
from links.room import Room
from links.window import Window

QUEUE = 1000  # ZeroMQ messages held at each end of a connection at most: ZeroMQ's own default
SENDERS = 4096  # peers an ear keeps account of: more than the 1,584 nodes of the largest constellation here
CONTACTS = 8  # contacts kept per peer: a pair has one at a time, numbered in the order of time; the rest is slack

# plain integers: `|` and `&` of pyzmq's enums cost a microsecond each
NOBLOCK, MORE, READABLE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE), int(zmq.POLLIN)

Secure = Callable[["zmq.Socket[bytes]"], None]


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """A letter that came in for the first time, and its parts as read-only views of what ZeroMQ received."""

    letter: Letter
    sender: str
    epoch: int
    sequence: int
    contact: int
    parts: list[memoryview]


class Outbound:
    """One direction of one contact: a PUSH socket connected to the peer's ear.

    Counts `sent_letters`, `resent_letters`, `sent_bytes` (of frames) and `refused`: by code what `encode` refused,
    and `full`, how often the queue had no room.
    """

    def __init__(
        self, context: "zmq.Context[Any]", endpoint: str, run: bytes, sender: str, epoch: int, contact: int,
        limits: Limits, secure: Secure | None = None, queue: int = QUEUE, first: int = 0,
    ) -> None:  # fmt: skip
        """Connects, which does not wait for the peer. `first`: where to count on, if this contact was open before.

        Raises WireError for an address or endpoint that cannot be, and for one open to strangers without `secure`.
        """
        if len(run) != RUN_BYTES or not 0 < len(sender) <= NAME_CHARS or min(epoch, contact, first) < 0:
            raise WireError(
                f"no address: run {run!r} ({RUN_BYTES} bytes), sender {sender!r}, {epoch}, {contact}, {first}"
            )
        self.endpoint = endpoint
        self.contact = contact
        self.next_sequence = first
        self.sent_letters = self.sent_bytes = self.resent_letters = 0
        self.refused: dict[str, int] = {}
        self._address = (run, sender, epoch, contact)
        self._limits = limits
        self.socket = _open(context, zmq.PUSH, endpoint, secure, queue)
        self.socket.copy_threshold = WHOLE_BYTES
        self._room = Room(self.socket, endpoint)
        try:
            _attach(self.socket, self.socket.connect, endpoint, "connect to")
        except WireError:
            self._room.close()
            raise

    def send(self, letters: Sequence[Letter], payloads: Sequence[Sequence[Buffer]]) -> bool:
        """Put letters and the parts of each on the wire; False if the queue is full and nothing was sent.

        Parts of `WHOLE_BYTES` and more are not copied and must stay unchanged. Raises Refused (see `encode`).
        """
        sent = self.post(self.seal(self.next_sequence, letters, payloads))
        if sent:
            self.book(letters)
        return sent

    def resend(self, first: int, letters: Sequence[Letter], payloads: Sequence[Sequence[Buffer]]) -> bool:
        """Send letters again under the numbers they had from `first` on: duplicates, if they came through before."""
        sent = self.post(self.seal(first, letters, payloads))
        if sent:
            self.resent_letters += len(letters)
        return sent

    def seal(self, first: int, letters: Sequence[Letter], payloads: Sequence[Sequence[Buffer]]) -> list[Buffer]:
        """The frames of an envelope, neither sent nor counted. Raises Refused (see `encode`)."""
        try:
            return encode(Envelope(*self._address, first, tuple(letters)), payloads, self._limits)
        except Refused as refusal:
            _count(self.refused, refusal.code)
            raise

    def post(self, frames: Sequence[Buffer]) -> bool:
        """Put frames on the wire as one message, just as they are; False if the queue is full."""
        last = len(frames) - 1
        if last:  # large payloads
            self._room.widen()
        for k, frame in enumerate(frames):
            try:
                self.socket.send(frame, NOBLOCK if k == last else MORE, len(frame) < WHOLE_BYTES, track=False)
            except zmq.Again:
                _count(self.refused, "full")
                if 0 < k < last:  # the peer went away: ZeroMQ has taken back the first frames and would now drop
                    self.socket.send(b"", NOBLOCK)  # all up to the end of a message, so it gets its end
                return False
        self.sent_bytes += sum(map(len, frames))
        return True

    def book(self, letters: Sequence[Letter]) -> None:
        """Count letters as sent under the next numbers."""
        self.next_sequence += len(letters)
        self.sent_letters += len(letters)

    def close(self, linger_ms: int = 0) -> None:
        """Close; what is queued still has `linger_ms` to leave, for which ending the context waits."""
        self._room.close()
        self.socket.close(linger=linger_ms)


class Ear:
    """A PULL socket, bound, that hears every peer and hands out each letter once.

    Counts `received_letters`, `received_bytes` (of all frames), `duplicates` (letters) and `refused`, by code: one
    for a message that cannot be read, one for each letter of a message that can. A frame above
    `limits.message_bytes` never gets here: ZeroMQ cuts that connection, and its sender connects anew.
    """

    def __init__(
        self, context: "zmq.Context[Any]", endpoint: str, run: bytes, limits: Limits,
        secure: Secure | None = None, queue: int = QUEUE,
    ) -> None:  # fmt: skip
        """Binds. Raises WireError for an endpoint that is taken or cannot be, or open to strangers without `secure`."""
        if len(run) != RUN_BYTES:
            raise WireError(f"a run has {RUN_BYTES} bytes, {run!r} has {len(run)}")
        self.received_letters = self.received_bytes = self.duplicates = 0
        self.refused: dict[str, int] = {}
        self._run = run
        self._limits = limits
        self._peers: dict[str, _Peer] = {}
        self.socket = _open(context, zmq.PULL, endpoint, secure, queue)
        self.socket.setsockopt(zmq.MAXMSGSIZE, limits.message_bytes)
        _attach(self.socket, self.socket.bind, endpoint, "bind")
        self.endpoint = self.socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")  # a wildcard's choice
        self.fd = int(self.socket.getsockopt(zmq.FD))

    def receive(self, most: int) -> list[Receipt]:
        """The new letters of at most `most` ZeroMQ messages; never waits, never raises for what came in.

        `fd` turns readable only when something changes: after it did, ask until `waiting` is false.
        """
        found: list[Receipt] = []
        receive = self.socket.recv
        keep = self._limits.frames + 1  # one too many is enough to refuse it; the rest is let go at once
        for _ in range(most):
            if not self.waiting:  # a tenth of what an exception costs
                break
            frame = receive(NOBLOCK, copy=False)
            views = [frame.buffer]
            size_bytes = len(views[0])
            while frame.more:  # a message comes whole or not at all
                frame = receive(NOBLOCK, copy=False)
                size_bytes += len(frame)
                if len(views) < keep:
                    views.append(frame.buffer)
            self.received_bytes += size_bytes
            self._read(views, found)
        self.received_letters += len(found)
        return found

    @property
    def waiting(self) -> bool:
        """Whether a message can be received now."""
        return int(self.socket.getsockopt(zmq.EVENTS)) & READABLE != 0

    def close(self) -> None:
        """Close; what was not received is lost."""
        self.socket.close(linger=0)

    def _read(self, views: list[memoryview], found: list[Receipt]) -> None:
        try:
            envelope, payloads = decode(views, self._limits, self._run)
        except Refused as refusal:
            _count(self.refused, refusal.code)
            return
        letters, first = envelope.letters, envelope.first
        window = self._window(envelope)
        if isinstance(window, str):
            _count(self.refused, window, len(letters))
            return
        sender, epoch, contact = envelope.sender, envelope.epoch, envelope.contact
        # of equal length, as decode has seen to; strict costs as much as the rest of the loop
        numbered = zip(letters, count(first), payloads)
        if window.admit_run(first, len(letters)):
            found += [Receipt(letter, sender, epoch, number, contact, parts) for letter, number, parts in numbered]
            return
        for letter, number, parts in numbered:
            verdict = window.admit(number)
            if verdict == "new":
                found.append(Receipt(letter, sender, epoch, number, contact, parts))
            elif verdict == "duplicate":
                self.duplicates += 1
            else:
                _count(self.refused, verdict)

    def _window(self, envelope: Envelope) -> Window | str:
        """The window of the envelope's contact, or the code by which it is refused."""
        peer = self._peers.get(envelope.sender)
        if peer is None and len(self._peers) >= SENDERS:
            return "too_many_senders"
        if peer is None or envelope.epoch > peer.epoch:
            peer = self._peers[envelope.sender] = _Peer(envelope.epoch)
        if envelope.epoch < peer.epoch:
            return "stale_epoch"
        return peer.window(envelope.contact, envelope.first) or "contact_over"


class _Peer:
    """What an ear knows of one incarnation of one sender."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.windows: dict[int, Window] = {}
        self.over = -1  # contacts up to this number are over

    def window(self, contact: int, first: int) -> Window | None:
        """The contact's window, new if need be; None if that contact is over."""
        if contact <= self.over:
            return None
        window = self.windows.get(contact)
        if window is None:
            window = self.windows[contact] = Window(first)
            if len(self.windows) > CONTACTS:
                self.over = min(self.windows)
                del self.windows[self.over]
                if self.over == contact:
                    return None
        return window


def is_local(endpoint: str) -> bool:
    """Whether only this process or this host can reach it; False also for what is no endpoint."""
    if endpoint.startswith(("ipc://", "inproc://")):
        return True
    try:
        return is_loopback(
            f"{endpoint.rpartition(':')[0]}:*"
        )  # whatever port: binding or connecting tells of a bad one
    except LinkError:
        return False


def _open(
    context: "zmq.Context[Any]", kind: int, endpoint: str, secure: Secure | None, queue: int
) -> "zmq.Socket[bytes]":
    if secure is None and not is_local(endpoint):
        raise WireError(f"{endpoint} is open to strangers: give CURVE keys, or stay on ipc or the loopback")
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.set_hwm(queue)
    if endpoint.startswith("tcp://["):
        socket.setsockopt(zmq.IPV6, 1)
    if secure is not None:
        secure(socket)
    return socket


def _attach(socket: "zmq.Socket[bytes]", attach: Callable[[str], Any], endpoint: str, verb: str) -> None:
    try:
        attach(endpoint)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise WireError(f"cannot {verb} {endpoint}: {error}") from None


def _count(counts: dict[str, int], code: str, by: int = 1) -> None:
    counts[code] = counts.get(code, 0) + by
