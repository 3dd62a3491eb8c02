"""When pairs can see each other: timelines of `visible` and the reasons against, per pair.

A condition is a margin that is positive while it holds: metres of ray over the grazing altitude, metres of range
left, sine of elevation over the mask. Margins are taken on the sample grid; sign changes are refined by bisection on
the interpolated orbits, and extrema near zero are refined first, so that no window shorter than a step is lost.
Instants are rounded to 1e-6 s.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from links.geometry import EARTH_RADIUS_M, ranges_m, ray_height_m, sin_elevation
from links.laser import LaserTerminals
from links.tracks import Index, Track
from links.trajectories import Array

VISIBLE = "visible"
BLOCKED = "blocked"
TOO_FAR = "too_far"
BELOW_MASK = "below_mask"

Timeline = list[tuple[float, str]]  # (start_s, what holds from then on), the first at 0.0
MarginAt = Callable[[Index, Array], Array]  # margins (k,) of pairs (k,) at times (k,)

CHUNK = 2_000_000  # margins held at once: 16 MB a piece
GOLDEN = 0.6180339887498949  # (sqrt(5) - 1) / 2


def laser_timelines(track: Track, pairs: Index, laser: LaserTerminals) -> list[Timeline]:
    """What geometry says of pairs (P, 2) of satellites: visible, `blocked` (first) or `too_far`."""
    floor_m = EARTH_RADIUS_M + laser.grazing_altitude_m

    def clear_m(which: Index, times_s: Array) -> Array:
        a, b = pairs[which].T
        return np.asarray(ray_height_m(track.positions(a, times_s), track.positions(b, times_s)) - floor_m)

    def near_m(which: Index, times_s: Array) -> Array:
        a, b = pairs[which].T
        return np.asarray(laser.max_range_m - ranges_m(track.positions(a, times_s), track.positions(b, times_s)))

    def on_grid(which: Index) -> tuple[Array, Array]:
        a, b = track.positions_m[pairs[which, 0]], track.positions_m[pairs[which, 1]]
        return ray_height_m(a, b) - floor_m, laser.max_range_m - ranges_m(a, b)

    found: list[Timeline] = []
    for which in _chunks(len(pairs), len(track.grid_s)):
        clear, near = on_grid(which)
        not_blocked = _holds(clear_m, which, clear, track.grid_s)
        in_range = _holds(near_m, which, near, track.grid_s)
        found += [_merge(c, BLOCKED, n, TOO_FAR) for c, n in zip(not_blocked, in_range, strict=True)]
    return found


def radio_timelines(satellites: Track, sites: Track, pairs: Index, min_elevation_rad: Array) -> list[Timeline]:
    """What geometry says of pairs (P, 2) of satellite and site, masks (m,) per site: visible or `below_mask`."""
    sin_mask = np.sin(min_elevation_rad)
    zeniths = sites.zeniths if sites.zeniths is not None else np.zeros_like(sites.positions_m)

    def above(which: Index, times_s: Array) -> Array:
        satellite, site = pairs[which].T
        here, up = sites.positions(site, times_s), sites.zenith(site, times_s)
        return np.asarray(sin_elevation(here, up, satellites.positions(satellite, times_s)) - sin_mask[site])

    found: list[Timeline] = []
    for which in _chunks(len(pairs), len(satellites.grid_s)):
        satellite, site = pairs[which].T
        sines = sin_elevation(sites.positions_m[site], zeniths[site], satellites.positions_m[satellite])
        rising = _holds(above, which, sines - sin_mask[site, None], satellites.grid_s)
        found += [_merge(r, BELOW_MASK, [(0.0, True)], "") for r in rising]
    return found


def _chunks(pairs: int, times: int) -> list[Index]:
    size = max(1, CHUNK // times)
    return [np.arange(first, min(first + size, pairs)) for first in range(0, pairs, size)]


def _holds(margin_at: MarginAt, which: Index, margins: Array, grid_s: Array) -> list[list[tuple[float, bool]]]:
    """Per row of `margins` (P, T): (start_s, whether the margin is positive from then on), the first at 0.0."""
    good = margins >= 0.0
    row, i = np.nonzero(good[:, 1:] != good[:, :-1])
    brackets = [(row, grid_s[i], grid_s[i + 1], good[row, i])]
    row, left_s, right_s = _near_extrema(margins, grid_s)
    if len(row):
        at_first = good[row, np.searchsorted(grid_s, left_s)]
        top_s = _extremum_s(margin_at, which[row], left_s, right_s, np.where(at_first, -1.0, 1.0))
        crossed = (margin_at(which[row], top_s) >= 0.0) != at_first
        row, left_s, top_s, right_s = row[crossed], left_s[crossed], top_s[crossed], right_s[crossed]
        brackets += [(row, left_s, top_s, at_first[crossed]), (row, top_s, right_s, ~at_first[crossed])]
    row, left_s, right_s, before = (np.concatenate(parts) for parts in zip(*brackets, strict=True))
    changes_s = np.round(_bisect(margin_at, which[row], left_s, right_s, before), 6)
    found: list[list[tuple[float, bool]]] = [[(0.0, bool(first))] for first in good[:, 0]]
    for k in np.lexsort((changes_s, row)):
        found[row[k]].append((float(changes_s[k]), not before[k]))
    return found


def _near_extrema(margins: Array, grid_s: Array) -> tuple[Index, Array, Array]:
    """Brackets (row, left_s, right_s) without a sign change between whose ends the margin may yet reach zero.

    A smooth extremum overshoots the best sample by an eighth of the second difference, a sharp one by a half of it;
    all that could reach zero with the whole of it are kept. First and last interval have an extremum at their end.
    Of equal samples only one is taken as the nearest, so that no excursion is found twice.
    """
    good = margins >= 0.0
    left, middle, right = margins[:, :-2], margins[:, 1:-1], margins[:, 2:]
    same = (good[:, :-2] == good[:, 1:-1]) & (good[:, 1:-1] == good[:, 2:])
    bend = np.abs(left - 2.0 * middle + right)
    nearest = (np.abs(left) > np.abs(middle)) & (np.abs(right) >= np.abs(middle))
    row, i = np.nonzero(same & nearest & (np.abs(middle) < bend))
    rows, lefts, rights = [row], [grid_s[i]], [grid_s[i + 2]]
    size = np.abs(margins)
    at_start = (size[:, 0] <= size[:, 1]) & (size[:, 0] < bend[:, 0])
    at_stop = (size[:, -1] < size[:, -2]) & (size[:, -1] < bend[:, -1])
    for first, near in ((0, at_start), (margins.shape[1] - 2, at_stop)):
        row = np.nonzero((good[:, first] == good[:, first + 1]) & near)[0]
        rows.append(row)
        lefts.append(np.full(len(row), grid_s[first]))
        rights.append(np.full(len(row), grid_s[first + 1]))
    return np.concatenate(rows), np.concatenate(lefts), np.concatenate(rights)


def _extremum_s(margin_at: MarginAt, which: Index, left_s: Array, right_s: Array, sign: Array) -> Array:
    """Instants (k,) of the largest `sign` x margin between left and right, by golden-section search to 1e-4 s."""
    left_s, right_s = left_s.copy(), right_s.copy()
    for _ in range(28):
        width_s = (right_s - left_s) * GOLDEN
        low_s, high_s = right_s - width_s, left_s + width_s
        lower = sign * margin_at(which, low_s) > sign * margin_at(which, high_s)
        right_s = np.where(lower, high_s, right_s)
        left_s = np.where(lower, left_s, low_s)
    return 0.5 * (left_s + right_s)


def _bisect(margin_at: MarginAt, which: Index, left_s: Array, right_s: Array, before: NDArray[np.bool_]) -> Array:
    """Instants (k,) between left and right at which "margin is positive" stops being `before`, to 1e-9 s."""
    for _ in range(36):
        middle_s = 0.5 * (left_s + right_s)
        still = (margin_at(which, middle_s) >= 0.0) == before
        left_s = np.where(still, middle_s, left_s)
        right_s = np.where(still, right_s, middle_s)
    return 0.5 * (left_s + right_s)


def _merge(first: list[tuple[float, bool]], no: str, second: list[tuple[float, bool]], nor: str) -> Timeline:
    """One timeline of two conditions; where neither holds, the first one's reason counts."""
    merged: Timeline = []
    changes = [(t, 0, on) for t, on in first] + [(t, 1, on) for t, on in second]
    changes.sort(key=lambda change: change[0])  # stable: changes of one condition stay in order
    holds = [True, True]
    for at, (start_s, which, on) in enumerate(changes):
        holds[which] = on
        if at + 1 < len(changes) and changes[at + 1][0] == start_s:
            continue
        state = VISIBLE if holds[0] and holds[1] else (no if not holds[0] else nor)
        if not merged or merged[-1][1] != state:
            merged.append((start_s, state))
    return merged
