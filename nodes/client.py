"""What a program on a node imports to talk over the emulated links: `from nodes.client import Node`.

One socket, no threads, no clock: waiting is ZeroMQ's. A `Node` belongs to one thread. It finds its node again after a
restart by saying hello while it waits, and tells what the restart cost.
"""

import os
from collections.abc import Callable, Sequence
from math import ceil, inf
from typing import TypeVar

import msgspec
import zmq

from nodes.errors import NodeError
from nodes.mailbox import Mailbox, Message, NodeClosed, NodeRefused, NodeUnreachable
from nodes.protocol import (
    NODE_VARIABLE,
    REFERENCE_MAX,
    VERSION,
    Asked,
    Budget,
    BudgetAsked,
    Bye,
    Hello,
    Link,
    Links,
    LinksAsked,
    Outcome,
    Question,
    Received,
    Refused,
    Send,
    Time,
    TimeAsked,
    Welcome,
    Where,
    WhereAsked,
)

__all__ = ["Budget", "Link", "Message", "Node", "NodeClosed", "NodeRefused", "NodeUnreachable", "Outcome", "Where"]

SLICE_MS = 100  # how finely waiting is counted: a tenth of a second late to give up, ten wake-ups a second
FIRST_HELLO_SLICES = 10  # quiet for a second: say hello, so that a restarted node knows us within about that time
LAST_HELLO_SLICES = 600  # at last once a minute: what a node that is away has not taken stays queued, and counts
LINGER_MS = 1000  # what was just sent still leaves when the program ends, if the node takes it [guess]

_encode = msgspec.json.encode
_A = TypeVar("_A", Where, Links, Budget, Time)


