"""A node's ways out: one socket for each open contact and direction, and what was sent until it is known to be there.

Sending never waits: what a full pipe refuses is kept and tried again. A letter sent again has its old sequence number,
so the receiver takes it once.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence

import msgspec
import zmq

from emulator.live.control import PROBE_LINK, Link, Put, Welcome, holding
from links.envelope import Buffer, Letter, Limits
from links.faulty import Faulty
from links.handshakes import Watch
from links.keys import Keys, secure_client, secure_server
from links.wire import Outbound

KEPT = 4096  # letters without payload that could be sent again: four seconds of 1,000 a second [guess]
LINGER_MS = 1000  # what was sent as a contact closed may still leave the process


class Sent(msgspec.Struct):
    """A letter on its way, by the contact and the number under which it went."""

    outbound: Outbound | Faulty
    sequence: int
    letter: Letter
    parts: Sequence[Buffer]


class Exits:
    """The outbound links of one node."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", welcome: Welcome, limits: Limits, keys: Keys | None
    ) -> None:
        self.waiting: deque[Sent] = deque()  # a full pipe refused them
        self._context = context
        self._welcome = welcome
        self._limits = limits
        self._keys = keys
        self._watch: Watch | None = None  # counts who fails at the handshake with the ear
        self._open: dict[int, Outbound | Faulty] = {}
        self._sequence: dict[int, int] = {}  # where a contact that was open before counts on
        self._sent: OrderedDict[str, Sent] = OrderedDict()  # by what it carries: the last letter that left with it
        self._counts = {"sent": 0, "sent_bytes": 0, "resent": 0, "full": 0}

    def admit(self, socket: "zmq.Socket[bytes]") -> None:
        """Make a socket that is about to be bound let in only this run's peers, where the run has keys."""
        if self._keys is not None:
            secure_server(socket, self._keys)
            self._watch = Watch(socket)

    def open(self, order: Link) -> None:
        """Connect to a peer for a contact; again, if the peer has come back elsewhere."""
        self.shut(order.contact)
        keys = self._keys
        outbound = Outbound(
            self._context, order.ear, self._welcome.run, self._welcome.node, self._welcome.epoch, order.contact,
            self._limits, None if keys is None else lambda socket: secure_client(socket, keys),
            first=self._sequence.get(order.contact, 0),
        )  # fmt: skip
        self._open[order.contact] = self._spoiled(outbound, order.contact)

    def _spoiled(self, outbound: Outbound, contact: int) -> Outbound | Faulty:
        """The outbound as it is, or with the faults that the run asks for, drawn from a stream of its own."""
        welcome = self._welcome
        if welcome.faults is None or contact == PROBE_LINK:
            return outbound
        from workloads.streams import stream  # numpy is 11 MB that a node may do without

        source = stream(welcome.seed, "faulty-link", f"{welcome.node}/{welcome.epoch}/{contact}")
        return Faulty(outbound, welcome.faults, source.random)

    def shut(self, contact: int) -> None:
        """The contact is over."""
        outbound = self._open.pop(contact, None)
        if outbound is not None:
            self._close(contact, outbound, LINGER_MS)

    def put(self, order: Put, parts: Sequence[Buffer]) -> bool:
        """Send a message, or keep it until the pipe has room; False if the contact is not open here.

        Raises Refused for one that is larger than a link takes.
        """
        outbound = self._open.get(order.contact)
        if outbound is None:
            return False
        letter = Letter(order.letter, order.size_bytes, order.due_s, order.sent_s)
        sent = Sent(outbound, -1, letter, parts)
        if self.waiting or not self._post(sent):
            self.waiting.append(sent)
        self._sent[holding(order.letter)] = sent
        if len(self._sent) > KEPT:
            self._trim()
        return True

    def again(self, letter: str) -> bool:
        """Send it once more under its number; False if it is not here any more."""
        sent = self._sent.get(holding(letter))
        if sent is None or sent.letter.id != letter or sent.outbound not in self._open.values():
            return False
        if sent.sequence >= 0:
            sent.outbound.resend(sent.sequence, [sent.letter], [sent.parts])
        return True

    def settled(self, letter: str) -> bool:
        """The next node has it; False if what it carried came back meanwhile, or has left another way since."""
        sent = self._sent.get(holding(letter))
        if sent is None or sent.letter.id != letter:
            return False
        self.forget(holding(letter))
        return True

    def forget(self, name: str) -> None:
        """What is carried under this name need not be sent again."""
        self._sent.pop(name, None)

    def flush(self) -> None:
        """Try again what a full pipe refused, unless it has been settled or replaced."""
        while self.waiting:
            first = self.waiting[0]
            if self._sent.get(holding(first.letter.id)) is first and not self._post(first):
                return
            self.waiting.popleft()

    def counted(self) -> dict[str, int]:
        """Letters and bytes sent, over all contacts so far."""
        counts = dict(self._counts)
        for contact, outbound in self._open.items():
            self._add(counts, contact, outbound)
        if self._watch is not None:
            self._watch.notice()
            counts |= {f"stranger: {what}": n for what, n in self._watch.strangers.items()}
        return counts | {"links": len(self._open), "waiting": len(self.waiting)}

    def close(self) -> None:
        """Close all links at once."""
        for contact, outbound in tuple(self._open.items()):
            self._close(contact, outbound, 0)
        self._open.clear()
        if self._watch is not None:
            self._watch.close()

    def _post(self, sent: Sent) -> bool:
        sequence = sent.outbound.next_sequence
        if sent.outbound in self._open.values() and not sent.outbound.send([sent.letter], [sent.parts]):
            return False
        sent.sequence = sequence
        return True

    def _trim(self) -> None:
        """Forget the oldest letters that hold no payload."""
        for name in [name for name in self._sent if not name.startswith("bundle:")][: KEPT // 8]:
            del self._sent[name]

    def _close(self, contact: int, outbound: Outbound | Faulty, linger_ms: int) -> None:
        self._sequence[contact] = outbound.next_sequence
        self._add(self._counts, contact, outbound)
        outbound.close(linger_ms)

    def _add(self, counts: dict[str, int], contact: int, link: Outbound | Faulty) -> None:
        if contact == PROBE_LINK:
            return
        outbound = link.outbound if isinstance(link, Faulty) else link
        if isinstance(link, Faulty):
            for name, number in link.did.items():
                counts[f"on purpose: {name}"] = counts.get(f"on purpose: {name}", 0) + number
        counts["sent"] += outbound.sent_letters
        counts["sent_bytes"] += outbound.sent_bytes
        counts["resent"] += outbound.resent_letters
        counts["full"] += outbound.refused.get("full", 0)
