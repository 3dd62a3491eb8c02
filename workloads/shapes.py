"""Infers the shape of every tensor of an ONNX graph, and follows the small constants that shapes are computed from.

Rules: runs no model. Shapes that the file claims for inner tensors are not read. Inference goes node by node:
onnx's own pass over a whole graph either ignores shapes that the graph computes, or, told to follow them, keeps an
object for each element of a long vector, so that a file of a hundred bytes exhausts the memory.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from workloads.errors import ModelError
from workloads.tensors import Shape, Tensors, attribute, constant_names, element_bits

BATCH_ASSUMED = 1  # a free first axis: the cost of one inference is asked for
IMAGE_ASSUMED = 224  # a free third or fourth axis of four: the size that published counts use
OTHER_ASSUMED = 1  # any other free axis
KEPT_ELEMENTS = 1024  # constants up to this size are followed: shapes are computed from them

# Operators that graphs compute shapes with; evaluated where all they read is known and small
FOLDED = {
    "Add", "Sub", "Mul", "Div", "Mod", "Pow", "Neg", "Abs", "Sqrt", "Floor", "Ceil", "Min", "Max", "ReduceProd", "Cast",
    "Concat", "Gather", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Flatten", "Identity", "Where",
    "Equal", "Less", "Greater", "Not", "And", "Or", "ConstantOfShape", "Expand", "Range", "Constant",
}  # fmt: skip
# onnxruntime's own operators that inference does not know, and the standard one with the same output shape
SAME_SHAPE = {"Gelu", "FastGelu", "BiasGelu", "QuickGelu", "SkipLayerNormalization", "SimplifiedLayerNormalization",
              "SkipSimplifiedLayerNormalization", "RotaryEmbedding"}  # fmt: skip
STAND_INS = {"FusedConv": "Conv", "FusedGemm": "Gemm"} | dict.fromkeys(SAME_SHAPE, "Identity")


def read_tensors(model: Any, dims: Mapping[str, int]) -> Tensors:
    """Infer the shapes of `model`, an onnx ModelProto; `dims` sizes free axes by their name or by "input[axis]".

    Raises ModelError for shapes that contradict each other or are negative, and for tensors that nothing makes.
    """
    reading = _Reading(model)
    assumed: dict[str, int] = {}
    held = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in held:
            kind = onnx.TypeProto()
            kind.CopyFrom(value.type)
            _size_axes(value.name, kind, dims, assumed)
            reading.types[value.name] = kind
    for tensor in model.graph.initializer:
        reading.hold(tensor)
    for node in model.graph.node:
        reading.follow(node)
    shapes = {name: _shape(name, kind) for name, kind in reading.types.items()}
    bits = {name: element_bits(kind.tensor_type.elem_type) for name, kind in reading.types.items()}
    return Tensors(shapes, bits, constant_names(model.graph), assumed)


class _Reading:
    """What is known so far, walking down the nodes: the type of each tensor, and the value of small constants."""

    def __init__(self, model: Any) -> None:
        self.types: dict[str, Any] = {}
        self.values: dict[str, Any] = {}  # TensorProto of up to KEPT_ELEMENTS
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
        stood_in = _stand_in(node, self.types)
        domain = "" if stood_in.domain == "ai.onnx" else stood_in.domain
        told = all(self.types[name].WhichOneof("value") for name in stood_in.input if name)
        if not told or not onnx.defs.has(stood_in.op_type, self.opsets.get(domain, 0), domain):
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
        self.types.update((name, kind) for name, kind in found.items() if name)
        self._fold(stood_in)

    def _fold(self, node: Any) -> None:
        if len(node.output) != 1:
            return
        name = node.output[0]
        shape = _shape(name, self.types[name])
        if node.op_type == "Shape":
            value = self._shape_value(node)
        elif node.op_type not in FOLDED or shape is None or prod(shape) > KEPT_ELEMENTS:
            return
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
    if any(dim < 0 for dim in dims):
        raise ModelError(f"tensor {name!r} has shape {list(dims)}: no axis may be negative")
    return tuple(dims)


def _shape(name: str, kind: Any) -> Shape | None:
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    return _checked(name, [dim.dim_value for dim in dims]) if all(dim.HasField("dim_value") for dim in dims) else None


def _size_axes(name: str, kind: Any, dims: Mapping[str, int], assumed: dict[str, int]) -> None:
    axes = kind.tensor_type.shape.dim
    for axis, dim in enumerate(axes):
        if dim.dim_value > 0:
            continue
        otherwise = IMAGE_ASSUMED if len(axes) == 4 and axis >= 2 else BATCH_ASSUMED if axis == 0 else OTHER_ASSUMED
        place = f"{name}[{axis}]"
        size = dims.get(place, dims.get(dim.dim_param, otherwise))
        if size < 1 or dim.dim_value < 0:
            raise ModelError(f"axis {place} is {size if size < 1 else dim.dim_value}: an axis holds 1 or more")
        dim.dim_value = assumed[place] = size


def _stand_in(node: Any, types: dict[str, Any]) -> Any:
    """The node, or a standard one whose first output has the same shape; may add a type for what that one reads."""
    if node.domain != "com.microsoft":
        return node
    if node.op_type == "MatMulNBits":  # a packed matrix of K x N: the shapes of a plain MatMul
        name = f"{node.output[0]}/unpacked"
        dims = _checked(name, [attribute(node, "K"), attribute(node, "N")])
        types[name] = onnx.helper.make_tensor_type_proto(TensorProto.FLOAT, dims)
        return onnx.helper.make_node("MatMul", [node.input[0], name], node.output[:1])
    if node.op_type not in STAND_INS:
        return node
    kind = STAND_INS[node.op_type]
    inputs = node.input[:1] if kind == "Identity" else node.input[:3]
    made = onnx.helper.make_node(kind, inputs, node.output[:1], name=node.name)
    made.attribute.extend(a for a in node.attribute if kind != "Identity" and not a.name.startswith("activation"))
    return made
