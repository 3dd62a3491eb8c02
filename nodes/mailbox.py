"""What a node says to a program on it, sorted: messages, outcomes, the answer waited for. No sockets, no clock.

`Mailbox.take` returns what is to be said in return. `nodes/client.py` does the talking.
"""

from collections import deque

import msgspec

from nodes.errors import NodeError
from nodes.protocol import Arrival, Asked, Bye, Error, Hello, Outcome, Question, Received, Refused, Welcome

KEPT_OUTCOMES = 100_000  # for a program that never asks what became of its messages: 20 MB at most [guess]
KEPT_IDS = 1024  # of messages already read, to notice one that comes twice; many times the node's window of 32


class NodeUnreachable(NodeError):
    """Nobody answered at the endpoint in time."""


class NodeRefused(NodeError):
    """The node will not do what was asked; `code` says why, as docs/applications.md lists."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(f"{problem} ({code})")
        self.code = code


class NodeClosed(NodeError):
    """The node has said that it ends, or this `Node` was closed."""


class Message(msgspec.Struct, frozen=True):
    """A message that came: from which node and service, and when it was sent and arrived, in emulated seconds."""

    id: str
    source: str
    service: str
    sent_s: float
    arrived_s: float
    size_bytes: int
    frames: tuple[bytes, ...]

    @property
    def payload(self) -> bytes:
        """The payload, its frames joined."""
        return b"".join(self.frames)

    @property
    def delay_s(self) -> float:
        """How long it travelled and waited, in emulated seconds."""
        return self.arrived_s - self.sent_s


class _Head(msgspec.Struct, frozen=True):
    op: str


class _Answered(msgspec.Struct, frozen=True):
    reference: int


_Said = Welcome | Refused | Arrival | Outcome | Error | Bye
_HEAD = msgspec.json.Decoder(_Head)
_ANSWERED = msgspec.json.Decoder(_Answered)
_SAID: dict[str, msgspec.json.Decoder[_Said]] = {
    "welcome": msgspec.json.Decoder(Welcome),
    "refused": msgspec.json.Decoder(Refused),
    "message": msgspec.json.Decoder(Arrival),
    "outcome": msgspec.json.Decoder(Outcome),
    "error": msgspec.json.Decoder(Error),
    "bye": msgspec.json.Decoder(Bye),
}


class Mailbox:
    """All that the node at `endpoint` has said and that the program has not yet asked for; `hello` is how to greet."""

    def __init__(self, endpoint: str, hello: Hello) -> None:
        self._endpoint = endpoint
        self._hello = hello
        self._hello_unanswered = False
        self._known_ids: deque[str] = deque(maxlen=KEPT_IDS)
        self.messages: deque[Message] = deque()
        self.outcomes: deque[Outcome] = deque(maxlen=KEPT_OUTCOMES)
        self.outstanding: set[int] = set()  # references of messages whose outcome is not known yet
        self.question: Question | None = None
        self.answer: bytes | Refused | None = None
        self.welcome: Welcome | None = None
        self.closed: str | None = None

    def take(self, head: bytes, frames: list[bytes]) -> list[Asked]:
        """Sort one message of the node. Raises NodeRefused for an error, NodeError for what is no message of a node."""
        try:
            return self._take(head, frames)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise NodeError(f"{self._endpoint} does not speak as a node does: {problem}") from None

    def _take(self, head: bytes, frames: list[bytes]) -> list[Asked]:
        op = _HEAD.decode(head).op
        if op == "answer":
            if self.question is not None and _ANSWERED.decode(head).reference == self.question.reference:
                self.answer = head
            return []
        said = _SAID[op].decode(head) if op in _SAID else None  # what we do not know is not meant for us
        if isinstance(said, Arrival):
            return self._take_message(said, tuple(frames))
        if isinstance(said, Refused):
            return self._take_refusal(said)
        if isinstance(said, Error):
            return self._take_error(said)
        if isinstance(said, Outcome):
            self._settle(said)
        elif isinstance(said, Welcome):
            return self._take_welcome(said)
        elif isinstance(said, Bye):
            self.closed = f"the node has ended: {said.reason or 'no reason given'}"
        return []

    def _take_message(self, said: Arrival, frames: tuple[bytes, ...]) -> list[Asked]:
        if said.id in self._known_ids:  # its confirmation was lost with a connection
            return [Received(said.id)]
        self._known_ids.append(said.id)
        self.messages.append(
            Message(said.id, said.source, said.service_from, said.sent_s, said.arrived_s, said.size_bytes, frames)
        )
        return []

    def _take_welcome(self, said: Welcome) -> list[Asked]:
        self._hello_unanswered = False
        if self.welcome is not None and said.start != self.welcome.start:
            for reference in sorted(self.outstanding):
                self._settle(Outcome(reference, "", "unknown", "node_restarted"))
        self.welcome = said
        return [] if self.question is None else [self.question]  # it may have gone down with the connection

    def _take_refusal(self, said: Refused) -> list[Asked]:
        forgotten = said.code == "no_hello"  # the node has been restarted, and took nothing
        if self.question is None or said.reference != self.question.reference:
            self._settle(Outcome(said.reference, "", "refused", "node_restarted" if forgotten else said.code))
        elif not forgotten:
            self.answer = said
        return self._greet() if forgotten else []

    def _take_error(self, said: Error) -> list[Asked]:
        if said.code == "no_hello":
            return self._greet()
        if said.code == "not_given":  # a message confirmed twice, or of before a restart: no harm
            return []
        raise NodeRefused(said.code, said.problem)

    def _greet(self) -> list[Asked]:
        """Hello to a node that does not know us, once until it is answered."""
        if self._hello_unanswered:
            return []
        self._hello_unanswered = True
        return [self._hello]

    def _settle(self, outcome: Outcome) -> None:
        """Keep an outcome of a message that has none yet."""
        if outcome.reference in self.outstanding:
            self.outstanding.discard(outcome.reference)
            self.outcomes.append(outcome)
