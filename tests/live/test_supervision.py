"""Nodes' processes: who is let in, who is missed, and that nothing is left behind however a run ends.

No timing decides a test: every wait is for an event, with a limit for what never comes.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from emulator import watchdog
from emulator.cli import main
from emulator.clock import wall_s
from emulator.decisions import Assign
from emulator.errors import RunFailed
from emulator.events import NodeFailed, NodeRecovered
from emulator.live import control as say
from emulator.live.crew import START_LIMIT_S, Crew
from emulator.live.options import LiveOptions
from emulator.live.roster import Member
from emulator.schedulers.orbit import onboard
from emulator.version import installed_version
from links.endpoints import private_folder
from workloads.inference import Products
from workloads.tasks import Outcome

RUN, SHA256 = b"r" * 16, "5ce0" * 16


class Desk:
    """A crew of A and B that starts no process, and raw sockets that speak to it as nodes do."""

    def __init__(self, folder: str) -> None:
        self.notes: list[str] = []
        members = [Member(name, "satellite", False) for name in "AB"]
        self.crew = Crew(members, LiveOptions(), Path(folder), self._welcome, self.notes.append)
        for member in members:
            member.epoch, member.heard_s = 1, wall_s()
        self.context: zmq.Context[Any] = zmq.Context()
        self.heard: list[Any] = []
        self._sockets: list[zmq.Socket[bytes]] = []

    def _welcome(self, member: Member) -> say.Welcome:
        return say.Welcome(
            node=member.name, epoch=member.epoch, run=RUN, scenario="desk", scenario_sha256=SHA256, epoch_utc="",
            nodes=["A", "B"], ear="", door="", models=[], products=Products(), tiles=1, spin_s=0.0, held_bytes=0,
        )  # fmt: skip

    def hello(self, **other: Any) -> say.Hello:
        right = say.Hello(say.PROTOCOL, installed_version(), "A", 1, os.getpid(), RUN, SHA256, "here")
        return msgspec.structs.replace(right, **other)

    def socket(self) -> "zmq.Socket[bytes]":
        socket = self.context.socket(zmq.DEALER)
        socket.linger = 0
        self._sockets.append(socket)
        socket.connect(self.crew.roster.endpoint)
        return socket

    def tell(self, socket: "zmq.Socket[bytes]", *messages: Any) -> None:
        """Say it, as bytes or as a message."""
        for message in messages:
            socket.send(message if isinstance(message, bytes) else say.encode(message))

    def until(self, done: Callable[[], bool]) -> None:
        """Let the crew hear until something is true; the limit is for what never is."""
        end_s = wall_s() + 30.0
        while not done():
            assert wall_s() < end_s, (self.crew.roster.refused, self.heard)
            self.crew.wait(wall_s() + 0.05)
            self.heard += self.crew.hear()

    def until_refused(self, **counts: int) -> None:
        expected = {reason.replace("_", " "): n for reason, n in counts.items()}
        self.until(lambda: dict(self.crew.roster.refused) == expected)

    def greet(self, socket: "zmq.Socket[bytes]", hello: say.Hello) -> Any:
        """Say hello; returns the answer."""
        socket.send(say.encode(hello))
        self.until(lambda: bool(socket.poll(0)))
        return msgspec.msgpack.decode(socket.recv(), type=say.ToNode)

    def close(self) -> None:
        for socket in self._sockets:
            socket.close()
        self.context.term()
        self.crew.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with private_folder() as folder:
        made = Desk(folder)
        yield made
        made.close()


# who is let in


def test_a_node_of_this_run_is_let_in_once(desk: Desk) -> None:
    first, second = desk.socket(), desk.socket()
    welcome = desk.greet(first, desk.hello())
    assert isinstance(welcome, say.Welcome)
    assert (welcome.node, welcome.epoch) == ("A", 1)
    desk.tell(first, desk.hello())
    desk.until_refused(hello_again=1)
    again = desk.greet(second, desk.hello())
    assert isinstance(again, say.Unwelcome)
    assert "A is here already" in again.problem


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"version": "0.0.1"}, "this run speaks orbitmesh"),
        ({"protocol": say.PROTOCOL + 1}, "install the same"),
        ({"scenario_sha256": "f" * 64}, "was started for another scenario (ffffffffffff)"),
        ({"run": b"x" * 16}, "runs on the coordinator's host"),
        ({"run": b""}, "runs on the coordinator's host"),
        ({"run": b"", "node": ""}, "no node is awaited from another host"),
        ({"epoch": 7}, "runs on the coordinator's host"),
        ({"node": "C"}, "there is no node 'C' in this run"),
    ],
)
def test_a_stranger_is_told_why_not_and_counted(desk: Desk, other: dict[str, Any], why: str) -> None:
    answer = desk.greet(desk.socket(), desk.hello(**other))
    assert isinstance(answer, say.Unwelcome)
    assert why in answer.problem
    assert desk.crew.roster.refused == {"not let in": 1}
    assert why in desk.notes[0]
    assert not desk.crew.members["A"].identity


def test_late_words_of_a_dead_epoch_are_refused(desk: Desk) -> None:
    first, second, stranger = desk.socket(), desk.socket(), desk.socket()
    desk.greet(first, desk.hello())
    desk.tell(first, say.Ready("ipc:///ear", "ipc:///door"), say.Loaded(0.1), say.Beat({"sent": 3}))
    member = desk.crew.members["A"]
    desk.until(lambda: bool(member.counts))
    assert desk.crew.fit("A")
    member.gone()
    member.epoch = 2
    assert isinstance(desk.greet(second, desk.hello(epoch=2)), say.Welcome)
    ran = say.Ran("t", 1, Outcome("clear", 0.0, 10), 1.0, 0.0, 0.1)
    desk.tell(first, ran, say.Got("raw:1:t", 0.0, 1.0, 0.0))
    desk.tell(stranger, ran)
    desk.until_refused(stale_epoch=2, stranger=1)
    assert desk.heard == []
    assert dict(member.past) == {"sent": 3}
    desk.tell(second, msgspec.structs.replace(ran, run=2))
    desk.until(lambda: bool(desk.heard))
    assert [message.run for _, message in desk.heard] == [2]


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xc1", b"\x91\xa5hello", b"\x91" * 100_000, b"\x93\xa4ping\x01\x02", os.urandom(4096), b"\x00" * 500_000],
    ids=["empty", "no msgpack", "cut off", "nested", "an order", "random", "zeros"],
)
def test_what_is_no_message_is_counted(desk: Desk, frame: bytes) -> None:
    node = desk.socket()
    desk.greet(node, desk.hello())
    desk.tell(node, frame)
    desk.tell(desk.socket(), frame)
    desk.until_refused(malformed=2)
    desk.tell(node, say.Ask(1, "where"))
    desk.until(lambda: len(desk.heard) == 1)


# who is missed


def test_who_is_silent_is_missed_but_not_for_the_time_that_nobody_listened(desk: Desk) -> None:
    crew = desk.crew
    for name in "AB":
        desk.greet(desk.socket(), desk.hello(node=name))
        crew.members[name].ready = True
    begun_s = max(member.heard_s for member in crew.members.values())
    for tenth in range(50):
        assert crew.silent(5.0, begun_s + tenth / 10) == []
    crew.members["B"].heard_s = begun_s + 4.9
    assert crew.silent(5.0, begun_s + 5.2) == [crew.members["A"]]
    crew.members["A"].heard_s = begun_s + 5.2
    assert crew.silent(5.0, begun_s + 100.0) == []  # a scheduler thought for long, and nobody was listened to
    assert crew.silent(5.0, begun_s + 100.5) == []


def test_who_is_started_and_never_ready_is_missed_too(desk: Desk) -> None:
    crew = desk.crew
    running = {"A": 1}
    crew.supervisor.pid = running.get  # type: ignore[method-assign]
    begun_s = crew.members["A"].heard_s
    for half in range(2 * int(START_LIMIT_S)):
        assert crew.silent(5.0, begun_s + half / 2) == []
    assert crew.silent(5.0, begun_s + START_LIMIT_S + 0.5) == [crew.members["A"]]  # B was never started


def test_a_node_that_stands_still_is_killed_and_replaced(stage: Any) -> None:
    made = stage.build([stage.laser("A", "B")], [], duration_s=60.0, satellites="AB")
    stopped: list[int] = []

    def stop(engine: Any) -> bool:
        stopped.append(engine.crew.supervisor.pids["B"])
        os.kill(stopped[0], signal.SIGSTOP)
        return True

    def is_back(engine: Any) -> bool:
        member = engine.crew.members["B"]
        return member.epoch == 2 and member.recover_s is None and bool(engine.core.nodes["B"].up)

    played = stage.live(made, onboard, stop, is_back, stage.over, silent_s=2.5)
    assert [fact.node for fact in played.facts(NodeFailed)] == ["B"]
    assert [fact.node for fact in played.facts(NodeRecovered)] == ["B"]
    assert "B has not been heard of for" in played.figures.incidents[0]
    assert played.figures.restarts == 1
    assert stage.alive(stopped) == []


def test_a_node_that_dies_again_and_again_ends_the_run(stage: Any) -> None:
    made = stage.build([stage.laser("A", "B")], [], duration_s=600.0, satellites="AB")

    def kill(engine: Any) -> bool:
        if engine.crew.fit("B"):
            os.kill(engine.crew.supervisor.pids["B"], signal.SIGKILL)
        return False

    with pytest.raises(RunFailed, match=r"B died 2 times; the last time: B \(process \d+\) was killed by signal 9"):
        stage.live(made, onboard, kill, most_deaths=1)
    assert stage.children(os.getpid()) == []


# how a run ends


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for all temporary files; sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="om-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.chdir(tmp_path)
        yield Path(folder)
    monkeypatch.setattr(tempfile, "tempdir", None)


class Command:
    """`orbitmesh live` in a process of its own, for a minute unless it is ended."""

    def __init__(self, stage: Any, folder: Path, *options: str) -> None:
        (folder / "stage.toml").write_text(stage.scenario("AB", "G", duration_s=60.0))
        self.stage, self.folder = stage, folder
        arguments = ["live", "stage.toml", "--no-table", "--late-budget", "3600", "--spin", "0", "--out", "trace"]
        arguments += ["--app", "A=touch started", "--app", "B=sleep 60", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emulator.cli", *arguments], cwd=folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.nodes: list[int] = []

    def wait_for_nodes(self) -> None:
        self._wait(lambda: bool(self.stage.children(self.process.pid)))
        self.nodes = self.stage.children(self.process.pid)

    def wait_for_the_beginning(self) -> None:
        self._wait((self.folder / "started").exists)
        self.nodes = self.stage.children(self.process.pid)
        assert len(self.nodes) >= 3

    def _wait(self, done: Callable[[], bool]) -> None:
        self.stage.until(lambda: done() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.mark.parametrize(
    ("number", "begun"),
    [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, False)],
    ids=["interrupt", "terminate", "terminal closed at the start"],
)
def test_an_interrupt_leaves_nothing(stage: Any, temporary: Path, tmp_path: Path, number: int, begun: bool) -> None:
    command = Command(stage, tmp_path)
    if begun:
        command.wait_for_the_beginning()
    else:
        command.wait_for_nodes()
    command.process.send_signal(number)
    code, out, err = command.end()
    assert (code, out, err) == (130, "", "orbitmesh: interrupted\n")
    assert stage.alive(command.nodes) == []
    assert list(temporary.iterdir()) == []
    assert not [path for path in tmp_path.iterdir() if path.name not in ("stage.toml", "started", "om")]


def test_nothing_outlasts_a_coordinator_that_is_killed(stage: Any, temporary: Path, tmp_path: Path) -> None:
    command = Command(stage, tmp_path, "--sockets", "doors")
    command.wait_for_the_beginning()
    nodes = [pid for pid in command.nodes if b"emulator.live.join" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(nodes) == 3
    assert set(command.nodes) > set(nodes)  # with the program that is to sleep for a minute
    assert len(list((tmp_path / "doors").iterdir())) == 3
    command.process.kill()
    stage.until(lambda: not stage.alive(command.nodes))
    assert command.end()[0] == -signal.SIGKILL
    assert list(temporary.iterdir()) == list((tmp_path / "doors").iterdir()) == []
    assert not (tmp_path / "trace").exists()


def test_a_child_that_dies_at_start_is_told_with_its_last_words(
    stage: Any, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stage.toml").write_text(stage.scenario("AB", "G", duration_s=60.0))
    monkeypatch.setenv("PYTHONHASHSEED", "nonsense")  # no Python starts with that, and ours has started
    assert main(["live", "stage.toml", "--no-table", "--spin", "0", "--out", "trace"]) == 1
    said = capfd.readouterr().err
    assert "a node did not start: " in said
    assert "ended with exit code 1; its last words:\n" in said
    assert "PYTHONHASHSEED must be" in said
    assert stage.children(os.getpid()) == []
    assert list(temporary.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["stage.toml"]


def test_a_scheduler_that_blocks_is_named_and_all_processes_end(
    stage: Any, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stage.toml").write_text(
        stage.scenario("AB", "G", duration_s=60.0)
        + "[imaging]\nscene_interval_s = 0.2\nmin_sun_elevation_deg = -90.0\n"
    )
    (tmp_path / "slow.py").write_text(
        "import time\n\ndef slow(view):\n    while True:\n        time.sleep(0.01)\n        yield from ()\n"
        "        if view.now_s < 0:\n            return\n"
    )
    monkeypatch.setattr(watchdog, "LIMIT_S", 1.0)
    monkeypatch.setattr(watchdog, "TICK_S", 0.25)
    arguments = ["live", "stage.toml", "--policy", "slow:slow", "--no-table", "--spin", "0", "--out", "trace"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "scheduler slow:slow has not answered for 1 s of wall time" in said
    assert stage.children(os.getpid()) == []
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "trace").exists()


def test_a_scheduler_that_thinks_for_a_while_harms_no_node(stage: Any) -> None:
    tasks = [stage.task("t0", 0.1), stage.task("t1", 0.2)]
    made = stage.build([stage.radio("A")], tasks, duration_s=60.0, satellites="AB")

    def thinks(view: Any) -> Any:
        stage.pause(2.3 if view.now_s < 0.15 else 0.0)
        return [Assign(task.id, "A") for task in view.waiting]

    played = stage.live(made, thinks, lambda engine: engine.core.ended["done"] == 2, stage.over, silent_s=2.0)
    assert played.facts(NodeFailed) == []
    assert played.figures.restarts == 0
    assert {how for how, _ in played.fates.values()} == {"done"}
