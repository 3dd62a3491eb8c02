"""Server's highest rate against the closed form of M/D/1, where one query takes 10 ms and 99 % may take 50.

The subject is on a virtual clock; whether a rate holds is computed apart, by Lindley's recursion.
"""

from collections.abc import Callable
from math import ceil, exp, factorial

import numpy as np
import pytest
from numpy.typing import NDArray

from workloads.measuring.loadgen import MLPERF, SERVER, Measured, Rule, Subject
from workloads.measuring.server import NEAR, Rehearsed, arrivals, gaps_needed, offer, server, spread
from workloads.streams import exponentials, stream

Gaps = NDArray[np.float64]

SERVICE_S, BOUND_S, MOST_PER_S = 0.010, 0.050, 100.0
BATCHES_S = {1: 0.003, 2: 0.005, 4: 0.009, 8: 0.017}  # a server that gains by batching: 333 to 471 samples a second
SHORT = Rule(least_s=4.0, least_queries=50)


def waits_at_most(wait_s: float, service_s: float, rate_per_s: float) -> float:
    """P(W <= t) of M/D/1: Erlang 1909; Crommelin 1932; Gross & Harris, Fundamentals of Queueing Theory, 5.1.5."""
    whole = int(wait_s / service_s + 1e-9)
    terms = [(k * service_s - wait_s) * rate_per_s for k in range(whole + 1)]
    return (1 - rate_per_s * service_s) * sum(x**k / factorial(k) * exp(-x) for k, x in enumerate(terms))


def true_rate_per_s() -> float:
    """The rate at which 99 % wait 40 ms at most, and so are answered within 50."""
    low, high = 0.0, MOST_PER_S
    for _ in range(50):
        rate = 0.5 * (low + high)
        low, high = (rate, high) if waits_at_most(BOUND_S - SERVICE_S, SERVICE_S, rate) >= 0.99 else (low, rate)
    return low


def drawn(seed: int, rule: Rule, bound_s: float = BOUND_S, most_per_s: float = MOST_PER_S) -> Gaps:
    return np.array(exponentials(stream(seed, "test"), gaps_needed(rule, bound_s, most_per_s), 1.0))


def highest(gaps: Gaps, rule: Rule) -> float:
    return server(Rehearsed({1: SERVICE_S}).subject(), rule, BOUND_S, MOST_PER_S, gaps).figure


def p99_s(gaps: Gaps, rate_per_s: float, rule: Rule) -> float:
    """By Lindley's recursion, unrolled: query i ends a service after the latest of what is before it."""
    at_s = (np.cumsum(gaps) - gaps[0]) / rate_per_s
    count = max(rule.least_queries, np.count_nonzero(at_s < rule.least_s) + 1)
    at_s = at_s[:count]
    place_s = SERVICE_S * np.arange(count)
    latencies_s = np.maximum.accumulate(at_s - place_s) + place_s + SERVICE_S - at_s
    return float(np.sort(latencies_s)[ceil(99 * count / 100) - 1])


@pytest.mark.parametrize("seed", range(8))
def test_a_load_lasts_its_least_time_in_every_draw(seed: int) -> None:
    rule = Rule(least_s=MLPERF[SERVER].least_s, least_queries=1)
    found = offer(Rehearsed({1: 1e-3}).subject(), arrivals(drawn(seed, rule, 0.1, 20.0), 18.0, rule), 0.1)
    assert found.held
    said = Measured(scenario=SERVER, figure=18.0, queries=270_336, samples=270_336, duration_s=found.duration_s)
    assert said.valid, said.short


def test_the_closed_form_has_pollaczek_and_khinchine_s_mean() -> None:
    rate_per_s, step_s = 50.0, 1e-4
    above = [1.0 - waits_at_most(n * step_s, SERVICE_S, rate_per_s) for n in range(1500)]
    mean_s = step_s * (sum(above) - 0.5 * above[0])  # trapezoids; the tail beyond 150 ms is under 1e-7
    assert mean_s == pytest.approx(0.5 * SERVICE_S / (2 * 0.5), rel=1e-3)


def test_over_seeds_the_mean_of_long_runs_is_the_closed_form_s_rate() -> None:
    rule = Rule(least_s=600.0, least_queries=1)
    rates = []
    for seed in range(6):
        gaps = drawn(seed, rule)
        rates.append(highest(gaps, rule))
        assert p99_s(gaps, rates[-1], rule) <= BOUND_S + 1e-9
    assert np.mean(rates) == pytest.approx(true_rate_per_s(), rel=0.05)
    assert rates == pytest.approx([true_rate_per_s()] * 6, rel=0.10)


