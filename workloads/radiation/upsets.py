"""Bit flips in the weights of a real model: where the weights lie in its bytes, which bits flip, the bytes afterwards.

Rules: nothing is imitated: the flipped bytes are a whole ONNX model, which onnxruntime loads and runs. Weights are the
initializers of numbers that operators compute with; shapes, axes and sizes, which a runtime folds away, are none.
Bit 0 is the least significant one; ONNX stores little-endian (onnx.proto, TensorProto.raw_data).
"""

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import msgspec
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from workloads.errors import ModelError, WorkloadError
from workloads.loading.opening import OpenModel
from workloads.loading.wire_format import raw_spans
from workloads.streams import choices, exponentials, uniforms

DAY_S = 86400.0
# Bits of an element, and the first of its exponent's and its sign: IEEE 754-2019, table 3.5; whole numbers have a sign
FORMATS = {
    "FLOAT": (32, 23, 31), "FLOAT16": (16, 10, 15), "BFLOAT16": (16, 7, 15), "INT4": (4, 3, 3), "UINT4": (4, 4, 4),
    "INT8": (8, 7, 7), "UINT8": (8, 8, 8), "INT16": (16, 15, 15), "UINT16": (16, 16, 16), "INT32": (32, 31, 31),
}  # fmt: skip
LAST_BIT = 31  # of the widest format
_BITS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?")
# Inputs that say a size or a place and not a number to compute with
SHAPERS = frozenset({
    "Reshape", "Resize", "Upsample", "Slice", "Pad", "Expand", "Tile", "Squeeze", "Unsqueeze", "Split", "TopK", "Range",
    "ConstantOfShape", "OneHot", "NonMaxSuppression", "Clip",
})  # fmt: skip
# Of those, the first input that is one, where that is not the second; Clip's are limits of what it computes with
FIRST_SIZE = {"Range": 0, "ConstantOfShape": 0, "NonMaxSuppression": 2}


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """The weights of one tensor: `elements` of `format` from byte `offset` on; `layer` is the node they work in."""

    name: str
    layer: str
    format: str
    elements: int
    offset: int

    @property
    def width(self) -> int:
        """Bits of an element."""
        return FORMATS[self.format][0]

    @property
    def size_bytes(self) -> int:
        """Of all elements; two of four bits share a byte, the first in its lower half (onnx.proto, raw_data)."""
        return -(-self.elements * self.width // 8)


class Weights(msgspec.Struct, frozen=True):
    """A whole serialised model, and where its weights lie in it."""

    data: bytes
    blocks: tuple[Block, ...]

    @property
    def bits(self) -> int:
        """Of all weights."""
        return sum(block.elements * block.width for block in self.blocks)


Flips = NDArray[np.int64]  # (flips, 3): number of the block, element, bit


def weights(model: OpenModel) -> Weights:
    """The weights of an opened model, in bytes that are laid out anew: each tensor's in one piece.

    Raises ModelError for a model that has none.
    """
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model.proto)
    layers = _layers(made)
    for tensor in made.graph.initializer:
        if tensor.name in layers and not tensor.HasField("raw_data"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    data = bytes(made.SerializeToString())
    spans = raw_spans(data)
    blocks = []
    for tensor in made.graph.initializer:
        kind = onnx.TensorProto.DataType.Name(tensor.data_type)
        if tensor.name in layers and tensor.name in spans and prod(tensor.dims):
            block = Block(
                name=tensor.name, layer=layers[tensor.name], format=kind, elements=prod(tensor.dims),
                offset=spans[tensor.name][0],
            )  # fmt: skip
            if spans[tensor.name][1] - block.offset != block.size_bytes:
                raise ModelError(f"{model.path}: the data of {tensor.name!r} do not fill its shape")
            blocks.append(block)
    if not blocks:
        raise ModelError(f"{model.path}: holds no weights that could flip, which are {', '.join(FORMATS)}")
    return Weights(data, tuple(blocks))


def _layers(model: Any) -> dict[str, str]:
    """For each tensor of weights the node that computes with it; what turns it into floats is looked through."""
    import onnx

    kinds = {tensor.name: onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in model.graph.initializer}
    readers: dict[str, Any] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, node)
    sizes, found = _sizes(model), {}
    for name, kind in kinds.items():
        node = readers.get(name)
        if kind not in FORMATS or node is None or node.op_type in SHAPERS or name in sizes:
            continue
        while node.op_type in ("DequantizeLinear", "Transpose", "Identity", "Cast") and node.output[0] in readers:
            node = readers[node.output[0]]
        found[name] = node.name or node.output[0]
    return found


