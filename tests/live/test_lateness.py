"""Quantiles of lateness: exact as long as samples are kept, within half a percent after that, bounded for ever."""

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.live.lateness import FLOOR_S, RELATIVE_ERROR, Lateness, LatenessError, LatenessSummary

samples = st.lists(st.floats(-1e-3, 10.0), min_size=1, max_size=200)


def collected(samples_s: list[float], exact: int = 1_000_000, recent: int = 10_000) -> Lateness:
    lateness = Lateness(exact, recent)
    for late_s in samples_s:
        lateness.record(late_s)
    return lateness


def nearest_rank(samples_s: list[float], share: float) -> float:
    return sorted(samples_s)[max(1, ceil(share * len(samples_s))) - 1]


def test_nothing_recorded_has_no_quantiles() -> None:
    nothing = LatenessSummary(None, None, None, 0)
    assert Lateness().summary() == Lateness().recent(10) == nothing
    assert Lateness(exact=0).summary() == nothing
    merged = Lateness()
    merged.merge(Lateness())
    assert merged.summary() == nothing


def test_quantiles_are_nearest_rank() -> None:
    late = collected([float(n) for n in range(100, 0, -1)])
    assert late.summary() == LatenessSummary(50.0, 99.0, 100.0, 100)


@pytest.mark.parametrize("late_s", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(late_s: float) -> None:
    late = collected([1e-6])
    with pytest.raises(LatenessError, match="finite"):
        late.record(late_s)
    assert late.summary() == LatenessSummary(1e-6, 1e-6, 1e-6, 1)


@settings(derandomize=True, deadline=None)
@given(samples)
def test_beyond_what_is_kept_quantiles_hold_their_stated_error(samples_s: list[float]) -> None:
    found = collected(samples_s, exact=0).summary()
    assert found.max == max(samples_s)
    assert found.n == len(samples_s)
    for share, value in ((0.50, found.p50), (0.99, found.p99)):
        assert value == pytest.approx(nearest_rank(samples_s, share), rel=RELATIVE_ERROR * 1.000001, abs=FLOOR_S)


@settings(derandomize=True, deadline=None)
@given(samples, samples, st.sampled_from([0, 50, 1_000]), st.sampled_from([0, 50, 1_000]))
def test_merged_is_as_recorded_together(ours: list[float], theirs: list[float], keep: int, they_keep: int) -> None:
    merged = collected(ours, keep)
    merged.merge(collected(theirs, they_keep))
    together = collected(ours + theirs, keep if they_keep >= len(theirs) else 0)
    assert merged.summary() == together.summary()
    assert merged.recent(100) == together.recent(100)


def test_memory_is_bounded() -> None:
    late = collected([n % 977 * 1e-5 for n in range(20_000)], exact=1_000, recent=100)
    assert late._all is None
    assert len(late._bins) <= 977
    assert len(late._recent) == 100
    assert len(late) == late.summary().n == 20_000


def test_recent_is_the_last_moments_only() -> None:
    late = collected([1.0] * 50 + [1e-6] * 10, exact=20)
    assert late.recent(10) == LatenessSummary(1e-6, 1e-6, 1e-6, 10)
    assert late.recent(11).max == 1.0
    assert late.recent(0).n == 0
    assert late.recent(10_000).n == 60


def test_early_release_is_not_hidden() -> None:
    found = collected([-5e-6] * 99 + [1e-6], exact=0).summary()
    assert found.p50 == pytest.approx(-5e-6, rel=RELATIVE_ERROR)
    assert found.max == 1e-6
