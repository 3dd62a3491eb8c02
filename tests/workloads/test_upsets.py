"""Bit flips in weights: which bits, where they lie, and that the session which runs is one of the flipped bytes."""

import dataclasses
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from workloads.errors import ModelError, WorkloadError
from workloads.loading.opening import OpenModel, open_model
from workloads.models import shipped_models
from workloads.providers import open_session
from workloads.radiation.upset_rates import RATES
from workloads.radiation.upsets import Weights, chosen, draw, flipped, poisson, weights
from workloads.streams import stream

F32 = TensorProto.FLOAT
SCREEN = open_model(shipped_models()["cloud-screen"])
HELD = weights(SCREEN)


def model_of(folder: Path, nodes: list[Any], held: list[Any], size: int = 4, opset: int = 17) -> OpenModel:
    ends = [helper.make_tensor_value_info(name, F32, [1, size]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    path = folder / "model.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    path.write_bytes(made.SerializeToString())
    return open_model(path)


def scaled(folder: Path, *values: float) -> OpenModel:
    """y = x * w, its weights stored one by one and not as raw bytes."""
    weight = helper.make_tensor("w", F32, [1, len(values)], values)
    return model_of(folder, [helper.make_node("Mul", ["x", "w"], ["y"], name="scale")], [weight], len(values))


def answer(model: OpenModel, data: bytes, size: int) -> list[float]:
    session = open_session(dataclasses.replace(model, data=data))
    return np.asarray(session.run(None, {"x": np.ones((1, size), np.float32)})[0])[0].tolist()


def test_a_flipped_bit_changes_the_weight_as_ieee_754_says(tmp_path: Path) -> None:
    model = scaled(tmp_path, 1.0, 1.0, 1.0, 1.0, -2.5)
    held = weights(model)
    assert [(block.name, block.layer, block.width, block.elements) for block in held.blocks] == [("w", "scale", 32, 5)]
    assert answer(model, held.data, 5) == [1.0, 1.0, 1.0, 1.0, -2.5]
    flips = np.array([(0, 0, 31), (0, 1, 23), (0, 2, 30), (0, 3, 22), (0, 4, 31)])
    # 1.0 is 0x3F800000: sign; exponent 127 to 126; exponent 127 to 255 with no fraction; half of the fraction
    assert answer(model, flipped(held, flips), 5) == [-1.0, 0.5, float("inf"), 1.5, 2.5]


def test_numbers_that_become_a_size_by_way_of_others_are_no_weights(tmp_path: Path) -> None:
    """Bit 28 of `size` would have onnxruntime make 2^30 floats in this process."""
    nodes = [
        helper.make_node("Mul", ["size", "one"], ["sized"]),
        helper.make_node("Cast", ["sized"], ["wide"], to=TensorProto.INT64),
        helper.make_node("Expand", ["x", "wide"], ["e"]),
        helper.make_node("Mul", ["e", "w"], ["y"]),
    ]
    whole = [numpy_helper.from_array(np.array([1, 4], "i4"), "size"), numpy_helper.from_array(np.ones(1, "i4"), "one")]
    held = weights(model_of(tmp_path, nodes, [*whole, numpy_helper.from_array(np.ones(4, "f4"), "w")]))
    assert [block.name for block in held.blocks] == ["w"]


def test_quantised_weights_flip_too_and_belong_to_the_layer_that_computes_with_them(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"], name="dequantise"),
        helper.make_node("Mul", ["x", "w"], ["y"], name="product"),
    ]
    held = [numpy_helper.from_array(np.ones((1, 4), np.int8), "q"), numpy_helper.from_array(np.float32(0.5), "scale")]
    model = model_of(tmp_path, nodes, held)
    found = weights(model)
    assert {(block.name, block.layer, block.width) for block in found.blocks} == {
        ("q", "product", 8),
        ("scale", "product", 32),
    }
    numbers = {block.name: number for number, block in enumerate(found.blocks)}
    flips = np.array([(numbers["q"], 1, 7), (numbers["q"], 2, 1), (numbers["scale"], 0, 31)])
    assert answer(model, flipped(found, flips), 4) == [-0.5, 63.5, -1.5, -0.5]  # 1 to -127; 1 to 3; scale to -0.5
    assert [len(places) for _, places in chosen(found.blocks, "sign")] == [1, 1]
    assert [number for number, _ in chosen(found.blocks, "exponent")] == [numbers["scale"]]  # an int8 has none
    assert found.bits == 4 * 8 + 32


def test_weights_of_four_bits_flip_each_in_its_half_of_a_byte(tmp_path: Path) -> None:
    """Two's complement: 1 is 0001, -3 is 1101, 7 is 0111; three of them fill a byte and a half."""
    whole = helper.make_tensor("q", TensorProto.INT4, [1, 3], [1, -3, 7])
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("Mul", ["x", "w"], ["y"]),
    ]
    scale = numpy_helper.from_array(np.float32(1.0), "scale")
    model = model_of(tmp_path, nodes, [whole, scale], 3, opset=21)
    found = weights(model)
    assert found.bits == 3 * 4 + 32
    assert answer(model, found.data, 3) == [1.0, -3.0, 7.0]
    flips = np.array([(0, 0, 3), (0, 1, 0), (0, 2, 2)])  # 1001, 1100, 0011
    assert answer(model, flipped(found, flips), 3) == [-7.0, -4.0, 3.0]


def test_only_numbers_that_are_computed_with_are_weights() -> None:
    names = {block.name for block in HELD.blocks}
    assert "twice" not in names  # the sizes of Resize
    kernels = (
        16 * 4 + 32 * 16 + 2 * 32 * 32 + 16 * 48 + 8 * 20
    ) * 9 + 8  # as scripts/train_cloud_screen.py builds them
    biases, scaling = 16 + 3 * 32 + 16 + 8 + 1, 2
    assert HELD.bits == 32 * (kernels + biases + scaling)


def test_a_model_without_weights_has_none_to_flip(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no weights that could flip"):
        weights(model_of(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], []))


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    count=st.integers(0, 3000),
    seed=st.integers(0, 100),
    bits=st.sampled_from(["", "exponent", "mantissa", "sign", "3-7", "30"]),
    layer=st.sampled_from(["", "head.out", "stem.weight"]),
)
def test_as_many_bits_differ_as_were_flipped_and_flipping_again_restores(
    count: int, seed: int, bits: str, layer: str
) -> None:
    where = chosen(HELD.blocks, bits, layer)
    count = min(count, sum(HELD.blocks[number].elements * len(places) for number, places in where))
    flips = draw(stream(seed, "test"), HELD.blocks, where, count)
    after = flipped(HELD, flips)
    a, b = (np.unpackbits(np.frombuffer(each, np.uint8)) for each in (HELD.data, after))
    assert len(after) == len(HELD.data)
    assert int((a != b).sum()) == count
    assert flipped(Weights(after, HELD.blocks), flips) == HELD.data
    allowed = {number: set(places) for number, places in where}
    assert all(bit in allowed[number] for number, _, bit in flips.tolist())


