"""Opens an ONNX file that nobody vouches for: everything is checked before a runtime sees it.

Rules: the file is read once and what was checked is what runs; every refusal is a ModelError that says why.
Refused: no ONNX, over the limits of size, nodes or memory, weights outside the model's folder, unknown operators,
an opset that onnxruntime does not know, control flow, memory without a bound. What a checked model computes is its own.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workloads.errors import ModelError
from workloads.runtime import onnxruntime as load_onnxruntime

if TYPE_CHECKING:
    from workloads.tensors import Tensors

GIB = 2**30
MAX_FILE_BYTES = 2 * GIB - 1  # a protobuf message ends here: protobuf.dev, encoding, "Message size"
KNOWN_DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
# Operators whose output can be far larger than their inputs: their output shape has to be known beforehand
MAKERS = frozenset({
    "ConstantOfShape", "Expand", "Tile", "Range", "Resize", "Upsample", "Pad", "OneHot", "EyeLike",
    "ConcatFromSequence", "SequenceConstruct", "SequenceInsert", "SplitToSequence", "Col2Im", "MaxUnpool",
    "CenterCropPad", "RandomNormal", "RandomUniform", "AffineGrid", "ConvTranspose", "Einsum", "MatMul", "Gemm",
})  # fmt: skip


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a model file may ask for: bytes of the file and its weights, nodes, bytes of memory at batch 1."""

    file_bytes: int = GIB // 2
    nodes: int = 100_000
    memory_bytes: int = 4 * GIB

    def problems(self) -> list[tuple[str, str]]:
        """(field, message) of every limit that cannot be."""
        found = []
        for name, most in (("file_bytes", MAX_FILE_BYTES), ("nodes", 10_000_000), ("memory_bytes", 2**50)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                found.append((name, f"{value} cannot be: give a whole number from 1 to {most}"))
        return found


@dataclass(frozen=True)
class OpenModel:
    """A model that passed: its graph (`proto`, an onnx ModelProto), sizes, properties.

    `asked_bytes` is the memory counted for it at batch 1: all constants and the most activations alive at once,
    without the kernels' own workspace. `inputs` are the inputs to feed, initializers left out.
    """

    path: Path
    sha256: str
    data: bytes = field(repr=False)
    proto: Any = field(repr=False)
    tensors: "Tensors" = field(repr=False)
    asked_bytes: int
    external: bool
    inputs: tuple[str, ...]
    properties: dict[str, str]


def open_model(path: Path | str, limits: Limits | None = None, dims: Mapping[str, int] | None = None) -> OpenModel:
    """Read and check the ONNX file at `path`; `dims` sizes free axes by name ("batch") or place ("input[0]").

    Raises ModelError for any file listed at the top of this module.
    """
    path, limits = Path(path), limits or Limits()
    try:
        return _open(path, limits, dims or {})
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error.__cause__


def _open(path: Path, limits: Limits, dims: Mapping[str, int]) -> OpenModel:
    from workloads.shapes import read_tensors  # imports onnx, 0.25 s: only who opens a model pays

    data = _read(path, limits.file_bytes)
    model = _parse(data)
    nodes = model.graph.node
    if len(nodes) > limits.nodes:
        raise ModelError(f"{len(nodes)} nodes; the limit is {limits.nodes}: raise `nodes` if you trust the file")
    _check_operators(model, nodes)
    digest = hashlib.sha256(data)
    files = _external_files(path, model, nodes, limits.file_bytes - len(data))
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    read = read_tensors(model, dims)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(value.name for value in model.graph.input if value.name not in held)
    asked = _check_memory(model, nodes, read, inputs, limits.memory_bytes)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    return OpenModel(path, digest.hexdigest(), data, model, read, asked, bool(files), inputs, properties)


def _read(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():
            raise ModelError("no such file: give the path of an .onnx file")
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from error
    if not data:
        raise ModelError("the file is empty: an ONNX model was expected")
    if len(data) > limit:
        raise ModelError(f"larger than {limit} bytes: raise `file_bytes` if you trust the file")
    return data


def _parse(data: bytes) -> Any:
    import onnx

    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        if not all(isinstance(text, str) for text in _texts(model)):
            raise ValueError("it holds names that are no text")
    except Exception as error:  # protobuf's errors differ between its backends
        raise ModelError(f"not an ONNX file, or cut short: {error}") from error
    if not model.HasField("graph") or not model.graph.node or not model.opset_import:
        raise ModelError("not an ONNX file: it holds no graph, no nodes or no opset")
    if model.functions:
        raise ModelError("has functions of its own: inline them first with onnx.inliner.inline_local_functions")
    return model


def _texts(message: Any) -> Iterator[Any]:
    """Every text in a protobuf message: bytes, not str, where it is no UTF-8, which parsing lets through."""
    for kind, value in message.ListFields():
        if kind.type == kind.TYPE_STRING:
            yield from [value] if isinstance(value, str | bytes) else value
        elif kind.type == kind.TYPE_MESSAGE:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _texts(part)


def _check_operators(model: Any, nodes: Iterable[Any]) -> None:
    import onnx

    from workloads.tensors import has_graph

    opsets: dict[str, int] = {}
    for entry in model.opset_import:
        opsets["" if entry.domain == "ai.onnx" else entry.domain] = entry.version
    reason = _runtime_refuses(int(model.ir_version), tuple(sorted(opsets.items())))
    if reason:
        raise ModelError(f"opsets {opsets}, IR version {model.ir_version}: onnxruntime does not take them ({reason})")
    ours = _runtime_operators()
    for node in nodes:
        domain, name = "" if node.domain == "ai.onnx" else node.domain, node.name
        known = domain in opsets and domain in KNOWN_DOMAINS
        if known and domain == "com.microsoft":
            known = not ours or node.op_type in ours
        elif known:
            known = onnx.defs.has(node.op_type, opsets[domain], domain)
        if has_graph(node):
            raise ModelError(f"node {name!r} is control flow ({node.op_type}): what it costs depends on the data")
        if not known:
            raise ModelError(
                f"node {name!r} asks for operator {node.op_type!r} of domain {domain or 'ai.onnx'!r}, opset "
                f"{opsets.get(domain)}: not a known operator; export the model with standard ones"
            )


@lru_cache(maxsize=64)
def _runtime_refuses(ir_version: int, opsets: tuple[tuple[str, int], ...]) -> str:
    """Why the installed onnxruntime takes no model of these versions, found with one of a single Identity."""
    from onnx import helper

    onnxruntime = load_onnxruntime()

    ends = [helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", ends[:1], ends[1:])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        imports = [helper.make_opsetid(*opset) for opset in opsets]
        probe = helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
        onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base of their own
        return str(error).splitlines()[0][-200:]
    return ""


@lru_cache(maxsize=1)
def _runtime_operators() -> frozenset[str]:
    """Names of onnxruntime's own operators; empty where this build does not list them (the session then decides)."""
    state = load_onnxruntime().capi.onnxruntime_pybind11_state
    listed: list[Any] = getattr(state, "get_all_operator_schema", list)()
    return frozenset(schema.name for schema in listed if schema.domain == "com.microsoft")


def _external_files(path: Path, model: Any, nodes: Iterable[Any], limit: int) -> list[Path]:
    """The weight files beside the model, each inside its folder even after links are followed."""
    tensors = [*model.graph.initializer]
    tensors += [part for each in model.graph.sparse_initializer for part in (each.values, each.indices)]
    for node in nodes:
        for a in node.attribute:
            tensors += [a.t, *a.tensors, a.sparse_tensor.values, a.sparse_tensor.indices]
            tensors += [part for t in a.sparse_tensors for part in (t.values, t.indices)]
    folder = path.resolve().parent
    files: set[Path] = set()
    for tensor in tensors:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if not entries and tensor.data_location != tensor.EXTERNAL:
            continue
        place = entries.get("location", "")
        try:
            target = (folder / place).resolve()
            inside = bool(place) and not Path(place).is_absolute() and target.is_relative_to(folder)
            if not inside or not target.is_file():
                raise ModelError(
                    f"tensor {tensor.name!r} keeps its data in {place!r}: it has to be a file in the model's folder"
                )
        except (OSError, ValueError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"tensor {tensor.name!r} keeps its data in {place!r}: no such place") from error
        files.add(target)
    size_bytes = sum(file.stat().st_size for file in files)
    if size_bytes > limit:
        raise ModelError(f"its weight files hold {size_bytes} bytes more: raise `file_bytes` if you trust them")
    return sorted(files)


def _check_memory(model: Any, nodes: Iterable[Any], tensors: "Tensors", inputs: Iterable[str], limit: int) -> int:
    from workloads.tensors import peak_bytes

    for name in inputs:
        if tensors.shapes.get(name) is None:
            raise ModelError(f"input {name!r} has no shape: export the model with one")
    for node in nodes:
        _check_bound(node, tensors)
    constants = sum(tensors.size_bytes(name) for name in tensors.constants)
    results = [value.name for value in model.graph.output]
    asked = constants + peak_bytes(model.graph.node, tensors, results, views_are_free=False)
    if asked > limit:
        raise ModelError(
            f"asks for {asked} bytes of memory; the limit is {limit}: raise `memory_bytes` if you trust it"
        )
    return asked


def _check_bound(node: Any, tensors: "Tensors") -> None:
    for name in node.output:
        if name and node.op_type in MAKERS and tensors.shapes.get(name) is None:
            raise ModelError(
                f"the size of {name!r}, made by {node.op_type}, cannot be told before it runs, so its memory "
                "has no bound: fix the shapes of the inputs and fold constants (onnxsim) first"
            )
    if node.op_type != "Concat" or tensors.shapes.get(node.output[0]) is None:
        return
    # onnx before 1.23 adds the lengths in 32 bits, where a large sum may wrap round to a small one
    if tensors.elements(node.output[0]) < sum(tensors.elements(name) for name in node.input):
        raise ModelError(f"{node.output[0]!r} joins more than its shape holds: that is too much memory")
