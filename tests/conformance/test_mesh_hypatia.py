"""Hypatia's Kuiper-630 shell: the shortest path from Manila to Dalian and its delay, every 100 ms for 200 s.

Source: snkas/hypatia (MIT), satgenpy tests, kuiper_630 shell; files `kuiper630_{path,rtt}_1173_to_1241.txt`.
Paths and round-trip times were computed there with PyEphem; the shell is rebuilt here from its description.
"""

from pathlib import Path

import numpy as np
import pytest
from sgp4.api import WGS72, Satrec, SatrecArray

from links.geometry import ranges_m
from links.mesh import Mesh
from links.topology import Topology, candidate_pairs

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PLANES = SLOTS = 34
MANILA, DALIAN = 1173, 1241  # 34 x 34 satellites come first; the stations are numbers 17 and 85 of the 100 cities
one_microsecond_ns = 1000.0

# Hypatia, satgenpy, main_kuiper_630.py and generate_tles_from_scratch.py
MEAN_MOTION_REV_PER_DAY, ECCENTRICITY, INCLINATION_DEG = 14.80, 1e-7, 51.9
EPOCH_JD = 2451544.5  # 2000-01-01 00:00
CONE_M = np.hypot(630e3 / np.tan(np.radians(30.0)), 630e3)
# WGS 84: semi-major axis and flattening, NGA.STND.0036_1.0.0, table 3.1
WGS84_A_M, WGS84_F = 6_378_137.0, 1.0 / 298.257223563

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not here"),
]


def shell() -> SatrecArray:
    """Alternate planes are shifted half a slot; angles rounded to the 4 decimals of a TLE."""
    satellites = []
    for number in range(PLANES * SLOTS):
        plane, slot = divmod(number, SLOTS)
        raan_deg = round(plane * 360.0 / PLANES, 4)
        anomaly_deg = round(((plane % 2) * 0.5 + slot) * 360.0 / SLOTS, 4)
        satellite = Satrec()
        satellite.sgp4init(
            WGS72, "i", number + 1, EPOCH_JD - 2433281.5, 0.0, 0.0, 0.0, ECCENTRICITY, 0.0,
            np.radians(INCLINATION_DEG), np.radians(anomaly_deg),
            MEAN_MOTION_REV_PER_DAY * 2.0 * np.pi / 1440.0, np.radians(raan_deg),
        )  # fmt: skip
        satellites.append(satellite)
    return SatrecArray(satellites)


def sites(times_s: np.ndarray) -> np.ndarray:
    """Manila and Dalian (2, T, 3) in metres, TEME, at sea level of WGS 84, turned by GMST-82."""
    latitude, longitude = np.radians([[14.6042, 38.913811], [120.9822, 121.602322]])
    e2 = WGS84_F * (2.0 - WGS84_F)
    normal_m = WGS84_A_M / np.sqrt(1.0 - e2 * np.sin(latitude) ** 2)
    days = EPOCH_JD - 2451545.0 + times_s / 86400.0
    centuries = days / 36525.0
    # Aoki et al. 1982, in seconds of time of the mean sidereal day
    gmst_s = 67310.54841 + (876600.0 * 3600.0 + 8640184.812866) * centuries + 0.093104 * centuries**2
    angle = longitude[:, None] + gmst_s * 2.0 * np.pi / 86400.0
    across = (normal_m * np.cos(latitude))[:, None]
    height = np.broadcast_to((normal_m * (1.0 - e2) * np.sin(latitude))[:, None], angle.shape)
    return np.stack([across * np.cos(angle), across * np.sin(angle), height], axis=-1)


def expected_paths(times_ns: list[int]) -> list[str]:
    changes = [line.split(",") for line in (SHARED / "kuiper630_path_1173_to_1241.txt").read_text().split()]
    found, at = [], 0
    for time_ns in times_ns:
        while at + 1 < len(changes) and int(changes[at + 1][0]) <= time_ns:
            at += 1
        found.append(changes[at][1])
    return found


def test_shortest_paths_and_round_trips_equal_hypatias_at_every_sample() -> None:
    lines = [line.split(",") for line in (SHARED / "kuiper630_rtt_1173_to_1241.txt").read_text().split()]
    times_ns = [int(time_ns) for time_ns, _ in lines]
    expected_ns = np.array([float(rtt_ns) for _, rtt_ns in lines])
    assert len(times_ns) == 2000

    times_s = np.array(times_ns) / 1e9
    error, position_km, _ = shell().sgp4(np.full(len(times_s), EPOCH_JD), times_s / 86400.0)
    assert not error.any()
    positions_m, site_m = position_km * 1e3, sites(times_s)

    names = [f"{number:04d}" for number in range(PLANES * SLOTS)]
    plane, slot = zip(*(divmod(number, SLOTS) for number in range(PLANES * SLOTS)), strict=True)
    pairs = candidate_pairs(Topology(kind="+grid"), names, plane, slot)
    assert len(pairs) == 2 * PLANES * SLOTS
    mesh = Mesh(pairs, PLANES * SLOTS, max_range_m=1e9, grazing_altitude_m=80e3)

    paths, round_trips_ns = [], []
    for t in range(len(times_s)):
        link_m, usable = mesh.links(positions_m[:, t])
        assert usable.all()
        ground_m = ranges_m(site_m[:, t, None], positions_m[None, :, t])
        in_view = ground_m <= CONE_M
        ways = mesh.ways(link_m, usable, ground_m[:1], in_view[:1])
        delays_s, last = mesh.between(ways, ground_m[1:], in_view[1:])
        hops = [MANILA, *mesh.path(ways, 0, int(last[0, 0])), DALIAN]
        paths.append("-".join(map(str, hops)))
        round_trips_ns.append(2.0 * delays_s[0, 0] * 1e9)

    assert paths == expected_paths(times_ns)
    np.testing.assert_allclose(round_trips_ns, expected_ns, rtol=0.0, atol=one_microsecond_ns)
