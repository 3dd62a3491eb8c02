"""A model is first opened and run in a child process whose memory and time the system limits, before it may run here.

Rules: whatever befalls the child becomes a ModelError and the parent lives; the parent then takes only the content
that the child had, by its sha256. Parsers and shape inference meet a stranger's file in the child first; the run
finds what counting cannot: kernels' own workspace, faults, endless work. What is ours, known by sha256, needs none.
On macOS the system does not keep the limit of memory; on Windows there are no limits, and a trial is refused.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workloads.errors import MemoryOut, ModelError
from workloads.generated.architectures import PUBLISHED
from workloads.loading.opening import GIB, MAX_FILE_BYTES, RAISE_MEMORY, Limits, OpenModel, digest_of, open_model
from workloads.loading.trial_child import Answer, Request
from workloads.models import light_models, shipped_models

COMMAND = (
    sys.executable,
    "-P",
    "-m",
    "workloads.loading.trial_child",
)  # -P: no module of the folder where the user stands
ROOT = Path(__file__).resolve().parents[2]  # where the child finds `workloads`
WALL_PER_CPU = 4  # wall seconds for each of processor time: a host may be busy with three others [guess]
START_S = 60.0  # wall seconds for Python and onnxruntime to start; a second on an idle host [guess]
MOST_SAID = 300  # characters of what a child that died left on standard error


def open_tried(
    path: Path | str,
    limits: Limits | None = None,
    dims: Mapping[str, int] | None = None,
    sha256: str = "",
    *,
    batch: int = 1,
    to_run: bool = True,
) -> OpenModel:
    """As `open_model`; a model that is not ours goes through a `trial` first. Raises ModelError as both do."""
    known = our_digest(Path(path))
    if not known:
        known = trial(path, limits, dims, sha256, batch=batch, to_run=to_run).sha256
    return open_model(path, limits, dims, sha256 or known, to_run=to_run)


def trial(
    path: Path | str,
    limits: Limits | None = None,
    dims: Mapping[str, int] | None = None,
    sha256: str = "",
    *,
    batch: int = 1,
    to_run: bool = True,
    memory_bytes: int | None = None,
) -> Answer:
    """Open the model and run it once, `batch` inferences at a time, in a child of at most `memory_bytes`.

    The limit, `limits.memory_bytes` unless given, is address space on top of what the child has when it loads the
    model, so it holds for weights, activations and workspace together. One that is not `to_run` is only
    opened there, for who counts it.
    Raises ModelError if the model is refused, asks for more memory or time, crashes the child, or does not run.
    """
    limits = limits or Limits()
    most = limits.memory_bytes if memory_bytes is None else memory_bytes
    request = Request(
        path=os.path.abspath(path), limits=limits, memory_bytes=most, batch=batch, dims=dict(dims or {}),
        sha256=sha256, to_run=to_run,
    )  # fmt: skip
    wall_s = START_S + WALL_PER_CPU * limits.trial_cpu_s
    try:
        done = _child(msgspec.json.encode(request) + b"\n", wall_s)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{path}: its first run, apart, did not end within {wall_s:g} s and was killed") from error
    except OSError as error:
        raise ModelError(f"{path}: no process for its first run: {error.strerror}") from error
    return _judged(path, done, request)


def our_digest(path: Path) -> str:
    """The sha256 of a file that has the content of a model that ships, is generated, or lies in the onnx package.

    Empty for any other; one that is no plain file, or larger than a model can be, is not read at all.
    """
    with contextlib.suppress(OSError):  # a file that is not there is nobody's: opening it says so
        size_bytes = path.stat().st_size
        if path.is_file() and size_bytes <= MAX_FILE_BYTES:
            ours = [each for each in (shipped_models() | light_models()).values() if each.stat().st_size == size_bytes]
            digest = digest_of(path)
            if digest in {*map(digest_of, ours), *(each.sha256 for each in PUBLISHED.values())}:
                return digest
    return ""


def is_ours(model: OpenModel) -> bool:
    """Whether an open model is what `our_digest` knows: it may run at any batch, others as they were tried."""
    return our_digest(model.path) == model.sha256


def _child(request: bytes, wall_s: float) -> "subprocess.CompletedProcess[bytes]":
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(COMMAND, input=request, capture_output=True, timeout=wall_s, env=environment, check=False)


def _judged(path: Path | str, done: "subprocess.CompletedProcess[bytes]", request: Request) -> Answer:
    """The child's answer. Raises ModelError for anything but a good one."""
    apart = f"{path}: its first run, apart,"
    if done.returncode < 0:
        number = -done.returncode
        if number == getattr(signal, "SIGXCPU", None):
            text = f"took more than {request.limits.trial_cpu_s} s of processor time, the limit"
            raise ModelError(f"{apart} {text}")
        hint = f"it may use {request.memory_bytes / GIB:.3g} GiB"
        raise ModelError(f"{apart} was killed by signal {number}, {signal.strsignal(number)} ({hint}): do not run it")
    try:
        answer = msgspec.json.decode(done.stdout, type=Answer)
    except msgspec.MsgspecError as error:
        said = done.stderr.decode(errors="replace").strip()[-MOST_SAID:]
        raise ModelError(f"{apart} ended with exit code {done.returncode} and no answer: {said}") from error
    if answer.memory:
        most = f"{request.memory_bytes} bytes of memory" if answer.stage != "open" else "any model's file takes to read"
        text = f"asked for more than {most} ({answer.stage}: {answer.problem}): {RAISE_MEMORY}"
        raise MemoryOut(f"{apart} {text}")
    if answer.stage == "open":  # refused in so many words, the path first
        refused = MemoryOut if answer.counted else ModelError
        raise refused(answer.problem.replace(os.path.abspath(path), str(path), 1))
    if answer.stage != "done":
        raise ModelError(f"{apart} failed ({answer.stage}): {answer.problem}")
    return answer
