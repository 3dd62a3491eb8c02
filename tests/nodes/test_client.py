"""The Python client against real doors; a thread stands for the engine behind them. Nothing is decided by timing."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from emulator.live.app_requests import AppLimits, Offer, Query
from emulator.live.app_socket import listen
from emulator.live.apps import AppDoor
from nodes.client import Node, NodeClosed, NodeRefused, NodeUnreachable
from nodes.errors import NodeError
from nodes.protocol import Answer, Arrival, Budget, Link, Links, Time, Welcome, Where

ROOT = Path(__file__).parents[2]
NODES = ("SCS-01 A", "Kiruna")
DELAY_S = 0.004
PLACE = Where(100.0, (7e6, 0.0, 0.0), (0.0, 7.5e3, 0.0), 12.5, -30.0, 629e3, True)
LINKS = Links((Link("SCS-01 A", True, 0.004, 1.2e9), Link("SCS-02 B", False, reason="below_mask")))
GENEROUS_S = 30.0  # only a broken test waits this long


class Sky(threading.Thread):
    """Two nodes and the link between them, open or not; messages wait while it is not."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.folder = tempfile.mkdtemp(prefix="om-", dir="/tmp")
        self.open = True
        self.silent = False  # hears, but answers no question
        self.restarts: deque[str] = deque()
        self.restarted = threading.Event()
        self.waiting: deque[tuple[str, Offer]] = deque()
        self.tell: deque[Callable[[], None]] = deque()  # to be done by the thread that owns the sockets
        self._ended = threading.Event()
        self._contexts: dict[str, zmq.Context[Any]] = {}  # one for each node, as if it were a process
        self._starts = dict.fromkeys(NODES, 0)
        self.doors: dict[str, AppDoor] = {}
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._now_s = 100.0
        self._carried = 0
        for name in NODES:
            self._bring_up(name)

    def endpoint(self, name: str) -> str:
        return f"ipc://{self.folder}/{NODES.index(name)}"

    def run(self) -> None:
        while not self._ended.is_set():
            while self.tell:
                self.tell.popleft()()
            while self.restarts:
                name = self.restarts.popleft()
                self._end(name)
                self._bring_up(name)
                self.restarted.set()
            for name, door in self.doors.items():
                self._sockets[name].poll(1)
                for request in door.receive(100):
                    self._serve(name, door, request)
                door.flush()
            while self.open and self.waiting:
                self._carry(*self.waiting.popleft())
        for name in NODES:
            self._end(name)

    def stop(self) -> None:
        self._ended.set()
        self.join(GENEROUS_S)
        shutil.rmtree(self.folder)

    def _bring_up(self, name: str) -> None:
        self._starts[name] += 1
        start = self._starts[name]
        self._contexts[name] = zmq.Context()
        self._sockets[name] = listen(self._contexts[name], self.endpoint(name), AppLimits())
        self.doors[name] = AppDoor(
            self._sockets[name],
            AppLimits(),
            lambda: Welcome(name, "2025-10-03T16:00:00Z", "three-body", 1.0, self._now_s, start),
        )

    def _end(self, name: str) -> None:
        self._sockets[name].close(linger=0)
        self._contexts[name].term()  # returns when nobody listens any more; `close` alone returns before that

    def _serve(self, name: str, door: AppDoor, request: Offer | Query) -> None:
        if isinstance(request, Query):
            answers: dict[str, Answer] = {
                "where": PLACE, "links": LINKS, "budget": Budget(744e12, 0.25, 1.5), "time": Time(100.0, 1.0),
            }  # fmt: skip
            if not self.silent:
                door.answer(request.app, request.reference, answers[request.what])
        elif request.to in NODES:
            self._carried += 1
            door.accepted(request, f"{name}/{self._carried}")
            self.waiting.append((name, request))
        else:
            door.refuse(request.app, request.reference, "unknown_node", f"no node is called {request.to!r}")

    def _carry(self, source: str, offer: Offer) -> None:
        sent_s, self._now_s = self._now_s, self._now_s + DELAY_S
        id = f"{source}/{offer.reference}/{sent_s!r}"
        head = Arrival(id, source, offer.service_from, sent_s, self._now_s, offer.size_bytes)
        done = self.doors[offer.to].deliver(offer.service, head, offer.payload)
        self.doors[source].outcome(offer.app, offer.reference, id, *(("done",) if done else ("lost", "inbox_full")))


@pytest.fixture
def sky() -> Iterator[Sky]:
    sky = Sky()
    sky.start()
    yield sky
    sky.stop()


