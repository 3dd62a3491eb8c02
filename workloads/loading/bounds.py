"""The most memory that tensors of unknown size can take: sizes that depend on the data, told from above.

Rules: an output of unknown shape has a bound that follows from its operator and its inputs, or the model is refused.
A standard operator that is in no table here has none. One of onnxruntime's own, whose shapes onnx does not know, is
counted as its largest input; since it depends on shapes only, the model's trial (`workloads/loading/trial.py`)
measures it.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from workloads.counting.macs import RULES
from workloads.counting.operators import NO_PRODUCTS
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
# What sequences and optional values hold together: no more than they were given
HOLDERS = frozenset({
    "SplitToSequence", "SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceAt",
    "ConcatFromSequence", "Optional", "OptionalGetElement",
})  # fmt: skip
BROADCAST = frozenset({
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "PRelu", "And", "Or", "Xor",
    "Equal",    "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
})  # fmt: skip
# onnxruntime's own operators whose output's size is the value of an input: it differs from one run to the next
SIZED_BY_VALUES = frozenset({
    "Range", "Pad", "ConvTransposeWithDynamicPads", "CropAndResize", "RelativePositionBias",
    "GatedRelativePositionBias", "RestorePadding", "Tokenizer",
})  # fmt: skip


def bounded(nodes: Sequence[Any], tensors: Tensors, *, to_run: bool = True) -> Tensors:
    """The same tensors, those of unknown shape as one axis of the most elements that they can hold.

    In a graph that is not `to_run`, what products and operators that are listed as not counted make counts nothing
    where it is unknown, and neither does what follows from them without a bound.
    Raises ModelError where there is no such bound.
    """
    shapes = dict(tensors.shapes)
    sized = replace(tensors, shapes=shapes)
    made = {name for node in nodes for name in node.output}
    untold = {name for name, shape in shapes.items() if shape is None and name not in made}  # sequences that are fed
    for node in nodes:
        for name in node.output:
            if name and shapes.get(name) is None:
                most = 0 if not to_run and _is_listed(node) else _most_elements(node, sized)
                if most is None and (to_run or untold.isdisjoint(node.input)):
                    raise ModelError(
                        f"the size of {name!r}, made by {node.op_type}, cannot be told before it runs, so its memory "
                        "has no bound: fix the shapes of the inputs and fold constants (onnxsim) first"
                    )
                if not most:
                    untold.add(name)
                shapes[name] = (most or 0,)
        _check_sum(node, sized)
    return sized


def _is_listed(node: Any) -> bool:
    """Whether counting says of it what it does not know, or knows its products but not their sizes."""
    counts_nothing = NO_PRODUCTS.get("" if node.domain == "ai.onnx" else node.domain, frozenset())
    return has_graph(node) or node.op_type in RULES or node.op_type not in counts_nothing


def _most_elements(node: Any, tensors: Tensors) -> int | None:
    """The most elements of an output of unknown shape; None where nothing bounds them."""
    fed = [tensors.elements(each) for each in node.input if each]
    first = fed[0] if fed else 0
    kind = node.op_type
    if node.domain == "com.microsoft" and kind not in SIZED_BY_VALUES:
        return max(fed, default=0)
    if kind in NO_LARGER:
        return max(first, MOST_AXES) if kind == "Shape" else first
    if kind in BROADCAST:
        return prod(max(1, each) for each in fed)
    if kind == "Concat" or kind in HOLDERS:
        return sum(fed)
    if kind == "NonZero":  # an index for each axis of each element
        return first * max(1, len(tensors.shapes.get(node.input[0]) or ()))
    if kind == "NonMaxSuppression":  # batch, class and box of every score at most
        return 3 * tensors.elements(node.input[1])
    if kind == "GatherElements":
        return tensors.elements(node.input[1])
    if kind == "Gather":  # for each index, what is left of the data without that axis
        return tensors.elements(node.input[1]) * _slice_elements(node, tensors)
    return None


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
