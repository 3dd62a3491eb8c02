"""From TEME of date to the frames of others: ICRF, which Cesium calls INERTIAL, and the Earth-fixed one, its FIXED.

TEME to ICRF undoes precession, nutation (IAU 2000A) and frame bias, as Skyfield does; left out, a satellite at 500 km
would be 40 km off in 2025. TEME to Earth-fixed is a turn by GMST-82 at UT1, as everywhere here: the motion of the
pole, up to 15 m on the ground, is left out.
"""

import numpy as np
from numpy.typing import NDArray
from skyfield.sgp4lib import TEME

from nodes.epoch import Epoch

Array = NDArray[np.float64]

INERTIAL, FIXED = "INERTIAL", "FIXED"  # Cesium's names: CZML, referenceFrame


def turned(positions: Array, epoch: Epoch, times_s: Array, frame: str) -> Array:
    """Positions (n, T, 3) in metres, TEME, at `times_s` (T,), in ICRF (`INERTIAL`) or Earth-fixed (`FIXED`)."""
    if frame == INERTIAL:
        to_teme = np.asarray(TEME.rotation_at(epoch.skyfield(times_s)), np.float64)  # (3, 3, T), from ICRF
        return np.asarray(np.einsum("jit,ntj->nti", to_teme, positions), np.float64)
    angle = epoch.gmst82_rad(times_s)
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack((cosine * x + sine * y, cosine * y - sine * x, z), axis=-1)


def iso(epoch: Epoch, times_s: Array) -> list[str]:
    """UTC texts with microseconds of `times_s` (T,), `2025-10-03T16:00:00.000000Z`."""
    return list(epoch.skyfield(np.atleast_1d(times_s)).utc_iso(places=6)) if len(times_s) else []
