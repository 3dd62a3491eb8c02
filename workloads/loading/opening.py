"""Opens an ONNX file that nobody vouches for: everything is checked before a runtime sees it.

Rules: files are read once and what was checked is what runs; every refusal is a ModelError that says why.
Refused: no ONNX, over the limits of size, nodes or memory, weights outside the model's folder, an opset that
onnxruntime does not know, memory without a bound, another sha256 than the one expected; and of a model that is to run
operators that are not allowed (`workloads/loading/allowed.py`) and control flow, which counting lists.
What a checked model computes is its own; `workloads/loading/trial.py` runs it a first time where it can do no harm.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workloads.errors import MemoryOut, ModelError
from workloads.loading.allowed import check_operators

if TYPE_CHECKING:
    from workloads.counting.tensors import Tensors

GIB = 2**30
MAX_FILE_BYTES = 2 * GIB - 1  # a protobuf message ends here: protobuf.dev, encoding, "Message size"
FIELDS, FIELDS_PER_NODE = 100_000, 40  # of the file: large models hold some 20 to a node, counted over the light ones
ORT_FORMAT = b"ORTM"  # at byte 4: onnxruntime then reads its own format, whatever else the file is (ort.fbs)

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

    `data` is the whole model: weights that lay in files beside it (`external`) are in it, and `sha256` counts them;
    functions are inlined in it, and `sha256` is that of the file as it lies there.
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
    hold control flow, sequences, unknown operators, and products whose size depends on the data.
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
    from workloads.loading.functions import inlined

    data = _read(path, limits.file_bytes)
    model = _parse(data, limits)
    if len(model.graph.node) > limits.nodes:
        raise ModelError(f"{len(model.graph.node)} nodes; the limit is {limits.nodes}")
    digest = hashlib.sha256(data)
    weights = embed(path, model, limits.file_bytes - len(data))
    for each in weights:
        digest.update(each)
    if expected and digest.hexdigest() != expected.lower():
        raise ModelError(f"has sha256 {digest.hexdigest()}, not {expected}: it is not the model that was meant")
    had_functions = bool(model.functions)
    model = inlined(model, limits)
    nodes = model.graph.node
    check_operators(model, nodes, to_run=to_run)
    read = read_tensors(model, dims, claims=not to_run)
    check_operands(nodes, read)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(value.name for value in model.graph.input if value.name not in held)
    asked = _asked_bytes(model, read, inputs, to_run)
    if asked > (most := limits.memory_bytes):
        raise MemoryOut(f"asks for {asked} bytes of memory; the limit is {most}: {RAISE_MEMORY}")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    whole = _serialised(model) if weights or had_functions else data
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
    check_tensors(model)
    return model


def _serialised(model: Any) -> bytes:
    try:
        return bytes(model.SerializeToString())
    except Exception as error:  # protobuf's errors differ between its backends
        raise ModelError(f"with its weight files and functions in it, it cannot be written as one: {error}") from error


def asked_bytes(model: OpenModel, dims: Mapping[str, int]) -> int:
    """The memory counted for an open model whose free axes have other sizes; `OpenModel.asked_bytes` says what counts.

    Raises ModelError for sizes that the graph does not take, or without a bound.
    """
    from workloads.counting.shapes import read_tensors

    return _asked_bytes(model.proto, read_tensors(model.proto, dims), model.inputs, to_run=True)


def _asked_bytes(model: Any, tensors: "Tensors", inputs: Iterable[str], to_run: bool) -> int:
    from workloads.counting.tensors import peak_bytes
    from workloads.counting.weights import stored_within
    from workloads.loading.bounds import bounded

    sequences = {value.name for value in model.graph.input if value.type.HasField("sequence_type")}
    for name in inputs:
        if tensors.shapes.get(name) is None and name not in sequences:
            raise ModelError(f"input {name!r} has no shape: export the model with one")
    sized = bounded(model.graph.node, tensors, to_run=to_run)
    constants = sum(sized.size_bytes(name) for name in sized.constants) + stored_within(model.graph.node)
    results = [value.name for value in model.graph.output]
    return constants + peak_bytes(model.graph.node, sized, results, views_are_free=False)
