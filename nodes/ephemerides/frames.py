"""Frames of ephemeris files, turned into TEME of date, the frame of every orbit here. By Skyfield, without downloads.

Inertial: GCRF and ICRF (axes of the ICRS), EME2000 (J2000: the ICRS less the frame's bias, 0.02 arcsec). Fixed to the
Earth: every ITRF, whose realisations differ by centimetres; the motion of the pole (up to 15 m) is left out, as it is
for ground stations. Skyfield's precession is IAU 2006, its nutation IAU 2000A. What is not here is refused by name.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skyfield.framelib import ICRS_to_J2000
from skyfield.sgp4lib import TEME

from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.station import EARTH_TURN_RAD_PER_S

Array = NDArray[np.float64]
Frame = Literal["TEME", "ICRF", "EME2000", "ITRF"]

BLOCK = 2048  # instants whose nutation (678 terms each) is computed at a time
KNOT_S = 600.0
NAMES: dict[str, Frame] = {
    "TEME": "TEME",  # SANA registry of celestial body reference frames: TEMEOFDATE
    "TEMEOFDATE": "TEME",
    "ICRF": "ICRF",
    "ICRS": "ICRF",
    "GCRF": "ICRF",  # the ICRS's axes at the Earth's centre; for axes the two are one
    "GCRS": "ICRF",
    "EME2000": "EME2000",
    "J2000": "EME2000",
    "EFG": "ITRF",  # Space Command's Earth-fixed Greenwich frame
    "ECEF": "ITRF",
    "ECF": "ITRF",
    "WGS84": "ITRF",  # within centimetres of the ITRF since G730
    "ITRS": "ITRF",
    "FIXED": "ITRF",  # STK's name of it
}


def frame_of(text: str) -> Frame:
    """The frame of a file's name for it; raises NodeError for one that cannot be converted."""
    name = text.upper().replace("_", "").replace("-", "").replace(" ", "")
    if name in NAMES:
        return NAMES[name]
    if name.startswith("ITRF") and (name[4:].isdigit() or not name[4:]) and len(name) <= len("ITRF2020"):
        return "ITRF"
    raise NodeError(
        f"the frame {text[:40]!r} cannot be converted to TEME; there are TEME, ICRF, GCRF, EME2000 (J2000), ITRF of "
        "any year, EFG: export the ephemeris in one of them"
    )


def to_teme(frame: Frame, epoch: Epoch, times_s: ArrayLike, states: tuple[Array, Array]) -> tuple[Array, Array]:
    """Positions and velocities (T, 3), in m and m/s, turned from `frame` into TEME of date at `times_s` (T,).

    That TEME itself turns (precession and nutation, 5e-5 m/s in low orbit) is left out of velocities, as by Skyfield.
    """
    positions, velocities = states
    if frame == "TEME":
        return positions, velocities
    times = np.asarray(times_s, np.float64)
    if frame == "ITRF":
        angle = epoch.gmst82_rad(times)
        spin = np.array([0.0, 0.0, EARTH_TURN_RAD_PER_S])
        return _turned(positions, angle), _turned(velocities + np.cross(spin, positions), angle)
    turn = inertial_to_teme(frame, epoch, times)
    return np.einsum("ijt,tj->ti", turn, positions), np.einsum("ijt,tj->ti", turn, velocities)


def from_teme(frame: Frame, epoch: Epoch, times_s: ArrayLike, states: tuple[Array, Array]) -> tuple[Array, Array]:
    """The inverse of `to_teme`, for writing."""
    positions, velocities = states
    if frame == "TEME":
        return positions, velocities
    times = np.asarray(times_s, np.float64)
    if frame == "ITRF":
        angle = -epoch.gmst82_rad(times)
        spin = np.array([0.0, 0.0, EARTH_TURN_RAD_PER_S])
        fixed = _turned(positions, angle)
        return fixed, _turned(velocities, angle) - np.cross(spin, fixed)
    turn = inertial_to_teme(frame, epoch, times)
    return np.einsum("jit,tj->ti", turn, positions), np.einsum("jit,tj->ti", turn, velocities)


def inertial_to_teme(frame: Frame, epoch: Epoch, times_s: Array) -> Array:
    """Rotation matrices (3, 3, T) from ICRF or EME2000 axes to TEME of date.

    Skyfield's at whole multiples of 600 s, linear between: nutation's fastest large term (0.09 arcsec in 13.7 days)
    bends by 4e-12 rad in that time, 0.03 mm in low orbit, and Skyfield's own sum costs 34 us an instant.
    """
    cell = np.floor(times_s / KNOT_S).astype(np.int64)
    knots = np.unique(np.concatenate((cell, cell + 1)))
    turns = np.empty((3, 3, knots.size))
    for first in range(0, knots.size, BLOCK):
        part = slice(first, first + BLOCK)
        turns[..., part] = TEME.rotation_at(epoch.skyfield(knots[part] * KNOT_S))
    at = np.searchsorted(knots, cell)
    share = times_s / KNOT_S - cell
    turn: Array = turns[..., at] * (1.0 - share) + turns[..., at + 1] * share
    return np.einsum("ijt,kj->ikt", turn, ICRS_to_J2000) if frame == "EME2000" else turn


def _turned(vectors: Array, angle_rad: Array) -> Array:
    """Vectors (T, 3) turned about z by `angle_rad` (T,)."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.stack((cosine * x - sine * y, sine * x + cosine * y, z), axis=-1)
