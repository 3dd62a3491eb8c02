"""`orbitmesh inspect`: what it counts, predicts, assumes and draws, and what it refuses."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from msgspec import structs
from onnx import TensorProto, helper, numpy_helper

from emulator.inspection import deployed, operating, predict
from emulator.processor_file import write
from nodes.processor import Processor, preset, presets
from workloads.calibration import Calibration, Timing
from workloads.counting.graph import count, profile
from workloads.loading.opening import open_model
from workloads.models import find_model

Command = Callable[..., Any]
Refused = Callable[..., str]
F32 = TensorProto.FLOAT


def save(
    path: Path, nodes: list[Any], inputs: dict[str, list[Any]], held: list[Any] | None = None, opset: int = 17
) -> None:
    """A model whose answer is the last node's."""
    fed = [helper.make_tensor_value_info(name, F32, shape) for name, shape in inputs.items()]
    end = helper.make_tensor_value_info(nodes[-1].output[0], F32, None)
    graph = helper.make_graph(nodes, "g", fed, [end], held or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    """Rows of any number by a matrix of 8 x 4."""
    held = [numpy_helper.from_array(np.zeros((8, 4), np.float32), "w")]
    save(tmp_path / "rows.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["batch", "tokens", 8]}, held)
    return "rows.onnx"


def test_the_document_adds_up(orbitmesh: Command) -> None:
    told = orbitmesh("inspect", "light-resnet50", "--json").document
    assert told["complete"]
    assert told["uncounted"] == []
    assert sum(each["macs"] for each in told["by_type"].values()) == told["macs"]
    assert told["by_precision"] == {"fp32": {"macs": told["macs"], "ops": told["ops"]}}
    assert told["by_type"]["Conv"]["nodes"] == 53  # He et al. 2016: 49 in the blocks and the stem, 4 projections
    assert told["by_type"]["Relu"] == {"nodes": 49, "uncounted": 0, "macs": 0, "ops": 0, "by_precision": {}}
    assert told["output_bytes"] == 1000 * 4
    assert told["input_bytes"] == 3 * 224 * 224 * 4
    moved_bytes = told["weight_bytes"] + told["activation_bytes"]
    assert told["ops_per_byte"] == pytest.approx(told["ops"] / moved_bytes)


def test_an_inference_of_a_decoder_is_said_to_be_one_byte(orbitmesh: Command) -> None:
    assert "one inference is one byte of a report" in orbitmesh("inspect", "captions").out
    assert "report" not in orbitmesh("inspect", "cloud-screen").out


def test_predictions_are_those_of_the_processors(orbitmesh: Command) -> None:
    told = orbitmesh("inspect", "light-resnet50", "--json", "--batch", "64").document
    counted = profile(find_model("light-resnet50"))
    assert [row["name"] for row in told["processors"]] == list(presets())
    for row in told["processors"]:
        processor = preset(row["name"])
        assert row["latency_s"] == processor.job(counted, 1, 1, "int8").duration_s
        assert row["throughput_per_s"] == pytest.approx(1 / row["latency_s"])
        assert row["batch_throughput_per_s"] == pytest.approx(64 / processor.job(counted, 64, 64, "int8").duration_s)
        assert row["batch_throughput_per_s"] >= row["throughput_per_s"]
        assert row["bound"] in {"compute", "memory", "launch"}
        assert row["fits"]


def test_no_point_lies_above_its_roof() -> None:
    counted = profile(find_model("light-resnet50"))
    for name in presets():
        processor = preset(name)
        for batch in (1, 8, 512):
            point = operating(processor, counted, batch, "int8")
            assert point is not None
            roof = min(point.roof_ops_per_s, point.ops_per_byte * processor.memory_bytes_per_s)
            assert point.ops_per_s <= roof * (1 + 1e-12)
            assert point.roof_ops_per_s <= processor.peak("int8") * (1 + 1e-12)


def test_free_axes_are_shown_and_can_be_set(orbitmesh: Command, tokens: str) -> None:
    assumed = orbitmesh("inspect", tokens, "--json").document
    assert assumed["assumed"] == {"x[0]": 1, "x[1]": 1}
    assert assumed["axis_names"] == {"x[0]": "batch", "x[1]": "tokens"}
    given = orbitmesh("inspect", tokens, "--dim", "tokens=100", "--dim", "x[0]=3", "--json").document
    assert given["macs"] == 3 * 100 * 8 * 4
    assert given["given"] == {"x[0]": 3, "x[1]": 100}
    shown = orbitmesh("inspect", tokens, "--dim", "tokens=7").out
    assert "free axes, assumed: x[0] (batch) = 1" in shown
    assert "free axes, given: x[1] (tokens) = 7" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--dim", "tokns=3"), "no free axis of that name; it has batch, tokens, x[0], x[1]"),
        (("--dim", "tokens=0"), "a size is 1 to 2147483647"),
        (("--dim", "tokens"), "give NAME=SIZE"),
        (("--dim", "tokens=-1"), "give NAME=SIZE"),
        (("--dim", "tokens=1e3"), "give NAME=SIZE"),
        (("--dim", "tokens=2", "--dim", "tokens=3"), "given twice"),
        (("--dim", "tokens=2000000000"), "bytes of memory; the limit is"),
        (("--batch", "0"), "a batch is 1 to 1000000"),
        (("--processor", "none.toml"), "none.toml: cannot be read"),
        (("--plot", "rows.onnx"), "--plot rows.onnx: cannot be written"),
    ],
)
def test_options_that_cannot_be_are_refused(options: tuple[str, ...], said: str, tokens: str, refused: Refused) -> None:
    assert said in refused("inspect", tokens, *options)


