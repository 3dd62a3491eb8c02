"""Cubic Hermite interpolation between states (position and velocity) at the two ends of a step.

No frame is assumed; arrays broadcast, the last axis is x, y, z. Source: the cubic Hermite basis, for example
Press et al., Numerical Recipes, section 3.3. The error is at most step^4 / 384 of the fourth derivative.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = tuple[Array, Array]  # positions in metres and velocities in metres per second


def position(start: State, stop: State, step_s: float, part: Array) -> Array:
    """Positions in metres at `part` (0 at `start`, 1 at `stop`) of the step; shapes broadcast, `part` over x, y, z."""
    u = part[..., np.newaxis]
    (r0, v0), (r1, v1) = start, stop
    return r0 + u * (step_s * v0 + u * ((3.0 - 2.0 * u) * (r1 - r0) - step_s * ((2.0 - u) * v0 + (1.0 - u) * v1)))


def velocity(start: State, stop: State, step_s: float, part: Array) -> Array:
    """Velocities in metres per second: the exact derivative of `position`."""
    u = part[..., np.newaxis]
    (r0, v0), (r1, v1) = start, stop
    turn = 6.0 * u * (1.0 - u) * ((r1 - r0) / step_s)
    return turn + (1.0 - u) * (1.0 - 3.0 * u) * v0 + u * (3.0 * u - 2.0) * v1