def _sizes(model: Any) -> set[str]:
    """Tensors whose numbers become sizes or places, through whatever computes them: flipped they ask for any memory."""
    makers = {name: node for node in model.graph.node for name in node.output}
    shaping = [node for node in model.graph.node if node.op_type in SHAPERS - {"Clip"}]
    rest = [name for node in shaping for name in node.input[FIRST_SIZE.get(node.op_type, 1) :]]
    found: set[str] = set()
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            maker = makers.get(name)
            if maker is not None and maker.op_type not in ("Shape", "Size"):  # those read no numbers
                rest += maker.input
    return found


def chosen(blocks: Sequence[Block], bits: str = "", layer: str = "") -> list[tuple[int, tuple[int, ...]]]:
    """(number of a block, its bits) that may flip: `bits` "0-31", "30", "exponent", "mantissa", "sign" or all.

    `layer` is the name of a layer or of a tensor. Raises WorkloadError where nothing is left.
    """
    found = []
    for number, block in enumerate(blocks):
        if layer and layer not in (block.layer, block.name):
            continue
        places = _places(block.format, bits)
        if places:
            found.append((number, places))
    if not found:
        layers = ", ".join(dict.fromkeys(block.layer for block in blocks))
        raise WorkloadError(
            f"no weight has bits {bits or 'of any kind'!r} in layer {layer or 'any'!r}: the layers are {layers[:500]}; "
            "bits are 0-31, one number, exponent, mantissa or sign"
        )
    return found


def _places(kind: str, bits: str) -> tuple[int, ...]:
    width, exponent, sign = FORMATS[kind]
    named = {"": (0, width), "mantissa": (0, exponent), "exponent": (exponent, sign), "sign": (sign, width)}
    if bits in named:
        return tuple(range(*named[bits]))
    match = _BITS.fullmatch(bits)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not first <= last <= LAST_BIT:
        text = f"bits 0 to {LAST_BIT}, as 30 or 23-30; or exponent, mantissa, sign"
        raise WorkloadError(f"bits {bits[:80]!r} cannot be: {text}")
    return tuple(range(first, min(last + 1, width)))


def draw(source: Generator, blocks: Sequence[Block], where: Sequence[tuple[int, tuple[int, ...]]], count: int) -> Flips:
    """`count` distinct bits, each of those in `where` alike in probability.

    Raises WorkloadError for a count below 0 or above the number of bits.
    """
    sizes = np.array([blocks[number].elements * len(places) for number, places in where], dtype=np.int64)
    total = int(sizes.sum())
    if not 0 <= count <= total:
        raise WorkloadError(f"{count} flips cannot be: there are {total} bits to flip")
    ends = np.cumsum(sizes)
    picked = _distinct(source, count, total)
    rows = np.searchsorted(ends, picked, side="right")
    within = picked - (ends - sizes)[rows]
    flips = np.empty((count, 3), np.int64)
    for row, (number, places) in enumerate(where):
        here = rows == row
        flips[here, 0] = number
        flips[here, 1] = within[here] // len(places)
        flips[here, 2] = np.array(places)[within[here] % len(places)]
    return flips


def _distinct(source: Generator, count: int, below: int) -> NDArray[np.int64]:
    """`count` distinct whole numbers below `below`, in the order in which they were drawn."""
    if 2 * count > below:
        return np.argsort(uniforms(source, below), kind="stable")[:count].astype(np.int64)
    picked = choices(source, count, below)
    while True:
        _, first = np.unique(picked, return_index=True)
        if len(first) == count:
            return picked
        picked = np.concatenate([picked[np.sort(first)], choices(source, count - len(first), below)])


def flipped(held: Weights, flips: Flips) -> bytes:
    """The model's bytes with those bits turned; turning them again gives back what was."""
    content = np.frombuffer(held.data, np.uint8).copy()
    offsets = np.array([block.offset for block in held.blocks], np.int64)
    widths = np.array([block.width for block in held.blocks], np.int64)
    number, element, bit = flips.T
    within = element * widths[number] + bit
    np.bitwise_xor.at(content, offsets[number] + within // 8, (1 << (within % 8)).astype(np.uint8))  # may share a byte
    return content.tobytes()


def poisson(source: Generator, mean: float) -> int:
    """How many events fall into the time in which `mean` are expected: unit exponentials until they exceed it."""
    if not 0.0 <= mean <= 1e7:
        raise WorkloadError(f"{mean} expected flips cannot be drawn: 0 to 1e7; take a shorter time or a lower rate")
    count, passed = 0, 0.0
    while True:
        for gap in exponentials(source, 256, 1.0):
            passed += gap
            if passed > mean:
                return count
            count += 1
