"""Shapes of onnxruntime's own operators (domain com.microsoft), which onnx does not infer.

Rules: plain arithmetic on shapes; runs nothing. Names and places of inputs and outputs are those of onnxruntime's
docs/ContribOperators.md. An operator that is not here has outputs of unknown size, and what reads them is listed as
not counted.
"""

from collections.abc import Callable, Mapping
from typing import Any

from onnx import TensorProto

from workloads.counting.tensors import Shape, attribute, values

Sizes = tuple[Shape | None, ...]  # one for each input or output; () is a scalar, None unknown

# Their first output has the shape of their first input
SAME_SHAPE = {
    "BiasGelu", "BiasAdd", "BiasDropout", "BiasSoftmax", "DequantizeLinear", "FastGelu", "Gelu", "GroupNorm",
    "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear", "QuickGelu", "RotaryEmbedding",
    "ScaledSiLU", "SimplifiedLayerNormalization", "SkipGroupNorm", "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
}  # fmt: skip
# These also give the sum of what they were given, of the same shape
SUM_PLACE = {"SkipLayerNormalization": 3, "SkipSimplifiedLayerNormalization": 3, "SkipGroupNorm": 1}


def output_sizes(node: Any, given: Sizes, elements: Mapping[str, int]) -> Sizes | None:
    """Shapes of the outputs of `node` from those of its inputs; None for an operator that is not known here.

    `elements` is the onnx data type of each input by name. Raises TypeError for an input of unknown size, IndexError,
    ValueError or ZeroDivisionError for inputs that do not fit.
    """
    kind = node.op_type
    if kind in SAME_SHAPE:
        places = {0: given[0]} | ({SUM_PLACE[kind]: given[0]} if kind in SUM_PLACE else {})
        return tuple(places.get(place) for place in range(len(node.output)))
    if kind == "GatherBlockQuantized" and elements.get(node.input[0]) == TensorProto.UINT8:
        data = _known(given, 0)  # packed, several numbers to a byte
        given = ((*data[:-1], data[-1] * 8 // attribute(node, "bits", 4)), *given[1:])
    rule = RULES.get(kind)
    return rule(node, given) if rule else None


def element_type(node: Any, given: Mapping[str, int]) -> int:
    """The onnx data type of the outputs of `node`; `given` is that of each input."""
    if node.op_type == "QuantizeLinear":
        return given.get(node.input[2], TensorProto.UINT8) if len(node.input) > 2 else TensorProto.UINT8
    place = {"DequantizeLinear": 1, "QAttention": 3, "MatMulIntegerToFloat": 2, "GatherBlockQuantized": 2,
             "EmbedLayerNormalization": 2, "QEmbedLayerNormalization": 8, "QLinearConcat": 2,
             "QLinearWhere": 1}.get(node.op_type, 0)  # fmt: skip
    if node.op_type == "QGemm":  # without a scale for its output it answers in float32
        return given[node.input[0]] if len(node.input) > 7 and node.input[7] else TensorProto.FLOAT
    return given.get(node.input[place], TensorProto.UNDEFINED)


def past_length(given: Sizes, place: int) -> int:
    """Tokens in the key cache (batch, heads, tokens, size) at that place of the inputs; 0 where there is none.

    Raises IndexError or ValueError for a cache of another rank or unknown size.
    """
    if place >= len(given) or given[place] == ():
        return 0
    shape = given[place]
    if shape is None or len(shape) < 4:
        raise ValueError(f"a key cache of shape {shape}")
    return shape[-2]


def _packed_product(node: Any, given: Sizes) -> Sizes:
    return ((*_known(given, 0)[:-1], attribute(node, "N")),)


def _product(node: Any, given: Sizes) -> Sizes:
    """A matrix product of two tensors, their leading axes broadcast; either may be transposed, or a vector."""
    first, second = _known(given, 0), _known(given, 1)
    if not first or not second:
        raise ValueError(f"a product of {first} and {second}")
    leading, left = _matrix(node, "A", first)
    others, right = _matrix(node, "B", second)
    return ((*_broadcast(leading, others), *left[:-1], *right[1:]),)


def _matrix(node: Any, which: str, shape: Shape) -> tuple[Shape, Shape]:
    """The leading axes of operand "A" or "B", and its rows and columns as multiplied; a vector has one axis."""
    if len(shape) == 1:
        return (), shape
    before = bool(attribute(node, f"transBatch{which}"))  # its rows then come before the leading axes
    leading, matrix = (shape[1:-1], (shape[0], shape[-1])) if before else (shape[:-2], shape[-2:])
    return leading, matrix[::-1] if attribute(node, f"trans{which}") else matrix


def _general_product(node: Any, given: Sizes) -> Sizes:
    return _product(node, (given[0], given[3]))


def _attention(node: Any, given: Sizes) -> Sizes:
    """Attention and QAttention: input (batch, tokens, size), weights (size, q + k + v)."""
    batch, tokens, _ = _known(given, 0)
    weights = _known(given, 1)
    sizes = values(node, "qkv_hidden_sizes") or [weights[1] // 3] * 3
    heads = attribute(node, "num_heads")
    past = past_length(given, 8 if node.op_type == "QAttention" else 4)
    return (batch, tokens, sizes[2]), (2, batch, heads, past + tokens, sizes[2] // heads)


def _multi_head(node: Any, given: Sizes) -> Sizes:
    batch, tokens = _known(given, 0)[:2]
    queries, _, answers, length = multi_head_sizes(node, given)
    heads = attribute(node, "num_heads")
    keep = (batch, heads, length)
    return (
        (batch, tokens, answers),
        (*keep, queries // heads),
        (*keep, answers // heads),
        (batch, heads, tokens, length),
    )


def multi_head_sizes(node: Any, given: Sizes) -> tuple[int, int, int, int]:
    """(query size, query tokens, value size, tokens attended to) of a MultiHeadAttention, sizes over all heads."""
    query, past = _known(given, 0), past_length(given, 6)
    heads = attribute(node, "num_heads")
    key, value = (given[place] if place < len(given) else () for place in (1, 2))
    if key is None or value is None:
        raise ValueError("keys of unknown size")
    if len(query) == 5:  # (batch, tokens, heads, 3, size), all packed
        size = heads * query[4]
        return size, query[1], size, past + query[1]
    if len(key) == 5:  # (batch, tokens, heads, 2, size), keys and values packed
        return query[2], query[1], heads * key[4], past + key[1]
    length = key[2] if len(key) == 4 else key[1]  # four axes: (batch, heads, tokens, size)
    return query[2], query[1], heads * value[3] if len(value) == 4 else value[2], past + length


def _grouped(node: Any, given: Sizes) -> Sizes:
    batch, tokens = _known(given, 0)[:2]
    size, length = grouped_sizes(node, given)
    heads, kept = attribute(node, "num_heads"), attribute(node, "kv_num_heads")
    cache = (batch, kept, length, size)
    return (batch, tokens, heads * size), cache, cache, (batch, heads, tokens, length)


def grouped_sizes(node: Any, given: Sizes) -> tuple[int, int]:
    """(size of a head, tokens attended to at most) of a GroupQueryAttention."""
    _, tokens, size = _known(given, 0)
    heads, kept = attribute(node, "num_heads"), attribute(node, "kv_num_heads")
    packed = len(given) < 2 or given[1] == ()
    return size // (heads + 2 * kept if packed else heads), past_length(given, 3) + tokens


def _embedding(_node: Any, given: Sizes) -> Sizes:
    batch, tokens = _known(given, 0)
    whole = (batch, tokens, _known(given, 2)[1])
    return whole, (batch,), whole


def _gather_blocks(node: Any, given: Sizes) -> Sizes:
    data, places = _known(given, 0), _known(given, 1)
    axis = attribute(node, "gather_axis") % len(data)
    return ((*data[:axis], *places, *data[axis + 1 :]),)


def _add(_node: Any, given: Sizes) -> Sizes:
    return (_broadcast(_known(given, 0), _known(given, 3)),)


def _where(_node: Any, given: Sizes) -> Sizes:
    return (_broadcast(_known(given, 0), _broadcast(_known(given, 1), _known(given, 4))),)


def _concat(node: Any, given: Sizes) -> Sizes:
    parts = [_known(given, place) for place in range(2, len(given), 3)]
    axis = attribute(node, "axis") % len(parts[0])
    return ((*parts[0][:axis], sum(part[axis] for part in parts), *parts[0][axis + 1 :]),)


def _mean_of_image(node: Any, given: Sizes) -> Sizes:
    shape = _known(given, 0)
    ones = (1,) * (len(shape) - 2)
    return ((shape[0], *ones, shape[-1]) if attribute(node, "channels_last") else (*shape[:2], *ones),)


def _mean(node: Any, given: Sizes) -> Sizes:
    shape = _known(given, 0)
    gone = {axis % len(shape) for axis in values(node, "axes") or range(len(shape))}
    kept = [(1 if axis in gone else size) for axis, size in enumerate(shape) if axis not in gone or _keeps(node)]
    return (tuple(kept),)


def _keeps(node: Any) -> bool:
    return attribute(node, "keepdims", 1) != 0


def _half(_node: Any, given: Sizes) -> Sizes:
    shape = _known(given, 0)
    return ((*shape[:-1], shape[-1] // 2),)


def _lstm(node: Any, given: Sizes) -> Sizes:
    steps, batch, _ = _known(given, 0)
    directions, hidden = _known(given, 1)[0], attribute(node, "hidden_size")
    return (steps, directions, batch, hidden), (directions, batch, hidden), (directions, batch, hidden)


def _known(given: Sizes, place: int) -> Shape:
    shape = given[place]
    if shape is None:
        raise TypeError("an input of unknown size")
    return shape


def _broadcast(first: Shape, second: Shape) -> Shape:
    rank = max(len(first), len(second))
    pairs = zip((1,) * (rank - len(first)) + first, (1,) * (rank - len(second)) + second, strict=True)
    sizes = []
    for a, b in pairs:
        if a != b and 1 not in (a, b):
            raise ValueError(f"{first} and {second} do not broadcast")
        sizes.append(b if a == 1 else a)
    return tuple(sizes)


RULES: dict[str, Callable[[Any, Sizes], Sizes]] = {
    "Attention": _attention, "QAttention": _attention, "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _grouped, "MatMulNBits": _packed_product, "MatMulBnb4": _packed_product,
    "FusedMatMul": _product, "FusedMatMulActivation": _product, "TransposeMatMul": _product,
    "DynamicQuantizeMatMul": _product, "MatMulIntegerToFloat": _product, "MatMulInteger16": _product,
    "GemmFastGelu": _product, "FusedGemm": _product, "GemmFloat8": _product, "QGemm": _general_product,
    "EmbedLayerNormalization": _embedding, "QEmbedLayerNormalization": _embedding,
    "GatherBlockQuantized": _gather_blocks, "QLinearAdd": _add, "QLinearMul": _add, "QLinearWhere": _where,
    "QLinearConcat": _concat, "QLinearGlobalAveragePool": _mean_of_image, "QLinearReduceMean": _mean,
    "BiasSplitGelu": _half,
    "DynamicQuantizeLSTM": _lstm,
}  # fmt: skip