def test_every_bit_is_drawn_once_where_all_are_and_alike_often_where_few_are(tmp_path: Path) -> None:
    held = weights(scaled(tmp_path, 1.0, 2.0))
    where = chosen(held.blocks, "0-9")
    every = {(0, element, bit) for element in range(2) for bit in range(10)}
    assert {tuple(flip) for flip in draw(stream(1, "all"), held.blocks, where, 20).tolist()} == every
    counts = dict.fromkeys(every, 0)
    for trial in range(2000):
        for flip in draw(stream(trial, "few"), held.blocks, where, 3).tolist():
            counts[tuple(flip)] += 1
    expected, spread = 2000 * 3 / 20, sqrt(2000 * (3 / 20) * (17 / 20))
    assert all(abs(count - expected) < 4.5 * spread for count in counts.values())
    with pytest.raises(WorkloadError, match="21 flips cannot be: there are 20 bits"):
        draw(stream(1, "all"), held.blocks, where, 21)


def test_flips_by_rate_are_poisson() -> None:
    for mean in (0.0, 0.7, 40.0):
        counts = [poisson(stream(seed, "poisson"), mean) for seed in range(600)]
        assert abs(float(np.mean(counts)) - mean) <= 4 * sqrt(mean / 600)
        assert abs(float(np.var(counts)) - mean) <= 4 * (sqrt(2 * mean**2 + mean) / sqrt(600))  # fourth moment
    with pytest.raises(WorkloadError, match="expected flips cannot be drawn"):
        poisson(stream(1, "poisson"), 1e9)


@pytest.mark.parametrize(
    ("bits", "layer"), [("exponents", ""), ("32-40", ""), ("9-3", ""), ("-1", ""), ("", "nowhere")]
)
def test_bits_and_layers_that_are_not_there_are_refused(bits: str, layer: str) -> None:
    with pytest.raises(WorkloadError, match=r"bits .* cannot be|no weight has bits"):
        chosen(HELD.blocks, bits, layer)


def test_rates_say_how_well_they_are_known() -> None:
    assert {rate.mark for rate in RATES} == {"press", "guess"}
    assert all(rate.source and 0 < rate.per_bit_day < 1e-4 for rate in RATES)
    assert [a.per_bit_day >= b.per_bit_day for a, b in combinations(RATES, 2)].count(False) == 0
