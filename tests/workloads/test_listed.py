"""Models that are only counted: what is not known is listed, what is known is counted, and neither ever runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from workloads.counting.graph import GraphCount, count
from workloads.errors import MemoryOut, ModelError
from workloads.loading.opening import open_model

F32, I64 = TensorProto.FLOAT, TensorProto.INT64
node, tensor_input = helper.make_node, helper.make_tensor_value_info
SQUARE = numpy_helper.from_array(np.zeros((8, 8), np.float32), "w")


def write(folder: Path, nodes: list[Any], inputs: list[Any], held: list[Any], inner: list[Any] | None = None) -> Path:
    """A model whose answer `y` is the last node's; `inner` is what the file says of the tensors between."""
    end = tensor_input("y", F32, None)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    graph = helper.make_graph(nodes, "g", inputs, [end], held, value_info=inner or [])
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def listed(path: Path) -> GraphCount:
    """As `inspect` counts it; that it is refused where it would run is seen to as well."""
    with pytest.raises(ModelError, match=r"not a known operator|is a [A-Za-z]*Sequence|is no tensor"):
        open_model(path)
    return count(open_model(path, to_run=False))


def own_and_products() -> list[Any]:
    return [
        node("MatMul", ["x", "w"], ["a"]),
        node("Warp", ["a"], ["b"], domain="mine", name="warp"),
        node("MatMul", ["b", "w"], ["y"], name="after"),
    ]


def test_what_follows_an_unknown_operator_is_listed_unless_the_file_says_its_size(tmp_path: Path) -> None:
    inputs = [tensor_input("x", F32, ["rows", 8])]
    unsaid = listed(write(tmp_path, own_and_products(), inputs, [SQUARE]))
    assert unsaid.macs == 8 * 8
    assert [(each.operator, each.name) for each in unsaid.uncounted] == [("mine::Warp", "warp"), ("MatMul", "after")]
    assert unsaid.unsized == ("b", "y")
    said = [tensor_input("b", F32, ["rows", 8])]
    path = write(tmp_path, own_and_products(), inputs, [SQUARE], said)
    told = listed(path)
    assert (told.macs, [each.name for each in told.uncounted]) == (2 * 8 * 8, ["warp"])
    assert count(open_model(path, dims={"rows": 5}, to_run=False)).macs == 2 * 5 * 8 * 8


def test_what_the_file_says_is_not_believed_of_operators_that_are_known(tmp_path: Path) -> None:
    nodes = [*own_and_products()[:2], node("Relu", ["a"], ["r"]), node("MatMul", ["r", "w"], ["y"])]
    lies = [tensor_input("r", F32, [1000, 8])]
    assert listed(write(tmp_path, nodes, [tensor_input("x", F32, [1, 8])], [SQUARE], lies)).macs == 2 * 8 * 8


def test_a_size_that_the_file_says_counts_as_memory(tmp_path: Path) -> None:
    said = [tensor_input("b", F32, [2**40, 8])]
    path = write(tmp_path, own_and_products(), [tensor_input("x", F32, [1, 8])], [SQUARE], said)
    with pytest.raises(MemoryOut, match="bytes of memory"):
        open_model(path, to_run=False)


def test_an_unknown_operator_of_constants_is_listed_too_and_named_with_its_domain(tmp_path: Path) -> None:
    """By its name alone it would be a constant that is dequantised, and the product behind one in int8."""
    made = node("DequantizeLinear", ["w", "w"], ["d"], domain="mine")
    relu = node("Relux", ["w"], ["e"])
    nodes = [made, relu, node("MatMul", ["x", "w"], ["y"])]
    found = listed(write(tmp_path, nodes, [tensor_input("x", F32, [3, 8])], [SQUARE]))
    assert [each.operator for each in found.uncounted] == ["mine::DequantizeLinear", "Relux"]
    assert found.by_precision == {"fp32": 3 * 8 * 8}


def test_sequences_are_counted_where_their_sizes_are_known_and_listed_where_not(tmp_path: Path) -> None:
    """Both tensors of the first sequence are (4, 8); those of the second differ, and the data choose."""
    held = [SQUARE, numpy_helper.from_array(np.array(0), "first"), numpy_helper.from_array(np.array(3), "three")]
    nodes = [
        node("SequenceConstruct", ["x", "x"], ["same"]),
        node("SequenceAt", ["same", "first"], ["part"]),
        node("MatMul", ["part", "w"], ["a"], name="known"),
        node("SplitToSequence", ["a", "three"], ["parts"]),  # (3, 8) and (1, 8)
        node("ArgMax", ["a"], ["most"], axis=0, keepdims=0),
        node("ReduceMin", ["most"], ["place"], keepdims=0),
        node("SequenceAt", ["parts", "place"], ["b"]),
        node("MatMul", ["b", "w"], ["y"], name="unknown"),
    ]
    path = write(tmp_path, nodes, [tensor_input("x", F32, [4, 8])], held)
    found = listed(path)
    assert (found.macs, [each.name for each in found.uncounted]) == (4 * 8 * 8, ["unknown"])
    assert open_model(path, to_run=False).asked_bytes < 10_000


def test_optional_inputs_are_sized_as_what_they_hold(tmp_path: Path) -> None:
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(F32, [None, 8]))
    fed = helper.make_value_info("x", kind)
    nodes = [node("OptionalGetElement", ["x"], ["t"]), node("MatMul", ["t", "w"], ["y"])]
    found = listed(write(tmp_path, nodes, [fed], [SQUARE]))
    assert (found.macs, found.uncounted, found.assumed) == (8 * 8, (), {"x[0]": 1})
    assert found.input_bytes == 4 * 8


def test_a_sequence_that_is_fed_has_no_size_and_is_listed(tmp_path: Path) -> None:
    fed = helper.make_tensor_sequence_value_info("x", F32, [None, 8])
    nodes = [node("ConcatFromSequence", ["x"], ["t"], axis=0), node("MatMul", ["t", "w"], ["y"])]
    found = listed(write(tmp_path, nodes, [fed], [SQUARE]))
    assert [each.operator for each in found.uncounted] == ["MatMul"]
    assert set(found.unsized) == {"x", "t", "y"}
