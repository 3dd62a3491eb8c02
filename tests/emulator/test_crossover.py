"""The crossover is where the emulator has it: formulas against runs of the virtual engine and against closed forms.

The worlds are those of conftest.py: radios carry 1,000 bytes a second, light takes 0.125 s, a product has 500 bytes.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.crossing.analysis import Demand, Downlink, Side, bisected
from emulator.crossing.queues import loaded
from emulator.schedulers.ground import bent_pipe
from emulator.schedulers.orbit import onboard
from links.delivery import Passes, delivered_s
from nodes.processor import Processor
from workloads.arrivals import UNIT_WORK

LIGHT_S, BYTES_PER_S, RAW_BYTES, PRODUCT_BYTES = 0.125, 1000.0, 1000, 500
MICROSECOND = 1e-6
PERIOD_S, PASS_S = 100.0, 30.0


def processor(name: str, ops_per_s: float) -> Processor:
    return Processor(
        name=name, peak_ops_per_s={"int8": ops_per_s}, efficiency=1.0, memory_bytes_per_s=1e15, memory_bytes=1e6
    )


SLOW, QUICK = processor("slow", 1e9), processor("quick", 4e9)


def demand(work_s: float, product_bytes: float = PRODUCT_BYTES) -> Demand:
    """A model that takes `work_s` on the slow processor."""
    return Demand(profile=UNIT_WORK, inferences=round(work_s * 1e6), product_bytes=product_bytes)


def fleet(lab: Any, *, contacts: Any = None, period_s: float = PERIOD_S, scenes_per_s: float = 1e-4,
          orbit: Processor = SLOW, ground: Processor = QUICK) -> Downlink:  # fmt: skip
    contacts = [lab.radio("A", stop_s=PASS_S)] if contacts is None else contacts
    sides = Side([orbit], 1, "int8"), Side([ground], 1, "int8")
    return Downlink(Passes({"A": contacts}, period_s), np.array([scenes_per_s]), RAW_BYTES, *sides)


def test_one_processor_on_both_sides_has_no_break_even_however_means_are_rounded(lab: Any) -> None:
    """The mean of equal times over satellites of unequal shares is not that time to the last bit."""
    names, rng = [f"S{number}" for number in range(12)], np.random.default_rng(1)
    passes = Passes({name: [lab.radio(name, stop_s=PASS_S)] for name in names}, PERIOD_S)
    for shares in rng.uniform(1e-5, 1e-4, size=(20, len(names))):
        sides = Side([SLOW] * len(names), 1, "int8"), Side([SLOW], 1, "int8")
        point = Downlink(passes, shares, RAW_BYTES, *sides).point(demand(0.7))
        assert point.wins == "orbit"
        assert point.break_even_ops_per_raw_byte is None


@settings(derandomize=True, deadline=None)
@given(st.floats(0.0, 40.0), st.floats(0.001, 20.0), st.integers(1, 9000))
def test_one_scene_takes_what_the_formula_says_to_the_microsecond(
    lab: Any, at_s: float, work_s: float, raw_bytes: int
) -> None:
    contacts = [lab.radio("A", start_s=10.0, stop_s=20.0), lab.radio("A", start_s=60.0, stop_s=90.0)]
    specs = {"A": {"processor": SLOW}, "G": {"processor": QUICK}}
    task = lab.task(at_s=at_s, work_s=work_s, raw_bytes=raw_bytes)
    jobs_s = [p.job(UNIT_WORK, task.inferences).duration_s for p in (SLOW, QUICK)]
    assert jobs_s[0] == pytest.approx(4 * jobs_s[1])
    down_s = delivered_s(contacts, at_s, raw_bytes)
    up_s = delivered_s(contacts, at_s + jobs_s[0], PRODUCT_BYTES)
    assert down_s is not None
    assert up_s is not None
    ways = {onboard: up_s, bent_pipe: down_s + jobs_s[1]}
    for policy, end_s in ways.items():
        how, _, ended_s = lab.go(policy, [task], contacts, specs=specs).fate()
        assert how == "done"
        assert ended_s == pytest.approx(end_s, abs=MICROSECOND)


def test_the_winner_of_one_scene_flips_where_predicted(lab: Any) -> None:
    """One satellite, one station, one contact, a scene taken while it lasts: x = 8 (1 - p/R) / r / (1/P - 1/Q)."""
    contacts, specs = [lab.radio("A")], {"A": {"processor": SLOW}, "G": {"processor": QUICK}}
    even_ops_per_byte = (1 - PRODUCT_BYTES / RAW_BYTES) / BYTES_PER_S / (1 / 1e9 - 1 / 4e9)
    assert even_ops_per_byte == pytest.approx(666_666.67, rel=1e-6)
    even_s = even_ops_per_byte * RAW_BYTES / 1e9
    for work_s, first in ((0.99 * even_s, onboard), (1.01 * even_s, bent_pipe)):
        ended_s = {
            policy: lab.go(policy, [lab.task(work_s=work_s)], contacts, specs=specs).fate()[2]
            for policy in (onboard, bent_pipe)
        }
        assert min(ended_s, key=ended_s.__getitem__) is first


def means_by_the_engine(lab: Any, work_s: float, pass_s: float, instants: int) -> tuple[float, float]:
    """Mean seconds to insight in orbit and on the ground over a scene at each instant of a period, none in another's
    way: each has a satellite and a station of its own. The passes come twice."""
    every = [(k + 0.5) * PERIOD_S / instants for k in range(instants)]
    satellites, stations = [f"A{k}" for k in range(instants)], [f"G{k}" for k in range(instants)]
    tasks = [lab.task(f"t{k}", at_s, f"A{k}", work_s=work_s) for k, at_s in enumerate(every)]
    contacts = [
        lab.radio(a, b, start_s=again_s, stop_s=again_s + pass_s)
        for a, b in zip(satellites, stations, strict=True)
        for again_s in (0.0, PERIOD_S)
    ]
    specs = {name: {"processor": SLOW} for name in satellites} | {name: {"processor": QUICK} for name in stations}
    means = []
    for policy in (onboard, bent_pipe):
        done = lab.go(policy, tasks, contacts, satellites=satellites, stations=stations, specs=specs,
                      duration_s=2.5 * PERIOD_S)  # fmt: skip
        assert all(how == "done" for how, _, _ in done.fates().values())
        means.append(float(np.mean([done.fates()[f"t{k}"][2] - at_s for k, at_s in enumerate(every)])))
    return means[0], means[1]


def test_the_winner_in_the_mean_flips_where_predicted(lab: Any) -> None:
    pass_s, instants = 80.0, 500
    case = fleet(lab, contacts=[lab.radio("A", stop_s=pass_s)])
    point = case.point(demand(0.1))
    even = point.break_even_ops_per_raw_byte
    assert even is not None
    gap_s, raw_s, product_s = PERIOD_S - pass_s, RAW_BYTES / BYTES_PER_S, PRODUCT_BYTES / BYTES_PER_S
    spilled_s = ((gap_s + raw_s) ** 2 - (gap_s + product_s) ** 2) / (2 * PERIOD_S)
    closed = (raw_s - product_s + spilled_s) / RAW_BYTES / (1 / 1e9 - 1 / 4e9)
    assert even == pytest.approx(closed, rel=1e-9)
    even_s = even * RAW_BYTES / 1e9
    for share, wins in ((0.8, "orbit"), (1.2, "ground")):
        at = case.point(demand(share * even_s))
        orbit_s, ground_s = means_by_the_engine(lab, share * even_s, pass_s, instants)
        assert at.wins == wins == ("orbit" if orbit_s < ground_s else "ground")
        one_instant_s = gap_s / instants  # what an instant at the edge of a pass brings if it falls to the other side
        assert at.orbit.insight_s == pytest.approx(orbit_s, abs=one_instant_s)
        assert at.ground.insight_s == pytest.approx(ground_s, abs=one_instant_s)


@settings(derandomize=True, deadline=None)
@given(st.floats(0.01, 2.0), st.floats(1.01e9, 1e11), st.floats(1.0, 900.0))  # faster, or rounding decides
def test_the_rate_at_which_it_turns(lab: Any, work_s: float, ground_ops_per_s: float, product_bytes: float) -> None:
    case = fleet(lab, ground=processor("ground", ground_ops_per_s), scenes_per_s=1e-9)
    asked = demand(work_s, product_bytes)
    turning = case.turning_bits_per_s(asked)
    own = case.point(asked)
    assert own.orbit.job_s is not None
    assert own.ground.job_s is not None
    if own.orbit.job_s <= own.ground.job_s:
        assert turning is None
        assert own.break_even_ops_per_raw_byte is None
    elif turning is not None:  # it may lie beyond all rates that are looked at
        assert case.point(asked, turning * 0.999).wins == "orbit"
        assert case.point(asked, turning * 1.001).wins == "ground"
        even = case.point(asked, turning).break_even_ops_per_raw_byte
        assert even == pytest.approx(asked.ops / RAW_BYTES, rel=1e-3)  # one line, read along the other axis


def test_a_way_that_cannot_keep_up_loses_however_soon_it_is(lab: Any) -> None:
    """30 s of contact in 100 s carry 0.3 raw scenes a second, or 0.6 products; the slow processor infers one in 8 s."""
    sooner = fleet(lab, scenes_per_s=0.1).point(demand(8.0))
    assert (sooner.wins, sooner.orbit.limit, sooner.ground.limit) == ("ground", "none", "none")
    too_much = fleet(lab, scenes_per_s=0.4, orbit=processor("eight", 8e9)).point(demand(8.0))
    assert too_much.ground.carried == pytest.approx(0.75)
    assert (too_much.wins, too_much.orbit.limit, too_much.ground.limit) == ("orbit", "none", "downlink")
    busy = fleet(lab, scenes_per_s=0.25).point(demand(8.0))
    assert busy.orbit.carried == pytest.approx(0.5)  # one in 8 s of one in 4 s
    assert busy.ground.carried == 1.0
    assert (busy.wins, busy.orbit.limit) == ("ground", "compute")
    slow_ground = fleet(lab, scenes_per_s=0.25, ground=processor("tenth", 1e8)).point(demand(1.0))
    assert slow_ground.ground.carried == pytest.approx(0.4)  # one in 10 s of one in 4 s
    assert (slow_ground.wins, slow_ground.ground.limit) == ("orbit", "compute")


def test_what_fits_nowhere_is_said_and_loses(lab: Any) -> None:
    case = fleet(lab, contacts=[lab.radio("A", stop_s=0.9)])  # room for a product, for no raw scene
    point = case.point(demand(1.0))
    assert (point.ground.insight_s, point.ground.carried, point.wins) == (None, 0.0, "orbit")
    assert point.break_even_ops_per_raw_byte is None
    tiny = Processor(name="tiny", peak_ops_per_s={"int8": 1e9}, memory_bytes_per_s=1e9, memory_bytes=100.0)
    big = Demand(profile=lab.big, inferences=1, product_bytes=PRODUCT_BYTES)
    found = fleet(lab, orbit=tiny, ground=processor("roomy", 1e9)).point(big)
    assert (found.orbit.job_s, found.orbit.basis, found.orbit.insight_s) == (None, "does not fit", None)
    neither = fleet(lab, orbit=tiny, ground=tiny).point(big)
    assert neither.wins == "neither"
    assert (neither.orbit.limit, neither.ground.limit) == ("compute", "compute")


def test_queues_are_those_of_the_emulator(lab: Any) -> None:
    """Eighty scenes at once on a radio that carries 30 raw ones a pass; every message fills a pass to the byte."""
    contacts = [lab.radio("A", start_s=s, stop_s=s + PASS_S) for s in (10.0, 110.0, 210.0)]
    tasks = [lab.task(f"t{k:02d}", k * 0.5, work_s=0.75) for k in range(80)]
    specs = {"A": {"processor": SLOW}, "G": {"processor": QUICK}}
    case = fleet(lab, contacts=contacts, period_s=300.0)
    asked = demand(0.75)
    found = loaded(case, asked, [np.array([task.at_s for task in tasks])])
    for policy, way in zip((onboard, bent_pipe), found, strict=True):
        done = lab.go(policy, tasks, contacts, specs=specs, duration_s=300.0)
        waited_s = sorted(done.fates()[task.id][2] - task.at_s for task in tasks if done.fates()[task.id][0] == "done")
        assert len(waited_s) == 80
        assert way.answered == 1.0
        assert way.median_s == pytest.approx(waited_s[39], abs=MICROSECOND)


def test_under_half_answered_has_no_median(lab: Any) -> None:
    case = fleet(lab, contacts=[lab.radio("A", stop_s=3.0)])
    instants = [np.zeros(10)]
    ground = loaded(case, demand(0.1), instants)[1]
    assert (ground.median_s, ground.answered) == (None, 0.3)  # three of ten come down


def test_what_is_answered_after_the_run_is_not_answered(lab: Any) -> None:
    """Ten raw scenes are down by 10 s and take 25 s each on the ground: the third is known at 76 s, no fourth."""
    ground = loaded(fleet(lab, ground=SLOW), demand(25.0), [np.zeros(10)])[1]
    assert (ground.median_s, ground.answered) == (None, 0.3)


def two_stations(lab: Any, scenes_per_s: float, grounds: tuple[Processor, Processor] = (SLOW, SLOW), periods: int = 1,
                 share: float = 1.0) -> Downlink:  # fmt: skip
    """Room for thirty raw scenes at G and ten at H in each period of 100 s."""
    sides = Side([QUICK], 1, "int8"), Side(grounds, 1, "int8", share)
    passes = Passes({"A": uneven(lab, periods)}, periods * PERIOD_S, ("G", "H"))
    return Downlink(passes, np.array([scenes_per_s]), RAW_BYTES, *sides)


def uneven(lab: Any, periods: int) -> list[Any]:
    starts_s = [number * PERIOD_S for number in range(periods)]
    return [
        lab.radio("A", name, start_s=at_s + low_s, stop_s=at_s + high_s)
        for at_s in starts_s
        for name, low_s, high_s in (("G", 10.0, 40.0), ("H", 60.0, 70.0))
    ]


def test_a_station_answers_what_landed_there_and_no_other_helps(lab: Any) -> None:
    """A scene in 5 s: of twenty a period 14 land at G, which infers ten, and 6 at H, which could infer ten too."""
    ground = two_stations(lab, 0.2).point(demand(10.0)).ground
    assert ground.carried == pytest.approx((10 + 6) / 20)  # together they could infer all twenty
    assert ground.limit == "compute"
    assert two_stations(lab, 0.2).point(demand(100 / 14 - 0.01)).ground.limit == "none"
    assert two_stations(lab, 0.2).point(demand(100 / 14 + 0.01)).ground.limit == "compute"
    sampled = two_stations(lab, 0.2, share=0.5).point(demand(5.0)).ground  # every other satellite: half of the time
    assert sampled.carried == pytest.approx(0.8)
    assert sampled.limit == "compute"


def test_one_scene_computes_where_it_lands(lab: Any) -> None:
    """Taken from 69 s on it is too late for H and goes to G, until 39 s: seven instants of ten."""
    ground = two_stations(lab, 1e-6, (SLOW, QUICK)).point(demand(8.0)).ground
    assert ground.job_s == pytest.approx(0.7 * 8.0 + 0.3 * 2.0)


@pytest.mark.parametrize(("every_s", "work_s"), [(5.0, 10.0), (5.0, 6.0), (2.0, 2.0), (2.0, 12.5), (10.0, 9.0)])
def test_queues_at_uneven_stations_are_those_of_the_emulator(lab: Any, every_s: float, work_s: float) -> None:
    periods = 6
    duration_s = periods * PERIOD_S
    tasks = [lab.task(f"t{k:03d}", (k + 0.5) * every_s, work_s=work_s) for k in range(int(duration_s / every_s))]
    specs = {"G": {"processor": SLOW}, "H": {"processor": SLOW}}
    done = lab.go(bent_pipe, tasks, uneven(lab, periods), specs=specs, duration_s=duration_s)
    fates = {task.id: done.fates().get(task.id, ("", "", 0.0)) for task in tasks}
    waited_s = sorted(fates[task.id][2] - task.at_s for task in tasks if fates[task.id][0] == "done")
    case = two_stations(lab, 1 / every_s, periods=periods)
    ground = loaded(case, demand(work_s), [np.array([task.at_s for task in tasks])])[1]
    assert ground.answered * len(tasks) == pytest.approx(len(waited_s), abs=1e-9)
    middle = (len(tasks) - 1) // 2
    if len(waited_s) <= middle:
        assert ground.median_s is None
    else:
        assert ground.median_s == pytest.approx(waited_s[middle], abs=MICROSECOND)
    carried = case.point(demand(work_s)).ground.carried  # for ever; a run begins empty and ends with some under way
    assert carried * len(tasks) == pytest.approx(len(waited_s), abs=1.2 * PERIOD_S / every_s)


def test_bisection_finds_the_edge() -> None:
    assert bisected(lambda value: value >= 3.7, 0.0, 10.0) == pytest.approx(3.7, abs=1e-4)
    assert bisected(lambda value: True, 0.0, 10.0) == 0.0
