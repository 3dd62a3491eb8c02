"""The four scenarios of MLPerf LoadGen, each with the figure that counts: SingleStream, MultiStream, Server, Offline.

Rules: arrivals are drawn before the run, and a latency counts from the arrival that was drawn, so a slow system cannot
slow its own load; quantiles are nearest-rank, never interpolated; a run below MLPerf's least duration or count says so.
No clock here: the caller hands one in, and the way to wait for an instant on it.
Source: mlcommons/inference, mlperf.conf; Reddi et al., "MLPerf Inference Benchmark", ISCA 2020, table 3.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from workloads.errors import WorkloadError

SINGLE_STREAM, MULTI_STREAM, SERVER, OFFLINE = SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
PERCENTILES = {SINGLE_STREAM: 90, MULTI_STREAM: 99, SERVER: 99}  # mlperf.conf: target_latency_percentile
MULTI_STREAM_SAMPLES = 8  # mlperf.conf: samples_per_query
BISECTIONS = 6  # the highest rate is known to 1/64 of the greatest that was possible
STEP_BACK, STEPS_BACK = 0.85, 5  # a rate that does not hold for the whole time is lowered by as much, as often
TRIAL_BOUNDS, WHOLE_BOUNDS = 5, 10  # latency bounds that a trial and the last run take at least
MARGIN = 1.05  # more samples than should last the time, so that a second try is rare
TICK_S = 1e-6  # clocks may show no time at all between two readings


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The least wall seconds and the least queries (Offline: samples) of a run; it goes on until both are reached.

    Past `most_s` seconds it ends with the queries it has, one at least, so that a slow model is no endless one.
    """

    least_s: float
    least_queries: int
    most_s: float = inf


MLPERF = {
    SINGLE_STREAM: Rule(least_s=600.0, least_queries=1024),  # mlperf.conf: min_duration, min_query_count
    MULTI_STREAM: Rule(least_s=600.0, least_queries=270_336),
    SERVER: Rule(least_s=600.0, least_queries=270_336),
    OFFLINE: Rule(least_s=600.0, least_queries=24_576),
}


class Subject(NamedTuple):
    """What is measured: `run(batch)` does one call, `batches` are the sizes it takes, rising from 1."""

    run: Callable[[int], None]
    batches: tuple[int, ...]
    clock_s: Callable[[], float]
    wait_until: Callable[[float], None]  # an instant of that clock
    heard: Callable[[float], None] = lambda share: None  # how much of a scenario is done, 0 to 1


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario's run. `figure` is seconds for the streams, queries a second for Server, samples a second Offline.

    `latencies_s` are those of its queries (Server: at the rate found). `valid`: MLPerf's least duration and count
    were kept; `short` says what was not.
    """

    scenario: str
    figure: float
    queries: int
    samples: int
    duration_s: float
    latencies_s: tuple[float, ...] = ()
    note: str = ""

    @property
    def short(self) -> str:
        """Which of MLPerf's minima were not reached; empty if the run is valid."""
        rule, count = MLPERF[self.scenario], self.samples if self.scenario == OFFLINE else self.queries
        kind = "samples" if self.scenario == OFFLINE else "queries"
        found = []
        if self.duration_s < rule.least_s:
            found.append(f"{self.duration_s:.3g} s of {rule.least_s:g} s")
        if count < rule.least_queries:
            found.append(f"{count:,} of {rule.least_queries:,} {kind}")
        return ", ".join(found)

    @property
    def valid(self) -> bool:
        """Whether MLPerf's least duration and count were kept."""
        return not self.short


