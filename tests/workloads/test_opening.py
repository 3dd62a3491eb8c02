"""Opening files that nobody vouches for: each kind of refusal, and that damage never ends in anything else."""

import dataclasses
import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from workloads.counting.graph import count
from workloads.errors import ModelError
from workloads.loading.opening import GIB, Limits, open_model
from workloads.models import light_models, shipped_models
from workloads.sessions import open_session

F32, I64 = TensorProto.FLOAT, TensorProto.INT64
SHIPPED = shipped_models()["cloud-screen"].read_bytes()


def write(folder: Path, nodes: list[Any], weights: list[Any] = (), *, opset: int = 17, shape: Any = (1, 4)) -> Path:
    ends = [helper.make_tensor_value_info("x", F32, shape), helper.make_tensor_value_info("y", F32, None)]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], list(weights))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.example", 1)][: 2 if opset == 17 else 1]
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def relu() -> list[Any]:
    return [helper.make_node("Relu", ["x"], ["y"])]


def test_a_good_model_opens_with_its_content_s_name(tmp_path: Path) -> None:
    model = open_model(write(tmp_path, relu()))
    assert len(model.sha256) == 64
    assert model.inputs == ("x",)
    assert model.asked_bytes == 2 * 16


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", SHIPPED[:1000], b"\x00" * 64, SHIPPED[:-1]])
def test_what_is_no_whole_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx: "):
        open_model(tmp_path / "bad.onnx")


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ModelError, match="no such file"):
            open_model(path)


def test_limits_of_size_nodes_and_memory_hold(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["t"]), helper.make_node("Relu", ["t"], ["y"])]
    path = write(tmp_path, nodes)
    for limits, said in (
        (Limits(file_bytes=20), "larger than 20 bytes"),
        (Limits(nodes=1), "2 nodes; the limit is 1"),
        (Limits(memory_bytes=30), "asks for 32 bytes of memory; the limit is 30"),
    ):
        with pytest.raises(ModelError, match=said):
            open_model(path, limits)


def test_all_problems_of_limits_are_told() -> None:
    assert Limits().problems() == []
    assert [name for name, _ in Limits(file_bytes=3 * GIB, nodes=0, memory_bytes=-1).problems()] == [
        "file_bytes",
        "nodes",
        "memory_bytes",
    ]


def huge(value: int) -> Any:
    return helper.make_tensor("n", I64, [1], [value])


def bombs() -> dict[str, tuple[list[Any], list[Any]]]:
    fill, add = helper.make_node("ConstantOfShape", ["n"], ["big"]), helper.make_node("Add", ["x", "big"], ["y"])
    add_max = helper.make_node("Add", ["x", "max"], ["y"])
    chain = [
        helper.make_node("ConstantOfShape", ["n"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["max"], keepdims=0),
        add_max,
    ]
    power = [helper.make_node("Mul", ["root", "root"], ["n"]), fill, add]
    hidden = [helper.make_node("Pow", ["root", "two"], ["n"]), fill, add]
    wide = [helper.make_node("Expand", ["one", "n"], ["big"]), add]
    root, two = helper.make_tensor("root", I64, [1], [90_000]), helper.make_tensor("two", I64, [1], [2])
    doubling = [helper.make_node("Concat", [f"t{i}"] * 2, [f"t{i + 1}"], axis=0) for i in range(40)]
    doubling[0].input[:] = ["x", "x"]
    doubling[-1].output[:] = ["y"]
    joined = [
        helper.make_node("ConstantOfShape", ["n"], ["part"]),
        helper.make_node("Concat", ["part"] * 64, ["big"], axis=0),
        helper.make_node("ReduceMax", ["big"], ["max"], keepdims=0),
        add_max,
    ]
    return {
        "constant of 32 GiB": ([fill, add], [huge(8 * GIB)]),
        "constant folded away": (chain, [huge(8 * GIB)]),
        "size computed": (power, [root]),
        "size hidden from inference": (hidden, [root, two]),
        "expanded": (wide, [huge(8 * GIB), helper.make_tensor("one", F32, [1], [1.0])]),
        "doubled forty times": (doubling, []),
        "joined to 2^32 elements": (joined, [huge(2**26)]),
    }


def hidden() -> dict[str, list[Any]]:
    """Graphs whose sizes depend on the data: nothing but the values of x says how much memory they take."""
    picked = helper.make_node("Compress", ["x", "which"], ["some"])
    column, row = (helper.make_node("Reshape", ["some", name], [name + "s"]) for name in ("column", "row"))
    outer = [picked, column, row, helper.make_node("Add", ["columns", "rows"], ["y"])]
    doubling = [helper.make_node("Concat", [f"t{i}"] * 2, [f"t{i + 1}"], axis=0) for i in range(40)]
    doubling[0].input[:], doubling[-1].output[:] = ["some", "some"], ["y"]
    looked_up = [
        picked,
        helper.make_node("Cast", ["some"], ["places"], to=I64),
        helper.make_node("Reshape", ["x", "row"], ["rows"]),
        helper.make_node("Gather", ["rows", "places"], ["y"], axis=0),  # a whole row for each place
    ]
    window = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["n"], to=I64),
        helper.make_node("HannWindow", ["n"], ["y"]),
    ]
    return {"outer sum": outer, "doubled": [picked, *doubling], "looked up": looked_up, "window": window}


