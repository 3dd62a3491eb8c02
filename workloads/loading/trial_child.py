"""The child of a trial: opens one model and runs it once under limits that the system enforces, then says how it went.

    python -m workloads.loading.trial_child < request

The request is one line of JSON (`Request`), the answer is another (`Answer`).
Rules: no file is written, no clock is read; the limits are set when everything but the model is loaded.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from workloads.errors import MemoryOut, ModelError
from workloads.loading.opening import GIB, Limits, OpenModel, open_model
from workloads.runtime import onnxruntime as load_onnxruntime
from workloads.runtime import session_options

# What onnxruntime and the C++ library say when memory is not to be had; the second is a vector's length beyond all
MEMORY_WORDS = ("bad_alloc", "bad allocation", "llocat", "out of memory", "length_error", "max_size")
MOST_SAID = 300  # characters of an error
FILE_COPIES = 4  # of the file while it is opened: as read, parsed, with its weights, and one to spare [guess]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the child shall do: `limits` are for opening, `memory_bytes` what loading and running may take.

    `sha256` empty takes any content, one that is not `to_run` is only opened.
    """

    path: str
    limits: Limits
    memory_bytes: int
    batch: int = 1
    dims: dict[str, int] = {}
    sha256: str = ""
    to_run: bool = True


class Made(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One output of the model; `finite` where it holds neither NaN nor infinity."""

    name: str
    shape: tuple[int, ...]
    finite: bool


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it went. `stage` is where it ended: "limits", "open", "load", "run" or "done"; `problem` why, if not well."""

    stage: str
    problem: str = ""
    memory: bool = False  # the problem is memory that was not to be had
    counted: bool = False  # the problem is memory that was counted before anything ran
    sha256: str = ""
    peak_bytes: int = 0  # resident memory at its most, above what was there before the model was loaded
    outputs: tuple[Made, ...] = ()


def main() -> None:
    """Read the request, do it, answer."""
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    sys.stdout.buffer.write(msgspec.json.encode(_tried(request)) + b"\n")


def _tried(request: Request) -> Answer:
    stage = "limits"
    limits = request.limits
    try:
        onnxruntime = load_onnxruntime()
        _limit_rest(limits.trial_cpu_s)
        _limit_memory(GIB + FILE_COPIES * limits.file_bytes)
        stage = "open"
        model = open_model(request.path, limits, request.dims, request.sha256, to_run=request.to_run)
        if not request.to_run:
            return Answer(stage="done", sha256=model.sha256)
        _limit_memory(request.memory_bytes)
        before = _status_bytes("VmRSS")
        stage = "load"
        options = session_options()  # one thread: its stack and arena count as asked
        session = onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
        stage = "run"
        outputs = _outputs(session, model, request.batch)
    except Exception as error:  # onnxruntime's errors share no base of their own
        said = str(error) or type(error).__name__
        memory = not isinstance(error, ModelError) and (
            isinstance(error, MemoryError) or any(word in said for word in MEMORY_WORDS)
        )
        counted = isinstance(error, MemoryOut)
        return Answer(stage=stage, problem=said[:MOST_SAID], memory=memory, counted=counted)
    peak_bytes = max(0, _status_bytes("VmHWM") - before)
    return Answer(stage="done", sha256=model.sha256, peak_bytes=peak_bytes, outputs=outputs)


def _outputs(session: Any, model: OpenModel, batch: int) -> tuple[Made, ...]:
    from workloads.sessions import input_shapes

    feeds = {name: example(shape, dtype) for name, (shape, dtype) in input_shapes(model, batch).items()}
    names = [each.name for each in session.get_outputs()]
    return tuple(_made(name, value) for name, value in zip(names, session.run(names, feeds), strict=True))


def example(shape: tuple[int, ...], dtype: Any) -> Any:
    """An input to try a model with: a ramp from 0 to 1, as reflectances are; whole numbers, maybe places, are 0."""
    if np.dtype(dtype).kind != "f":
        return np.zeros(shape, dtype)
    ramp = np.linspace(0.0, 1.0, int(np.prod(shape)), dtype=np.float32)
    return ramp.astype(dtype).reshape(shape)


def _made(name: str, value: Any) -> Made:
    array = value if isinstance(value, np.ndarray) else np.empty(0)
    finite = array.dtype.kind != "f" or bool(np.isfinite(array).all())
    return Made(name=name, shape=array.shape, finite=finite)


def _limit_rest(cpu_s: int) -> None:
    """Processor time; no files and no core dump."""
    if sys.platform == "win32":
        raise OSError("Windows has no limits for one process that Python can set; try it on Linux")
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + cpu_s)  # then SIGXCPU says what it was
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)


def _limit_memory(more_bytes: int) -> None:
    """Address space on top of what is used now. Linux keeps this limit, macOS does not."""
    if sys.platform == "linux":
        import resource

        _lower(resource.RLIMIT_AS, _status_bytes("VmSize") + more_bytes)


def _lower(kind: int, value: int) -> None:
    """Set the soft limit, which a later call may raise again, within the hard one."""
    import resource

    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def _status_bytes(field: str) -> int:
    """A field of /proc/self/status in bytes, 0 where there is none: proc(5), in kB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), 0)


if __name__ == "__main__":
    main()
