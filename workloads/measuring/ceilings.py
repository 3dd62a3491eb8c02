"""The roofs of a device as measured: operations a second of one large matrix product, bytes a second of one large copy.

Rules: the matrix product runs in the same onnxruntime, on the same provider and threads as the models do; medians.
No clock here: the caller hands one in.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from workloads.errors import ModelError
from workloads.loading.opening import OpenModel, open_model
from workloads.measuring.bound import Bound
from workloads.measuring.device import last_cache_bytes
from workloads.providers import NVIDIA, open_session
from workloads.scenery.scenes import Bands

SIDE = {"cpu": 1536}  # 7.2 G operations, 28 MB: far above a core's caches' need, under 0.2 s on a slow one
GPU_SIDE = 8192  # 1.1 T operations: a few milliseconds on a large GPU
CACHES_FULL = 4  # a copy of four times the last cache is served by memory
LEAST_COPY_BYTES, MOST_COPY_BYTES = 64 << 20, 1 << 30
ROUNDS = 5
OPSET, IR_VERSION = 17, 8
FLAT: Bands = np.ones((4, 1, 1), np.float32)  # what fills the inputs


def peak_ops_per_s(
    precision: str, provider: str, threads: int, clock_s: Callable[[], float], folder: Path
) -> float | None:
    """Operations a second of a matrix product in "fp32", "fp16" or "int8"; None where the provider has no kernel.

    The model is written into `folder`. One multiply-accumulate is two operations. CUDA multiplies float32 in TF32
    (onnxruntime's default), so that is its float32 roof.
    """
    side = SIDE.get(provider, GPU_SIDE)
    path = folder / f"matmul-{precision}.onnx"
    path.write_bytes(_product(precision, side))
    try:
        model = open_model(path)
        bound = Bound(path.stem, model, _own_session(model, provider, threads), provider, [FLAT])
        bound.prepare(1)
    except ModelError:
        return None  # no kernel for it: there is no such roof
    return 2.0 * side**3 / _median_s(lambda: bound.run(1), clock_s)


def memory_bytes_per_s(provider: str, threads: int, clock_s: Callable[[], float], folder: Path) -> float:
    """Bytes read and written a second by a copy too large for the caches, in the device's memory."""
    if provider in NVIDIA:
        return _device_copy(provider, threads, clock_s, folder)
    size_bytes = min(max(CACHES_FULL * last_cache_bytes(), LEAST_COPY_BYTES), MOST_COPY_BYTES)
    source = np.ones(size_bytes // 8 // threads * threads).reshape(threads, -1)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(np.copyto, target, source))  # numpy lets go of the interpreter while it copies

        return 2.0 * source.nbytes / _median_s(copy, clock_s)


def launch_s(provider: str, threads: int, clock_s: Callable[[], float], folder: Path) -> float:
    """Seconds of one call of a model that does next to nothing: what a call costs beyond its work."""
    from onnx import TensorProto, helper

    path = folder / "launch.onnx"
    path.write_bytes(_model([helper.make_node("Neg", ["x"], ["y"])], TensorProto.FLOAT, [1, 16], []))
    model = open_model(path)
    bound = Bound(path.stem, model, open_session(model, provider, threads), provider, [FLAT])
    bound.prepare(1)

    def calls() -> None:
        for _ in range(100):
            bound.run(1)

    return _median_s(calls, clock_s) / 100


def _own_session(model: OpenModel, provider: str, threads: int) -> Any:
    """A session in which the provider itself multiplies: one that leaves it to the CPU has no kernel for it."""
    entries = {} if provider == "cpu" else {"session.disable_cpu_ep_fallback": "1"}  # session_options_config_keys.h
    return open_session(model, provider, threads, entries)


def _median_s(work: Callable[[], None], clock_s: Callable[[], float]) -> float:
    work()
    times_s = []
    for _ in range(ROUNDS):
        begun_s = clock_s()
        work()
        times_s.append(clock_s() - begun_s)
    return median(times_s)


def _product(precision: str, side: int) -> bytes:
    """A model of one square matrix product; in int8 of unsigned activations with signed weights, as QDQ models have."""
    from onnx import TensorProto, helper, numpy_helper

    if precision == "int8":
        weight = numpy_helper.from_array(np.full((side, side), 3, np.int8), "w")
        return _model(
            [
                helper.make_node("Cast", ["x"], ["u"], to=TensorProto.UINT8),
                helper.make_node("MatMulInteger", ["u", "w"], ["y"]),
            ],
            TensorProto.FLOAT, [side, side], [weight], TensorProto.INT32,
        )  # fmt: skip
    kind, dtype = (TensorProto.FLOAT16, np.float16) if precision == "fp16" else (TensorProto.FLOAT, np.float32)
    weight = numpy_helper.from_array(np.full((side, side), 1.0 / side, dtype), "w")
    return _model([helper.make_node("MatMul", ["x", "w"], ["y"])], kind, [side, side], [weight])


def _model(nodes: list[Any], kind: int, shape: list[int], weights: list[Any], answer: int | None = None) -> bytes:
    from onnx import helper

    ends = [helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", answer or kind, shape)]
    graph = helper.make_graph(nodes, "ceiling", ends[:1], ends[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    data: bytes = made.SerializeToString()
    return data


def _device_copy(provider: str, threads: int, clock_s: Callable[[], float], folder: Path) -> float:
    """On a GPU: an elementwise operator on a tensor of 1 GiB reads it once and writes it once."""
    from onnx import TensorProto, helper

    shape = [MOST_COPY_BYTES // 4 // 16384, 16384]
    path = folder / "copy.onnx"
    path.write_bytes(_model([helper.make_node("Neg", ["x"], ["y"])], TensorProto.FLOAT, shape, []))
    model = open_model(path)
    bound = Bound(path.stem, model, _own_session(model, provider, threads), provider, [FLAT])
    bound.prepare(1)
    return 2.0 * MOST_COPY_BYTES / _median_s(lambda: bound.run(1), clock_s)
