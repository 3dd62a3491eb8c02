"""Windows of sight: none is lost, however short, and their ends are where the margin is zero."""

import itertools

import numpy as np
import pytest

from links.geometry import elevation_rad, ranges_m
from links.laser import LaserTerminals
from links.topology import all_pairs
from links.tracks import Track, sample_grid
from links.visibility import BELOW_MASK, BLOCKED, TOO_FAR, VISIBLE, laser_timelines, radio_timelines

ONE_PAIR = np.array([[0, 0]])
half_a_metre = 0.5


def tracks(satellites, sites, duration_s: float) -> tuple[Track, Track]:
    grid_s = sample_grid(duration_s)
    return (
        Track.of(satellites, np.arange(len(satellites.names)), grid_s),
        Track.of(sites, np.arange(len(sites.names)), grid_s),
    )


def test_the_interpolant_is_as_near_as_it_says_and_exact_on_the_grid(uneven) -> None:
    track = Track.of(uneven, np.arange(7), sample_grid(6000.0))
    times_s = np.random.default_rng(3).uniform(0.0, 6000.0, 500)
    nodes = np.random.default_rng(4).integers(0, 7, 500)
    r_m, v_m_per_s = uneven.states(times_s)
    true_r_m, true_v = r_m[nodes, np.arange(500)], v_m_per_s[nodes, np.arange(500)]
    assert np.abs(track.positions(nodes, times_s) - true_r_m).max() < 0.06
    assert np.abs(track.velocities(nodes, times_s) - true_v).max() < 0.01
    np.testing.assert_array_equal(track.positions(nodes[:4], track.grid_s[:4]), track.positions_m[nodes[:4], range(4)])


def test_changes_are_where_the_elevation_crosses_the_mask(uneven, stations) -> None:
    satellites, sites = tracks(uneven, stations, 86400.0)
    pairs = np.indices((7, 4)).reshape(2, -1).T
    mask = np.radians(10.0)
    timelines = radio_timelines(satellites, sites, pairs, np.full(4, mask))
    crossings = 0
    for (satellite, site), timeline in zip(pairs, timelines, strict=True):
        for (start_s, state), (_, before) in zip(timeline[1:], timeline, strict=False):
            assert {state, before} == {VISIBLE, BELOW_MASK}
            at = np.array([start_s])
            up = stations.zeniths(at)[site, 0]
            elevation = elevation_rad(stations.states(at)[0][site, 0], up, uneven.states(at)[0][satellite, 0])
            assert elevation == pytest.approx(mask, abs=1e-7)  # 0.1 m in 1,000 km
            crossings += 1
    assert crossings > 150


def test_a_window_far_shorter_than_the_grid_is_found(ring, turning) -> None:
    one, sites = ring(1), turning([("X", 40.0, 20.0)])
    fine_s = np.arange(0.0, 86400.0, 1.0)
    elevation = elevation_rad(sites.states(fine_s)[0], sites.zeniths(fine_s), one.states(fine_s)[0])[0]
    tops = elevation[1:-1][(elevation[1:-1] > elevation[:-2]) & (elevation[1:-1] >= elevation[2:])]
    for top in tops[tops > np.radians(1.0)]:
        mask = np.array([top - 1e-6])  # leaves a few seconds around the top of that pass
        timeline = radio_timelines(*tracks(one, sites, 86400.0), ONE_PAIR, mask)[0]
        seen_s = [b[0] - a[0] for a, b in itertools.pairwise(timeline) if a[1] == VISIBLE]
        dense = (elevation >= mask).astype(int)
        assert len(seen_s) == np.count_nonzero(np.diff(dense) == 1)
        assert 0.0 < min(seen_s) < 30.0


def test_crossing_satellites_near_each_other_are_found_and_the_reason_is_told(circular) -> None:
    # two planes cross at 14 km/s: closer than 100 km for some 14 s, in between the 30 s samples
    two = circular([("A", 500e3, 90.0, 0.0, 315.0), ("B", 520e3, 90.0, 180.0, 135.7)])
    laser = LaserTerminals(max_range_m=100e3, full_rate_range_m=50e3)
    track = Track.of(two, np.arange(2), sample_grid(7200.0))
    timeline = laser_timelines(track, all_pairs(2), laser)[0]
    windows = [(a[0], b[0]) for a, b in itertools.pairwise(timeline) if a[1] == VISIBLE]
    fine_s = np.arange(0.0, 7200.0, 0.1)
    near = np.diff((ranges_m(*two.states(fine_s)[0]) <= 100e3).astype(int))
    assert len(windows) == np.count_nonzero(near == 1) >= 2
    assert all(stop_s - start_s < 15.0 for start_s, stop_s in windows)
    assert {state for _, state in timeline} == {VISIBLE, TOO_FAR, BLOCKED}
    for edge_s in (edge for window in windows for edge in window):
        assert ranges_m(*two.states(np.array([edge_s]))[0]) == pytest.approx(100e3, abs=half_a_metre)


def test_short_and_odd_durations_have_a_grid() -> None:
    for duration_s in (1e-3, 29.0, 240.0, 1000.5, 86400.0):
        grid_s = sample_grid(duration_s)
        assert (grid_s[0], grid_s[-1]) == (0.0, duration_s)
        assert (np.diff(grid_s) > 0.0).all()
        assert len(grid_s) >= 9
        assert np.diff(grid_s).max() <= 30.0