@pytest.mark.parametrize("name", hidden())
def test_memory_that_depends_on_the_data_is_bounded_from_above_or_refused(name: str, tmp_path: Path) -> None:
    held = [helper.make_tensor(n, I64, [2], shape) for n, shape in (("column", [-1, 1]), ("row", [1, -1]))]
    which = helper.make_tensor("which", TensorProto.BOOL, [100_000], [True] * 100_000)
    path = write(tmp_path, hidden()[name], [*held, which], shape=(100_000,))
    with pytest.raises(ModelError, match=r"asks for \d{11,} bytes of memory|cannot be told before it runs"):
        open_model(path)


def test_what_a_selection_leaves_is_counted_as_the_most_that_it_can_be(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),  # at most 2 x 12 whole numbers of 8 bytes
        helper.make_node("Cast", ["places"], ["y"], to=F32),  # as many of 4
    ]
    assert open_model(write(tmp_path, nodes, shape=(3, 4))).asked_bytes == 12 * 4 + 24 * 8 + 24 * 4 - 12 * 4


@pytest.mark.parametrize("name", bombs())
def test_a_tiny_file_that_asks_for_much_memory_is_refused(name: str, tmp_path: Path) -> None:
    nodes, weights = bombs()[name]
    path = write(tmp_path, nodes, weights, shape=(1, 1))
    assert path.stat().st_size < 2_500
    with pytest.raises(ModelError, match=r"memory|negative"):  # onnx before 1.23 overflows into negative lengths
        open_model(path)


def test_operators_and_opsets_that_the_runtime_lacks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'Conjure' of domain 'com\.example'"):
        open_model(write(tmp_path, [helper.make_node("Conjure", ["x"], ["y"], domain="com.example")]))
    with pytest.raises(ModelError, match=r"'Relux' of domain 'ai\.onnx'"):
        open_model(write(tmp_path, [helper.make_node("Relux", ["x"], ["y"])]))
    with pytest.raises(ModelError, match=r"onnxruntime does not take them .*is till opset \d+; export"):
        open_model(write(tmp_path, relu(), opset=999))


