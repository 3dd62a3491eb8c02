"""Where a node receives its applications: the door, the names of what they send, and the answers they wait for.

docs/applications.md is the protocol. Everything an application can do wrong is answered and counted by the door; what
only the coordinator knows is asked there under a token.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import zmq

from emulator.live.app_requests import AppLimits, Offer, Query, Request
from emulator.live.app_socket import listen
from emulator.live.apps import AppDoor
from emulator.live.cargo import Tag
from emulator.live.control import Welcome
from links.envelope import Buffer
from nodes import protocol

MOST_PENDING = 100_000  # bundles whose fate applications of one node wait for, some 20 MB [guess]
MOST_ASKED = 10_000  # questions under way to the coordinator [guess]

_ANSWERS: dict[str, type[protocol.Answer]] = {
    "where": protocol.Where,
    "links": protocol.Links,
    "budget": protocol.Budget,
}


class Reception:
    """The applications of one node."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", welcome: Welcome, now_s: Callable[[], float],
        rate: Callable[[], float],
    ) -> None:  # fmt: skip
        self._welcome = welcome
        self._now_s = now_s
        self._rate = rate
        limits = AppLimits()
        self._socket = listen(context, welcome.door or "tcp://127.0.0.1:*", limits)
        self.endpoint = self._socket.get_string(zmq.LAST_ENDPOINT)
        self.fd = int(self._socket.fd)
        self._door = AppDoor(self._socket, limits, self._greeting)
        self._nodes = frozenset(welcome.nodes)
        self._pending: dict[str, tuple[str, int]] = {}  # bundle -> (application, its reference)
        self._asked: dict[int, Query] = {}
        self._number = 0
        self.spoke = False  # something was said at the door, which may have used up a wake-up

    @property
    def held_back(self) -> bool:
        """Whether something waits for an application to read."""
        return self._door.held_back

    def receive(self, most: int) -> list[Request]:
        """What applications want that the node has to see to."""
        if self._door.held_back:
            self._door.flush()
        requests: list[Request] = []
        before = self._door.heard
        found = self._door.receive(most)
        self.spoke |= self._door.heard != before  # most messages are answered
        for request in found:
            if isinstance(request, Query) and request.what == "time":
                self._door.answer(request.app, request.reference, protocol.Time(self._now_s(), self._rate()))
            elif isinstance(request, Query) and len(self._asked) >= MOST_ASKED:
                self._door.refuse(request.app, request.reference, "too_many_asked", "wait for answers first")
            else:
                requests.append(request)
        return requests

    def objection(self, offer: Offer) -> tuple[str, str] | None:
        """Why an offer cannot be taken, as (code, problem); None if it can."""
        if offer.to not in self._nodes:
            known = ", ".join(sorted(self._nodes)[:20])
            return "unknown_node", f"there is no node {offer.to!r}; there are {known}"
        if len(self._pending) >= MOST_PENDING:
            return "too_many_pending", f"{MOST_PENDING} messages of this node have not come to an end yet"
        if not self._rate():
            return "not_begun", "emulated time has not begun; try again in a moment"
        return None

    def refuse(self, offer: Offer, code: str, problem: str) -> None:
        """It will not be sent."""
        self.spoke = True
        self._door.refuse(offer.app, offer.reference, code, problem)

    def next_bundle(self) -> str:
        """A name for a bundle, unique in the run."""
        self._number += 1
        return f"{self._welcome.node}/{self._welcome.epoch}/{self._number}"

    def accept(self, offer: Offer, bundle: str) -> None:
        """It will be sent under this name."""
        self._pending[bundle] = (offer.app, offer.reference)
        self.spoke = True
        self._door.accepted(offer, bundle)

    def fate(self, bundle: str, how: str, reason: str) -> None:
        """Tell who sent it what became of it."""
        known = self._pending.pop(bundle, None)
        if known is not None:
            self.spoke = True
            self._door.outcome(*known, bundle, how, reason)

    def deliver(self, tag: Tag, bundle: str, arrived_s: float, payload: Sequence[Buffer]) -> bool:
        """A bundle for an application here. False, and counted by the door, if there is no room."""
        arrival = protocol.Arrival(bundle, tag.source, tag.service_from, tag.offered_s, arrived_s, tag.size_bytes)
        self.spoke = True
        return self._door.deliver(tag.service, arrival, tuple(memoryview(part) for part in payload))

    def asked(self, query: Query) -> int:
        """A token under which the coordinator is to answer."""
        self._number += 1
        self._asked[self._number] = query
        return self._number

    def reply(self, token: int, fields: bytes) -> None:
        """The coordinator's answer."""
        query = self._asked.pop(token, None)
        if query is not None:
            answer = msgspec.json.decode(fields, type=_ANSWERS[query.what])
            self.spoke = True
            self._door.answer(query.app, query.reference, answer)

    def counted(self) -> dict[str, int]:
        """What applications did and were refused."""
        counts = {f"application {name}": n for name, n in self._door.counts.items()}
        counts |= {f"application refused: {code}": n for code, n in self._door.refused.items()}
        return counts | {"application_bytes": self._door.held_bytes, "pending": len(self._pending)}

    def close(self, reason: str) -> None:
        """Tell all applications, and close the door.

        A socket's file that nobody is behind would keep programs waiting. Until it is closed nobody else can bind
        there: the file that goes is this door's.
        """
        self._door.close(reason)
        if self.endpoint.startswith("ipc://"):
            Path(self.endpoint.removeprefix("ipc://")).unlink(missing_ok=True)
        self._socket.close(linger=200)

    def _greeting(self) -> protocol.Welcome:
        welcome = self._welcome
        return protocol.Welcome(
            welcome.node, welcome.epoch_utc, welcome.scenario, self._rate(), self._now_s(), welcome.epoch
        )
