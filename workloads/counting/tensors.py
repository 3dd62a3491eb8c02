"""The tensors of an ONNX graph: their bytes, which are constant, and how many bytes are alive at once.

Rules: plain sums over shapes that `workloads/counting/shapes.py` has inferred; runs no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import onnx
from onnx import TensorProto

from workloads.counting.operators import KNOWN_DOMAINS

Shape = tuple[int, ...]

# Bits of an element that are no whole number of bytes: onnx.proto, TensorProto.DataType
SUB_BYTE = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}
STRING_BITS = 64 * 8  # a string's size is unknown: a cache line each [guess]
RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
# Outputs that share their input's memory, or that runtimes fuse into the consumer (DequantizeLinear)
VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "DequantizeLinear"}
RUNTIME_STANDARD = {"SimplifiedLayerNormalization"}  # onnxruntime keeps it in the standard domain
# How the field calls the element types that do not say it themselves
PRECISIONS = {"FLOAT": "fp32", "DOUBLE": "fp64", "FLOAT16": "fp16", "BFLOAT16": "bf16", "FLOAT4E2M1": "fp4"}


@dataclass(frozen=True)
class Tensors:
    """Shape and element type of each tensor by name; a shape is None where it depends on the data.

    `bits` are those of one element, `precisions` its name ("fp32", "int8", signed or not; "" where unknown).
    `constants` are the tensors computed from nothing but what is in the file. `assumed` are the free axes of the
    inputs ("name[axis]") and the size taken for each, `free` the name that the file gives each of them, or "".
    """

    shapes: dict[str, Shape | None]
    bits: dict[str, int]
    constants: frozenset[str]
    assumed: dict[str, int]
    precisions: dict[str, str] = field(default_factory=dict)
    free: dict[str, str] = field(default_factory=dict)

    def elements(self, name: str) -> int:
        """Elements of the tensor; 0 where unknown."""
        shape = self.shapes.get(name)
        return 0 if shape is None else prod(shape)

    def size_bytes(self, name: str) -> int:
        """Bytes of the tensor, rounded up; 0 where unknown."""
        return -(-self.elements(name) * self.bits.get(name, 32) // 8)


def has_graph(node: Any) -> bool:
    """Whether the node is control flow: an If, Loop or Scan with graphs of its own."""
    return any(each.type in (each.GRAPH, each.GRAPHS) for each in node.attribute)


def attribute(node: Any, name: str, otherwise: int = 0) -> int:
    """The whole-number attribute `name` of `node`."""
    return next((int(a.i) for a in node.attribute if a.name == name), otherwise)


def values(node: Any, name: str) -> list[int]:
    """The list of whole numbers that is the attribute `name` of `node`; empty where it has none."""
    return next((list(a.ints) for a in node.attribute if a.name == name), [])


@cache
def element_bits(data_type: int) -> int:
    """Bits of one element of an onnx data type."""
    name = TensorProto.DataType.Name(data_type) if data_type in TensorProto.DataType.values() else "UNDEFINED"
    if name in ("UNDEFINED", "STRING"):
        return STRING_BITS if name == "STRING" else 32
    return SUB_BYTE.get(name) or int(onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize) * 8


@cache
def precision(data_type: int) -> str:
    """The name of an onnx data type as a precision: "fp32", "fp8", "int4", signed or not; "" where undefined."""
    name = TensorProto.DataType.Name(data_type) if data_type in TensorProto.DataType.values() else "UNDEFINED"
    if name == "UNDEFINED":
        return ""
    return "fp8" if name.startswith("FLOAT8") else PRECISIONS.get(name, name.lower().removeprefix("u"))


def peak_bytes(
    nodes: Sequence[Any],
    tensors: Tensors,
    results: Sequence[str],
    *,
    views_are_free: bool,
    folded: Mapping[str, str] | None = None,
) -> int:
    """Most bytes alive at once, constants apart, if the nodes run in the file's order and free what is done with.

    A tensor of unknown size counts as the largest of its node's inputs. With `views_are_free` an output that only
    renames its input takes no memory, and neither do the outputs that `folded` maps to what they are written in
    the place of.
    """
    places = folded or {}
    size: dict[str, int] = {}
    root: dict[str, str] = {}
    last: dict[str, int] = {}
    for step, node in enumerate(nodes):
        for name in node.input:
            last[root.get(name, name)] = step
        for name in node.output:
            if views_are_free and node.input and (node.op_type in VIEWS or name in places):
                source = places.get(name, node.input[0])
                root[name] = root.get(source, source)
    last.update({root.get(name, name): len(nodes) for name in results})
    made = {name for node in nodes for name in node.output}
    fed = {name for node in nodes for name in node.input if name} - made - tensors.constants
    alive = sum(size.setdefault(name, tensors.size_bytes(name)) for name in fed)
    freed: dict[int, list[str]] = {}
    for name, step in last.items():
        freed.setdefault(step, []).append(name)
    peak = alive
    for step, node in enumerate(nodes):
        new = [name for name in node.output if name and name not in root and name not in tensors.constants]
        for name in new:
            size[name] = tensors.size_bytes(name) if tensors.shapes.get(name) is not None else _bound(node, tensors)
        alive += sum(size[name] for name in new)
        peak = max(peak, alive)
        alive -= sum(size.pop(name, 0) for name in freed.get(step, []))
        alive -= sum(size.pop(name, 0) for name in new if name not in last)
    return peak


def _bound(node: Any, tensors: Tensors) -> int:
    each = [tensors.size_bytes(name) for name in node.input if name]
    if node.op_type == "NonZero":
        return 8 * len(tensors.shapes.get(node.input[0]) or ()) * tensors.elements(node.input[0])
    return max(each, default=0)


def _is_known(node: Any) -> bool:
    """Whether anything is known of the operator: what another makes of constants may differ from run to run."""
    if node.domain in ("", "ai.onnx"):
        return onnx.defs.has(node.op_type) or node.op_type in RUNTIME_STANDARD
    return node.domain in KNOWN_DOMAINS


def constant_names(graph: Any) -> frozenset[str]:
    """Names of the tensors that are computed from nothing but what is in the file."""
    known = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        given = all(name in known for name in node.input if name)
        if given and node.op_type not in RANDOM and not has_graph(node) and _is_known(node):
            known.update(node.output)
    return frozenset(known - {""})
