"""Poisson arrivals at one node, for queueing studies: exponential or fixed service, drawn before the run.

Service is measured in work, not time: a task asks for a whole number of `UNIT_WORK` inferences, each of 1,000
operations and no bytes, so that a processor of P reached operations a second serves n of them in 1,000 n / P
seconds. With the default mean of a million units the rounding to whole units is one part in a million.
"""

from typing import Literal

import msgspec

from workloads.errors import WorkloadError
from workloads.streams import exponentials, stream
from workloads.tasks import ModelProfile, Task

BLOCK = 1024  # draws made at a time; what is drawn does not depend on it
NEVER_S = 1e9  # a deadline that no run reaches, in a form that JSON can carry

UNIT_WORK = ModelProfile(
    name="unit-work",
    sha256="",
    macs=500,
    ops=1000,  # one multiply-accumulate is two operations
    parameters=0,
    weight_bytes=0,
    activation_bytes=0,
    peak_activation_bytes=0,
    input_bytes=0,
)


class Poisson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tasks arriving at `node` at random: `rate_per_s` of them, each of `mean_units` units of work, on average."""

    node: str
    rate_per_s: float
    service: Literal["exponential", "fixed"] = "exponential"
    mean_units: int = 1_000_000  # 1e9 operations: a second of a processor of 1e9 ops/s
    raw_bytes: int = 0
    deadline_s: float = NEVER_S  # after the arrival
    model: str = UNIT_WORK.name

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message); empty if the spec can be."""
        found = []
        for field in ("rate_per_s", "deadline_s"):
            if not 0.0 < (value := getattr(self, field)) < float("inf"):
                found.append((field, f"is {value}; it must be a finite number above 0"))
        if not 1 <= self.mean_units < 2**53:
            found.append(("mean_units", f"is {self.mean_units}; it must be a whole number from 1 to 2**53"))
        if not 0 <= self.raw_bytes < 2**53:
            found.append(("raw_bytes", f"is {self.raw_bytes}; it must be a whole number from 0 to 2**53"))
        found += [(field, "is empty; it must name one") for field in ("node", "model") if not getattr(self, field)]
        return found


def poisson(spec: Poisson, duration_s: float, seed: int) -> list[Task]:
    """Tasks arriving at `spec.node` before `duration_s`, in order of time, at whole microseconds.

    Arrivals and services have a stream each, named for the node; a longer run only adds tasks at the end.
    Raises WorkloadError for a spec or a duration that cannot be.
    """
    for field, message in spec.problems():
        raise WorkloadError(f"poisson.{field} {message}")
    if not 0.0 <= duration_s < float("inf"):
        raise WorkloadError(f"duration_s is {duration_s}; a run lasts a finite number of seconds, 0 or more")
    arrivals, services = (stream(seed, purpose, spec.node) for purpose in ("poisson-arrival", "poisson-service"))
    tasks: list[Task] = []
    now_s = 0.0
    while True:
        gaps_s = exponentials(arrivals, BLOCK, 1.0 / spec.rate_per_s)
        units = exponentials(services, BLOCK, float(spec.mean_units))
        for gap_s, drawn_units in zip(gaps_s, units, strict=True):
            now_s += gap_s
            at_s = round(now_s * 1e6) / 1e6
            if at_s >= duration_s:
                return tasks
            inferences = spec.mean_units if spec.service == "fixed" else max(1, round(drawn_units))
            tasks.append(_task(spec, len(tasks), at_s, inferences))


def _task(spec: Poisson, number: int, at_s: float, inferences: int) -> Task:
    return Task(
        id=f"{spec.node}/{number:05d}",
        at_s=at_s,
        node=spec.node,
        raw_bytes=spec.raw_bytes,
        model=spec.model,
        inferences=inferences,
        tile=0,
        deadline_s=at_s + spec.deadline_s,
        priority=0,
    )
