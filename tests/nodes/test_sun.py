"""The Sun and the Earth's shadow: against Meeus, JPL, Skyfield's geometry and the shapes of the cones."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import load_file
from skyfield.geometry import line_and_ellipsoid_intersection
from skyfield.sgp4lib import TEME

from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.orbit import Ephemeris
from nodes.sun import AU_M, EARTH_RADIUS_M, SUN_RADIUS_M, illumination, in_sharp_shadow, shadow_intervals, sun_positions
from nodes.walker import walker_delta

EPOCH = "2025-10-03T16:00:00Z"
POLAR_RADIUS_M = 6_356_752.3142  # WGS84: NIMA TR8350.2
forty_arcseconds = 40.0
one_millisecond = 1e-3


# Meeus, Astronomical Algorithms, example 25.a: 1992 October 13.0 TD: apparent right ascension 198.38083 deg,
# declination -7.78507 deg, R 0.99766. TEME counts from the mean equinox: 14.6" (nutation 15.9" x cos 23.44 deg) less
# far, so the right ascension there is larger or smaller by that.
def test_meeus_example_25a():
    epoch = Epoch("1992-10-12T23:59:00.816Z")  # TT - UTC was 59.184 s
    x, y, z = sun_positions(epoch, 0.0)
    distance_m = np.sqrt(x * x + y * y + z * z)
    assert abs(distance_m / AU_M - 0.99766) < 1e-5
    assert abs(np.degrees(np.arcsin(z / distance_m)) + 7.78507) < 1e-5 + 0.5 / 3600.0
    assert abs(np.degrees(np.arctan2(y, x)) % 360.0 - 198.38083) < 16.0 / 3600.0


def test_within_forty_arcseconds_of_de421():
    skyfield_data = pytest.importorskip("skyfield_data")
    jpl = load_file(str(Path(skyfield_data.__file__).parent / "data" / "de421.bsp"))  # read directly: no network
    for year in range(2000, 2050, 5):
        epoch, times_s = Epoch(f"{year}-01-01T00:00:00Z"), np.arange(0.0, 365.0, 9.1) * 86_400.0
        time = epoch.skyfield(times_s)
        apparent_m = jpl["earth"].at(time).observe(jpl["sun"]).apparent().xyz.m
        theirs = np.einsum("ijt,jt->ti", TEME.rotation_at(time), apparent_m)
        ours = sun_positions(epoch, times_s)
        sine = np.linalg.norm(np.cross(theirs, ours), axis=1) / (theirs * theirs).sum(axis=1)
        assert np.degrees(sine).max() * 3600.0 < forty_arcseconds
        assert np.abs(np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1) - 1.0).max() < 1e-4
    jpl.close()


SUN = np.array([AU_M, 0.0, 0.0])


# the cone of the umbra ends where Sun and Earth look alike: d R_earth / (R_sun - R_earth), 1.384 million km
def test_the_umbra_ends_where_sun_and_earth_look_alike():
    tip_m = AU_M * EARTH_RADIUS_M / (SUN_RADIUS_M - EARTH_RADIUS_M)
    assert abs(tip_m - 1.384e9) < 1e6
    behind = np.array([[-0.99 * tip_m, 0.0, 0.0], [-2.0 * tip_m, 0.0, 0.0], [7e6, 0.0, 0.0]])
    umbra, annular, day = illumination(behind, SUN)
    assert umbra == 0.0
    assert day == 1.0
    ratio = (EARTH_RADIUS_M / (2.0 * tip_m)) / (SUN_RADIUS_M / (AU_M + 2.0 * tip_m))  # of the discs' radii
    assert abs(annular - (1.0 - ratio**2)) < 1e-4


# Similar triangles: behind the Earth by x the umbra's radius is R_e - x (R_s - R_e) / d and the penumbra's
# R_e + x (R_s + R_e) / d, to first order in R / d; half the disc is hidden about where the Sun's centre is
def test_the_cones_edges_in_the_equator():
    x = 2e6
    umbra_m = EARTH_RADIUS_M - x * (SUN_RADIUS_M - EARTH_RADIUS_M) / AU_M
    penumbra_m = EARTH_RADIUS_M + x * (SUN_RADIUS_M + EARTH_RADIUS_M) / AU_M
    offsets = np.array([umbra_m - 500.0, umbra_m + 500.0, EARTH_RADIUS_M, penumbra_m - 500.0, penumbra_m + 500.0])
    places = np.stack((np.full(5, -x), offsets, np.zeros(5)), axis=-1)
    dark, nearly_dark, half, nearly_light, light = illumination(places, SUN)
    assert (dark, light) == (0.0, 1.0)
    assert 0.0 < nearly_dark < 0.1
    assert 0.9 < nearly_light < 1.0
    assert abs(half - 0.5) < 0.01


def test_the_poles_are_flat():
    x, between = 2e6, 0.5 * (EARTH_RADIUS_M + POLAR_RADIUS_M)
    over_pole, over_equator = np.array([[-x, 0.0, between], [-x, between, 0.0]])
    assert not in_sharp_shadow(over_pole, SUN)
    assert in_sharp_shadow(over_equator, SUN)


angles = st.floats(-np.pi, np.pi)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.floats(6.5e6, 1e8), angles, angles)
def test_the_part_seen_is_a_part_and_dark_means_half_or_less(radius_m, latitude, longitude):
    place = radius_m * np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    seen = float(illumination(place, SUN))
    assert 0.0 <= seen <= 1.0
    if place[0] > 0.0:
        assert seen == 1.0
    assert in_sharp_shadow(place, SUN) == (seen < 0.5) or abs(seen - 0.5) < 0.02


def ring(inclination_deg: float, raan_deg: float = 350.0) -> tuple[Ephemeris, Epoch]:
    epoch = Epoch(EPOCH)
    elements = walker_delta(3, 3, 1, 500e3, inclination_deg, EPOCH)
    return Ephemeris.propagate(elements, epoch, 43_200.0), epoch


def test_the_sharp_edge_is_skyfields_ray_and_ellipsoid():
    ephemeris, epoch = ring(97.4)
    times_s = np.arange(0.0, 5700.0, 3.0)
    sun = sun_positions(epoch, times_s)
    radii = np.array([EARTH_RADIUS_M, EARTH_RADIUS_M, POLAR_RADIUS_M])
    for positions in ephemeris.states(times_s)[0]:
        hit = line_and_ellipsoid_intersection(positions.T, (sun - positions).T, radii)
        assert np.array_equal(in_sharp_shadow(positions, sun), ~np.isnan(hit[0]))


def test_intervals_turn_where_the_illumination_does():
    ephemeris, epoch = ring(97.4)
    shadows = shadow_intervals(ephemeris, epoch, 0.0, 43_200.0)
    assert [shadow.satellite for shadow in shadows] == list(ephemeris.names)
    for row, shadow in enumerate(shadows):

        def seen(t_s: float, row: int = row) -> float:
            return float(illumination(ephemeris.states([t_s])[0][row], sun_positions(epoch, [t_s]))[0])

        for (start, stop), (dark, dawn) in zip(shadow.penumbra[1:-1], shadow.umbra[1:-1], strict=True):
            assert start < dark < dawn < stop
            assert seen(start - one_millisecond) == 1.0 > seen(start + 0.1) > 0.9
            assert seen(dark + one_millisecond) == 0.0 < seen(dark - 0.1) < 0.1
            assert seen(stop + one_millisecond) == 1.0
            assert seen(dawn - one_millisecond) == 0.0


# libraries.md: "Skyfield's is_sunlit is a sharp edge: flips 4.7 s from umbra and penumbra at beta 21 deg"
def test_penumbra_lasts_as_long_as_known():
    epoch = Epoch(EPOCH)
    shell = walker_delta(12, 1, 0, 500e3, 97.4, EPOCH)
    sun = sun_positions(epoch, 0.0)
    right_ascension_deg = np.degrees(np.arctan2(sun[1], sun[0]))
    node_deg = (right_ascension_deg + 90.0 + 69.0) % 360.0  # the node that makes beta about 21 deg
    turned = [msgspec.structs.replace(each, raan_deg=node_deg) for each in shell]
    ephemeris = Ephemeris.propagate(turned, epoch, 6000.0)
    shadow = shadow_intervals(ephemeris, epoch, 0.0, 6000.0)[0]
    lengths_s = [
        dark - start for (start, _), (dark, _) in zip(shadow.penumbra, shadow.umbra, strict=True) if start > 0.0
    ]
    assert lengths_s
    assert all(abs(length - 2 * 4.7) < 0.6 for length in lengths_s)


class StraightLine:
    """A body that flies past in a straight line, which cubic Hermite reproduces exactly."""

    names = ("clipper",)

    def __init__(self, position: np.ndarray, velocity: np.ndarray, at_s: float) -> None:
        self.position, self.velocity, self.at_s = position, velocity, at_s

    def states(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        moved = self.position + np.outer(times_s - self.at_s, self.velocity)
        return moved[np.newaxis], np.broadcast_to(self.velocity, (1, *moved.shape))


# A chord d inside a circle of radius R is 2 sqrt(2 R d) long: 0.3 km inside the penumbra, 124 km, 16.3 s at 7.6 km/s
def test_a_shadow_shorter_than_the_grid_is_found():
    epoch, behind_m, inside_m, middle_s = Epoch(EPOCH), 2e6, 300.0, 45.0  # 45 s: between the grid's 30 s and 60 s
    sun = sun_positions(epoch, middle_s)
    away = -sun / np.linalg.norm(sun)
    side = np.cross([0.0, 0.0, 1.0], away)  # along the equator, where the Earth's radius is known
    side /= np.linalg.norm(side)
    sine = (SUN_RADIUS_M + EARTH_RADIUS_M) / np.linalg.norm(sun)  # of the penumbra's half angle
    penumbra_m = (EARTH_RADIUS_M + behind_m * sine) / np.sqrt(1.0 - sine**2)
    for offset_m, found in ((penumbra_m - inside_m, 1), (penumbra_m + inside_m, 0)):
        clipper = StraightLine(behind_m * away + offset_m * side, 7600.0 * np.cross(away, side), middle_s)
        (shadow,) = shadow_intervals(clipper, epoch, 0.0, 90.0)
        assert len(shadow.penumbra) == found
        assert shadow.umbra == ()
        for start, stop in shadow.penumbra:
            assert abs(stop - start - 16.3) < 0.5
            assert abs(0.5 * (start + stop) - middle_s) < 0.5


def test_a_window_without_length_is_refused():
    ephemeris, epoch = ring(97.4)
    for window in ((5.0, 5.0), (5.0, 4.0), (0.0, float("nan"))):
        with pytest.raises(NodeError, match="must have a length"):
            shadow_intervals(ephemeris, epoch, *window)
