"""Infers the shape of every tensor of an ONNX graph, and follows the small constants that shapes are computed from.

Rules: runs no model. Shapes that the file claims for inner tensors are not read, but for what operators make that are
not known here, or control flow, in a model that is only counted (`claims`). Inference goes node by node:
onnx's own pass over a whole graph either ignores shapes that the graph computes, or, told to follow them, keeps an
object for each element of a long vector, so that a file of a hundred bytes exhausts the memory.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from workloads.counting import contrib
from workloads.counting.tensors import (
    RUNTIME_STANDARD,
    Shape,
    Tensors,
    attribute,
    constant_names,
    element_bits,
    has_graph,
    precision,
)
from workloads.errors import ModelError

BATCH_ASSUMED = 1  # a free first axis: the cost of one inference is asked for
IMAGE_ASSUMED = 224  # a free third or fourth axis of four, or side before the channels: as published counts use
MOST_LAST = 4  # channels that come last, as TensorFlow writes images; more are no image [guess]
OTHER_ASSUMED = 1  # any other free axis
MOST_AXES = 64  # of a tensor: numpy's limit, NPY_MAXDIMS
KEPT_ELEMENTS = 1024  # constants up to this size are followed: shapes are computed from them

# Operators that graphs compute shapes with; evaluated where all they read is known and small
FOLDED = {
    "Add", "Sub", "Mul", "Div", "Mod", "Pow", "Neg", "Abs", "Sqrt", "Floor", "Ceil", "Min", "Max", "ReduceProd", "Cast",
    "Concat", "Gather", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Flatten", "Identity", "Where",
    "Equal", "Less", "Greater", "Not", "And", "Or", "ConstantOfShape", "Expand", "Range", "Constant",
}  # fmt: skip
# onnxruntime's own operators, and the standard one whose inference gives the same shapes
STAND_INS = {"FusedConv": "Conv", "QLinearConv": "QLinearConv", "QLinearAveragePool": "MaxPool"}
FOREIGN = {
    "activation",
    "activation_params",
    "channels_last",
    "count_include_pad",
}  # attributes that the standard ones do not have
# Functions, which onnx expands before it infers, and a node by itself is not: the shape of their first input, or the
# operator of the same shapes (before opset 16)
SAME_SHAPE = {"GroupNormalization", "MeanVarianceNormalization"}
ALIKE = {"GreaterOrEqual": "Greater", "LessOrEqual": "Less"}


def read_tensors(model: Any, dims: Mapping[str, int], *, claims: bool = False) -> Tensors:
    """Infer the shapes of `model`, an onnx ModelProto; `dims` sizes free axes by their name or by "input[axis]".

    With `claims` the file is believed about tensors whose shape cannot be inferred, for who only counts.
    Raises ModelError for shapes that contradict each other or are negative, and for tensors that nothing makes.
    """
    reading = _Reading(model)
    assumed: dict[str, int] = {}
    free: dict[str, str] = {}
    held = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in held:
            kind = onnx.TypeProto()
            kind.CopyFrom(value.type)
            free |= _size_axes(value.name, _held(kind), dims, assumed)
            reading.types[value.name] = kind
    if claims:
        reading.claims = _claims(model.graph, {free[place]: size for place, size in assumed.items()})
    for tensor in model.graph.initializer:
        reading.hold(tensor)
    for node in model.graph.node:
        reading.follow(node)
    shapes = {name: _shape(name, kind) for name, kind in reading.types.items()}
    elements = {name: _held(kind).tensor_type.elem_type for name, kind in reading.types.items()}
    return Tensors(
        shapes=shapes,
        bits={name: element_bits(element) for name, element in elements.items()},
        constants=constant_names(model.graph),
        assumed=assumed,
        precisions={name: precision(element) for name, element in elements.items()},
        free=free,
    )


class _Reading:
    """What is known so far, walking down the nodes: the type of each tensor, and the value of small constants."""

    def __init__(self, model: Any) -> None:
        self.types: dict[str, Any] = {}
        self.values: dict[str, Any] = {}  # TensorProto of up to KEPT_ELEMENTS
        self.claims: dict[str, Any] = {}  # types that the file says of tensors, for those that cannot be told
        self.opsets = {"" if each.domain == "ai.onnx" else each.domain: each.version for each in model.opset_import}
        self.imports, self.ir_version = list(model.opset_import), model.ir_version

    def hold(self, tensor: Any) -> None:
        """A constant of the file; only its shape is looked at unless it is small."""
        dims = _checked(tensor.name, tensor.dims)
        self.types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, dims)
        if prod(dims) <= KEPT_ELEMENTS and not tensor.external_data:
            self.values[tensor.name] = tensor

    def follow(self, node: Any) -> None:
        """The types of the node's outputs, or none where they cannot be told, and their value if that is small."""
        for name in node.input:
            if name and name not in self.types:
                raise ModelError(f"{node.op_type} {node.name!r} reads {name!r}, which nothing before it makes")
        for name in node.output:
            self.types[name] = onnx.TypeProto()
        if has_graph(node):  # what its own graphs make is known only while they run
            self._believe(node)
            return
        if node.domain == "com.microsoft" or node.op_type in RUNTIME_STANDARD:
            self._follow_own(node)
            if not _stands_in(node):
                self._believe(node)
                return
        stood_in = _stand_in(node)
        domain = "" if stood_in.domain == "ai.onnx" else stood_in.domain
        told = all(self.types[name].WhichOneof("value") for name in stood_in.input if name)
        if not onnx.defs.has(stood_in.op_type, self.opsets.get(domain, 0), domain):
            self._believe(node)
            return
        if not told:
            return
        if stood_in.op_type in SAME_SHAPE and not domain and node.output and any(node.input[:1]):
            self.types[node.output[0]] = self.types[node.input[0]]
            return
        schema = onnx.defs.get_schema(stood_in.op_type, self.opsets[domain], domain)
        fed = {name: self.types[name] for name in stood_in.input if name}
        known = {name: self.values[name] for name in fed if name in self.values}
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema, stood_in, fed, known, opset_imports=self.imports, ir_version=self.ir_version
            )
        except Exception as error:  # the C++ side raises several unrelated kinds
            what = str(error).strip()[:300]
            raise ModelError(f"shapes contradict each other at {node.op_type} {node.name!r}: {what}") from error
        if any(len(kind.tensor_type.shape.dim) > MOST_AXES for kind in found.values()):
            raise ModelError(f"{node.op_type} {node.name!r} makes a tensor of more than {MOST_AXES} axes")
        self.types.update((name, kind) for name, kind in found.items() if name)
        self._fold(node)

    def _believe(self, node: Any) -> None:
        """What the file says of the outputs that are not known yet."""
        for name in node.output:
            if name in self.claims and not self.types[name].WhichOneof("value"):
                self.types[name] = self.claims[name]

    def _follow_own(self, node: Any) -> None:
        """The types of the outputs of an operator that only onnxruntime knows."""
        given = tuple(_shape(name, self.types[name]) if name else () for name in node.input)
        elements = {name: self.types[name].tensor_type.elem_type for name in node.input if name}
        try:
            found = contrib.output_sizes(node, given, elements) or ()
            element = contrib.element_type(node, elements) if found else TensorProto.UNDEFINED
        except TypeError:  # an input of unknown size
            return
        except (LookupError, ValueError, ZeroDivisionError) as error:
            what = f"inputs {list(given)} do not fit ({error})"
            raise ModelError(f"shapes contradict each other at {node.op_type} {node.name!r}: {what}") from error
        for name, shape in zip(node.output, found, strict=False):
            if name and shape is not None:
                self.types[name] = onnx.helper.make_tensor_type_proto(element, _checked(name, shape))

    def _fold(self, node: Any) -> None:
        if len(node.output) != 1:
            return
        name = node.output[0]
        shape = _shape(name, self.types[name])
        if node.op_type == "Shape":
            value = self._shape_value(node)
        elif node.op_type == "NonZero" and node.input[0] in self.values:  # of ones: how torch counted before opset 11
            value = _evaluate(node, self.values, self.imports, self.ir_version)
            if value is not None:
                self.types[name] = onnx.helper.make_tensor_type_proto(TensorProto.INT64, value.shape)
        elif node.op_type not in FOLDED or shape is None or prod(shape) > KEPT_ELEMENTS:
            return
        elif node.op_type == "ConstantOfShape" and self.types[name].tensor_type.elem_type == TensorProto.FLOAT:
            return  # weights made on loading: shapes are whole numbers
        elif all(each in self.values for each in node.input if each):
            value = _evaluate(node, self.values, self.imports, self.ir_version)
        else:
            return
        if value is not None and value.size <= KEPT_ELEMENTS:
            self.values[name] = onnx.numpy_helper.from_array(value, name)

    def _shape_value(self, node: Any) -> Any:
        shape = _shape(node.input[0], self.types[node.input[0]])
        if shape is None:
            return None
        start, end = attribute(node, "start"), attribute(node, "end", len(shape))
        return np.array(shape[start:end], dtype=np.int64)


