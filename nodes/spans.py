"""When many smooth functions of time are positive: a coarse grid finds, bisection refines, short spans are not lost.

Used for passes (elevation above a mask) and for shadow. A span shorter than the grid's step is found because every
local maximum of the grid is refined before its sign is believed. A gap shorter than a step inside a span, which
neither elevation nor shadow has, would be bridged.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Value = Callable[[Index, Array], Array]  # (rows (k,), times_s (k,)) -> values (k,)

BISECTIONS = 32  # 30 s / 2**32 is 7 ns
GOLDEN_STEPS = 44  # 60 s * 0.618**44 is 40 ns; a maximum itself is known to about 1 us, the root of double precision
GOLDEN = (5.0**0.5 - 1.0) / 2.0


class Spans(NamedTuple):
    """Spans in order of row, then time; all arrays (s,). `peak` is the largest value in a span, at `peak_s`."""

    row: Index
    start_s: Array
    stop_s: Array
    peak_s: Array
    peak: Array
    cut_at_start: NDArray[np.bool_]  # positive already at the first instant of the grid
    cut_at_stop: NDArray[np.bool_]  # still positive at the last


def positive_spans(times_s: Array, values: Array, value: Value) -> Spans:
    """Spans in which `value` is positive, within the grid `times_s` (T,), T >= 2, ascending.

    `values` (n, T) are the functions on the grid, `value(rows, times_s)` any of them at any instant between.
    """
    peak_row, peak_node, peak_s, peak = _peaks(times_s, values, value)
    up, down = (values[:, :-1] <= 0) & (values[:, 1:] > 0), (values[:, :-1] > 0) & (values[:, 1:] <= 0)
    hidden = (peak > 0) & (values[peak_row, peak_node] <= 0)
    row, at_s = peak_row[hidden], peak_s[hidden]
    cell = np.clip(np.searchsorted(times_s, at_s, side="right") - 1, 0, times_s.size - 2)
    starts = _crossings(times_s, up, value, rising=True), _bisect(value, row, times_s[cell], at_s)
    stops = _crossings(times_s, down, value, rising=False), _bisect(value, row, times_s[cell + 1], at_s)
    early, late = np.flatnonzero(values[:, 0] > 0), np.flatnonzero(values[:, -1] > 0)
    start_row, start_s, cut_at_start = _sorted((starts[0], (row, starts[1])), early, times_s[0])
    _, stop_s, cut_at_stop = _sorted((stops[0], (row, stops[1])), late, times_s[-1])
    spans = Spans(start_row, start_s, stop_s, start_s.copy(), np.zeros(start_s.size), cut_at_start, cut_at_stop)
    return _with_peaks(spans, times_s, peak_row[peak > 0], peak_s[peak > 0], peak[peak > 0])


def _peaks(times_s: Array, values: Array, value: Value) -> tuple[Index, Index, Array, Array]:
    """(row, node, instant, value) of the local maxima that may be positive, refined; the grid's ends count too."""
    edge = np.full((values.shape[0], 1), -np.inf)
    before, after = np.hstack((edge, values[:, :-1])), np.hstack((values[:, 1:], edge))
    drop = values - np.minimum(np.where(np.isinf(before), after, before), np.where(np.isinf(after), before, after))
    # between nodes a smooth maximum rises above its highest node by less than that node above its lower neighbour
    row, node = np.nonzero((values >= before) & (values > after) & (values + drop > 0))
    low, high = times_s[np.maximum(node - 1, 0)], times_s[np.minimum(node + 1, times_s.size - 1)]
    for _ in range(GOLDEN_STEPS):
        width = GOLDEN * (high - low)
        left_is_higher = value(row, high - width) >= value(row, low + width)
        low, high = np.where(left_is_higher, low, high - width), np.where(left_is_higher, low + width, high)
    at_s = 0.5 * (low + high)
    return row, node, at_s, value(row, at_s)


def _crossings(times_s: Array, cells: NDArray[np.bool_], value: Value, rising: bool) -> tuple[Index, Array]:
    row, cell = np.nonzero(cells)
    outside, inside = (cell, cell + 1) if rising else (cell + 1, cell)
    return row, _bisect(value, row, times_s[outside], times_s[inside])


def _bisect(value: Value, row: Index, outside_s: Array, inside_s: Array) -> Array:
    """The instants where the value turns, from an instant each where it is not positive and where it is."""
    for _ in range(BISECTIONS):
        middle_s = 0.5 * (outside_s + inside_s)
        positive = value(row, middle_s) > 0
        outside_s, inside_s = np.where(positive, outside_s, middle_s), np.where(positive, middle_s, inside_s)
    return inside_s


def _sorted(
    found: tuple[tuple[Index, Array], tuple[Index, Array]], cut: Index, cut_s: float
) -> tuple[Index, Array, NDArray[np.bool_]]:
    """Ends of spans from crossings, hidden peaks and the grid's edge, by row and time; so starts and stops pair up."""
    row = np.concatenate((found[0][0], found[1][0], cut))
    at_s = np.concatenate((found[0][1], found[1][1], np.full(cut.size, cut_s)))
    is_cut = np.arange(row.size) >= row.size - cut.size
    order = np.lexsort((at_s, row))
    return row[order], at_s[order], is_cut[order]


def _with_peaks(spans: Spans, times_s: Array, row: Index, at_s: Array, peak: Array) -> Spans:
    """The spans with the highest of their peaks."""
    length_s = times_s[-1] - times_s[0] + 1.0
    key = spans.row * length_s + (spans.start_s - times_s[0])
    owner = np.clip(np.searchsorted(key, row * length_s + (at_s - times_s[0]), side="right") - 1, 0, None)
    order = np.argsort(peak, kind="stable")  # the highest is written last
    spans.peak_s[owner[order]] = at_s[order]
    spans.peak[owner[order]] = peak[order]
    return spans
