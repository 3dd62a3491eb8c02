"""Passes: when each satellite rises above each station's elevation mask, stands highest, and sets.

Geometric elevation above the geodetic horizon, no refraction, no light time (at most 9 ms of it in low orbit).
A grid of 30 s finds, bisection on the Hermite interpolant refines; a pass shorter than the grid is not missed.
"""

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from links.trajectories import Sites, Trajectories
from nodes import hermite
from nodes.errors import NodeError
from nodes.spans import Index, positive_spans

Array = NDArray[np.float64]

STEP_S = 30.0  # a pass at 500 km lasts up to 12 min; shorter ones are found as peaks


class Pass(msgspec.Struct, frozen=True):
    """One pass, instants in seconds since the epoch; `rise_s` or `set_s` is None where the window cut it off.

    `max_elevation_deg` is reached at `culminate_s`, inside the window.
    """

    satellite: str
    station: str
    rise_s: float | None
    culminate_s: float
    set_s: float | None
    max_elevation_deg: float


def passes(
    trajectories: Trajectories,
    sites: Sites,
    min_elevation_deg: float | Sequence[float],
    start_s: float,
    stop_s: float,
    step_s: float = STEP_S,
) -> list[Pass]:
    """All passes from `start_s` to `stop_s`, ordered by when they begin, then by station and satellite.

    `min_elevation_deg` is one mask, or one for each site. Instants hold on the interpolant to below a microsecond.
    Raises NodeError for a window, step or mask that cannot be.
    """
    masks = _masks(min_elevation_deg, len(sites.names))
    if not (np.isfinite([start_s, stop_s]).all() and stop_s > start_s and 0.0 < step_s < np.inf):
        raise NodeError(f"no window from {start_s} s to {stop_s} s in steps of {step_s} s; it must have a length")
    grid = _Grid(trajectories, sites, start_s, stop_s, step_s)
    found: list[Pass] = []
    for site, station in enumerate(sites.names):
        threshold = float(np.sin(np.radians(masks[site])))
        spans = positive_spans(grid.times_s, grid.margins(site, threshold), partial(grid.margin, site, threshold))
        highest_deg = np.degrees(np.arcsin(np.clip(spans.peak + threshold, -1.0, 1.0)))
        columns = (
            spans.row,
            spans.start_s,
            spans.peak_s,
            spans.stop_s,
            highest_deg,
            spans.cut_at_start,
            spans.cut_at_stop,
        )
        for row, rise, peak, fall, highest, early, late in zip(*(c.tolist() for c in columns), strict=True):
            ends = None if early else rise, None if late else fall
            found.append(Pass(trajectories.names[row], station, ends[0], peak, ends[1], highest))
    return sorted(found, key=lambda p: (start_s if p.rise_s is None else p.rise_s, p.station, p.satellite))


def _masks(min_elevation_deg: float | Sequence[float], sites: int) -> Array:
    masks: Array = np.asarray(min_elevation_deg, np.float64)
    if masks.ndim > 1 or (masks.ndim == 1 and masks.size != sites):
        raise NodeError(f"{masks.size} elevation masks for {sites} stations; give one, or one for each")
    masks = np.broadcast_to(masks, (sites,))
    good = (masks > -90.0) & (masks < 90.0)  # False for NaN
    if not good.all():
        raise NodeError(f"elevation mask {masks[~good][0]} deg; must be above -90 and below 90")
    return masks


class _Grid:
    """States of satellites and sites on a uniform grid, and the sine of the elevation anywhere between."""

    def __init__(self, trajectories: Trajectories, sites: Sites, start_s: float, stop_s: float, step_s: float) -> None:
        self.cells = int(np.ceil((stop_s - start_s) / step_s))
        self.times_s = np.linspace(start_s, stop_s, self.cells + 1)
        self.step_s = (stop_s - start_s) / self.cells
        self.satellites = trajectories.states(self.times_s)
        self.sites = sites.states(self.times_s)
        self.zeniths = sites.zeniths(self.times_s)

    def margins(self, site: int, threshold: float) -> Array:
        """The sine of the elevation less `threshold` (n, T), of all satellites at one site, on the grid."""
        return _sine(self.satellites[0] - self.sites[0][site], self.zeniths[site]) - threshold

    def margin(self, site: int, threshold: float, rows: Index, at_s: Array) -> Array:
        """The same (k,) of the satellites `rows` (k,) at one site, at any instants `at_s` (k,) of the grid."""
        cell = np.clip(((at_s - self.times_s[0]) / self.step_s).astype(np.intp), 0, self.cells - 1)
        part = (at_s - self.times_s[cell]) / self.step_s
        # the difference of two cubics is the cubic of the differences: one interpolation for both
        start, stop = (
            tuple(moving[rows, k] - still[site, k] for moving, still in zip(self.satellites, self.sites, strict=True))
            for k in (cell, cell + 1)
        )
        away = hermite.position((start[0], start[1]), (stop[0], stop[1]), self.step_s, part)
        before, after = self.zeniths[site, cell], self.zeniths[site, cell + 1]
        zenith = before + part[:, np.newaxis] * (after - before)
        return _sine(away, zenith / np.sqrt(np.einsum("...i,...i", zenith, zenith))[:, np.newaxis]) - threshold


def _sine(away: Array, zenith: Array) -> Array:
    sine: Array = np.einsum("...i,...i", away, zenith) / np.sqrt(np.einsum("...i,...i", away, away))
    return sine
