"""Counts what one inference costs from an ONNX graph: multiply-accumulates, parameters, bytes moved and held.

Nothing is run; the batch is 1 unless `dims` says so. What counts as a multiply-accumulate stands in
`workloads/counting/macs.py`, in which precision it runs in `workloads/counting/precision.py`; what cannot be counted is
listed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import onnx

from workloads.counting.folding import Folding
from workloads.counting.macs import CannotCount, Product, products
from workloads.counting.operators import KNOWN_DOMAINS
from workloads.counting.precision import CARRIERS, Precision, Quantised
from workloads.counting.tensors import VIEWS, Tensors, attribute, has_graph, peak_bytes
from workloads.counting.weights import Weights, within
from workloads.errors import ModelError
from workloads.loading.opening import Limits, OpenModel, open_model
from workloads.tasks import ModelProfile

CONVOLUTIONS = ("Conv", "FusedConv", "NhwcConv", "NhwcFusedConv", "ConvInteger", "QLinearConv", "ConvTranspose",
                "DeformConv", "CausalConvWithState")  # fmt: skip

WHOLE_STORED = ("int4", "int8")
# What products are named as by processors, where it is not fp32
ARITHMETIC = {"int4": "int8", "int8": "int8", "fp8": "int8", "fp16": "fp16", "bf16": "fp16"}


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Counted nodes of one operator type and precision, and their multiply-accumulates; "" multiplies nothing."""

    operator: str
    precision: str
    nodes: int
    macs: int


class Uncounted(msgspec.Struct, frozen=True, kw_only=True):
    """A node whose multiply-accumulates could not be counted, and why."""

    name: str
    operator: str
    why: str


class GraphCount(msgspec.Struct, frozen=True, kw_only=True):
    """All that is counted of a graph.

    `macs` are a lower bound where `uncounted` lists a node. `activation_bytes` adds up what every node reads and
    writes but for weights, unfused: a runtime that fuses normalisation and activation into convolutions moves less;
    quantised tensors count as such (`workloads/counting/folding.py`). `parameters` leaves out running statistics of
    BatchNormalization, scales and zero points and whole-number shapes, `weight_bytes` holds them all. `precision` is
    that in which the weights of most multiply-accumulates are stored. `grouped_macs` are those of grouped and
    depthwise convolutions, `matmul_macs` those of anything but convolutions. `assumed` are the sizes taken for free
    axes of the inputs, `unsized` tensors whose size is not known: they count no bytes.
    """

    name: str
    sha256: str
    macs: int
    matmul_macs: int
    grouped_macs: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    peak_activation_bytes: int
    input_bytes: int
    output_bytes: int
    precision: str
    operators: tuple[Counted, ...]
    uncounted: tuple[Uncounted, ...]
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

    @property
    def by_type(self) -> dict[str, int]:
        """Multiply-accumulates of each operator type, those that have none included."""
        return _summed((each.operator, each.macs) for each in self.operators)

    @property
    def by_precision(self) -> dict[str, int]:
        """Multiply-accumulates in each precision."""
        return _summed((each.precision, each.macs) for each in self.operators if each.macs)

    @property
    def computes(self) -> str:
        """The precision of most products, as processors name it, where weights are stored in integers; else as stored.

        A file with weights of 8 or 4 bits alone computes wider: they are widened before use.
        """
        if self.precision not in WHOLE_STORED:
            return self.precision
        macs = _summed((name.partition(",")[0], count) for name, count in self.by_precision.items())
        return ARITHMETIC.get(max(macs, key=lambda each: macs[each]), "fp32")

    def profile(self) -> ModelProfile:
        """The part that tasks carry; where nodes are uncounted a lower bound."""
        same = {name: getattr(self, name) for name in ModelProfile.__struct_fields__ if hasattr(self, name)}
        return ModelProfile(**same, matmul_ops=2 * self.matmul_macs, grouped_ops=2 * self.grouped_macs)


