"""Frames and instants as exports name them: Cesium's names of frames, UTC texts.

Positions are turned by `nodes.ephemerides.frames`: TEME to ICRF undoes precession, nutation (IAU 2000A) and frame bias;
left out, a satellite at 500 km would be 40 km off in 2025. TEME to Earth-fixed is a turn by GMST-82 at UT1: the motion
of the pole, up to 15 m on the ground, is left out.
"""

import numpy as np
from numpy.typing import NDArray

from nodes.ephemerides.frames import Frame
from nodes.epoch import Epoch

Array = NDArray[np.float64]

INERTIAL = "INERTIAL"
FRAMES: dict[str, Frame] = {INERTIAL: "ICRF", "FIXED": "ITRF"}  # by Cesium's names: CZML, referenceFrame


def iso(epoch: Epoch, times_s: Array) -> list[str]:
    """UTC texts with microseconds of `times_s` (T,), `2025-10-03T16:00:00.000000Z`."""
    return list(epoch.skyfield(np.atleast_1d(times_s)).utc_iso(places=6)) if len(times_s) else []
