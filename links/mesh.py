"""One topology step of a large constellation: link ranges, who is over which station, shortest ways between stations.

For constellations of thousands, where a contact plan is not needed: Walker shells, sweeps over time, benchmarks.
Delays are range / c at one instant, as in Hypatia; light time to the moving receiver differs by 2.5e-5 of it at most.
Stations never relay: a way leads from a station up, over lasers, and down. scipy is imported when first needed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from links.geometry import EARTH_RADIUS_M, GRAZING_ALTITUDE_M, LIGHT_M_PER_S, ranges_m, ray_height_m, sin_elevation
from links.topology import Flags
from links.tracks import Index
from links.trajectories import Array


class Ways(NamedTuple):
    """Shortest ways from each of m stations to each of n satellites; infinite and -1 (or less) where there is none."""

    delays_s: Array  # (m, n)
    before: NDArray[np.int32]  # (m, n): the satellite before the last one; n + station: straight from the station


class Mesh:
    """Fixed candidate links `pairs` (P, 2) between `count` satellites, and what makes one usable."""

    def __init__(
        self, pairs: Index, count: int, max_range_m: float, grazing_altitude_m: float = GRAZING_ALTITUDE_M
    ) -> None:
        self.pairs = pairs
        self.count = count
        self.max_range_m = max_range_m
        self.least_height_m = EARTH_RADIUS_M + grazing_altitude_m
        both = np.concatenate([pairs, pairs[:, ::-1]])
        order = np.lexsort((both[:, 1], both[:, 0]))
        self._from, self._to = both[order, 0], both[order, 1]
        self._pair = order % max(len(pairs), 1)  # which pair each directed edge, sorted by its start, belongs to

    def links(self, positions_m: Array) -> tuple[Array, Flags]:
        """Ranges (P,) in metres and which links are usable (P,), from positions (n, 3)."""
        a, b = positions_m[self.pairs[:, 0]], positions_m[self.pairs[:, 1]]
        length_m = ranges_m(a, b)
        return length_m, (length_m <= self.max_range_m) & (ray_height_m(a, b) >= self.least_height_m)

    def overhead(
        self, positions_m: Array, site_m: Array, zeniths: Array, min_elevation_rad: float
    ) -> tuple[Array, Flags]:
        """Ranges (m, n) in metres and who is in view (m, n) of sites at (m, 3) with unit normals (m, 3)."""
        from_m, to_m = site_m[:, None], positions_m[None]
        return ranges_m(from_m, to_m), sin_elevation(from_m, zeniths[:, None], to_m) >= np.sin(min_elevation_rad)

    def ways(self, link_m: Array, usable: Flags, ground_m: Array, in_view: Flags) -> Ways:
        """Shortest ways from every station, from the answers of `links` and `overhead`."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import dijkstra

        stations, n = in_view.shape
        keep = usable[self._pair]
        station, satellite = np.nonzero(in_view)
        data = np.concatenate([link_m[self._pair[keep]], ground_m[station, satellite]])
        indices = np.concatenate([self._to[keep], satellite]).astype(np.int32)
        degrees = np.concatenate([np.bincount(self._from[keep], minlength=n), in_view.sum(axis=1)])
        indptr = np.concatenate([[0], np.cumsum(degrees)]).astype(np.int32)
        graph = csr_matrix((data, indices, indptr), shape=(n + stations, n + stations))
        length_m, before = dijkstra(graph, indices=np.arange(n, n + stations), return_predecessors=True)
        return Ways(length_m[:, :n] / LIGHT_M_PER_S, before[:, :n])

    def between(self, ways: Ways, ground_m: Array, in_view: Flags) -> tuple[Array, Index]:
        """Delays (m, m) in seconds from station to station, and the satellite that each way comes down from."""
        down_s = np.where(in_view, ground_m / LIGHT_M_PER_S, np.inf)
        total_s = ways.delays_s[:, None, :] + down_s[None, :, :]
        last = np.argmin(total_s, axis=2)
        return np.asarray(np.take_along_axis(total_s, last[..., None], axis=2)[..., 0]), last

    def path(self, ways: Ways, station: int, satellite: int) -> list[int]:
        """The satellites from `station` to `satellite`, both ends of the way included; empty if there is none."""
        found: list[int] = []
        at = satellite
        while 0 <= at < self.count:
            found.append(at)
            at = int(ways.before[station, at])
        return found[::-1] if at == self.count + station else []
