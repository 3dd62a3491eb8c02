"""`orbitmesh node`: what cannot be is refused, with what to do, before any process is started; deaths are mended."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zmq

from emulator.cli import main
from emulator.live import control as say
from emulator.live import outpost as module
from emulator.live.join import Introduction, placed
from emulator.live.options import LiveOptions
from emulator.live.outpost import MOST_DEATHS, Outpost
from links.endpoints import FILE_NAME_BYTES, IPC_PATH_BYTES, private_folder
from links.keys import generate, save
from workloads.inference import Products

PATIENCE_MS = 60_000
WELCOME = say.Welcome(
    node="SCS-01 A", epoch=1, run=b"", scenario="", scenario_sha256="", epoch_utc="", nodes=[], ear="", door="",
    models=[], products=Products(), tiles=1, spin_s=0.0, held_bytes=0,
)  # fmt: skip


@pytest.fixture
def key(tmp_path: Path) -> str:
    save(generate(), str(tmp_path / "key"))
    return str(tmp_path / "key")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("--join tcp://10.0.0.1:7100", "is another host: give the run's keys with --key FILE"),
        ("--join tcp://10.0.0.1:7100 --key /nowhere/key", "key file /nowhere/key cannot be read"),
        ("--join tcp://10.0.0.1:0 --key KEY", "write tcp://HOST:PORT, as the coordinator says at its start"),
        ("--join tcp://*:7100 --key KEY", "write tcp://HOST:PORT"),
        ("--join ipc:///tmp/x --key KEY", "write tcp://HOST:PORT"),
        ("--join 10.0.0.1:7100 --key KEY", "has no transport that is known"),
        ("--join tcp://10.0.0.1:7100 --key KEY --count 0", "1 to 1000 nodes on one host"),
        ("--join tcp://10.0.0.1:7100 --key KEY --count 2 --name A", "a name is for one node"),
        ("--join tcp://10.0.0.1:7100 --key KEY --listen tcp://127.0.0.1:0", "cannot be reached from other hosts"),
        ("--join tcp://10.0.0.1:7100 --key KEY --listen tcp://192.0.2.7:0", "no interface of this host has that"),
        ("--join tcp://10.0.0.1:7100 --key KEY --listen tcp://*:0", "name one address of this host"),
        ("--join tcp://10.0.0.1:7100 --key KEY --listen ipc:///tmp/x", "name one address of this host"),
        ("--join tcp://127.0.0.1:7100 --listen tcp://192.0.2.7:0", "nothing would keep them out; make keys"),
        ("--join tcp://127.0.0.1:7100 --listen tcp://127.0.0.1:65535 --count 2", "up to 65535"),
        ("--join tcp://127.0.0.1:7100 --sockets /tmp/" + "x" * 90, "fit a socket's address: shorten it"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    arguments: str, problem: str, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Outpost", None)  # no process is started
    folder = Path("/tmp") / ("x" * 90)
    assert main(["node", *arguments.replace("KEY", key).split()]) == 2
    assert problem in capsys.readouterr().err
    if folder.is_dir():
        folder.rmdir()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"listen": "tcp://10.0.0.1:7100"}, "give --key FILE, which `orbitmesh keygen` makes"),
        ({"listen": "tcp://*:7100"}, "name one address of this host by which others reach it"),
        ({"listen": "ipc:///tmp/x"}, "other hosts need tcp://HOST:PORT"),
        ({"remote": ("A",)}, "give --listen tcp://HOST:PORT"),
        (
            {"listen": "tcp://127.0.0.1:0", "remote": ("A",), "applications": (("A", "true"),)},
            "that node is brought up on another host; start its program there",
        ),
    ],
)
def test_a_coordinator_that_listens_as_it_must_not_is_refused(options: dict[str, object], problem: str) -> None:
    assert any(problem in found for found in LiveOptions(**options).problems())


@pytest.fixture
def coordinator() -> Iterator["zmq.Socket[bytes]"]:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.linger = 0
        socket.bind("tcp://127.0.0.1:*")
        yield socket


def greeted(coordinator: "zmq.Socket[bytes]") -> tuple[bytes, say.Hello]:
    """The next hello."""
    while coordinator.poll(PATIENCE_MS):
        identity, frame = coordinator.recv_multipart()
        message = msgspec.msgpack.decode(frame, type=say.FromNode)
        if isinstance(message, say.Hello):
            return identity, message
    raise AssertionError("nobody said hello")


def test_a_process_that_is_killed_is_started_again_but_not_for_ever(
    coordinator: "zmq.Socket[bytes]", capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint = coordinator.get_string(zmq.LAST_ENDPOINT)
    with private_folder() as folder:
        outpost = Outpost([Introduction(endpoint, "A")], folder)
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.extend(outpost.serve()))
        thread.start()
        pids = []
        for _ in range(MOST_DEATHS + 1):
            _, hello = greeted(coordinator)
            assert (hello.node, hello.run) == ("A", b"")
            pids.append(hello.pid)
            os.kill(hello.pid, signal.SIGKILL)
        thread.join(timeout=PATIENCE_MS / 1000)
        outpost.close()
    assert not os.path.exists(folder)  # with what those that were killed left in it
    assert codes == [-signal.SIGKILL]
    assert len(set(pids)) == MOST_DEATHS + 1
    assert capfd.readouterr().err.count("was killed by signal 9") == MOST_DEATHS + 1


def test_nodes_of_an_outpost_that_is_killed_remove_its_folder(coordinator: "zmq.Socket[bytes]", tmp_path: Path) -> None:
    endpoint = coordinator.get_string(zmq.LAST_ENDPOINT)
    script = "import sys; from emulator.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "node", "--join", endpoint, "--count", "2"]
    with tempfile.TemporaryDirectory(prefix="om-", dir="/tmp") as folder:
        process = subprocess.Popen(command, env=os.environ | {"TMPDIR": folder}, stderr=subprocess.PIPE)
        with process:
            greeted(coordinator)
            greeted(coordinator)
            assert os.listdir(folder)
            process.kill()
            process.stderr.read()  # until its nodes have gone too
        assert os.listdir(folder) == []


def test_sockets_of_applications_fit_where_the_folder_does(coordinator: "zmq.Socket[bytes]") -> None:
    with tempfile.TemporaryDirectory(prefix="om-", dir="/tmp") as short:
        longest = IPC_PATH_BYTES - FILE_NAME_BYTES - 1 - len("/om-12345678")
        folder = os.path.join(short, "x" * (longest - len(short) - 1))
        introduction = Introduction(coordinator.get_string(zmq.LAST_ENDPOINT), folder=f"{folder}/om-12345678")
        assert placed(WELCOME, introduction).door.startswith(f"ipc://{folder}/om-12345678/door")


@pytest.mark.parametrize("answer", [b"\xc1", say.encode(say.Finish()), say.encode(say.Unwelcome("go\x1b[2J away"))])
def test_a_coordinator_that_says_something_else_is_told_of(coordinator: "zmq.Socket[bytes]", answer: bytes) -> None:
    endpoint = coordinator.get_string(zmq.LAST_ENDPOINT)
    process = subprocess.Popen([*module.COMMAND], stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    with process:
        process.stdin.write(msgspec.json.encode(Introduction(endpoint, "A")) + b"\n")
        process.stdin.flush()
        identity, _ = greeted(coordinator)
        coordinator.send_multipart((identity, answer))
        errors = process.stderr.read().decode()
    assert process.returncode == 2
    assert errors.startswith("A cannot take part: ")
    assert any(part in errors for part in ("is it another version?", ": another version?", "go\ufffd[2J away"))
    assert "\x1b" not in errors  # nothing that the other side says steers this side's terminal
    assert "Traceback" not in errors
