"""One topology step: positions, every link, shortest ways from ten stations, against the same by hand.

Walker constellations as in the comparison of `benchmarks/README.md`: twelve in one plane, 66 like Iridium, and
Starlink's first shell; stations at ten cities with a mask of 25 deg; links blocked below 80 km.
"""

from typing import Any

import numpy as np
import pytest
from sgp4.api import SatrecArray

from benchmarks import plain_topology
from benchmarks.measure import Baseline, Notes, Target, in_turns
from links.mesh import Mesh
from links.topology import Topology, all_pairs, candidate_pairs
from nodes.elements import satrec
from nodes.epoch import Epoch
from nodes.station import GroundStation, Stations
from nodes.walker import Walker

EPOCH = "2025-10-03T16:00:00Z"
STEP_S, STEPS = 60.0, 20
MASK_DEG = 25.0  # Starlink's, as in the comparison
MAX_RANGE_M = 5_400e3  # "over 5,400 km": Starlink's figure for its lasers, in press reports
nanosecond = 1e-9

# The ten largest cities, in degrees: GeoNames as in Hypatia's ground_stations_cities_sorted_by_estimated_2025_pop
# (snkas/hypatia, MIT); at sea level, as there
CITIES = (
    ("Tokyo", 35.6895, 139.69171),
    ("Delhi", 28.66667, 77.21667),
    ("Shanghai", 31.22222, 121.45806),
    ("Sao Paulo", -23.5475, -46.63611),
    ("Mumbai", 19.073975, 72.880838),
    ("Mexico City", 19.427318, -99.141869),
    ("Beijing", 39.9075, 116.39723),
    ("Osaka", 34.675834, 135.553823),
    ("Cairo", 30.039173, 31.239411),
    ("New York", 40.717042, -74.003663),
)

TWELVE = Walker(satellites=12, planes=1, altitude_m=500e3, inclination_deg=97.4, prefix="S")
# Iridium: 66 satellites, six planes, 780 km, 86.4 deg, adjacent planes shifted half a slot (Maine et al., 1995)
IRIDIUM = Walker(pattern="star", satellites=66, planes=6, half_slot_shift=True, altitude_m=780e3, inclination_deg=86.4)
# Starlink shell 1: 72 planes of 22, 550 km, 53 deg (FCC SAT-MOD-20200417-00037); phasing 39
STARLINK = Walker(satellites=1584, planes=72, phasing=39, altitude_m=550e3, inclination_deg=53.0)


class Steps:
    """The same steps for both sides; what does not change from step to step is built here, untimed."""

    def __init__(self, walker: Walker) -> None:
        elements = walker.elements(EPOCH)
        self.satellites = SatrecArray([satrec(each) for each in elements])
        self.epoch = Epoch(EPOCH)
        self.times_s = np.arange(STEPS) * STEP_S
        self.latitude_deg, self.longitude_deg = np.array([city[1:] for city in CITIES]).T
        places = [GroundStation(name=n, latitude_deg=lat, longitude_deg=lon) for n, lat, lon in CITIES]
        self.stations = Stations(places, self.epoch)
        plane, slot = ([getattr(each, field) for each in elements] for field in ("plane", "slot"))
        names = [each.name for each in elements]
        grid = Topology(kind="+grid")
        pairs = all_pairs(12) if walker.planes == 1 else candidate_pairs(grid, names, plane, slot)
        self.mesh = Mesh(pairs, len(elements), MAX_RANGE_M)
        self.plain_pairs = plain_topology.grid_pairs(walker.planes, len(elements) // walker.planes)
        if walker.planes == 1:
            self.plain_pairs = np.array([(a, b) for a in range(12) for b in range(a)])
        # the plain side knows UTC only: UT1 - UTC of the day, which moves by less than 1e-4 s in these minutes
        self.dut1_days = float(self.epoch.skyfield(0.0).dut1) / 86400.0

    def ours(self) -> list[tuple[int, Any]]:
        """(links up, delays (m, n)) of every step, by `links/mesh.py`."""
        days, fractions = self.epoch.jd_utc(self.times_s)
        site_m, _ = self.stations.states(self.times_s)
        zeniths = self.stations.zeniths(self.times_s)
        found = []
        for k in range(STEPS):
            _, position_km, _ = self.satellites.sgp4(days[k : k + 1], fractions[k : k + 1])
            position_m = 1e3 * position_km[:, 0]
            link_m, usable = self.mesh.links(position_m)
            ground_m, in_view = self.mesh.overhead(position_m, site_m[:, k], zeniths[:, k], np.radians(MASK_DEG))
            ways = self.mesh.ways(link_m, usable, ground_m, in_view)
            found.append((int(usable.sum()), ways.delays_s))
        return found

    def plain(self) -> list[tuple[int, Any]]:
        """The same by `benchmarks/plain_topology.py`."""
        days, fractions = self.epoch.jd_utc(self.times_s)
        found = []
        for day, fraction in zip(days, fractions, strict=True):
            ut1 = day + fraction + self.dut1_days
            site_m, zenith = plain_topology.sites_m(self.latitude_deg, self.longitude_deg, ut1)
            found.append(
                plain_topology.step(
                    self.satellites, self.plain_pairs, site_m, zenith, MASK_DEG, MAX_RANGE_M, day, fraction
                )
            )
        return found


@pytest.mark.parametrize(
    ("title", "walker", "limit_s", "candidates"),
    [
        ("12 in one plane, all pairs", TWELVE, 1e-3, 12 * 11 // 2),
        ("66 like Iridium, +grid", IRIDIUM, None, 2 * 66),
        ("1,584 as Starlink shell 1, +grid", STARLINK, 10e-3, 2 * 1584),
    ],
    ids=["12", "66", "1584"],
)
def test_topology_step(benchmark: Any, title: str, walker: Walker, limit_s: float | None, candidates: int) -> None:
    steps = Steps(walker)
    targets = () if limit_s is None else (Target("s", "<=", limit_s),)
    notes = Notes(f"topology step, {title}", targets, steps=STEPS, rounds=15 if len(steps.mesh.pairs) < 1000 else 7)
    ours, plain = in_turns(
        benchmark, steps.ours, notes, baseline=Baseline("sgp4 + numpy + csgraph by hand", steps.plain)
    )
    assert [links for links, _ in ours] == [links for links, _ in plain]
    assert len(steps.mesh.pairs) == candidates
    if walker is TWELVE:
        assert {links for links, _ in ours} == {12}  # the ring: second neighbours are below the horizon
    assert any(np.isfinite(delays_s).any() for _, delays_s in ours)
    for (_, ours_s), (_, plain_s) in zip(ours, plain, strict=True):
        np.testing.assert_allclose(ours_s, plain_s, rtol=0.0, atol=nanosecond)
