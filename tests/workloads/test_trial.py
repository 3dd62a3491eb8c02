"""A model's first run in a process of its own: what it tells, and that nothing which happens there happens here."""

import hashlib
import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workloads.errors import ModelError
from workloads.inference import Runner
from workloads.loading.opening import GIB, Limits, open_model
from workloads.loading.trial import open_tried, our_digest, trial
from workloads.models import shipped_models
from workloads.scenery.scenes import TileBank

F32, I64 = TensorProto.FLOAT, TensorProto.INT64
MIB = 2**20


def write(folder: Path, nodes: list[Any], weights: list[Any] = (), shape: Any = (1, 4)) -> Path:
    ends = [helper.make_tensor_value_info("x", F32, shape), helper.make_tensor_value_info("y", F32, None)]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], list(weights))
    path = folder / "model.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def bomb(folder: Path, elements: int) -> Path:
    """A model of 63 bytes whose one operator fills as many floats as it is told."""
    model = onnx.ModelProto()
    model.ir_version = 8
    model.opset_import.add().version = 17
    model.graph.name = "g"
    node, number, out = model.graph.node.add(), model.graph.initializer.add(), model.graph.output.add()
    node.op_type, node.input[:], node.output[:] = "ConstantOfShape", ["n"], ["y"]
    number.name, number.data_type, number.dims[:], number.int64_data[:] = "n", I64, [1], [elements]
    out.name, out.type.tensor_type.elem_type = "y", F32
    path = folder / "bomb.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def endless(folder: Path) -> Path:
    """Half a minute of a core in 12 MB: 400 products of 1024 x 1024 matrices."""
    nodes = [helper.make_node("MatMul", [f"t{i}", "k"], [f"t{i + 1}"]) for i in range(400)]
    nodes[0].input[0], nodes[-1].output[0] = "x", "y"
    return write(folder, nodes, [numpy_helper.from_array(np.eye(1024, dtype=np.float32), "k")], (1024, 1024))


def test_a_trial_tells_what_came_out(tmp_path: Path) -> None:
    nodes = [helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Sqrt", ["n"], ["y"])]
    made = trial(write(tmp_path, nodes, shape=(1, 3, 2))).outputs
    assert [(each.name, each.shape, each.finite) for each in made] == [("y", (1, 3, 2), False)]  # roots of negatives
    made = trial(write(tmp_path, [helper.make_node("Relu", ["x"], ["y"])]), batch=3).outputs
    assert [(each.shape, each.finite) for each in made] == [((1, 4), True)]  # a fixed first axis stays as it is
    free = write(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], shape=("batch", 4))
    assert trial(free, batch=3).outputs[0].shape == (3, 4)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux keeps a limit of address space")
def test_a_model_of_63_bytes_that_asks_for_32_gib_is_refused_by_counting_and_by_the_child(tmp_path: Path) -> None:
    path = bomb(tmp_path, 8 * GIB)
    assert path.stat().st_size < 70
    with pytest.raises(ModelError, match="asks for 34359738376 bytes of memory; the limit is 4294967296"):
        open_model(path)
    with pytest.raises(ModelError, match="asks for 34359738376 bytes of memory; the limit is 4294967296"):
        trial(path)
    lenient = Limits(memory_bytes=33 * GIB)
    assert open_model(path, lenient).asked_bytes == 32 * GIB + 8
    with pytest.raises(ModelError, match="asked for more than 4294967296 bytes of memory"):
        trial(path, lenient, memory_bytes=4 * GIB)
    assert trial(bomb(tmp_path, 16 * MIB)).peak_bytes >= 64 * MIB  # what it fills is what is measured


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux keeps a limit of address space")
def test_workspace_that_no_counting_sees_is_stopped_by_the_child(tmp_path: Path) -> None:
    kernel = numpy_helper.from_array(np.zeros((1, 1, 256, 256), np.float32), "k")  # a column for each pixel: 16 GiB
    model = write(tmp_path, [helper.make_node("ConvTranspose", ["x", "k"], ["y"])], [kernel], (1, 1, 256, 256))
    assert open_model(model).asked_bytes < 2 * MIB
    with pytest.raises(ModelError, match=r"model\.onnx: its first run, apart, asked for more than 1073741824 bytes"):
        trial(model, Limits(memory_bytes=GIB))


def test_a_model_that_computes_for_ever_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="took more than 1 s of processor time"):
        trial(endless(tmp_path), Limits(trial_cpu_s=1))


def test_a_child_that_is_killed_is_told_and_the_parent_lives(tmp_path: Path, stage: Any) -> None:
    model, limits = endless(tmp_path), resource.getrlimit(resource.RLIMIT_AS)
    before, said = set(stage.children(os.getpid())), []

    def attempt() -> None:
        try:
            trial(model)
        except ModelError as error:
            said.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    new = stage.until(lambda: [pid for pid in stage.children(os.getpid()) if pid not in before])
    os.kill(new[0], signal.SIGSEGV)
    thread.join()
    assert len(said) == 1
    assert "was killed by signal 11" in said[0]
    assert resource.getrlimit(resource.RLIMIT_AS) == limits
    assert stage.alive(new) == []


