"""Spans in which functions are positive, found from a coarse grid."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.spans import positive_spans

one_microsecond = 1e-6


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.floats(400.0, 6000.0), st.floats(0.0, 1.0), st.floats(-0.95, 0.999999))
def test_waves_above_a_level(period_s, phase, level):
    """cos(2 pi (t / P - phase)) > level lasts P acos(level) / pi about every crest, however short that is."""
    half_s = period_s * np.arccos(level) / (2.0 * np.pi)

    def wave(rows, times_s):
        return np.cos(2.0 * np.pi * (times_s / period_s - phase)) - level

    times_s = np.linspace(0.0, 30_000.0, 1001)
    spans = positive_spans(times_s, wave(None, times_s)[np.newaxis], wave)
    crests = period_s * (phase + np.arange(-2.0, 30_000.0 / period_s + 2.0))
    inside = crests[(crests + half_s > one_microsecond) & (crests - half_s < 30_000.0 - one_microsecond)]
    edges = np.abs(
        np.concatenate((crests - half_s, crests + half_s, 30_000.0 - crests - half_s, 30_000.0 - crests + half_s))
    )
    if edges.min() < 1e-3 or (np.abs(crests) < 1e-3).any():
        return  # a span that only touches the window: either answer is right
    assert spans.start_s.size == inside.size
    assert np.abs(spans.start_s - np.maximum(inside - half_s, 0.0)).max(initial=0.0) < 100 * one_microsecond
    assert np.abs(spans.stop_s - np.minimum(inside + half_s, 30_000.0)).max(initial=0.0) < 100 * one_microsecond
    assert np.array_equal(spans.cut_at_start, inside - half_s < 0.0)
    assert np.array_equal(spans.cut_at_stop, inside + half_s > 30_000.0)
    assert np.abs(spans.peak_s - np.clip(inside, 0.0, 30_000.0)).max(initial=0.0) < 1e-2


def test_rows_do_not_mix():
    times_s = np.arange(0.0, 601.0, 30.0)
    middles = np.array([100.0, 300.0, 1000.0, 0.0])  # seen, seen, never, cut by the start

    def bump(rows, at_s):
        return 50.0**2 - (at_s - middles[rows]) ** 2

    rows = np.repeat(np.arange(4), times_s.size)
    spans = positive_spans(times_s, bump(rows, np.tile(times_s, 4)).reshape(4, -1), bump)
    assert spans.row.tolist() == [0, 1, 3]
    assert np.allclose(spans.start_s, [50.0, 250.0, 0.0])
    assert np.allclose(spans.stop_s, [150.0, 350.0, 50.0])
    assert spans.cut_at_start.tolist() == [False, False, True]
    assert np.allclose(spans.peak, 2500.0)


def test_nothing_positive_is_no_span():
    times_s = np.array([0.0, 30.0])
    spans = positive_spans(times_s, np.full((3, 2), -1.0), lambda rows, at_s: np.full(at_s.shape, -1.0))
    assert spans.row.size == 0


def test_always_positive_is_one_span_cut_twice():
    times_s = np.array([0.0, 30.0, 60.0])
    spans = positive_spans(times_s, np.ones((1, 3)), lambda rows, at_s: np.ones(at_s.shape))
    assert (spans.start_s.tolist(), spans.stop_s.tolist()) == ([0.0], [60.0])
    assert (spans.cut_at_start.tolist(), spans.cut_at_stop.tolist()) == ([True], [True])
    assert spans.peak.tolist() == [1.0]
