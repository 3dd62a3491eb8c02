"""States of nodes sampled once on a grid, then read anywhere between by cubic Hermite interpolation.

The sweep of a contact plan asks for the states of single nodes at many odd instants; asking the propagator for each
would move all nodes every time. On the 30 s grid the interpolant is within 0.06 m of SGP4 in low orbits.
"""

import numpy as np
from numpy.typing import NDArray

from links.errors import LinkError
from links.trajectories import Array, Sites, Trajectories

Index = NDArray[np.intp]

EARTH_RATE_RAD_PER_S = 7.292115e-5  # WGS 84 angular velocity, NGA.STND.0036_1.0.0, table 3.1


def sample_grid(duration_s: float, step_s: float = 30.0) -> Array:
    """Instants (T,) from 0 to `duration_s`, `step_s` apart, the last interval shorter; at least eight intervals."""
    if duration_s < 8.0 * step_s:
        return np.asarray(np.linspace(0.0, duration_s, 9), dtype=np.float64)
    count = int(np.ceil(duration_s / step_s - 1e-9))
    grid: Array = np.arange(count + 1) * np.float64(step_s)
    grid[-1] = duration_s
    return grid


class Track:
    """Positions and velocities (n, T, 3), TEME, in metres and m/s, on a grid (T,); for sites also zeniths."""

    def __init__(self, grid_s: Array, positions_m: Array, velocities_m_per_s: Array, zeniths: Array | None) -> None:
        self.grid_s = grid_s
        self.positions_m = positions_m
        self.velocities_m_per_s = velocities_m_per_s
        self.zeniths = zeniths
        self._turning = None if zeniths is None else np.cross(np.array([0.0, 0.0, EARTH_RATE_RAD_PER_S]), zeniths)
        self._first_step_s = float(grid_s[1] - grid_s[0])

    @classmethod
    def of(cls, nodes: Trajectories | Sites, order: Index, grid_s: Array) -> "Track":
        """Sample `nodes`; row i is node `order[i]`. Raises LinkError where a state is not a number."""
        positions, velocities = nodes.states(grid_s)
        finite = np.isfinite(positions).all(axis=(1, 2)) & np.isfinite(velocities).all(axis=(1, 2))
        if not finite.all():
            lost = [nodes.names[i] for i in np.nonzero(~finite)[0]]
            raise LinkError(f"the position of {', '.join(lost)} is not a number between 0 and {grid_s[-1]:g} s")
        read_zeniths = getattr(nodes, "zeniths", None)
        zeniths = None if read_zeniths is None else read_zeniths(grid_s)[order]
        return cls(grid_s, positions[order], velocities[order], zeniths)

    def _place(self, times_s: Array) -> tuple[Index, Array, Array]:
        """Which interval each time falls into, how far in (0..1), and how long the interval is."""
        last = len(self.grid_s) - 2
        at = np.clip((times_s / self._first_step_s).astype(np.intp), 0, last)
        width_s = self.grid_s[at + 1] - self.grid_s[at]
        return at, (times_s - self.grid_s[at]) / width_s, width_s

    def positions(self, nodes: Index, times_s: Array) -> Array:
        """Positions (k, 3) in metres of node `nodes[i]` at `times_s[i]`."""
        return self._cubic(self.positions_m, self.velocities_m_per_s, nodes, times_s)

    def velocities(self, nodes: Index, times_s: Array) -> Array:
        """Velocities (k, 3) in m/s of node `nodes[i]` at `times_s[i]`: the derivative of `positions`."""
        at, x, width_s = self._place(times_s)
        y = 1.0 - x
        p, v = self.positions_m, self.velocities_m_per_s
        chord = (p[nodes, at + 1] - p[nodes, at]) / width_s[:, None]
        weight = (6.0 * x * y, y * (1.0 - 3.0 * x), x * (3.0 * x - 2.0))
        return np.asarray(
            weight[0][:, None] * chord + weight[1][:, None] * v[nodes, at] + weight[2][:, None] * v[nodes, at + 1]
        )

    def zenith(self, nodes: Index, times_s: Array) -> Array:
        """Unit normals (k, 3) of site `nodes[i]` at `times_s[i]`, which turn with the Earth."""
        if self.zeniths is None or self._turning is None:
            raise LinkError("only sites on the ground have a zenith; satellites were given")
        return self._cubic(self.zeniths, self._turning, nodes, times_s)

    def _cubic(self, values: Array, slopes: Array, nodes: Index, times_s: Array) -> Array:
        """The Hermite cubic through `values` (n, T, 3) with `slopes` per second (n, T, 3) at node and time (k,)."""
        at, x, width_s = self._place(times_s)
        y = 1.0 - x
        weight = (y * y * (1.0 + 2.0 * x), x * x * (3.0 - 2.0 * x), y * y * x * width_s, -x * x * y * width_s)
        return np.asarray(
            weight[0][:, None] * values[nodes, at]
            + weight[1][:, None] * values[nodes, at + 1]
            + weight[2][:, None] * slopes[nodes, at]
            + weight[3][:, None] * slopes[nodes, at + 1]
        )