def nearest_rank(values: Sequence[float] | NDArray[np.float64], percent: int) -> float:
    """The least value that at least `percent` of 100 of all are not above. Raises WorkloadError for none at all."""
    if not len(values):
        raise WorkloadError("a quantile of nothing cannot be")
    return float(np.sort(np.asarray(values))[-(-percent * len(values) // 100) - 1])


def single_stream(subject: Subject, rule: Rule) -> Measured:
    """Queries of one sample, the next when the last is answered; the latency at 90 %."""
    return _stream(subject, rule, SINGLE_STREAM, 1)


def multi_stream(subject: Subject, rule: Rule) -> Measured:
    """Queries of eight samples, the next when the last is answered; the latency at 99 %."""
    return _stream(subject, rule, MULTI_STREAM, MULTI_STREAM_SAMPLES)


def _stream(subject: Subject, rule: Rule, scenario: str, samples: int) -> Measured:
    calls = split(samples, subject.batches)
    latencies: list[float] = []
    start_s = before_s = subject.clock_s()
    while before_s - start_s < rule.least_s or len(latencies) < rule.least_queries:
        if latencies and before_s - start_s >= rule.most_s:
            break
        for batch in calls:
            subject.run(batch)
        now_s = subject.clock_s()
        latencies.append(now_s - before_s)
        subject.heard(min((now_s - start_s) / max(rule.least_s, TICK_S), len(latencies) / rule.least_queries, 1.0))
        before_s = subject.clock_s()
    return Measured(
        scenario=scenario, figure=nearest_rank(latencies, PERCENTILES[scenario]), queries=len(latencies),
        samples=samples * len(latencies), duration_s=before_s - start_s, latencies_s=tuple(latencies),
    )  # fmt: skip


def offline(subject: Subject, rule: Rule, batch: int, samples_per_s: float) -> Measured:
    """All samples there from the start, in calls of `batch`; samples a second.

    How many are needed to last `least_s` is taken from `samples_per_s`; where that was too few, it is run again with
    more, as LoadGen has it, and only the last run counts.
    """
    wanted = max(rule.least_queries, int(MARGIN * rule.least_s * samples_per_s), 1)
    while True:
        calls = -(-wanted // batch)
        start_s = subject.clock_s()
        for number in range(calls):
            subject.run(batch)
            subject.heard((number + 1) / calls)
        duration_s = subject.clock_s() - start_s
        samples = calls * batch
        if duration_s >= rule.least_s:
            break
        wanted = int(MARGIN * samples * rule.least_s / max(duration_s, TICK_S)) + batch
    return Measured(
        scenario=OFFLINE, figure=samples / duration_s, queries=1, samples=samples, duration_s=duration_s
    )  # fmt: skip


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
    count = len(arrivals_s)
    allowed = count - -(-PERCENTILES[SERVER] * count // 100)
    latencies_s = np.empty(count)
    late = done = 0
    start_s = subject.clock_s()
    while done < count and late <= allowed:
        now_s = subject.clock_s() - start_s
        if arrivals_s[done] > now_s:
            subject.wait_until(start_s + float(arrivals_s[done]))
            now_s = subject.clock_s() - start_s
        waiting = int(np.searchsorted(arrivals_s, now_s, side="right")) - done
        batch = max((b for b in subject.batches if b <= waiting), default=1)
        subject.run(batch)
        part = slice(done, done + batch)
        latencies_s[part] = subject.clock_s() - start_s - arrivals_s[part]
        late += int(np.count_nonzero(latencies_s[part] > bound_s))
        done += batch
    return Offered(late <= allowed, latencies_s[:done], subject.clock_s() - start_s)


def server(subject: Subject, rule: Rule, bound_s: float, most_per_s: float, gaps: NDArray[np.float64]) -> Measured:
    """The highest Poisson rate whose latency at 99 % stays within `bound_s`, at most `most_per_s`.

    `gaps` are exponential numbers of mean 1, drawn beforehand; every rate is offered the same ones, scaled, so a
    higher rate is the same load pressed together. Bisection over trials of a quarter of `least_s`, then the rate found
    for the whole of it, lowered until it holds; a trial lasts several bounds at least, or a queue that only grows would
    not be seen. A figure of 0: no rate does.
    """
    whole = _stretched(rule, 1.0, WHOLE_BOUNDS * bound_s)
    rate, duration_s = _highest(subject, _stretched(rule, 0.25, TRIAL_BOUNDS * bound_s), bound_s, most_per_s, gaps)
    for _ in range(STEPS_BACK if rate > 0.0 else 0):
        found = offer(subject, arrivals(gaps, rate, whole), bound_s)
        duration_s = found.duration_s
        if found.held:
            return Measured(
                scenario=SERVER, figure=rate, queries=len(found.latencies_s), samples=len(found.latencies_s),
                duration_s=duration_s, latencies_s=tuple(found.latencies_s.tolist()),
            )  # fmt: skip
        rate *= STEP_BACK
    said = f"no Poisson rate kept 99 % of latencies within {bound_s:g} s; give a longer --latency-bound"
    return Measured(scenario=SERVER, figure=0.0, queries=0, samples=0, duration_s=duration_s, note=said)


def _highest(
    subject: Subject, trial: Rule, bound_s: float, most_per_s: float, gaps: NDArray[np.float64]
) -> tuple[float, float]:
    """The highest rate that holds for a trial, by bisection, 0 if none; and the seconds of the last trial."""
    alone = offer(subject, np.zeros(1), bound_s)
    if not alone.held:
        return 0.0, alone.duration_s  # one query without any load is late already
    low, high = 0.0, most_per_s
    found = offer(subject, arrivals(gaps, high, trial), bound_s)
    if found.held:
        return high, found.duration_s
    for step in range(BISECTIONS):
        subject.heard((step + 1) / (BISECTIONS + 2))
        middle = 0.5 * (low + high)
        found = offer(subject, arrivals(gaps, middle, trial), bound_s)
        low, high = (middle, high) if found.held else (low, middle)
    return low, found.duration_s


def arrivals(gaps: NDArray[np.float64], rate_per_s: float, rule: Rule) -> NDArray[np.float64]:
    """Seconds at which queries arrive at that rate for as long and as often as the rule asks, the first at 0; (n,)."""
    wanted = max(rule.least_queries, int(rule.least_s * rate_per_s) + 1)
    count = min(wanted, int(min(rule.most_s * rate_per_s, wanted)) + 1, len(gaps))
    found: NDArray[np.float64] = (np.cumsum(gaps[:count]) - gaps[0]) / rate_per_s
    return found


def _stretched(rule: Rule, share: float, least_s: float) -> Rule:
    """A share of a rule, but `least_s` seconds at least."""
    return Rule(
        least_s=max(share * rule.least_s, least_s),
        least_queries=max(1, int(share * rule.least_queries)),
        most_s=max(share * rule.most_s, least_s),
    )


def gaps_needed(rule: Rule, bound_s: float, most_per_s: float) -> int:
    """How many gaps `server` may use."""
    return max(rule.least_queries, int(max(rule.least_s, WHOLE_BOUNDS * bound_s) * most_per_s) + 1)


def split(samples: int, batches: Sequence[int]) -> list[int]:
    """The calls that `samples` make, largest batches first; `batches` rise from 1."""
    calls: list[int] = []
    for batch in reversed(batches):
        calls += [batch] * (samples // batch)
        samples %= batch
    return calls
