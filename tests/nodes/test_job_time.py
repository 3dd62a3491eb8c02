"""The time of a job: measured where it was measured, scaled from the most similar, else by roofline; never too fast."""

from math import log

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.errors import NodeError
from nodes.job_time import apart, batch_s, from_table, rising
from nodes.processor import Processor
from workloads.calibration import Calibration, Timing
from workloads.tasks import ModelProfile


def model(name: str, ops: int = 1000, moved_bytes: int = 100, precision: str = "fp32") -> ModelProfile:
    return ModelProfile(
        name=name, sha256=name, macs=ops // 2, ops=ops, parameters=0, weight_bytes=0, activation_bytes=moved_bytes,
        peak_activation_bytes=10, input_bytes=0, precision=precision,
    )  # fmt: skip


def measured(
    profile: ModelProfile, *timings: tuple[int, float], precision: str = "fp32", **more: object
) -> Calibration:
    rows = tuple(Timing(batch=batch, batch_s=seconds, samples=10) for batch, seconds in timings)
    return Calibration(profile=profile, precision=precision, provider="CPU", threads=1, timings=rows, **more)


def host(*calibrations: Calibration, **more: object) -> Processor:
    """1e6 operations a second at best, half of it reached; memory is no bound."""
    given = {"efficiency": 0.5, "memory_bytes_per_s": 1e12, "memory_bytes": 1e9, "peak_ops_per_s": {"fp32": 1e6}}
    return Processor(name="host", calibrations=calibrations, **(given | more))


# Measured: 1 inference in 10 ms, 4 in 22 ms, 8 in 30 ms. By hand: a batch of 2 takes 10 + 12/3 = 14 ms, one of 6
# takes 22 + 8/2 = 26 ms; nothing is known above 8, so 20 are two batches of 8 and one of 4.
CURVE = ((1, 10e-3), (4, 22e-3), (8, 30e-3))


@pytest.mark.parametrize(
    ("count", "batch", "seconds"),
    [
        (1, 64, 10e-3), (2, 64, 14e-3), (6, 64, 26e-3), (8, 64, 30e-3), (9, 64, 40e-3), (20, 64, 82e-3),
        (20, 4, 110e-3), (20, 1, 200e-3), (7, 2, 52e-3),
    ],
)  # fmt: skip
def test_a_measured_model_takes_what_was_measured(count: int, batch: int, seconds: float) -> None:
    job = host(measured(model("m"), *CURVE)).job(model("m"), count, batch, "fp32")
    assert job.duration_s == pytest.approx(seconds, rel=1e-12)
    assert (job.basis, job.bound, job.ops, job.precision) == ("calibrated", "measured", 1000 * count, "fp32")


def test_a_batch_below_the_smallest_measured_takes_as_long_as_it() -> None:
    assert batch_s(((8, 0.5), (16, 0.75)), 3) == 0.5
    assert from_table(((8, 0.5), (16, 0.75)), 35, 64) == 0.75 + 0.75 + 0.5


def test_noise_does_not_make_a_larger_batch_quicker() -> None:
    assert rising([(1, 2.0), (2, 1.5), (4, 3.0)]) == ((1, 2.0), (2, 2.0), (4, 3.0))


def test_another_file_of_the_same_name_is_not_the_same_model() -> None:
    other = msgspec.structs.replace(model("m"), sha256="another")
    assert host(measured(model("m"), *CURVE)).job(other, 1, 1, "fp32").basis == "scaled"


def test_a_model_measured_with_other_free_axes_is_scaled_not_taken_as_measured() -> None:
    larger = msgspec.structs.replace(model("m"), macs=4500, ops=9000, activation_bytes=900, input_bytes=9)
    job = host(measured(model("m"), *CURVE)).job(larger, 1, 1, "fp32")
    assert (job.basis, job.duration_s) == ("scaled", pytest.approx(9 * 10e-3))


def test_without_a_calibration_the_roofline_decides() -> None:
    job = host(launch_s=0.25).job(model("m"), 1000, 1, "fp32")
    assert (job.basis, job.bound) == ("preset", "compute")
    assert job.duration_s == pytest.approx(1e6 / 5e5 + 0.25)


def test_a_similar_model_is_scaled_by_roofline() -> None:
    """The measured one reaches 20 % at batch 1 and 40 % at batch 8 of the half that the roofline has."""
    known = measured(model("known", ops=1000), (1, 10e-3), (8, 40e-3))
    job = host(known).job(model("asked", ops=3000), 1, 1, "fp32")
    assert (job.basis, job.bound, job.measured_in) == ("scaled", "compute", "fp32")
    assert job.duration_s == pytest.approx(30e-3)  # 2 ms by roofline, measured at 10; so 6 ms become 30
    assert host(known).job(model("asked", ops=3000), 16, 8, "fp32").duration_s == pytest.approx(240e-3)


