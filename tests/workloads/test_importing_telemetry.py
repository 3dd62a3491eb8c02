"""Measured loads: energy against closed forms, gaps left out, nothing known where nothing was measured."""

from math import pi, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.importing.records import LoadSample
from workloads.importing.telemetry import Load


def load(*pairs: tuple[float, float | None], max_gap_s: float | None = 1e9) -> Load:
    return Load([LoadSample(at_s=at_s, power_w=power_w) for at_s, power_w in pairs], max_gap_s)


def test_a_ramp_has_the_energy_of_its_triangle() -> None:
    ramp = load((0.0, 0.0), (10.0, 20.0), (40.0, 20.0))
    assert ramp.energy_j(0.0, 40.0) == 100.0 + 600.0
    assert ramp.energy_j(5.0, 10.0) == 75.0  # from 10 W to 20 W over 5 s
    assert (ramp.power_w(5.0), ramp.power_w(10.0), ramp.power_w(40.0)) == (10.0, 20.0, 20.0)
    assert (ramp.power_w(-1.0), ramp.power_w(41.0)) == (None, None)


def test_a_sine_over_its_period_has_the_energy_of_its_mean() -> None:
    period_s, n = 5640.0, 940  # an orbit of 94 minutes, a sample every 6 s
    wave = load(*[(k * period_s / n, 20.0 + 5.0 * sin(2.0 * pi * k / n)) for k in range(n + 1)])
    assert wave.energy_j(0.0, period_s) == pytest.approx(20.0 * period_s, rel=1e-12)  # exact for whole periods
    half_j = 20.0 * period_s / 2.0 + 5.0 * period_s / pi  # the integral of the sine's upper half
    assert wave.energy_j(0.0, period_s / 2.0) == pytest.approx(half_j, rel=1e-5)  # trapezoids: error (pi/n)^2/3
    assert wave.figures().mean_power_w == pytest.approx(20.0)
    assert wave.figures().max_power_w == pytest.approx(25.0)


def test_gaps_and_missing_samples_count_nothing() -> None:
    broken = load((0.0, 10.0), (1.0, 10.0), (101.0, 10.0), (102.0, None), (103.0, 10.0), (104.0, 10.0), max_gap_s=5.0)
    figures = broken.figures()
    assert (figures.energy_j, figures.measured_s, figures.gaps, figures.gap_s) == (20.0, 2.0, 3, 102.0)
    assert figures.mean_power_w == 10.0
    assert [broken.power_w(at_s) for at_s in (50.0, 102.0, 102.5, 103.5)] == [None, None, None, 10.0]


def test_a_gap_is_ten_usual_intervals_unless_said() -> None:
    samples = [LoadSample(at_s=float(at_s), power_w=1.0) for at_s in (0, 1, 2, 3, 13, 24, 25)]
    assert Load(samples).figures().gap_s == 11.0  # 13 to 24; 3 to 13 is ten intervals, and still measured


def test_an_empty_load_and_one_sample_have_no_energy() -> None:
    assert (load().figures().energy_j, load().figures().mean_power_w) == (0.0, None)
    assert load((5.0, 3.0)).figures().max_power_w == 3.0


def test_samples_that_go_back_and_spans_that_are_none_are_refused() -> None:
    with pytest.raises(WorkloadError, match="must rise in time"):
        load((1.0, 1.0), (0.0, 1.0))
    with pytest.raises(WorkloadError, match="no span of time"):
        load((0.0, 1.0), (1.0, 1.0)).energy_j(1.0, 0.0)
    with pytest.raises(WorkloadError, match="max_gap_s is nan"):
        load((0.0, 1.0), max_gap_s=float("nan"))


Pairs = st.lists(st.tuples(st.floats(0.0, 1e4), st.none() | st.floats(0.0, 1e3)), min_size=2, max_size=12)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(Pairs, st.floats(0.0, 1e4))
def test_energy_of_two_halves_is_that_of_the_whole(pairs: list[tuple[float, float | None]], cut_s: float) -> None:
    any_load = load(*sorted(pairs, key=lambda pair: pair[0]), max_gap_s=1e3)
    whole_j = any_load.energy_j(0.0, 1e4)
    assert any_load.energy_j(0.0, cut_s) + any_load.energy_j(cut_s, 1e4) == pytest.approx(whole_j, abs=1e-5)
    assert whole_j <= 1e3 * any_load.figures().measured_s + 1e-5