def test_what_cannot_be_counted_is_listed_and_the_rest_is_a_lower_bound(orbitmesh: Command, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["t"], name="known"),
        helper.make_node("Unsqueeze", ["t", "axes"], ["u"]),
        helper.make_node("DFT", ["u"], ["y"], name="spectrum"),
    ]
    held = [numpy_helper.from_array(np.zeros((8, 4), np.float32), "w"), numpy_helper.from_array(np.array([2]), "axes")]
    save(tmp_path / "odd.onnx", nodes, {"x": [3, 8]}, held)
    done = orbitmesh("inspect", "odd.onnx", "--json", "--plot", "drawn")
    assert (done.code, done.err) == (0, "")
    told = done.document
    assert told["complete"] is False
    assert told["macs"] == 3 * 8 * 4
    why = "a Fourier transform: its algorithm decides what it computes"
    assert told["uncounted"] == [{"name": "spectrum", "operator": "DFT", "why": why}]
    assert [kind for kind, each in told["by_type"].items() if each["uncounted"]] == ["DFT"]
    shown = orbitmesh("inspect", "odd.onnx").out
    assert "NOT counted: the totals are a lower bound" in shown
    assert re.search(r"DFT\s+│ spectrum\s+│ a Fourier transform", shown)
    assert "at least 96 MAC" in shown
    assert "at best" in shown


def test_control_flow_is_listed_but_never_run(
    orbitmesh: Command, refused: Refused, scenario: Any, tmp_path: Path
) -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "b", [], [helper.make_tensor_value_info("z", F32, None)]
    )
    nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch, name="choice")]
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    save(tmp_path / "if.onnx", nodes, {"x": [1, 4, 128, 128]}, [yes])
    told = orbitmesh("inspect", "if.onnx", "--json").document
    assert [(each["operator"], each["name"]) for each in told["uncounted"]] == [("If", "choice")]
    mine = scenario('[imaging]\nmodel = "odd"\n[models]\nodd = "if.onnx"\n')
    assert "control flow" in refused("run", mine, "--policy", "onboard")


def test_a_model_that_multiplies_nothing_has_no_roofline(orbitmesh: Command, tmp_path: Path) -> None:
    save(tmp_path / "relu.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"x": [1, 4]})
    told = orbitmesh("inspect", "relu.onnx", "--json", "--plot", "drawn").document
    assert (told["macs"], told["plots"]) == (0, [])
    assert not (tmp_path / "drawn").exists()
    assert "no roofline" in orbitmesh("inspect", "relu.onnx", "--plot", "drawn").out


def test_the_roofline_is_drawn_twice_and_always_the_same(orbitmesh: Command, tmp_path: Path) -> None:
    told = orbitmesh("inspect", "cloud-screen", "--plot", "drawn", "--json").document
    assert told["plots"] == ["drawn/roofline.png", "drawn/roofline.svg"]
    assert (tmp_path / told["plots"][0]).read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / told["plots"][1]).read_text(encoding="utf-8")
    assert "<svg" in drawn
    orbitmesh("inspect", "cloud-screen", "--plot", "again")
    assert (tmp_path / "again" / "roofline.svg").read_text(encoding="utf-8") == drawn
    assert not list((tmp_path / "drawn").glob(".*"))