def external(folder: Path, location: str) -> Path:
    weight = numpy_helper.from_array(np.ones(4, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    return write(folder, [helper.make_node("Add", ["x", "w"], ["y"])], [weight])


def test_weights_beside_the_model_are_read_and_belong_to_its_content(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(np.ones(4, np.float32).tobytes())
    path = external(tmp_path, "w.bin")
    model = open_model(path)
    assert model.external
    assert open_session(model).run(None, {"x": np.zeros((1, 4), np.float32)})[0].tolist() == [[1.0] * 4]
    (tmp_path / "w.bin").write_bytes(np.zeros(4, np.float32).tobytes())
    assert open_model(path).sha256 != model.sha256
    with pytest.raises(ModelError, match="16 bytes more"):
        open_model(path, Limits(file_bytes=path.stat().st_size + 15))


def test_weights_outside_the_model_s_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(16))
    os.symlink(secret, folder / "link.bin")
    for location in (str(secret), "../secret.bin", "link.bin", "missing.bin", "", "a\0b"):
        with pytest.raises(ModelError, match="tensor 'w' keeps its data in"):
            open_model(external(folder, location))


def test_a_place_that_onnxruntime_takes_for_an_address_is_refused(tmp_path: Path) -> None:
    for tag in ("*/_ORT_MEM_ADDR_/*", "*/_ORT_LITTLE_ENDIAN_MEM_ADDR_/*"):
        (tmp_path / tag).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / tag).write_bytes(bytes(16))  # even where a file of that name is there
        with pytest.raises(ModelError, match="it has to be a file in the model's folder"):
            open_model(external(tmp_path, tag))


@pytest.mark.parametrize(("key", "value"), [("offset", "1"), ("offset", "-1"), ("offset", "x"), ("length", "12")])
def test_weights_that_do_not_fit_their_file_are_refused(key: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    path = external(tmp_path, "w.bin")
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"do not fit|no numbers"):
        open_model(path)


def test_what_was_checked_runs_though_the_files_change_afterwards(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(np.ones(4, np.float32).tobytes())
    path = external(tmp_path, "w.bin")
    model = open_model(path)
    (tmp_path / "w.bin").unlink()
    path.write_bytes(b"something else")
    assert open_session(model).run(None, {"x": np.zeros((1, 4), np.float32)})[0].tolist() == [[1.0] * 4]


def test_only_the_content_that_was_meant_is_taken(tmp_path: Path) -> None:
    path = write(tmp_path, relu())
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert open_model(path, sha256=right).sha256 == right
    with pytest.raises(ModelError, match=f"has sha256 {right}, not {right[::-1]}"):
        open_model(path, sha256=right[::-1])


def test_a_file_of_two_formats_is_not_read_as_the_other_one(tmp_path: Path) -> None:
    # a producer's name of six bytes puts "ORTM" at byte 4, where onnxruntime looks for its own, unchecked format
    content = bytes([0x12, 6, 0, 0]) + b"ORTM" + write(tmp_path, relu()).read_bytes()
    assert onnx.load_from_string(content).graph.node[0].op_type == "Relu"
    path = tmp_path / "both.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="onnxruntime's own format"):
        open_model(path)
    both = dataclasses.replace(open_model(tmp_path / "model.onnx"), data=content)
    assert open_session(both).get_outputs()[0].name == "y"  # and the session too reads it as ONNX


def test_operators_that_run_foreign_code_or_have_no_bound_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [helper.make_node("StringConcat", ["x", "x"], ["y"])])
    with pytest.raises(ModelError, match="StringConcat: the length of its texts has no bound"):
        open_model(path)
    for kind in ("EPContext", "Snpe"):
        model = onnx.load(write(tmp_path, [helper.make_node(kind, ["x"], ["y"], domain="com.microsoft")]))
        model.opset_import.add(domain="com.microsoft", version=1)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match=f"{kind}: it runs compiled code"):
            open_model(path)


def varint(value: int) -> bytes:
    """As protobuf writes a number: seven bits to a byte, the least first, the eighth says that more follow."""
    groups = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def test_a_flood_of_empty_fields_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    flood = b"\x6a\x00" * 150_000  # as many empty descriptions of tensors, of which the parser makes 60 times the bytes
    graph = b"\x3a" + varint(len(flood)) + flood
    path = tmp_path / "flood.onnx"
    path.write_bytes(write(tmp_path, relu()).read_bytes() + graph)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="more than 100040 fields"):
            open_model(path, Limits(nodes=1))
        assert tracemalloc.get_traced_memory()[1] < 5e6  # the file's own bytes, and little more
    finally:
        tracemalloc.stop()


def test_more_axes_than_any_real_tensor_has_are_refused(tmp_path: Path) -> None:
    many = helper.make_tensor("k", F32, [1] * 65, [1.0])
    with pytest.raises(ModelError, match="65 axes; 64 at most"):
        open_model(write(tmp_path, relu(), [many]))
    axes = helper.make_tensor("axes", I64, [80], list(range(80)))
    with pytest.raises(ModelError, match="more than 64 axes"):
        open_model(write(tmp_path, [helper.make_node("Unsqueeze", ["x", "axes"], ["y"])], [axes]))


