"""What the queues of a whole run make of both ways: every captured scene, first in, first out, no scene urgent.

Queues at the satellite's processor, at its radio and at the processor of the station where a scene landed. Fluid: a
scene may run on into the next pass, and every product has the mean size. `compare`'s own rows are the emulator's,
without these.
"""

from collections.abc import Sequence
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from emulator.crossing.analysis import Demand, Downlink
from links.delivery import served

Array = NDArray[np.float64]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """One way with its queues: the share of all scenes that is answered when the run ends, and the median over all
    scenes of the seconds from capture to insight; None where under half are answered."""

    answered: float
    median_s: float | None


def loaded(fleet: Downlink, demand: Demand, captured_s: Sequence[Array]) -> tuple[Loaded, Loaded]:
    """In orbit and on the ground.

    `captured_s` holds each satellite's captures (scenes,), rising, in the order of `fleet.passes.satellites`.
    """
    every_s = np.concatenate(captured_s)
    ways = (_orbit(fleet, demand, captured_s), _ground(fleet, demand, captured_s))
    return _loaded(fleet, every_s, ways[0]), _loaded(fleet, every_s, ways[1])


def _loaded(fleet: Downlink, captured_s: Array, insight_s: Array) -> Loaded:
    insight_s = np.where(insight_s <= fleet.passes.period_s, insight_s, np.inf)  # what comes later, the run has not
    answered = float(np.isfinite(insight_s).mean()) if len(insight_s) else 0.0
    return Loaded(answered=answered, median_s=_median(insight_s - captured_s))


def _orbit(fleet: Downlink, demand: Demand, captured_s: Sequence[Array]) -> Array:
    """When each scene is known (scenes,), satellite by satellite."""
    jobs_s, _ = fleet.orbit.jobs(demand)
    passes = fleet.passes
    insight_s = []
    for number, times_s in enumerate(captured_s):
        if not isfinite(jobs_s[number]):
            insight_s.append(np.full(len(times_s), np.inf))
            continue
        inferred_s = served(times_s, float(jobs_s[number]))
        insight_s.append(passes.queued_s(number, inferred_s, demand.product_bytes * 8) + passes.light_s)
    return np.concatenate(insight_s)


def _ground(fleet: Downlink, demand: Demand, captured_s: Sequence[Array]) -> Array:
    """When each scene is known (scenes,), satellite by satellite: every station serves what landed there."""
    jobs_s, _ = fleet.ground.jobs(demand)
    passes = fleet.passes
    sent_s = [passes.queued_s(n, times_s, fleet.raw_bytes * 8) for n, times_s in enumerate(captured_s)]
    station = np.concatenate([_stations(fleet, number, each_s) for number, each_s in enumerate(sent_s)])
    landed_s = np.concatenate(sent_s) + passes.light_s
    insight_s = np.full(len(landed_s), np.inf)
    for number, job_s in enumerate(jobs_s):
        here = np.flatnonzero(station == number)
        if not isfinite(job_s) or not len(here):
            continue
        order = here[np.argsort(landed_s[here], kind="stable")]
        each_s = float(job_s) / fleet.ground.share
        insight_s[order] = served(landed_s[order], each_s) - each_s + float(job_s)
    return insight_s


def _stations(fleet: Downlink, satellite: int, sent_s: Array) -> NDArray[np.int64]:
    """The station that each scene of a satellite lands at (scenes,), -1 for those that never come down."""
    down = np.isfinite(sent_s)
    station = np.full(len(sent_s), -1, dtype=np.int64)
    if down.any():
        station[down] = fleet.passes.receiver(satellite, sent_s[down])
    return station


def _median(waited_s: Array) -> float | None:
    """The nearest-rank median."""
    if not len(waited_s):
        return None
    middle = float(np.sort(waited_s)[(len(waited_s) - 1) // 2])
    return middle if isfinite(middle) else None