class Node:
    """The node that this program lives on, reached at `endpoint` (or environment variable ORBITMESH_NODE).

    Others reach the program as `service` on this node. Use it as a context manager. Calls that need an answer wait up
    to `timeout_s` and raise NodeUnreachable, NodeRefused or NodeClosed.
    """

    def __init__(self, endpoint: str | None = None, service: str = "", timeout_s: float = 10.0) -> None:
        self.endpoint = endpoint or os.environ.get(NODE_VARIABLE, "")
        if not self.endpoint:
            raise NodeError(f"no endpoint: give one, or set {NODE_VARIABLE}; a live run prints those of its nodes")
        self._timeout_s = timeout_s
        self._hello = Hello(VERSION, service, os.urandom(8).hex())
        self._mail = Mailbox(self.endpoint, self._hello)
        self._reference = 0
        self._quiet_slices = 0
        self._hello_slices = FIRST_HELLO_SLICES
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.LINGER, LINGER_MS)
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The name of the node."""
        return self.about.node

    @property
    def about(self) -> Welcome:
        """What the node said of itself: scenario, epoch, rate."""
        if self._mail.welcome is None:
            raise NodeClosed("the node has not said who it is")
        return self._mail.welcome

    def now_s(self) -> float:
        """Emulated seconds since the epoch, as the node's clock has it now."""
        return self._ask(TimeAsked(self._next_reference()), Time).now_s

    def where(self) -> Where:
        """Where the node is: TEME position in m and velocity in m/s, place over WGS84, whether the Sun shines on it."""
        return self._ask(WhereAsked(self._next_reference()), Where)

    def links(self) -> tuple[Link, ...]:
        """Whom the node could talk to: delay and rate of those that it sees, the reason for those that it does not."""
        return self._ask(LinksAsked(self._next_reference()), Links).links

    def budget(self) -> Budget:
        """What the node can compute, and how much work waits."""
        return self._ask(BudgetAsked(self._next_reference()), Budget)

    def send(
        self, to: str, payload: bytes | bytearray | memoryview | Sequence[bytes], *,
        service: str = "", size_bytes: int | None = None, priority: int = 0,
    ) -> int:  # fmt: skip
        """Send a message to `service` on node `to`; it waits for contacts on the way. Returns its reference.

        `size_bytes` is what it counts on links, if more than the payload. `outcomes` tells what became of it.
        Raises NodeUnreachable if the node has taken nothing for `timeout_s`, NodeRefused for a payload over its limit.
        """
        self._read_all()
        self._check_open()
        given: object = payload
        if isinstance(given, str):
            raise NodeError(f"the payload is the text {given[:40]!r}; send bytes: payload.encode()")
        if isinstance(payload, bytes | bytearray | memoryview):
            payload = (bytes(payload),)  # a copy if it could change while it is being sent
        if (size := sum(map(len, payload))) > self.about.message_bytes:
            problem = (
                f"a payload of {size} bytes; this node takes at most {self.about.message_bytes}, so send it in parts"
            )
            raise NodeRefused("message_too_big", problem)
        reference = self._next_reference()
        self._say(Send(to, reference, service, size_bytes, priority), *payload)
        self._mail.outstanding.add(reference)
        return reference

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None if none came for `timeout_s` (None: wait for ever), or a little longer."""
        if not self._wait(lambda: bool(self._mail.messages), timeout_s):
            return None
        message = self._mail.messages.popleft()
        if self._mail.closed is None:
            self._say(Received(message.id))
        return message

    def outcomes(self, timeout_s: float = 0.0) -> list[Outcome]:
        """What became of messages sent, each told once; waits up to `timeout_s` for the first.

        `how` is `done`, `lost`, `refused` or `unknown` (the node died meanwhile), with the reason. The last 100,000
        are kept for you.
        """
        self._wait(lambda: bool(self._mail.outcomes), timeout_s)
        told = list(self._mail.outcomes)
        self._mail.outcomes.clear()
        return told

    def close(self) -> None:
        """Leave the node; what was sent still travels. A second time does nothing."""
        if self._socket.closed:
            return
        if self._mail.closed is None and self._mail.welcome is not None and self._socket.poll(0, zmq.POLLOUT):
            self._socket.send(_encode(Bye()), zmq.NOBLOCK)
        self._mail.closed = "this Node is closed"
        self._socket.close()
        self._context.term()

    def _connect(self) -> None:
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as problem:
            example = "one looks like ipc:///tmp/om-1/ground.apps or tcp://127.0.0.1:5555"
            raise NodeError(f"{self.endpoint!r} is no endpoint: {problem}; {example}") from None
        self._say(self._hello)
        if not self._wait(lambda: self._mail.welcome is not None, self._timeout_s):
            self._socket.set(zmq.LINGER, 0)
            raise NodeUnreachable(f"nobody answered at {self.endpoint} for {self._timeout_s:g} s; is the live run on?")

    def _next_reference(self) -> int:
        self._reference = self._reference % REFERENCE_MAX + 1
        return self._reference

    def _check_open(self) -> None:
        if self._mail.closed is not None:
            raise NodeClosed(self._mail.closed)

    def _say(self, said: Asked, *frames: bytes) -> None:
        self._check_open()
        if not self._socket.poll(round(self._timeout_s * 1e3), zmq.POLLOUT):
            raise NodeUnreachable(f"the node at {self.endpoint} has taken nothing for {self._timeout_s:g} s")
        self._socket.send_multipart((_encode(said), *frames), copy=False)

    def _ask(self, question: Question, answer: type[_A]) -> _A:
        mail = self._mail
        mail.question, mail.answer = question, None
        try:
            self._say(question)
            self._wait(lambda: mail.answer is not None, self._timeout_s)
        finally:
            mail.question = None
        if mail.answer is None:
            raise NodeUnreachable(f"the node at {self.endpoint} has not answered for {self._timeout_s:g} s")
        if isinstance(mail.answer, Refused):
            raise NodeRefused(mail.answer.code, mail.answer.problem)
        return msgspec.json.decode(mail.answer, type=answer)

    def _wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Read what the node says until `done`; False if it was quiet for `timeout_s` in all."""
        left_ms = inf if timeout_s is None else timeout_s * 1e3
        self._read_all()
        while not done():
            self._check_open()
            if left_ms <= 0.0:
                return False
            slice_ms = ceil(min(SLICE_MS, left_ms))
            if self._socket.poll(slice_ms, zmq.POLLIN):
                self._quiet_slices, self._hello_slices = 0, FIRST_HELLO_SLICES
                self._read_all()
            else:
                left_ms -= slice_ms
                self._quiet()
        return True

    def _quiet(self) -> None:
        """Nothing for a slice: now and then say hello, seldom if it is not answered, and never wait for it."""
        self._quiet_slices += 1
        if self._quiet_slices >= self._hello_slices:
            self._quiet_slices, self._hello_slices = 0, min(2 * self._hello_slices, LAST_HELLO_SLICES)
            if self._socket.poll(0, zmq.POLLOUT):
                self._say(self._hello)

    def _read_all(self) -> None:
        """Take what has come; the node's window bounds how many messages that can be."""
        while not self._socket.closed:
            try:
                head, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            for said in self._mail.take(head, frames):
                self._say(said)
