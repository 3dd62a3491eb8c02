"""The twelve real satellites and the ring as designed: ranges, delays and who sees whom.

Source: ../shared/facts.md, recomputed there from the twelve elements with SGP4 at 80 km grazing altitude.
"""

from pathlib import Path

import numpy as np
import pytest
from sgp4.api import Satrec, SatrecArray, jday

from links.geometry import (
    LIGHT_M_PER_S,
    blocked,
    grazing_altitudes_m,
    horizon_m,
    light_time_s,
    pair_ranges_m,
    ranges_m,
)
from links.laser import LaserTerminals
from links.network import Network
from links.plan import build_plan
from links.snapshot import snapshot
from links.topology import Topology, all_pairs

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
ten_metres = 10.0
fifty_metres = 50.0
half_a_digit = 0.5e-5
as_printed_s = ten_metres / LIGHT_M_PER_S + 0.5e-7  # 10 m, and four decimals of a millisecond
ORBIT_500_KM = 6_878_137.0

needs_shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not here"),
]


class Real:
    """The twelve, straight from SGP4; t = 0 is 2025-10-03 16:00:00 UTC."""

    def __init__(self) -> None:
        lines = (SHARED / "scs01_2025-10-03.tle").read_text().splitlines()
        self.names = tuple(line.split()[-1] for line in lines[::3])
        self.satellites = SatrecArray([Satrec.twoline2rv(*pair) for pair in zip(lines[1::3], lines[2::3], strict=True)])

    def states(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        jd, fraction = jday(2025, 10, 3, 16, 0, 0.0)
        error, r_km, v_km_per_s = self.satellites.sgp4(np.full(len(times_s), jd), fraction + times_s / 86400.0)
        assert not error.any()
        return r_km * 1e3, v_km_per_s * 1e3


@pytest.fixture(scope="module")
def real() -> Real:
    return Real()


def shared(test):
    for mark in needs_shared:
        test = mark(test)
    return test


@shared
@pytest.mark.parametrize(
    ("a", "b", "range_km", "delay_ms"),
    [
        # facts.md: pair ranges at 2025-10-03 16:00:00 UTC, one-way delay, tolerance 0.01 km
        ("K", "C", 446.05, 1.4879),
        ("C", "A", 632.90, 2.1111),
        ("H", "F", 958.87, 3.1984),
        ("A", "E", 1646.07, 5.4907),
    ],
)
def test_ranges_and_delays_of_real_pairs(real: Real, a: str, b: str, range_km: float, delay_ms: float) -> None:
    r_m, v_m_per_s = (states[:, 0] for states in real.states(np.array([0.0])))
    i, j = real.names.index(a), real.names.index(b)
    length_m = pair_ranges_m(r_m)[i, j]
    assert length_m == pytest.approx(range_km * 1e3, abs=ten_metres)
    assert length_m / LIGHT_M_PER_S == pytest.approx(delay_ms / 1e3, abs=as_printed_s)
    moving_s, _ = light_time_s(r_m[i], v_m_per_s[i], r_m[j], v_m_per_s[j])
    assert moving_s == pytest.approx(delay_ms / 1e3, abs=5 * ten_metres / LIGHT_M_PER_S)  # 7.6 km/s for 5.5 ms: 42 m


@shared
def test_thirty_two_of_sixty_six_pairs_see_each_other_and_b_and_g_stand_alone(real: Real) -> None:
    # facts.md: 32 of 66 pairs; ten satellites in one component, B and G alone
    network = Network(real, topology=Topology(kind="all-visible"), laser=LaserTerminals(per_satellite=11))
    links = snapshot(network, 0.0)
    assert len(links) == 66
    up = [(link.a, link.b) for link in links if link.up]
    assert len(up) == 32
    component, grown = {"A"}, True
    while grown:
        more = {name for pair in up if set(pair) & component for name in pair}
        grown, component = not more <= component, component | more
    assert set(real.names) - component == {"B", "G"}
    assert {link.reason for link in links if not link.up} == {"blocked"}


@shared
def test_visible_pairs_over_a_day(real: Real) -> None:
    # facts.md: 32-35 over the next 24 h, mean visible fraction 0.50657
    r_m, _ = real.states(np.arange(0.0, 86400.0, 10.0))
    a, b = all_pairs(12).T
    seen = ~blocked(r_m[a], r_m[b])
    assert seen.sum(axis=0).min() == 32
    assert seen.sum(axis=0).max() == 35
    assert seen.mean() == pytest.approx(0.50657, abs=half_a_digit)


@shared
def test_the_contact_plan_holds_the_same_visible_fraction(real: Real) -> None:
    # facts.md: mean visible fraction 0.50657, there from samples; here from refined windows
    laser = LaserTerminals(per_satellite=11, max_range_m=6e6)
    plan = build_plan(Network(real, laser=laser, topology=Topology(kind="all-visible")), 86400.0)
    blocked_s = sum(gap.stop_s - gap.start_s for gap in plan.gaps if gap.reason == "blocked")
    assert 1.0 - blocked_s / (66 * 86400.0) == pytest.approx(0.50657, abs=half_a_digit)


def ring(count: int) -> np.ndarray:
    angle = 2.0 * np.pi * np.arange(count) / count
    return ORBIT_500_KM * np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], axis=-1)


def test_the_horizon_at_500_km() -> None:
    # facts.md: at 500 km two satellites see each other up to 4,733 km
    place_m = ring(12)
    assert horizon_m(place_m[0], place_m[1]) == pytest.approx(4_733e3, abs=1e3)


def test_the_ring_of_twelve_closes_over_neighbours_only() -> None:
    # facts.md: neighbours at 3,560.4 km = 11.876 ms (ray passes 266 km up); second neighbours below the horizon
    place_m = ring(12)
    length_m = ranges_m(place_m[0], place_m[1])
    assert length_m == pytest.approx(3_560.4e3, abs=fifty_metres)
    assert length_m / LIGHT_M_PER_S == pytest.approx(11.876e-3, abs=0.5e-6)
    assert grazing_altitudes_m(place_m[0], place_m[1]) == pytest.approx(266e3, abs=1e3)
    assert not blocked(place_m[0], place_m[1])
    assert blocked(place_m[0], place_m[2])


def test_the_smallest_ring_that_closes_is_nine() -> None:
    # facts.md: the smallest ring that closes is nine
    closes = {count: not blocked(*ring(count)[:2]) for count in range(3, 14)}
    assert [count for count, yes in closes.items() if yes] == [9, 10, 11, 12, 13]
