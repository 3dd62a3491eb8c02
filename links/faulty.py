"""A link that goes wrong on purpose: for testing what is built on the wire. Ships with the product, as its test kit.

`Faulty` stands in for an `Outbound` and loses, doubles, reorders, delays and damages its messages. All chance comes
from the source given; a message's fate is drawn once, also if the queue was full and it is sent again. No clock: a
delay is counted in later sends. `did` counts what was done, by fault.
"""

from collections.abc import Callable, Sequence

import msgspec

from links.envelope import Buffer, Letter
from links.errors import WireError
from links.wire import Outbound

HOLD_MOST = 1000  # messages held back at most, as many as a queue holds


class Faults(msgspec.Struct, frozen=True):
    """How likely each fault is for a message, 0 to 1; each is drawn by itself. Raises WireError for others."""

    drop: float = 0.0  # goes nowhere, and `send` says True
    duplicate: float = 0.0  # comes a second time, behind the next message
    reorder: float = 0.0  # changes places with the next message
    delay: float = 0.0  # comes after 2 to `hold_most` further messages
    corrupt: float = 0.0  # one byte of one frame is changed
    hold_most: int = 8

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "reorder", "delay", "corrupt"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise WireError(f"the probability of {name} is {getattr(self, name)!r}; it lies between 0 and 1")
        if not 2 <= self.hold_most <= HOLD_MOST:
            raise WireError(f"hold_most is {self.hold_most!r}; messages are held for 2 to {HOLD_MOST} further ones")


class _Fate(msgspec.Struct, frozen=True):
    drop: bool
    duplicate: bool
    corrupt: bool
    wait: int  # further messages before it leaves
    frame: float  # where to corrupt, as fractions
    byte: float
    bits: float


class Faulty:
    """Sends as the `Outbound` it is given would, with faults. `draw` gives uniform numbers from [0, 1)."""

    def __init__(self, outbound: Outbound, faults: Faults, draw: Callable[[], float]) -> None:
        self.outbound = outbound
        self.faults = faults
        self.did = dict.fromkeys(("passed", "dropped", "duplicated", "reordered", "delayed", "corrupted"), 0)
        self.held: list[tuple[int, Sequence[Buffer]]] = []  # (further messages before it leaves, its frames)
        self._draw = draw
        self._fate: _Fate | None = None

    @property
    def next_sequence(self) -> int:
        """The number of the next letter."""
        return self.outbound.next_sequence

    def send(self, letters: Sequence[Letter], payloads: Sequence[Sequence[Buffer]]) -> bool:
        """As `Outbound.send`; True also for what was lost on purpose."""
        sent = self._carry(self.outbound.seal(self.outbound.next_sequence, letters, payloads))
        if sent:
            self.outbound.book(letters)
        return sent

    def resend(self, first: int, letters: Sequence[Letter], payloads: Sequence[Sequence[Buffer]]) -> bool:
        """As `Outbound.resend`, with faults of its own."""
        sent = self._carry(self.outbound.seal(first, letters, payloads))
        if sent:
            self.outbound.resent_letters += len(letters)
        return sent

    def flush(self) -> bool:
        """Let go of all that is held back; False if the queue is full and some remains."""
        self.held = [(0, frames) for _, frames in self.held]
        return self._release()

    def close(self, linger_ms: int = 0) -> None:
        """Close the outbound; what is held back is lost and counted as dropped."""
        self.did["dropped"] += len(self.held)
        self.held.clear()
        self.outbound.close(linger_ms)

    def _carry(self, frames: Sequence[Buffer]) -> bool:
        """Do to a message what its fate says; False, and all as it was, if the queue is full."""
        if not self._release():
            return False
        fate = self._fate = self._fate or self._drawn()
        mine: list[tuple[int, Sequence[Buffer]]] = []
        if not fate.drop:
            if fate.corrupt:
                frames = _corrupted(frames, fate)
            if fate.wait:
                mine.append((fate.wait, frames))
            elif not self.outbound.post(frames):
                return False
            if fate.duplicate:
                mine.append((fate.wait + 1, frames))
        self._fate = None
        self._note(fate)
        self.held = [(wait - 1, frames) for wait, frames in self.held] + mine
        self._release()
        return True

    def _release(self) -> bool:
        """Post what has waited long enough, oldest first; False if the queue is full and some remains."""
        while due := [k for k, (wait, _) in enumerate(self.held) if wait <= 0]:
            if not self.outbound.post(self.held[due[0]][1]):
                return False
            del self.held[due[0]]
        return True

    def _drawn(self) -> _Fate:
        """Nine draws for each message, whatever comes of them, so that one fault does not shift another's."""
        draw, faults = self._draw, self.faults
        drop, duplicate, corrupt = draw() < faults.drop, draw() < faults.duplicate, draw() < faults.corrupt
        swap, hold, share = draw() < faults.reorder, draw() < faults.delay, draw()
        wait = 2 + int(share * (faults.hold_most - 1)) if hold else int(swap)
        return _Fate(drop, duplicate, corrupt, wait, draw(), draw(), draw())

    def _note(self, fate: _Fate) -> None:
        if fate.drop:
            self.did["dropped"] += 1
            return
        self.did["corrupted"] += fate.corrupt
        self.did["duplicated"] += fate.duplicate
        self.did["reordered"] += fate.wait == 1
        self.did["delayed"] += fate.wait > 1
        self.did["passed"] += not (fate.corrupt or fate.duplicate or fate.wait)


def _corrupted(frames: Sequence[Buffer], fate: _Fate) -> list[Buffer]:
    """A copy of the frames with one byte changed: the caller's own payload stays as it is."""
    found = list(frames)
    k = int(fate.frame * len(found))  # no frame is empty: the first has a prefix, others are large
    damaged = bytearray(found[k])
    damaged[int(fate.byte * len(damaged))] ^= 1 + int(fate.bits * 255)
    found[k] = damaged
    return found
