"""`orbitmesh calibrate`: what it writes is a processor that computes with what was measured; bad input is refused."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from emulator.calibration import doubts, measure, request
from emulator.calibration.processor import Roofs, processor
from emulator.calibration.report import FIGURES
from emulator.calibration.request import Wanted
from emulator.cli import main
from emulator.processor_file import read, text
from workloads.calibration import Calibration, Timing
from workloads.counting.graph import profile
from workloads.errors import ModelError
from workloads.loading.opening import open_model
from workloads.measuring import prepared
from workloads.measuring.device import Device
from workloads.measuring.loadgen import MLPERF, SCENARIOS
from workloads.measuring.prepared import How
from workloads.models import find_model

OWN = helper.make_opsetid("com.microsoft", 1)
QUICK = ("--duration", "0.05", "--threads", "1", "--batch", "1,2", "--latency-bound", "0.02")


def model(folder: Path, name: str, nodes: list[Any], shape: list[Any], held: list[Any]) -> str:
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, shape) for each in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), OWN], ir_version=8)
    (folder / name).write_bytes(made.SerializeToString())
    return name


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One real calibration for several tests: its folder, and its JSON."""
    folder = tmp_path_factory.mktemp("calibrated")
    printed = folder / "printed.json"
    files = ("--out", str(folder / "host.toml"), "--plot", str(folder / "p"))
    with printed.open("w") as stream, contextlib.redirect_stdout(stream):
        code = main(["calibrate", "cloud-screen", *QUICK, *files, "--json"])
    assert code == 0
    return folder, json.loads(printed.read_text())


def test_the_document_holds_device_provider_and_every_scenario(calibrated: tuple[Path, dict[str, Any]]) -> None:
    _, document = calibrated
    assert document["provider"] == "cpu"
    assert document["host"]["provider"] == "CPUExecutionProvider"
    assert document["device"]
    (found,) = document["models"]
    assert list(found["scenarios"]) == list(SCENARIOS)
    for name, figure in FIGURES.items():
        assert found["scenarios"][name][figure] >= 0.0
        assert found["scenarios"][name]["valid"] is False
        assert "of 600 s" in found["scenarios"][name]["short"]
    assert found["valid"] is False
    latency_s = found["scenarios"]["SingleStream"]["latency_s"]
    assert 0.0 < latency_s["p50"] <= latency_s["p90"] <= latency_s["p99"] <= latency_s["p100"]
    assert [each["batch"] for each in found["batches"]] == [1, 2]


def test_energy_is_absent_where_nobody_counts(calibrated: tuple[Path, dict[str, Any]]) -> None:
    _, document = calibrated
    (found,) = document["models"]
    if document["energy_source"].startswith("none"):
        assert found["power_w"] is found["joules_per_inference"] is None
        assert document["processor"]["busy_power_w"] is None
    else:
        assert found["power_w"] > 0.0


def test_the_file_is_a_processor_whose_jobs_take_what_was_measured(calibrated: tuple[Path, dict[str, Any]]) -> None:
    folder, document = calibrated
    made = read(folder / "host.toml")
    assert text(made) == (folder / "host.toml").read_text()
    (found,) = document["models"]
    times_s = {each["batch"]: each["batch_s"] for each in found["batches"]}
    job = made.job(profile(find_model("cloud-screen"), "cloud-screen"), 6, 2, "fp32")
    assert job.basis == "calibrated"
    assert job.duration_s == pytest.approx(3 * times_s[2])
    assert made.peak("fp32") >= max(found["ops"] * b / s for b, s in times_s.items())
    assert 0.0 < made.efficiency <= 1.0


def test_the_plot_is_there_as_png_and_svg(calibrated: tuple[Path, dict[str, Any]]) -> None:
    folder, document = calibrated
    assert sorted(path.name for path in (folder / "p").iterdir()) == ["calibration.png", "calibration.svg"]
    assert [Path(each).name for each in document["files"]] == ["host.toml", "calibration.png", "calibration.svg"]
    assert (
        "SingleStream" in (folder / "p" / "calibration.svg").read_text()
        or "<path" in (folder / "p" / "calibration.svg").read_text()
    )


