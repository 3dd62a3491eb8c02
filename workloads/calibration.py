"""What was measured of one model on one processor: data only, as a processor file holds it and a node computes with.

`emulator/commands/calibrate.py` writes it, `nodes/processor.py` turns it into the time of a job. Seconds are wall
seconds of the host that was measured; nothing here is modelled.
"""

from itertools import pairwise
from math import inf, isfinite

import msgspec

from workloads.tasks import ModelProfile


class Timing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The median seconds of one call with `batch` inferences, over `samples` calls."""

    batch: int
    batch_s: float
    samples: int


class LoadResults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures of merit of MLPerf LoadGen's four scenarios; None where a scenario was not run.

    SingleStream: latency at 90 %, one query of one sample after the other. MultiStream: latency at 99 % of queries of
    `multi_stream_samples` samples. Server: the highest Poisson rate whose latency at 99 % stays within
    `server_bound_s`. Offline: samples a second, all of them there from the start.
    """

    single_stream_p90_s: float | None = None
    multi_stream_p99_s: float | None = None
    multi_stream_samples: int = 8
    server_queries_per_s: float | None = None
    server_bound_s: float | None = None
    offline_samples_per_s: float | None = None

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not None}
        return [(n, f"is {v}; finite and 0 or more, or leave it out") for n, v in given.items() if not 0 <= v < inf]


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model on one processor. `precision` is that in which most of its operations ran ("fp32", "fp16", "int8").

    `timings` rise with the batch. `power_w` and `joules_per_inference` are None where the host reports no energy.
    """

    profile: ModelProfile
    precision: str
    provider: str
    threads: int
    timings: tuple[Timing, ...]
    load: LoadResults = LoadResults()
    power_w: float | None = None
    joules_per_inference: float | None = None
    measured: str = ""  # UTC, and with what
    valid: bool = True  # whether the rules of the scenarios (least duration, least samples) were kept

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message)."""
        found = [(f"profile.{field}", message) for field, message in self.profile.problems()]
        found += [(f"load.{field}", message) for field, message in self.load.problems()]
        if not self.timings:
            found.append(("timings", "is empty; a calibration has at least one batch"))
        for number, timing in enumerate(self.timings):
            if timing.batch < 1 or timing.samples < 1:
                found.append((f"timings[{number}]", f"is {timing}; batch and samples start at 1"))
            if not (isfinite(timing.batch_s) and timing.batch_s > 0.0):
                found.append((f"timings[{number}].batch_s", f"is {timing.batch_s}; a finite time above 0"))
        if any(a.batch >= b.batch for a, b in pairwise(self.timings)):
            found.append(("timings", "must rise with the batch, each once"))
        for name in ("power_w", "joules_per_inference"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value >= 0.0):
                found.append((name, f"is {value}; finite and 0 or more, or leave it out"))
        return found
