"""Parameters and weight bytes: what is stored, each once, wherever it stands and whatever is made of it on the way."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from workloads.counting.graph import GraphCount, count
from workloads.errors import MemoryOut
from workloads.loading.opening import Limits, open_model

F32, BOOL = TensorProto.FLOAT, TensorProto.BOOL
node, info = helper.make_node, helper.make_tensor_value_info


def tensors(values: dict[str, Any]) -> list[Any]:
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


def counted(folder: Path, nodes: list[Any], inputs: list[Any], held: dict[str, Any], **limits: int) -> GraphCount:
    """Count a graph whose result is `y`; it may hold control flow."""
    graph = helper.make_graph(nodes, "g", inputs, [info("y", F32, None)], tensors(held))
    path = folder / "model.onnx"
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return count(open_model(path, Limits(**limits), to_run=False))


def branch(name: str, nodes: list[Any], held: dict[str, Any]) -> Any:
    return helper.make_graph(nodes, name, [], [info("z", F32, None)], tensors(held))


def choice() -> list[Any]:
    """Both branches have a `w` of their own, one reads the table of the whole and a Constant, one holds a loop."""
    constant = node("Constant", [], ["k"], value=tensors({"k": zeros(8)})[0])
    half = node("Constant", [], ["half"], value=tensors({"half": np.array([0.5], np.float32)})[0])
    reads = [constant, half, node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "k"], ["b"]),
             node("Mul", ["b", "half"], ["c"]), node("MatMul", ["c", "table"], ["z"])]  # fmt: skip
    turn = helper.make_graph(
        [node("MatMul", ["state", "u"], ["next"]), node("Identity", ["on"], ["still"])], "turn",
        [info("i", TensorProto.INT64, []), info("on", BOOL, []), info("state", F32, [2, 8])],
        [info("still", BOOL, []), info("next", F32, [2, 8])], tensors({"u": zeros(8, 8)}),
    )  # fmt: skip
    loops = [node("Loop", ["", "on", "x"], ["after"], body=turn), node("MatMul", ["after", "w"], ["z"])]
    both = {
        "then_branch": branch("then", reads, {"w": zeros(8, 8), "unread": zeros(9)}),
        "else_branch": branch("else", loops, {"w": zeros(8, 4)}),
    }
    return [node("If", ["on"], ["t"], name="fork", **both), node("MatMul", ["x", "table"], ["y"])]


WHOLE_TABLE, THEN, ELSE, LOOP = 8 * 4, 8 * 8 + 8, 8 * 4, 8 * 8


def test_the_weights_of_branches_and_loops_count_each_once(tmp_path: Path) -> None:
    inputs = [info("x", F32, [2, 8]), info("on", BOOL, [])]
    found = counted(tmp_path, choice(), inputs, {"table": zeros(8, 4)})
    assert found.parameters == WHOLE_TABLE + THEN + ELSE + LOOP
    assert found.weight_bytes == 4 * (WHOLE_TABLE + THEN + ELSE + LOOP) + 4  # and the number that halves
    assert ([each.name for each in found.uncounted], found.macs) == (["fork"], 2 * 8 * 4)


def test_what_is_stored_in_branches_is_memory_that_the_model_asks_for(tmp_path: Path) -> None:
    inputs = [info("x", F32, [2, 8]), info("on", BOOL, [])]
    with pytest.raises(MemoryOut, match="the limit is 800"):
        counted(tmp_path, choice(), inputs, {"table": zeros(8, 4)}, memory_bytes=800)


def gates(quantised: bool) -> list[Any]:
    """As torch exports an LSTM without folding: the gates are cut out of one tensor, and joined in another order."""
    nodes, parts = [], []
    source = "w"
    if quantised:  # as onnxruntime's static quantisation puts a pair behind each step
        nodes, source = [node("QuantizeLinear", ["w", "s", "z"], ["wq"]),
                         node("DequantizeLinear", ["wq", "s", "z"], ["wd"])], "wd"  # fmt: skip
    for place, (first, last) in enumerate(((0, 6), (18, 24), (6, 18))):
        nodes.append(node("Slice", [source, f"at{first}", f"at{last}"], [f"cut{place}"]))
        parts.append(f"cut{place}")
        if quantised:
            nodes += [node("QuantizeLinear", [f"cut{place}", "s", "z"], [f"q{place}"]),
                      node("DequantizeLinear", [f"q{place}", "s", "z"], [f"d{place}"])]  # fmt: skip
            parts[-1] = f"d{place}"
    return [
        *nodes,
        node("Concat", parts, ["joined"], axis=0),
        node("Unsqueeze", ["joined", "first"], ["weights"]),
        node("LSTM", ["x", "weights", "r"], ["y"], hidden_size=6),
    ]


@pytest.mark.parametrize("quantised", [False, True])
def test_a_tensor_that_is_cut_and_joined_counts_once(quantised: bool, tmp_path: Path) -> None:
    held = {f"at{place}": np.array([place]) for place in (0, 6, 18, 24)} | {
        "w": zeros(24, 5), "r": zeros(1, 24, 6), "first": np.array([0]), "s": np.float32(1), "z": np.uint8(0),
    }  # fmt: skip
    found = counted(tmp_path, gates(quantised), [info("x", F32, [7, 2, 5])], held)
    assert (found.macs, found.uncounted) == (7 * 2 * 24 * (5 + 6), ())
    assert found.parameters == 24 * 5 + 24 * 6
    # read as joined, one byte or four an element, but not what that was made from; where the whole is cut is not read
    kept = 24 * 5 + 4 + 1 + 8 if quantised else 4 * 24 * 5  # ... with scale, zero point and axis of what then runs
    assert found.weight_bytes == kept + 4 * 24 * 6


def test_first_states_that_are_stretched_as_it_runs_are_no_parameters(tmp_path: Path) -> None:
    """As torch exports a GRU for a fixed batch: zeros go through Expand, whose shape is read from the input."""
    nodes = [
        node("Shape", ["x"], ["all"]),
        node("Slice", ["all", "one", "two"], ["batch"]),
        node("Concat", ["ones", "batch", "ones"], ["wanted"], axis=0),
        node("Expand", ["nothing", "wanted"], ["first"]),
        node("GRU", ["x", "w", "r", "", "", "first"], ["h", "last"], hidden_size=6),
        node("GRU", ["x", "w2", "r", "", "", "last"], ["y"], hidden_size=6),  # begins where the first ended
    ]
    held = {"w": zeros(1, 18, 5), "w2": zeros(1, 18, 5), "r": zeros(1, 18, 6), "nothing": zeros(1, 3, 6),
            "one": np.array([1]), "two": np.array([2]), "ones": np.array([1])}  # fmt: skip
    found = counted(tmp_path, nodes, [info("x", F32, [7, 3, 5])], held)
    assert found.parameters == 2 * 18 * 5 + 18 * 6


def test_zeros_that_are_stretched_for_anything_else_are(tmp_path: Path) -> None:
    """A learnt query of 4 x 6, one for each of a batch, as in a detector."""
    nodes = [
        node("Shape", ["x"], ["all"]),
        node("Slice", ["all", "none", "one"], ["batch"]),
        node("Concat", ["batch", "one", "one"], ["wanted"], axis=0),
        node("Expand", ["query", "wanted"], ["queries"]),
        node("MatMul", ["queries", "x"], ["y"]),
    ]
    held = {"query": zeros(1, 4, 6), "none": np.array([0]), "one": np.array([1])}
    found = counted(tmp_path, nodes, [info("x", F32, [3, 6, 5])], held)
    assert (found.macs, found.parameters) == (3 * 4 * 5 * 6, 24)


def test_a_weight_computed_of_two_that_are_stored_has_the_parameters_of_both(tmp_path: Path) -> None:
    """Weight normalisation (Salimans and Kingma 2016): a length to each row, and a direction."""
    nodes = [
        node("ReduceL2", ["v"], ["length"], axes=[1], keepdims=1),
        node("Div", ["v", "length"], ["direction"]),
        node("Mul", ["direction", "g"], ["w"]),
        node("Mul", ["w", "scale"], ["scaled"]),
        node("Transpose", ["scaled"], ["t"], perm=[1, 0]),
        node("MatMul", ["x", "t"], ["y"]),
    ]
    held = {"v": zeros(4, 8), "g": zeros(4, 1), "scale": np.array([0.5], np.float32)}
    found = counted(tmp_path, nodes, [info("x", F32, [2, 8])], held)
    assert (found.parameters, found.weight_bytes) == (4 * 8 + 4, 4 * 4 * 8)
