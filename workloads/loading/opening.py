"""Opens an ONNX file that nobody vouches for: everything is checked before a runtime sees it.

Rules: files are read once and what was checked is what runs; every refusal is a ModelError that says why.
Refused: no ONNX, over the limits of size, nodes or memory, weights outside the model's folder, unknown operators,
an opset that onnxruntime does not know, control flow, memory without a bound, another sha256 than the one expected.
What a checked model computes is its own; `workloads/loading/trial.py` runs it a first time where it can do no harm.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workloads.errors import MemoryOut, ModelError
from workloads.runtime import onnxruntime as load_onnxruntime
from workloads.runtime import session_options

if TYPE_CHECKING:
    from workloads.counting.tensors import Tensors

GIB = 2**30
MAX_FILE_BYTES = 2 * GIB - 1  # a protobuf message ends here: protobuf.dev, encoding, "Message size"
FIELDS, FIELDS_PER_NODE = 100_000, 40  # of the file: large models hold some 20 to a node, counted over the light ones
MOST_OPSETS = 16  # domains that a file imports; there are three that onnxruntime knows
KNOWN_DOMAINS = ("", "ai.onnx.ml", "com.microsoft")
ORT_FORMAT = b"ORTM"  # at byte 4: onnxruntime then reads its own format, whatever else the file is (ort.fbs)
_RUNTIME_LIMIT = re.compile(r"support for domain \S+ is till opset \d+|max supported IR version: \d+")  # its words
# Operators of known domains that shall not run here, and why
FORBIDDEN = {
    "EPContext": "it runs compiled code that comes with the model",
    "Snpe": "it runs compiled code that comes with the model",
    "StringConcat": "the length of its texts has no bound",
}

# Where a limit can be raised: words that errors end with
RAISE_FILE = "`inspect` and `calibrate` take more with --file-bytes, if you trust it"
RAISE_MEMORY = "`inspect` and `calibrate` take more with --memory-bytes, if you trust it"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a model file may ask for: bytes of the file and its weights, nodes, bytes of memory at batch 1.

    `trial_cpu_s` is the processor time that loading it and running it once may take in its trial.
    """

    file_bytes: int = GIB // 2
    nodes: int = 100_000
    memory_bytes: int = 4 * GIB
    trial_cpu_s: int = 60  # an 8-billion-parameter decoder reads its prompt in less on one core [guess]

    def problems(self) -> list[tuple[str, str]]:
        """(field, message) of every limit that cannot be."""
        found = []
        for name, most in (
            ("file_bytes", MAX_FILE_BYTES),
            ("nodes", 10_000_000),
            ("memory_bytes", 2**50),
            ("trial_cpu_s", 86400),
        ):
            value = getattr(self, name)
            if not 1 <= value <= most:
                found.append((name, f"{value} cannot be: give a whole number from 1 to {most}"))
        return found


@dataclass(frozen=True)
class OpenModel:
    """A model that passed: its graph (`proto`, an onnx ModelProto), sizes, properties.

    `data` is the whole model: weights that lay in files beside it (`external`) are in it, and `sha256` counts them.
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


def open_model(
    path: Path | str,
    limits: Limits | None = None,
    dims: Mapping[str, int] | None = None,
    sha256: str = "",
    *,
    to_run: bool = True,
) -> OpenModel:
    """Read and check the ONNX file at `path`; `dims` sizes free axes by name ("batch") or place ("input[0]").

    With `sha256` (64 hexadecimal digits) no other content is taken. A model that is only counted, not `to_run`, may
    hold control flow, and products whose size depends on the data.
    Raises ModelError for any file listed at the top of this module.
    """
    path, limits = Path(path), limits or Limits()
    try:
        return _open(path, limits, dims or {}, sha256, to_run)
    except MemoryOut as error:
        raise MemoryOut(f"{path}: {error}") from error.__cause__
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error.__cause__


def _open(path: Path, limits: Limits, dims: Mapping[str, int], expected: str, to_run: bool) -> OpenModel:
    from workloads.counting.fits import check_operands
    from workloads.counting.shapes import read_tensors  # imports onnx, 0.25 s: only who opens a model pays
    from workloads.loading.external import embed

    data = _read(path, limits.file_bytes)
    model = _parse(data, limits)
    nodes = model.graph.node
    if len(nodes) > limits.nodes:
        raise ModelError(f"{len(nodes)} nodes; the limit is {limits.nodes}")
    digest = hashlib.sha256(data)
    weights = embed(path, model, limits.file_bytes - len(data))
    for each in weights:
        digest.update(each)
    if expected and digest.hexdigest() != expected.lower():
        raise ModelError(f"has sha256 {digest.hexdigest()}, not {expected}: it is not the model that was meant")
    _check_operators(model, nodes, to_run)
    read = read_tensors(model, dims)
    check_operands(nodes, read)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(value.name for value in model.graph.input if value.name not in held)
    asked = _asked_bytes(model, read, inputs, to_run)
    if asked > (most := limits.memory_bytes):
        raise MemoryOut(f"asks for {asked} bytes of memory; the limit is {most}: {RAISE_MEMORY}")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    whole = _serialised(model) if weights else data
    return OpenModel(path, digest.hexdigest(), whole, model, read, asked, bool(weights), inputs, properties)


def digest_of(path: Path) -> str:
    """The sha256 of a file, as hexadecimal digits: what `OpenModel.sha256` is of a model in one file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():
            raise ModelError("no such file: give the path of an .onnx file")
        with path.open("rb") as stream:
            data = stream.read(min(limit, path.stat().st_size) + 1)  # as much is set aside at once
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from error
    if not data:
        raise ModelError("the file is empty: an ONNX model was expected")
    if len(data) > limit:
        raise ModelError(f"larger than {limit} bytes, the limit: {RAISE_FILE}")
    return data


