"""Ground tracks: where on the Earth a satellite stands, and how high the Sun stands there.

TEME to the Earth-fixed frame is a turn by GMST-82 at UT1; the pole's motion (up to 15 m on the ground) is left out.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.epoch import Epoch
from nodes.sun import sun_positions

Array = NDArray[np.float64]

EARTH_RADIUS_M = 6_378_137.0  # WGS84, equator: NIMA TR8350.2
FLATTENING = 1.0 / 298.257223563  # WGS84: NIMA TR8350.2
ECCENTRICITY_SQUARED = FLATTENING * (2.0 - FLATTENING)
ITERATIONS = 5  # each shrinks the error some 300-fold near the ground


def subpoints(positions: Array, epoch: Epoch, times_s: ArrayLike) -> tuple[Array, Array, Array]:
    """Geodetic latitude and longitude in degrees and altitude in metres (WGS84), each (n, T).

    `positions` (n, T, 3) in metres, TEME, at `times_s` (T,). Longitude is from -180 to below 180, east positive.
    Source: T. S. Kelso, Orbital Coordinate Systems, part III, Satellite Times 2/3 (1996).
    """
    x, y, z = np.moveaxis(np.asarray(positions, np.float64), -1, 0)
    longitude_deg = np.degrees(np.arctan2(y, x) - epoch.gmst82_rad(np.atleast_1d(times_s)))
    across = np.hypot(x, y)
    latitude = np.arctan2(z, across)
    for _ in range(ITERATIONS):
        sine = np.sin(latitude)
        curvature = EARTH_RADIUS_M / np.sqrt(1.0 - ECCENTRICITY_SQUARED * sine**2)
        latitude = np.arctan2(z + curvature * ECCENTRICITY_SQUARED * sine, across)
    sine = np.sin(latitude)
    curvature = EARTH_RADIUS_M / np.sqrt(1.0 - ECCENTRICITY_SQUARED * sine**2)
    altitude_m = np.hypot(across, z + curvature * ECCENTRICITY_SQUARED * sine) - curvature
    return np.degrees(latitude), (longitude_deg + 180.0) % 360.0 - 180.0, altitude_m


def sun_elevation_deg(lat_deg: Array, lon_deg: Array, epoch: Epoch, times_s: ArrayLike) -> Array:
    """The height of the Sun's centre above the horizon in degrees (n, T), at geodetic places (n, T) and `times_s` (T,).

    Without refraction, and without parallax (9 arcseconds at most).
    """
    times = np.atleast_1d(np.asarray(times_s, np.float64))
    sun = sun_positions(epoch, times)
    sun = sun / np.linalg.norm(sun, axis=-1, keepdims=True)
    latitude, turned = np.radians(lat_deg), np.radians(lon_deg) + epoch.gmst82_rad(times)
    level = np.cos(latitude) * (np.cos(turned) * sun[:, 0] + np.sin(turned) * sun[:, 1])
    return np.asarray(np.degrees(np.arcsin(np.clip(level + np.sin(latitude) * sun[:, 2], -1.0, 1.0))))
