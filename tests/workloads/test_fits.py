"""Operands that do not fit are refused, naming node and shapes; those that fit, as onnxruntime has it, are taken."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from workloads.errors import ModelError
from workloads.loading.opening import open_model
from workloads.runtime import onnxruntime

F32, U8, I32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT32
SCALES = {"s": np.float32(0.1), "z": np.uint8(0), "t": np.float32(0.1), "w0": np.int8(0)}


def save(folder: Path, kind: str, shape: list[Any], kernel: list[int], domain: str = "", **attributes: int) -> Path:
    """A model of one node: an input x of `shape` and weights w of shape `kernel`, quantised where the node is."""
    quantised = kind in ("QLinearConv", "ConvInteger", "MatMulInteger", "QLinearMatMul", "QGemm")
    held: dict[str, Any] = {"w": np.ones(kernel, np.int8 if quantised else np.float32)}
    fed = ["x", "w"]
    if kind in ("QLinearConv", "QLinearMatMul"):
        fed, held = ["x", "s", "z", "w", "t", "w0", "s", "z"], held | SCALES
    if kind == "QGemm":
        fed, held = ["x", "s", "z", "w", "t", "w0"], held | SCALES
    node = helper.make_node(kind, fed, ["y"], name="the-node", domain=domain, **attributes)
    made = I32 if kind.endswith("Integer") else U8 if kind.startswith("QLinear") else F32
    ends = [helper.make_tensor_value_info("x", U8 if quantised else F32, shape)]
    out = [helper.make_tensor_value_info("y", made, None)]
    graph = helper.make_graph(
        [node], "g", ends, out, [numpy_helper.from_array(np.asarray(v), k) for k, v in held.items()]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


OURS = "com.microsoft"
MISFITS = [
    ("Conv", [1, 4, 8, 8], [6, 7, 3, 3], "", {}),
    ("Conv", [1, 4, 8, 8], [6, 4, 3, 3], "", {"group": 2}),
    ("Conv", [1, 4, 8, 8], [5, 2, 3, 3], "", {"group": 2}),  # five outputs in two groups
    ("FusedConv", [1, 4, 8, 8], [6, 7, 3, 3], OURS, {}),
    ("ConvInteger", [1, 4, 8, 8], [6, 7, 3, 3], "", {}),
    ("QLinearConv", [1, 4, 8, 8], [6, 7, 3, 3], "", {}),
    ("ConvTranspose", [1, 4, 8, 8], [7, 6, 2, 2], "", {}),
    ("ConvTranspose", [1, 4, 8, 8], [4, 6, 2, 2], "", {"group": 3}),
    ("Gemm", [2, 4], [5, 6], "", {}),
    ("Gemm", [2, 4], [4, 6], "", {"transA": 1}),
    ("QGemm", [2, 4], [5, 6], OURS, {}),
    ("MatMul", [2, 4], [5, 6], "", {}),
    ("MatMulInteger", [2, 4], [5, 6], "", {}),
    ("QLinearMatMul", [2, 4], [5, 6], "", {}),
    ("FusedMatMul", [2, 4], [4, 6], OURS, {"transB": 1}),
]


@pytest.mark.parametrize(("kind", "shape", "kernel", "domain", "attributes"), MISFITS)
def test_operands_that_do_not_fit_are_refused_with_node_and_shapes(
    kind: str, shape: list[int], kernel: list[int], domain: str, attributes: dict[str, int], tmp_path: Path
) -> None:
    path = save(tmp_path, kind, shape, kernel, domain, **attributes)
    with pytest.raises(ModelError, match=r"shapes (do not fit|contradict each other) at") as told:
        open_model(path)
    assert f"{kind} 'the-node'" in str(told.value)


def test_the_refusal_says_both_shapes_and_what_meets_what(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as told:
        open_model(save(tmp_path, "Conv", [1, 4, 8, 8], [6, 7, 3, 3]))
    said = (
        "Conv 'the-node': 'x' [1, 4, 8, 8] and 'w' [6, 7, 3, 3]: 4 channels come in, the kernel takes 7 in each of 1 "
    )
    assert said in str(told.value)


def test_a_size_that_was_only_assumed_is_told_with_the_option_that_sets_it(tmp_path: Path) -> None:
    path = save(tmp_path, "Conv", [1, "depth", 8, 8], [6, 7, 3, 3])
    with pytest.raises(ModelError, match=r"x\[1\] = 1, which --dim"):
        open_model(path)
    assert open_model(path, dims={"depth": 7}).tensors.shapes["y"] == (1, 6, 6, 6)


FITTING = [
    ("Conv", [1, 4, 8, 8], [6, 2, 3, 3], "", {"group": 2}),
    ("Conv", [1, 4, 8], [4, 1, 3], "", {"group": 4}),
    ("FusedConv", [1, 4, 8, 8], [6, 4, 3, 3], OURS, {}),
    ("ConvInteger", [1, 4, 8, 8], [6, 4, 3, 3], "", {}),
    ("QLinearConv", [1, 4, 8, 8], [6, 4, 3, 3], "", {}),
    ("ConvTranspose", [1, 4, 8, 8], [4, 3, 2, 2], "", {"group": 2}),
    ("Gemm", [4, 2], [6, 4], "", {"transA": 1, "transB": 1}),
    ("QGemm", [2, 4], [6, 4], OURS, {"transB": 1}),
    ("MatMul", [3, 2, 4], [4], "", {}),
    ("MatMul", [4], [3, 4, 5], "", {}),
    ("MatMulInteger", [2, 4], [4, 6], "", {}),
    ("QLinearMatMul", [2, 4], [4, 6], "", {}),
    ("FusedMatMul", [4, 2], [6, 4], OURS, {"transA": 1, "transB": 1}),
]


@pytest.mark.parametrize(("kind", "shape", "kernel", "domain", "attributes"), FITTING)
def test_what_onnxruntime_runs_is_taken(
    kind: str, shape: list[int], kernel: list[int], domain: str, attributes: dict[str, int], tmp_path: Path
) -> None:
    model = open_model(save(tmp_path, kind, shape, kernel, domain, **attributes))
    session = onnxruntime().InferenceSession(model.data, providers=["CPUExecutionProvider"])
    fed = session.get_inputs()[0]
    (made,) = session.run(None, {"x": np.ones(shape, np.float32 if "float" in fed.type else np.uint8)})
    assert model.tensors.shapes["y"] in (made.shape, None)
