"""How fast time may run: refused where light would be overtaken, slowed down by `auto`, raised on evidence only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.live.governor import DOWN, ENOUGH, LATELY_S, SHARE, UP, Governor
from emulator.live.rates import LEAST_RATE, MOST_RATE, Closest, refusal
from links.contacts import constant_contact

NEAR = constant_contact("A", "B", 100.0, 200.0, 0.001, 1e9)
FAR = constant_contact("A", "C", 0.0, 300.0, 0.010, 1e9)
CLOSEST = Closest([NEAR, FAR], 300.0)


def test_the_shortest_delay_is_that_of_contacts_open_then() -> None:
    assert CLOSEST.within(0.0, 99.0)[0] == 0.010
    assert CLOSEST.within(99.0, 101.0) == (0.001, "A - B", 100.0)
    assert CLOSEST.within(200.0, 300.0)[0] == 0.010
    assert Closest([FAR], 300.0).within(301.0, 400.0)[0] == float("inf")


def test_a_rate_that_overtakes_light_is_refused_with_the_pair_and_what_would_do() -> None:
    assert refusal(CLOSEST, 300.0, 1.0, 0.001) == ""
    said = refusal(CLOSEST, 300.0, 2.0, 0.001)
    assert "A - B" in said
    assert "1.000 ms" in said
    assert "--rate auto, or 1 or less" in said
    assert refusal(CLOSEST, 90.0, 2.0, 0.001) == ""  # it opens after the run is over


def test_auto_slows_down_before_the_near_pair_meets_and_only_then() -> None:
    governor = Governor(CLOSEST, 0.002, 1.0, None)
    assert governor.rate == 1.0
    assert governor.consider(50.0, 1.0) is None  # no evidence, no change
    assert governor.consider(99.0, 2.0) == 0.001 / 0.002
    governor.delivered(3.0, 1e-6)
    assert governor.consider(150.0, 3.0) is None  # however well it goes


def test_a_fixed_rate_stays() -> None:
    governor = Governor(CLOSEST, 0.0005, 1e-9, 1.5)
    governor.delivered(0.0, 10.0)
    governor.inferred(0.0, 0.001)
    assert governor.consider(0.0, 0.0) is None
    assert governor.rate == 1.5


def test_lateness_and_slow_inference_bring_it_down_and_calm_raises_it_gently() -> None:
    governor = Governor(Closest([FAR], 300.0), 0.0001, 0.005, None)
    for _ in range(ENOUGH):
        governor.delivered(1.0, 0.001)
    assert governor.consider(0.0, 1.0) == pytest.approx(UP)
    for _ in range(ENOUGH):
        governor.delivered(2.0, 0.0035)
    assert governor.consider(0.0, 2.0) == pytest.approx(SHARE * 0.005 / 0.0035)
    governor.inferred(3.0, 0.001)
    assert governor.consider(0.0, 3.0) == pytest.approx(DOWN * SHARE * 0.005 / 0.0035)  # by half at a time


def test_one_rough_moment_is_forgotten_and_the_rate_comes_back() -> None:
    governor = Governor(Closest([FAR], 300.0), 0.0001, 0.005, None)
    governor.delivered(0.0, 2.0)
    wall_s = 0.0
    while wall_s <= LATELY_S:
        governor.consider(0.0, wall_s)
        wall_s += 0.5
    low = governor.rate
    assert low < 0.1
    for _ in range(40):
        governor.delivered(wall_s, 20e-6)
        governor.consider(0.0, wall_s)
        wall_s += 0.5
    assert governor.rate > 1.0


@settings(derandomize=True, deadline=None)
@given(
    st.floats(0.0, 300.0), st.lists(st.floats(0.0, 10.0), max_size=5), st.lists(st.floats(1e-6, 1e6), max_size=5),
    st.floats(1e-6, 1.0), st.integers(1, 20),
)  # fmt: skip
def test_it_never_leaves_its_bounds(
    now_s: float, late_s: list[float], speeds: list[float], floor_s: float, times: int
) -> None:
    governor = Governor(CLOSEST, floor_s, 0.005, None)
    for wall_s in range(times):
        for each in late_s:
            governor.delivered(wall_s, each)
        for each in speeds:
            governor.inferred(wall_s, each)
        before = governor.rate
        after = governor.consider(now_s, wall_s) or before
        assert LEAST_RATE <= after <= MOST_RATE
        assert after <= before * UP * 1.0001
        assert after <= governor.cap(now_s, after) * 1.0001 or after <= before


def test_what_keeps_the_rate_down_is_told() -> None:
    assert Governor(CLOSEST, 0.1, 0.005, None).why.startswith("light time: 10 ms between A - C")
    assert Governor(CLOSEST, 0.1, 0.005, 0.05).held_by == ""  # its user chose
    governor = Governor(Closest([FAR], 300.0), 0.0001, 0.005, None)
    assert governor.held_by == ""
    governor.inferred(0.5, 0.01)
    for wall_s in range(1, 10):
        governor.consider(0.0, float(wall_s))
    assert governor.goal == governor.rate == pytest.approx(0.008)
    assert governor.held_by == (
        "inference: this host is 0.01 times as fast as the modelled processor: 0.008 at the slowest"
    )
    for wall_s in range(20, 40):
        governor.delivered(float(wall_s), 10.0)
        governor.consider(0.0, float(wall_s))
    assert governor.held_by.startswith("lateness: 1e+04 ms")


def test_time_in_which_nothing_is_under_way_passes_at_the_first_rate_and_work_is_met_slowly() -> None:
    governor = Governor(Closest([FAR], 1000.0), 0.0001, 0.005, None)
    governor.inferred(0.0, 0.01)
    now_s, fact_s, wall_s = 0.0, 60.0, 0.0
    while wall_s < 9.0:  # the run goes on: it slows down
        wall_s += 0.5
        governor.consider(now_s, wall_s)
    slow = governor.rate
    assert slow == pytest.approx(0.008)
    while now_s < fact_s:  # nothing until 60 s, which would be two hours
        before = governor.rate
        governor.consider(now_s, wall_s, fact_s)
        now_s, wall_s = now_s + 0.25 * before + 0.25 * governor.rate, wall_s + 0.5
        assert wall_s < 90.0
        assert slow <= governor.rate <= 1.0
    assert before == governor.rate == slow
    near = Governor(CLOSEST, 0.01, 0.005, None)
    assert near.consider(99.5, 1.0, 300.0) == pytest.approx(0.1)  # light time holds there too
    assert Governor(CLOSEST, 0.0001, 0.005, 0.5).consider(0.0, 1.0, 300.0) is None
