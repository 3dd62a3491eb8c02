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

from workloads.errors import ModelError
from workloads.loading.opening import OpenModel
from workloads.providers import PROVIDERS, open_session
from workloads.scenery.scenes import BANDS, Bands

__all__ = ["PROVIDERS", "Engine", "fit", "open_session"]
ROLE = "orbitmesh.role"
SCREEN = "cloud-screen"
FRACTION_DIGITS = 3  # hosts' kernels differ from the sixth digit on: the outcome shall not
BOUNDED = ("Sigmoid", "HardSigmoid", "Softmax")  # 0..1 or NaN by their definition in the ONNX operator list
SLACK = 1e-3  # how far outside 0..1 a rounded probability may lie


class Engine:
    """A model ready to run on tiles, `batch` at a time (1 where its first axis is fixed); for one thread at a time.

    Raises ModelError as `open_session` does.
    """

    def __init__(self, name: str, model: OpenModel, provider: str, threads: int, batch: int) -> None:
        self.name, self.sha256 = name, model.sha256
        self.screens = model.properties.get(ROLE) == SCREEN
        self.session = open_session(model, provider, threads)
        self.batch = batch if batch_is_free(model) else 1
        self.inputs = input_shapes(model, self.batch)
        self._first = [self.session.get_outputs()[0].name]
        self._bounded = any(
            self._first[0] in node.output and node.op_type in BOUNDED for node in model.proto.graph.node
        )
        self._stacked: Bands | None = (
            None  # where tiles are put together; made anew it would cost a page fault per 4 kB
        )

    def check_fits(self, size_px: int) -> None:
        """A cloud screener takes one input: the four bands of a tile."""
        shapes = [shape for shape, _ in self.inputs.values()]
        expected = (self.batch, len(BANDS), size_px, size_px)
        if self.screens and shapes != [expected]:
            raise ModelError(f"{self.name}: a cloud screener takes one input {expected} here; this one takes {shapes}")

    def fractions(self, tiles: Sequence[Bands]) -> list[float | None]:
        """The cloud fraction of each tile, 0..1; None from a load model. At most `batch` tiles."""
        bands = self._together(tiles)
        feed = {name: fit(bands, shape, dtype) for name, (shape, dtype) in self.inputs.items()}
        try:
            first = np.asarray(self.session.run(self._first, feed)[0])
        except Exception as error:  # onnxruntime's errors share no base of their own
            raise ModelError(f"{self.name}: onnxruntime could not run it: {str(error)[:300]}") from error
        sums = _sums(first)
        if not all(map(isfinite, sums)):  # one NaN or infinity shows in its sum
            raise ModelError(f"{self.name}: its answer holds NaN or infinity: the model is broken or of another input")
        if not self.screens:
            return [None] * len(tiles)
        if len(sums) != self.batch or not (self._bounded or _within_one(first)):
            raise ModelError(
                f"{self.name}: a cloud screener answers probabilities 0..1, one or more to a tile; this one gave shape "
                f"{first.shape} from {first.min() if first.size else None} to {first.max() if first.size else None}"
            )
        pixels = first.size // self.batch
        return [round(min(max(total / pixels, 0.0), 1.0), FRACTION_DIGITS) for total in sums[: len(tiles)]]

    def _together(self, tiles: Sequence[Bands]) -> Bands:
        """Tiles as one array of `batch`, the last repeated to fill it; one alone is not copied."""
        if self.batch == 1:
            return tiles[0][np.newaxis]
        if self._stacked is None or self._stacked.shape[1:] != tiles[0].shape:
            self._stacked = np.empty((self.batch, *tiles[0].shape), np.float32)
        for place in range(self.batch):
            self._stacked[place] = tiles[min(place, len(tiles) - 1)]
        return self._stacked


def _sums(first: NDArray[Any]) -> list[float]:
    """The sum of each row of an answer, its first axis; none of one that is empty, 0 of one that holds no numbers.

    Lines are summed in its own precision and their sums in float64, at half the time of all in float64; a line is
    short, so that the mean of cloud-screen is 1e-8 off at most.
    """
    if first.dtype.kind not in "fiu":
        return [0.0]
    if first.dtype != np.float32 or first.ndim < 2:
        first = first.astype(np.float64)  # float16 would overflow
    lines = np.add.reduce(first, axis=-1) if first.ndim > 1 else first
    found: list[float] = np.add.reduce(lines.reshape(len(lines), -1) if lines.ndim else lines.reshape(1, 1), axis=-1,
                                       dtype=np.float64).tolist()  # fmt: skip
    return found if first.size else []


def _within_one(first: NDArray[Any]) -> bool:
    return bool(first.size and first.min() >= -SLACK and first.max() <= 1 + SLACK)


def batch_is_free(model: OpenModel) -> bool:
    """Whether every input's first axis is free, so that any number of inferences go into one run."""
    return bool(model.inputs) and all(f"{each}[0]" in model.tensors.assumed for each in model.inputs)


def input_shapes(model: OpenModel, batch: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and numpy type of each input to feed, with `batch` on the first axis where that is free."""
    from onnx import helper

    free = batch_is_free(model)
    found: dict[str, tuple[tuple[int, ...], Any]] = {}
    for value in model.proto.graph.input:
        if value.name in model.inputs:
            shape = model.tensors.shapes[value.name] or ()
            dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            found[value.name] = ((batch, *shape[1:]) if free else shape, dtype)
    return found


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
    return np.resize(bands, shape).astype(dtype, copy=False)
