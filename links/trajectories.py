"""What links ask of whoever knows where things are: inertial states over time.

Times are float seconds since the scenario's UTC epoch. The frame is TEME of date (true equator, mean
equinox), taken as inertial over one light time; ranges need no other frame. Node axis first.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Trajectories(Protocol):
    """Moving nodes, in a fixed order."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def states(self, times_s: Array) -> tuple[Array, Array]:
        """Positions (n, T, 3) in metres and velocities (n, T, 3) in m/s, TEME, at `times_s` (T,)."""
        ...


class Sites(Trajectories, Protocol):
    """Places on the Earth's surface, carried round by its rotation."""

    def zeniths(self, times_s: Array) -> Array:
        """Unit vectors (m, T, 3) along the geodetic normal (WGS84), TEME, at `times_s` (T,)."""
        ...
