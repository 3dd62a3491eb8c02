"""The precision that the products of an ONNX graph run in, and that their weights are stored in.

Rules: a product whose two operands both come from DequantizeLinear, through views and transposes, runs in the
integers they were stored in: that is what runtimes make of such graphs (onnxruntime and TensorRT: "QDQ"). Where only
the weights were stored narrow, they are widened before use: "fp32, int8 weights". Signed or not is one precision.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from workloads.counting.macs import Product
from workloads.counting.tensors import Tensors

# These hand on what they are given, in another order or shape at most
CARRIERS = {
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
    "Transpose",
    "Slice",
    "Concat",
    "Split",
}
WIDTH_BITS = {"int2": 2, "int4": 4, "fp4": 4, "nf4": 4, "int8": 8, "fp8": 8, "int16": 16, "fp16": 16, "bf16": 16,
              "int32": 32, "fp32": 32, "int64": 64, "fp64": 64}  # fmt: skip
# What a processor's rates are named after (nodes/precision.py), by the bits that weights are stored in
STORED = {2: "int4", 4: "int4", 8: "int8", 16: "fp16", 32: "fp32", 64: "fp32"}


class Precision(NamedTuple):
    """What a product computes in, and what its weights, or its second operand, are stored in."""

    arithmetic: str
    stored: str

    def __str__(self) -> str:
        if WIDTH_BITS.get(self.stored, 0) < WIDTH_BITS.get(self.arithmetic, 0):
            return f"{self.arithmetic}, {self.stored} weights"
        return self.arithmetic

    def storage(self) -> str:
        """`int4`, `int8`, `fp16` or `fp32`: the width of the weights, as processors name it."""
        return STORED[WIDTH_BITS.get(self.stored, 32)]


class Quantised:
    """Follows tensors back to where they were dequantised."""

    def __init__(self, nodes: Sequence[Any], tensors: Tensors) -> None:
        self._tensors = tensors
        self._maker = {name: node for node in nodes for name in node.output if name}

    def of(self, node: Any, product: Product) -> Precision:
        """The precision of one product of `node`."""
        first, first_narrow = self._source(node.input[product.first])
        second, second_narrow = self._source(node.input[product.second])
        stored = product.stored or second
        if product.arithmetic or product.stored:
            return Precision(product.arithmetic or self._element(node.input[product.first]), stored)
        if first_narrow and second_narrow:
            return Precision(max(first, second, key=lambda name: WIDTH_BITS.get(name, 0)), stored)
        wide = next((name for name, narrow in ((first, first_narrow), (second, second_narrow)) if not narrow), first)
        if node.input[product.second] not in self._tensors.constants:
            stored = wide
        return Precision(wide, stored)

    def _source(self, name: str) -> tuple[str, bool]:
        """The precision that a tensor was stored in, and whether it is a quantised one."""
        for _ in range(len(self._maker) + 1):  # a graph has no cycles, but a file may
            maker = self._maker.get(name)
            if maker is None or not maker.input:
                break
            if maker.op_type == "DequantizeLinear":
                return self._element(maker.input[0]), True
            if maker.op_type not in CARRIERS:
                break
            name = maker.input[0]
        element = self._element(name)
        return element, element.startswith("int")

    def _element(self, name: str) -> str:
        return self._tensors.precisions.get(name) or "fp32"
