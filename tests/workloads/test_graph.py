"""Counting: each operator against its count by hand, bytes and liveness, and what cannot be counted."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from workloads.counting.graph import GraphCount, count, profile
from workloads.errors import ModelError
from workloads.loading.opening import open_model
from workloads.models import find_model, light_models, shipped_models

F32, I8, U8 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8


def counted(
    folder: Path,
    nodes: list[Any],
    inputs: dict[str, tuple[int, list[Any]]],
    weights: dict[str, Any],
    dims: dict[str, int] | None = None,
    opset: int = 17,
) -> GraphCount:
    """Count a graph whose result is the last node's first output."""
    fed = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    out = helper.make_tensor_value_info(nodes[-1].output[0], F32, None)
    out.type.tensor_type.ClearField("elem_type")
    graph = helper.make_graph(nodes, "g", fed, [out], held)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return count(open_model(path, dims=dims))


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


one, zero_u8, zero_i8 = np.float32(1), np.uint8(0), np.int8(0)
node = helper.make_node

# Each count by hand: outputs x products summed into each
BY_HAND = {
    "grouped convolution": (
        [node("Conv", ["x", "w"], ["y"], group=2, pads=[1, 1, 1, 1], strides=[2, 2])],
        {"x": (F32, [1, 4, 8, 8])},
        {"w": zeros(6, 2, 3, 3)},
        6 * 4 * 4 * (2 * 3 * 3),
    ),
    "dilated 1-D convolution": (
        [node("Conv", ["x", "w"], ["y"], dilations=[2])],
        {"x": (F32, [1, 4, 16])},
        {"w": zeros(5, 4, 3)},
        5 * 12 * (4 * 3),
    ),
    "transposed convolution": (
        [node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])],
        {"x": (F32, [1, 4, 5, 5])},
        {"w": zeros(4, 3, 2, 2)},
        4 * 5 * 5 * (3 * 2 * 2),
    ),
    "transposed matrix product with bias": (
        [node("Gemm", ["x", "w", "b"], ["y"], transA=1, transB=1)],
        {"x": (F32, [7, 3])},
        {"w": zeros(5, 7), "b": zeros(5)},
        3 * 5 * 7,
    ),
    "batched matrix product that broadcasts": (
        [node("MatMul", ["x", "z"], ["y"])],
        {"x": (F32, [2, 1, 3, 4]), "z": (F32, [6, 4, 5])},
        {},
        2 * 6 * 3 * 5 * 4,
    ),
    "vector by matrix": ([node("MatMul", ["x", "w"], ["y"])], {"x": (F32, [4])}, {"w": zeros(4, 5)}, 4 * 5),
    "LSTM, both directions": (
        [node("LSTM", ["x", "w", "r"], ["y"], hidden_size=3, direction="bidirectional")],
        {"x": (F32, [6, 2, 5])},
        {"w": zeros(2, 12, 5), "r": zeros(2, 12, 3)},
        6 * 2 * 2 * 12 * (5 + 3),
    ),
    "quantised convolution": (
        [node("QLinearConv", ["x", "s", "z", "w", "s", "z8", "s", "z"], ["y"])],
        {"x": (U8, [1, 2, 6, 6])},
        {"s": one, "z": zero_u8, "z8": zero_i8, "w": zeros(3, 2, 3, 3, dtype=np.int8)},
        3 * 4 * 4 * (2 * 9),
    ),
    "whole-number convolution": (
        [node("ConvInteger", ["x", "w"], ["y"])],
        {"x": (U8, [1, 2, 6, 6])},
        {"w": zeros(3, 2, 3, 3, dtype=np.int8)},
        3 * 4 * 4 * (2 * 9),
    ),
    "whole-number matrix product": (
        [node("MatMulInteger", ["x", "w"], ["y"])],
        {"x": (U8, [3, 4])},
        {"w": zeros(4, 5, dtype=np.int8)},
        3 * 5 * 4,
    ),
    "quantised matrix product": (
        [node("QLinearMatMul", ["x", "s", "z", "w", "s", "z8", "s", "z"], ["y"])],
        {"x": (U8, [3, 4])},
        {"s": one, "z": zero_u8, "z8": zero_i8, "w": zeros(4, 5, dtype=np.int8)},
        3 * 5 * 4,
    ),
    "four-bit matrix product, and what follows it": (
        [
            node("MatMulNBits", ["x", "w", "s"], ["t"], domain="com.microsoft", K=64, N=10, bits=4, block_size=32),
            node("MatMul", ["t", "v"], ["y"]),
        ],
        {"x": (F32, [1, 3, 64])},
        {"w": zeros(10, 2, 16, dtype=np.uint8), "s": zeros(20), "v": zeros(10, 2)},
        3 * 64 * 10 + 3 * 10 * 2,
    ),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_each_operator_counts_as_by_hand(case: str, tmp_path: Path) -> None:
    nodes, inputs, weights, macs = BY_HAND[case]
    found = counted(tmp_path, nodes, inputs, weights)
    assert found.macs == macs
    assert found.uncounted == ()
    assert sum(found.by_type.values()) == sum(found.by_precision.values()) == macs


