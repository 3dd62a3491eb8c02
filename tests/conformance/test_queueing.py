"""A processor in the core, fed at random by the virtual engine, keeps tasks waiting as queueing theory says it does.

One satellite, no contacts, work of a second on average; a task ends where it is inferred. Numbers in the node and ages
are taken from the log of facts and orders, waits and sojourns from the state of the core.
"""

from collections.abc import Iterator
from functools import cache
from math import sqrt
from typing import Literal, NamedTuple

import pytest
from scipy import stats

from emulator.core import Core
from emulator.decisions import Assign, Decision
from emulator.events import Captured, Event
from emulator.orders import End, Order
from emulator.view import View
from emulator.virtual import run
from emulator.world import SATELLITE, NodeSpec, Settings, World
from links.contacts import ContactPlan
from nodes.processor import Processor
from workloads.arrivals import UNIT_WORK, Poisson, poisson
from workloads.tasks import Outcome

Service = Literal["exponential", "fixed"]

SERVER = Processor(  # 1e9 operations a second, all of them reached: a million units of work are a second
    name="server", peak_ops_per_s={"int8": 1e9}, efficiency=1.0, memory_bytes_per_s=1e15, memory_bytes=1e15,
    launch_s=0.0, idle_power_w=0.0, busy_power_w=0.0,
)  # fmt: skip
SERVICES_PER_S = 1.0
DURATION_S = 10_000.0
SEEDS = range(10)
CONFIDENCE = 0.95
LOADS = [0.5, 0.8]
CASES = [(service, load) for service in ("exponential", "fixed") for load in LOADS]
rounding = 1e-9

# Kleinrock, Queueing Systems I, 1975, with service rate mu and load rho = lambda / mu:
# M/M/1, mean wait in the queue: rho / (mu - lambda), equation 3.25 less the service
# M/D/1, the same by Pollaczek-Khinchine: rho / (2 mu (1 - rho)), equation 5.69 with constant service
MEAN_WAIT_S = {
    "exponential": lambda rho: rho / (SERVICES_PER_S - rho * SERVICES_PER_S),
    "fixed": lambda rho: rho / (2.0 * SERVICES_PER_S * (1.0 - rho)),
}


def mean_age_s(rho: float) -> float:
    """Kaul, Yates, Gruteser, Real-time status: How often should one update?, INFOCOM 2012, equation 17: M/M/1."""
    return (1.0 + 1.0 / rho + rho**2 / (1.0 - rho)) / SERVICES_PER_S


class Run(NamedTuple):
    """What one run comes to."""

    tasks: int
    until_s: float  # when the last task ended
    mean_wait_s: float  # from capture to the start of its run, by the core's own state
    mean_sojourn_s: float  # from capture to its end, likewise
    mean_number: float  # of tasks in the node over `until_s`, from the log
    mean_age_s: float  # of the newest answer, from the log, once there is one


@cache
def simulated(service: Service, load: float, seed: int) -> Run:
    spec = Poisson(node="A", rate_per_s=load * SERVICES_PER_S, service=service)
    tasks = poisson(spec, DURATION_S, seed)
    world = World(
        nodes=[NodeSpec(name="A", kind=SATELLITE, processor=SERVER)],
        plan=ContactPlan(10.0 * DURATION_S, (), ()),
        models={UNIT_WORK.name: UNIT_WORK},
        settings=Settings(duration_s=10.0 * DURATION_S),
    )
    core = Core(world, onboard)
    log: list[tuple[Event, list[Order]]] = []

    class Door:
        def handle(self, event: Event) -> list[Order]:
            orders = core.handle(event)
            log.append((event, orders))
            return orders

    nothing = Outcome("clear", 0.0, 0)
    run(Door(), [Captured(task.at_s, "A", task) for task in tasks], 10.0 * DURATION_S, lambda task: nothing)
    states = list(core.tasks.values())
    assert all(state.how == "dropped" for state in states)
    return Run(
        tasks=len(states),
        until_s=max(state.finished_s for state in states),
        mean_wait_s=sum(state.started_s - state.task.at_s for state in states) / len(states),
        mean_sojourn_s=sum(state.finished_s - state.task.at_s for state in states) / len(states),
        mean_number=mean_number(log),
        mean_age_s=mean_age(log),
    )


def onboard(view: View) -> Iterator[Decision]:
    for task in view.waiting:
        yield Assign(task.id, "A")


def mean_number(log: list[tuple[Event, list[Order]]]) -> float:
    """Time average of captures less ends, until the last end."""
    area = number = last_s = 0.0
    for event, orders in log:
        change = (type(event) is Captured) - sum(type(order) is End for order in orders)
        if change:
            area += number * (event.at_s - last_s)
            number, last_s = number + change, event.at_s
    assert number == 0
    return area / last_s


def mean_age(log: list[tuple[Event, list[Order]]]) -> float:
    """Time average of now less the capture of the newest task that has ended, from the first end to the last."""
    captured_s: dict[str, float] = {}
    area, first_s, last_s, newest_s = 0.0, -1.0, -1.0, -1.0
    for event, orders in log:
        if type(event) is Captured:
            captured_s[event.task.id] = event.task.at_s
        for order in orders:
            if type(order) is End:
                if first_s < 0.0:
                    first_s = event.at_s
                else:  # the age grows from (last - newest) to (now - newest)
                    area += (event.at_s - last_s) * (0.5 * (event.at_s + last_s) - newest_s)
                last_s, newest_s = event.at_s, captured_s[order.task]
    return area / (last_s - first_s)


def assert_within(figures: list[float], expected: float) -> None:
    """That the expected mean lies in the 95 % interval of the figures, by Student's t."""
    mean = sum(figures) / len(figures)
    deviation = sqrt(sum((figure - mean) ** 2 for figure in figures) / (len(figures) - 1))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, len(figures) - 1)) * deviation / sqrt(len(figures))
    assert half < 0.1 * expected, "an interval too wide to say anything"
    assert abs(mean - expected) <= half, f"{mean:.4f} +- {half:.4f}, expected {expected:.4f}"


@pytest.mark.parametrize(("service", "load"), CASES)
def test_mean_wait(service: Service, load: float) -> None:
    assert_within([simulated(service, load, seed).mean_wait_s for seed in SEEDS], MEAN_WAIT_S[service](load))


@pytest.mark.parametrize(("service", "load"), CASES)
def test_mean_number_in_the_node(service: Service, load: float) -> None:
    """Waiting and served: lambda times (mean wait + 1 / mu)."""
    expected = load * SERVICES_PER_S * (MEAN_WAIT_S[service](load) + 1.0 / SERVICES_PER_S)
    assert_within([simulated(service, load, seed).mean_number for seed in SEEDS], expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("service", "load"), CASES)
def test_littles_law_on_every_run(service: Service, load: float, seed: int) -> None:
    """L = lambda W (Little, Operations Research 9(3), 1961), exact if a run begins and ends with an empty node."""
    ran = simulated(service, load, seed)
    assert ran.mean_number == pytest.approx(ran.tasks / ran.until_s * ran.mean_sojourn_s, rel=rounding)


@pytest.mark.parametrize("load", LOADS)
def test_mean_age_of_information(load: float) -> None:
    assert_within([simulated("exponential", load, seed).mean_age_s for seed in SEEDS], mean_age_s(load))
