"""Where the Sun is and how much of it a satellite sees: analytic position, conical shadow of a flattened Earth.

No file and no network. Frame: TEME of date. The Sun is where light from it arrives (aberration applied), which is the
direction that shadows point away from. Within 40 arcseconds of JPL's DE421 from 2000 to 2050 (tests/nodes/test_sun.py):
0.2 s of a shadow's edge in low orbit. The air neither bends nor dims light here.
"""

from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from links.trajectories import Trajectories
from nodes import hermite
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.spans import Index, positive_spans

Array = NDArray[np.float64]

AU_M = 149_597_870_700.0  # IAU 2012 resolution B2
SUN_RADIUS_M = 695_700e3  # IAU 2015 resolution B3, nominal solar radius
EARTH_RADIUS_M = 6_378_137.0  # WGS84, equator: NIMA TR8350.2
POLAR_STRETCH = 1.0 / (1.0 - 1.0 / 298.257223563)  # equatorial over polar radius, WGS84: NIMA TR8350.2
STEP_S = 30.0  # a shadow in low orbit lasts up to 36 min; shorter ones are found as peaks


def sun_positions(epoch: Epoch, times_s: ArrayLike) -> Array:
    """The Sun's apparent position (T, 3) in metres, TEME of date, geocentric, at `times_s` (T,).

    Source: J. Meeus, Astronomical Algorithms, 2nd edition, chapter 25 (low accuracy, 0.01 deg) and the two largest
    terms of nutation of chapter 22; the right ascension is counted from TEME's mean equinox.
    """
    t = epoch.julian_centuries_tt(times_s)
    anomaly = np.radians(357.52911 + (35_999.05029 - 0.0001537 * t) * t)  # (25.3)
    eccentricity = 0.016708634 - (0.000042037 + 0.0000001267 * t) * t  # (25.4)
    centre = (
        (1.914602 - (0.004817 + 0.000014 * t) * t) * np.sin(anomaly)
        + (0.019993 - 0.000101 * t) * np.sin(2.0 * anomaly)
        + 0.000289 * np.sin(3.0 * anomaly)
    )  # degrees, page 164
    true_anomaly = anomaly + np.radians(centre)
    distance_m = AU_M * 1.000001018 * (1.0 - eccentricity**2) / (1.0 + eccentricity * np.cos(true_anomaly))  # (25.5)
    node = np.radians(125.04 - 1934.136 * t)  # the Moon's, page 164
    nutation_deg = -0.00478 * np.sin(node)
    longitude_deg = 280.46646 + (36_000.76983 + 0.0003032 * t) * t + centre - 0.00569 + nutation_deg  # (25.2), page 164
    obliquity = np.radians(23.4392911 - 0.0130042 * t + 0.00256 * np.cos(node))  # (22.2) and (25.8)
    longitude = np.radians(longitude_deg)
    x, y = np.cos(longitude), np.cos(obliquity) * np.sin(longitude)
    turn = -np.radians(nutation_deg) * np.cos(obliquity)  # true to mean equinox: the equation of the equinoxes
    unit = (
        x * np.cos(turn) - y * np.sin(turn),
        x * np.sin(turn) + y * np.cos(turn),
        np.sin(obliquity) * np.sin(longitude),
    )
    return np.asarray(distance_m[..., np.newaxis] * np.stack(unit, axis=-1))


def illumination(positions: Array, sun: Array) -> Array:
    """The part of the Sun's disc that is seen, 0 to 1, from `positions` (..., 3) with the Sun at `sun` (..., 3).

    Metres, one geocentric equatorial frame; the leading axes broadcast. Overlap of two discs, the Earth's flattening by
    stretching the polar axis. Source: O. Montenbruck and E. Gill, Satellite Orbits, section 3.4.2, (3.85) to (3.94).
    """
    sun_rad, earth_rad, apart_rad = _discs(positions, sun)
    apart = np.clip(apart_rad, np.abs(sun_rad - earth_rad), sun_rad + earth_rad)  # beyond these the cover is constant
    apart = np.maximum(apart, 1e-12)  # both discs alike and centred: no division by zero
    x = (apart**2 + sun_rad**2 - earth_rad**2) / (2.0 * apart)  # (3.93)
    y = np.sqrt(np.maximum(sun_rad**2 - x**2, 0.0))
    covered = (
        sun_rad**2 * np.arccos(np.clip(x / sun_rad, -1.0, 1.0))
        + earth_rad**2 * np.arccos(np.clip((apart - x) / earth_rad, -1.0, 1.0))
        - apart * y
    )  # (3.92)
    seen: Array = np.clip(1.0 - covered / (np.pi * sun_rad**2), 0.0, 1.0)
    return np.where(apart_rad >= sun_rad + earth_rad, 1.0, np.where(apart_rad <= earth_rad - sun_rad, 0.0, seen))


