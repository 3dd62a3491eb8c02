"""onnxruntime's own operators: the shapes told beforehand are those that the runtime really answers with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from workloads.counting import contrib
from workloads.counting.graph import count
from workloads.errors import ModelError
from workloads.loading.opening import OpenModel, open_model
from workloads.sessions import open_session

F, I4, I8, U8, H = np.float32, np.int32, np.int8, np.uint8, np.float16
Inputs = list[tuple[Any, tuple[int, ...]] | None]
ONE: tuple[Any, tuple[int, ...]] = (F, ())
ZERO: tuple[Any, tuple[int, ...]] = (U8, ())
ZERO8: tuple[Any, tuple[int, ...]] = (I8, ())
batch, tokens, heads, head, past = 2, 5, 4, 8, 3
size = heads * head


def single(folder: Path, kind: str, inputs: Inputs, outputs: int, **attributes: Any) -> OpenModel:
    """A model of one node, whose inputs are the graph's; None leaves one out."""
    names = [f"i{place}" if given else "" for place, given in enumerate(inputs)]
    made = [f"o{place}" for place in range(outputs)]
    node = helper.make_node(kind, names, made, domain="com.microsoft", **attributes)
    fed = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(given[0])), list(given[1]))
        for name, given in zip(names, inputs, strict=True)
        if given
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made]
    for end in ends:
        end.ClearField("type")  # the runtime shall find it
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph([node], "g", fed, ends), opset_imports=opsets, ir_version=8)
    path = folder / f"{kind}.onnx"
    path.write_bytes(model.SerializeToString())
    return open_model(path)


