"""The node's side of its applications: a door at which any local program may knock, and that none can harm.

Never blocks, and raises for nothing that an application says or leaves undone: what cannot be is answered with
`refused` or `error` and counted by code. Messages and answers that an application does not take are kept up to
limits. docs/applications.md describes the protocol.
"""

from collections import Counter
from collections.abc import Callable

import msgspec
import zmq

from emulator.live.app_guests import Guest, Guests
from emulator.live.app_inbox import Inbox, Parcel
from emulator.live.app_requests import (
    AppLimits,
    Offer,
    Payload,
    Refusal,
    Request,
    check_version,
    read,
    request,
)
from emulator.live.app_socket import try_send
from nodes.protocol import (
    Accepted,
    Answer,
    Arrival,
    Bye,
    Error,
    Hello,
    Outcome,
    Received,
    Refused,
    Welcome,
    answer_frame,
)

_encode = msgspec.json.encode


class AppDoor:
    """Serves the applications of one node on a bound ROUTER `socket`; `welcome` says what to tell newcomers.

    `refused` counts by code what was not done. `counts` counts `hello`, `Offer`, `Query`, `bye`; messages `given` to
    applications and `received` by them, and `duplicate` ones; applications that `vanished` or were `not_reading`;
    answers that were `unclaimed` (nobody there any more) or `undeliverable` (to strangers that do not read).
    """

    def __init__(self, socket: zmq.Socket[bytes], limits: AppLimits, welcome: Callable[[], Welcome]) -> None:
        socket.set(zmq.ROUTER_MANDATORY, 1)  # or a message to an application that is gone would vanish silently
        self._socket = socket
        self._limits = limits
        self._welcome = welcome
        self.heard = 0  # messages of applications, whatever they said
        self.held_bytes = 0  # memory of the messages that wait for applications
        self.refused: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._guests = Guests(socket, limits, self.counts)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that have an application now, as far as is known."""
        return tuple(self._guests.by_service)

    @property
    def held_back(self) -> bool:
        """Whether `flush` has something to try again."""
        return bool(self._guests.held)

    def receive(self, most: int) -> list[Request]:
        """What applications ask, of at most `most` messages; handshakes and mistakes are dealt with here."""
        requests: list[Request] = []
        for _ in range(most):
            try:
                address, *frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            self.heard += 1
            asked = self._hear(address.bytes, frames)
            if asked is not None:
                self.counts[type(asked).__name__] += 1
                requests.append(asked)
        return requests

    def accepted(self, offer: Offer, id: str) -> None:
        """Tell the application that its offer is taken, and under which id."""
        self._reply(offer.app, _encode(Accepted(offer.reference, id)))

    def refuse(self, app: str, reference: int, code: str, problem: str) -> None:
        """Tell the application that what it asked will not be done; counted by `code`."""
        self.refused[code] += 1
        self._reply(app, _encode(Refused(reference, code, problem)))

    def outcome(self, app: str, reference: int, id: str, how: str, reason: str = "") -> None:
        """Tell the application what became of what it sent."""
        self._reply(app, _encode(Outcome(reference, id, how, reason)))

    def answer(self, app: str, reference: int, answer: Answer) -> None:
        """Answer a query."""
        self._reply(app, answer_frame(reference, answer))

    def deliver(self, service: str, arrival: Arrival, payload: Payload) -> bool:
        """Give a message to the application of `service`, now or when there is one; a second time does no harm.

        False, and counted as `inbox_full` or `too_many_services`, if there is no room for it.
        """
        inbox = self._guests.inboxes.get(service) or Inbox(self._limits)
        if arrival.id in inbox:
            self.counts["duplicate"] += 1
            return True
        parcel = Parcel(arrival.id, _encode(arrival), payload)
        if not inbox.has_room(parcel) or self.held_bytes + parcel.held_bytes > self._limits.node_bytes:
            self.refused["inbox_full"] += 1
            return False
        if service not in self._guests.inboxes and len(self._guests.inboxes) >= self._limits.services:
            self.refused["too_many_services"] += 1
            return False
        self._guests.inboxes[service] = inbox
        inbox.put(parcel)
        self.held_bytes += parcel.held_bytes
        guest = self._guests.by_service.get(service)
        if guest is not None:
            self._guests.push(guest)
        return True

    def flush(self) -> None:
        """Try again what full pipes held back; costs nothing when nothing is."""
        for guest in tuple(self._guests.held.values()):
            self._guests.push(guest)

    def close(self, reason: str) -> None:
        """Tell all applications that the node ends; the caller closes the socket."""
        last = _encode(Bye(reason))
        for guest in tuple(self._guests.by_name.values()):
            if guest.address is not None:
                try_send(self._socket, guest.address, last)
            self._guests.forget(guest)

    def _hear(self, address: bytes, frames: list[zmq.Frame]) -> Request | None:
        """One message of an application, dealt with here unless it is a request."""
        try:
            heard = read(frames, self._limits)
            said = heard.said
            if type(said) is Hello:
                check_version(said)
                newcomer = self._guests.admit(address, said)
                self.counts["hello"] += 1
                welcome = msgspec.structs.replace(self._welcome(), message_bytes=self._limits.message_bytes)
                self._guests.reply(newcomer, _encode(welcome))
                return None
            guest = self._guests.at(address)
            if guest is None:
                raise Refusal("no_hello", "say hello first: this node does not know you", heard.reference)
            if type(said) is Bye:
                self.counts["bye"] += 1
                self._guests.forget(guest)
            elif type(said) is Received:
                self._received(guest, said.id)
            return request(guest.name, guest.service, heard)
        except Refusal as refusal:
            self._refuse_at(address, refusal)
            return None

    def _received(self, guest: Guest, id: str) -> None:
        """The application has a message, which makes room for others. Raises Refusal if it was not given that one."""
        inbox = self._guests.inboxes.get(guest.service)
        freed_bytes = 0 if inbox is None else inbox.received(id)
        if not freed_bytes:
            raise Refusal("not_given", f"message {id[:40]!r} was not given to you, or you have confirmed it already")
        self.counts["received"] += 1
        self.held_bytes -= freed_bytes
        if not inbox:
            del self._guests.inboxes[guest.service]
        self._guests.push(guest)

    def _reply(self, name: str, frame: bytes) -> None:
        guest = self._guests.by_name.get(name)
        if guest is None:
            self.counts["unclaimed"] += 1
        else:
            self._guests.reply(guest, frame)

    def _refuse_at(self, address: bytes, refusal: Refusal) -> None:
        """Tell whoever is at `address`, known or not, that what it said will not be done."""
        self.refused[refusal.code] += 1
        if refusal.reference is None:
            frame = _encode(Error(refusal.code, refusal.problem))
        else:
            frame = _encode(Refused(refusal.reference, refusal.code, refusal.problem))
        guest = self._guests.at(address)
        if guest is not None:
            self._guests.reply(guest, frame)
        elif try_send(self._socket, address, frame) != "sent":
            self.counts["undeliverable"] += 1