def test_what_is_scaled_never_beats_the_peak() -> None:
    """Measured at the peak itself, twice the roofline's rate: the scaled one could not be quicker than the peak."""
    known = measured(model("known", ops=1000, moved_bytes=0), (1, 1e-3))
    slow_memory = host(known, memory_bytes_per_s=1e5)
    asked = model("asked", ops=1000, moved_bytes=0)
    assert slow_memory.job(asked, 1, 1, "fp32").duration_s == pytest.approx(1e-3)
    wide = model("wide", ops=1000, moved_bytes=400)  # 1 ms of reading where the measured one had none
    assert slow_memory.job(wide, 1, 1, "fp32").duration_s >= 1e-3


def test_a_model_stored_like_those_measured_runs_as_they_did() -> None:
    """A measured host runs float32 files in float32, whatever precision the scenario wants of presets."""
    rates = {"fp32": 1e6, "int8": 4e6}
    float_only = host(measured(model("seen"), (1, 2.0)), peak_ops_per_s=rates)
    assert float_only.precision_of(model("new"), "int8") == "fp32"
    assert float_only.precision_of(model("quantised", precision="int8"), "int8") == "int8"  # none like it was measured
    assert host(peak_ops_per_s=rates).precision_of(model("new"), "int8") == "int8"


def test_the_nearest_of_several_is_taken() -> None:
    near, far = model("near", ops=2000, moved_bytes=200), model("far", ops=1_000_000, moved_bytes=10)
    both = host(measured(far, (1, 2.0)), measured(near, (1, 8e-3)))
    assert both.job(model("asked", ops=1000), 1, 1, "fp32").duration_s == pytest.approx(4e-3)


def test_one_of_the_same_precision_comes_before_a_nearer_one_of_another() -> None:
    asked = model("asked")
    twin = msgspec.structs.replace(model("twin"), precision="int8")
    other = model("other", ops=64_000, moved_bytes=64)
    rates = {"fp32": 1e6, "int8": 4e6}
    both = host(measured(twin, (1, 1.0), precision="int8"), measured(other, (1, 0.256)), peak_ops_per_s=rates)
    assert both.job(asked, 1, 1, "fp32").duration_s == pytest.approx(4e-3)  # other: twice its roofline of 128 ms
    only = host(measured(twin, (1, 1e-3), precision="int8"), peak_ops_per_s=rates)
    assert only.job(asked, 1, 1, "fp32").basis == "scaled"


def test_a_narrower_precision_than_the_measured_one_gains_nothing() -> None:
    """Float32: 1,000 operations measured in 10 ms; that int8 may peak four times as high proves nothing."""
    rates = {"fp32": 1e6, "int8": 4e6}
    float_only = host(measured(model("m", moved_bytes=0), (1, 10e-3)), peak_ops_per_s=rates)
    job = float_only.job(model("twin", ops=3000, moved_bytes=0, precision="int8"), 1, 1, "int8")
    assert (job.precision, job.basis, job.measured_in) == ("int8", "scaled", "fp32")
    assert job.duration_s == pytest.approx(30e-3)
    assert host(peak_ops_per_s=rates).job(model("other"), 1, 1, "int8").measured_in == ""


def test_a_wider_precision_than_the_measured_one_is_as_much_slower_as_its_peak_is_lower() -> None:
    seen = model("m", moved_bytes=0, precision="int8")
    int8_only = host(measured(seen, (1, 10e-3), precision="int8"), peak_ops_per_s={"fp32": 1e6, "int8": 4e6})
    job = int8_only.job(model("asked", moved_bytes=0), 1, 1, "fp32")
    assert (job.precision, job.duration_s) == ("fp32", pytest.approx(40e-3))


sizes = st.integers(1, 10**12)


@settings(derandomize=True, deadline=None)
@given(sizes, sizes, sizes, sizes)
def test_the_order_of_likeness_is_that_of_distances_in_logarithms(a: int, b: int, c: int, d: int) -> None:
    one, other = model("a", a, b), model("b", c, d)
    distance = abs(log(a / b) - log(c / d)) + abs(log(a) - log(c))
    assert log(apart(one, other)) == pytest.approx(distance, abs=1e-9)
    assert apart(one, other) == pytest.approx(apart(other, one), rel=1e-12)


def test_a_model_and_its_quantised_twin_have_one_intensity() -> None:
    assert apart(model("m", 1000, 400), model("m", 1000, 100, "int8")) == 1.0