past_kv: tuple[Any, tuple[int, ...]] = (F, (batch, heads, past, head))
CASES: dict[str, tuple[str, Inputs, int, dict[str, Any]]] = {
    "attention": ("Attention", [(F, (batch, tokens, 12)), (F, (12, 3 * size)), (F, (3 * size,))], 1,
                  {"num_heads": heads}),
    "attention with a past": (
        "Attention",
        [(F, (batch, tokens, 12)), (F, (12, 3 * size)), (F, (3 * size,)), None, (F, (2, batch, heads, past, head))],
        2, {"num_heads": heads, "unidirectional": 1},
    ),
    "attention with narrow values": (
        "Attention", [(F, (batch, tokens, 12)), (F, (12, 2 * size + 16)), (F, (2 * size + 16,))], 1,
        {"num_heads": heads, "qkv_hidden_sizes": [size, size, 16]},
    ),
    "quantised attention": (
        "QAttention",
        [(U8, (batch, tokens, 12)), (I8, (12, 3 * size)), (F, (3 * size,)), ONE, ONE, None, ZERO, ZERO8], 1,
        {"num_heads": heads},
    ),
    "multi-head": ("MultiHeadAttention", [(F, (batch, tokens, size)), (F, (batch, 7, size)), (F, (batch, 7, 16))], 1,
                   {"num_heads": heads}),
    "multi-head with a past": (
        "MultiHeadAttention",
        [*[(F, (batch, tokens, size))] * 3, None, None, None, past_kv, past_kv], 3, {"num_heads": heads},
    ),
    "grouped": (
        "GroupQueryAttention",
        [(F, (batch, tokens, size)), *[(F, (batch, tokens, 2 * head))] * 2, None, None, (I4, (batch,)), (I4, ())],
        3, {"num_heads": heads, "kv_num_heads": 2},
    ),
    "bias and gelu": ("BiasGelu", [(F, (2, 3, 4)), (F, (4,))], 1, {}),
    "skip and normalise": ("SkipLayerNormalization", [(F, (2, 3, 4)), (F, (2, 3, 4)), (F, (4,)), (F, (4,))], 1, {}),
    "skip and simply normalise": ("SkipSimplifiedLayerNormalization", [(F, (2, 3, 4)), (F, (2, 3, 4)), (F, (4,))], 1,
                                  {}),
    "embedding": ("EmbedLayerNormalization", [(I4, (2, 5)), (I4, (2, 5)), (F, (9, 4)), (F, (6, 4)), (F, (2, 4)),
                                              (F, (4,)), (F, (4,)), (I4, (2, 5))], 2, {}),
    "fused product": ("FusedMatMul", [(F, (2, 3, 4)), (F, (2, 5, 4))], 1, {"transB": 1}),
    "turned product": ("FusedMatMul", [(F, (2, 4, 3)), (F, (4, 5))], 1, {"transA": 1}),
    "product by a vector": ("FusedMatMul", [(F, (2, 4, 3)), (F, (4,))], 1, {"transA": 1}),
    "product of a vector": ("FusedMatMul", [(F, (3,)), (F, (3, 4))], 1, {"transA": 1}),
    "product with rows before the batch": ("FusedMatMul", [(F, (3, 2, 5, 4)), (F, (2, 5, 4, 6))], 1,
                                           {"transBatchA": 1}),
    "turned products with rows before the batch": ("FusedMatMul", [(F, (4, 5, 3)), (F, (6, 5, 4))], 1,
                                                   {"transBatchA": 1, "transBatchB": 1, "transA": 1, "transB": 1}),
    "dynamic product": ("DynamicQuantizeMatMul", [(F, (2, 3, 4)), (I8, (4, 5)), ONE, ZERO8], 1, {}),
    "product to float": ("MatMulIntegerToFloat", [(U8, (2, 3, 4)), (I8, (4, 5)), ONE, ONE, ZERO, ZERO8], 1, {}),
    "quantised gemm": ("QGemm", [(U8, (3, 4)), ONE, ZERO, (U8, (5, 4)), ONE, ZERO, None, ONE, ZERO], 1, {"transB": 1}),
    "quantised gemm to float": ("QGemm", [(U8, (3, 4)), ONE, ZERO, (U8, (4, 5)), ONE, ZERO], 1, {}),
    "fused gemm": ("FusedGemm", [(F, (3, 4)), (F, (4, 5))], 1, {"activation": "Relu"}),
    "fused convolution": ("FusedConv", [(F, (1, 4, 8, 8)), (F, (6, 2, 3, 3)), (F, (6,))], 1,
                          {"activation": "Relu", "group": 2, "strides": [2, 2]}),
    "quantised sum": ("QLinearAdd", [(U8, (2, 3, 1)), ONE, ZERO, (U8, (3, 4)), ONE, ZERO, ONE, ZERO], 1, {}),
    "quantised join": ("QLinearConcat", [ONE, ZERO, (U8, (1, 2, 3)), ONE, ZERO, (U8, (1, 5, 3)), ONE, ZERO], 1,
                       {"axis": 1}),
    "quantised mean": ("QLinearGlobalAveragePool", [(U8, (1, 6, 4, 4)), ONE, ZERO, ONE, ZERO], 1, {}),
    "quantised mean, channels last": ("QLinearGlobalAveragePool", [(U8, (1, 4, 4, 6)), ONE, ZERO, ONE, ZERO], 1,
                                      {"channels_last": 1}),
    "quantised pool": ("QLinearAveragePool", [(U8, (1, 6, 5, 5)), ONE, ZERO, ONE, ZERO], 1,
                       {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "quantised sigmoid": ("QLinearSigmoid", [(U8, (2, 3)), ONE, ZERO, ONE, ZERO], 1, {}),
    "quantised choice": ("QLinearWhere", [(np.bool_, (2, 1)), (U8, (1, 3)), ONE, ZERO, (U8, (2, 3)), ONE, ZERO, ONE,
                                          ZERO], 1, {}),
    "rows of four bits": ("GatherBlockQuantized", [(U8, (10, 8)), (I4, (2, 3)), (F, (10, 1))], 1,
                          {"bits": 4, "block_size": 16, "quantize_axis": 1}),
    "quantise": ("QuantizeLinear", [(F, (2, 3)), ONE, ZERO], 1, {}),
    "dequantise": ("DequantizeLinear", [(U8, (2, 3)), ONE, ZERO], 1, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_shapes_are_those_that_the_runtime_answers_with(case: str, tmp_path: Path) -> None:
    kind, inputs, outputs, attributes = CASES[case]
    model = single(tmp_path, kind, inputs, outputs, **attributes)
    feed = {f"i{place}": np.ones(given[1], given[0]) for place, given in enumerate(inputs) if given}
    if kind == "GroupQueryAttention":
        feed |= {"i5": np.full(batch, tokens - 1, I4), "i6": np.array(tokens, I4)}
    if kind == "EmbedLayerNormalization":
        feed |= {name: np.zeros((2, 5), I4) for name in ("i0", "i1")}
    answers = open_session(model).run(None, feed)
    assert [model.tensors.shapes[f"o{place}"] for place in range(outputs)] == [answer.shape for answer in answers]
    bits = [8 * answer.dtype.itemsize for answer in answers]
    assert [model.tensors.bits[f"o{place}"] for place in range(outputs)] == bits
    assert count(model).uncounted == ()
    if kind == "FusedMatMul":  # of ones: each of its multiply-accumulates adds one
        assert count(model).macs == answers[0].sum()


def test_attention_counts_as_its_parts(tmp_path: Path) -> None:
    """Projection, then scores and answers: each token against each that it attends to, over all heads."""
    kind, inputs, outputs, attributes = CASES["attention with a past"]
    counted = count(single(tmp_path, kind, inputs, outputs, **attributes))
    assert counted.macs == batch * tokens * 12 * 3 * size + 2 * batch * tokens * (past + tokens) * size


def test_attention_over_other_tokens_counts_those(tmp_path: Path) -> None:
    kind, inputs, outputs, attributes = CASES["multi-head"]
    assert count(single(tmp_path, kind, inputs, outputs, **attributes)).macs == batch * tokens * 7 * (size + 16)


def test_packed_queries_keys_and_values_count_as_apart(tmp_path: Path) -> None:
    """No CPU kernel takes them, so the shape too is by hand."""
    packed = single(tmp_path, "MultiHeadAttention", [(F, (batch, tokens, heads, 3, head))], 1, num_heads=heads)
    assert packed.tensors.shapes["o0"] == (batch, tokens, size)
    pairs: Inputs = [(F, (batch, tokens, size)), (F, (batch, 7, heads, 2, head))]
    half = single(tmp_path, "MultiHeadAttention", pairs, 1, num_heads=heads)
    assert (count(packed).macs, count(half).macs) == (
        2 * batch * tokens * tokens * size,
        2 * batch * tokens * 7 * size,
    )


def test_grouped_attention_counts_every_query_head(tmp_path: Path) -> None:
    kind, inputs, outputs, attributes = CASES["grouped"]
    assert count(single(tmp_path, kind, inputs, outputs, **attributes)).macs == 2 * batch * tokens * tokens * size
    windowed = single(tmp_path, kind, inputs, outputs, **attributes, local_window_size=2)
    assert count(windowed).macs == 2 * batch * tokens * 2 * size


def test_quantised_attention_projects_in_int8_and_attends_in_float(tmp_path: Path) -> None:
    kind, inputs, outputs, attributes = CASES["quantised attention"]
    assert count(single(tmp_path, kind, inputs, outputs, **attributes)).by_precision == {
        "int8": batch * tokens * 12 * 3 * size,
        "fp32": 2 * batch * tokens * tokens * size,
    }


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes"),
    [
        ("FusedMatMul", [(F, ()), (F, (3, 4))], {}),
        ("QLinearAdd", [(U8, (2, 3)), ONE, ZERO, (U8, (4,)), ONE, ZERO, ONE, ZERO], {}),
        ("Attention", [(F, (3, 4)), (F, (4, 12)), (F, (12,))], {"num_heads": 1}),
        ("Attention", [(F, (1, 3, 4)), (F, (4, 12)), (F, (12,))], {"num_heads": 0}),
        ("MatMulNBits", [(F, (3, 4)), (U8, (1, 1, 16)), (F, (1,))], {"K": 4, "N": -1, "block_size": 32}),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    kind: str, inputs: Inputs, attributes: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"contradict each other|negative"):
        single(tmp_path, kind, inputs, 1, **attributes)


axes = st.lists(st.integers(0, 9), max_size=5).map(tuple)
whole = st.one_of(st.integers(-3, 9), st.just(2**62))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    kind=st.sampled_from(sorted({*contrib.RULES, *contrib.SAME_SHAPE})),
    shapes=st.lists(st.one_of(st.none(), axes), min_size=1, max_size=9),
    numbers=st.fixed_dictionaries({}, optional=dict.fromkeys(("num_heads", "kv_num_heads", "K", "N", "axis"), whole)),
    listed=st.lists(st.integers(-2, 9), max_size=4),
)
def test_any_inputs_and_attributes_are_counted_or_refused(
    kind: str,
    shapes: list[tuple[int, ...] | None],
    numbers: dict[str, int],
    listed: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    inputs: Inputs = [None if shape is None else (F, shape) for shape in shapes]
    attributes: dict[str, Any] = dict(numbers)
    if listed:
        attributes["qkv_hidden_sizes"] = listed
    try:
        counted = count(single(tmp_path_factory.getbasetemp(), kind, inputs, 2, **attributes))
    except ModelError:
        return
    assert counted.macs >= 0
    assert counted.peak_activation_bytes >= 0


def test_every_rule_has_a_case() -> None:
    """But for those that no CPU kernel answers for, and those that others test against the runtime."""
    elsewhere = {"MatMulNBits", "QAttention"}
    without_kernel = {"MatMulBnb4", "TransposeMatMul", "GemmFastGelu", "GemmFloat8", "MatMulInteger16", "BiasSplitGelu",
                      "FusedMatMulActivation", "QEmbedLayerNormalization", "QLinearMul",
                      "QLinearReduceMean", "DynamicQuantizeLSTM"}  # fmt: skip
    tested = {kind for kind, *_ in CASES.values()}
    assert set(contrib.RULES) - tested - elsewhere <= without_kernel
