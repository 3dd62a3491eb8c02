"""Where a model computes: onnxruntime's execution providers by short names, and sessions on the one asked for.

Rules: the provider asked for is the one that runs, or a ModelError that says what to install: onnxruntime itself
falls back to the CPU without a word. Nodes that a provider has no kernel for run on the CPU inside its session;
`placement` counts them.
"""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from workloads import runtime
from workloads.errors import ModelError
from workloads.loading.opening import OpenModel

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
NVIDIA = ("cuda", "tensorrt")
INSTALL = {
    "cuda": "onnxruntime-gpu in place of onnxruntime (pip: onnxruntime-gpu[cuda,cudnn]), and a driver for that CUDA",
    "tensorrt": "what cuda needs, and TensorRT (pip: tensorrt)",
    "rocm": "onnxruntime-rocm in place of onnxruntime, and AMD's driver",
    "migraphx": "onnxruntime-migraphx in place of onnxruntime, and AMD's driver",
    "openvino": "onnxruntime-openvino in place of onnxruntime",
    "directml": "onnxruntime-directml in place of onnxruntime, on Windows",
    "coreml": "onnxruntime on macOS",
}
# Of a provider that is there: onnxruntime itself is the right one
LIBRARIES = {
    "cuda": "the libraries of CUDA and cuDNN that this onnxruntime was built for, and a driver for that CUDA",
    "tensorrt": "TensorRT's libraries beside those of CUDA and cuDNN, and a driver for that CUDA",
    "rocm": "AMD's libraries and driver",
    "migraphx": "AMD's libraries and driver",
    "openvino": "OpenVINO's libraries and the device's driver",
    "directml": "Windows' DirectML and the GPU's driver",
}
# Grown by what is asked, not doubled: several sessions share one GPU (onnxruntime docs, CUDA provider options)
ARENA = {"arena_extend_strategy": "kSameAsRequested"}


def open_session(
    model: OpenModel, provider: str = "cpu", threads: int = 1, entries: Mapping[str, str] | None = None
) -> Any:
    """An onnxruntime InferenceSession of a checked model, on the provider asked for and no other.

    `entries` are further session settings, by onnxruntime's names. Raises ModelError where the provider is unknown,
    not installed, does not initialise or is silently replaced, or the model does not load.
    """
    wanted, preload_said = known(provider), _preload(provider)
    onnxruntime = runtime.onnxruntime()
    options = runtime.session_options(threads)
    for name, value in (entries or {}).items():
        options.add_session_config_entry(name, value)
    with_options = (wanted, ARENA) if provider == "cuda" else wanted
    source = model.data  # as it was checked, weight files included
    try:
        session = onnxruntime.InferenceSession(source, options, providers=[with_options], enable_fallback=0)
    except Exception as error:  # onnxruntime's errors share no base of their own
        if provider != "cpu" and _loads_on_cpu(model.data):
            raise ModelError(_not_initialised(provider, str(error))) from error
        raise ModelError(f"{model.path}: onnxruntime does not load it: {str(error)[:300]}") from error
    if session.get_providers()[0] != wanted:
        had = f"onnxruntime fell back to {', '.join(session.get_providers())}"
        raise ModelError(_not_initialised(provider, f"{had}. {preload_said}".strip()))
    return session


def known(provider: str) -> str:
    """onnxruntime's name of a provider that this onnxruntime has. Raises ModelError for any other."""
    wanted = PROVIDERS.get(provider)
    there = runtime.onnxruntime().get_available_providers()
    if wanted in there:
        return wanted or ""
    has = ", ".join(key for key, value in PROVIDERS.items() if value in there)
    hint = f"it needs {INSTALL[provider]}" if provider in INSTALL else f"the known ones are {', '.join(PROVIDERS)}"
    short = {name.lower(): key for key, name in PROVIDERS.items()} | {key: key for key in PROVIDERS}
    meant = short.get(provider.lower(), "")
    if meant and meant != provider:
        raise ModelError(f"there is no provider {provider!r}: did you mean {meant!r}? This onnxruntime has {has}")
    raise ModelError(f"provider {provider[:80]!r} is not there: this onnxruntime has {has}; {hint}")


def placement(session: Any) -> dict[str, int]:
    """Nodes by the provider that runs them; empty where onnxruntime does not tell (before 1.24).

    The session must have been opened with the entry `RECORDS`.
    """
    told = getattr(session, "get_provider_graph_assignment_info", None)
    found: dict[str, int] = {}
    for part in told() if told is not None else ():
        found[part.ep_name] = found.get(part.ep_name, 0) + len(part.get_nodes())
    return found


RECORDS = {"session.record_ep_graph_assignment_info": "1"}  # onnxruntime_session_options_config_keys.h


def _not_initialised(provider: str, why: str) -> str:
    needed = LIBRARIES.get(provider, "its libraries and driver")
    return f"provider {provider!r} is there but does not initialise: {why[:400]}; it needs {needed}"


def _loads_on_cpu(data: bytes) -> bool:
    """Whether it is the provider and not the model that fails."""
    try:
        runtime.onnxruntime().InferenceSession(data, runtime.session_options(), providers=[PROVIDERS["cpu"]])
    except Exception:  # the caller raises the first error, which says more
        return False
    return True


def _preload(provider: str) -> str:
    """Let onnxruntime find CUDA's libraries among Python's packages; what it prints, which is no result of ours."""
    preload = getattr(runtime.onnxruntime(), "preload_dlls", None)
    if provider not in NVIDIA or preload is None:
        return ""
    said = io.StringIO()
    with redirect_stdout(said):
        preload()
    return " ".join(said.getvalue().split())[:200]
