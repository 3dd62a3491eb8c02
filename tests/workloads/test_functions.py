"""Models with functions of their own: inlined they count and answer as without, and none expands without end."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from workloads import runtime
from workloads.counting.graph import count
from workloads.errors import ModelError
from workloads.loading.functions import inlined
from workloads.loading.opening import Limits, open_model
from workloads.sessions import open_session

F32 = TensorProto.FLOAT
node = helper.make_node
STANDARD, OWN, RUNTIME = (helper.make_opsetid(*each) for each in (("", 17), ("own", 1), ("com.microsoft", 1)))
WEIGHT = np.arange(64, dtype=np.float32).reshape(8, 8) / 64


def function(name: str, nodes: list[Any], attributes: tuple[str, ...] = (), opsets: Any = (STANDARD, OWN)) -> Any:
    """From a and w to b."""
    return helper.make_function("own", name, ["a", "w"], ["b"], nodes, opsets, attributes)


def call(name: str, source: str = "a", target: str = "b", **attributes: Any) -> Any:
    return node(name, [source, "w"], [target], domain="own", **attributes)


def leaky() -> Any:
    """A LeakyRelu whose slope the caller gives."""
    made = node("LeakyRelu", ["m"], ["b"])
    made.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    return made


def model(nodes: list[Any], functions: list[Any]) -> onnx.ModelProto:
    """From x (3, 8) to y with the weight w."""
    fed, end = (helper.make_tensor_value_info(name, F32, shape) for name, shape in (("x", [3, 8]), ("y", None)))
    graph = helper.make_graph(nodes, "g", [fed], [end], [numpy_helper.from_array(WEIGHT, "w")])
    return helper.make_model(graph, opset_imports=[STANDARD, OWN], ir_version=8, functions=functions)


def saved(folder: Path, made: onnx.ModelProto) -> Path:
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    return folder / "model.onnx"


LAYER = function("Layer", [node("MatMul", ["a", "w"], ["m"]), leaky()], ("slope",))
PAIR = function("Pair", [call("Layer", "a", "t", slope=0.25), call("Layer", "t", "b", slope=0.5)])
CALLED = [call("Pair", "x", "p"), call("Layer", "p", "y", slope=0.125)]


def test_it_counts_and_answers_as_without_functions_and_is_pinned_as_the_file_lies_there(tmp_path: Path) -> None:
    path = saved(tmp_path, model(CALLED, [PAIR, LAYER]))
    opened = open_model(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert not opened.proto.functions
    counted = count(opened)
    assert (counted.macs, counted.uncounted, counted.parameters) == (3 * 3 * 8 * 8, (), 64)
    assert counted.by_type == {"MatMul": 3 * 3 * 8 * 8, "LeakyRelu": 0}
    fed = {"x": np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 8)}
    whole = runtime.onnxruntime().InferenceSession(path, runtime.session_options(), providers=["CPUExecutionProvider"])
    expected: Any = fed["x"]
    for slope in (0.25, 0.5, 0.125):
        expected = np.where(expected @ WEIGHT < 0, slope, 1) * (expected @ WEIGHT)
    for session in (open_session(opened), whole):  # onnxruntime inlines by itself
        np.testing.assert_allclose(session.run(None, fed)[0], expected, rtol=1e-5)


def test_a_call_in_a_branch_is_inlined_too(tmp_path: Path) -> None:
    branch = helper.make_graph([call("Pair", "x", "z")], "b", [], [helper.make_tensor_value_info("z", F32, None)])
    choice = node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    made = model([node("ReduceMax", ["x"], ["most"], keepdims=0), node("Cast", ["most"], ["yes"], to=9), choice],
                 [PAIR, LAYER])  # fmt: skip
    opened = open_model(saved(tmp_path, made), to_run=False)
    assert not opened.proto.functions
    inner = opened.proto.graph.node[2].attribute[0].g.node
    assert [each.op_type for each in inner] == ["MatMul", "LeakyRelu"] * 2


def test_an_opset_that_only_a_function_imports_is_imported(tmp_path: Path) -> None:
    own = function("Own", [node("Gelu", ["a"], ["b"], domain="com.microsoft")], (), [RUNTIME])
    opened = open_model(saved(tmp_path, model([call("Own", "x", "y")], [own])))
    assert count(opened).by_type == {"Gelu": 0}
    assert open_session(opened).run(None, {"x": np.zeros((3, 8), np.float32)})[0].shape == (3, 8)


def doubling(levels: int) -> onnx.ModelProto:
    """Each function calls the one below twice."""
    lowest = function("F0", [node("Relu", ["a"], ["b"])])
    twice = [function(f"F{i}", [call(f"F{i - 1}", "a", "t"), call(f"F{i - 1}", "t", "b")]) for i in range(1, levels)]
    return model([call(f"F{levels - 1}", "x", "y")], [lowest, *twice])


GRAPH = helper.make_graph([node("Relu", ["x"], ["z"])], "b", [], [helper.make_tensor_value_info("z", F32, None)])
AROUND = [function("One", [call("Two")]), function("Two", [call("Three")]), function("Three", [call("One")])]
SELF = function("Self", [call("Self")])
OLD = function("Old", [node("Relu", ["a"], ["b"])], (), [helper.make_opsetid("", 11)])
REFUSED = {
    "doubled forty times": (doubling(40), f"expand to {2**39} nodes; the limit is 100000"),
    "doubled beyond all numbers": (doubling(99), f"expand to {2**62} nodes"),
    "a deep chain": (model([call("F0", "x", "y")], [function(f"F{i}", [call(f"F{i + 1}")]) for i in range(150)]
                           + [function("F150", [node("Relu", ["a"], ["b"])])]), "more than 100 levels"),
    "itself": (model([call("Self", "x", "y")], [SELF]), "own::Self calls itself"),
    "itself through others": (model([call("One", "x", "y")], AROUND), r"own::\w+ calls itself"),
    "two of a name": (model([call("Layer", "x", "y")], [LAYER, LAYER]), "2 functions of 1 names"),
    "another opset": (model([call("Old", "x", "y")], [OLD]), "own::Old cannot be inlined: it is written for opsets"),
    "a graph": (model([call("Layer", "x", "y", slope=GRAPH)], [LAYER]), "own::Layer is given a graph"),
    "too much is given": (model([node("Layer", ["x"] * 3, ["y"], domain="own")], [LAYER]), "cannot be inlined"),
    "an unknown operator within": (
        model([call("Own", "x", "y")], [function("Own", [node("Conjure", ["a"], ["b"], domain="own")])]),
        "operator 'Conjure' of domain 'own'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_has_no_end_or_cannot_be_inlined_is_refused_by_name(why: str, tmp_path: Path) -> None:
    made, said = REFUSED[why]
    with pytest.raises(ModelError, match=said):
        open_model(saved(tmp_path, made))


def test_constants_that_expanding_would_copy_are_counted_before(tmp_path: Path) -> None:
    """100 kB in a function that is called a thousand times, and 100 kB that a call gives to a hundred of its nodes."""
    large = numpy_helper.from_array(np.zeros(25_000, np.float32))
    holds = function("Holds", [node("Constant", [], ["c"], value=large), node("Identity", ["a"], ["b"])])
    many = [call("Holds", "x" if i == 0 else f"t{i - 1}", "y" if i == 999 else f"t{i}") for i in range(1000)]
    reads = [node("Constant", [], [f"c{i}"]) for i in range(100)]
    for each in reads:
        each.attribute.add(name="value", ref_attr_name="given", type=onnx.AttributeProto.TENSOR)
    takes = function("Takes", [*reads, node("Identity", ["a"], ["b"])], ("given",))
    for made, copies in ((model(many, [holds]), 1000), (model([call("Takes", "x", "y", given=large)], [takes]), 100)):
        with pytest.raises(ModelError, match=rf"expand to {copies // 10}\d{{6}} bytes, over 9000000") as refused:
            open_model(saved(tmp_path, made), Limits(file_bytes=9_000_000))
        assert "--file-bytes" in str(refused.value)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(calls=st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=6, max_size=6))
def test_the_size_told_before_is_that_of_what_is_made(calls: list[list[int]]) -> None:
    """Functions that each call some of those before, and a Relu of their own: as many nodes as told, or none."""
    functions, sizes = [], list[int]()
    for place, wanted in enumerate(calls):
        below = [each for each in wanted if each < place]
        chain = ["a", *(f"t{i}" for i in range(len(below))), "b"]
        nodes = [call(f"F{each}", chain[i], chain[i + 1]) for i, each in enumerate(below)]
        functions.append(function(f"F{place}", [*nodes, node("Relu", [chain[-2]], ["b"])]))
        sizes.append(1 + sum(sizes[each] for each in below))
    made = model([call("F5", "x", "y")], functions)
    with pytest.raises(ModelError, match=f"expand to {sizes[5]} nodes; the limit is {sizes[5] - 1}"):
        inlined(made, Limits(nodes=sizes[5] - 1))
    whole = inlined(made, Limits(nodes=sizes[5]))
    assert [each.op_type for each in whole.graph.node] == ["Relu"] * sizes[5]
    assert numpy_helper.to_array(whole.graph.initializer[0]).tolist() == WEIGHT.tolist()