def _evaluate(node: Any, values: Mapping[str, Any], imports: Sequence[Any], ir_version: int) -> Any:
    """The value of a node of small constants, by onnx's own reference implementation; None where it has none."""
    from onnx.reference import ReferenceEvaluator  # only graphs that compute shapes pay for this import

    out = onnx.helper.make_tensor_value_info(node.output[0], TensorProto.UNDEFINED, None)
    held = [values[name] for name in dict.fromkeys(node.input) if name]
    graph = onnx.helper.make_graph([node], "fold", [], [out], held)
    try:
        single = onnx.helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
        with np.errstate(all="ignore"):
            return np.asarray(ReferenceEvaluator(single).run(None, {})[0])
    except Exception:  # a value that cannot be had leaves shapes unknown, and those are refused where they matter
        return None


def _checked(name: str, dims: Sequence[int]) -> Shape:
    if any(not 0 <= dim < 2**63 for dim in dims):  # onnx.proto: a size is an int64
        raise ModelError(f"tensor {name!r} has shape {list(dims)}: no axis may be negative, or 2^63 and more")
    return tuple(dims)


def _held(kind: Any) -> Any:
    """The type of the tensor itself, of an optional one, or of those in a sequence."""
    while kind.WhichOneof("value") in ("optional_type", "sequence_type"):
        kind = (kind.optional_type if kind.HasField("optional_type") else kind.sequence_type).elem_type
    return kind


