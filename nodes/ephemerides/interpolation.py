"""Interpolation of a table of states by the method and degree that its file states: Lagrange or Hermite polynomials.

A polynomial of degree N passes through N + 1 states (Lagrange) or through the positions and velocities of (N + 1) / 2
(Hermite). The states are those nearest the instant, as many before as after it, and at the ends of a table the first
or the last; none beyond the table is made up, and no table is joined to another (CCSDS 502.0-B-3, 5.2.4).
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nodes.errors import NodeError

Array = NDArray[np.float64]
Method = Literal["lagrange", "hermite"]

MAX_DEGREE = 15  # above, polynomials through equally spaced states swing (Runge) and rounding grows [guess]


class Interpolation(msgspec.Struct, frozen=True):
    """A method and the degree of its polynomials."""

    method: Method
    degree: int

    @property
    def samples(self) -> int:
        """How many states one polynomial passes through."""
        return self.degree + 1 if self.method == "lagrange" else (self.degree + 1) // 2

    def problems(self) -> list[tuple[str, str]]:
        """All (field, message) pairs that keep this from being an interpolation; empty if it is one."""
        if self.method not in ("lagrange", "hermite"):
            return [("method", f"is {self.method!r}; LAGRANGE or HERMITE")]
        low = 1 if self.method == "lagrange" else 3
        if not low <= self.degree <= MAX_DEGREE:
            return [("degree", f"is {self.degree}; {low} to {MAX_DEGREE} for {self.method.upper()}")]
        if self.method == "hermite" and self.degree % 2 == 0:
            text = f"is {self.degree}; positions and velocities of n states make a polynomial of degree 2n - 1: odd"
            return [("degree", text)]
        return []


def interpolate(
    rule: Interpolation, nodes_s: Array, positions: Array, velocities: Array | None, times_s: Array
) -> tuple[Array, Array]:
    """Positions and velocities (T, 3) at `times_s` (T,), within `nodes_s` (K,) of states (K, 3) in m and m/s.

    Hermite: velocities are the polynomial's derivative. Lagrange: they have polynomials of their own, or, where there
    are none, the positions' derivative. Raises NodeError for fewer states than the degree needs, and instants outside.
    """
    if len(nodes_s) < rule.samples:
        raise NodeError(
            f"{rule.method.upper()} of degree {rule.degree} needs {rule.samples} states, and there are {len(nodes_s)}"
        )
    if times_s.size and not (times_s.min() >= nodes_s[0] and times_s.max() <= nodes_s[-1]):
        raise NodeError("asked for an instant outside of the table")
    window = _windows(rule.samples, nodes_s, times_s)
    at = nodes_s[window] - times_s[:, np.newaxis]  # (T, m), relative: the polynomial is read at 0
    scale = np.abs(at).max(axis=1, keepdims=True)
    if rule.method == "hermite":
        if velocities is None:
            raise NodeError("HERMITE needs velocities, and the file has none")
        slopes = velocities[window] * scale[..., np.newaxis]
        value, slope = _newton(np.repeat(at / scale, 2, axis=1), np.repeat(positions[window], 2, axis=1), slopes)
        return value, slope / scale
    value, slope = _newton(at / scale, positions[window], None)
    if velocities is None:
        return value, slope / scale
    return value, _newton(at / scale, velocities[window], None)[0]


def _windows(samples: int, nodes_s: Array, times_s: Array) -> NDArray[np.intp]:
    """Indices (T, m) of the states around each instant, the nearest first."""
    after = np.clip(np.searchsorted(nodes_s, times_s, side="right"), 1, len(nodes_s) - 1)
    if samples % 2:  # centred on the nearer neighbour
        nearer = after - (times_s - nodes_s[after - 1] <= nodes_s[after] - times_s)
        first = nearer - samples // 2
    else:
        first = after - samples // 2
    first = np.clip(first, 0, len(nodes_s) - samples)
    window = first[:, np.newaxis] + np.arange(samples)
    order = np.argsort(np.abs(nodes_s[window] - times_s[:, np.newaxis]), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(window, order, axis=1))  # the nearest first keeps rounding small


def _newton(nodes: Array, values: Array, slopes: Array | None) -> tuple[Array, Array]:
    """Value and derivative at 0 of the polynomials through `values` (T, n, 3) at `nodes` (T, n).

    With `slopes` (T, n / 2, 3), nodes come in equal pairs and the first difference of a pair is its slope.
    Newton's divided differences: Press et al., Numerical Recipes, section 3.2; Burden and Faires, section 3.4.
    """
    count = nodes.shape[1]
    table = values.astype(np.float64, copy=True)
    for level in range(1, count):
        width = (nodes[:, level:] - nodes[:, :-level])[..., np.newaxis]
        step = table[:, level:] - table[:, level - 1 : -1]
        if level == 1 and slopes is not None:
            width[:, ::2] = 1.0
            step[:, ::2] = slopes
        table[:, level:] = step / width
    value, slope = table[:, count - 1].copy(), np.zeros_like(table[:, 0])
    for index in range(count - 2, -1, -1):  # Horner, read at 0
        away = -nodes[:, index, np.newaxis]
        slope = value + away * slope
        value = table[:, index] + away * value
    return value, slope
