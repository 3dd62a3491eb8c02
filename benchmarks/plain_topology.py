"""The baseline of a topology step: sgp4's SatrecArray, numpy and scipy's csgraph, written out as one would by hand.

Imports nothing of ours, and states the geometry another way: the horizon's range instead of the ray's height, the
sidereal angle by its polynomial, the sparse graph from coordinate lists. All units SI, frame TEME.
"""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

LIGHT_M_PER_S = 299_792_458.0  # SI brochure 9th ed., 2.2
EARTH_RADIUS_M = 6_378_137.0  # WGS 84, NGA.STND.0036_1.0.0, table 3.1
FLATTENING = 1.0 / 298.257223563  # the same
GRAZING_ALTITUDE_M = 80e3  # Hypatia (Kassing et al., IMC 2020), section 3.1


def grid_pairs(planes: int, slots: int) -> np.ndarray:
    """Links (P, 2) of the +grid, both ways closed, numbered plane by plane."""
    number = np.arange(planes * slots).reshape(planes, slots)
    ahead = np.stack([number, np.roll(number, -1, axis=1)], axis=-1).reshape(-1, 2)
    beside = np.stack([number, np.roll(number, -1, axis=0)], axis=-1).reshape(-1, 2)
    return ahead if planes == 1 else np.concatenate([ahead, beside])


def sites_m(latitude_deg: np.ndarray, longitude_deg: np.ndarray, jd_ut1: float) -> tuple[np.ndarray, np.ndarray]:
    """Places at sea level and their zeniths, each (m, 3)."""
    latitude = np.radians(latitude_deg)
    days = jd_ut1 - 2451545.0
    # Aoki et al. 1982, A&A 105, 359: GMST in seconds; the whole turns of a day are taken out first
    gmst_s = 67310.54841 + 8640184.812866 * days / 36525.0 + 0.093104 * (days / 36525.0) ** 2 + 86400.0 * (days % 1.0)
    angle = np.radians(longitude_deg) + 2.0 * np.pi * gmst_s / 86400.0
    zenith = np.stack([np.cos(latitude) * np.cos(angle), np.cos(latitude) * np.sin(angle), np.sin(latitude)], axis=-1)
    e2 = FLATTENING * (2.0 - FLATTENING)
    normal_m = EARTH_RADIUS_M / np.sqrt(1.0 - e2 * np.sin(latitude) ** 2)
    return zenith * normal_m[:, None] * np.array([1.0, 1.0, 1.0 - e2]), zenith


def step(satellites, pairs, site_m, zenith, mask_deg, max_range_m, day, fraction):  # type: ignore[no-untyped-def]
    """Number of links up, and least delays (m, n) in seconds from each site to each satellite, at one instant."""
    _, position_km, _ = satellites.sgp4(np.array([day]), np.array([fraction]))
    position_m = 1e3 * position_km[:, 0]
    n, m = len(position_m), len(site_m)
    a, b = pairs.T
    tangent_m = np.sqrt((position_m**2).sum(axis=1) - (EARTH_RADIUS_M + GRAZING_ALTITUDE_M) ** 2)
    range_m = np.sqrt(((position_m[a] - position_m[b]) ** 2).sum(axis=1))
    up = (range_m <= tangent_m[a] + tangent_m[b]) & (range_m <= max_range_m)
    ray_m = position_m[None] - site_m[:, None]
    slant_m = np.sqrt((ray_m**2).sum(axis=2))
    site, over = np.nonzero((ray_m * zenith[:, None]).sum(axis=2) >= slant_m * np.sin(np.radians(mask_deg)))
    start = np.concatenate([a[up], b[up], n + site])
    stop = np.concatenate([b[up], a[up], over])
    length_m = np.concatenate([range_m[up], range_m[up], slant_m[site, over]])
    graph = coo_matrix((length_m, (start, stop)), shape=(n + m, n + m)).tocsr()
    return int(up.sum()), dijkstra(graph, indices=np.arange(n, n + m))[:, :n] / LIGHT_M_PER_S
