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
from workloads.models import shipped_models
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


ROWS, INNER, COLUMNS = 5, 6, 10  # of the product in the chain below


def dynamic_chain(*more: Any) -> list[Any]:
    """A product as `quantize_dynamic` writes it, from floats to floats, and what is added behind."""
    return [
        node("Relu", ["x"], ["r"]),
        node("DynamicQuantizeLinear", ["r"], ["q", "s", "z"]),
        node("MatMulInteger", ["q", "w", "z"], ["whole"]),
        node("Cast", ["whole"], ["wide"], to=TensorProto.FLOAT),
        node("Mul", ["s", "ws"], ["scale"]),
        node("Mul", ["wide", "scale"], ["scaled"]),
        node("Add", ["scaled", "b"], ["y"]),
        *more,
    ]


def counted_graph(
    nodes: list[Any], x: list[int], held: Mapping[str, Any], outputs: list[str], path: Path
) -> GraphCount:
    """Count a graph of float input `x`; its outputs are float."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return count(open_model(path))


CHAIN_HELD = {"w": np.ones((INNER, COLUMNS), np.int8), "ws": np.float32(0.1), "b": np.ones(COLUMNS, np.float32)}
SCALES = 1 + (4 + 4)  # bytes: the zero point that the product reads, one scale made of the other


def test_a_dynamic_chain_reads_bytes_and_writes_floats_once(tmp_path: Path) -> None:
    counted = counted_graph(dynamic_chain(), [ROWS, INNER], CHAIN_HELD, ["y"], tmp_path / "m.onnx")
    read, made = ROWS * INNER, ROWS * COLUMNS
    assert counted.activation_bytes == (4 * read + read) + (read + 4 * made) + SCALES
    # at most alive: the quantised operand, its scale and zero point, and the products, which nothing rewrites elsewhere
    assert counted.peak_activation_bytes == read + 4 + 1 + 4 * made


def test_a_chain_in_the_middle_of_others_hands_on_bytes(tmp_path: Path) -> None:
    nodes = dynamic_chain(
        node("DynamicQuantizeLinear", ["y"], ["q2", "s2", "z2"]), node("MatMulInteger", ["q2", "w2", "z2"], ["end"])
    )
    held = CHAIN_HELD | {"w2": np.ones((COLUMNS, 7), np.int8)}
    counted = counted_graph(
        [*nodes, node("Cast", ["end"], ["f"], to=1)], [ROWS, INNER], held, ["f"], tmp_path / "m.onnx"
    )
    read, made, last = ROWS * INNER, ROWS * COLUMNS, ROWS * 7
    assert counted.activation_bytes == 5 * read + (read + made) + SCALES + (made + 4 * last) + 1


@pytest.mark.parametrize(
    ("more", "outputs", "bytes_more"),
    [
        # read twice, what is scaled is written, and the bias a pass of its own
        ((node("Neg", ["scaled"], ["t"]),), ["y", "t"], (8 + 8) * ROWS * COLUMNS),
        # ... so are the products, and scaling, bias included, which then reads its scale too
        ((node("Neg", ["wide"], ["t"]),), ["y", "t"], (8 + 8) * ROWS * COLUMNS + 4),
        # a sum of two tensors is no bias
        ((node("Add", ["y", "y"], ["t"]),), ["t"], 12 * ROWS * COLUMNS),
    ],
)
def test_what_something_else_reads_is_written_out(
    more: tuple[Any, ...], outputs: list[str], bytes_more: int, tmp_path: Path
) -> None:
    alone = counted_graph(dynamic_chain(), [ROWS, INNER], CHAIN_HELD, ["y"], tmp_path / "a.onnx")
    other = counted_graph(dynamic_chain(*more), [ROWS, INNER], CHAIN_HELD, outputs, tmp_path / "b.onnx")
    assert other.activation_bytes - alone.activation_bytes == bytes_more


def quantised_image(scaling: list[Any]) -> list[Any]:
    """An image that is scaled to `m`, quantised, and convolved in eight bits with a Relu of its own."""
    return [
        *scaling,
        node("QuantizeLinear", ["m", "s", "z"], ["mq"]),
        node("DequantizeLinear", ["mq", "s", "z"], ["md"]),
        node("DequantizeLinear", ["w", "s"], ["wd"]),
        node("Conv", ["md", "wd"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("QuantizeLinear", ["r", "s", "z"], ["rq"]),
        node("DequantizeLinear", ["rq", "s", "z"], ["rd"]),
        node("Sigmoid", ["rd"], ["y"]),
    ]


IMAGE, MAPS = 3 * SIZE**2, 8 * SIZE**2
IMAGE_HELD = {"s": np.float32(0.1), "z": np.uint8(0), "w": np.ones((8, 3, 1, 1), np.int8), "k": np.float32(2)}
REST = (IMAGE + MAPS) + (MAPS + MAPS) + (MAPS + 4 * MAPS)  # Conv, Relu, Sigmoid


@pytest.mark.parametrize(
    ("scaling", "entering"),
    [
        # an affine map before a quantisation is a part of it: the image is read once and written in bytes
        ([node("Sub", ["x", "k"], ["t"]), node("Mul", ["t", "k"], ["m"])], 4 * IMAGE + IMAGE),
        ([node("Sub", ["k", "x"], ["t"]), node("Div", ["t", "k"], ["m"])], 4 * IMAGE + IMAGE),
        # a quotient of the image is none: what is divided by it is written in floats
        ([node("Sub", ["x", "k"], ["t"]), node("Div", ["k", "t"], ["m"])], 4 * (2 * IMAGE) + 4 * IMAGE + IMAGE),
        # nor is the image times itself, which reads it twice
        ([node("Sub", ["x", "k"], ["t"]), node("Mul", ["t", "t"], ["m"])], 4 * (2 * IMAGE) + 4 * 2 * IMAGE + IMAGE),
    ],
)
def test_scaling_by_constants_is_a_part_of_the_quantisation_behind(
    scaling: list[Any], entering: int, tmp_path: Path
) -> None:
    counted = counted_graph(quantised_image(scaling), [1, 3, SIZE, SIZE], IMAGE_HELD, ["y"], tmp_path / "m.onnx")
    assert counted.activation_bytes == entering + REST


def shipped(name: str) -> GraphCount:
    return count(open_model(shipped_models()[name]))


@pytest.mark.parametrize("name", ["cloud-screen", "water-mask", "vessels", "change", "scene-embedding"])
def test_an_int8_twin_moves_about_what_its_float_model_would_in_int8(name: str) -> None:
    wide, narrow = shipped(name), shipped(f"{name}-int8")
    # the twin's Relu are gone into its convolutions, its input, output and the embedding's pooling are float
    assert 4 * narrow.activation_bytes == pytest.approx(wide.activation_bytes, rel=0.25)
    assert 4 * (narrow.activation_bytes + narrow.weight_bytes) == pytest.approx(
        wide.activation_bytes + wide.weight_bytes, rel=0.25
    )


def test_the_int8_decoder_moves_bytes_into_its_products_and_floats_elsewhere() -> None:
    """Told from the float model: products with weights read bytes and write floats, biases are theirs."""
    model = open_model(shipped_models()["captions"])
    nodes, tensors = model.proto.graph.node, model.tensors
    weighted = [each for each in nodes if each.op_type == "MatMul" and each.input[1] in tensors.constants]
    products = {each.output[0] for each in weighted}
    quantised = {each.input[0] for each in weighted}  # read by nothing else but views
    moved_bytes = 0
    for each in nodes:
        biases = each.op_type == "Add" and any(name in products for name in each.input)
        if biases or each.op_type in ("Reshape", "Identity") or all(name in tensors.constants for name in each.output):
            continue
        touched = [name for name in (*each.input, *each.output) if name and name not in tensors.constants]
        moved_bytes += sum(tensors.size_bytes(name) // (4 if name in quantised else 1) for name in touched)
    twin, wide = shipped("captions-int8"), shipped("captions")
    assert twin.activation_bytes == pytest.approx(moved_bytes, rel=0.01)
    assert wide.activation_bytes / 4 < twin.activation_bytes < wide.activation_bytes  # its attention stays float
