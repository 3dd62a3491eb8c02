"""How models reach nodes: only the content that was meant, tried if it comes from elsewhere, whole, and by no path."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
import zmq
from onnx import TensorProto, helper, numpy_helper

from emulator.errors import BadInput
from emulator.live import control as say
from emulator.live import model_transfer, outpost
from emulator.live.join import Introduction
from emulator.live.model_transfer import by_path, by_wire, opened, refuse_paths
from workloads.errors import ModelError
from workloads.inference import Fresh, Products, Runner
from workloads.models import shipped_models
from workloads.scenery.scenes import TileBank
from workloads.scenery.shelf import Made

SCREEN = shipped_models()["cloud-screen"]
SIZE_PX = 128
PATIENCE_MS = 60_000


def model(folder: Path, nodes: list[Any], held: list[Any], shape: list[Any]) -> Path:
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    path = folder / "mine.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def screener_with_weights_beside_it(folder: Path, answer: float) -> Path:
    """Answers `answer` everywhere, which lies in a file of its own."""
    (folder / "w.bin").write_bytes(np.float32([answer]).tobytes())
    weight = numpy_helper.from_array(np.zeros(1, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="w.bin")
    nodes = [helper.make_node("Mul", ["x", "zero"], ["t"]), helper.make_node("Add", ["t", "w"], ["y"])]
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    path = model(folder, nodes, [weight, zero], ["batch", 4, SIZE_PX, SIZE_PX])
    loaded = onnx.load(path, load_external_data=False)
    helper.set_model_props(loaded, {"orbitmesh.role": "cloud-screen"})
    path.write_bytes(loaded.SerializeToString())
    return path


def bomb(folder: Path) -> Path:
    """Counting sees half a megabyte; its kernel asks for sixteen GiB of workspace."""
    kernel = numpy_helper.from_array(np.zeros((1, 1, 256, 256), np.float32), "k")
    return model(folder, [helper.make_node("ConvTranspose", ["x", "k"], ["y"])], [kernel], [1, 1, 256, 256])


def welcome(models: list[say.Model], tiles_path: str = "") -> say.Welcome:
    return say.Welcome(
        node="A", epoch=0, run=b"r", scenario="s", scenario_sha256="", epoch_utc="2026-01-01T00:00:00Z", nodes=["A"],
        ear="", door="", models=models, products=Products(), tiles=1, tiles_path=tiles_path, spin_s=0.0, held_bytes=0,
    )  # fmt: skip


def test_weights_beside_a_model_go_with_it_to_other_hosts(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    bank = TileBank(1, size_px=SIZE_PX)
    runner = Runner({"m": screener_with_weights_beside_it(here, 0.25)}, bank)
    sent = by_wire(runner)
    (here / "w.bin").unlink()
    models = opened(msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=list[say.Model]), there)
    assert Fresh(models, Made(bank), Products()).outcome("m", 0, 1000).cloud_fraction == 0.25


def test_a_file_that_changes_after_its_trial_is_neither_opened_by_a_node_nor_sent(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(SCREEN.read_bytes())
    runner = Runner({"m": path}, TileBank(1))
    models = by_path(runner)
    assert opened(models, tmp_path)["m"].sha256 == runner.profiles["m"].sha256
    path.write_bytes(shipped_models()["water-mask"].read_bytes())
    with pytest.raises(ModelError, match="not the model that was meant"):
        opened(models, tmp_path)
    with pytest.raises(ModelError, match="not the model that was meant"):
        by_wire(runner)


def test_what_comes_from_another_host_is_tried_before_it_runs(tmp_path: Path) -> None:
    data = bomb(tmp_path).read_bytes()
    with pytest.raises(ModelError, match=r"first run, apart, asked for more than 4294967296 bytes"):
        opened([say.Model("m", hashlib.sha256(data).hexdigest(), data=data)], tmp_path)


def test_bytes_that_are_not_the_ones_announced_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not the model that was meant"):
        opened([say.Model("m", "0" * 64, data=SCREEN.read_bytes())], tmp_path)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "g" * 64, "0" * 64 + "\n"])
def test_a_model_without_a_sha256_is_no_message(sha256: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(say.Model("m", sha256, path="m.onnx")), type=say.Model)


def test_models_too_large_to_travel_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_transfer.say, "MOST_WELCOME_BYTES", 2 * SCREEN.stat().st_size - 2)
    with pytest.raises(BadInput, match=f"the models have {SCREEN.stat().st_size} bytes; {SCREEN.stat().st_size - 1} "):
        by_wire(Runner({"m": SCREEN}, TileBank(1)))


def test_a_node_of_another_host_opens_no_file_that_a_coordinator_names() -> None:
    data = SCREEN.read_bytes()
    right = say.Model("m", hashlib.sha256(data).hexdigest(), data=data)
    refuse_paths(welcome([right]))
    for wrong in (
        welcome([msgspec.structs.replace(right, path="/etc/passwd")]),
        welcome([msgspec.structs.replace(right, path="/etc/passwd", data=b"")]),
        welcome([right], tiles_path="/etc/passwd"),
    ):
        with pytest.raises(BadInput, match=r"names files for this host to open \('/etc/passwd'\)"):
            refuse_paths(wrong)


@pytest.fixture
def coordinator() -> Iterator["zmq.Socket[bytes]"]:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.linger = 0
        socket.bind("tcp://127.0.0.1:*")
        yield socket


def test_a_real_node_that_is_told_to_open_a_file_here_does_not_take_part(coordinator: "zmq.Socket[bytes]") -> None:
    endpoint = coordinator.get_string(zmq.LAST_ENDPOINT)
    process = subprocess.Popen([*outpost.COMMAND], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        process.stdin.write(msgspec.json.encode(Introduction(endpoint, "A")) + b"\n")
        process.stdin.flush()
        assert coordinator.poll(PATIENCE_MS)
        identity, _ = coordinator.recv_multipart()
        named = say.Model("m", hashlib.sha256(SCREEN.read_bytes()).hexdigest(), path=str(SCREEN))
        coordinator.send_multipart((identity, say.encode(welcome([named]))))
        errors = process.stderr.read().decode()
    assert process.returncode == 2
    assert errors.startswith("A cannot take part: the coordinator names files for this host to open")
    assert "Traceback" not in errors
