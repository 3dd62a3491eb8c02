"""The multiply-accumulates of one node of an ONNX graph, from the shapes of what it reads and writes.

Rules: counted as published counts are: convolutions, matrix products, recurrent layers and attention, one
multiply-accumulate each; normalisation, activation, pooling, interpolation and look-ups count nothing. An operator
that is in none of the lists here, or whose sizes are unknown, raises CannotCount: nothing is silently zero.
Attention counts every pair of a query and a key, masked or not, as its kernels and published counts do.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from workloads.counting import contrib
from workloads.counting.einsum import einsum_macs
from workloads.counting.operators import KNOWN_DOMAINS, NO_PRODUCTS, REASONS
from workloads.counting.tensors import Shape, Tensors, attribute, values


class CannotCount(ValueError):
    """The multiply-accumulates of a node cannot be told; the message says why."""


class Product(NamedTuple):
    """Multiply-accumulates of two operands, which are given by their places among the inputs.

    `arithmetic` and `stored` name precisions that the tensors themselves do not show, or are empty.
    """

    macs: int
    first: int
    second: int
    arithmetic: str = ""
    stored: str = ""


def products(node: Any, tensors: Tensors) -> tuple[Product, ...]:
    """What the node multiplies and accumulates; empty for an operator that does not. Raises CannotCount."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    if domain not in KNOWN_DOMAINS:
        raise CannotCount("operators of its domain are not known here")
    if node.op_type in NO_PRODUCTS.get(domain, ()):
        return ()
    if node.op_type in REASONS:
        raise CannotCount(REASONS[node.op_type])
    rule = RULES.get(node.op_type)
    if rule is None or domain not in ("", "com.microsoft"):
        raise CannotCount("what it computes is not known here")
    try:
        return rule(Operands(node, tensors))
    except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, CannotCount):
            raise
        raise CannotCount(f"its inputs do not fit the operator: {error}") from error


class Operands:
    """The shapes around one node; a shape that is asked for and unknown raises CannotCount."""

    def __init__(self, node: Any, tensors: Tensors) -> None:
        self.node, self._tensors = node, tensors

    def shape(self, place: int) -> Shape:
        """That of an input by its place."""
        return self._of(self.node.input[place])

    def made(self) -> Shape:
        """That of the first output."""
        return self._of(self.node.output[0])

    def given(self) -> contrib.Sizes:
        """Those of all inputs, () for one left out, None where unknown."""
        return tuple(self._tensors.shapes.get(name) if name else () for name in self.node.input)

    def number(self, name: str, otherwise: int = 0) -> int:
        """A whole-number attribute."""
        return attribute(self.node, name, otherwise)

    def _of(self, name: str) -> Shape:
        shape = self._tensors.shapes.get(name)
        if shape is None:
            raise CannotCount(f"the size of {name!r} depends on the data, or on an operator that is not known here")
        return shape


def _convolution(first: int, second: int) -> Callable[[Operands], tuple[Product, ...]]:
    """Each output element sums over its kernel and its group's channels: weights (outputs, channels, kernel...)."""

    def rule(of: Operands) -> tuple[Product, ...]:
        return (Product(prod(of.made()) * prod(of.shape(second)[1:]), first, second),)

    return rule


def _transposed_convolution(of: Operands) -> tuple[Product, ...]:
    """Each input element is spread over its kernel and its group's channels: weights (inputs, channels, kernel...)."""
    return (Product(prod(of.shape(0)) * prod(of.shape(1)[1:]), 0, 1),)


def _matrix_product(first: int, second: int, arithmetic: str = "") -> Callable[[Operands], tuple[Product, ...]]:
    """Each output element sums over the first operand's last axis, or the one before it if that is transposed."""

    def rule(of: Operands) -> tuple[Product, ...]:
        whole = of.shape(first)
        rows = 0 if of.number("transBatchA") else -2  # FusedMatMul's: rows before the leading axes
        summed = whole[rows if of.number("transA") and len(whole) > 1 else -1]
        return (Product(prod(of.made()) * summed, first, second, arithmetic),)

    return rule


def _packed_product(of: Operands) -> tuple[Product, ...]:
    if of.node.op_type == "MatMulBnb4":
        return (Product(prod(of.made()) * of.number("K"), 0, 1, "", "fp4" if of.number("quant_type") == 0 else "nf4"),)
    arithmetic = "int8" if of.number("accuracy_level") == 4 else ""  # ContribOperators.md: 4 computes in int8
    return (Product(prod(of.made()) * of.number("K"), 0, 1, arithmetic, f"int{of.number('bits', 4)}"),)