seconds = st.floats(1e-3, 10.0)
counts = st.integers(1, 300)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 100), seconds), min_size=1, max_size=6), counts, counts, counts, st.booleans())
def test_more_inferences_never_take_less_time_nor_beat_the_peak(
    timings: list[tuple[int, float]], fewer: int, more: int, batch: int, same: bool
) -> None:
    unique = sorted(dict(timings).items())
    known = model("known", ops=10)
    processor = host(measured(known, *unique))
    assert processor.problems() == []
    asked = known if same else model("asked", ops=77, moved_bytes=5)
    few, many = (processor.job(asked, fewer + extra, batch, "fp32") for extra in (0, more))
    assert few.duration_s <= many.duration_s * (1 + 1e-12)
    assert many.ops <= 1e6 * many.duration_s * (1 + 1e-9)
    assert few.basis == ("calibrated" if same else "scaled")


# (stored, wanted, rates, runs, what float32's bytes shrink to: 4000 stored bytes become so many)
PRECISIONS = [
    ("fp32", "int8", ("int8", "fp32"), "int8", 1000),
    ("fp32", "fp32", ("int8", "fp32"), "fp32", 4000),
    ("int8", "int8", ("int8", "fp32"), "int8", 4000),
    ("int8", "fp32", ("int8", "fp32"), "int8", 4000),  # narrower already: it stays so
    ("fp16", "int8", ("int8", "fp16"), "int8", 2000),
    ("fp32", "int8", ("fp32",), "fp32", 4000),  # no rate for int8: the next wider
    ("int8", "int8", ("fp32",), "fp32", 4000),
    ("int4", "fp16", ("int8", "fp16"), "fp16", 4000),  # only the weights are narrow: products run as wanted
]


@pytest.mark.parametrize(("stored", "wanted", "rates", "runs", "needed"), PRECISIONS)
def test_bytes_and_rates_are_those_of_the_precision_that_runs(
    stored: str, wanted: str, rates: tuple[str, ...], runs: str, needed: int
) -> None:
    processor = host(peak_ops_per_s=dict.fromkeys(rates, 1e6))
    profile = msgspec.structs.replace(model("m", precision=stored), weight_bytes=4000, peak_activation_bytes=0)
    assert processor.precision_of(profile, wanted) == runs
    assert processor.memory_bytes_needed(profile, 1, wanted) == needed
    assert processor.job(profile, 1, 1, wanted).precision == runs


def test_a_precision_that_nothing_runs_in_is_refused() -> None:
    with pytest.raises(NodeError, match="cannot run 'm' in fp32: there is no rate for 'fp32' nor a wider precision"):
        host(peak_ops_per_s={"int8": 1e6}).job(model("m"), 1, 1, "fp32")


def test_a_calibrated_model_needs_no_memory_for_batches_that_it_does_not_run() -> None:
    profile = msgspec.structs.replace(model("m"), peak_activation_bytes=100)
    assert host(measured(profile, (1, 1.0), (8, 2.0))).memory_bytes_needed(profile, 64, "fp32") == 800
    assert host().memory_bytes_needed(profile, 64, "fp32") == 6400


def test_each_class_of_work_runs_at_its_own_share() -> None:
    """1,000 operations: 200 in matrix products at 1.5 x 0.5, 100 grouped at 0.1 x 0.5, 700 dense at 0.5 of 1e6."""
    mixed = msgspec.structs.replace(model("m", moved_bytes=0), matmul_ops=200, grouped_ops=100)
    job = host(work_factors={"matmul": 1.5, "grouped": 0.1}).job(mixed, 1, 1, "fp32")
    assert job.duration_s == pytest.approx(700 / 5e5 + 200 / 7.5e5 + 100 / 5e4)
    assert host(work_factors={"matmul": 9.0}).share("matmul") == 1.0


def test_a_calibration_faster_than_the_peak_is_refused_with_the_numbers() -> None:
    problems = dict(host(measured(model("m"), (1, 1e-3), (4, 3.9e-3))).problems())
    assert list(problems) == ["calibrations[0].timings[1].batch_s"]
    said = problems["calibrations[0].timings[1].batch_s"]
    assert "is 0.0039 s for 4 inferences of 1000 operations: 1.026e+06 ops/s, above peak_ops_per_s.fp32 = 1e+06" in said


def test_every_problem_of_a_calibration_is_told() -> None:
    bad = measured(msgspec.structs.replace(model("m"), weight_bytes=-1, precision="fp7"), (1, 1.0), precision="int8")
    twice = measured(model("n"), (1, 1.0))
    assert [field for field, _ in host(bad, twice, twice).problems()] == [
        "calibrations[0].profile.weight_bytes", "calibrations[0].profile.precision", "calibrations[0].precision",
        "calibrations",
    ]  # fmt: skip
