"""What is under way and must be heard of again: messages between nodes, and runs on processors.

A message has one lease at a time. Who does not report it in time is asked to send it again; who cannot is answered with
a fact, so that nothing is ever waited for without end. Wall instants; no clock here.
"""

from collections.abc import Callable

import msgspec

from emulator.orders import Run, Send

GRACE_S = 2.0  # wall seconds after it is due until a message is asked for again; a thousand times p99 [guess]
TRIES = 3  # times it is sent again before it counts as lost
RUN_GRACE_S = 60.0  # wall seconds that an inference may be late before its node counts as hung [guess]


class Lease(msgspec.Struct):
    """A message on one hop. `again_s`: the wall instant at which it was asked for again, if it was."""

    order: Send
    attempt: int
    letter: str
    tries: int = 0
    again_s: float = 0.0

    @property
    def key(self) -> tuple[str, str]:
        """As the core's transport names messages."""
        return (self.order.task, self.order.what)


class Leases:
    """All of them."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str], Lease] = {}
        self.runs: dict[int, Run] = {}
        self.by_contact: dict[int, int] = {}  # contact -> leases on it
        self.renewed = 0  # times that a sender was asked to send again

    def grant(self, lease: Lease) -> Lease | None:
        """Enter a message; returns the older lease that it replaces, if there is one."""
        older = self.end(lease.key)
        self.messages[lease.key] = lease
        contact = lease.order.contact
        self.by_contact[contact] = self.by_contact.get(contact, 0) + 1
        return older

    def end(self, key: tuple[str, str]) -> Lease | None:
        """Strike a message off; returns its lease."""
        lease = self.messages.pop(key, None)
        if lease is not None:
            self.by_contact[lease.order.contact] -= 1
        return lease

    def settled(self, key: tuple[str, str], letter: str, node: str) -> Lease | None:
        """The receiver has a message: its lease, or None if this is an echo of something else."""
        lease = self.messages.get(key)
        if lease is None or lease.letter != letter or lease.order.to != node:
            return None
        return self.end(key)

    def expired(self, now_s: float, wall: Callable[[float], float]) -> list[Lease]:
        """Messages nobody has reported in time; each gets time for another try.

        `wall` says when an emulated instant is, at the pace of today: that of the day on which a message left may have
        been another.
        """
        late = [
            lease
            for lease in self.messages.values()
            if max(wall(lease.order.deliver_s), lease.again_s) + GRACE_S < now_s
        ]
        for lease in late:
            lease.tries += 1
            lease.again_s = now_s
        return late

    def hung(self, now_s: float, wall: Callable[[float], float]) -> list[Run]:
        """Runs that should be over long since."""
        return [order for order in self.runs.values() if wall(order.finish_s) + RUN_GRACE_S < now_s]
