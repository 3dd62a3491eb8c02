"""Ranges, lines of sight, light time and elevation between points in one inertial frame.

Positions are (..., 3) arrays in metres, velocities (..., 3) in m/s, both TEME of date; every function broadcasts
over the leading axes. The Earth is a sphere of its equatorial radius for lines of sight (the flattening would let
a ray pass up to 21 km lower over the poles; the grazing altitude is the safety margin for that and the air), and
an ellipsoid for the local horizon, whose normal the caller gives.
"""

import numpy as np
from numpy.typing import NDArray

from links.trajectories import Array

LIGHT_M_PER_S = 299_792_458.0  # definition of the metre, SI brochure 9th ed., 2.2
EARTH_RADIUS_M = 6_378_137.0  # WGS 84 equatorial radius, NGA.STND.0036_1.0.0, table 3.1
GRAZING_ALTITUDE_M = 80e3  # rays that pass lower are lost in the air: Hypatia (Kassing et al., IMC 2020), section 3.1


def dot(a: Array, b: Array) -> Array:
    """Scalar products (...) of vectors (..., 3)."""
    return np.asarray(np.einsum("...i,...i->...", a, b))


def norm(vectors: Array) -> Array:
    """Lengths (...) of vectors (..., 3), in the unit of the vectors."""
    return np.asarray(np.sqrt(dot(vectors, vectors)))


def ranges_m(a_m: Array, b_m: Array) -> Array:
    """Distances (...) in metres between points a and b (..., 3)."""
    return norm(b_m - a_m)


def pair_ranges_m(positions_m: Array) -> Array:
    """All distances (n, n, ...) in metres between n nodes at positions (n, ..., 3)."""
    return ranges_m(positions_m[:, None], positions_m[None, :])


def ray_height_m(a_m: Array, b_m: Array) -> Array:
    """Least distance (...) in metres of the segments a-b from the Earth's centre."""
    along = b_m - a_m
    length2, a_along = dot(along, along), dot(a_m, along)
    share = np.clip(-a_along / np.where(length2 > 0.0, length2, 1.0), 0.0, 1.0)  # of the way from a to b
    return np.asarray(np.sqrt(np.maximum(dot(a_m, a_m) + share * (2.0 * a_along + share * length2), 0.0)))


def grazing_altitudes_m(a_m: Array, b_m: Array) -> Array:
    """Least altitude (...) in metres of the segments a-b over the spherical Earth; negative: through it."""
    return ray_height_m(a_m, b_m) - EARTH_RADIUS_M


def blocked(a_m: Array, b_m: Array, grazing_altitude_m: float = GRAZING_ALTITUDE_M) -> NDArray[np.bool_]:
    """Whether the Earth with `grazing_altitude_m` of air on top stands between a and b (...)."""
    return grazing_altitudes_m(a_m, b_m) < grazing_altitude_m


def horizon_m(a_m: Array, b_m: Array, grazing_altitude_m: float = GRAZING_ALTITUDE_M) -> Array:
    """The longest range (...) in metres at which points as high as a and b can see each other.

    Both tangents to the sphere of radius R + grazing altitude, end to end: sqrt(r_a^2 - R^2) + sqrt(r_b^2 - R^2).
    """
    limit2 = (EARTH_RADIUS_M + grazing_altitude_m) ** 2
    tangents = [np.sqrt(np.maximum(dot(place, place) - limit2, 0.0)) for place in (a_m, b_m)]
    return np.asarray(tangents[0] + tangents[1])


def light_time_s(from_m: Array, from_m_per_s: Array, to_m: Array, to_m_per_s: Array) -> tuple[Array, Array]:
    """One-way light time to where the receiver will be when the light arrives, and its rate of change.

    Args: positions (..., 3) in metres and velocities (..., 3) in m/s of sender and receiver at departure.
    Returns: delay (...) in seconds; its derivative by the time of departure (...), dimensionless.
    Solves tau = |r_to + v_to tau - r_from| / c by fixed-point iteration; each round gains a factor v/c of 4e4, so
    three rounds leave 1e-14 of the delay. Left out: the bend of the receiver's path, at most a tau^2 / 2 = 2 mm
    or 5e-12 s at 6,000 km.
    """
    delay_s = ranges_m(from_m, to_m) / LIGHT_M_PER_S
    for _ in range(3):
        ray_m = to_m + to_m_per_s * delay_s[..., None] - from_m
        delay_s = norm(ray_m) / LIGHT_M_PER_S
    length_m = delay_s * LIGHT_M_PER_S
    unit = ray_m / np.where(length_m > 0.0, length_m, 1.0)[..., None]
    return delay_s, dot(unit, to_m_per_s - from_m_per_s) / (LIGHT_M_PER_S - dot(unit, to_m_per_s))


def sin_elevation(site_m: Array, zenith: Array, satellite_m: Array) -> Array:
    """Sine of the geometric elevation (...) of a satellite over the horizon of a site with unit normal `zenith`."""
    ray_m = satellite_m - site_m
    return np.asarray(dot(ray_m, zenith) / norm(ray_m))


def elevation_rad(site_m: Array, zenith: Array, satellite_m: Array) -> Array:
    """Geometric elevation (...) in radians, without refraction or light time, -pi/2 to pi/2."""
    return np.asarray(np.arcsin(np.clip(sin_elevation(site_m, zenith, satellite_m), -1.0, 1.0)))