def _recurrent(of: Operands) -> tuple[Product, ...]:
    """Input and recurrent weights (directions, gates x hidden, size), at each step of each sequence."""
    steps, batch = of.shape(0)[:2]
    arithmetic = "int8" if of.node.op_type == "DynamicQuantizeLSTM" else ""
    return tuple(Product(steps * batch * prod(of.shape(place)), 0, place, arithmetic) for place in (1, 2))


def _einsum(of: Operands) -> tuple[Product, ...]:
    equation = next((a.s.decode("utf-8", "replace") for a in of.node.attribute if a.name == "equation"), "")
    shapes = [of.shape(place) for place in range(len(of.node.input))]
    return tuple(Product(macs, 0, min(1, len(shapes) - 1)) for macs in einsum_macs(equation, shapes))


def _attention(of: Operands) -> tuple[Product, ...]:
    """onnxruntime's Attention and QAttention: q, k and v by one matrix product, then scores and answers in float."""
    if any(name for name in of.node.input[8:9] if of.node.op_type == "QAttention") or len(of.node.input) > 4:
        past = contrib.past_length(of.given(), 8 if of.node.op_type == "QAttention" else 4)
    else:
        past = 0
    batch, tokens, _ = of.shape(0)
    projected = of.shape(1)[1]
    queries, _, answers = values(of.node, "qkv_hidden_sizes") or [projected // 3] * 3
    pairs = batch * tokens * (past + tokens) * (queries + answers)
    made = 3 if of.node.op_type == "QAttention" else 0  # its scale has the type that the scores are computed in
    return Product(prod(of.shape(0)) * projected, 0, 1), Product(pairs, made, made)


def _multi_head(of: Operands) -> tuple[Product, ...]:
    queries, tokens, answers, length = contrib.multi_head_sizes(of.node, of.given())
    return (Product(of.shape(0)[0] * tokens * length * (queries + answers), 0, 0),)


def _grouped(of: Operands) -> tuple[Product, ...]:
    size, length = contrib.grouped_sizes(of.node, of.given())
    batch, tokens, _ = of.shape(0)
    window = of.number("local_window_size", -1)
    attended = min(length, window) if window > 0 else length
    return (Product(batch * tokens * attended * 2 * of.number("num_heads") * size, 0, 0),)


def _standard_attention(of: Operands) -> tuple[Product, ...]:
    """ONNX's Attention (opset 23): (batch, heads, tokens, size), or (batch, tokens, heads x size) with attributes."""
    query, key, value = (of.shape(place) for place in range(3))
    past = contrib.past_length(of.given(), 4)
    if len(query) == 4:
        pairs, sizes = prod(query[:3]) * (past + key[2]), query[3] + value[3]
    else:
        heads = of.number("q_num_heads")
        pairs = query[0] * heads * query[1] * (past + key[1])
        sizes = query[2] // heads + value[2] // of.number("kv_num_heads")
    return (Product(pairs * sizes, 0, 1),)


def _any_attention(of: Operands) -> tuple[Product, ...]:
    return _attention(of) if of.node.domain == "com.microsoft" else _standard_attention(of)


# Places of the two operands, by the operators' specifications: onnx.ai/onnx/operators, ContribOperators.md
RULES: dict[str, Callable[[Operands], tuple[Product, ...]]] = {
    "Conv": _convolution(0, 1), "FusedConv": _convolution(0, 1), "NhwcConv": _convolution(0, 1),
    "NhwcFusedConv": _convolution(0, 1), "ConvInteger": _convolution(0, 1), "DeformConv": _convolution(0, 1),
    "CausalConvWithState": _convolution(0, 1), "QLinearConv": _convolution(0, 3),
    "ConvTranspose": _transposed_convolution,
    "MatMul": _matrix_product(0, 1), "MatMulInteger": _matrix_product(0, 1), "Gemm": _matrix_product(0, 1),
    "FusedMatMul": _matrix_product(0, 1), "FusedMatMulActivation": _matrix_product(0, 1),
    "TransposeMatMul": _matrix_product(0, 1), "FusedGemm": _matrix_product(0, 1),
    "GemmFastGelu": _matrix_product(0, 1), "GemmFloat8": _matrix_product(0, 1, "fp8"),
    "MatMulInteger16": _matrix_product(0, 1), "MatMulIntegerToFloat": _matrix_product(0, 1),
    "DynamicQuantizeMatMul": _matrix_product(0, 1, "int8"), "QLinearMatMul": _matrix_product(0, 3),
    "QGemm": _matrix_product(0, 3), "MatMulNBits": _packed_product, "MatMulBnb4": _packed_product,
    "LSTM": _recurrent, "GRU": _recurrent, "RNN": _recurrent, "DynamicQuantizeLSTM": _recurrent,
    "Einsum": _einsum, "Attention": _any_attention, "QAttention": _attention, "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _grouped,
}  # fmt: skip
