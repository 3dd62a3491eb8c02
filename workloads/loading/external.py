"""Weights that an ONNX model keeps in files beside it: read once, from inside its folder only, and put into the model.

Rules: a file is opened only if it lies in the model's folder after links are followed; what was read is what runs.
onnxruntime takes some locations as addresses in its own memory ("_ORT_MEM_ADDR_"); here every location is a file's.
Source: onnx.proto, TensorProto.external_data.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

from workloads.counting.shapes import MOST_AXES
from workloads.counting.tensors import element_bits
from workloads.errors import ModelError
from workloads.loading.opening import RAISE_FILE


def tensors_of(model: Any) -> Iterator[Any]:
    """Every TensorProto that holds data: initializers, and those in the attributes of nodes, wherever these stand."""
    yield from _within(model.graph)
    for function in model.functions:
        yield from _attributes(function.attribute_proto)
        for node in function.node:
            yield from _attributes(node.attribute)


def _within(graph: Any) -> Iterator[Any]:
    """Those of a graph, and of the graphs of control flow in it."""
    yield from graph.initializer
    for node in graph.node:
        yield from _attributes(node.attribute)


def _attributes(attributes: Iterable[Any]) -> Iterator[Any]:
    for each in attributes:
        yield from (each.t, *each.tensors)
        for sparse in (each.sparse_tensor, *each.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (each.g, *each.graphs):
            yield from _within(graph)


def check_tensors(model: Any) -> None:
    """Refuse tensors with more axes than any real one, in segments, or stored sparse, which would be made dense."""
    for tensor in tensors_of(model):
        if len(tensor.dims) > MOST_AXES:
            raise ModelError(f"tensor {tensor.name!r} has {len(tensor.dims)} axes; {MOST_AXES} at most")
        if tensor.HasField("segment"):
            raise ModelError(f"tensor {tensor.name!r} comes in segments, which nothing reads: store it whole")
    if model.graph.sparse_initializer:
        raise ModelError("weights are stored sparse, which onnxruntime makes dense: store them dense")


def embed(path: Path, model: Any, limit_bytes: int) -> list[bytes]:
    """Read the weight files of `model`, an onnx ModelProto at `path`, into it; returns the sha256 of each file.

    Raises ModelError for places outside the folder, missing files, more than `limit_bytes`, and data that do not fit.
    """
    outside = [each for each in tensors_of(model) if each.external_data or each.data_location == each.EXTERNAL]
    if not outside:
        return []
    folder = path.resolve().parent
    places = [_place(folder, tensor) for tensor in outside]
    files = _read(sorted(set(places)), limit_bytes)
    for tensor, place in zip(outside, places, strict=True):
        raw = _part(tensor, files[place])
        for field in ("external_data", "data_location", "float_data", "int32_data", "int64_data", "double_data"):
            tensor.ClearField(field)
        tensor.raw_data = raw
    return [hashlib.sha256(files[file]).digest() for file in sorted(files)]


def _place(folder: Path, tensor: Any) -> Path:
    place = _entries(tensor).get("location", "")
    try:
        target = (folder / place).resolve()
        inside = bool(place) and not Path(place).is_absolute() and target.is_relative_to(folder)
        if inside and "_MEM_ADDR_" not in place and target.is_file():
            return target
    except (OSError, ValueError) as error:
        raise ModelError(f"tensor {tensor.name!r} keeps its data in {place[:200]!r}: no such place") from error
    if inside and not target.exists():
        raise ModelError(f"tensor {tensor.name!r} keeps its data in {place[:200]!r}: there is no such file beside it")
    raise ModelError(
        f"tensor {tensor.name!r} keeps its data in {place[:200]!r}: it has to be a file in the model's folder"
    )


def _read(paths: Sequence[Path], limit_bytes: int) -> dict[Path, bytes]:
    files: dict[Path, bytes] = {}
    left = limit_bytes
    for path in paths:
        try:
            with path.open("rb") as stream:
                files[path] = stream.read(min(left, path.stat().st_size) + 1)
        except OSError as error:
            raise ModelError(f"weight file {path.name!r} cannot be read: {error.strerror}") from error
        left -= len(files[path])
        if left < 0:
            size_bytes = sum(each.stat().st_size for each in paths)
            raise ModelError(f"its weight files hold {size_bytes} bytes more than the limit leaves: {RAISE_FILE}")
    return files


def _part(tensor: Any, data: bytes) -> bytes:
    """The tensor's own bytes of a file."""
    wanted = -(-prod(tensor.dims) * element_bits(tensor.data_type) // 8)
    entries = _entries(tensor)
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(wanted)))
    except ValueError as error:
        raise ModelError(f"tensor {tensor.name!r}: offset and length of its data are no numbers: {entries}") from error
    if offset < 0 or length != wanted or offset + length > len(data):
        raise ModelError(
            f"tensor {tensor.name!r} of {wanted} bytes is to be {length} bytes from byte {offset} of a file of "
            f"{len(data)}: they do not fit"
        )
    return data[offset : offset + length]


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}
