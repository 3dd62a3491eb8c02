"""Orbits as tables of states, as ephemeris files hold them, and how a scenario flies them: never beyond their span.

A table is interpolated in its own frame by its own rule, then turned into TEME of date. Two tables of one object are
never joined by a polynomial (a manoeuvre may lie between): where they share an instant, the later one counts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes import hermite
from nodes.ephemerides.frames import Frame, to_teme
from nodes.ephemerides.interpolation import Interpolation, interpolate
from nodes.ephemerides.times import Instant, instant_of, seconds_between
from nodes.epoch import Epoch
from nodes.errors import EphemerisError
from nodes.orbit import MARGIN_S, MAX_STATES, Ephemeris

Array = NDArray[np.float64]

FINE_STEP_S = 10.0  # cubic Hermite on it is within 0.02 m at 500 km, so the stated interpolation is what flies
SAME_S = 1e-6  # instants nearer than this are one: files print microseconds


@dataclass(frozen=True)
class Segment:
    """One table of one object: instants (K,), strictly rising, in seconds after the object's `zero`; states (K, 3).

    Positions in m and velocities in m/s (None where the file has none), in `frame`. Only `useable_s` may be asked for.
    """

    frame: Frame
    rule: Interpolation
    times_s: Array
    positions: Array
    velocities: Array | None
    useable_s: tuple[float, float]
    where: str  # the file and the line, for messages
    frame_name: str = ""  # as the file calls it, ITRF2014 for one


@dataclass(frozen=True)
class TabulatedOrbit:
    """One satellite's orbit as its file states it; `zero` is the instant from which its segments count.

    `notes` say what was left out or assumed, for the screen and the report.
    """

    name: str
    object_id: str
    source: str
    zero: Instant
    segments: tuple[Segment, ...]
    notes: tuple[str, ...] = field(default=())

    def span_s(self, epoch: Epoch) -> tuple[float, float]:
        """The first and the last instant that can be asked for, in seconds after `epoch`."""
        zero_s = seconds_between(instant_of(epoch), self.zero)
        return zero_s + self.segments[0].useable_s[0], zero_s + self.segments[-1].useable_s[1]

    def states(self, epoch: Epoch, times_s: ArrayLike) -> hermite.State:
        """Positions and velocities (T, 3), TEME of date, in m and m/s, at `times_s` (T,) seconds after `epoch`.

        Raises EphemerisError, with the spans there are, for instants that no segment covers.
        """
        asked_s = np.atleast_1d(np.asarray(times_s, np.float64))
        times = asked_s - seconds_between(instant_of(epoch), self.zero)
        found = np.empty((2, times.size, 3))
        open_ = np.ones(times.size, np.bool_)
        for segment in reversed(self.segments):  # the later one counts where two share an instant
            start_s, stop_s = segment.useable_s
            here = open_ & (times >= start_s - SAME_S) & (times <= stop_s + SAME_S)
            if here.any():
                inside = np.clip(times[here], start_s, stop_s)
                states = interpolate(segment.rule, segment.times_s, segment.positions, segment.velocities, inside)
                found[0, here], found[1, here] = to_teme(segment.frame, epoch, asked_s[here], states)
                open_ &= ~here
        if open_.any():
            raise EphemerisError(self._not_covered(epoch, float(asked_s[open_][0])))
        return found[0], found[1]

    def _not_covered(self, epoch: Epoch, t_s: float) -> str:
        zero_s = seconds_between(instant_of(epoch), self.zero)
        spans = [
            f"{epoch.iso(zero_s + start_s)} to {epoch.iso(zero_s + stop_s)}"
            for start_s, stop_s in (segment.useable_s for segment in self.segments[:20])
        ]
        asked = epoch.iso(t_s) if np.isfinite(t_s) else str(t_s)
        return (
            f"{self.source}: the ephemeris of {self.name} covers {', '.join(spans)} (UTC), and {asked} is asked for; "
            "move the scenario's epoch or shorten its duration_s: nothing is extrapolated"
        )


def fly(orbits: Sequence[TabulatedOrbit], epoch: Epoch, duration_s: float, step_s: float) -> Ephemeris:
    """The ephemeris of a scenario from tables: on a grid of at most `step_s` and 10 s, from 0 to `duration_s`.

    A margin of up to 60 s on either side is taken where all tables have it. Raises EphemerisError for no satellites,
    two of one name, too many states, and instants that a table does not cover, all satellites in one message.
    """
    names = [each.name for each in orbits]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if not orbits or twice:
        what = f"two ephemerides have one name: {', '.join(twice)}" if twice else "there are no satellites"
        raise EphemerisError(f"{what}; give each satellite one name of its own")
    spans = [each.span_s(epoch) for each in orbits]
    short = [
        each._not_covered(epoch, 0.0 if first_s > SAME_S else duration_s)
        for each, (first_s, last_s) in zip(orbits, spans, strict=True)
        if first_s > SAME_S or last_s < duration_s - SAME_S
    ]
    if short:
        raise EphemerisError("\n".join(short))
    start_s = -max(0.0, min(MARGIN_S, -max(first_s for first_s, _ in spans)))
    stop_s = duration_s + max(0.0, min(MARGIN_S, min(last_s for _, last_s in spans) - duration_s))
    cells = max(1, int(np.ceil((stop_s - start_s) / min(step_s, FINE_STEP_S) - 1e-9)))
    if cells * len(orbits) > MAX_STATES:
        raise EphemerisError(f"{len(orbits)} satellites for {duration_s:g} s are {cells * len(orbits):.3g} states, "
                             f"more than {MAX_STATES:.3g}; shorten the duration")  # fmt: skip
    times_s = np.linspace(start_s, stop_s, cells + 1)
    states = np.empty((2, len(orbits), cells + 1, 3))
    for row, orbit in enumerate(orbits):
        states[0, row], states[1, row] = orbit.states(epoch, times_s)
    return Ephemeris(names, start_s, (stop_s - start_s) / cells, (states[0], states[1]))
