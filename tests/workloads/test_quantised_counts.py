"""Quantised graphs, made by onnxruntime's own tools from a float model: the same work, other precisions and bytes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from workloads.counting.graph import GraphCount, count
from workloads.loading.opening import open_model
from workloads.sessions import open_session

node = helper.make_node
SIZE = 16  # pixels of the small network's input
CONV_MACS = SIZE * SIZE * 8 * 3 * 9 + (SIZE // 2) ** 2 * 16 * 8 * 9
DENSE_MACS = 16 * 32 + 32 * 10
WEIGHTS = 8 * 3 * 9 + 16 * 8 * 9 + 16 * 32 + 32 * 10
BIASES = 8 + 16 + 32 + 10


def weights() -> Iterator[Any]:
    """The weights of the small network, drawn from a fixed seed."""
    draw = np.random.default_rng(1)
    shapes: Mapping[str, tuple[int, ...]] = {
        "w1": (8, 3, 3, 3), "b1": (8,), "w2": (16, 8, 3, 3), "b2": (16,), "w3": (16, 32), "b3": (32,), "w4": (32, 10),
        "b4": (10,),
    }  # fmt: skip
    for name, shape in shapes.items():
        yield numpy_helper.from_array(draw.normal(size=shape).astype(np.float32), name)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions and two dense layers, in float."""
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1] * 4, name="conv1"),
        node("Relu", ["c1"], ["r1"], name="relu1"),
        node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2], name="pool"),
        node("Conv", ["p1", "w2", "b2"], ["c2"], pads=[1] * 4, name="conv2"),
        node("Relu", ["c2"], ["r2"], name="relu2"),
        node("GlobalAveragePool", ["r2"], ["g"], name="mean"),
        node("Flatten", ["g"], ["f"], name="flat"),
        node("MatMul", ["f", "w3"], ["m1"], name="dense1"),
        node("Add", ["m1", "b3"], ["a1"], name="bias1"),
        node("Relu", ["a1"], ["r3"], name="relu3"),
        node("MatMul", ["r3", "w4"], ["m2"], name="dense2"),
        node("Add", ["m2", "b4"], ["y"], name="bias2"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "small", [x], [y], list(weights()))
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class Scenes(CalibrationDataReader):
    """Four inputs of noise to find the ranges with."""

    def __init__(self) -> None:
        draw = np.random.default_rng(2)
        self.left = [{"x": draw.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)} for _ in range(4)]

    def get_next(self) -> dict[str, Any] | None:
        return self.left.pop() if self.left else None


def static(small: Path, form: QuantFormat, folder: Path) -> GraphCount:
    made = folder / f"{form.name}.onnx"
    signed = QuantType.QInt8 if form is QuantFormat.QDQ else QuantType.QUInt8
    quantize_static(small, made, Scenes(), quant_format=form, activation_type=signed, weight_type=QuantType.QInt8)
    return count(open_model(made))


def test_the_float_model_counts_by_hand(small: Path) -> None:
    counted = count(open_model(small))
    assert counted.macs == CONV_MACS + DENSE_MACS
    assert (counted.parameters, counted.weight_bytes) == (WEIGHTS + BIASES, 4 * (WEIGHTS + BIASES))
    assert counted.by_precision == {"fp32": counted.macs}
    assert (counted.matmul_macs, counted.grouped_macs, counted.precision) == (DENSE_MACS, 0, "fp32")


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_a_statically_quantised_model_does_the_same_work_in_int8(
    form: QuantFormat, small: Path, tmp_path: Path
) -> None:
    counted, wide = static(small, form, tmp_path), count(open_model(small))
    assert counted.uncounted == ()
    assert counted.unsized == ()
    assert counted.by_precision == {"int8": CONV_MACS + DENSE_MACS}
    assert counted.matmul_macs == DENSE_MACS
    assert counted.parameters == WEIGHTS + BIASES
    assert counted.precision == "int8"
    assert WEIGHTS + BIASES <= counted.weight_bytes < 0.5 * wide.weight_bytes
    assert counted.profile().ops == wide.ops
    assert counted.peak_activation_bytes <= 0.5 * wide.peak_activation_bytes + wide.input_bytes


