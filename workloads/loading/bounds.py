"""The most memory that tensors of unknown size can take: sizes that depend on the data, told from above.

Rules: an output of unknown shape has a bound that follows from its operator and its inputs, or the model is refused.
A standard operator that is in no table here has none. One of onnxruntime's own, whose shapes onnx does not know, is
counted as its largest input; since it depends on shapes only, the model's trial (`workloads/loading/trial.py`)
measures it.
"""

from collections.abc import Iterable
from dataclasses import replace
from math import prod
from typing import Any

from workloads.counting.macs import RULES
from workloads.counting.shapes import MOST_AXES
from workloads.counting.tensors import Tensors, attribute, has_graph
from workloads.errors import ModelError

# No output has more elements than the first input (Shape: than axes)
NO_LARGER = frozenset({
    "Compress", "Unique", "TopK", "Slice", "Split", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose",
    "Identity", "Dropout", "Cast", "CastLike", "Shape", "ScatterND", "ScatterElements", "Scatter", "CumSum",
    "ReverseSequence", "Abs", "Ceil", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
    "IsInf", "IsNaN", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "Mish", "Neg", "Not", "Reciprocal",
    "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh", "ArgMax",
    "ArgMin", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "QuantizeLinear", "DequantizeLinear",
})  # fmt: skip
# Inputs are stretched against each other: never more elements than all of theirs multiplied
BROADCAST = frozenset({
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "PRelu", "And", "Or", "Xor",
    "Equal",    "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
})  # fmt: skip
# onnxruntime's own operators whose output's size is the value of an input: it differs from one run to the next
SIZED_BY_VALUES = frozenset({
    "Range", "Pad", "ConvTransposeWithDynamicPads", "CropAndResize", "RelativePositionBias",
    "GatedRelativePositionBias", "RestorePadding", "Tokenizer",
})  # fmt: skip


def bounded(nodes: Iterable[Any], tensors: Tensors, *, to_run: bool = True) -> Tensors:
    """The same tensors, those of unknown shape as one axis of the most elements that they can hold.

    In a graph that is not `to_run`, what control flow and products make counts nothing where it is unknown.
    Raises ModelError where there is no such bound.
    """
    shapes = dict(tensors.shapes)
    sized = replace(tensors, shapes=shapes)
    for node in nodes:
        for name in node.output:
            if name and shapes.get(name) is None:
                harmless = not to_run and (has_graph(node) or node.op_type in RULES)
                shapes[name] = (0 if harmless else _most_elements(node, name, sized),)
        _check_sum(node, sized)
    return sized


def _most_elements(node: Any, name: str, tensors: Tensors) -> int:
    fed = [tensors.elements(each) for each in node.input if each]
    first = fed[0] if fed else 0
    kind = node.op_type
    if node.domain == "com.microsoft" and kind not in SIZED_BY_VALUES:
        return max(fed, default=0)
    if kind in NO_LARGER:
        return max(first, MOST_AXES) if kind == "Shape" else first
    if kind in BROADCAST:
        return prod(max(1, each) for each in fed)
    if kind == "Concat":
        return sum(fed)
    if kind == "NonZero":  # an index for each axis of each element
        return first * max(1, len(tensors.shapes.get(node.input[0]) or ()))
    if kind == "NonMaxSuppression":  # batch, class and box of every score at most
        return 3 * tensors.elements(node.input[1])
    if kind == "GatherElements":
        return tensors.elements(node.input[1])
    if kind == "Gather":  # for each index, what is left of the data without that axis
        return tensors.elements(node.input[1]) * _slice_elements(node, tensors)
    raise ModelError(
        f"the size of {name!r}, made by {kind}, cannot be told before it runs, so its memory has no bound: "
        "fix the shapes of the inputs and fold constants (onnxsim) first"
    )


def _slice_elements(node: Any, tensors: Tensors) -> int:
    shape = tensors.shapes.get(node.input[0]) or ()
    axis = attribute(node, "axis")
    if not -len(shape) <= axis < len(shape):
        return tensors.elements(node.input[0])
    return prod(size for place, size in enumerate(shape) if place != axis % len(shape))


def _check_sum(node: Any, tensors: Tensors) -> None:
    """onnx before 1.23 adds the lengths of Concat in 32 bits, where a large sum may wrap round to a small one."""
    if node.op_type != "Concat":
        return
    if tensors.elements(node.output[0]) < sum(tensors.elements(name) for name in node.input):
        raise ModelError(f"{node.output[0]!r} joins more than its shape holds: that is too much memory")
