"""Errors of workloads: a task, a model file or an arrival process that cannot be.

`workloads` imports nothing of ours, so its family starts here; the whole tree is drawn in `emulator/errors.py`.
"""


class WorkloadError(ValueError):
    """A workload that cannot be; the message says what, the value, and what to do."""


class ModelError(WorkloadError):
    """An ONNX file that is not one, reaches outside its folder, asks for too much, or cannot be counted or run."""
