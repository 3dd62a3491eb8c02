"""Power follows measured points: by the rate that is reached, never beyond what was measured, absent if unknown."""

import msgspec
import pytest

from nodes.errors import NodeError
from nodes.power import PowerMode, power_at_w
from nodes.processor import Processor, preset, presets
from workloads.calibration import Calibration, Timing
from workloads.tasks import ModelProfile

# MLPerf Inference, Jetson AGX Orin, ResNet-50 offline at the wall, 8.178e9 operations an image:
#   images/s   W       operations/s
#   3,463      22.7    28.320e12
#   4,750      42.4    38.846e12
ORIN = [("low", 3463, 22.7), ("middle", 4750, 42.4)]
OPS_PER_IMAGE = 8.178e9
HALF_A_PERCENT = 0.005

MODEL = ModelProfile(
    name="m", sha256="m", macs=500, ops=1000, parameters=0, weight_bytes=0, activation_bytes=0,
    peak_activation_bytes=0, input_bytes=0,
)  # fmt: skip


@pytest.mark.parametrize(("mode", "images_per_s", "power_w"), ORIN)
def test_orin_in_a_measured_mode_runs_and_draws_as_measured(mode: str, images_per_s: int, power_w: float) -> None:
    held = preset("orin").at_mode(mode)
    assert held.peak("int8") * held.efficiency / OPS_PER_IMAGE == pytest.approx(images_per_s, rel=HALF_A_PERCENT)
    assert held.working_power_w == pytest.approx(power_w, rel=HALF_A_PERCENT)


def test_work_per_joule_is_greater_in_low_modes() -> None:
    """3,463 / 22.7 = 152.6 images a joule, 4,750 / 42.4 = 112.0."""
    low, middle, full = preset("orin").power_modes
    assert low.ops_per_j / OPS_PER_IMAGE == pytest.approx(152.6, rel=HALF_A_PERCENT)
    assert middle.ops_per_j / OPS_PER_IMAGE == pytest.approx(112.0, rel=HALF_A_PERCENT)
    assert low.ops_per_j > middle.ops_per_j > full.ops_per_j


def test_satellites_are_three_of_the_modules_by_label_and_power() -> None:
    for ours, theirs in zip(preset("tbc-744").power_modes[:2], preset("orin").power_modes, strict=False):
        assert ours.power_w == pytest.approx(3 * theirs.power_w)
        assert ours.ops_per_s == pytest.approx(744 / 275 * theirs.ops_per_s, rel=HALF_A_PERCENT)
    assert "power_modes" in preset("tbc-744").guesses


def test_between_points_power_lies_on_the_line_and_beyond_them_it_stays() -> None:
    modes = (PowerMode(name="a", ops_per_s=10.0, power_w=2.0), PowerMode(name="b", ops_per_s=20.0, power_w=6.0))
    assert [power_at_w(modes, rate) for rate in (1.0, 10.0, 15.0, 20.0, 99.0)] == [2.0, 2.0, 4.0, 6.0, 6.0]


def test_a_job_draws_what_its_rate_draws() -> None:
    orin = preset("orin")
    full, low = orin.job(MODEL, 1), orin.at_mode("low").job(MODEL, 1)
    assert (full.power_w, low.power_w) == (60.0, pytest.approx(22.7))
    assert low.duration_s > full.duration_s


def test_a_calibration_with_power_says_what_its_model_draws() -> None:
    timing = (Timing(batch=1, batch_s=1.0, samples=1),)
    made = Calibration(profile=MODEL, precision="fp32", provider="CPU", threads=1, timings=timing, power_w=17.0)
    host = Processor(
        name="host", peak_ops_per_s={"fp32": 1e6}, memory_bytes_per_s=1e9, memory_bytes=1e9, calibrations=(made,)
    )
    assert host.job(MODEL, 1, 1, "fp32").power_w == 17.0
    silent = msgspec.structs.replace(host, calibrations=(msgspec.structs.replace(made, power_w=None),))
    assert silent.job(MODEL, 1, 1, "fp32").power_w is None


def test_a_mode_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(NodeError, match="'orin' has no power mode 'midle'; it has low, middle, full"):
        preset("orin").at_mode("midle")


def test_measured_times_are_held_in_no_other_mode() -> None:
    """Half an hour at a full clock's speed and a low clock's watts would be joules that nobody drew."""
    timing = (Timing(batch=1, batch_s=1.0, samples=1),)
    made = Calibration(profile=MODEL, precision="fp32", provider="CPU", threads=1, timings=timing)
    with pytest.raises(NodeError, match="'orin' holds measured times, which are not those of power mode 'low'"):
        msgspec.structs.replace(preset("orin"), calibrations=(made,)).at_mode("low")


def test_no_work_draws_less_than_idling() -> None:
    """Energy is what work costs above idle: it would be negative."""
    timing = (Timing(batch=1, batch_s=1.0, samples=1),)
    made = Calibration(profile=MODEL, precision="int8", provider="CPU", threads=1, timings=timing, power_w=29.0)
    given = msgspec.structs.replace(preset("orin"), idle_power_w=30.0, calibrations=(made,))
    assert [field for field, _ in given.problems()] == ["power_modes[0].power_w", "calibrations[0].power_w"]
    assert "22.7, below idle_power_w 30.0" in given.problems()[0][1]
    assert not msgspec.structs.replace(given, idle_power_w=22.7).problems()
    assert not msgspec.structs.replace(given, idle_power_w=None).problems()


def test_every_problem_of_power_modes_is_told() -> None:
    bad = (
        PowerMode(name="", ops_per_s=10.0, power_w=5.0), PowerMode(name="b", ops_per_s=9.0, power_w=6.0),
        PowerMode(name="c", ops_per_s=1e20, power_w=-1.0), PowerMode(name="c", ops_per_s=1e21, power_w=7.0,
        precision="int4"),
    )  # fmt: skip
    orin = msgspec.structs.replace(preset("orin"), idle_power_w=None)
    fields = [field for field, _ in msgspec.structs.replace(orin, power_modes=bad).problems()]
    assert fields == [
        "power_modes[0].name", "power_modes[2].power_w", "power_modes[2].ops_per_s", "power_modes[3].precision",
        "power_modes[1]", "power_modes[2]", "power_modes[3].precision", "power_modes",
    ]  # fmt: skip


def test_whoever_is_to_reach_more_than_was_measured_is_told_so() -> None:
    assert preset("tbc-744", "peak").beyond_modes
    assert preset("tbc-744", "datacenter").beyond_modes
    assert not any(preset(name).beyond_modes for name in presets())
    assert not preset("tbc-744").at_mode("low").beyond_modes
