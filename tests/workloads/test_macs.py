"""Multiply-accumulates against the runtime itself: ones multiplied and summed give one for each of them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from workloads.counting.einsum import einsum_macs
from workloads.counting.graph import GraphCount, count
from workloads.counting.macs import RULES
from workloads.counting.operators import NO_PRODUCTS, REASONS
from workloads.loading.opening import open_model
from workloads.models import find_model
from workloads.sessions import open_session

F32 = TensorProto.FLOAT
small = st.integers(1, 5)
steady = settings(derandomize=True, deadline=None, max_examples=25)


def counted_and_summed(
    folder: Path, kind: str, shapes: list[tuple[int, ...]], opset: int = 17, **attributes: Any
) -> tuple[GraphCount, float]:
    """The count of one node fed with ones, and the sum of what onnxruntime makes of them."""
    names = [f"i{place}" for place in range(len(shapes))]
    fed = [helper.make_tensor_value_info(name, F32, shape) for name, shape in zip(names, shapes, strict=True)]
    end = helper.make_tensor_value_info("o", F32, None)
    graph = helper.make_graph([helper.make_node(kind, names, ["o"], **attributes)], "g", fed, [end])
    path = folder / "ones.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    opened = open_model(path)
    ones = {name: np.ones(shape, np.float32) for name, shape in zip(names, shapes, strict=True)}
    return count(opened), float(open_session(opened).run(None, ones)[0].sum(dtype=np.float64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ones")


@steady
@given(groups=small, inner=small, outer=small, kernel=small, more=small, stride=st.integers(1, 3), batch=small)
def test_convolutions(
    folder: Path, groups: int, inner: int, outer: int, kernel: int, more: int, stride: int, batch: int
) -> None:
    side = kernel + more
    shapes = [(batch, groups * inner, side, kernel), (groups * outer, inner, kernel, kernel)]
    counted, summed = counted_and_summed(folder, "Conv", shapes, group=groups, strides=[stride, stride])
    assert counted.macs == summed
    assert counted.grouped_macs == (summed if groups > 1 else 0)


@steady
@given(groups=small, inner=small, outer=small, kernel=small, side=small, stride=st.integers(1, 3))
def test_transposed_convolutions(
    folder: Path, groups: int, inner: int, outer: int, kernel: int, side: int, stride: int
) -> None:
    shapes = [(1, groups * inner, side, side), (groups * inner, outer, kernel, kernel)]
    counted, summed = counted_and_summed(folder, "ConvTranspose", shapes, group=groups, strides=[stride, stride])
    assert counted.macs == summed


@steady
@given(sizes=st.lists(small, min_size=5, max_size=5))
def test_products_that_broadcast(folder: Path, sizes: list[int]) -> None:
    a, b, m, k, n = sizes
    for left, right in (((a, 1, m, k), (b, k, n)), ((k,), (a, k, n)), ((m, k), (k,)), ((m, k), (a, b, k, n))):
        counted, summed = counted_and_summed(folder, "MatMul", [left, right])
        assert counted.macs == counted.matmul_macs == summed


@steady
@given(m=small, k=small, n=small, turned=st.tuples(st.booleans(), st.booleans()))
def test_gemm(folder: Path, m: int, k: int, n: int, turned: tuple[bool, bool]) -> None:
    shapes = [(k, m) if turned[0] else (m, k), (n, k) if turned[1] else (k, n)]
    counted, summed = counted_and_summed(folder, "Gemm", shapes, transA=int(turned[0]), transB=int(turned[1]))
    assert counted.macs == summed


EQUATIONS = ("ij,jk->ik", "bij,bjk->bik", "bhqd,bhkd->bhqk", "i,j->ij", "ij,ij->", "ij,kj", "...ij,...jk->...ik",
             "b...d,dk->b...k", "ijk,kl->lij", "ab,b", "ii,ij->j")  # fmt: skip


@steady
@given(equation=st.sampled_from(EQUATIONS), sizes=st.lists(small, min_size=14, max_size=14))
def test_einsum_of_two_operands(folder: Path, equation: str, sizes: list[int]) -> None:
    length = dict(zip("abdhijklq", sizes, strict=False))
    written = equation.split("->")[0].split(",")
    shapes = []
    for term in written:
        front, dots, back = term.partition("...")
        shapes.append((*(length[i] for i in front), *(sizes[-2:] if dots else ()), *(length[i] for i in back)))
    counted, summed = counted_and_summed(folder, "Einsum", shapes, equation=equation)
    assert counted.macs == summed


def test_einsum_of_three_operands_goes_from_left_to_right() -> None:
    """By hand: (2 x 3)(3 x 4) and (2 x 4)(4 x 5); an index that nothing names later is summed on the way."""
    assert einsum_macs("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]) == (2 * 3 * 4, 2 * 4 * 5)
    assert einsum_macs("ij->ji", [(2, 3)]) == ()
    for equation, shapes in (("ij,jk->ik", [(2, 3), (4, 5)]), ("ij", [(2,)]), ("i,j", [(2,)]), ("i1->1", [(2, 3)])):
        with pytest.raises(ValueError, match=r"ind|operands"):
            einsum_macs(equation, shapes)


@pytest.mark.parametrize("flat", [False, True])
def test_standard_attention(flat: bool, tmp_path: Path) -> None:
    """Opset 23: two query heads to each of two key heads; every query against every key, past ones included."""
    batch, tokens, kept, head = 2, 5, 9, 8
    query, key = (batch, 4, tokens, head), (batch, 2, kept, head)
    ways: dict[str, int] = {}
    if flat:
        query, key = (batch, tokens, 4 * head), (batch, kept, 2 * head)  # type: ignore[assignment]
        ways = {"q_num_heads": 4, "kv_num_heads": 2}
    counted, _ = counted_and_summed(tmp_path, "Attention", [query, key, key], 23, **ways)
    assert counted.macs == 2 * batch * 4 * tokens * kept * head


def test_every_operator_is_counted_or_known_to_count_nothing_or_why_it_cannot_be() -> None:
    listed = onnxruntime.capi.onnxruntime_pybind11_state.get_all_operator_schema()
    ours = {schema.name for schema in listed if schema.domain == "com.microsoft"}
    standard = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    learning = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == "ai.onnx.ml"}
    known = set(RULES) | set(REASONS)
    assert standard - NO_PRODUCTS[""] - known <= {"Det", "LinearAttention"}  # listed as unknown
    assert {"LinearClassifier", "SVMRegressor", "TreeEnsemble"} <= learning - NO_PRODUCTS["ai.onnx.ml"]
    for counts_nothing in NO_PRODUCTS.values():
        assert not counts_nothing & known
    products = ("Attention", "Conv", "Gemm", "MatMul", "MoE", "LSTM", "Delta", "Fft", "fft")
    silent = {name for name in ours & NO_PRODUCTS["com.microsoft"] if any(part in name for part in products)}
    assert silent == {"GemmaRotaryEmbedding"}  # a rotation of the tokens, in the language model Gemma


def test_what_cannot_be_counted_is_listed_with_its_reason(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["wide"], to=F32, name="cast"),
        helper.make_node("MatMul", ["wide", "v"], ["y"], name="product"),
        helper.make_node("MatMul", ["x", "w"], ["z"], name="other"),
    ]
    shapes = {"x": [2, 3], "v": ["n", 4], "w": [3, 5]}
    fed = [helper.make_tensor_value_info(name, F32, shape) for name, shape in shapes.items()]
    ends = [helper.make_tensor_value_info(name, F32, None) for name in "yz"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", fed, ends), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    path = tmp_path / "open.onnx"
    path.write_bytes(model.SerializeToString())
    counted = count(open_model(path, to_run=False))
    assert [(each.operator, each.name) for each in counted.uncounted] == [("MatMul", "product")]
    assert "depends on the data" in counted.uncounted[0].why
    assert counted.macs == 2 * 3 * 5
    assert counted.unsized == ("places", "wide")


def test_what_follows_from_an_uncounted_node_is_counted_or_listed_too(tmp_path: Path) -> None:
    """A pool has no bound of memory where its input's size is unknown: nothing is run, so that is no reason."""
    branch = {
        f"{which}_branch": helper.make_graph(
            [helper.make_node("Mul", ["x", "v"], [which])], "g", [], [helper.make_tensor_value_info(which, F32, None)]
        )
        for which in ("then", "else")
    }
    held = helper.make_tensor("v", F32, [3, 1, 1], [1.0, 2.0, 3.0])
    nodes = [
        helper.make_node("If", ["c"], ["either"], name="fork", **branch),
        helper.make_node("MaxPool", ["either"], ["pooled"], kernel_shape=[2, 2]),
        helper.make_node("Conv", ["pooled", "w"], ["y"], name="after"),
        helper.make_node("Conv", ["x", "w"], ["z"], name="beside"),
    ]
    shapes: list[tuple[str, int, list[int]]] = [
        ("c", TensorProto.BOOL, []), ("x", F32, [1, 3, 8, 8]), ("w", F32, [5, 3, 3, 3])
    ]  # fmt: skip
    fed = [helper.make_tensor_value_info(*each) for each in shapes]
    ends = [helper.make_tensor_value_info(name, F32, None) for name in "yz"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", fed, ends, [held]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    path = tmp_path / "fork.onnx"
    path.write_bytes(model.SerializeToString())
    counted = count(open_model(path, to_run=False))
    assert [each.name for each in counted.uncounted] == ["fork", "after"]
    assert counted.macs == 6 * 6 * 5 * 27
    assert (counted.parameters, counted.weight_bytes) == (3, 12)  # of what either branch reads from outside


def test_the_classes_of_work_add_up() -> None:
    counted = count(open_model(find_model("light-shufflenet")))
    profile = counted.profile()
    assert profile.matmul_ops == 2 * 544 * 1000  # its classifier: 544 channels, 1000 classes
    assert 0 < profile.grouped_ops < profile.ops - profile.matmul_ops
    assert profile.problems() == []