def test_a_person_reads_tables_and_what_was_short(orbitmesh: Callable[..., Any]) -> None:
    code, out, err = orbitmesh("calibrate", "cloud-screen", *QUICK, "--scenario", "SingleStream,Offline")
    assert (code, err) == (0, "")
    for said in (
        "LoadGen scenarios",
        "SingleStream p90",
        "roofs: fp32",
        "CPUExecutionProvider",
        "short: MLPerf's rules",
        "662 queries (MultiStream)",
        "for 1,024 queries (SingleStream)",
    ):
        assert said in out


def test_the_latency_bound_is_marked_as_a_guess_until_one_is_given(
    calibrated: tuple[Path, dict[str, Any]], orbitmesh: Callable[..., Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(request, "LATENCY_BOUND_S", 0.02)  # a run lasts ten
    quick = ("cloud-screen", *QUICK[:-2], "--scenario", "Server")
    code, out, _ = orbitmesh("calibrate", *quick, "--out", "guessed.toml")
    assert code == 0
    assert "Server, p99 <= 20 ms [guess]" in out
    assert "calibrations.load.server_bound_s" in read(tmp_path / "guessed.toml").guesses
    _, given = calibrated
    assert "calibrations.load.server_bound_s" not in given["processor"]["guesses"]


def test_a_busy_host_is_told_on_screen_and_in_the_file(
    orbitmesh: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "MOST_TAIL", 0.0)  # no host is as steady as that
    files = ("--scenario", "SingleStream", "--out", "busy.toml")
    _, out, _ = orbitmesh("calibrate", "cloud-screen", *QUICK, *files)
    assert "cloud-screen: SingleStream's latency at 90 % is" in out
    (found,) = read(tmp_path / "busy.toml").calibrations
    assert "times the median of a batch of 1" in found.measured


def test_int8_is_the_same_model_quantised_here(orbitmesh: Callable[..., Any]) -> None:
    found = orbitmesh("calibrate", "cloud-screen", *QUICK, "--scenario", "Offline", "--precision", "int8", "--json")
    (one,) = found.document["models"]
    assert one["precision"] == "int8"
    assert one["sha256"] == profile(find_model("cloud-screen")).sha256
    assert "int8" in found.document["processor"]["peak_ops_per_s"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--provider", "abacus"), "provider 'abacus' is not there"),
        (("--batch", "1,x"), "--batch '1,x'"),
        (("--batch", "0"), "--batch is (0,)"),
        (("--batch", "100000"), "the largest batch that fits is"),
        (("--precision", "fp16"), "compute float16 in float32"),
        (("--threads", "-2"), "--threads is -2"),
        (("--threads", "100000"), "the cores it may use"),
        (("--provider", "CUDAExecutionProvider"), "did you mean 'cuda'"),
        (
            ("--file-bytes", "1000"),
            "larger than 1000 bytes, the limit: `inspect` and `calibrate` take more with --file-bytes",
        ),
        (("--file-bytes", "2GiB"), "--file-bytes 2147483648 cannot be"),
        (("--duration", "nan"), "--duration is nan"),
        (("--latency-bound", "0"), "--latency-bound is 0"),
        (("--scenario", "Offline,Online"), "--scenario is 'Online'"),
        (("--seed", "-1"), "--seed is -1"),
        (("--queries", "-1"), "--queries is -1"),
        (("--dim", "rows"), "--dim rows: give NAME=SIZE"),
        (("--dim", "rows=2", "--dim", "rows=3"), "rows is given twice"),
        (("--dim", "rows=2147483648"), "a size is 1 to 2147483647"),
        (("--dim", "rows=3"), "--dim rows: no such free axis; there are bands[0], batch"),
        (("--dim", "batch=8"), "--dim batch: is the first axis, the batch, whose sizes --batch gives"),
        (("--memory-bytes", "0"), "memory-bytes"),
        (("--rules", "mlperf", "--duration", "5"), "--rules mlperf brings its own"),
        (("--out", "host.txt"), "ends in .toml"),
        (("--out", "no/host.toml"), "there is no folder no"),
        (("cloud-screen",), "one model; name it once"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], said: str, refused: Callable[..., str]) -> None:
    assert said in refused("calibrate", "cloud-screen", *arguments)


def test_one_bad_model_is_refused_before_another_is_measured(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulator.calibration import measure as calibrate

    monkeypatch.setattr(calibrate.Bench, "model", lambda *_: pytest.fail("it was measured"))
    held = [helper.make_tensor("v", TensorProto.FLOAT, [], [float("nan")])]
    bad = model(tmp_path, "bad.onnx", [helper.make_node("Add", ["x", "v"], ["y"])], ["batch", 4], held)
    assert "NaN or infinity" in refused("calibrate", "cloud-screen", bad, "--json")


def test_a_file_that_is_there_is_not_written_over(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "host.toml").write_text("mine")
    assert "is there already" in refused("calibrate", "cloud-screen", "--out", "host.toml")


def test_mlperf_s_rules_can_be_asked_for() -> None:
    assert {name: Wanted(mlperf=True).rule(name) for name in SCENARIOS} == MLPERF
    assert Wanted(queries=7, duration_s=2.0).rule("Server").least_queries == 7


def test_a_processor_holds_the_roofs_or_the_best_model_where_that_is_faster() -> None:
    one = profile(find_model("cloud-screen"))
    device = Device(name="Some CPU", provider="CPUExecutionProvider", onnxruntime="1", host="h", cores=2, threads=2)

    def of(batch_s: float, power_w: float | None, idle_w: float | None) -> Any:
        each = Calibration(
            profile=one, precision="fp32", provider="cpu", threads=2, power_w=power_w,
            timings=(Timing(batch=1, batch_s=batch_s, samples=3),),
        )  # fmt: skip
        roofs = Roofs({"fp32": one.ops / 0.001}, 1e10, 1e-6)
        return processor(device, How(threads=2), roofs, (each,), idle_w, "2026-01-01T00:00:00Z")

    slower = of(0.004, None, None)
    assert (slower.peak("fp32"), slower.efficiency) == (pytest.approx(one.ops / 0.001), pytest.approx(0.25))
    assert (slower.idle_power_w, slower.busy_power_w) == (None, None)
    assert set(slower.guesses) == {"traffic_share", "memory_bytes"}  # this device told no memory
    faster = of(0.0005, 30.0, 12.0)
    assert (faster.peak("fp32"), faster.efficiency) == (pytest.approx(one.ops / 0.0005), 1.0)
    assert (faster.idle_power_w, faster.busy_power_w) == (12.0, 30.0)
    assert of(0.004, 10.0, 12.0).idle_power_w is None  # others drew power while this host was idle
    for each in (slower, faster):
        assert each.problems() == []


def test_idle_power_above_that_of_any_one_model_is_left_out() -> None:
    """Else its work would draw less than nothing; the busier model's power says nothing of it."""
    device = Device(name="Some CPU", provider="CPUExecutionProvider", onnxruntime="1", host="h", cores=2, threads=2)
    both = tuple(
        Calibration(
            profile=profile(find_model(name)), precision="fp32", provider="cpu", threads=2, power_w=power_w,
            timings=(Timing(batch=1, batch_s=0.004, samples=3),),
        )
        for name, power_w in (("cloud-screen", 30.0), ("vessels", 11.0))
    )  # fmt: skip
    roofs = Roofs({"fp32": 1e12}, 1e10, 1e-6)
    for idle_w, kept_w in ((12.0, None), (11.0, 11.0)):
        made = processor(device, How(threads=2), roofs, both, idle_w, "2026-01-01T00:00:00Z")
        assert (made.idle_power_w, made.busy_power_w) == (kept_w, 30.0)
        assert made.problems() == []


def test_a_model_of_one_s_own_without_any_product_is_measured(orbitmesh: Callable[..., Any], tmp_path: Path) -> None:
    name = model(tmp_path, "mine.onnx", [helper.make_node("Relu", ["x"], ["y"])], ["batch", 6], [])
    found = orbitmesh("calibrate", name, *QUICK, "--scenario", "Offline", "--json").document["models"][0]
    assert found["ops"] == 0
    assert np.isfinite(found["scenarios"]["Offline"]["samples_per_s"])


def test_four_bit_weights_are_calibrated_in_what_computes_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing computes in int4, in which no processor has a rate: without an accuracy level products run in float32."""
    monkeypatch.setattr(prepared, "open_tried", open_model)  # the trial is not what is tested
    blocks = {"B": np.zeros((24, 2, 16), np.uint8), "s": np.ones(48, np.float32)}
    held = [numpy_helper.from_array(value, name) for name, value in blocks.items()]
    for level, computes, other in ((0, "fp32", "int8"), (4, "int8", "fp32")):
        ways = {"K": 64, "N": 24, "bits": 4, "block_size": 32, "accuracy_level": level}
        node = helper.make_node("MatMulNBits", ["x", "B", "s"], ["y"], domain="com.microsoft", **ways)
        path = str(tmp_path / model(tmp_path, "four.onnx", [node], ["batch", None], held))
        made = prepared.prepare(path, How(dims={"x[1]": 64}), [np.zeros((4, 8, 8), np.float32)])
        assert (made.profile.precision, made.ran) == ("int4", computes)
        with pytest.raises(ModelError, match=f"computes in {computes}, not in {other}"):
            prepared.prepare(path, How(dims={"x[1]": 64}, precision=other), [])


@pytest.mark.parametrize(("quantised", "computes"), [("weights", "fp32"), ("activations too", "int8")])
def test_eight_bit_weights_alone_are_calibrated_in_float(
    quantised: str, computes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that are dequantised before use multiply floats; int8 takes both sides quantised."""
    monkeypatch.setattr(prepared, "open_tried", open_model)  # the trial is not what is tested
    values = {"q": np.ones((64, 64), np.int8), "s": np.float32(0.1), "z": np.uint8(0)}
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    weights = helper.make_node("DequantizeLinear", ["q", "s"], ["w"])
    around = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
              helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"])]  # fmt: skip
    nodes = [weights, helper.make_node("MatMul", ["x", "w"], ["y"])]
    if computes == "int8":
        nodes = [*around, weights, helper.make_node("MatMul", ["xd", "w"], ["y"])]
    path = str(tmp_path / model(tmp_path, "eight.onnx", nodes, ["batch", 64], held))
    made = prepared.prepare(path, How(), [np.zeros((4, 8, 8), np.float32)])
    assert (made.profile.precision, made.ran) == ("int8", computes)
    other = {"fp32": "int8", "int8": "fp32"}[computes]
    with pytest.raises(ModelError, match="in int8"):
        prepared.prepare(path, How(precision=other), [])


def test_a_folder_for_plots_that_cannot_be_is_refused_before_anything_is_measured(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure.Bench, "prepare", lambda *_: pytest.fail("it went to work"))
    (tmp_path / "file").write_text("mine")
    told = refused("calibrate", "cloud-screen", "--plot", "file/plots", "--out", "host.toml")
    assert "--plot file/plots: cannot be written" in told


class Ticking:
    """A clock that moves a millisecond each time it is read, and a counter of its seconds times 10 W."""

    source = "a counter of 10 W"

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 0.001
        return self.now_s

    def read_j(self) -> float:
        return 10.0 * self.now_s


def test_energy_is_that_of_the_round_that_counts(
    orbitmesh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticking = Ticking()
    monkeypatch.setattr(measure, "wall_s", ticking)
    monkeypatch.setattr(measure, "counter", lambda *_: (ticking, ""))
    best = Timing(batch=1, batch_s=1.0 / 800, samples=9)  # 42 calls are asked for, and take less than the 50 ticks
    monkeypatch.setattr(prepared, "best", lambda timings: best)
    quick = ("cloud-screen", *QUICK, "--scenario", "Offline", "--json")
    (found,) = orbitmesh("calibrate", *quick).document["models"]
    offline = found["scenarios"]["Offline"]
    assert offline["duration_s"] * offline["samples_per_s"] > 42.5  # it was run again
    assert found["power_w"] == pytest.approx(10.0, rel=0.05)  # a tick of fifty lies between the counter and the clock
    assert found["joules_per_inference"] == pytest.approx(10.0 / offline["samples_per_s"], rel=0.05)