def test_packed_weights_count_each_parameter_and_weigh_their_bytes(tmp_path: Path) -> None:
    nodes, inputs, weights, _ = BY_HAND["four-bit matrix product, and what follows it"]
    found = counted(tmp_path, nodes, inputs, weights)
    assert found.parameters == 64 * 10 + 10 * 2
    assert found.weight_bytes == 320 + 20 * 4 + 20 * 4


def test_weights_stored_as_eight_bits_stay_eight_bits(tmp_path: Path) -> None:
    nodes = [node("DequantizeLinear", ["q", "s"], ["w"]), node("Conv", ["x", "w"], ["y"])]
    found = counted(tmp_path, nodes, {"x": (F32, [1, 2, 4, 4])}, {"q": zeros(3, 2, 1, 1, dtype=np.int8), "s": one})
    assert (found.macs, found.parameters, found.weight_bytes) == (3 * 16 * 2, 6, 6 + 4)


def test_weights_are_found_wherever_they_are_kept(tmp_path: Path) -> None:
    nodes = [
        node("Constant", [], ["c"], value=numpy_helper.from_array(zeros(4, 4), "c")),
        node("ConstantOfShape", ["shape"], ["m"]),
        node("MatMul", ["x", "c"], ["t"]),
        node("MatMul", ["t", "m"], ["u"]),
        node("Reshape", ["u", "flat"], ["y"]),
    ]
    weights = {"shape": np.array([4, 5]), "flat": np.array([-1])}
    found = counted(tmp_path, nodes, {"x": (F32, [1, 4])}, weights)
    assert found.parameters == 16 + 20
    assert found.weight_bytes == (16 + 20) * 4 + 8


def test_a_table_of_embeddings_that_is_also_the_last_product_counts_once(tmp_path: Path) -> None:
    """As GPT-2 is exported: 50 tokens of 16 numbers, looked up, and turned to give the next token."""
    nodes = [
        node("Gather", ["table", "tokens"], ["found"]),
        node("Transpose", ["table"], ["turned"], perm=[1, 0]),
        node("MatMul", ["found", "turned"], ["y"]),
    ]
    found = counted(tmp_path, nodes, {"tokens": (TensorProto.INT64, [1, 4])}, {"table": zeros(50, 16)})
    assert (found.macs, found.parameters) == (4 * 16 * 50, 50 * 16)
    assert found.weight_bytes == 2 * 50 * 16 * 4  # a runtime turns it on loading and holds both


def test_first_states_and_numbers_that_a_graph_computes_are_no_parameters(tmp_path: Path) -> None:
    """As torch exports an nn.GRU of one layer, and the 1 / sqrt(size) of attention."""
    size, hidden = 5, 6
    nodes = [
        node("Constant", [], ["four"], value=numpy_helper.from_array(np.array([4.0], np.float32), "four")),
        node("Sqrt", ["four"], ["two"]),
        node("GRU", ["x", "w", "r", "b", "", "first"], ["all"], hidden_size=hidden),
        node("Div", ["all", "two"], ["y"]),
    ]
    weights = {
        "w": zeros(1, 3 * hidden, size), "r": zeros(1, 3 * hidden, hidden), "b": zeros(1, 6 * hidden),
        "first": zeros(1, 2, hidden),
    }  # fmt: skip
    found = counted(tmp_path, nodes, {"x": (F32, [7, 2, size])}, weights)
    assert found.macs == 7 * 2 * 3 * hidden * (size + hidden)
    assert found.parameters == 3 * hidden * (size + hidden) + 6 * hidden


def test_memory_alive_is_that_of_the_widest_moment(tmp_path: Path) -> None:
    # x (16 B) -> a (16) -> b (64, with a and x dead after) -> y = b + its own sum kept (64)
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Concat", ["a", "a", "a", "a"], ["b"], axis=1),
        node("Sigmoid", ["b"], ["c"]),
        node("Reshape", ["c", "flat"], ["d"]),
        node("Add", ["d", "b"], ["y"]),
    ]
    found = counted(tmp_path, nodes, {"x": (F32, [1, 4])}, {"flat": np.array([1, 16])})
    assert found.peak_activation_bytes == 3 * 64  # b, c (which d only renames) and y
    assert found.activation_bytes == (16 + 16) + (4 * 16 + 64) + (64 + 64) + (64 + 64 + 64)


def test_free_axes_are_assumed_and_named(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["y"])]
    inputs, weights = {"x": (F32, ["batch", 3, "h", "w"])}, {"w": zeros(1, 3, 1, 1)}
    assert counted(tmp_path, nodes, inputs, weights).assumed == {"x[0]": 1, "x[2]": 224, "x[3]": 224}
    chosen = counted(tmp_path, nodes, inputs, weights, {"h": 10, "x[3]": 20})
    assert chosen.macs == 10 * 20 * 3