def _parse(data: bytes, limits: Limits) -> Any:
    import onnx

    from workloads.loading.external import check_tensors
    from workloads.loading.wire_format import check_fields

    if data[4:8] == ORT_FORMAT:
        raise ModelError("is in onnxruntime's own format, which is not checked here: export it as ONNX")
    model = onnx.ModelProto()
    try:
        check_fields(data, model.DESCRIPTOR, FIELDS + FIELDS_PER_NODE * limits.nodes)
        model.ParseFromString(data)
    except Exception as error:  # protobuf's errors differ between its backends
        raise ModelError(f"not an ONNX file, or cut short: {error}") from error
    if not model.HasField("graph") or not model.graph.node or not model.opset_import:
        raise ModelError("not an ONNX file: it holds no graph, no nodes or no opset")
    if model.functions:
        raise ModelError("has functions of its own: inline them first with onnx.inliner.inline_local_functions")
    check_tensors(model)
    return model


def _serialised(model: Any) -> bytes:
    try:
        return bytes(model.SerializeToString())
    except Exception as error:  # protobuf's errors differ between its backends
        raise ModelError(f"with its weight files in it, it cannot be written as one: {error}") from error


def _check_operators(model: Any, nodes: Iterable[Any], to_run: bool) -> None:
    import onnx

    from workloads.counting.shapes import RUNTIME_STANDARD
    from workloads.counting.tensors import has_graph

    imports = [("" if entry.domain == "ai.onnx" else entry.domain, entry.version) for entry in model.opset_import]
    opsets = dict(imports)
    if len(imports) > MOST_OPSETS or len(opsets) < len(imports):
        raise ModelError(f"imports {len(imports)} opsets of {len(opsets)} domains: {MOST_OPSETS} at most, each once")
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
            known = onnx.defs.has(node.op_type, opsets[domain], domain) or node.op_type in RUNTIME_STANDARD
        if node.op_type in FORBIDDEN:
            raise ModelError(f"node {name!r} is a {node.op_type}: {FORBIDDEN[node.op_type]}")
        if to_run and has_graph(node):
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

    ends = [helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", ends[:1], ends[1:])
    try:
        imports = [helper.make_opsetid(*opset) for opset in opsets]
        probe = helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
        load_onnxruntime().InferenceSession(
            probe.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no base of their own
        text = str(error).splitlines()[0]
        limit = _RUNTIME_LIMIT.search(text)
        return limit.group() + "; export the model with an older one" if limit else text[-200:]
    return ""


@lru_cache(maxsize=1)
def _runtime_operators() -> frozenset[str]:
    """Names of onnxruntime's own operators; empty where this build does not list them (the session then decides)."""
    state = load_onnxruntime().capi.onnxruntime_pybind11_state
    listed: list[Any] = getattr(state, "get_all_operator_schema", list)()
    return frozenset(schema.name for schema in listed if schema.domain == "com.microsoft")


def asked_bytes(model: OpenModel, dims: Mapping[str, int]) -> int:
    """The memory counted for an open model whose free axes have other sizes; `OpenModel.asked_bytes` says what counts.

    Raises ModelError for sizes that the graph does not take, or without a bound.
    """
    from workloads.counting.shapes import read_tensors

    return _asked_bytes(model.proto, read_tensors(model.proto, dims), model.inputs, to_run=True)


def _asked_bytes(model: Any, tensors: "Tensors", inputs: Iterable[str], to_run: bool) -> int:
    from workloads.counting.tensors import peak_bytes
    from workloads.loading.bounds import bounded

    for name in inputs:
        if tensors.shapes.get(name) is None:
            raise ModelError(f"input {name!r} has no shape: export the model with one")
    sized = bounded(model.graph.node, tensors, to_run=to_run)
    constants = sum(sized.size_bytes(name) for name in sized.constants)
    results = [value.name for value in model.graph.output]
    return constants + peak_bytes(model.graph.node, sized, results, views_are_free=False)
