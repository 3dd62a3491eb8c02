"""LoadGen's scenarios on a subject of known service times and a clock that it moves: every figure has a closed form."""

from itertools import cycle
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.measuring.loadgen import (
    MLPERF,
    MULTI_STREAM,
    OFFLINE,
    SCENARIOS,
    SERVER,
    SINGLE_STREAM,
    Measured,
    Rule,
    Subject,
    multi_stream,
    nearest_rank,
    offline,
    single_stream,
    split,
)
from workloads.measuring.server import arrivals, gaps_needed, offer, server
from workloads.streams import exponentials, stream

# mlcommons/inference, mlperf.conf before early stopping: *.SCENARIO.min_duration (ms), min_query_count
PUBLISHED = {SINGLE_STREAM: (600, 1024), MULTI_STREAM: (600, 270336), SERVER: (600, 270336), OFFLINE: (600, 24576)}


class Desk:
    """Serves a call of b samples in `fixed_s + b x each_s`, or in turn what `times_s` says; moves its own clock."""

    def __init__(self, fixed_s: float = 0.0, each_s: float = 0.0, times_s: Any = None) -> None:
        self.now_s, self.fixed_s, self.each_s = 100.0, fixed_s, each_s
        self.times_s = cycle(times_s) if times_s is not None else None
        self.calls: list[int] = []

    def subject(self, *batches: int) -> Subject:
        return Subject(self.run, batches or (1,), lambda: self.now_s, self.wait)

    def run(self, batch: int) -> None:
        self.calls.append(batch)
        self.now_s += next(self.times_s) if self.times_s is not None else self.fixed_s + batch * self.each_s

    def wait(self, at_s: float) -> None:
        assert at_s > self.now_s
        self.now_s = at_s


def poisson(count: int, rate_per_s: float, seed: int = 1) -> Any:
    return np.cumsum(exponentials(stream(seed, "test"), count, 1.0)) / rate_per_s


def lindley(arrivals_s: Any, service_s: float) -> Any:
    """Latencies of a queue with one server, first come first served, by Lindley's recursion."""
    found, free_s = [], 0.0
    for at_s in arrivals_s:
        free_s = max(at_s, free_s) + service_s
        found.append(free_s - at_s)
    return np.array(found)


def test_mlperf_s_minima_are_the_published_ones() -> None:
    assert {name: (rule.least_s, rule.least_queries) for name, rule in MLPERF.items()} == PUBLISHED
    assert tuple(MLPERF) == SCENARIOS


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=300), st.integers(1, 100))
def test_the_nearest_rank_is_the_least_value_that_enough_are_not_above(values: list[float], percent: int) -> None:
    found = nearest_rank(values, percent)
    assert found in values
    assert 100 * sum(v <= found for v in values) >= percent * len(values)
    assert 100 * sum(v < found for v in values) < percent * len(values)


def test_a_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(WorkloadError, match="nothing"):
        nearest_rank([], 90)


def test_single_stream_is_the_latency_that_nine_of_ten_queries_keep() -> None:
    times_s = [0.010] * 9 + [0.500]  # one in ten is slow: p90 is a quick one, by nearest rank
    found = single_stream(Desk(times_s=times_s).subject(), Rule(least_s=0.0, least_queries=100))
    assert found.figure == pytest.approx(0.010)
    slower = single_stream(Desk(times_s=[0.010] * 8 + [0.500] * 2).subject(), Rule(least_s=0.0, least_queries=100))
    assert slower.figure == pytest.approx(0.500)
    assert (found.queries, found.samples) == (100, 100)


def test_a_stream_goes_on_until_both_minima_are_reached() -> None:
    by_time = single_stream(Desk(each_s=0.1).subject(), Rule(least_s=5.0, least_queries=3))
    assert by_time.queries == pytest.approx(50, abs=1)
    by_count = single_stream(Desk(each_s=0.1).subject(), Rule(least_s=0.2, least_queries=70))
    assert by_count.queries == 70
    assert by_count.duration_s == pytest.approx(7.0)


