"""What the queues of a whole run make of both ways: every captured scene, first in, first out, no scene urgent.

Queues at the satellite's processor, at its radio and at the stations' processors together. Fluid: a scene may run on
into the next pass, and every product has the mean size. `compare`'s own rows are the emulator's, without these.
"""

from collections.abc import Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from emulator.crossing.analysis import Demand, Downlink
from links.delivery import served

Array = NDArray[np.float64]


def median_s(fleet: Downlink, demand: Demand, captured_s: Sequence[Array]) -> tuple[float | None, float | None]:
    """Median seconds from capture to insight in orbit and on the ground over all scenes; None where under half have it.

    `captured_s` holds each satellite's captures (scenes,), rising, in the order of `fleet.passes.satellites`.
    """
    return _median(_orbit(fleet, demand, captured_s)), _median(_ground(fleet, demand, captured_s))


def _orbit(fleet: Downlink, demand: Demand, captured_s: Sequence[Array]) -> Array:
    jobs_s, _ = fleet.orbit.jobs(demand)
    passes = fleet.passes
    waited = []
    for number, times_s in enumerate(captured_s):
        if not isfinite(jobs_s[number]):
            waited.append(np.full(len(times_s), np.inf))
            continue
        inferred_s = served(times_s, float(jobs_s[number]))
        sent_s = passes.queued_s(number, inferred_s, demand.product_bytes * 8)
        waited.append(sent_s + passes.light_s - times_s)
    return np.concatenate(waited)


def _ground(fleet: Downlink, demand: Demand, captured_s: Sequence[Array]) -> Array:
    jobs_s, _ = fleet.ground.jobs(demand)
    passes = fleet.passes
    sent_s = np.concatenate([passes.queued_s(n, times_s, fleet.raw_bytes * 8) for n, times_s in enumerate(captured_s)])
    per_s = float((fleet.ground.share / jobs_s).sum())
    if not per_s > 0.0:
        return np.full(len(sent_s), np.inf)
    down = np.flatnonzero(np.isfinite(sent_s))
    order = down[np.argsort(sent_s[down], kind="stable")]
    insight_s = np.full(len(sent_s), np.inf)
    queued_s = served(sent_s[order] + passes.light_s, 1.0 / per_s) - 1.0 / per_s
    insight_s[order] = queued_s + float(jobs_s[np.isfinite(jobs_s)].mean())
    return np.asarray(insight_s - np.concatenate(captured_s), np.float64)


def _median(waited_s: Array) -> float | None:
    """The nearest-rank median."""
    if not len(waited_s):
        return None
    middle = float(np.sort(waited_s)[(len(waited_s) - 1) // 2])
    return middle if isfinite(middle) else None
