"""What a calibration is asked to measure, and for how long: MLPerf's own durations and counts, or shorter ones.

Data and checks only.
"""

from math import isfinite

import msgspec

from workloads.loading.opening import Limits
from workloads.measuring.device import usable_cores
from workloads.measuring.loadgen import MLPERF, MULTI_STREAM, OFFLINE, SCENARIOS, SERVER, SINGLE_STREAM, Rule

# A model's parts (batches, three scenarios, some 5 runs for Server) in 40 s, where MLPerf asks for 600 s each
SHORT_S = 4.0
SHORT_QUERIES = {SINGLE_STREAM: 10, MULTI_STREAM: 5, SERVER: 50, OFFLINE: 8}
LATENCY_BOUND_S = 0.1  # [guess] MLPerf's bounds are 15 ms for ResNet-50, 100 for RetinaNet, 130 for BERT (mlperf.conf)
PATIENCE = 2.0  # times its duration: then a short run ends with what it has, so that a slow model takes a minute too
MOST_BATCHES, MOST_DURATION_S = 32, 86_400.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure and how long: `duration_s` for each scenario and for the batches together.

    `threads` 0: all cores. `queries` 0: `SHORT_QUERIES`. `mlperf` takes MLPerf's own least durations and counts.
    `latency_bound_s` None: `LATENCY_BOUND_S`, a guess, and results say so.
    """

    provider: str = "cpu"
    precision: str = ""
    threads: int = 0
    batches: tuple[int, ...] = ()
    scenarios: tuple[str, ...] = SCENARIOS
    duration_s: float = SHORT_S
    queries: int = 0
    mlperf: bool = False
    latency_bound_s: float | None = None
    seed: int = 1
    dims: dict[str, int] = {}
    limits: Limits = Limits()

    @property
    def bound_s(self) -> float:
        """Server's latency bound at 99 %, seconds."""
        return LATENCY_BOUND_S if self.latency_bound_s is None else self.latency_bound_s

    def problems(self) -> list[tuple[str, str]]:
        """(field, message) of everything that cannot be."""
        found, most = [], usable_cores()
        if not 0 <= self.threads <= most:  # more would only wait for each other, which a figure hides
            found.append(("threads", f"is {self.threads}; 1 to {most}, the cores it may use, or leave it out for all"))
        if len(self.batches) > MOST_BATCHES or not all(1 <= batch <= 2**20 for batch in self.batches):
            found.append(("batch", f"is {self.batches}; up to {MOST_BATCHES} numbers from 1 to {2**20}"))
        if not (isfinite(self.duration_s) and 0.0 < self.duration_s <= MOST_DURATION_S):
            found.append(("duration", f"is {self.duration_s} s; above 0, up to {MOST_DURATION_S:g}"))
        if not (isfinite(self.bound_s) and 0.0 < self.bound_s <= MOST_DURATION_S):
            found.append(("latency-bound", f"is {self.bound_s} s; above 0, up to {MOST_DURATION_S:g}"))
        if not 0 <= self.queries <= 10**8:
            found.append(("queries", f"is {self.queries}; 1 to 100,000,000"))
        if self.seed < 0:
            found.append(("seed", f"is {self.seed}; a whole number from 0 up"))
        for name in self.scenarios:
            if name not in SCENARIOS:
                found.append(("scenario", f"is {name[:80]!r}; one of {', '.join(SCENARIOS)}"))
        return found + [(name.replace("_", "-"), message) for name, message in self.limits.problems()]

    def rule(self, scenario: str) -> Rule:
        """The least duration and count for a scenario."""
        if self.mlperf:
            return MLPERF[scenario]
        if self.queries:
            return Rule(least_s=self.duration_s, least_queries=self.queries)
        return Rule(
            least_s=self.duration_s, least_queries=SHORT_QUERIES[scenario], most_s=PATIENCE * self.duration_s
        )  # fmt: skip
