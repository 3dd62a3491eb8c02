"""How far another host's clock is from ours, and how sure we are: arithmetic on exchanges of pings.

No clock, no sockets. Monotonic clocks of two hosts have nothing in common but their pace, roughly. An exchange tells
their offset within half its round trip, however unequal the two ways are (Cristian 1989; RFC 5905 section 8): of all
in the window the one that is surest now is taken. As exchanges age they grow unsure by drift. What the other host says
is not believed beyond what our own clock saw; a clock that jumped is noticed, and what was known before is forgotten.
"""

from collections import Counter, deque
from math import isfinite, ulp

import msgspec

# Two clocks part by this at most. [guess] quartz of computers keeps within 50 ppm; NTP itself reckons with 15 for one
# (PHI, RFC 5905 section 7.2), but while it corrects an error Linux may bend a clock by up to 500 (adjtimex(2)).
DRIFT = 100e-6  # seconds per second
WINDOW = 64  # exchanges kept: at one a second, older ones have grown unsure by 6.4 ms [guess]
ROUNDINGS = 4  # sums of two instants, each off by one unit in the last place at most


class Exchange(msgspec.Struct, frozen=True, array_like=True):
    """One ping: sent and back on our clock, heard and answered on theirs; seconds."""

    sent_s: float
    heard_s: float
    answered_s: float
    back_s: float


class Offset(msgspec.Struct, frozen=True):
    """Their clock less ours, at one instant, and how far off that may be at most."""

    offset_s: float
    uncertainty_s: float

    def ours_s(self, theirs_s: float) -> float:
        """An instant of their clock on ours."""
        return theirs_s - self.offset_s

    def theirs_s(self, ours_s: float) -> float:
        """An instant of our clock on theirs."""
        return ours_s + self.offset_s


def refusal(exchange: Exchange, drift: float = DRIFT) -> str:
    """Why an exchange cannot be, "" if it can: `not_finite`, `reversed` (an answer before its question), `too_long`
    (they held it longer than we waited)."""
    if not all(isfinite(each) for each in msgspec.structs.astuple(exchange)):
        return "not_finite"
    if exchange.back_s < exchange.sent_s or exchange.answered_s < exchange.heard_s:
        return "reversed"
    waited_s, held_s = exchange.back_s - exchange.sent_s, exchange.answered_s - exchange.heard_s
    return "too_long" if held_s > waited_s * (1.0 + drift) + _rounding_s(exchange) else ""


def offset(exchange: Exchange, now_s: float, drift: float = DRIFT) -> Offset:
    """What one exchange that can be says of the offset at `now_s` of our clock.

    With ways of d1 and d2 it errs by (d1 - d2) / 2, so by half the round trip at most. While they held it, their
    clock may have shortened the round trip by drift, and since it was sent the offset may have moved.
    """
    waited_s, held_s = exchange.back_s - exchange.sent_s, exchange.answered_s - exchange.heard_s
    age_s = max(now_s - exchange.sent_s, exchange.back_s - now_s)
    there_s, here_s = exchange.heard_s - exchange.sent_s, exchange.answered_s - exchange.back_s
    return Offset(
        (there_s + here_s) / 2.0,
        max(waited_s - held_s, 0.0) / 2.0 + drift * (waited_s / 2.0 + age_s) + _rounding_s(exchange),
    )


class OffsetEstimate:
    """The offset of one other host, from its exchanges one at a time.

    `refused` counts those that cannot be, by reason; `jumps` how often a clock jumped (a host that slept).
    """

    def __init__(self, drift: float = DRIFT, window: int = WINDOW) -> None:
        self.refused: Counter[str] = Counter()
        self.jumps = 0
        self._drift = drift
        self._exchanges: deque[Exchange] = deque(maxlen=window)

    def add(self, exchange: Exchange) -> bool:
        """Take one in; False if it cannot be, which is counted."""
        why = refusal(exchange, self._drift)
        if why:
            self.refused[why] += 1
            return False
        known = self.best(exchange.back_s)
        said = offset(exchange, exchange.back_s, self._drift)
        if known and abs(known.offset_s - said.offset_s) > known.uncertainty_s + said.uncertainty_s:
            self.jumps += 1
            self._exchanges.clear()
        self._exchanges.append(exchange)
        return True

    def best(self, now_s: float) -> Offset | None:
        """The surest offset at `now_s` of our clock; None before the first exchange."""
        offsets = (offset(each, now_s, self._drift) for each in self._exchanges)
        return min(offsets, key=lambda each: each.uncertainty_s, default=None)


def _rounding_s(exchange: Exchange) -> float:
    return ROUNDINGS * ulp(max(abs(each) for each in msgspec.structs.astuple(exchange)))
