"""Server, the fourth scenario of MLPerf LoadGen: the highest Poisson rate whose latency at 99 % keeps a bound.

Rules: arrivals are drawn before the run, and a latency counts from the arrival that was drawn, so a slow system cannot
slow its own load. A rate is found only if it held for the whole time. No clock here: the caller hands one in.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from math import sqrt
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads.measuring.loadgen import PERCENTILES, SERVER, Measured, Rule, Subject

NEAR = 0.03  # the search ends with a rate that held this close below one that did not
MOST_STEPS = 40  # of the search; some 9 are usual. Ends one in which every rate fails, at a millionth of the greatest
ALONE = 3  # times that a query without any load may be tried, before no rate at all is said to hold
PATIENCE = 2.5  # times the most seconds of one run: then the search ends with what has held
WHOLE_BOUNDS = 10  # latency bounds that a run lasts at least, or a queue that only grows would not be seen
USUAL_STEPS = 9  # for the bar only
SPARE = 8.0  # standard deviations of a Poisson count: fewer than one draw in 1e12 wants more gaps


class Offered(NamedTuple):
    """A Poisson load that was offered: whether its latency at 99 % stayed within the bound."""

    held: bool
    latencies_s: NDArray[np.float64]
    duration_s: float


def offer(subject: Subject, arrivals_s: NDArray[np.float64], bound_s: float) -> Offered:
    """Answer queries that arrive at `arrivals_s`, seconds from the start, rising, (n,).

    Whoever waits when the subject is free goes in one call, as many as its largest batch holds. Ends early once more
    queries are late than the percentile allows.
    """
    at_s, count = arrivals_s.tolist(), len(arrivals_s)
    allowed = count - -(-PERCENTILES[SERVER] * count // 100)
    latencies_s: list[float] = []
    late = done = 0
    start_s = subject.clock_s()
    while done < count and late <= allowed:
        now_s = subject.clock_s() - start_s
        if at_s[done] > now_s:
            subject.wait_until(start_s + at_s[done])
            now_s = subject.clock_s() - start_s
        waiting = bisect_right(at_s, now_s, done) - done
        batch = max((b for b in subject.batches if b <= waiting), default=1)
        subject.run(batch)
        ended_s = subject.clock_s() - start_s
        answered = [ended_s - begun_s for begun_s in at_s[done : done + batch]]
        late += sum(latency_s > bound_s for latency_s in answered)
        latencies_s += answered
        done += batch
    return Offered(late <= allowed, np.array(latencies_s), subject.clock_s() - start_s)


def server(subject: Subject, rule: Rule, bound_s: float, most_per_s: float, gaps: NDArray[np.float64]) -> Measured:
    """The highest Poisson rate whose latency at 99 % stays within `bound_s`, at most `most_per_s`; queries a second.

    `gaps` are exponential numbers of mean 1, drawn beforehand; every rate is offered the same ones, scaled, so a
    higher rate is the same load pressed together. Every rate is offered for the whole time: halves between the highest
    that held and the lowest above it that did not, until they are `NEAR`. That last one is then offered once more: a
    host that stalled once is no ceiling. A figure of 0: no rate does.
    """
    whole = Rule(
        least_s=max(rule.least_s, WHOLE_BOUNDS * bound_s), least_queries=rule.least_queries,
        most_s=max(rule.most_s, WHOLE_BOUNDS * bound_s),
    )  # fmt: skip
    for _ in range(ALONE):
        alone = offer(subject, np.zeros(1), bound_s)
        if alone.held:
            break
    rate, best = (0.0, alone) if not alone.held else _highest(subject, whole, bound_s, most_per_s, gaps)
    if rate == 0.0:  # one query without any load is late already, or every rate failed
        said = f"no Poisson rate kept 99 % of latencies within {bound_s:g} s; give a longer --latency-bound"
        return Measured(scenario=SERVER, figure=0.0, queries=0, samples=0, duration_s=best.duration_s, note=said)
    count = len(best.latencies_s)
    return Measured(
        scenario=SERVER, figure=rate, queries=count, samples=count, duration_s=best.duration_s,
        latencies_s=tuple(best.latencies_s.tolist()),
    )  # fmt: skip


def _highest(
    subject: Subject, whole: Rule, bound_s: float, most_per_s: float, gaps: NDArray[np.float64]
) -> tuple[float, Offered]:
    """The highest rate that held, and its run; 0 and the last run if none did."""
    held_per_s, rate, spent_s = 0.0, most_per_s, 0.0
    failed: list[float] = []  # rates above it that did not hold, falling
    best = None
    for step in range(MOST_STEPS):
        subject.heard(min(1.0, step / USUAL_STEPS))
        found = offer(subject, arrivals(gaps, rate, whole), bound_s)
        spent_s += found.duration_s
        if found.held:
            held_per_s, best = rate, found
            failed = [each for each in failed if each > rate]
        elif rate in failed:
            break  # twice
        else:
            failed.append(rate)
        if not failed or (best is not None and spent_s > PATIENCE * whole.most_s):
            break
        near = failed[-1] - held_per_s <= NEAR * failed[-1]
        rate = failed[-1] if near else 0.5 * (held_per_s + failed[-1])
    return held_per_s, best or found


def arrivals(gaps: NDArray[np.float64], rate_per_s: float, rule: Rule) -> NDArray[np.float64]:
    """Seconds at which queries arrive at that rate for as long and as often as the rule asks, the first at 0; (n,).

    The last comes when the least seconds are over, or later: so many as come in them on average end earlier in half
    of all draws, and MLPerf's 600 s would be missed by one.
    """
    at_s: NDArray[np.float64] = (np.cumsum(gaps) - gaps[0]) / rate_per_s
    wanted = max(rule.least_queries, int(np.searchsorted(at_s, rule.least_s)) + 1)
    return at_s[: min(wanted, int(min(rule.most_s * rate_per_s, wanted)) + 1)]


def gaps_needed(rule: Rule, bound_s: float, most_per_s: float) -> int:
    """How many gaps `server` may use: those that come in the time on average, and eight standard deviations more."""
    mean = max(rule.least_s, WHOLE_BOUNDS * bound_s) * most_per_s
    return max(rule.least_queries, int(mean + SPARE * sqrt(mean) + SPARE**2))


class Rehearsed:
    """A subject on a virtual clock, whose calls take `batch_s[batch]` seconds: nothing is computed, nobody waits."""

    def __init__(self, batch_s: Mapping[int, float]) -> None:
        self._now_s, self._batch_s = 0.0, batch_s

    def subject(self) -> Subject:
        """It, for `server`."""
        return Subject(self._run, tuple(self._batch_s), lambda: self._now_s, self._wait)

    def _run(self, batch: int) -> None:
        self._now_s += self._batch_s[batch]

    def _wait(self, at_s: float) -> None:
        self._now_s = at_s


def spread(find: Callable[[NDArray[np.float64]], float], draws: Iterable[NDArray[np.float64]]) -> tuple[float, float]:
    """Least and greatest rate that `find` gives for several draws of gaps, relative to their median, less 1.

    The next draw falls between them with probability (n - 1)/(n + 1) for n draws, whatever the distribution: each of
    n + 1 is as likely as any other to be the least or the greatest. (0, 0) if no rate held in half of them.
    """
    rates = [find(gaps) for gaps in draws]
    middle = median(rates)
    return (min(rates) / middle - 1.0, max(rates) / middle - 1.0) if middle > 0.0 else (0.0, 0.0)
