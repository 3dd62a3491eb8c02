"""A float32 model made narrower for measuring: float16, or INT8 quantised with scales from synthetic tiles.

Rules: onnxruntime's own converters do the work; inputs and outputs stay float32, so the same samples go in. How fast
the narrow model is says nothing of how right it is: accuracy is for `scripts/quantise_models.py` to show.
"""

import dataclasses
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from workloads import runtime
from workloads.errors import ModelError
from workloads.loading.opening import OpenModel
from workloads.providers import PROVIDERS
from workloads.scenery.scenes import Bands
from workloads.sessions import fit, input_shapes

LEAST_OPSET = 13  # of QuantizeLinear with an axis: ONNX changelog, version 13


def narrowed(name: str, model: OpenModel, precision: str, tiles: Sequence[Bands]) -> OpenModel:
    """The same model with `data` in "fp16" or "int8"; sha256 and sizes stay those of the model as stored.

    Raises ModelError where onnxruntime's converters cannot.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        try:
            folded = _folded(model, Path(folder) / "folded.onnx")
            data = _half(folded) if precision == "fp16" else _quantised(folded, model, Path(folder), tiles)
        except Exception as error:  # the converters' errors share no base of their own
            raise ModelError(
                f"{name}: onnxruntime cannot make it {precision}: {str(error)[:200]}; give a file in that precision"
            ) from error
    return dataclasses.replace(model, data=data)


def _folded(model: OpenModel, path: Path) -> Path:
    """Written with its constants folded, as both converters want it."""
    onnxruntime = runtime.onnxruntime()
    opset = max((each.version for each in model.proto.opset_import if each.domain in ("", "ai.onnx")), default=0)
    if opset < LEAST_OPSET:
        raise ModelError(f"it is of opset {opset}, and {LEAST_OPSET} is the least")
    options = runtime.session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(model.data, options, providers=[PROVIDERS["cpu"]])
    return path


def _half(folded: Path) -> bytes:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    made: bytes = convert_float_to_float16(onnx.load(folded), keep_io_types=True).SerializeToString()
    return made


def _quantised(folded: Path, model: OpenModel, folder: Path, tiles: Sequence[Bands]) -> bytes:
    """QDQ: unsigned activations, signed weights with a scale to each channel, as `scripts/quantise_models.py`."""
    from onnxruntime import quantization as q

    target = folder / "quantised.onnx"
    q.quantize_static(
        str(folded), str(target), _Feeds(model, tiles), quant_format=q.QuantFormat.QDQ, per_channel=True,
        activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8, calibration_providers=[PROVIDERS["cpu"]],
    )  # fmt: skip
    return target.read_bytes()


class _Feeds:
    """Feeds of one inference each, as `quantize_static` asks for them: a dictionary, or None at the end."""

    def __init__(self, model: OpenModel, tiles: Sequence[Bands]) -> None:
        shapes = input_shapes(model, 1)
        self._feeds = iter([
            {name: np.ascontiguousarray(fit(tile[np.newaxis], shape, dtype)) for name, (shape, dtype) in shapes.items()}
            for tile in tiles
        ])  # fmt: skip

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """The converters log advice; what goes wrong is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