def _claims(graph: Any, sizes: Mapping[str, int]) -> dict[str, Any]:
    """The types that the file says of inner tensors and results, those whose axes are all known; `sizes` by name."""
    found: dict[str, Any] = {}
    for value in (*graph.value_info, *graph.output):
        kind = onnx.TypeProto()
        kind.CopyFrom(value.type)
        axes = kind.tensor_type.shape.dim if kind.HasField("tensor_type") else ()
        for dim in axes:
            if dim.dim_param and dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
        if len(axes) <= MOST_AXES and _shape(value.name, kind) is not None:
            found[value.name] = kind
    return found


def _shape(name: str, kind: Any) -> Shape | None:
    if kind.HasField("optional_type"):
        kind = kind.optional_type.elem_type
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    return _checked(name, [dim.dim_value for dim in dims]) if all(dim.HasField("dim_value") for dim in dims) else None


def _size_axes(name: str, kind: Any, dims: Mapping[str, int], assumed: dict[str, int]) -> dict[str, str]:
    """Fix the free axes of an input, note each in `assumed`; returns the names that the file gives them."""
    axes, free = kind.tensor_type.shape.dim, {}
    last = len(axes) == 4 and not axes[1].dim_value and 0 < axes[3].dim_value <= MOST_LAST
    sides = (1, 2) if last else (2, 3)
    for axis, dim in enumerate(axes):
        if dim.dim_value > 0:
            continue
        otherwise = IMAGE_ASSUMED if len(axes) == 4 and axis in sides else BATCH_ASSUMED if axis == 0 else OTHER_ASSUMED
        place = f"{name}[{axis}]"
        free[place] = str(dim.dim_param)
        size = dims.get(place, dims.get(dim.dim_param, otherwise))
        if not 1 <= size < 2**63 or dim.dim_value < 0:
            wrong = dim.dim_value if dim.dim_value < 0 else size
            raise ModelError(f"axis {place} is {wrong}: an axis holds 1 or more, and fewer than 2^63")
        dim.dim_value = assumed[place] = size
    return free


def _stands_in(node: Any) -> bool:
    return node.op_type in STAND_INS and node.domain == "com.microsoft" and not attribute(node, "channels_last")


def _stand_in(node: Any) -> Any:
    """The node, or a standard one whose first output has the same shape and type."""
    if node.op_type in ALIKE and node.domain in ("", "ai.onnx"):
        return onnx.helper.make_node(ALIKE[node.op_type], node.input, node.output, name=node.name)
    if not _stands_in(node):
        return node
    inputs = node.input if node.op_type == "QLinearConv" else node.input[: 3 if node.op_type == "FusedConv" else 1]
    made = onnx.helper.make_node(STAND_INS[node.op_type], inputs, node.output[:1], name=node.name)
    made.attribute.extend(a for a in node.attribute if a.name not in FOREIGN)
    return made
