"""Batches of models that are not ours: memory that grows as a power of the batch is counted and tried at that batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from emulator.radiation.scores import Course
from workloads.errors import MemoryOut, ModelError, RefusedModel
from workloads.inference import Runner
from workloads.loading.opening import Limits, asked_bytes, open_model
from workloads.measuring import prepared
from workloads.measuring.prepared import How, prepare, timings
from workloads.models import shipped_models
from workloads.scenery.scenes import TileBank

SCREEN = shipped_models()["cloud-screen"]
TILES = [TileBank(3).tile(number).bands for number in range(3)]
MIB = 2**20
AXES = 14  # 2^14 elements are 64 kB, 3^14 are 18 MiB, 4^14 are 1 GiB
LIMITS = Limits(memory_bytes=256 * MIB)


def outer_power(folder: Path, axes: int) -> Path:
    """The means of n inputs, each added to each, `axes` times over: n^axes elements at batch n, a handful at 1."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0)]
    held = []
    for axis in range(axes):
        shape = np.ones(axes, np.int64)
        shape[axis] = -1
        held.append(numpy_helper.from_array(shape, f"shape{axis}"))
        nodes.append(helper.make_node("Reshape", ["m", f"shape{axis}"], [f"r{axis}"]))
        nodes.append(helper.make_node("Add", [f"sum{axis}", f"r{axis}"], [f"sum{axis + 1}"]))
    nodes[2].input[0], nodes[-1].output[0] = "r0", "y"
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]  # fmt: skip
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "power.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_memory_is_counted_at_any_batch_as_a_model_opened_at_it_counts(tmp_path: Path) -> None:
    power = outer_power(tmp_path, 4)
    for path, feed in ((SCREEN, "bands[0]"), (power, "x[0]")):
        model = open_model(path)
        for batch in (1, 3, 10):
            assert asked_bytes(model, {feed: batch}) == open_model(path, dims={feed: batch}).asked_bytes
    assert asked_bytes(open_model(power), {"x[0]": 10}) >= 4 * 10**4


def test_a_runner_takes_a_stranger_at_the_batch_that_was_tried(tmp_path: Path) -> None:
    """At 16 its 2^28 elements would be a gigabyte, and more with each axis; at one it asks for next to nothing."""
    tiles: list[tuple[int, int]] = []
    power = Runner({"m": outer_power(tmp_path, 7)}, TileBank(3), batch=16)
    power.warm(range(3), progress=lambda done, total: tiles.append((done, total)))
    assert tiles == [(1, 3), (2, 3), (3, 3)]
    tiles.clear()
    Runner({"m": SCREEN}, TileBank(3), batch=16).warm(range(3), progress=lambda *each: tiles.append(each))
    assert tiles == [(3, 3)]


def test_upsets_are_scored_on_a_stranger_at_the_batch_that_was_tried(tmp_path: Path) -> None:
    fed = [Course(open_model(path), 3)._feeds for path in (outer_power(tmp_path, 7), SCREEN)]
    assert [[len(next(iter(feed.values()))) for feed in feeds] for feeds in fed] == [[1, 1, 1], [3]]


def test_a_runner_says_which_of_its_models_is_refused_and_what_those_that_run_cost(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(RefusedModel, match="the file is empty") as told:
        Runner({"good": SCREEN, "bad": tmp_path / "empty.onnx"}, TileBank(1))
    assert told.value.name == "bad"
    run = Runner({"good": SCREEN}, TileBank(1))
    assert run.profiles["good"].sha256 == open_model(SCREEN).sha256


def test_a_stranger_s_batch_over_the_limit_names_the_largest_that_fits(tmp_path: Path) -> None:
    path = outer_power(tmp_path, AXES)
    with pytest.raises(MemoryOut, match=r"a batch of 4: .*asks for \d+ bytes.*the largest batch that fits is 3 "):
        prepare(str(path), How(batches=(4,), limits=LIMITS), TILES)


def test_batches_grow_by_themselves_only_as_far_as_they_were_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def counting(path: Path, limits: Limits, dims: dict[str, int], sha256: str, *, to_run: bool) -> Any:
        tried.append((dims["x[0]"], to_run))
        return real(path, limits, dims, sha256, to_run=to_run)

    real = prepared.trial
    monkeypatch.setattr(prepared, "trial", counting)
    how = How(limits=LIMITS)
    made = prepare(str(outer_power(tmp_path, AXES)), how, TILES)
    ticks = iter(range(100_000))
    found = timings(made, how, 100.0, lambda: float(next(ticks)), lambda share: None)
    assert [timing.batch for timing in found] == [1, 2]
    assert tried == [(2, True), (4, True)]
    assert len(made.notes) == 1
    assert "no batch of 4 was measured" in made.notes[0]
    assert "asks for" in made.notes[0]


def test_a_stranger_s_batch_that_breaks_its_trial_never_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any, **how: Any) -> Any:
        raise ModelError("was killed by signal 11")

    made = prepare(str(outer_power(tmp_path, 4)), How(), TILES)
    monkeypatch.setattr(prepared, "trial", broken)
    monkeypatch.setattr(made.bound, "prepare", lambda batch: pytest.fail(f"ran a batch of {batch}"))
    made.batches = (1, 2)
    with pytest.raises(ModelError, match="signal 11"):
        prepared._check_batches(made, How(batches=(2,)))
