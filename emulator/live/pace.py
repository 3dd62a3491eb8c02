"""Pace: which emulated instant it is at which wall instant, as a line of straight segments.

Reads no clock. Time never jumps: a new segment starts where the line is at that instant, or it is refused. Every
process holds the same segments and does the same arithmetic, so all of them agree to the last bit. Instants are float
seconds: wall on `emulator.clock.wall_s()`, emulated since the scenario's epoch. Another host's clock is followed by
bending, as adjtime(3) does: what is learnt of it later makes time run a little faster or slower, never jump.
"""

from bisect import bisect_right
from math import copysign, isfinite

import msgspec

from emulator.errors import RunFailed

JOIN_S = 1e-9  # how far a segment may start beside the line; 1e-10 s is the step of the plan's delays
SLEW = 500e-6  # seconds per second by which a followed clock is bent at most, as Linux does; five times offset.DRIFT
KEPT = 4096  # segments; at one change of rate a second, more than an hour of late deliveries can still be dated


class PaceError(RunFailed, ValueError):
    """A segment that cannot be, that would make time jump, or an instant so old that its segment is forgotten."""


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """From `wall_s` on, emulated time runs from `emulated_s` at `rate` emulated seconds per wall second.

    Raises PaceError (msgspec.ValidationError on decoding) unless all three are finite and the rate is above 0.
    """

    wall_s: float
    emulated_s: float
    rate: float

    def __post_init__(self) -> None:
        if not (isfinite(self.wall_s) and isfinite(self.emulated_s) and isfinite(self.rate) and self.rate > 0.0):
            raise PaceError(f"a pace needs finite instants and a rate above 0, not {self}")

    def emulated(self, wall_s: float) -> float:
        """The emulated instant at `wall_s`, also beyond this segment's ends."""
        return self.emulated_s + (wall_s - self.wall_s) * self.rate

    def wall(self, emulated_s: float) -> float:
        """The wall instant at `emulated_s`, also beyond this segment's ends."""
        return self.wall_s + (emulated_s - self.emulated_s) / self.rate


class Followed:
    """The clock of the host that tells the segments, as this host reads it off its own: never a jump, never back.

    `offset_s` is what this host's clock reads more. `bent` runs at a rate near 1 up to where `straight` begins.
    """

    def __init__(self, offset_s: float) -> None:
        """Raises PaceError if the offset is not finite."""
        self._bent = self._straight = Segment(0.0, -_finite(offset_s), 1.0)

    def told_s(self, wall_s: float) -> float:
        """What that clock reads when ours reads `wall_s`."""
        straight = self._straight
        if wall_s >= straight.wall_s:
            return straight.emulated(wall_s)
        return min(self._bent.emulated(wall_s), straight.emulated_s)

    def wall_s(self, told_s: float) -> float:
        """What ours reads when that one reads `told_s`."""
        straight = self._straight
        return straight.wall(told_s) if told_s >= straight.emulated_s else min(self._bent.wall(told_s), straight.wall_s)

    def lead(self, wall_s: float, offset_s: float) -> None:
        """From `wall_s` on, which is now, make for an offset that was measured anew. Raises PaceError as above."""
        now_s = self.told_s(wall_s)
        behind_s = wall_s - _finite(offset_s) - now_s
        lasts_s = abs(behind_s) / SLEW
        self._bent = Segment(wall_s, now_s, 1.0 + copysign(SLEW, behind_s))
        self._straight = Segment(wall_s + lasts_s, now_s + lasts_s + behind_s, 1.0)


class Pace:
    """The line; before its first segment's start that segment is extended, so a run may start in the future.

    `emulated` and `wall` never decrease and are each other's inverse but for the rounding of floats. `offset_s` is
    what this host's clock reads more than the clock in which the segments are told (0 on the host that tells them).
    """

    def __init__(self, first: Segment, offset_s: float = 0.0) -> None:
        """Raises PaceError if the offset is not finite."""
        self._clock = Followed(offset_s)
        self._segments = [first]
        self._walls_s = [first.wall_s]
        self._emulated_s = [first.emulated_s]
        self._forgets = False

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What is still known, oldest first, in the clock of the host that tells them: for one that joins late."""
        return tuple(self._segments)

    def joining(self, wall_s: float, rate: float) -> Segment:
        """The segment that leaves the last one at `wall_s`, in the clock in which segments are told."""
        return Segment(wall_s, self._segments[-1].emulated(wall_s), rate)

    def change(self, segment: Segment) -> None:
        """Run by `segment` from its `wall_s` on, which may lie in the future.

        Raises PaceError, and changes nothing, if it starts before the last segment does or would make time jump.
        """
        last = self._segments[-1]
        if segment.wall_s < last.wall_s or segment.emulated_s < last.emulated_s:
            raise PaceError(f"changes of pace come in order: {segment} starts before {last}")
        jump_s = segment.emulated_s - last.emulated(segment.wall_s)
        if abs(jump_s) > JOIN_S:
            raise PaceError(
                f"{segment} would make emulated time jump by {jump_s:.3g} s; `joining` builds one that joins"
            )
        self._segments.append(segment)
        self._walls_s.append(segment.wall_s)
        self._emulated_s.append(segment.emulated_s)
        if len(self._segments) > KEPT:
            self._forgets = True
            for each in (self._segments, self._walls_s, self._emulated_s):
                del each[0]

    def emulated(self, wall_s: float) -> float:
        """The emulated instant at this host's `wall_s`. Raises PaceError if its segment is forgotten."""
        told_s = self._clock.told_s(wall_s)
        number = self._number(self._walls_s, told_s)
        found_s = self._segments[number].emulated(told_s)
        # rounding at a join must not lead past it, or time would step back there
        return found_s if number + 1 == len(self._segments) else min(found_s, self._emulated_s[number + 1])

    def wall(self, emulated_s: float) -> float:
        """This host's wall instant at `emulated_s`. Raises PaceError if its segment is forgotten."""
        number = self._number(self._emulated_s, emulated_s)
        found_s = self._segments[number].wall(emulated_s)
        if number + 1 < len(self._segments):
            found_s = min(found_s, self._walls_s[number + 1])
        return self._clock.wall_s(found_s)

    def rate(self, wall_s: float) -> float:
        """Emulated seconds per second at this host's `wall_s`. Raises PaceError if its segment is forgotten."""
        return self._segments[self._number(self._walls_s, self._clock.told_s(wall_s))].rate

    def lead(self, wall_s: float, offset_s: float) -> None:
        """The offset was measured anew: follow it from this host's `wall_s` on, which is now, without a jump.

        Raises PaceError if it is not finite.
        """
        self._clock.lead(wall_s, offset_s)

    def _number(self, starts_s: list[float], at_s: float) -> int:
        if at_s >= starts_s[-1]:
            return len(starts_s) - 1
        number = bisect_right(starts_s, at_s) - 1
        if number < 0 and self._forgets:
            raise PaceError(f"{at_s!r} s is older than the last {KEPT} changes of pace, which are all that is kept")
        return max(number, 0)


def _finite(offset_s: float) -> float:
    if not isfinite(offset_s):
        raise PaceError(f"a clock offset must be finite, not {offset_s!r} s")
    return offset_s