def in_sharp_shadow(positions: Array, sun: Array) -> NDArray[np.bool_]:
    """Whether the flattened Earth hides the Sun's centre: a shadow without penumbra; arguments as `illumination`."""
    _, earth_rad, apart_rad = _discs(positions, sun)
    return np.asarray(apart_rad < earth_rad)


class Shadow(msgspec.Struct, frozen=True):
    """When one satellite is in the Earth's shadow, as (start_s, stop_s) pairs in order.

    In `penumbra` some or all of the Sun's disc is hidden, so it holds `umbra`, in which all of it is.
    A pair that touches the window's start or stop was cut there.
    """

    satellite: str
    penumbra: tuple[tuple[float, float], ...]
    umbra: tuple[tuple[float, float], ...]


def shadow_intervals(
    trajectories: Trajectories, epoch: Epoch, start_s: float, stop_s: float, step_s: float = STEP_S
) -> list[Shadow]:
    """The shadow of the Earth on each satellite from `start_s` to `stop_s`, in their order.

    A grid of at most `step_s`, then bisection on the Hermite interpolant to below a microsecond.
    Raises NodeError for a window or step that cannot be.
    """
    if not (np.isfinite([start_s, stop_s]).all() and stop_s > start_s and 0.0 < step_s < np.inf):
        raise NodeError(f"no window from {start_s} s to {stop_s} s in steps of {step_s} s; it must have a length")
    cells = int(np.ceil((stop_s - start_s) / step_s))
    times_s, step_s = np.linspace(start_s, stop_s, cells + 1), (stop_s - start_s) / cells
    positions, velocities = trajectories.states(times_s)
    sun = sun_positions(epoch, times_s)

    def margin(edge: Callable[[Array, Array], Array], rows: Index, at_s: Array) -> Array:
        cell = np.clip(((at_s - start_s) / step_s).astype(np.intp), 0, cells - 1)
        part = (at_s - times_s[cell]) / step_s
        start, stop = ((positions[rows, k], velocities[rows, k]) for k in (cell, cell + 1))
        seen_sun = sun[cell] + part[:, np.newaxis] * (sun[cell + 1] - sun[cell])
        sun_rad, earth_rad, apart_rad = _discs(hermite.position(start, stop, step_s, part), seen_sun)
        return edge(earth_rad, sun_rad) - apart_rad

    sun_rad, earth_rad, apart_rad = _discs(positions, sun)
    found = []
    for edge in (np.add, np.subtract):  # the outer and the inner tangents of the two discs
        spans = positive_spans(times_s, edge(earth_rad, sun_rad) - apart_rad, partial(margin, edge))
        rows: list[list[tuple[float, float]]] = [[] for _ in trajectories.names]
        for row, start, stop in zip(spans.row.tolist(), spans.start_s.tolist(), spans.stop_s.tolist(), strict=True):
            rows[row].append((start, stop))
        found.append(rows)
    each = zip(trajectories.names, *found, strict=True)
    return [Shadow(name, tuple(penumbra), tuple(umbra)) for name, penumbra, umbra in each]


def _discs(positions: Array, sun: Array) -> tuple[Array, Array, Array]:
    """Angular radii of Sun and Earth as a satellite sees them, and the angle between their centres, in radians.

    In space whose polar axis is stretched until the Earth is a ball.
    """
    stretch = np.array([1.0, 1.0, POLAR_STRETCH])
    at = positions * stretch
    to_sun = sun * stretch - at
    radius, distance = np.sqrt(np.einsum("...i,...i", at, at)), np.sqrt(np.einsum("...i,...i", to_sun, to_sun))
    cosine = -np.einsum("...i,...i", at, to_sun) / (radius * distance)
    return (
        np.arcsin(SUN_RADIUS_M / distance),
        np.arcsin(np.minimum(EARTH_RADIUS_M / radius, 1.0)),
        np.arccos(np.clip(cosine, -1.0, 1.0)),
    )
