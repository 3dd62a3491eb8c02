"""A decoder layer as onnxruntime's exporters write it: four-bit weights, grouped attention, a key-value cache."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from workloads.counting.graph import GraphCount, count
from workloads.loading.opening import OpenModel, open_model
from workloads.sessions import open_session

SIZE, HEADS, KEPT, WIDE, WORDS, BLOCK = 64, 4, 2, 96, 50, 32
HEAD = SIZE // HEADS
ROWS = HEAD * (HEADS + 2 * KEPT)  # of the matrix that makes queries, keys and values


def packed(name: str, source: str, k: int, n: int, held: list[Any]) -> Any:
    """A product with a matrix of k x n in four bits."""
    held.append(numpy_helper.from_array(np.full((n, -(-k // BLOCK), BLOCK // 2), 0x88, np.uint8), f"{name}.w"))
    held.append(numpy_helper.from_array(np.ones((n, -(-k // BLOCK)), np.float32), f"{name}.s"))
    ways = {"K": k, "N": n, "bits": 4, "block_size": BLOCK}
    inputs = [source, f"{name}.w", f"{name}.s"]
    return helper.make_node("MatMulNBits", inputs, [name], name=name, domain="com.microsoft", **ways)


def decoder(path: Path, dims: dict[str, int]) -> OpenModel:
    """One layer from embedded tokens to scores of words, with free batch, tokens and past."""
    held: list[Any] = [numpy_helper.from_array(np.ones(SIZE, np.float32), name) for name in ("norm1", "norm2", "norm3")]

    def node(kind: str, inputs: list[str], outputs: list[str], domain: str = "com.microsoft", **more: Any) -> Any:
        return helper.make_node(kind, inputs, outputs, name=outputs[0], domain=domain, **more)

    nodes = [
        node("SimplifiedLayerNormalization", ["x", "norm1"], ["n1"], "", axis=-1, epsilon=1e-5),
        packed("qkv", "n1", SIZE, ROWS, held),
        node("GroupQueryAttention", ["qkv", "", "", "past_key", "past_value", "last", "total"], ["a", "key", "value"],
             num_heads=HEADS, kv_num_heads=KEPT),
        packed("mixed", "a", SIZE, SIZE, held),
        node("SkipSimplifiedLayerNormalization", ["x", "mixed", "norm2"], ["n2", "", "", "sum"], epsilon=1e-5),
        packed("gate", "n2", SIZE, WIDE, held),
        packed("up", "n2", SIZE, WIDE, held),
        node("Sigmoid", ["gate"], ["open"], ""),
        node("Mul", ["open", "up"], ["through"], ""),
        packed("down", "through", WIDE, SIZE, held),
        node("SkipSimplifiedLayerNormalization", ["sum", "down", "norm3"], ["n3"], epsilon=1e-5),
        packed("scores", "n3", SIZE, WORDS, held),
    ]  # fmt: skip
    cache = ["batch", KEPT, "past", HEAD]
    fed = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", SIZE]),
        helper.make_tensor_value_info("past_key", TensorProto.FLOAT, cache),
        helper.make_tensor_value_info("past_value", TensorProto.FLOAT, cache),
        helper.make_tensor_value_info("last", TensorProto.INT32, ["batch"]),
        helper.make_tensor_value_info("total", TensorProto.INT32, []),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("scores", "key", "value")]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph(nodes, "layer", fed, ends, held), opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return open_model(path, dims=dims)


MATRICES = SIZE * ROWS + SIZE * SIZE + 3 * SIZE * WIDE + SIZE * WORDS


@pytest.fixture
def prefill(tmp_path: Path) -> GraphCount:
    return count(decoder(tmp_path / "decoder.onnx", {"batch": 2, "tokens": 7, "past": 3}))


def test_every_node_of_a_decoder_is_counted(prefill: GraphCount) -> None:
    pairs = 2 * HEADS * 7 * (3 + 7)  # batch, heads, queries, keys
    assert (prefill.uncounted, prefill.unsized) == ((), ())
    assert prefill.by_precision == {"fp32, int4 weights": 2 * 7 * MATRICES, "fp32": 2 * pairs * HEAD}
    assert prefill.parameters == MATRICES + 3 * SIZE
    assert (prefill.precision, prefill.grouped_macs, prefill.matmul_macs) == ("int4", 0, prefill.macs)
    assert prefill.weight_bytes == MATRICES // 2 + 4 * MATRICES // BLOCK + 3 * 4 * SIZE


def test_the_runtime_answers_with_the_sizes_that_were_told(tmp_path: Path) -> None:
    opened = decoder(tmp_path / "decoder.onnx", {"batch": 1, "tokens": 1, "past": 3})
    cache = np.zeros((1, KEPT, 3, HEAD), np.float32)
    feed = {"x": np.ones((1, 1, SIZE), np.float32), "past_key": cache, "past_value": cache}
    feed |= {"last": np.array([3], np.int32), "total": np.array(4, np.int32)}
    answers = open_session(opened).run(None, feed)
    assert [opened.tensors.shapes[name] for name in ("scores", "key", "value")] == [each.shape for each in answers]
    assert count(opened).output_bytes == sum(each.nbytes for each in answers)


def test_reading_a_prompt_reuses_weights_and_writing_an_answer_does_not(tmp_path: Path) -> None:
    """The two halves of a language model's work: many operations to a byte, and few."""
    prompt = count(decoder(tmp_path / "prompt.onnx", {"tokens": 512, "past": 1}))
    answer = count(decoder(tmp_path / "answer.onnx", {"tokens": 1, "past": 512}))
    assert prompt.weight_bytes == answer.weight_bytes
    assert prompt.ops_per_byte > 10 * answer.ops_per_byte
