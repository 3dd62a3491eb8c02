"""Counts what one inference costs from an ONNX graph: multiply-accumulates, parameters, bytes moved and held.

Counted as published counts are: the multiply-accumulates of convolutions, matrix products and recurrent layers,
one each; normalisation, activation and pooling count nothing. Nothing is run; the batch is 1 unless `dims` says so.
"""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from workloads.errors import ModelError
from workloads.opening import Limits, OpenModel, open_model
from workloads.shapes import STAND_INS
from workloads.tasks import ModelProfile
from workloads.tensors import VIEWS, Tensors, attribute, peak_bytes

# Which input holds the weights, by the operator's ONNX specification
CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "DeformConv": 1, "QLinearConv": 3}
PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "MatMulNBits")
RECURRENT = ("LSTM", "GRU", "RNN")
# These multiply and accumulate too, in numbers that the shapes alone do not give
NOT_COUNTED = {"Einsum", "Attention", "DFT", "STFT", "FlexAttention", "LinearAttention"}


class TypeCount(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes of one operator type and their multiply-accumulates together."""

    nodes: int
    macs: int


class GraphCount(msgspec.Struct, frozen=True, kw_only=True):
    """All that is counted of a graph.

    `activation_bytes` adds up what every node reads and writes but for weights, unfused: a runtime that fuses
    normalisation and activation into convolutions moves less. `parameters` leaves out running statistics of
    BatchNormalization and whole-number shapes, `weight_bytes` holds them all. `uncounted` are nodes whose
    multiply-accumulates could not be counted, `assumed` the sizes taken for free axes of the inputs,
    `unsized` tensors whose size depends on the data.
    """

    name: str
    sha256: str
    macs: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    peak_activation_bytes: int
    input_bytes: int
    output_bytes: int
    by_type: dict[str, TypeCount]
    uncounted: tuple[str, ...]
    assumed: dict[str, int]
    unsized: tuple[str, ...]

    @property
    def ops(self) -> int:
        """Operations: two to each multiply-accumulate."""
        return 2 * self.macs

    @property
    def ops_per_byte(self) -> float:
        """Arithmetic intensity at this batch: operations per byte of weights and activations moved."""
        moved_bytes = self.weight_bytes + self.activation_bytes
        return self.ops / moved_bytes if moved_bytes else 0.0


def profile(
    path: Path | str, name: str = "", limits: Limits | None = None, dims: Mapping[str, int] | None = None
) -> ModelProfile:
    """The cost of one inference of the model at `path`; its `name` is the file's stem unless given.

    Raises ModelError if the file is refused (`workloads.opening`) or holds an operator that cannot be counted.
    """
    counted = count(open_model(path, limits, dims), name)
    if counted.uncounted:
        listed = ", ".join(counted.uncounted[:5])
        raise ModelError(f"{path}: the operations of {len(counted.uncounted)} nodes cannot be counted: {listed}")
    fields = (f for f in ModelProfile.__struct_fields__)
    return ModelProfile(**{field: getattr(counted, field) for field in fields})


def count(model: OpenModel, name: str = "") -> GraphCount:
    """Count an opened model."""
    tensors = model.tensors
    by_type: dict[str, TypeCount] = {}
    uncounted: list[str] = []
    running = [node for node in model.proto.graph.node if not _is_constant(node, tensors)]
    for node in running:
        macs = _macs(node, tensors)
        if macs is None:
            uncounted.append(f"{node.op_type} {node.name or node.output[0]}")
        seen = by_type.get(node.op_type, TypeCount(nodes=0, macs=0))
        by_type[node.op_type] = TypeCount(nodes=seen.nodes + 1, macs=seen.macs + (macs or 0))
    results = [value.name for value in model.proto.graph.output]
    read = {name for node in running for name in node.input} | set(results)
    weights, parameters = _weights(running, results, tensors)
    return GraphCount(
        name=name or model.path.stem,
        sha256=model.sha256,
        macs=sum(each.macs for each in by_type.values()),
        parameters=parameters,
        weight_bytes=sum(tensors.size_bytes(weight) for weight in weights),
        activation_bytes=_moved_bytes(running, tensors),
        peak_activation_bytes=peak_bytes(running, tensors, results, views_are_free=True),
        input_bytes=sum(tensors.size_bytes(each) for each in model.inputs),
        output_bytes=sum(tensors.size_bytes(each) for each in results),
        by_type=dict(sorted(by_type.items())),
        uncounted=tuple(uncounted),
        assumed=tensors.assumed,
        unsized=tuple(sorted(name for name in read if name and tensors.shapes.get(name) is None)),
    )


def _is_constant(node: Any, tensors: Tensors) -> bool:
    """Done once when the model is loaded. Weights stored quantised stay so: their consumers read them as stored."""
    return node.op_type != "DequantizeLinear" and all(name in tensors.constants for name in node.output if name)


def _weights(running: Sequence[Any], results: Sequence[str], tensors: Tensors) -> tuple[list[str], int]:
    """The constants that running nodes read, each once, and how many parameters they hold."""
    made = {name for node in running for name in node.output}
    held: dict[str, int] = {}
    for node in running:
        for place, name in enumerate(node.input):
            if name not in tensors.constants or name in made or name in held:
                continue
            statistic = node.op_type == "BatchNormalization" and place >= 3
            whole = tensors.bits.get(name) == 64 or node.op_type in ("Reshape", "Resize", "Slice", "Pad", "Clip")
            packed = node.op_type == "MatMulNBits" and place == 1
            elements = attribute(node, "K") * attribute(node, "N") if packed else tensors.elements(name)
            held[name] = 0 if statistic or whole else elements
    for name in results:
        if name in tensors.constants:
            held.setdefault(name, 0)
    return list(held), sum(held.values())


def _moved_bytes(running: Sequence[Any], tensors: Tensors) -> int:
    moved = 0
    for node in running:
        if node.op_type not in VIEWS:
            touched = [name for name in (*node.input, *node.output) if name and name not in tensors.constants]
            moved += sum(tensors.size_bytes(name) for name in touched)
    return moved


def _macs(node: Any, tensors: Tensors) -> int | None:
    """Multiply-accumulates of one node; None where they cannot be counted."""
    kind = node.op_type
    if kind in NOT_COUNTED:
        return None
    known = kind in CONVOLUTIONS or kind in PRODUCTS or kind in STAND_INS
    if node.domain == "com.microsoft" and not known:
        return None
    if not (known or kind in ("ConvTranspose", "Gemm", "FusedGemm", *RECURRENT)) or STAND_INS.get(kind) == "Identity":
        return 0
    shapes = [tensors.shapes.get(name) if name else () for name in (*node.input, node.output[0])]
    if any(shape is None for shape in shapes):
        return None
    *given, made = [shape or () for shape in shapes]
    return _product_macs(node, given, made)


def _product_macs(node: Any, given: list[tuple[int, ...]], made: tuple[int, ...]) -> int:
    kind = node.op_type
    if kind in CONVOLUTIONS:  # each output element sums over its kernel and its group's channels
        return prod(made) * prod(given[CONVOLUTIONS[kind]][1:])
    if kind == "ConvTranspose":  # each input element is spread over its kernel and its group's channels
        return prod(given[0]) * prod(given[1][1:])
    if kind in RECURRENT:  # input and recurrent weights, (directions, gates x hidden, size), at each step and batch
        return given[0][0] * given[0][1] * (prod(given[1]) + prod(given[2]))
    if kind in ("Gemm", "FusedGemm"):
        return prod(made) * given[0][0 if attribute(node, "transA") else 1]
    if kind == "MatMulNBits":
        return prod(made) * attribute(node, "K")
    return prod(made) * given[0][-2 if attribute(node, "transA") else -1]
