"""Buffers on the device, batches that fit, and answers that are numbers: real sessions, and a real lack of memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from workloads.calibration import Timing
from workloads.errors import MemoryOut, ModelError
from workloads.loading.opening import Limits, OpenModel, open_model
from workloads.measuring.bound import Bound, largest_batch
from workloads.measuring.prepared import How, best, prepare, serving, time_batch, timings
from workloads.models import light_models, shipped_models
from workloads.providers import PROVIDERS, open_session
from workloads.scenery.scenes import TileBank
from workloads.sessions import fit, input_shapes

SCREEN = shipped_models()["cloud-screen"]
TILES = [TileBank(3).tile(number).bands for number in range(3)]


def written(folder: Path, nodes: list[Any], shape: list[Any], held: list[Any] | None = None) -> Path:
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]  # fmt: skip
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held or [])
    path = folder / "model.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def bound(path: Path) -> tuple[OpenModel, Bound]:
    model = open_model(path)
    return model, Bound("m", model, open_session(model), "cpu", TILES)


def test_bound_buffers_hold_what_a_plain_run_answers() -> None:
    model, made = bound(SCREEN)
    for batch in (1, 4):
        made.prepare(batch)
        made.run(batch)
        (name, (shape, dtype)) = next(iter(input_shapes(model, batch).items()))
        picked = np.stack([TILES[n % 3] for n in range(min(batch, 3))])
        expected = open_session(model).run(None, {name: fit(picked, shape, dtype)})[0]
        found = made._bindings[batch].get_outputs()[0].numpy()
        assert found.shape == (batch, 1, 128, 128)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_every_call_answers_into_the_same_buffers() -> None:
    _, made = bound(SCREEN)
    made.prepare(2)
    places = set()
    for _ in range(3):
        made.run(2)
        places.add(made._bindings[2].get_outputs()[0].data_ptr())
    assert len(places) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_answer_that_is_no_number_is_refused(value: float, tmp_path: Path) -> None:
    held = [helper.make_tensor("v", TensorProto.FLOAT, [], [value])]
    path = written(tmp_path, [helper.make_node("Add", ["x", "v"], ["y"])], ["batch", 4], held)
    with pytest.raises(ModelError, match="NaN or infinity at batch 1"):
        bound(path)[1].prepare(1)


def test_a_fixed_first_axis_takes_no_batch() -> None:
    _, made = bound(light_models()["light-squeezenet"])
    with pytest.raises(ModelError, match=r"batch of 8 does not fit: its inputs have the fixed shapes \[\(1, 3, 224"):
        made.prepare(8)


def test_shapes_that_the_graph_does_not_take_are_named(tmp_path: Path) -> None:
    held = [helper.make_tensor("to", TensorProto.INT64, [2], [1, 4])]  # only a batch of one can become (1, 4)
    made = bound(written(tmp_path, [helper.make_node("Reshape", ["x", "to"], ["y"])], ["batch", 4], held))[1]
    made.prepare(1)
    with pytest.raises(ModelError, match=r"could not run it on inputs \[\(3, 4\)\]") as told:
        made.prepare(3)
    assert not isinstance(told.value, MemoryOut)


@pytest.mark.parametrize("most", [1, 2, 5, 63, 64])
def test_the_largest_batch_that_fits_is_found(most: int) -> None:
    assert largest_batch(lambda batch: batch <= most, 1, 65) == most


def test_a_batch_over_the_limit_of_memory_names_the_largest_that_fits() -> None:
    asked = [open_model(SCREEN, dims={"bands[0]": n}).asked_bytes for n in (1, 10)]
    how = How(batches=(64,), limits=Limits(memory_bytes=asked[1]))
    with pytest.raises(MemoryOut, match=r"batch of 64 asks for \d+ bytes.*the largest batch that fits is 10 "):
        prepare("cloud-screen", how, TILES)
    assert prepare("cloud-screen", How(batches=(10,), limits=Limits(memory_bytes=asked[1])), TILES).batches == (1, 10)


CHILD = """
import resource, sys
import numpy as np
from workloads.errors import MemoryOut
from workloads.loading.opening import Limits
from workloads.measuring.prepared import How, prepare
tiles = [np.ones((4, 8, 8), np.float32)]
how = How(limits=Limits(memory_bytes=2**50))
prepare(sys.argv[1], how, tiles)
size = 4096 * int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (size + 2**28,) * 2)
try:
    prepare(sys.argv[1], How(batches=(8, 512), limits=Limits(memory_bytes=2**50)), tiles)
except MemoryOut as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is kept by Linux only")
def test_a_real_lack_of_memory_names_the_largest_batch_and_the_process_lives(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, [helper.make_node("Neg", ["x"], ["y"])], ["batch", 2**18])  # 1 MiB in, 1 MiB out
    program = (
        "import workloads.measuring.prepared as p\np.trial = lambda *a, **k: None\n" + CHILD
    )  # a child's child has no room here
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no memory for a batch of 512" in done.stdout
    most = int(done.stdout.rpartition("the largest batch that fits is ")[2])
    assert 8 <= most < 256  # 256 MiB of room hold at most 128 in and out at once, and what was free before


def test_an_explicit_list_of_batches_is_timed_as_given_with_one() -> None:
    how = How(batches=(4, 2))
    ticks = iter(range(10_000))
    found = timings(prepare("cloud-screen", how, TILES), how, 0.0, lambda: float(next(ticks)), lambda share: None)
    assert [timing.batch for timing in found] == [1, 2, 4]
    assert all(timing.batch_s == 1.0 and timing.samples >= 3 for timing in found)  # a tick between two readings


def test_the_median_of_calls_is_what_a_batch_takes() -> None:
    _, made = bound(SCREEN)
    # each call is two readings, and one more tells whether to go on: calls of 1, 9 and 2 s
    readings = iter([0.0, 0.0, 1.0, 2.0, 11.0, 12.0, 14.0, 14.0])
    assert time_batch(made, 1, 0.0, lambda: next(readings)) == Timing(batch=1, batch_s=2.0, samples=3)


def test_a_server_takes_batches_that_pay_and_leave_time() -> None:
    found = [Timing(batch=b, batch_s=s, samples=3) for b, s in ((1, 1.0), (2, 1.5), (4, 3.2), (8, 4.0), (16, 7.9))]
    assert best(found).batch == 16
    assert serving(found, 9.0) == (1, 2, 8)  # 4 gives fewer a second than 2; 16 takes more than half the bound


@pytest.mark.gpu
def test_buffers_are_on_the_gpu() -> None:
    import onnxruntime

    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA provider: onnxruntime-gpu is not installed")
    made = prepare("cloud-screen", How(provider="cuda", batches=(8,)), TILES)
    other = prepare("cloud-screen", How(provider="cuda"), TILES)  # two sessions share the GPU
    for each in (made, other, made):
        each.bound.prepare(8)
        each.bound.run(8)
        assert each.bound._bindings[8].get_outputs()[0].device_name() == "cuda"
