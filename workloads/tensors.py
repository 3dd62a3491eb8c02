"""Sizes of everything an ONNX graph touches: shapes by inference, bytes, what is constant, what is alive when.

Declared shapes of inner tensors are thrown away before inference, so a file cannot understate them. Weights are
held out of inference (their shape is enough), which keeps it to milliseconds. Needs `onnx`; runs no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import onnx
from onnx import TensorProto

from workloads.errors import ModelError

Shape = tuple[int, ...]

BATCH_ASSUMED = 1  # a free first axis: the cost of one inference is asked for
IMAGE_ASSUMED = 224  # a free third or fourth axis of four: the size that published counts use
OTHER_ASSUMED = 1  # any other free axis
KEPT_ELEMENTS = 1024  # constants up to this size stay in inference: shapes are computed from them

# Bits of an element that are no whole number of bytes: onnx.proto, TensorProto.DataType
SUB_BYTE = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}
STRING_BITS = 64 * 8  # a string's size is unknown: a cache line each [guess]
RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
# Outputs that share their input's memory, or that runtimes fuse into the consumer (DequantizeLinear)
VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "DequantizeLinear"}
# onnxruntime's own operators that inference does not know, and the standard one with the same output shape
SAME_SHAPE = {"Gelu", "FastGelu", "BiasGelu", "QuickGelu", "SkipLayerNormalization", "SimplifiedLayerNormalization",
              "SkipSimplifiedLayerNormalization", "RotaryEmbedding"}  # fmt: skip
STAND_INS = {"FusedConv": "Conv", "FusedGemm": "Gemm"} | dict.fromkeys(SAME_SHAPE, "Identity")


@dataclass(frozen=True)
class Tensors:
    """Shape and element size of each tensor by name; None where its size depends on the data.

    `constants` are the tensors computed from nothing but what is in the file. `assumed` are the free axes of the
    inputs ("name[axis]") and the size taken for each.
    """

    shapes: dict[str, Shape | None]
    bits: dict[str, int]
    constants: frozenset[str]
    assumed: dict[str, int]

    def elements(self, name: str) -> int:
        """Elements of the tensor; 0 where unknown."""
        shape = self.shapes.get(name)
        return 0 if shape is None else prod(shape)

    def size_bytes(self, name: str) -> int:
        """Bytes of the tensor, rounded up; 0 where unknown."""
        return -(-self.elements(name) * self.bits.get(name, 32) // 8)


def read_tensors(model: Any, dims: Mapping[str, int]) -> Tensors:
    """Infer the shapes of `model`, an onnx ModelProto; `dims` sizes free axes by their name or by "input[axis]".

    Raises ModelError for shapes that contradict each other or that are negative.
    """
    slim, assumed = _slim(model, dims)
    try:
        inferred = onnx.shape_inference.infer_shapes(slim, check_type=True, strict_mode=False, data_prop=True)
    except Exception as error:  # the C++ side raises several unrelated kinds
        raise ModelError(f"shapes of the graph contradict each other: {str(error).strip()[:300]}") from error
    shapes: dict[str, Shape | None] = {}
    bits: dict[str, int] = {}
    for graph in graphs(inferred.graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            kind = value.type.tensor_type
            sized = value.type.HasField("tensor_type") and kind.HasField("shape")
            known = sized and all(dim.HasField("dim_value") for dim in kind.shape.dim)
            shapes[value.name] = _checked(value.name, [dim.dim_value for dim in kind.shape.dim]) if known else None
            bits[value.name] = element_bits(kind.elem_type)
    for graph in graphs(model.graph):
        for tensor in graph.initializer:
            shapes[tensor.name] = _checked(tensor.name, tensor.dims)
            bits[tensor.name] = element_bits(tensor.data_type)
    return Tensors(shapes, bits, _constants(model.graph), assumed)


def graphs(graph: Any) -> list[Any]:
    """The graph and all graphs inside its nodes, outermost first."""
    found = [graph]
    for node in graph.node:
        for inner in subgraphs(node):
            found.extend(graphs(inner))
    return found


def subgraphs(node: Any) -> list[Any]:
    """The bodies of an If, Loop or Scan."""
    return [g for a in node.attribute for g in ([a.g] if a.type == a.GRAPH else a.graphs if a.type == a.GRAPHS else [])]


def attribute(node: Any, name: str, otherwise: int = 0) -> int:
    """The whole-number attribute `name` of `node`."""
    return next((int(a.i) for a in node.attribute if a.name == name), otherwise)


def element_bits(data_type: int) -> int:
    """Bits of one element of an onnx data type."""
    name = TensorProto.DataType.Name(data_type) if data_type in TensorProto.DataType.values() else "UNDEFINED"
    if name in ("UNDEFINED", "STRING"):
        return STRING_BITS if name == "STRING" else 32
    return SUB_BYTE.get(name) or int(onnx.helper.tensor_dtype_to_np_dtype(data_type).itemsize) * 8


def peak_bytes(nodes: Sequence[Any], tensors: Tensors, results: Sequence[str], *, views_are_free: bool) -> int:
    """Most bytes alive at once, constants apart, if the nodes run in the file's order and free what is done with.

    A tensor of unknown size counts as the largest of its node's inputs. With `views_are_free` an output that only
    renames its input takes no memory.
    """
    size: dict[str, int] = {}
    root: dict[str, str] = {}
    last: dict[str, int] = {}
    for step, node in enumerate(nodes):
        for name in node.input:
            last[root.get(name, name)] = step
        for name in node.output:
            if views_are_free and node.op_type in VIEWS and node.input:
                root[name] = root.get(node.input[0], node.input[0])
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
        inner = sum(peak_bytes(g.node, tensors, [o.name for o in g.output], views_are_free=False)
                    for g in subgraphs(node))  # fmt: skip
        peak = max(peak, alive + inner)
        alive -= sum(size.pop(name, 0) for name in freed.get(step, []))
        alive -= sum(size.pop(name, 0) for name in new if name not in last)
    return peak


def _bound(node: Any, tensors: Tensors) -> int:
    each = [tensors.size_bytes(name) for name in node.input if name]
    if node.op_type == "NonZero":
        return 8 * len(tensors.shapes.get(node.input[0]) or ()) * tensors.elements(node.input[0])
    return max(each, default=0)


def _checked(name: str, dims: Sequence[int]) -> Shape:
    if any(dim < 0 for dim in dims):
        raise ModelError(f"tensor {name!r} has shape {list(dims)}: no axis may be negative")
    return tuple(dims)


def _constants(graph: Any) -> frozenset[str]:
    known = {tensor.name for g in graphs(graph) for tensor in g.initializer}
    for g in graphs(graph):
        for node in g.node:
            if all(name in known for name in node.input if name) and node.op_type not in RANDOM and not subgraphs(node):
                known.update(node.output)
    return frozenset(known - {""})


def _slim(model: Any, dims: Mapping[str, int]) -> tuple[Any, dict[str, int]]:
    """A copy for inference: free axes sized, claims dropped, large weights as inputs, unknown operators stood in."""
    slim = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    slim.graph.node.extend(model.graph.node)
    slim.graph.input.extend(model.graph.input)
    slim.graph.name = "graph"
    assumed: dict[str, int] = {}
    held = {tensor.name for tensor in model.graph.initializer}
    for value in slim.graph.input:
        if value.name not in held:
            _size_axes(value, dims, assumed)
    listed = {value.name for value in slim.graph.input}
    for tensor in model.graph.initializer:
        if prod(tensor.dims) <= KEPT_ELEMENTS and not tensor.external_data:
            slim.graph.initializer.append(tensor)
        elif tensor.name not in listed:
            slim.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for value in model.graph.output:
        kind = value.type.tensor_type.elem_type
        slim.graph.output.append(onnx.helper.make_tensor_value_info(value.name, kind, None))
    for graph in graphs(slim.graph):
        del graph.value_info[:]
        for node in graph.node:
            _stand_in(node, slim.graph)
    return slim, assumed


def _size_axes(value: Any, dims: Mapping[str, int], assumed: dict[str, int]) -> None:
    axes = value.type.tensor_type.shape.dim
    for axis, dim in enumerate(axes):
        if dim.dim_value > 0:
            continue
        otherwise = IMAGE_ASSUMED if len(axes) == 4 and axis >= 2 else BATCH_ASSUMED if axis == 0 else OTHER_ASSUMED
        place = f"{value.name}[{axis}]"
        size = dims.get(place, dims.get(dim.dim_param, otherwise))
        if size < 1 or dim.dim_value < 0:
            raise ModelError(f"axis {place} is {size if size < 1 else dim.dim_value}: an axis holds 1 or more")
        dim.dim_value = assumed[place] = size


def _stand_in(node: Any, graph: Any) -> None:
    if node.domain != "com.microsoft":
        return
    if node.op_type == "MatMulNBits":  # a packed matrix of K x N: the shapes of a plain MatMul
        name = f"{node.output[0]}/unpacked"
        shape = (attribute(node, "K"), attribute(node, "N"))
        graph.input.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        inputs, kind, kept = [node.input[0], name], "MatMul", []
    elif node.op_type in STAND_INS:
        kind = STAND_INS[node.op_type]
        inputs = list(node.input[:1] if kind == "Identity" else node.input[:3])
        kept = [a for a in node.attribute if kind != "Identity" and not a.name.startswith("activation")]
    else:
        return
    outputs = node.output[:1]
    node.CopyFrom(onnx.helper.make_node(kind, inputs, outputs, name=node.name))
    node.attribute.extend(kept)
