"""What our runner adds to bare onnxruntime on the same session and tiles, and how long a whole calibration takes.

Asserts only what does not depend on speed: the same answers, every scenario run. Calls are alternated one by one, so
that a busy machine slows both alike; figures are medians.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from benchmarks.measure import Baseline, Notes, Target, in_turns, note
from emulator.assemble import silent
from emulator.calibration.measure import calibrate
from emulator.calibration.request import Wanted
from workloads.loading.opening import open_model
from workloads.measuring.loadgen import SCENARIOS
from workloads.measuring.prepared import How, prepare
from workloads.models import find_model
from workloads.providers import PROVIDERS
from workloads.scenery.scenes import TileBank
from workloads.sessions import ROLE, Engine

TILES = [TileBank(8).tile(number).bands for number in range(8)]
SIZE_PX = 128


def next_to_nothing(folder: Path) -> Path:
    """A screener of one 1 x 1 convolution: its run is short, so that what is around it shows."""
    held = [helper.make_tensor("w", TensorProto.FLOAT, [1, 4, 1, 1], [0.1] * 4)]
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Sigmoid", ["c"], ["y"])]
    shape: list[Any] = ["batch", 4, SIZE_PX, SIZE_PX]
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    ends += [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1, SIZE_PX, SIZE_PX])]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {ROLE: "cloud-screen"})
    path = folder / "next-to-nothing.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def overhead(path: Path, batch: int, rounds: int) -> dict[str, float]:
    """Bare `session.run` and `Engine.fractions` in turns, on one thread; the answers are the same."""
    engine = Engine("m", open_model(path), "cpu", 1, batch)
    tiles, (name,) = TILES[:batch], engine.inputs
    stacked = np.stack(tiles)
    bare_s, ours_s = [], []
    for number in range(-10, rounds):
        begun_s = perf_counter()
        answer = engine.session.run(None, {name: stacked})[0]
        between_s = perf_counter()
        fractions = engine.fractions(tiles)
        ended_s = perf_counter()
        if number >= 0:
            bare_s.append(between_s - begun_s)
            ours_s.append(ended_s - between_s)
    np.testing.assert_allclose(fractions, answer.mean(axis=(1, 2, 3)), atol=6e-4)  # rounded to 1e-3
    added_s = median(ours - bare for ours, bare in zip(ours_s, bare_s, strict=True))
    return {"us": 1e6 * added_s, "percent": 100.0 * added_s / median(bare_s), "bare_us": 1e6 * median(bare_s)}


def figures(benchmark: Any, title: str, work: Callable[[], dict[str, float]], key: str, unit: str, limit: float) -> Any:
    """Measure once, and leave one figure with its limit for the report."""
    found, _ = in_turns(benchmark, work, Notes(title, (Target(unit, "<=", limit),), rounds=1))
    note(benchmark, values={unit: found[key]})
    return found


def test_what_a_call_costs_beyond_the_run(benchmark: Any, tmp_path: Path) -> None:
    work = partial(overhead, next_to_nothing(tmp_path), 1, 2000)
    title = "inference: what our runner adds to session.run, one tile, a model of next to nothing"
    found = figures(benchmark, title, work, "us", "µs a call", 20.0)
    assert found["bare_us"] > 0.0


def test_what_the_runner_adds_at_batch_8_of_the_cloud_model(benchmark: Any) -> None:
    work = partial(overhead, find_model("cloud-screen"), 8, 150)
    title = "inference: what our runner adds to session.run, cloud-screen, batch 8, stacking of tiles included"
    found = figures(benchmark, title, work, "percent", "% of the run", 2.0)
    assert found["bare_us"] > 0.0


def test_a_whole_calibration_of_one_model(benchmark: Any) -> None:
    title = "orbitmesh calibrate cloud-screen, all defaults"
    work = partial(calibrate, ["cloud-screen"], Wanted(), silent)
    report, _ = in_turns(benchmark, work, Notes(title, (Target("s", "<=", 60.0),), rounds=1))
    assert [run.scenario for run in report.models[0].runs] == list(SCENARIOS)


@pytest.mark.gpu
def test_throughput_on_a_gpu_against_a_bare_loop_with_io_binding(benchmark: Any) -> None:
    import onnxruntime

    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA provider: onnxruntime-gpu is not installed")
    batch, calls = 64, 200
    made = prepare("resnet50", How(provider="cuda", batches=(batch,)), TILES)
    made.bound.prepare(batch)
    bare = bare_loop(made.bound.session, batch, calls)
    benchmark.extra_info["device"] = onnxruntime.get_device()

    def ours() -> None:
        for _ in range(calls):
            made.bound.run(batch)

    title = f"inference on a GPU: {calls} calls of resnet50, batch {batch}, on buffers of the device"
    notes = Notes(title, (Target("ratio", "<=", 1 / 0.9),))  # at least 90 % of the throughput
    in_turns(benchmark, ours, notes, baseline=Baseline("bare onnxruntime with IO binding", bare))


def bare_loop(session: Any, batch: int, calls: int) -> Callable[[], None]:
    """onnxruntime alone: inputs and outputs bound on the GPU once, then run."""
    import onnxruntime

    binding = session.io_binding()
    for value in session.get_inputs():
        shape = [batch, *value.shape[1:]]
        data = np.random.default_rng(1).random(shape, np.float32)
        binding.bind_ortvalue_input(value.name, onnxruntime.OrtValue.ortvalue_from_numpy(data, "cuda", 0))
    for value in session.get_outputs():
        binding.bind_output(value.name, "cuda", 0)

    def run() -> None:
        for _ in range(calls):
            session.run_with_iobinding(binding)

    return run
