"""Makes a segment of what an ephemeris file says, or refuses it: order, units, plausibility, window, useable span.

Both forms of CCSDS OEM and STK's `.e` end here, so that each trap is caught once and for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nodes import hermite
from nodes.ephemerides.frames import Frame
from nodes.ephemerides.interpolation import Interpolation
from nodes.ephemerides.tables import SAME_S, Segment, TabulatedOrbit
from nodes.ephemerides.times import Instant, seconds_between
from nodes.errors import EphemerisError

Array = NDArray[np.float64]

MU_M3_PER_S2 = 3.986004418e14  # the Earth: WGS84, NIMA TR8350.2
LOWEST_M = 6_356_752.3  # polar radius, WGS84: NIMA TR8350.2
HIGHEST_M = 2e9  # beyond the Sun-Earth point L2, 1.5e9 m; low orbits given in km for m, or m for km, fall outside
UNEVEN_M = 10.0  # files that print whole metres stay below [guess]
KINEMATIC_FLOOR = 0.01  # of circular speed that positions and velocities may disagree by: a thrust arc [guess]


@dataclass(frozen=True)
class RawSegment:
    """A table as read: instants, states (K, 3) in m and m/s, and the numbers of their lines or records."""

    frame: Frame
    rule: Interpolation
    instants: Sequence[Instant]
    positions: Array
    velocities: Array | None
    useable: tuple[Instant, Instant] | None
    where: str
    lines: Sequence[int]
    unit: str = "line"  # what `lines` count
    frame_name: str = ""


def orbit_of(name: str, object_id: str, source: str, raw: Sequence[RawSegment], notes: Sequence[str]) -> TabulatedOrbit:
    """One object's orbit from its tables in the file's order.

    Raises EphemerisError for instants that repeat or go back, states that are not numbers or nowhere near the Earth,
    velocities that positions contradict, fewer states than the interpolation needs, and useable spans that the states
    do not cover or that overlap.
    """
    zero = raw[0].instants[0] if raw[0].instants else (0, 0.0)
    segments = [_segment(each, zero) for each in raw]
    for before, after in pairwise(segments):
        if after.useable_s[0] < before.useable_s[1] - SAME_S:
            raise EphemerisError(
                f"{after.where}: begins {before.useable_s[1] - after.useable_s[0]:g} s before the segment of {name} "
                f"at {before.where} ends; useable spans may share an end, not more: state USEABLE_START_TIME"
            )
    uneven = [text for each, segment in zip(raw, segments, strict=True) if (text := _uneven(each, segment.times_s))]
    return TabulatedOrbit(name, object_id, source, zero, tuple(segments), (*notes, *uneven))


def _segment(raw: RawSegment, zero: Instant) -> Segment:
    for field, text in raw.rule.problems():
        raise EphemerisError(f"{raw.where}: interpolation {field} {text}")
    if len(raw.instants) < raw.rule.samples:
        raise EphemerisError(
            f"{raw.where}: {raw.rule.method.upper()} of degree {raw.rule.degree} needs {raw.rule.samples} states, the "
            f"segment has {len(raw.instants)}; state a lower degree or more states"
        )
    if raw.rule.method == "hermite" and raw.velocities is None:
        raise EphemerisError(f"{raw.where}: Hermite interpolation needs velocities, and the table has none")
    times_s = np.array([seconds_between(zero, each) for each in raw.instants])
    _require_order(raw, times_s)
    _require_near_earth(raw)
    if raw.velocities is not None:
        _require_kinematics(raw, times_s, raw.velocities)
    first_s, last_s = float(times_s[0]), float(times_s[-1])
    start_s, stop_s = first_s, last_s
    if raw.useable is not None:
        start_s, stop_s = (seconds_between(zero, each) for each in raw.useable)
    if start_s < first_s - SAME_S or stop_s > last_s + SAME_S or stop_s < start_s:
        raise EphemerisError(
            f"{raw.where}: states cover {last_s - first_s:g} s, but the stated span begins {start_s - first_s:g} s "
            f"after the first and ends {stop_s - last_s:g} s after the last; was the file cut?"
        )
    useable_s = max(start_s, first_s), min(stop_s, last_s)
    return Segment(raw.frame, raw.rule, times_s, raw.positions, raw.velocities, useable_s, raw.where, raw.frame_name)


def _require_order(raw: RawSegment, times_s: Array) -> None:
    steps = np.diff(times_s)
    wrong = np.flatnonzero(steps < SAME_S)
    if wrong.size:
        at = int(wrong[0])
        what = "repeats the epoch of" if abs(steps[at]) < SAME_S else f"lies {-steps[at]:g} s before"
        raise EphemerisError(
            f"{raw.where}, {raw.unit} {raw.lines[at + 1]}: {what} {raw.unit} {raw.lines[at]}; epochs must rise, and a "
            "jump in the state needs a segment of its own"
        )


def _require_near_earth(raw: RawSegment) -> None:
    radius_m = np.sqrt(np.einsum("ij,ij->i", raw.positions, raw.positions))
    good = (radius_m >= LOWEST_M) & (radius_m <= HIGHEST_M)  # False for NaN
    if raw.velocities is not None:
        good &= np.isfinite(raw.velocities).all(axis=1)
    if not good.all():
        at = int(np.flatnonzero(~good)[0])
        raise EphemerisError(
            f"{raw.where}, {raw.unit} {raw.lines[at]}: {radius_m[at] / 1e3:.6g} km from the Earth's centre if units "
            f"are as stated; must be {LOWEST_M / 1e3:.0f} to {HIGHEST_M / 1e3:.0f} km: kilometres or metres?"
        )


def _require_kinematics(raw: RawSegment, times_s: Array, velocities: Array) -> None:
    """Positions must move as velocities say: the trapezoid rule errs by (w dt)^2 / 12 of the speed on a circle."""
    step_s = np.diff(times_s)
    radius_m = np.sqrt(np.einsum("ij,ij->i", raw.positions, raw.positions))
    near_m = np.minimum(radius_m[1:], radius_m[:-1])
    turn = step_s * np.sqrt(MU_M3_PER_S2 / near_m**3)
    moved = np.diff(raw.positions, axis=0) / step_s[:, np.newaxis] - 0.5 * (velocities[1:] + velocities[:-1])
    off = np.sqrt(np.einsum("ij,ij->i", moved, moved) / (MU_M3_PER_S2 / near_m))
    wrong = np.flatnonzero((turn < 1.0) & (off > KINEMATIC_FLOOR + turn**2 / 2.0))
    if wrong.size:
        at = int(wrong[0])
        raise EphemerisError(
            f"{raw.where}, {raw.unit} {raw.lines[at + 1]}: the position moves otherwise than the velocities since "
            f"{raw.unit} {raw.lines[at]} say (by {off[at]:.2g} of orbital speed): a wrong unit, a damaged number, or a "
            "manoeuvre, which needs a segment of its own"
        )


def _uneven(raw: RawSegment, times_s: Array) -> str:
    """A note on states that do not lie where both neighbours' states say: a thrust, or a number that was damaged.

    Cubic Hermite over both steps errs by (w dt)^4 / 384 of the radius (nodes/hermite.py); five times that is allowed.
    """
    if raw.velocities is None or len(times_s) < 3:
        return ""
    width_s = times_s[2:] - times_s[:-2]
    part = (times_s[1:-1] - times_s[:-2]) / width_s
    per_step = width_s[:, np.newaxis]  # velocities in metres per both steps, as their widths differ
    before = raw.positions[:-2], raw.velocities[:-2] * per_step
    after = raw.positions[2:], raw.velocities[2:] * per_step
    off = raw.positions[1:-1] - hermite.position(before, after, 1.0, part)
    off_m = np.sqrt(np.einsum("ij,ij->i", off, off))
    radius_m = np.sqrt(np.einsum("ij,ij->i", raw.positions, raw.positions))
    near_m = np.minimum(np.minimum(radius_m[:-2], radius_m[2:]), radius_m[1:-1])
    turn = width_s * np.sqrt(MU_M3_PER_S2 / near_m**3)
    wrong = np.flatnonzero((turn < 1.0) & (off_m > UNEVEN_M + 5.0 * turn**4 / 384.0 * near_m))
    if not wrong.size:
        return ""
    at = int(wrong[np.argmax(off_m[wrong])])
    return (
        f"{wrong.size} states do not lie where their neighbours say, most of all {raw.unit} {raw.lines[at + 1]}, by "
        f"{off_m[at]:.3g} m: a manoeuvre, or a damaged number"
    )