def test_a_processor_file_stands_beside_the_presets(orbitmesh: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[processor]\nname = "mine"\nmemory_bytes_per_s = 1e9\nmemory_bytes = 1e6\nefficiency = 0.5\n'
        "peak_ops_per_s = { fp32 = 1e9 }\n"
    )
    row = orbitmesh("inspect", "light-resnet50", "--processor", "mine.toml", "--json").document["processors"][-1]
    counted = profile(find_model("light-resnet50"))
    assert (row["name"], row["precision"], row["bound"], row["fits"]) == ("mine", "fp32", "compute", False)
    assert row["latency_s"] == pytest.approx(counted.ops / 0.5e9)
    assert "mine (does not fit)" in orbitmesh("inspect", "light-resnet50", "--processor", "mine.toml").out


def test_a_calibration_is_taken_before_the_roofline(orbitmesh: Command, tmp_path: Path) -> None:
    counted = profile(find_model("cloud-screen"))
    timings = (Timing(batch=1, batch_s=0.004, samples=100), Timing(batch=8, batch_s=0.02, samples=100))
    measured = Calibration(profile=counted, precision="int8", provider="cpu", threads=1, timings=timings)
    write(structs.replace(preset("orin"), name="measured", calibrations=(measured,)), tmp_path / "measured.toml")
    told = orbitmesh("inspect", "cloud-screen", "--processor", "measured.toml", "--batch", "8", "--json").document
    row = told["processors"][-1]
    assert (row["latency_s"], row["throughput_per_s"]) == (0.004, 250.0)
    assert (row["batch_latency_s"], row["batch_throughput_per_s"]) == (0.02, 400.0)
    assert (row["basis"], row["bound"]) == ("calibrated", "measured")


def test_scaling_across_precisions_is_said_and_gains_nothing(orbitmesh: Command, tmp_path: Path) -> None:
    """Only the float model was measured, on a host whose int8 peak is four times as high."""
    measured = Calibration(
        profile=profile(find_model("cloud-screen")), precision="fp32", provider="cpu", threads=1,
        timings=(Timing(batch=1, batch_s=0.004, samples=100),),
    )  # fmt: skip
    rates = {"fp32": 1e12, "int8": 4e12}
    write(structs.replace(preset("orin"), name="seen", peak_ops_per_s=rates, power_modes=(), calibrations=(measured,)),
          tmp_path / "seen.toml")  # fmt: skip
    asked = ("inspect", "cloud-screen-int8", "--processor", "seen.toml")
    row = orbitmesh(*asked, "--json").document["processors"][-1]
    assert (row["basis"], row["precision"], row["measured_in"]) == ("scaled", "int8", "fp32")
    assert row["bound"] in ("compute", "memory", "launch")
    assert row["throughput_per_s"] < 1.2 / 0.004  # as many operations, fewer bytes, and no higher rate
    shown = orbitmesh(*asked).out
    assert "scaled from fp32 [guess]" in shown
    assert "seen: scaled from another precision: fp32 was measured, no gain assumed for int8 [guess]" in shown


def test_it_says_that_a_float_file_is_predicted_as_quantised(orbitmesh: Command) -> None:
    said = "stored fp32, predicted as quantised to int8; --precision fp32"
    assert said in orbitmesh("inspect", "cloud-screen").out
    assert "predicted as quantised" not in orbitmesh("inspect", "cloud-screen", "--precision", "fp32").out
    assert "predicted as quantised" not in orbitmesh("inspect", "cloud-screen-int8").out


