"""The ledger lets every honest run through and no dishonest one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.errors import NodeError
from nodes.ledger import RESOLUTION_S, OpsLedger

PEAK = 744e12

seconds = st.floats(min_value=0.0, max_value=100.0)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(seconds, seconds, st.floats(min_value=0.0, max_value=1.0))))
def test_honest_runs_pass_and_add_up(runs: list[tuple[float, float, float]]) -> None:
    ledger, now_s, ops = OpsLedger("A", PEAK), 0.0, 0
    for gap_s, busy_s, share in runs:
        start_s = now_s + gap_s
        now_s = start_s + busy_s
        done = int(PEAK * share * (now_s - start_s))
        ledger.record(start_s, now_s, done)
        ops += done
    assert (ledger.runs, ledger.ops) == (len(runs), ops)
    assert ledger.utilisation(now_s) <= 1.0


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(seconds, seconds, st.floats(min_value=0.0, max_value=1.5)), max_size=20))
def test_no_span_ever_holds_more_than_budget_times_time(runs: list[tuple[float, float, float]]) -> None:
    ledger, entered = OpsLedger("A", 1e9), []
    for start_s, busy_s, share in runs:
        run = (start_s, start_s + busy_s, int(1e9 * share * busy_s))
        try:
            ledger.record(*run)
        except NodeError:
            continue
        entered.append(run)
    for first in range(len(entered)):
        for last in range(first, len(entered)):
            span_s = entered[last][1] - entered[first][0]
            assert sum(ops for _, _, ops in entered[first : last + 1]) <= 1e9 * (span_s + 2.0 * RESOLUTION_S)
    assert ledger.ops == sum(ops for _, _, ops in entered)


def test_a_saturated_node_passes_however_long_it_runs() -> None:
    """100,000 jobs in a row at the peak, each time rounded: the rounding stays below the resolution."""
    ledger, now_s = OpsLedger("A", PEAK), 86_400.0
    for number in range(100_000):
        ops = 10**12 + number
        stop_s = now_s + ops / PEAK
        ledger.record(now_s, stop_s, ops)
        now_s = stop_s
    assert ledger.utilisation(now_s - 86_400.0) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([(0.0, 1.0, 10), (0.5, 2.0, 10)], "does two things at once"),
        ([(0.0, 1.0, 745 * 10**12)], "beats its budget"),
        ([(0.0, 0.0, 700 * 10**6), (0.0, 0.0, 700 * 10**6)], "beats its budget"),  # slack is not given twice
        ([(1.0, 0.0, 1)], "cannot be"),
        ([(0.0, float("nan"), 1)], "cannot be"),
        ([(0.0, 1.0, -1)], "cannot be"),
    ],
)
def test_a_dishonest_run_is_refused_and_not_entered(runs: list[tuple[float, float, int]], words: str) -> None:
    ledger = OpsLedger("A", PEAK)
    for run in runs[:-1]:
        ledger.record(*run)
    before = (ledger.runs, ledger.ops, ledger.busy_s)
    with pytest.raises(NodeError, match=words):
        ledger.record(*runs[-1])
    assert (ledger.runs, ledger.ops, ledger.busy_s) == before


def test_a_budget_that_cannot_be_is_refused() -> None:
    with pytest.raises(NodeError, match="budget of 0"):
        OpsLedger("A", 0.0)
