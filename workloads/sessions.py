"""One checked model in one onnxruntime session: opened on the provider asked for, fed with tiles, its answer checked.

Rules: the provider asked for is the one that runs, or a ModelError; every run has the same batch; no caching here.
A model is a cloud screener if its property `orbitmesh.role` says `cloud-screen`: its first output is then a
probability of cloud, (batch, ...), whose mean over the tile is the cloud fraction. Any other model is a load.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads import runtime
from workloads.errors import ModelError
from workloads.opening import OpenModel
from workloads.scenes import BANDS, Bands

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
ROLE = "orbitmesh.role"
SCREEN = "cloud-screen"
FRACTION_DIGITS = 3  # hosts' kernels differ from the sixth digit on: the outcome shall not
SLACK = 1e-3  # how far outside 0..1 a rounded probability may lie


class Engine:
    """A model ready to run on tiles, `batch` at a time (1 where its first axis is fixed).

    Raises ModelError as `open_session` does.
    """

    def __init__(self, name: str, model: OpenModel, provider: str, threads: int, batch: int) -> None:
        from onnx import helper

        self.name, self.sha256 = name, model.sha256
        self.screens = model.properties.get(ROLE) == SCREEN
        self.session = open_session(model, provider, threads)
        free = all(f"{each}[0]" in model.tensors.assumed for each in model.inputs)
        self.batch = batch if free and model.inputs else 1
        self.inputs: dict[str, tuple[tuple[int, ...], Any]] = {}
        for value in model.proto.graph.input:
            if value.name in model.inputs:
                shape = model.tensors.shapes[value.name] or ()
                dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
                self.inputs[value.name] = ((self.batch, *shape[1:]) if free else shape, dtype)

    def check_fits(self, size_px: int) -> None:
        """A cloud screener takes one input: the four bands of a tile."""
        shapes = [shape for shape, _ in self.inputs.values()]
        expected = (self.batch, len(BANDS), size_px, size_px)
        if self.screens and shapes != [expected]:
            raise ModelError(f"{self.name}: a cloud screener takes one input {expected} here; this one takes {shapes}")

    def fractions(self, tiles: Sequence[Bands]) -> list[float | None]:
        """The cloud fraction of each tile, 0..1; None from a load model. At most `batch` tiles."""
        padded = [*tiles, *[tiles[-1]] * (self.batch - len(tiles))]
        bands = np.stack(padded) if len(padded) > 1 else padded[0][np.newaxis]  # one alone is not copied
        feed = {name: fit(bands, shape, dtype) for name, (shape, dtype) in self.inputs.items()}
        try:
            first = np.asarray(self.session.run(None, feed)[0])
        except Exception as error:  # onnxruntime's errors share no base of their own
            raise ModelError(f"{self.name}: onnxruntime could not run it: {str(error)[:300]}") from error
        rows = first.reshape(len(first), -1) if first.ndim > 1 else first[..., np.newaxis]
        sums = np.add.reduce(rows, axis=-1, dtype=np.float64) if first.dtype.kind in "fiu" else np.zeros(1)
        if not all(map(isfinite, sums.flat)):  # one NaN or infinity shows in its sum
            raise ModelError(f"{self.name}: its answer holds NaN or infinity: the model is broken or of another input")
        if not self.screens:
            return [None] * len(tiles)
        least, greatest = (first.min(), first.max()) if first.size else (0.0, 0.0)
        if not first.size or first.ndim < 1 or len(first) != self.batch or least < -SLACK or greatest > 1 + SLACK:
            raise ModelError(
                f"{self.name}: a cloud screener answers probabilities 0..1, one or more to a tile; this one gave shape "
                f"{first.shape} from {least} to {greatest}"
            )
        means = sums[: len(tiles)] / rows.shape[-1]
        return [round(min(max(float(mean), 0.0), 1.0), FRACTION_DIGITS) for mean in means]


def open_session(model: OpenModel, provider: str = "cpu", threads: int = 1) -> Any:
    """An onnxruntime InferenceSession of a checked model, on the provider asked for and no other.

    Raises ModelError where the provider is unknown, not installed or silently replaced, or the model does not load.
    """
    onnxruntime = runtime.onnxruntime()
    wanted = PROVIDERS.get(provider)
    there = onnxruntime.get_available_providers()
    if wanted not in there:
        has = ", ".join(key for key, value in PROVIDERS.items() if value in there)
        raise ModelError(f"provider {provider!r} is not there: this onnxruntime has {has} (GPU: onnxruntime-gpu)")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle pool spins a whole core
    options.log_severity_level = 4
    try:
        source = str(model.path) if model.external else model.data
        session = onnxruntime.InferenceSession(source, options, providers=[wanted], enable_fallback=0)
    except Exception as error:  # onnxruntime's errors share no base of their own
        raise ModelError(f"{model.path}: onnxruntime does not load it: {str(error)[:300]}") from error
    if session.get_providers()[0] != wanted:
        raise ModelError(f"{provider!r} was asked for but onnxruntime fell back to {session.get_providers()}")
    return session


def fit(bands: NDArray[np.float32], shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Tiles (batch, 4, n, n) as an input of `shape`: as they are, or cut and repeated to fill it.

    An image input takes red, green, blue, near-infrared in turn and the nearest pixels. Whole numbers, which may be
    places in a table, are zero.
    """
    if bands.shape == shape:
        return bands.astype(dtype, copy=False)
    if np.dtype(dtype).kind != "f":
        return np.zeros(shape, dtype)
    if len(shape) == 4:
        rows, columns = (np.arange(size) * bands.shape[2] // size for size in shape[2:])
        order = np.resize([2, 1, 0, 3], shape[1])
        picked = bands[np.arange(shape[0]) % len(bands)][:, order]
        return np.ascontiguousarray(picked[:, :, rows][:, :, :, columns], dtype=dtype)
    return np.resize(bands, shape).astype(dtype)