def test_a_slow_subject_ends_when_patience_does_and_has_one_answer_at_least() -> None:
    found = single_stream(Desk(each_s=3.0).subject(), Rule(least_s=4.0, least_queries=100, most_s=8.0))
    assert found.queries == 3  # 9 s: the first end beyond 8
    once = single_stream(Desk(each_s=30.0).subject(), Rule(least_s=4.0, least_queries=100, most_s=8.0))
    assert once.queries == 1


@settings(derandomize=True, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(0.1, 50.0), st.integers(1, 200))
def test_arrivals_begin_at_once_rise_and_keep_the_rule(rate_per_s: float, least_s: float, least: int) -> None:
    gaps = np.array(exponentials(stream(1, "test"), 52_000, 1.0))
    found = arrivals(gaps, rate_per_s, Rule(least_s=least_s, least_queries=least))
    assert found[0] == 0.0
    assert (np.diff(found) >= 0.0).all()
    assert len(found) >= least
    assert found[-1] >= least_s or len(found) == len(gaps)
    assert len(found) == least or found[-2] < least_s
    patient = arrivals(gaps, rate_per_s, Rule(least_s=least_s, least_queries=least, most_s=least_s))
    assert len(patient) <= int(least_s * rate_per_s) + 1


@pytest.mark.parametrize(
    ("batches", "calls"), [((1,), [1] * 8), ((1, 8), [8]), ((1, 2, 4), [4, 4]), ((1, 3), [3, 3, 1, 1])]
)
def test_multi_stream_asks_for_eight_samples_in_the_largest_calls_there_are(
    batches: tuple[int, ...], calls: list[int]
) -> None:
    desk = Desk(fixed_s=0.01, each_s=0.001)
    found = multi_stream(desk.subject(*batches), Rule(least_s=0.0, least_queries=2))
    assert desk.calls == calls * 2
    assert found.figure == pytest.approx(0.01 * len(calls) + 0.008)
    assert found.samples == 16


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 500), st.sets(st.integers(2, 40), max_size=4))
def test_split_serves_every_sample_once(samples: int, more: set[int]) -> None:
    assert sum(split(samples, (1, *sorted(more)))) == samples


def test_offline_is_samples_over_time_and_lasts_as_long_as_asked() -> None:
    desk = Desk(fixed_s=0.01, each_s=0.002)
    found = offline(desk.subject(1, 8), Rule(least_s=10.0, least_queries=20), 8, samples_per_s=1.0)  # far too low
    assert found.figure == pytest.approx(8 / 0.026)
    assert found.duration_s >= 10.0
    assert set(desk.calls) == {8}
    assert found.samples >= 20


def test_latencies_count_from_the_drawn_arrival_by_lindley_s_recursion() -> None:
    arrivals_s = poisson(5_000, 80.0)
    found = offer(Desk(each_s=0.010).subject(), arrivals_s, bound_s=1e9)
    assert found.latencies_s == pytest.approx(lindley(arrivals_s, 0.010), abs=1e-9)


def test_a_stall_is_felt_by_everyone_who_arrived_meanwhile() -> None:
    # 100 queries, one every 10 ms; the first call stalls for half a second. A load that waited for its answers would
    # show one slow query; here all who came meanwhile and those queued behind them are late.
    arrivals_s = 0.010 * np.arange(1, 101)
    found = offer(Desk(times_s=[0.5] + [0.001] * 99).subject(), arrivals_s, bound_s=1e9)
    assert np.count_nonzero(found.latencies_s > 0.1) >= 40
    assert found.latencies_s[0] == pytest.approx(0.5)


def test_the_mean_latency_is_pollaczek_and_khinchine_s() -> None:
    service_s, rho = 0.010, 0.7
    means = []
    for seed in range(10):
        arrivals_s = poisson(20_000, rho / service_s, seed)
        means.append(offer(Desk(each_s=service_s).subject(), arrivals_s, 1e9).latencies_s.mean())
    expected_s = service_s + rho * service_s / (2 * (1 - rho))  # M/D/1
    error_s = 3.25 * np.std(means, ddof=1) / np.sqrt(len(means))  # Student's t, 9 degrees of freedom, 99 %
    assert abs(np.mean(means) - expected_s) < error_s


