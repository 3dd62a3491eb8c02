"""Errors of workloads: a task, a model file or an arrival process that cannot be.

`workloads` imports nothing of ours, so its family starts here; the whole tree is drawn in `emulator/errors.py`.
"""


class WorkloadError(ValueError):
    """A workload that cannot be; the message says what, the value, and what to do."""


class ModelError(WorkloadError):
    """An ONNX file that is not one, reaches outside its folder, asks for too much, or cannot be counted or run."""


class MemoryOut(ModelError):
    """A model, or a batch of it, for which there is not memory enough."""


class RefusedModel(ModelError):
    """One of several models is refused; `name` is what the run calls it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name
