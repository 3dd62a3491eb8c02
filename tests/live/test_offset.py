"""Clock offsets: never surer than true, whatever the ways and clocks do; the best of many; jumps and lies noticed."""

from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.live.offset import DRIFT, WINDOW, Exchange, Offset, OffsetEstimate, offset

delays_s = st.floats(0.0, 5.0)
offsets_s = st.floats(-1e7, 1e7)  # hosts that started months apart


def exchange(
    sent_s: float, true_s: float, there_s: float, held_s: float, back_s: float, drift: float = 0.0
) -> Exchange:
    """A ping over ways of `there_s` and `back_s`, to a clock that is `true_s` ahead at 0 and gains `drift` a second."""

    def theirs(t_s: float) -> float:
        return t_s + true_s + drift * t_s

    heard_s = sent_s + there_s
    answered_s = heard_s + held_s
    return Exchange(sent_s, theirs(heard_s), theirs(answered_s), answered_s + back_s)


@given(st.floats(0.0, 1e6), offsets_s, delays_s, st.floats(0.0, 100.0), delays_s)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_the_truth_is_within_the_uncertainty(
    sent_s: float, true_s: float, there_s: float, held_s: float, back_s: float
) -> None:
    one = exchange(sent_s, true_s, there_s, held_s, back_s)
    found = offset(one, one.back_s, drift=0.0)
    assert abs(found.offset_s - true_s) <= found.uncertainty_s
    assert found.uncertainty_s <= (there_s + back_s) / 2.0 + 1e-8  # and no vaguer than it must be


@given(
    true_s=offsets_s,
    drift=st.floats(-DRIFT, DRIFT),
    ways=st.lists(st.tuples(delays_s, st.floats(0.0, 100.0), delays_s, st.floats(0.0, 600.0)), min_size=1, max_size=80),
    later_s=st.floats(0.0, 1e4),
)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_it_stays_so_over_many_exchanges_with_a_clock_that_drifts(
    true_s: float, drift: float, ways: list[tuple[float, float, float, float]], later_s: float
) -> None:
    estimate, now_s = OffsetEstimate(), 0.0
    for there_s, held_s, back_s, pause_s in ways:
        one = exchange(now_s, true_s, there_s, held_s, back_s, drift)
        assert estimate.add(one)
        now_s = one.back_s
        _check(estimate, now_s, true_s + drift * now_s)
        now_s += pause_s
    _check(estimate, now_s + later_s, true_s + drift * (now_s + later_s))
    assert (estimate.jumps, estimate.refused.total()) == (0, 0)


def _check(estimate: OffsetEstimate, now_s: float, true_s: float) -> None:
    found = estimate.best(now_s)
    assert found is not None
    assert abs(found.offset_s - true_s) <= found.uncertainty_s


def test_an_exchange_by_hand() -> None:
    found = offset(Exchange(10.0, 110.002, 110.005, 10.009), 10.009, drift=0.0)
    assert found.offset_s == pytest.approx(99.999, abs=1e-9)  # ((110.002 - 10) + (110.005 - 10.009)) / 2
    assert found.uncertainty_s == pytest.approx(0.003, abs=1e-9)  # (9 ms away - 3 ms held) / 2


def test_the_least_round_trip_wins_until_it_is_old() -> None:
    estimate = OffsetEstimate(drift=1e-4)
    assert estimate.best(0.0) is None
    assert estimate.add(exchange(0.0, 5.0, 0.001, 0.0, 0.001))
    assert estimate.add(exchange(1.0, 5.0, 0.100, 0.0, 0.000))
    assert estimate.best(2.0).uncertainty_s == pytest.approx(0.001 + 2e-4, abs=1e-6)
    assert estimate.best(2.0).offset_s == pytest.approx(5.0, abs=1e-9)
    assert estimate.add(exchange(1000.0, 5.0, 0.010, 0.0, 0.000))  # 5 ms, where the first has grown to 101
    assert estimate.best(1000.01).uncertainty_s == pytest.approx(0.005, abs=1e-5)


def test_the_window_is_bounded() -> None:
    estimate = OffsetEstimate(drift=0.0)
    estimate.add(exchange(0.0, 5.0, 0.001, 0.0, 0.001))
    for second in range(1, WINDOW + 1):
        estimate.add(exchange(float(second), 5.0, 0.1, 0.0, 0.1))
    assert estimate.best(100.0).uncertainty_s == pytest.approx(0.1, abs=1e-9)


def test_a_clock_that_jumps_is_noticed_and_the_past_forgotten() -> None:
    estimate = OffsetEstimate()
    for second in range(5):
        estimate.add(exchange(float(second), 5.0, 0.001, 0.0, 0.001))
    estimate.add(exchange(10.0, 3.0, 0.01, 0.0, 0.01))  # their host slept for two seconds
    assert estimate.jumps == 1
    assert estimate.best(10.1).offset_s == pytest.approx(3.0, abs=1e-9)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Exchange(1.0, nan, 2.0, 3.0), "not_finite"),
        (Exchange(1.0, 2.0, inf, 3.0), "not_finite"),
        (Exchange(3.0, 2.0, 2.0, 1.0), "reversed"),
        (Exchange(1.0, 5.0, 4.0, 3.0), "reversed"),
        (Exchange(1.0, 5.0, 50.0, 3.0), "too_long"),
        (Exchange(1.0, 5.0, 7.001, 3.0), "too_long"),
    ],
)
def test_what_cannot_be_is_refused_and_counted(said: Exchange, why: str) -> None:
    estimate = OffsetEstimate()
    assert not estimate.add(said)
    assert dict(estimate.refused) == {why: 1}
    assert estimate.best(4.0) is None


@given(*[st.floats(allow_nan=True, allow_infinity=True)] * 4)
@settings(derandomize=True, deadline=None)
def test_whatever_the_other_host_says_breaks_nothing(a: float, b: float, c: float, d: float) -> None:
    estimate = OffsetEstimate()
    assert estimate.add(exchange(0.0, 5.0, 0.001, 0.0, 0.001))
    taken = estimate.add(Exchange(a, b, c, d))
    assert estimate.refused.total() == (not taken)
    assert estimate.best(1.0) is not None


def test_an_offset_leads_from_clock_to_clock() -> None:
    found = Offset(offset_s=7.0, uncertainty_s=0.001)
    assert found.theirs_s(10.0) == 17.0
    assert found.ours_s(17.0) == 10.0