def test_a_message_travels_and_its_fate_is_told(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna"), "ground") as ground, Node(sky.endpoint("SCS-01 A"), "pong") as satellite:
        assert (ground.name, satellite.name) == ("Kiruna", "SCS-01 A")
        reference = ground.send("SCS-01 A", [b"two ", b"frames"], service="pong", size_bytes=10**9)
        message = satellite.receive(GENEROUS_S)
        assert message is not None
        assert (message.source, message.service, message.payload) == ("Kiruna", "ground", b"two frames")
        assert (message.frames, message.size_bytes) == ((b"two ", b"frames"), 10**9)
        assert message.delay_s == pytest.approx(DELAY_S)
        (outcome,) = ground.outcomes(GENEROUS_S)
        assert (outcome.reference, outcome.how) == (reference, "done")
        assert ground.outcomes() == []


@pytest.mark.parametrize(
    "payload", [b"", b"x", bytes(3_000_000), bytearray(b"abc"), memoryview(b"abc"), [], [b"", b"a"]]
)
def test_any_payload_arrives_as_it_was(sky: Sky, payload: Any) -> None:
    with Node(sky.endpoint("Kiruna")) as node:
        node.send("Kiruna", payload)
        message = node.receive(GENEROUS_S)
        assert message is not None
        assert message.payload == (b"".join(payload) if isinstance(payload, list) else bytes(payload))


def test_a_node_tells_where_it_is_whom_it_sees_and_what_it_can(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna")) as node:
        assert node.where() == PLACE
        assert node.links() == LINKS.links
        assert node.budget() == Budget(744e12, 0.25, 1.5)
        assert node.now_s() == 100.0
        assert (node.about.epoch_utc, node.about.scenario) == ("2025-10-03T16:00:00Z", "three-body")


def test_questions_and_messages_interleave_without_loss_or_disorder(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna")) as node:
        for number in range(200):  # six times the window
            node.send("Kiruna", str(number).encode())
            if number % 10 == 0:
                assert node.now_s() == 100.0
        got = []
        for _ in range(200):
            message = node.receive(GENEROUS_S)
            assert message is not None
            assert node.budget().busy_share == 0.25
            got.append(int(message.payload))
        assert got == list(range(200))
        done: list[int] = []
        while len(done) < 200:
            done += [outcome.reference for outcome in node.outcomes(GENEROUS_S) if outcome.how == "done"]
        assert done == sorted(done)


def test_a_message_waits_for_the_next_contact(sky: Sky) -> None:
    sky.open = False
    with Node(sky.endpoint("Kiruna")) as ground, Node(sky.endpoint("SCS-01 A")) as satellite:
        ground.send("SCS-01 A", b"x")
        assert satellite.receive(0.15) is None
        assert ground.outcomes() == []
        sky.open = True
        assert satellite.receive(GENEROUS_S) is not None


def test_what_is_sent_to_nobody_is_refused(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna")) as node:
        reference = node.send("Atlantis", b"x")
        (outcome,) = node.outcomes(GENEROUS_S)
        assert (outcome.reference, outcome.how, outcome.reason) == (reference, "refused", "unknown_node")


def test_a_message_over_the_limits_is_refused_and_the_next_is_not(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna")) as node:
        with pytest.raises(NodeRefused, match="send it in parts"):
            node.send("Kiruna", bytes(AppLimits().message_bytes + 1))
        node.send("Kiruna", [b"x"] * 17)
        assert [outcome.reason for outcome in node.outcomes(GENEROUS_S)] == ["too_many_frames"]
        node.send("x" * 100, b"x")
        assert [outcome.reason for outcome in node.outcomes(GENEROUS_S)] == ["bad_field"]
        node.send("Kiruna", b"x")
        assert node.receive(GENEROUS_S) is not None


def test_without_an_endpoint_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORBITMESH_NODE", raising=False)
    with pytest.raises(NodeError, match="set ORBITMESH_NODE"):
        Node()


def test_the_endpoint_comes_from_the_environment(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITMESH_NODE", sky.endpoint("SCS-01 A"))
    with Node() as node:
        assert node.name == "SCS-01 A"


def test_an_endpoint_that_is_none_is_refused() -> None:
    with pytest.raises(NodeError, match="looks like ipc"):
        Node("nonsense")


def test_nobody_there_is_told_by_its_endpoint(sky: Sky) -> None:
    with pytest.raises(NodeUnreachable, match=r"nobody answered at ipc.*elsewhere for 0\.2 s"):
        Node(f"ipc://{sky.folder}/elsewhere", timeout_s=0.2)


def test_a_node_that_does_not_answer_a_question_is_told(sky: Sky) -> None:
    sky.silent = True
    with Node(sky.endpoint("Kiruna"), timeout_s=0.2) as node, pytest.raises(NodeUnreachable, match="not answered"):
        node.where()


def test_a_service_that_is_taken_is_refused(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna"), "s"):
        with pytest.raises(NodeRefused, match="another application serves 's'") as refused:
            Node(sky.endpoint("Kiruna"), "s")
        assert refused.value.code == "service_taken"
    with Node(sky.endpoint("Kiruna"), "s"):  # free again
        pass


def test_another_version_is_refused(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.client.VERSION", 99)
    with pytest.raises(NodeRefused, match="speaks version 1") as refused:
        Node(sky.endpoint("Kiruna"))
    assert refused.value.code == "version"


def test_who_is_no_node_is_told(sky: Sky) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.set(zmq.LINGER, 0)
        router.bind(f"ipc://{sky.folder}/odd")

        def odd() -> None:
            router.send_multipart([router.recv_multipart()[0], b"HTTP/1.1 400 Bad Request"])

        thread = threading.Thread(target=odd)
        thread.start()
        with pytest.raises(NodeError, match="does not speak as a node does"):
            Node(f"ipc://{sky.folder}/odd")
        thread.join()


def test_an_op_from_the_future_is_skipped(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna"), "s") as node:

        def whisper() -> None:
            guests = sky.doors["Kiruna"]._guests
            guests.reply(guests.by_service["s"], msgspec.json.encode({"op": "whisper", "text": "x", "reference": "?"}))

        sky.tell.append(whisper)
        assert node.now_s() == 100.0
        assert node.now_s() == 100.0


def test_it_finds_its_node_again_after_a_restart_and_tells_what_is_unknown(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna"), "s") as node:
        sky.open = False
        reference = node.send("SCS-01 A", b"x")
        assert node.now_s() == 100.0  # so the message has been taken
        sky.restarts.append("Kiruna")
        assert sky.restarted.wait(GENEROUS_S)
        assert node.links() == LINKS.links
        (outcome,) = node.outcomes(GENEROUS_S)
        assert (outcome.reference, outcome.how, outcome.reason) == (reference, "unknown", "node_restarted")
        assert node.about.start == 2


def test_a_program_that_only_listens_is_known_again_after_a_restart(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna"), "s") as listener, Node(sky.endpoint("SCS-01 A")) as sender:
        sky.restarts.append("Kiruna")
        assert sky.restarted.wait(GENEROUS_S)
        sender.send("Kiruna", b"x", service="s")
        assert listener.receive(GENEROUS_S) is not None  # its hello after a quiet second brought it
        assert listener.about.start == 2


def test_the_end_of_the_node_is_told_after_what_came_before(sky: Sky) -> None:
    with Node(sky.endpoint("Kiruna")) as node:
        node.send("Kiruna", b"last")
        assert node.outcomes(GENEROUS_S)[0].how == "done"
        sky.tell.append(lambda: sky.doors["Kiruna"].close("the run is over"))
        message = node.receive(GENEROUS_S)
        assert message is not None
        assert message.payload == b"last"
        with pytest.raises(NodeClosed, match="the run is over"):
            node.receive(GENEROUS_S)
        with pytest.raises(NodeClosed, match="the run is over"):
            node.send("Kiruna", b"x")


def test_closing_twice_does_nothing_and_use_after_it_is_refused(sky: Sky) -> None:
    node = Node(sky.endpoint("Kiruna"))
    node.close()
    node.close()
    with pytest.raises(NodeClosed, match="closed"):
        node.send("Kiruna", b"x")
    with pytest.raises(NodeClosed, match="closed"):
        node.receive(0.1)


def test_two_programs_hold_a_conversation_across_an_outage(sky: Sky) -> None:
    """The shipped examples, as their users start them."""

    def start(program: str, node: str, *arguments: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "ORBITMESH_NODE": sky.endpoint(node), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(ROOT / "examples" / program), "--messages", "3", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    sky.open = False
    with start("satellite.py", "SCS-01 A") as satellite, start("ground.py", "Kiruna", "--to", "SCS-01 A") as ground:
        for _ in range(int(GENEROUS_S * 100)):
            if sky.waiting:
                break
            threading.Event().wait(0.01)
        assert sky.waiting  # the first ping waits for a contact
        sky.open = True
        said, heard = ground.communicate(timeout=GENEROUS_S)[0], satellite.communicate(timeout=GENEROUS_S)[0]
    assert (ground.returncode, satellite.returncode) == (0, 0)
    assert "SCS-01 A is in sight, 4.00 ms away" in said
    assert said.count("0.004000 s on its way") == heard.count("0.004000 s on its way") == 3
    assert "'pong 3 from +12.50, -30.00 at 629 km in sunlight' from SCS-01 A" in said