def test_what_lies_between_quantised_operators_is_one_byte_an_element(small: Path, tmp_path: Path) -> None:
    counted = static(small, QuantFormat.QDQ, tmp_path)
    # read and written by hand, one byte an element: the first convolution with its Relu in the graph no more, ...
    image, first, second = 3 * SIZE**2, 8 * SIZE**2, 16 * (SIZE // 2) ** 2
    pooled = 8 * (SIZE // 2) ** 2
    convolutions = (image + first) + (pooled + second)
    pools = (first + pooled) + (second + 16)
    entering = 4 * image + image
    assert counted.activation_bytes >= entering + convolutions + pools
    assert counted.activation_bytes <= 1.2 * (entering + convolutions + pools) + first + second


def test_a_dynamically_quantised_model_does_the_same_work_in_int8(small: Path, tmp_path: Path) -> None:
    made = tmp_path / "dynamic.onnx"
    quantize_dynamic(small, made, weight_type=QuantType.QUInt8)
    counted = count(open_model(made))
    assert counted.uncounted == ()
    assert counted.by_precision == {"int8": CONV_MACS + DENSE_MACS}
    assert set(counted.by_type) >= {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"}
    assert counted.parameters == WEIGHTS + BIASES


@pytest.mark.parametrize(("level", "precision"), [(0, "fp32, int4 weights"), (4, "int8, int4 weights")])
def test_four_bit_weights_weigh_half_a_byte(level: int, precision: str, tmp_path: Path) -> None:
    """The layout of ContribOperators.md, as onnxruntime itself takes it: (N, K / block, block / 2) and a scale each."""
    k, n, block = 256, 128, 32
    packed = np.full((n, k // block, block // 2), 0x99, np.uint8)  # each weight 9, less the zero point 8
    scales = np.ones((n, k // block), np.float32)
    held = [numpy_helper.from_array(packed, "w"), numpy_helper.from_array(scales, "s")]
    ways = {"K": k, "N": n, "bits": 4, "block_size": block, "accuracy_level": level}
    product = node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", **ways)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5, k])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5, n])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "nbits.onnx"
    path.write_bytes(
        helper.make_model(
            helper.make_graph([product], "g", [x], [y], held), opset_imports=opsets, ir_version=8
        ).SerializeToString()
    )
    counted = count(model := open_model(path))
    answer = open_session(model).run(None, {"x": np.ones((1, 5, k), np.float32)})[0]
    assert answer.sum() == pytest.approx(counted.macs, rel=0.01)  # ones summed: one for each multiply-accumulate
    assert counted.by_precision == {precision: 5 * k * n}
    assert (counted.parameters, counted.precision) == (k * n, "int4")
    assert counted.weight_bytes == k * n // 2 + 4 * k * n // block


def test_weights_alone_stored_narrow_compute_wide(tmp_path: Path) -> None:
    """int8 weights, dequantised and turned over before a product with a float input."""
    held = [numpy_helper.from_array(np.zeros((7, 4), np.int8), "q"), numpy_helper.from_array(np.float32(1), "s")]
    nodes = [
        node("DequantizeLinear", ["q", "s"], ["w"]),
        node("Transpose", ["w"], ["t"], perm=[1, 0]),
        node("MatMul", ["x", "t"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 7])
    graph = helper.make_graph(nodes, "g", [x], [y], held)
    path = tmp_path / "narrow.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    counted = count(open_model(path))
    assert counted.by_precision == {"fp32, int8 weights": 3 * 4 * 7}
    assert (counted.parameters, counted.weight_bytes, counted.precision) == (28, 28 + 4, "int8")
