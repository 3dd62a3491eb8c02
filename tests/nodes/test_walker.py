"""Walker constellations: where the satellites stand, by plane and slot, and how far off the altitude is flown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.epoch import Epoch
from nodes.errors import ElementsError
from nodes.orbit import Ephemeris
from nodes.walker import EARTH_RADIUS_M, Walker, mean_motion_rev_per_day, walker_delta

EPOCH = "2000-01-01T00:00:00Z"


# Walker's notation i: t/p/f; Galileo is 56: 24/3/1 (Galileo OS SIS ICD, annex: reference constellation, 24/3/1):
# planes 120 deg apart, slots 45 deg apart, 15 deg from plane to plane
def test_galileos_reference_constellation():
    satellites = walker_delta(24, 3, 1, 23_222e3, 56.0, EPOCH, prefix="E")
    assert [each.raan_deg for each in satellites[::8]] == [0.0, 120.0, 240.0]
    assert [each.mean_anomaly_deg for each in satellites[:3]] == [0.0, 45.0, 90.0]
    assert [each.mean_anomaly_deg for each in satellites[::8]] == [0.0, 15.0, 30.0]
    assert satellites[8].name == "E1-0"
    assert (satellites[8].plane, satellites[8].slot) == (1, 0)


# Iridium: 66 satellites in 6 planes, a star pattern: nodes over half a turn
def test_a_star_spreads_its_nodes_over_half_a_turn():
    satellites = Walker(
        pattern="star", satellites=66, planes=6, phasing=2, altitude_m=780e3, inclination_deg=86.4
    ).elements(EPOCH)
    assert [each.raan_deg for each in satellites[::11]] == [0.0, 30.0, 60.0, 90.0, 120.0, 150.0]


# vectors.md, Hypatia's Kuiper-630: "34 planes x 34, 51.9 deg, 14.80 rev/day, eccentricity 1e-7, argument of perigee 0,
# alternate planes shifted half a slot, ... RAAN and mean anomaly rounded to 4 decimals"; the numbers are 360 / 34 and
# 360 / 34 / 2 by hand
def test_hypatias_way():
    shell = Walker(
        satellites=34 * 34,
        planes=34,
        half_slot_shift=True,
        mean_motion_rev_per_day=14.80,
        inclination_deg=51.9,
        eccentricity=1e-7,
        decimals=4,
    ).elements(EPOCH)
    assert (shell[1].raan_deg, shell[1].mean_anomaly_deg) == (0.0, 10.5882)
    assert (shell[34].raan_deg, shell[34].mean_anomaly_deg) == (10.5882, 5.2941)
    assert (shell[68].raan_deg, shell[68].mean_anomaly_deg) == (21.1765, 0.0)
    assert {each.eccentricity for each in shell} == {1e-7}


# facts.md: "Twelve evenly spaced in one plane: neighbours at 3,560.4 km" at 500 km
neighbours_m = 3560.4e3
oblateness_m = 10e3  # the altitude is flown to 7.5 km


def test_the_ring_of_twelve():
    ephemeris = Ephemeris.propagate(walker_delta(12, 1, 0, 500e3, 97.4, EPOCH), Epoch(EPOCH), 5700.0)
    positions, _ = ephemeris.states(np.arange(0.0, 5700.0, 10.0))
    ranges_m = np.linalg.norm(positions - np.roll(positions, 1, axis=0), axis=-1)
    assert np.abs(ranges_m - neighbours_m).max() < oblateness_m
    assert ephemeris.names[:2] == ("W0", "W1")


# the module's docstring promises these
@pytest.mark.parametrize(
    ("altitude_m", "inclination_deg", "low_m", "high_m"), [(500e3, 97.4, -7.5e3, 7.4e3), (550e3, 53.0, -7.1e3, 4.8e3)]
)
def test_how_far_off_the_altitude_is_flown(altitude_m, inclination_deg, low_m, high_m):
    shell = walker_delta(12, 1, 0, altitude_m, inclination_deg, EPOCH)
    positions, _ = Ephemeris.propagate(shell, Epoch(EPOCH), 5700.0).states(np.arange(0.0, 5700.0, 5.0))
    off_m = np.linalg.norm(positions, axis=-1) - EARTH_RADIUS_M - altitude_m
    assert abs(off_m.min() - low_m) < 100.0
    assert abs(off_m.max() - high_m) < 100.0


# Kepler: a geostationary orbit, 42,164 km, turns once in a sidereal day (86,164.1 s)
def test_mean_motion_of_a_geostationary_orbit():
    assert abs(mean_motion_rev_per_day(42_164.2e3 - EARTH_RADIUS_M) - 86_400.0 / 86_164.1) < 1e-5


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_every_plane_and_slot_once_and_evenly_spaced(planes, slots, data):
    phasing = data.draw(st.integers(0, planes - 1))
    satellites = walker_delta(planes * slots, planes, phasing, 550e3, 53.0, EPOCH)
    assert [(each.plane, each.slot) for each in satellites] == [(p, s) for p in range(planes) for s in range(slots)]
    assert len({each.name for each in satellites}) == planes * slots
    for plane in range(planes):
        anomalies = np.sort([each.mean_anomaly_deg for each in satellites if each.plane == plane])
        assert np.allclose(np.diff(anomalies), 360.0 / slots)


def test_problems_are_all_listed():
    bad = Walker(satellites=13, planes=4, phasing=4, inclination_deg=float("nan"), altitude_m=-5.0, prefix=" ")
    assert [field for field, _ in bad.problems()] == ["planes", "phasing", "altitude_m", "inclination_deg", "prefix"]
    with pytest.raises(ElementsError, match="planes is 4; must be a divisor of satellites"):
        bad.elements(EPOCH)
    assert [f for f, _ in Walker(satellites=1, inclination_deg=0.0).problems()] == ["mean_motion_rev_per_day"]
    both = Walker(satellites=1, inclination_deg=0.0, altitude_m=5e5, mean_motion_rev_per_day=15.0)
    assert [f for f, _ in both.problems()] == ["mean_motion_rev_per_day"]
    with pytest.raises(ElementsError, match="epoch 'soon' is no UTC instant"):
        walker_delta(1, 1, 0, 500e3, 0.0, "soon")
