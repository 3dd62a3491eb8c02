"""MLPerf LoadGen's scenarios, each with the figure that counts: SingleStream, MultiStream, Offline; Server beside it.

Rules: quantiles are nearest-rank, never interpolated; a run below MLPerf's least duration or count says so. No clock
here: the caller hands one in, and the way to wait for an instant on it.
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
MARGIN = 1.05  # more samples than should last the time, so that a second try is rare
TICK_S = 1e-6  # clocks may show no time at all between two readings


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The least wall seconds and the least queries (Offline: samples) of a run; it goes on until both are reached.

    Past `most_s` seconds it ends with the queries it has, one at least, so that a slow model is no endless one.
    """

    least_s: float
    least_queries: int
    most_s: float = inf


# mlperf.conf: min_duration, min_query_count; counts of its older files, for runs without early stopping, as ours are.
# Today's file (with early stopping) has 662 in MultiStream, and none in SingleStream and Server.
MLPERF = {
    SINGLE_STREAM: Rule(least_s=600.0, least_queries=1024),
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
    counted_j: Callable[[], float] | None = None  # joules so far, of which only differences count; None: no counter


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario's run. `figure` is seconds for the streams, queries a second for Server, samples a second Offline.

    `latencies_s` are those of its queries (Server: at the rate found). `valid`: MLPerf's least duration and count
    were kept; `short` says what was not. `energy_j` is what Offline's samples took, None where nobody counts.
    """

    scenario: str
    figure: float
    queries: int
    samples: int
    duration_s: float
    latencies_s: tuple[float, ...] = ()
    note: str = ""
    energy_j: float | None = None

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
    more, as LoadGen has it, and only the last run counts: its time, its samples and its energy.
    """
    wanted = max(rule.least_queries, int(MARGIN * rule.least_s * samples_per_s), 1)
    while True:
        calls = -(-wanted // batch)
        begun_j = subject.counted_j() if subject.counted_j is not None else 0.0
        start_s = subject.clock_s()
        for number in range(calls):
            subject.run(batch)
            subject.heard((number + 1) / calls)
        duration_s = subject.clock_s() - start_s
        energy_j = subject.counted_j() - begun_j if subject.counted_j is not None else None
        samples = calls * batch
        if duration_s >= rule.least_s:
            break
        wanted = int(MARGIN * samples * rule.least_s / max(duration_s, TICK_S)) + batch
    return Measured(
        scenario=OFFLINE, figure=samples / duration_s, queries=1, samples=samples, duration_s=duration_s,
        energy_j=energy_j,
    )  # fmt: skip


def split(samples: int, batches: Sequence[int]) -> list[int]:
    """The calls that `samples` make, largest batches first; `batches` rise from 1."""
    calls: list[int] = []
    for batch in reversed(batches):
        calls += [batch] * (samples // batch)
        samples %= batch
    return calls