class Totals:
    """Adds up the products of node after node."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, int]] = {}
        self.stored: dict[str, int] = {}
        self.grouped_macs = self.matmul_macs = 0

    def add(self, node: Any, found: Sequence[tuple[Product, Precision]], tensors: Tensors) -> None:
        """Count one node, which may have several products, or none."""
        macs: dict[str, int] = {}
        for product, precision in found:
            macs[str(precision)] = macs.get(str(precision), 0) + product.macs
            self.stored[precision.storage()] = self.stored.get(precision.storage(), 0) + product.macs
            if node.op_type not in CONVOLUTIONS:
                self.matmul_macs += product.macs
            elif _is_grouped(node, product, tensors):
                self.grouped_macs += product.macs
        for place, (precision_name, count) in enumerate((macs or {"": 0}).items()):
            nodes, before = self.rows.get((node.op_type, precision_name), (0, 0))
            self.rows[node.op_type, precision_name] = (nodes + (place == 0), before + count)

    def operators(self) -> tuple[Counted, ...]:
        """One row for each operator type and precision, the most work first."""
        rows = [
            Counted(operator=operator, precision=precision, nodes=nodes, macs=macs)
            for (operator, precision), (nodes, macs) in self.rows.items()
        ]
        return tuple(sorted(rows, key=lambda row: (-row.macs, row.operator, row.precision)))


def profile(
    path: Path | str, name: str = "", limits: Limits | None = None, dims: Mapping[str, int] | None = None
) -> ModelProfile:
    """The cost of one inference of the model at `path`; its `name` is the file's stem unless given.

    Raises ModelError if the file is refused (`workloads.loading.opening`) or holds an operator that cannot be counted.
    """
    return profile_of(open_model(path, limits, dims), name)


def profile_of(model: OpenModel, name: str = "") -> ModelProfile:
    """The cost of one inference of an opened model. Raises ModelError for an operator that cannot be counted."""
    counted = count(model, name)
    if counted.uncounted:
        listed = "; ".join(f"{each.operator} {each.name}: {each.why}" for each in counted.uncounted[:5])
        raise ModelError(f"{model.path}: the operations of {len(counted.uncounted)} nodes cannot be counted: {listed}")
    return counted.profile()


def count(model: OpenModel, name: str = "") -> GraphCount:
    """Count an opened model."""
    tensors, graph = model.tensors, model.proto.graph
    nodes = [_qualified(node) for node in graph.node]
    results = [value.name for value in graph.output]
    running = _running(nodes, tensors, results)
    quantised = Quantised(nodes, tensors)
    totals, uncounted = Totals(), []
    for node in running:
        try:
            found = [(product, quantised.of(node, product)) for product in products(node, tensors)]
        except CannotCount as error:
            label = node.name or next((each for each in node.output if each), "")
            uncounted.append(Uncounted(name=label, operator=node.op_type, why=str(error)))
        else:
            totals.add(node, found, tensors)
    held = Weights(nodes, running, results, tensors)
    folding = Folding(nodes, tensors, results)
    stored = replace(tensors, bits=tensors.bits | folding.bits)
    read = {name for node in running for name in node.input} | set(results)
    return GraphCount(
        name=name or model.path.stem,
        sha256=model.sha256,
        macs=sum(macs for _, macs in totals.rows.values()),
        matmul_macs=totals.matmul_macs,
        grouped_macs=totals.grouped_macs,
        parameters=held.parameters,
        weight_bytes=held.size_bytes,
        activation_bytes=_moved_bytes(running, stored, folding.into),
        peak_activation_bytes=peak_bytes(running, stored, results, views_are_free=True, folded=folding.into),
        input_bytes=sum(tensors.size_bytes(each) for each in model.inputs),
        output_bytes=sum(tensors.size_bytes(each) for each in results),
        precision=max(totals.stored, key=lambda each: totals.stored[each], default="fp32"),
        operators=totals.operators(),
        uncounted=tuple(uncounted),
        assumed=tensors.assumed,
        unsized=tuple(sorted(name for name in read if name and tensors.shapes.get(name) is None)),
    )


def _qualified(node: Any) -> Any:
    """The node; one of a domain that is not known is named with it, so that nothing takes it for another."""
    if node.domain in KNOWN_DOMAINS:
        return node
    named = onnx.NodeProto()
    named.CopyFrom(node)
    named.op_type = f"{node.domain}::{node.op_type}"
    return named


def _running(nodes: Iterable[Any], tensors: Tensors, results: Sequence[str]) -> list[Any]:
    """The nodes that run at each inference: not those that make constants, which a runtime runs once on loading.

    Weights that are stored quantised stay so: what dequantises and reorders them runs, and reads them as stored; but
    not what dequantises them only to make other constants.
    """
    kept: set[str] = set()
    running = []
    for node in nodes:
        constant = _is_constant(node, tensors)
        reorders = node.op_type in CARRIERS and any(name in kept for name in node.input)
        if constant and (node.op_type == "DequantizeLinear" or reorders):
            kept.update(node.output)
        elif constant:
            continue
        running.append(node)
    read = set(results)
    needed = []
    for node in reversed(running):
        if not _is_constant(node, tensors) or any(name in read for name in node.output):
            needed.append(node)
            read.update(name for each in within([node]) for name in each.input)
    return needed[::-1]


def _is_constant(node: Any, tensors: Tensors) -> bool:
    return all(name in tensors.constants for name in node.output if name) and not has_graph(node)


def _is_grouped(node: Any, product: Product, tensors: Tensors) -> bool:
    """Grouped or depthwise: each output sees a part of the channels only."""
    kernel = tensors.shapes.get(node.input[product.second])
    return node.op_type == "CausalConvWithState" or (attribute(node, "group", 1) > 1 and kernel is not None)


def _moved_bytes(running: Sequence[Any], tensors: Tensors, folded: Mapping[str, str]) -> int:
    moved = 0
    for node in running:
        if node.op_type not in VIEWS and not (node.output and node.output[0] in folded):
            touched = [name for name in (*node.input, *node.output) if name and name not in tensors.constants]
            moved += sum(tensors.size_bytes(name) for name in touched)
    return moved


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0) + value
    return sums