def test_who_waits_goes_together_in_the_largest_batch_that_is_filled() -> None:
    desk = Desk(fixed_s=1.0)
    arrivals_s = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])  # five wait when the first is done at 1.5
    offer(desk.subject(1, 2, 4), arrivals_s, 1e9)
    assert desk.calls == [1, 4, 1]


def test_a_trial_ends_early_once_it_cannot_hold() -> None:
    arrivals_s = poisson(10_000, 200.0)  # twice what it can do
    found = offer(Desk(each_s=0.010).subject(), arrivals_s, bound_s=0.05)
    assert not found.held
    assert len(found.latencies_s) < 1_000
    assert np.count_nonzero(found.latencies_s > 0.05) == 10_000 - ceil(0.99 * 10_000) + 1


def test_server_finds_the_highest_rate_that_holds_the_bound() -> None:
    service_s, bound_s = 0.010, 0.040
    rule = Rule(least_s=200.0, least_queries=1)
    most_per_s = 1.0 / service_s
    gaps = np.array(exponentials(stream(3, "test"), gaps_needed(rule, bound_s, most_per_s), 1.0))
    found = server(Desk(each_s=service_s).subject(), rule, bound_s, most_per_s, gaps)

    def p99_s(rate_per_s: float) -> float:
        arrivals_s = (np.cumsum(gaps) - gaps[0]) / rate_per_s
        arrivals_s = arrivals_s[: np.count_nonzero(arrivals_s < rule.least_s) + 1]
        return float(np.sort(lindley(arrivals_s, service_s))[ceil(0.99 * len(arrivals_s)) - 1])

    assert p99_s(found.figure) <= bound_s
    assert p99_s(found.figure * 1.05) > bound_s
    assert nearest_rank(found.latencies_s, 99) == pytest.approx(p99_s(found.figure))
    assert found.duration_s >= 200.0


def test_server_says_zero_where_one_inference_alone_is_too_slow() -> None:
    rule = Rule(least_s=5.0, least_queries=20)
    gaps = np.array(exponentials(stream(3, "test"), gaps_needed(rule, 0.1, 2.0), 1.0))
    found = server(Desk(each_s=0.5).subject(), rule, 0.1, 2.0, gaps)
    assert found.figure == 0.0
    assert found.duration_s == 0.5  # one query told it
    assert "--latency-bound" in found.note


def test_the_same_seed_offers_the_same_load() -> None:
    one, other = (exponentials(stream(7, "calibrate", SERVER), 50, 1.0) for _ in range(2))
    assert one == other
    assert one != exponentials(stream(8, "calibrate", SERVER), 50, 1.0)


def test_a_run_below_mlperf_s_minima_says_what_was_short() -> None:
    def run(scenario: str, **fields: float) -> Measured:
        return Measured(scenario=scenario, figure=1.0, **{"queries": 1, "samples": 1, "duration_s": 1.0} | fields)

    assert not run(SINGLE_STREAM).valid
    assert run(SINGLE_STREAM, queries=1024).short == "1 s of 600 s"
    assert run(OFFLINE, duration_s=600.0, samples=24_575).short == "24,575 of 24,576 samples"
    assert run(SINGLE_STREAM, queries=1024, duration_s=600.0).valid
    assert run(SERVER, queries=270_336, duration_s=600.0).valid


def test_energy_offline_is_that_of_the_last_round_alone() -> None:
    desk = Desk(each_s=0.005)  # twice as fast as it is told to be: too few samples at first
    subject = desk.subject(1, 4)._replace(counted_j=lambda: 10.0 * desk.now_s)
    found = offline(subject, Rule(least_s=1.0, least_queries=1), 4, 100.0)
    assert len(desk.calls) * 4 > found.samples  # there was a round before
    assert found.energy_j == pytest.approx(10.0 * found.duration_s)
    assert found.energy_j == pytest.approx(10.0 * 0.005 * found.samples)
    assert offline(desk.subject(1, 4), Rule(least_s=1.0, least_queries=1), 4, 300.0).energy_j is None
