"""Ranges, lines of sight, light time and elevation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from links.geometry import (
    EARTH_RADIUS_M,
    LIGHT_M_PER_S,
    blocked,
    elevation_rad,
    grazing_altitudes_m,
    horizon_m,
    light_time_s,
    pair_ranges_m,
    ranges_m,
)

angle = st.floats(0.0, 2.0 * np.pi)
altitude_m = st.floats(300e3, 2_000e3)
speed = st.floats(-7_800.0, 7_800.0)
a_millimetre = 1e-3


def place(height_m: float, latitude: float, longitude: float) -> np.ndarray:
    unit = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    return (EARTH_RADIUS_M + height_m) * np.array(unit)


def test_pair_ranges_are_symmetric_and_zero_on_the_diagonal() -> None:
    r_m = np.random.default_rng(1).normal(size=(5, 3, 3)) * 7e6
    lengths_m = pair_ranges_m(r_m)
    assert lengths_m.shape == (5, 5, 3)
    np.testing.assert_array_equal(lengths_m, lengths_m.swapaxes(0, 1))
    np.testing.assert_array_equal(lengths_m[range(5), range(5)], 0.0)
    np.testing.assert_allclose(lengths_m[1, 4], np.linalg.norm(r_m[1] - r_m[4], axis=-1))


def test_the_lowest_point_of_a_ray_lies_on_the_segment_not_on_the_line() -> None:
    low, high = place(500e3, 0.0, 0.0), place(900e3, 0.0, 0.01)  # both on one side: the lower end is the lowest point
    assert grazing_altitudes_m(low, high) == pytest.approx(500e3, abs=a_millimetre)
    assert grazing_altitudes_m(low, low) == pytest.approx(500e3, abs=a_millimetre)
    assert grazing_altitudes_m(low, -low) == pytest.approx(-EARTH_RADIUS_M, abs=a_millimetre)


@settings(derandomize=True, deadline=None)
@given(altitude_m, altitude_m, angle)
def test_a_ray_is_blocked_just_when_the_range_is_beyond_the_horizon(h_a_m: float, h_b_m: float, phase: float) -> None:
    a, b = place(h_a_m, 0.0, 0.0), place(h_b_m, 0.0, phase)
    length_m, limit_m = float(ranges_m(a, b)), float(horizon_m(a, b))
    if abs(length_m - limit_m) > 1.0:
        assert bool(blocked(a, b)) == (length_m > limit_m)


@settings(derandomize=True, deadline=None)
@given(st.lists(angle, min_size=4, max_size=4), altitude_m, altitude_m, st.lists(speed, min_size=6, max_size=6))
def test_light_meets_the_receiver_where_it_will_be(
    angles: list[float], h_a_m: float, h_b_m: float, speeds: list[float]
) -> None:
    a, b = place(h_a_m, *angles[:2]), place(h_b_m, *angles[2:])
    v_a, v_b = np.array(speeds[:3]), np.array(speeds[3:])
    delay_s, slope = light_time_s(a, v_a, b, v_b)
    assert ranges_m(a, b + v_b * delay_s) == pytest.approx(float(delay_s) * LIGHT_M_PER_S, abs=a_millimetre)
    if ranges_m(a, b) > 100e3:
        later_s, _ = light_time_s(a + v_a * 0.5, v_a, b + v_b * 0.5, v_b)
        sooner_s, _ = light_time_s(a - v_a * 0.5, v_a, b - v_b * 0.5, v_b)
        assert later_s - sooner_s == pytest.approx(float(slope), abs=1e-8)  # a bend of v^2 / (24 r c) at most


def test_delay_is_the_range_over_c_between_nodes_at_rest() -> None:
    a, b, still = place(500e3, 0.0, 0.0), place(500e3, 0.0, 0.5), np.zeros(3)
    delay_s, slope = light_time_s(a, still, b, still)
    assert delay_s == pytest.approx(float(ranges_m(a, b)) / LIGHT_M_PER_S, rel=1e-15)
    assert slope == 0.0


def test_elevation_is_ninety_degrees_overhead_and_zero_on_the_horizon() -> None:
    site, up = np.array([EARTH_RADIUS_M, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])
    overhead, level = site + 500e3 * up, site + np.array([0.0, 500e3, 0.0])
    assert np.degrees(elevation_rad(site, up, overhead)) == pytest.approx(90.0)
    assert np.degrees(elevation_rad(site, up, level)) == pytest.approx(0.0)