def test_eight_bit_weights_alone_are_predicted_in_float_with_the_bytes_of_the_file(tmp_path: Path) -> None:
    held = {"q": np.ones((512, 512), np.int8), "s": np.float32(0.1)}
    nodes = [helper.make_node("DequantizeLinear", ["q", "s"], ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()]
    save(tmp_path / "eight.onnx", nodes, {"x": [64, 512]}, tensors)
    counted = count(open_model(tmp_path / "eight.onnx"))
    assert (counted.precision, counted.computes) == ("int8", "fp32")
    slow = Processor(name="slow", peak_ops_per_s={"fp32": 1e9, "int8": 8e9}, efficiency=1.0, memory_bytes_per_s=1e9,
                     memory_bytes=10**9, traffic_share=1.0)  # fmt: skip
    wide, narrow = (predict(slow, deployed(counted, each), 1, each) for each in ("fp32", "int8"))
    assert (wide.precision, narrow.precision) == ("fp32", "int8")
    assert wide.latency_s == pytest.approx(2 * 64 * 512 * 512 / 1e9)
    assert narrow.latency_s == pytest.approx(2 * 64 * 512 * 512 / 8e9)
    point = operating(slow, deployed(counted, "fp32"), 1, "fp32")
    assert point is not None
    assert point.ops_per_byte == pytest.approx(2 * 64 * 512 * 512 / (512 * 512 + 4 + 4 * 2 * 64 * 512))


@pytest.mark.parametrize("name", ["mobilenet-v2", "light-resnet50"])
def test_a_model_is_shown_by_the_name_asked_for(orbitmesh: Command, name: str) -> None:
    assert orbitmesh("inspect", name).out.startswith(f"{name}: ")


def test_the_limits_of_a_file_can_be_raised_and_lowered(
    orbitmesh: Command, refused: Refused, tokens: str, tmp_path: Path
) -> None:
    size_bytes = (tmp_path / tokens).stat().st_size
    said = refused("inspect", tokens, "--file-bytes", str(size_bytes - 1))
    assert (
        f"larger than {size_bytes - 1} bytes, the limit: `inspect` and `calibrate` take more with --file-bytes" in said
    )
    assert orbitmesh("inspect", tokens, "--file-bytes", str(size_bytes)).code == 0
    assert "take more with --memory-bytes" in refused("inspect", tokens, "--memory-bytes", "100B")
    assert "--file-bytes 3221225472 cannot be" in refused("inspect", tokens, "--file-bytes", "3GiB")


def test_a_convolution_that_does_not_fit_is_refused(refused: Refused, tmp_path: Path) -> None:
    held = [numpy_helper.from_array(np.zeros((8, 7, 3, 3), np.float32), "w")]
    save(tmp_path / "misfit.onnx", [helper.make_node("Conv", ["x", "w"], ["y"])], {"x": [1, 4, 32, 32]}, held)
    said = refused("inspect", "misfit.onnx")
    assert "shapes do not fit at Conv 'y': 'x' [1, 4, 32, 32] and 'w' [8, 7, 3, 3]: 4 channels come in" in said


BAD_MODELS = {
    "new.onnx": ("Relu", 999, "onnxruntime does not take them"),
    "clash.onnx": ("MatMul", 17, "contradict each other"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_models_that_cannot_be_are_refused(name: str, refused: Refused, tmp_path: Path) -> None:
    kind, opset, said = BAD_MODELS[name]
    inputs = {"x": [2, 3], "z": [4, 5]} if kind == "MatMul" else {"x": [2, 3]}
    save(tmp_path / name, [helper.make_node(kind, list(inputs), ["y"])], inputs, opset=opset)
    assert said in refused("inspect", name)


def test_seventy_bytes_that_ask_for_thirty_two_gibibytes_are_refused(refused: Refused, tmp_path: Path) -> None:
    model = onnx.ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 17)])
    model.graph.name = "g"
    model.graph.node.append(helper.make_node("ConstantOfShape", ["n"], ["y"]))
    model.graph.initializer.append(helper.make_tensor("n", TensorProto.INT64, [1], [2**33]))
    model.graph.output.append(onnx.ValueInfoProto(name="y"))
    path = tmp_path / "bomb.onnx"
    path.write_bytes(model.SerializeToString())
    assert path.stat().st_size <= 80
    assert f"asks for {4 * 2**33 + 8} bytes" in refused("inspect", "bomb.onnx")  # and the length itself
