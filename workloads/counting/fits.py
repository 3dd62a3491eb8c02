"""Whether the operands of convolutions and matrix products fit each other, which onnx's shape inference leaves open.

Rules: shapes only, nothing is run. A size that is not known is no misfit: the runtime decides when it knows it.
Source: onnx.ai/onnx/operators and onnxruntime's ContribOperators.md, the operators' own demands on their inputs.
"""

from collections.abc import Callable, Iterable
from typing import Any

from workloads.counting.tensors import Shape, Tensors, attribute
from workloads.errors import ModelError

Misfit = Callable[[Any, Shape, Shape], str]


def check_operands(nodes: Iterable[Any], tensors: Tensors) -> None:
    """Raise ModelError for the first node whose operands do not fit, naming it and both shapes."""
    for node in nodes:
        rule = RULES.get(node.op_type)
        if rule is None or node.domain not in ("", "ai.onnx", "com.microsoft"):
            continue
        misfit, second = rule
        if len(node.input) <= second:
            continue
        one, other = tensors.shapes.get(node.input[0]), tensors.shapes.get(node.input[second])
        if one is None or other is None:
            continue
        why = misfit(node, one, other)
        if why:
            label = node.name or next((each for each in node.output if each), "")
            free = ", ".join(f"{place} = {size}" for place, size in tensors.assumed.items())
            hint = f"; sizes taken for free axes: {free}, which --dim of `inspect` and `calibrate` sets" if free else ""
            raise ModelError(
                f"shapes do not fit at {node.op_type} {label!r}: {node.input[0]!r} {list(one)} and "
                f"{node.input[second]!r} {list(other)}: {why}{hint}"
            )


def _convolution(node: Any, fed: Shape, kernel: Shape) -> str:
    """Data (batch, channels, space...), kernel (outputs, channels of a group, space...)."""
    if len(fed) != len(kernel) or len(fed) < 3:
        return "data and kernel have as many axes, three or more"
    group = attribute(node, "group", 1)
    channels = fed[-1] if attribute(node, "channels_last") else fed[1]
    if group < 1 or kernel[0] % group:
        return f"{kernel[0]} outputs cannot be split into {group} groups"
    if channels != kernel[1] * group:
        return f"{channels} channels come in, the kernel takes {kernel[1]} in each of {group} groups"
    return ""


def _transposed(node: Any, fed: Shape, kernel: Shape) -> str:
    """Data (batch, channels, space...), kernel (channels, outputs of a group, space...)."""
    if len(fed) != len(kernel) or len(fed) < 3:
        return "data and kernel have as many axes, three or more"
    group = attribute(node, "group", 1)
    if group < 1 or fed[1] % group:
        return f"{fed[1]} channels cannot be split into {group} groups"
    return f"{fed[1]} channels come in, the kernel takes {kernel[0]}" if fed[1] != kernel[0] else ""


def _matrices(node: Any, one: Shape, other: Shape) -> str:
    """The last axis of the first and the last but one of the second, or the others where they are transposed."""
    if attribute(node, "transBatchA") or attribute(node, "transBatchB"):  # FusedMatMul's: other axes are the inner ones
        return ""
    if not one or not other:
        return "a matrix product takes no scalars"
    inner = one[-2] if attribute(node, "transA") and len(one) > 1 else one[-1]
    rows = other[-1] if attribute(node, "transB") or len(other) == 1 else other[-2]
    return f"{inner} columns meet {rows} rows" if inner != rows else ""


def _flat_matrices(node: Any, one: Shape, other: Shape) -> str:
    return _matrices(node, one, other) if len(one) == len(other) == 2 else "Gemm takes two matrices of two axes each"


def _packed(node: Any, one: Shape, _: Shape) -> str:
    """The second is packed: its rows are the attribute K."""
    rows = attribute(node, "K")
    return f"{one[-1] if one else 0} columns meet {rows} rows" if not one or one[-1] != rows else ""


# What has to hold, and the place of the second operand
RULES: dict[str, tuple[Misfit, int]] = {
    "Conv": (_convolution, 1), "FusedConv": (_convolution, 1), "ConvInteger": (_convolution, 1),
    "DeformConv": (_convolution, 1), "QLinearConv": (_convolution, 3), "ConvTranspose": (_transposed, 1),
    "Gemm": (_flat_matrices, 1), "FusedGemm": (_flat_matrices, 1), "QGemm": (_flat_matrices, 3),
    "MatMul": (_matrices, 1), "MatMulInteger": (_matrices, 1), "QLinearMatMul": (_matrices, 3),
    "FusedMatMul": (_matrices, 1), "FusedMatMulActivation": (_matrices, 1), "TransposeMatMul": (_matrices, 1),
    "MatMulInteger16": (_matrices, 1), "MatMulIntegerToFloat": (_matrices, 1), "DynamicQuantizeMatMul": (_matrices, 1),
    "MatMulNBits": (_packed, 1), "MatMulBnb4": (_packed, 1),
}  # fmt: skip
