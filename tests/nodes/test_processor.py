"""Processors: what MLPerf measured is predicted, more work never takes less time, bad numbers are named."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.errors import NodeError
from nodes.processor import Processor, preset, presets
from workloads.tasks import ModelProfile

# ResNet-50 v1.5 at 224 x 224: 4.089e9 multiply-accumulates (MLPerf Inference), 25.56 M parameters (torchvision).
# Activation bytes: every float32 read and written by the 174 operators of onnx's light_resnet50, unfused.
RESNET_50 = ModelProfile(
    name="resnet50",
    sha256="",
    macs=4_089_000_000,
    ops=8_178_000_000,
    parameters=25_560_000,
    weight_bytes=102_240_000,
    activation_bytes=323_600_000,
    peak_activation_bytes=9_600_000,
    input_bytes=602_112,
)

# MLPerf Inference closed division, ResNet-50 offline, images/s, and the batch the submissions ran:
#   Jetson AGX Orin v3.0  6,438   256
#   L4                   13,158   256
#   A100 SXM 80          42,379  2048
#   H100 SXM             91,826  2048
MLPERF_OFFLINE = [("orin", 6_438, 256), ("l4", 13_158, 256), ("a100", 42_379, 2048), ("h100", 91_826, 2048)]
THREE_PERCENT = 0.03

IMAGES = 2**20


@pytest.mark.parametrize(("name", "images_per_s", "batch"), MLPERF_OFFLINE)
def test_offline_throughput_is_what_mlperf_measured(name: str, images_per_s: int, batch: int) -> None:
    job = preset(name).job(RESNET_50, IMAGES, batch)
    assert IMAGES / job.duration_s == pytest.approx(images_per_s, rel=THREE_PERCENT)
    assert job.bound == "compute"


def test_744_embedded_tops_are_about_17400_images_a_second() -> None:
    """744e12 at the share of its label that Orin reaches: 744 / 275 x 6,438 = 17,418 images/s, 256 on each module."""
    job = preset("tbc-744").job(RESNET_50, IMAGES, 3 * 256)
    assert IMAGES / job.duration_s == pytest.approx(17_400, rel=THREE_PERCENT)


def test_744_dense_tops_are_about_50500_images_a_second_if_memory_allows() -> None:
    """The A100's share, 0.555, of 744e12; the roofline of the guessed memory forbids it, and says so."""
    labelled_dense = msgspec.structs.replace(preset("tbc-744"), efficiency=0.555, memory_bytes_per_s=2039e9)
    assert IMAGES / labelled_dense.job(RESNET_50, IMAGES, 2048).duration_s == pytest.approx(50_500, rel=THREE_PERCENT)
    assert preset("tbc-744", "peak").job(RESNET_50, IMAGES, 256).bound == "memory"


def test_single_stream_latency_of_orin() -> None:
    """MLPerf Inference v3.0 closed, Jetson AGX Orin, ResNet-50 single stream: 0.633 ms at p90, which fixes launch_s."""
    job = preset("orin").job(RESNET_50, 1)
    assert job.duration_s == pytest.approx(0.633e-3, rel=THREE_PERCENT)
    assert job.bound == "launch"


def test_decoding_a_language_model_is_bound_by_memory() -> None:
    """8e9 parameters at a byte each, 2 operations a parameter: 8e9 / 204.8e9 s a token on Orin, whatever its peak."""
    decoder = ModelProfile(
        name="8b",
        sha256="",
        macs=8 * 10**9,
        ops=16 * 10**9,
        parameters=8 * 10**9,
        weight_bytes=32 * 10**9,
        activation_bytes=0,
        peak_activation_bytes=0,
        input_bytes=0,
    )
    job = msgspec.structs.replace(preset("orin"), launch_s=0.0).job(decoder, 10)
    assert job.bound == "memory"
    assert job.duration_s == pytest.approx(10 * 8e9 / 204.8e9, rel=1e-12)


def test_precision_scales_bytes_and_rates() -> None:
    a100 = preset("a100")
    needed = [a100.memory_bytes_needed(RESNET_50, 8, precision) for precision in ("fp32", "fp16", "int8")]
    assert needed == [102_240_000 + 8 * 9_600_000, 89_520_000, 44_760_000]
    assert a100.job(RESNET_50, 64, 64, "fp16").duration_s > a100.job(RESNET_50, 64, 64, "int8").duration_s


costs = st.integers(min_value=0, max_value=10**12)
counts = st.integers(min_value=1, max_value=10**6)


@settings(derandomize=True, deadline=None)
@given(
    ops=costs,
    weights=costs,
    activations=costs,
    fewer=counts,
    more=counts,
    batch=counts,
    name=st.sampled_from(presets()),
)
def test_more_inferences_never_take_less_time_nor_beat_the_peak(
    ops: int, weights: int, activations: int, fewer: int, more: int, batch: int, name: str
) -> None:
    profile = msgspec.structs.replace(RESNET_50, ops=ops, weight_bytes=weights, activation_bytes=activations)
    processor = preset(name)
    few, many = (processor.job(profile, fewer + extra, batch) for extra in (0, more))
    assert few.duration_s <= many.duration_s
    assert many.ops <= processor.peak("int8") * many.duration_s * (1.0 + 2.0**-50)


def test_every_preset_can_be_and_names_its_source() -> None:
    assert presets()[:2] == ("tbc-744", "tbc-417")
    for name in presets():
        assert preset(name).problems() == []
        assert preset(name).source
    assert preset("tbc-744").peak("int8") == 744e12
    assert 12 * preset("tbc-417").peak("int8") == pytest.approx(5e15, rel=0.001)
    assert preset("tbc-744", "peak").efficiency == 1.0
    assert "efficiency" not in preset("tbc-744", "peak").guesses


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: preset("tbc744"), "did you mean 'tbc-744'? the shipped ones are tbc-744, tbc-417, orin"),
        (lambda: preset("orin", "typical"), "the shipped ones are peak, embedded, datacenter"),
        (lambda: preset("orin").job(RESNET_50, 0), "0 inferences"),
        (lambda: preset("orin").job(RESNET_50, 1, 1, "int4"), "there is no precision 'int4'; take one of int8, fp16"),
        (lambda: preset("orin").memory_bytes_needed(RESNET_50, 1, "int4"), "take one of int8, fp16, fp32"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(ask: Callable[[], object], words: str) -> None:
    with pytest.raises(NodeError) as refused:
        ask()
    assert words in str(refused.value)


def test_every_problem_of_a_processor_is_reported() -> None:
    nan = float("nan")
    bad = Processor(
        name="bad",
        peak_ops_per_s={"int8": float("inf"), "int4": 1.0},
        efficiency=1.5,
        memory_bytes_per_s=0.0,
        memory_bytes=-1.0,
        traffic_share=nan,
        launch_s=-1e-3,
        idle_power_w=2.0,
        busy_power_w=1.0,
        guesses=("colour",),
    )
    assert [field for field, _ in bad.problems()] == [
        "peak_ops_per_s.int8",
        "peak_ops_per_s",
        "efficiency",
        "memory_bytes_per_s",
        "memory_bytes",
        "traffic_share",
        "launch_s",
        "busy_power_w",
        "guesses",
    ]
    assert "is 1.5; it must be a finite number above 0.0 and at most 1.0" in dict(bad.problems())["efficiency"]
