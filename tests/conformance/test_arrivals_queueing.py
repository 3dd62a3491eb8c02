"""Arrivals and service through one server, first come first served, wait as queueing theory says they do."""

import math
from typing import Literal

import pytest

from nodes.ledger import OpsLedger
from nodes.processor import Processor
from workloads.arrivals import UNIT_WORK, Poisson, poisson

SERVER = Processor(  # serves the mean of a million units, 1e9 operations, in one second
    name="server",
    peak_ops_per_s={"int8": 1e9},
    efficiency=1.0,
    memory_bytes_per_s=1.0,
    memory_bytes=1.0,
    idle_power_w=0.0,
    busy_power_w=0.0,
)
ARRIVALS_PER_S, SERVICES_PER_S = 0.6, 1.0
DURATION_S = 30_000.0
SEEDS = range(10)
STUDENT_95_OF_9 = 2.262  # two-sided 95 % quantile of Student's t, 9 degrees of freedom

# Kleinrock, Queueing Systems I, 1975: M/M/1 mean wait rho / (mu - lambda), equation 3.25 less the service;
# M/D/1 by Pollaczek-Khinchine, rho / (2 mu (1 - rho)), equation 5.69 with constant service.
RHO = ARRIVALS_PER_S / SERVICES_PER_S
MEAN_WAIT_S = {
    "exponential": RHO / (SERVICES_PER_S - ARRIVALS_PER_S),
    "fixed": RHO / (2.0 * SERVICES_PER_S * (1.0 - RHO)),
}


def mean_wait_s(service: Literal["exponential", "fixed"], seed: int) -> float:
    """Lindley's recursion over one run, every service entered in the ledger."""
    tasks = poisson(Poisson(node="A", rate_per_s=ARRIVALS_PER_S, service=service), DURATION_S, seed)
    ledger = OpsLedger("A", SERVER.peak("int8"))
    free_s = waited_s = 0.0
    for task in tasks:
        start_s = max(task.at_s, free_s)
        waited_s += start_s - task.at_s
        job = SERVER.job(UNIT_WORK, task.inferences, task.inferences)
        free_s = start_s + job.duration_s
        ledger.record(start_s, free_s, job.ops)
    assert ledger.runs == len(tasks)
    return waited_s / len(tasks)


@pytest.mark.parametrize("service", ["exponential", "fixed"])
def test_mean_wait(service: Literal["exponential", "fixed"]) -> None:
    waits_s = [mean_wait_s(service, seed) for seed in SEEDS]
    mean_s = sum(waits_s) / len(waits_s)
    deviation_s = math.sqrt(sum((wait_s - mean_s) ** 2 for wait_s in waits_s) / (len(waits_s) - 1))
    assert mean_s == pytest.approx(MEAN_WAIT_S[service], abs=STUDENT_95_OF_9 * deviation_s / math.sqrt(len(waits_s)))