@pytest.mark.parametrize("seed", range(12))
def test_a_short_run_finds_the_highest_rate_of_its_own_arrivals(seed: int) -> None:
    gaps = drawn(seed, SHORT)
    rate = highest(gaps, SHORT)
    held = [each for each in np.arange(20.0, 100.0, 0.1) if p99_s(gaps, each, SHORT) <= BOUND_S]
    assert p99_s(gaps, rate, SHORT) <= BOUND_S + 1e-9
    assert rate >= (1.0 - NEAR) * max(held) - 0.1


@pytest.mark.parametrize("seed", range(5))
def test_so_does_one_that_answers_in_batches(seed: int) -> None:
    bound_s, most_per_s = 0.030, 8 / BATCHES_S[8]
    gaps = drawn(seed, SHORT, bound_s, most_per_s)
    rate = server(Rehearsed(BATCHES_S).subject(), SHORT, bound_s, most_per_s, gaps).figure

    def holds(rate_per_s: float) -> bool:
        return offer(Rehearsed(BATCHES_S).subject(), arrivals(gaps, rate_per_s, SHORT), bound_s).held

    assert holds(rate)
    assert not any(holds(share * most_per_s) for share in np.arange(rate / most_per_s + 0.035, 1.0, 0.01))


def test_a_stall_while_searching_is_no_ceiling() -> None:
    gaps = drawn(1, SHORT)
    quiet = highest(gaps, SHORT)
    plain = Rehearsed({1: SERVICE_S}).subject()
    asked: list[float] = []

    def run(batch: int) -> None:
        if plain.clock_s() > 1.0 and not asked:
            asked.append(plain.clock_s())
            plain.wait_until(plain.clock_s() + 1.0)  # the host does something else for a second
        plain.run(batch)

    stalled = server(plain._replace(run=run), SHORT, BOUND_S, MOST_PER_S, gaps).figure
    assert len(asked) == 1
    assert stalled >= 0.97 * quiet


def test_a_stall_of_the_first_query_is_no_verdict() -> None:
    gaps, stalls_s = drawn(1, SHORT), [1.0]
    plain = Rehearsed({1: SERVICE_S}).subject()

    def run(batch: int) -> None:
        plain.wait_until(plain.clock_s() + (stalls_s.pop() if stalls_s else 0.0))
        plain.run(batch)

    assert server(plain._replace(run=run), SHORT, BOUND_S, MOST_PER_S, gaps).figure == highest(gaps, SHORT)


def test_the_search_of_a_short_run_ends_in_time_whatever_the_subject() -> None:
    rule = Rule(least_s=4.0, least_queries=50, most_s=8.0)
    for service_s in (0.09, 0.05, 0.02, 0.002):
        desk = Rehearsed({1: service_s})
        subject = desk.subject()
        server(subject, rule, 0.1, 1 / service_s, drawn(3, rule, 0.1, 1 / service_s))
        assert subject.clock_s() <= 2.5 * 8.0 + 8.0 + 1.0  # and a second for the run to end


def test_where_every_rate_fails_there_is_none() -> None:
    calls: list[int] = []

    def run(batch: int) -> None:
        calls.append(batch)
        plain.wait_until(plain.clock_s() + (0.01 if len(calls) == 1 else 1.0))  # quick once, and never again

    plain = Rehearsed({1: SERVICE_S}).subject()
    found = server(Subject(run, (1,), plain.clock_s, plain.wait_until), SHORT, BOUND_S, MOST_PER_S, drawn(1, SHORT))
    assert found.figure == 0.0
    assert "--latency-bound" in found.note


def test_the_spread_of_19_draws_holds_nine_tenths_of_the_next() -> None:
    find: Callable[[Gaps], float] = lambda gaps: highest(gaps, SHORT)  # noqa: E731
    low, high = np.mean([spread(find, (drawn(100 * n + k, SHORT) for k in range(19))) for n in range(1, 9)], axis=0)
    fresh = np.array([highest(drawn(10_000 + k, SHORT), SHORT) for k in range(150)])
    within = (1 + low <= fresh / np.median(fresh)) & (fresh / np.median(fresh) <= 1 + high)
    assert -0.5 < low < -0.15
    assert 0.15 < high < 0.5
    assert 0.82 <= within.mean() <= 0.98  # (19 - 1)/(19 + 1)


def test_the_spread_is_told_relative_to_the_median() -> None:
    draws = [np.array([each]) for each in (4.0, 2.0, 5.0)]
    assert spread(lambda gaps: float(gaps[0]), draws) == pytest.approx((-0.5, 0.25))
    assert spread(lambda gaps: 0.0, draws) == (0.0, 0.0)