def test_an_opset_imported_twice_and_sparse_weights_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, relu())
    model = onnx.load(path)
    model.opset_import.add(domain="ai.onnx", version=9)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="imports 3 opsets of 2 domains"):
        open_model(path)
    model = onnx.load(write(tmp_path, relu()))
    one, at = helper.make_tensor("s", F32, [1], [1.0]), helper.make_tensor("at", I64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(one, at, [2**16, 2**16]))  # 16 GiB once dense
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="stored sparse"):
        open_model(path)


def test_control_flow_is_refused(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "b", [], [helper.make_tensor_value_info("z", F32, None)]
    )
    nodes = [helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)]
    with pytest.raises(ModelError, match=r"control flow \(If\)"):
        open_model(write(tmp_path, nodes, [helper.make_tensor("yes", TensorProto.BOOL, [], [True])]))


def test_a_long_vector_costs_no_memory_to_check(tmp_path: Path) -> None:
    # onnx 1.23 whole-graph inference with data propagation takes 1.4 GB for four such vectors of a quarter the length
    nodes = [
        helper.make_node("ConstantOfShape", ["n"], ["part"]),
        helper.make_node("Concat", ["part"] * 8, ["big"], axis=0),
        helper.make_node("ReduceMax", ["big"], ["max"], keepdims=0),
        helper.make_node("Add", ["x", "max"], ["y"]),
    ]
    assert open_model(write(tmp_path, nodes, [huge(2**24)])).asked_bytes > 9 * 2**26


def test_shapes_that_the_graph_computes_are_followed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["rows"]),
        helper.make_node("Mul", ["rows", "ten"], ["many"]),
        helper.make_node("Concat", ["many", "ten"], ["wanted"], axis=0),
        helper.make_node("Equal", ["wanted", "ten"], ["same"]),
        helper.make_node("Where", ["same", "wanted", "wanted"], ["chosen"]),
        helper.make_node("ConstantOfShape", ["chosen"], ["y"]),
    ]
    held = [helper.make_tensor("zero", I64, [1], [0]), helper.make_tensor("ten", I64, [1], [10])]
    assert open_model(write(tmp_path, nodes, held, shape=(3, 4))).tensors.shapes["y"] == (30, 10)


def opens_or_refuses(content: bytes, folder: Path) -> None:
    path = folder / "fuzzed.onnx"
    path.write_bytes(content)
    try:
        model = open_model(path)
        count(model)
        open_session(model)
    except ModelError:
        pass


# The second has its weights made by operators, so most flips hit the graph
WHOLE = {"shipped": SHIPPED, "light": light_models()["light-squeezenet"].read_bytes()}


def small(folder: Path) -> bytes:
    """A model of 190 bytes with a weight, a shape that the graph computes, and two operators."""
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["scaled"]),
        helper.make_node("Shape", ["scaled"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["zeros"]),
        helper.make_node("Add", ["scaled", "zeros"], ["y"]),
    ]
    return write(folder, nodes, [numpy_helper.from_array(np.ones(4, np.float32), "w")], opset=18).read_bytes()


def test_a_cut_at_every_byte_and_a_flip_in_every_byte_of_a_small_model_are_refused_or_run(tmp_path: Path) -> None:
    content = small(tmp_path)
    assert 100 < len(content) < 250
    for end in range(len(content)):
        opens_or_refuses(content[:end], tmp_path)
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (5 * place % 8)
        opens_or_refuses(bytes(flipped), tmp_path)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(end=st.integers(0, len(SHIPPED) - 1))
def test_a_truncated_model_never_ends_in_another_error(end: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    opens_or_refuses(SHIPPED[:end], tmp_path_factory.getbasetemp())


@settings(derandomize=True, deadline=None, max_examples=250)
@given(
    name=st.sampled_from(sorted(WHOLE)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8),
)
def test_flipped_bytes_never_end_in_another_error(
    name: str, flips: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(WHOLE[name])
    for place, change in flips:
        content[int(place * len(content))] ^= change
    opens_or_refuses(bytes(content), tmp_path_factory.getbasetemp())