def test_a_model_that_does_not_load_is_refused(tmp_path: Path) -> None:
    short = helper.make_tensor("k", F32, [1], b"1234", raw=True)
    short.dims[:] = [1, 4]  # 4 bytes where 16 are said to be
    with pytest.raises(ModelError, match=r"failed \(load\)"):
        trial(write(tmp_path, [helper.make_node("Add", ["x", "k"], ["y"])], [short]))


def test_what_is_ours_is_known_by_its_content(tmp_path: Path) -> None:
    ours = shipped_models()["cloud-screen"]
    copy = tmp_path / "renamed.onnx"
    copy.write_bytes(ours.read_bytes())
    assert open_tried(copy).sha256 == open_model(ours).sha256
    assert our_digest(copy)  # known by content, whatever its name
    changed = onnx.load(ours)
    changed.producer_name = "somebody"
    copy.write_bytes(changed.SerializeToString())
    assert not our_digest(copy)
    assert open_tried(copy).sha256 == hashlib.sha256(copy.read_bytes()).hexdigest()
    with pytest.raises(ModelError, match="no such file"):
        open_tried(tmp_path / "none.onnx")


def test_a_file_that_is_changed_once_it_is_known_for_ours_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, copy = shipped_models()["cloud-screen"], tmp_path / "model.onnx"
    copy.write_bytes(ours.read_bytes())

    def changed_behind_us(path: Path) -> str:
        found = our_digest(path)
        path.write_bytes(shipped_models()["water-mask"].read_bytes())
        return found

    monkeypatch.setattr("workloads.loading.trial.our_digest", changed_behind_us)
    with pytest.raises(ModelError, match="not the model that was meant"):
        open_tried(copy)


def test_what_is_no_plain_file_or_too_large_to_be_a_model_is_not_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")  # reading it would wait for ever
    with pytest.raises(ModelError, match="no such file"):
        open_tried(tmp_path / "pipe.onnx")
    with (tmp_path / "large.onnx").open("wb") as stream:
        stream.truncate(2**42)
    assert not our_digest(tmp_path / "large.onnx")  # 4 TiB, a hole: hashing it would take an hour


def test_a_model_that_crashes_shape_inference_is_refused_and_the_parent_lives(tmp_path: Path) -> None:
    # onnx 1.23 adds to this axis until it wraps round, and reads memory that is not there: 442 bytes, signal 11
    nodes = [helper.make_node("LayerNormalization", ["x", "k"], ["y", "mean", "deviation"], axis=2**63 - 1)]
    path = write(tmp_path, nodes, [helper.make_tensor("k", F32, [1], [1.0])], (1, 4, 8, 8))
    with pytest.raises(ModelError, match=r"model\.onnx"):
        open_tried(path)


def test_shape_inference_that_asks_for_gigabytes_meets_its_end_in_the_child(tmp_path: Path) -> None:
    # onnx 1.23 counts batch_dims down from -2^31 and keeps an axis for each: five gigabytes and more
    model = onnx.load(write(tmp_path, [helper.make_node("GatherND", ["x", "at"], ["y"], batch_dims=-(2**31))],
                            [helper.make_tensor("at", I64, [1, 1], [0])], (3, 4)))  # fmt: skip
    path = tmp_path / "axes.onnx"
    path.write_bytes(model.SerializeToString())
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of all tests before in this process
    with pytest.raises(ModelError, match=r"axes\.onnx"):
        open_tried(path, Limits(file_bytes=MIB))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < MIB  # kB


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux keeps a limit of address space")
def test_a_runner_tries_a_stranger_s_model_before_it_runs_it(tmp_path: Path) -> None:
    nodes = [helper.make_node("ConvTranspose", ["x", "k"], ["t"]), helper.make_node("GlobalMaxPool", ["t"], ["y"])]
    kernel = numpy_helper.from_array(np.zeros((4, 1, 64, 64), np.float32), "k")  # 256 MiB of workspace for 128 x 128
    path = write(tmp_path, nodes, [kernel], ("batch", 4, 128, 128))
    assert Runner({"m": path}, TileBank(2), limits=Limits(memory_bytes=GIB)).outcome("m", 0).label == "clear"
    with pytest.raises(ModelError, match="first run, apart, asked for more than 67108864 bytes"):
        Runner({"m": path}, TileBank(2), limits=Limits(memory_bytes=64 * MIB))


def test_a_runner_takes_only_the_content_that_it_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, [helper.make_node("Relu", ["x"], ["y"])])
    right, wrong = open_model(path).sha256, "0" * 64
    Runner({"m": path}, TileBank(1), sha256={"m": right.upper()})
    with pytest.raises(ModelError, match=f"has sha256 {right}, not {wrong}"):
        Runner({"m": path}, TileBank(1), sha256={"m": wrong})
