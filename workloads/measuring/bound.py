"""A checked model bound to its buffers: for each batch, inputs and outputs lie where the model computes.

Rules: buffers are made once for a batch, then every call runs in them; nothing is copied between host and device
during a call. Inputs are synthetic tiles, repeated to fill the shape (`workloads/sessions.py`, `fit`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workloads import runtime
from workloads.errors import MemoryOut, ModelError
from workloads.loading.opening import OpenModel
from workloads.providers import NVIDIA
from workloads.scenery.scenes import Bands
from workloads.sessions import batch_is_free, fit, input_shapes

# What onnxruntime, the C++ library, CUDA, cuBLAS and cuDNN say when memory is out (in lower case)
OUT_OF_MEMORY = ("bad_alloc", "failed to allocate", "out of memory", "alloc_failed", "bfc_arena", "bad allocation")


class Bound:
    """A session with its buffers. `run(batch)` is one call; its answer is there when it returns.

    On NVIDIA's providers buffers are on the GPU, elsewhere in the host's memory. Raises MemoryOut for a batch that
    does not fit, ModelError for shapes that do not fit or answers that are NaN or infinite.
    """

    def __init__(self, name: str, model: OpenModel, session: Any, provider: str, tiles: Sequence[Bands]) -> None:
        self.name, self.session, self.tiles = name, session, tiles
        self.device = "cuda" if provider in NVIDIA else "cpu"
        self.free = batch_is_free(model)
        self._model = model
        self._outputs = [output.name for output in session.get_outputs()]
        self._bindings: dict[int, Any] = {}

    def prepare(self, batch: int) -> None:
        """Make the buffers for a batch, run it once and look at its answer."""
        if batch < 1 or (batch > 1 and not self.free):
            fixed = [shape for shape, _ in input_shapes(self._model, 1).values()]
            raise ModelError(
                f"{self.name}: a batch of {batch} does not fit: its inputs have the fixed shapes {fixed}; leave "
                "--batch out, or export the model with a free first axis"
            )
        try:
            self._bindings[batch] = self._bind(batch)
            self._check(batch)
        except MemoryError as error:
            self.forget(batch)
            raise MemoryOut(f"{self.name}: no memory for a batch of {batch}") from error

    def run(self, batch: int) -> None:
        """One call with a batch that was prepared."""
        self._call(self._bindings[batch], batch)

    def forget(self, batch: int) -> None:
        """Give the buffers of a batch back."""
        self._bindings.pop(batch, None)

    def check(self, batch: int) -> None:
        """Raises ModelError if the last answer of that batch holds NaN or infinity."""
        for output in self._bindings[batch].get_outputs():
            if not output.is_tensor() or "float" not in output.data_type():
                continue
            if not np.isfinite(output.numpy()).all():
                raise ModelError(
                    f"{self.name}: its answer holds NaN or infinity at batch {batch}: the model is broken or of "
                    "another input, and how fast it is means nothing"
                )

    def _check(self, batch: int) -> None:
        self.run(batch)
        binding = self._bindings[batch]
        self.check(batch)
        for name, value in zip(self._outputs, binding.get_outputs(), strict=True):
            if value.is_tensor():
                binding.bind_ortvalue_output(name, value)  # the next call writes where the first did

    def _bind(self, batch: int) -> Any:
        ort_value = runtime.onnxruntime().OrtValue
        binding = self.session.io_binding()
        for name, (shape, dtype) in input_shapes(self._model, batch).items():
            picked = np.stack([self.tiles[n % len(self.tiles)] for n in range(min(batch, len(self.tiles)))])
            try:
                values = ort_value.ortvalue_from_numpy(np.ascontiguousarray(fit(picked, shape, dtype)), self.device, 0)
                binding.bind_ortvalue_input(name, values)
            except MemoryError:
                raise
            except Exception as error:  # onnxruntime's errors share no base of their own
                raise self._named(error, batch) from error
        for name in self._outputs:
            binding.bind_output(name, self.device, 0)
        return binding

    def _call(self, binding: Any, batch: int) -> None:
        try:
            self.session.run_with_iobinding(binding)
        except Exception as error:  # onnxruntime's errors share no base of their own
            raise self._named(error, batch) from error

    def _named(self, error: Exception, batch: int) -> ModelError:
        text = str(error)
        if any(said in text.lower() for said in OUT_OF_MEMORY):
            self.forget(batch)
            return MemoryOut(f"{self.name}: no memory for a batch of {batch}: {text[:200]}")
        shapes = [shape for shape, _ in input_shapes(self._model, batch).values()]
        return ModelError(f"{self.name}: onnxruntime could not run it on inputs {shapes}: {text[:300]}")


def largest_batch(fits: Callable[[int], bool], known_fit: int, known_out: int) -> int:
    """The largest batch that fits, between one that does and one that does not, by bisection; `fits(batch)` tries."""
    while known_out - known_fit > 1:
        middle = (known_fit + known_out) // 2
        if fits(middle):
            known_fit = middle
        else:
            known_out = middle
    return known_fit
