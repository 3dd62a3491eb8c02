"""Which constants of an ONNX graph are weights that running nodes read, and how many parameters each holds.

Rules: a weight counts once however many nodes read it. Running statistics of BatchNormalization, scales, zero points,
whole-number shapes and indices, and single numbers without an axis hold bytes but no parameters: a quantised model has
the parameters of the model it came from.
"""

from collections.abc import Sequence
from typing import Any

from workloads.counting.tensors import Tensors, attribute

# Places of scales and zero points among the inputs: onnx.ai/onnx/operators, onnxruntime's docs/ContribOperators.md
SCALES = {
    "DequantizeLinear": (1, 2), "QuantizeLinear": (1, 2), "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7), "MatMulInteger": (2, 3), "ConvInteger": (2, 3), "QGemm": (1, 2, 4, 5, 7, 8),
    "MatMulNBits": (2, 3, 4), "MatMulBnb4": (2,), "QAttention": (3, 4, 6, 7), "MatMulIntegerToFloat": (2, 3, 4, 5),
    "DynamicQuantizeMatMul": (2, 3), "DynamicQuantizeLSTM": (8, 9, 10, 11), "QLinearAdd": (1, 2, 4, 5, 6, 7),
    "QLinearMul": (1, 2, 4, 5, 6, 7), "QLinearGlobalAveragePool": (1, 2, 3, 4), "QLinearAveragePool": (1, 2, 3, 4),
    "QLinearLeakyRelu": (1, 2, 3, 4), "QLinearSigmoid": (1, 2, 3, 4), "QLinearSoftmax": (1, 2, 3, 4),
    "QLinearReduceMean": (1, 2, 3, 4), "QLinearWhere": (2, 3, 5, 6, 7, 8), "GatherBlockQuantized": (2, 3),
    "QEmbedLayerNormalization": tuple(range(8, 18)),
}  # fmt: skip
SHAPES = {"Reshape", "Resize", "Slice", "Pad", "Clip", "Expand", "Tile"}  # they read shapes and bounds, not weights
BIASES = {"DequantizeLinear": 0, "QLinearConv": 8, "QGemm": 6}  # where a quantised bias of 32 bits stands
STATISTICS = 3  # BatchNormalization: its mean and variance follow input, scale and shift


def weights(running: Sequence[Any], results: Sequence[str], tensors: Tensors) -> dict[str, int]:
    """The constants that the running nodes read, or the graph answers with, and the parameters that each holds."""
    made = {name for node in running for name in node.output}
    dynamic = {node.output[1] for node in running if node.op_type == "DynamicQuantizeLinear" and len(node.output) > 1}
    held: dict[str, int] = {}
    for node in running:
        rescales = any(name in dynamic for name in node.input)  # the scales of weights, multiplied by those of inputs
        for place, name in enumerate(node.input):
            if name not in tensors.constants or name in made:
                continue
            found = 0 if rescales else _parameters(node, place, name, tensors)
            held[name] = max(found, held.get(name, 0))
    for name in results:
        if name in tensors.constants and name not in made:
            held.setdefault(name, 0)
    return held


def _parameters(node: Any, place: int, name: str, tensors: Tensors) -> int:
    kind = node.op_type
    statistic = kind == "BatchNormalization" and place >= STATISTICS
    shape = kind in SHAPES and place > 0  # the first input is what is shaped: a class token, positions
    if statistic or shape or _is_scale(node, place) or tensors.shapes.get(name) == ():
        return 0
    precision = tensors.precisions.get(name)
    if precision in ("int64", "bool", "string") or (precision == "int32" and BIASES.get(kind) != place):
        return 0
    if kind in ("MatMulNBits", "MatMulBnb4") and place == 1:  # packed: several to a byte, and padded
        return attribute(node, "K") * attribute(node, "N")
    if kind == "GatherBlockQuantized" and place == 0 and precision == "int8":
        return tensors.elements(name) * 8 // attribute(node, "bits", 4)
    return tensors.elements(name)


def _is_scale(node: Any, place: int) -> bool:
    if node.op_type == "QLinearConcat":  # scale and zero point of the result, then input, scale, zero point of each
        return place < 2 or (place - 2) % 3 != 0
    return place in SCALES.get(node.op_type, ())