@pytest.mark.parametrize(("kind", "more", "opset"), [
    ("GroupNormalization", ["g", "g"], 18), ("GroupNormalization", ["h", "h"], 21),
    ("MeanVarianceNormalization", [], 13),
])  # fmt: skip
def test_a_normalisation_that_is_a_function_of_onnx_keeps_the_shape(
    kind: str, more: list[str], opset: int, tmp_path: Path
) -> None:
    """As in the U-Nets of diffusion models: convolution, groups normalised, convolution."""
    ways = {"num_groups": 2} if more else {}
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node(kind, ["c", *more], ["n"], **ways),
        node("Conv", ["n", "w"], ["y"]),
    ]
    weights = {"w": zeros(4, 4, 3, 3), "g": zeros(2), "h": zeros(4)}
    found = counted(tmp_path, nodes, {"x": (F32, [1, 4, 8, 8])}, weights, opset=opset)
    assert (found.macs, found.unsized) == ((36 + 16) * 4 * 36, ())


def test_places_counted_by_ones_that_are_not_zero_have_a_size(tmp_path: Path) -> None:
    """As torch exports arange(tokens) before opset 11: the places of ones, as many as there are tokens."""
    nodes = [
        node("Shape", ["x"], ["length"]),
        node("ConstantOfShape", ["length"], ["ones"], value=numpy_helper.from_array(np.array([1]), "one")),
        node("NonZero", ["ones"], ["found"]),
        node("Squeeze", ["found", "first"], ["places"]),
        node("Gather", ["positions", "places"], ["p"]),
        node("MatMul", ["p", "w"], ["y"]),
    ]
    weights = {"first": np.array([0]), "positions": zeros(64, 8), "w": zeros(8, 3)}
    found = counted(tmp_path, nodes, {"x": (TensorProto.INT64, ["tokens"])}, weights, {"tokens": 12})
    assert (found.macs, found.uncounted, found.unsized) == (12 * 8 * 3, (), ())


def test_a_causal_mask_by_an_old_comparison_does_not_hide_the_product_behind_it(tmp_path: Path) -> None:
    """GreaterOrEqual is a function before opset 16; scores where it holds, then the answers."""
    nodes = [
        node("GreaterOrEqual", ["row", "column"], ["mask"]),
        node("Where", ["mask", "x", "least"], ["masked"]),
        node("Softmax", ["masked"], ["p"]),
        node("MatMul", ["p", "v"], ["y"]),
    ]
    weights = {"row": zeros(5, 1), "column": zeros(1, 5), "least": np.float32(-1e9), "v": zeros(5, 6)}
    found = counted(tmp_path, nodes, {"x": (F32, [2, 5, 5])}, weights, opset=14)
    assert (found.macs, found.uncounted, found.unsized) == (2 * 5 * 5 * 6, (), ())


def test_sides_of_images_with_their_channels_last_are_sides(tmp_path: Path) -> None:
    nodes = [node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), node("Conv", ["t", "w"], ["y"])]
    found = counted(tmp_path, nodes, {"x": (F32, ["n", None, None, 3])}, {"w": zeros(8, 3, 3, 3)})
    assert found.assumed == {"x[0]": 1, "x[1]": 224, "x[2]": 224}
    assert found.macs == 222 * 222 * 8 * 27


@settings(derandomize=True, deadline=None, max_examples=15)
@given(batch=st.integers(1, 64))
def test_operations_grow_with_the_batch_and_weights_do_not(batch: int) -> None:
    path = shipped_models()["cloud-screen"]
    single, many = count(open_model(path)), count(open_model(path, dims={"batch": batch}))
    assert many.macs == batch * single.macs
    assert many.weight_bytes == single.weight_bytes
    assert many.peak_activation_bytes == batch * single.peak_activation_bytes
    assert many.ops_per_byte >= single.ops_per_byte


def test_a_profile_refuses_what_cannot_be_counted(tmp_path: Path) -> None:
    nodes = [node("DFT", ["x"], ["y"], name="odd")]
    listed = counted(tmp_path, nodes, {"x": (F32, [1, 8, 1])}, {}).uncounted
    assert [(each.operator, each.name) for each in listed] == [("DFT", "odd")]
    with pytest.raises(ModelError, match="DFT odd: a Fourier transform"):
        profile(tmp_path / "model.onnx")


def test_shapes_that_a_file_claims_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    counted(tmp_path, [node("Relu", ["x"], ["t"]), node("Relu", ["t"], ["y"])], {"x": (F32, [1, 100])}, {})
    model = onnx.load(path)
    model.graph.value_info.append(helper.make_tensor_value_info("t", F32, [1, 1]))
    path.write_bytes(model.SerializeToString())
    assert count(open_model(path)).peak_activation_bytes == 2 * 400


def test_models_are_found_by_name_or_path(tmp_path: Path) -> None:
    assert find_model("cloud-screen") == shipped_models()["cloud-screen"]
    assert find_model("light-resnet50") == light_models()["light-resnet50"]
    (tmp_path / "own.onnx").write_bytes(b"x")
    assert find_model("own.onnx", tmp_path) == tmp_path / "own.onnx"
    with pytest.raises(ModelError, match=r"'nothing'.*cloud-screen"):
        find_model("nothing")
