"""Who is at a node's door: which application serves what, where it is, and what it has not taken yet.

An application is its service and its `instance`, not its ZeroMQ routing id, which changes with every connection. It
stays known while its connection is gone, until it says `bye`, another takes its service, or it takes no answers.
"""

from collections import Counter, deque

import msgspec
import zmq

from emulator.live.app_inbox import Inbox
from emulator.live.app_requests import AppLimits, Refusal
from emulator.live.app_socket import Sent, try_send
from nodes.protocol import Hello, Ping

_PING = msgspec.json.encode(Ping())


class Guest:
    """One application: where it is now (None: nowhere), and the answers that wait for it."""

    def __init__(self, name: str, service: str) -> None:
        self.name = name
        self.service = service
        self.address: bytes | None = None
        self.replies: deque[bytes] = deque()


class Guests:
    """The applications of one node, and the inboxes of their services, filled or not yet claimed by anybody."""

    def __init__(self, socket: zmq.Socket[bytes], limits: AppLimits, counts: Counter[str]) -> None:
        self._socket = socket
        self._limits = limits
        self._counts = counts
        self._by_address: dict[bytes, Guest] = {}
        self.by_name: dict[str, Guest] = {}
        self.by_service: dict[str, Guest] = {}
        self.inboxes: dict[str, Inbox] = {}
        self.held: dict[str, Guest] = {}  # those for whom a full pipe held something back

    def at(self, address: bytes) -> Guest | None:
        """Who speaks from this ZeroMQ routing id."""
        return self._by_address.get(address)

    def admit(self, address: bytes, said: Hello) -> Guest:
        """Let an application in, or in again. Raises Refusal if its service is taken or the node is full."""
        name = f"{said.service}@{said.instance or address.hex()}"
        holder = self.by_service.get(said.service)
        if holder is not None and holder.name != name:
            if self._is_there(holder):
                raise Refusal("service_taken", f"another application serves {said.service!r} on this node")
            self.forget(holder)
        before = self._by_address.get(address)
        if before is not None and before.name != name:
            self.forget(before)  # one connection, one service: it chose another
        guest = self.by_name.get(name)
        if guest is None:
            self._make_room()
            guest = self.by_name[name] = self.by_service[said.service] = Guest(name, said.service)
        if guest.address != address:
            self._leave(guest)
            guest.address = address
            self._by_address[address] = guest
        return guest

    def forget(self, guest: Guest) -> None:
        """The application is no more; messages for its service wait for the next, its answers are counted as lost."""
        self._leave(guest)
        del self.by_name[guest.name]
        del self.by_service[guest.service]
        self._counts["unclaimed"] += len(guest.replies)

    def reply(self, guest: Guest, frame: bytes) -> None:
        """Give the application an answer, after those that it has not taken; one that takes none is forgotten."""
        if len(guest.replies) >= self._limits.replies:
            self._counts["not_reading"] += 1
            self._counts["unclaimed"] += 1
            self.forget(guest)
            return
        guest.replies.append(frame)
        self.push(guest)

    def push(self, guest: Guest) -> None:
        """Give the application what it can take now: first answers, then messages."""
        if guest.address is None:
            return
        sent: Sent = "sent"
        while guest.replies and (sent := try_send(self._socket, guest.address, guest.replies[0])) == "sent":
            guest.replies.popleft()
        inbox = self.inboxes.get(guest.service)
        while sent == "sent" and inbox is not None and (parcel := inbox.next()) is not None:
            sent = try_send(self._socket, guest.address, parcel.head, *parcel.payload)
            if sent == "sent":
                inbox.given()
                self._counts["given"] += 1
        if sent == "full":
            self.held[guest.name] = guest
        else:
            self.held.pop(guest.name, None)
        if sent == "gone":
            self._counts["vanished"] += 1
            self._leave(guest)

    def _is_there(self, guest: Guest) -> bool:
        """Whether the application is still connected; ZeroMQ tells only by refusing to send."""
        if guest.address is None:
            return False
        self._socket.get(zmq.EVENTS)  # lets libzmq notice connections that have ended meanwhile
        if try_send(self._socket, guest.address, _PING) != "gone":
            return True
        self._counts["vanished"] += 1
        return False

    def _make_room(self) -> None:
        """Raises Refusal if the node has as many applications as it may, all of them alive."""
        if len(self.by_name) >= self._limits.applications:
            for guest in tuple(self.by_name.values()):
                if not self._is_there(guest):
                    self.forget(guest)
        if len(self.by_name) >= self._limits.applications:
            raise Refusal("too_many_applications", f"this node serves at most {self._limits.applications} applications")

    def _leave(self, guest: Guest) -> None:
        """The application is not where it was: what it did not confirm waits for it, or for its successor."""
        if guest.address is not None:
            del self._by_address[guest.address]
            guest.address = None
        self.held.pop(guest.name, None)
        inbox = self.inboxes.get(guest.service)
        if inbox is not None:
            inbox.take_back()
