"""The door for applications: real ROUTER and DEALER sockets over ipc, one thread, nothing that is said can harm it."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import BadInput
from emulator.live.app_inbox import OVERHEAD_BYTES
from emulator.live.app_requests import AppLimits, Offer, Query, Request
from emulator.live.app_socket import listen
from emulator.live.apps import AppDoor
from nodes.protocol import Arrival, Budget, Link, Links, Time, Welcome

SMALL = AppLimits(
    json_bytes=1000, frames=3, frame_bytes=100_000, message_bytes=150_000, applications=3, services=3,
    inbox_messages=10, inbox_bytes=1_000_000, node_bytes=1_500_000, window_messages=4, window_bytes=400_000, replies=20,
)  # fmt: skip
GENEROUS_MS = 20_000  # only a broken test waits this long
EXAMPLES = Path(__file__).parents[2] / "examples"


class Bench:
    """A door and the applications that knock at it, all in this thread."""

    def __init__(self, limits: AppLimits) -> None:
        self.folder = tempfile.mkdtemp(prefix="om-", dir="/tmp")
        self.endpoint = f"ipc://{self.folder}/apps"
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = listen(self.context, self.endpoint, limits)
        self.start = 1
        self.door = AppDoor(self.socket, limits, self.welcome)
        self.requests: list[Request] = []
        self.dealers: list[zmq.Socket[bytes]] = []

    def welcome(self) -> Welcome:
        return Welcome("SCS-01 A", "2025-10-03T16:00:00Z", "three-body", 1.0, 12.5, self.start)

    def app(self, **options: int) -> "zmq.Socket[bytes]":
        dealer = self.context.socket(zmq.DEALER)
        dealer.set(zmq.LINGER, 0)
        for option, value in options.items():
            dealer.set(getattr(zmq, option), value)
        dealer.connect(self.endpoint)
        self.dealers.append(dealer)
        return dealer

    def turn(self) -> None:
        """Let the door hear one thing more; fails if nothing comes."""
        assert self.socket.poll(GENEROUS_MS)
        self.requests += self.door.receive(1)

    def until(self, done: Callable[[], bool]) -> None:
        for _ in range(GENEROUS_MS):
            if done():
                return
            self.socket.poll(1)
            self.requests += self.door.receive(100)
            self.door.flush()
        raise AssertionError("it did not come about")

    def greet(self, service: str = "", instance: str = "", **options: int) -> "zmq.Socket[bytes]":
        dealer = self.app(**options)
        say(dealer, op="hello", version=1, service=service, instance=instance)
        self.turn()
        assert hear(dealer)["op"] == "welcome"
        return dealer

    def close(self) -> None:
        for socket in (self.socket, *self.dealers):
            socket.close(linger=0)
        self.context.term()
        shutil.rmtree(self.folder)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(SMALL)
    yield bench
    bench.close()


def say(dealer: "zmq.Socket[bytes]", *payload: bytes, **fields: object) -> None:
    dealer.send_multipart([msgspec.json.encode(fields), *payload])


def hear_all(dealer: "zmq.Socket[bytes]") -> tuple[dict[str, Any], list[bytes]]:
    assert dealer.poll(GENEROUS_MS)
    head, *payload = dealer.recv_multipart()
    return msgspec.json.decode(head), payload


def hear(dealer: "zmq.Socket[bytes]") -> dict[str, Any]:
    return hear_all(dealer)[0]


def arrival(number: int, size_bytes: int = 1) -> Arrival:
    return Arrival(f"m{number}", "Kiruna", "ground", 10.0, 10.25, size_bytes)


def test_a_newcomer_is_told_where_it_is(bench: Bench) -> None:
    app = bench.app()
    say(app, op="hello", version=1, service="pong")
    bench.turn()
    assert hear(app) == {
        "op": "welcome", "node": "SCS-01 A", "epoch_utc": "2025-10-03T16:00:00Z", "scenario": "three-body",
        "rate": 1.0, "now_s": 12.5, "start": 1, "version": 1,
        "message_bytes": SMALL.message_bytes,
    }  # fmt: skip
    assert bench.door.services == ("pong",)


def test_what_is_sent_becomes_an_offer_and_its_fate_is_told(bench: Bench) -> None:
    app = bench.greet("ground")
    big = bytes(range(256)) * 100
    say(app, b"small", big, op="send", to="SCS-02 B", service="pong", reference=7, size_bytes=10**9, priority=3)
    bench.turn()
    (offer,) = bench.requests
    assert isinstance(offer, Offer)
    assert (offer.to, offer.service, offer.service_from, offer.size_bytes) == ("SCS-02 B", "pong", "ground", 10**9)
    assert (offer.reference, offer.priority, tuple(map(bytes, offer.payload))) == (7, 3, (b"small", big))
    bench.door.accepted(offer, "b1")
    bench.door.outcome(offer.app, 7, "b1", "lost", "no_contact")
    assert hear(app) == {"op": "accepted", "reference": 7, "id": "b1"}
    assert hear(app) == {"op": "outcome", "reference": 7, "id": "b1", "how": "lost", "reason": "no_contact"}
    bench.door.refuse(offer.app, 8, "unknown_node", "no node is called 'X'")
    assert hear(app) == {"op": "refused", "reference": 8, "code": "unknown_node", "problem": "no node is called 'X'"}
    assert bench.door.refused == {"unknown_node": 1}


def test_unless_stated_a_message_counts_as_its_payload(bench: Bench) -> None:
    app = bench.greet()
    say(app, b"12345", b"678", op="send", to="X", reference=1)
    bench.turn()
    assert isinstance(bench.requests[0], Offer)
    assert bench.requests[0].size_bytes == 8


@pytest.mark.parametrize("what", ["where", "links", "budget", "time"])
def test_questions_reach_the_engine(bench: Bench, what: str) -> None:
    app = bench.greet("s")
    say(app, op=what, reference=5)
    bench.turn()
    (query,) = bench.requests
    assert isinstance(query, Query)
    assert (query.what, query.reference) == (what, 5)


def test_answers_lay_their_fields_beside_the_reference(bench: Bench) -> None:
    app = bench.greet("s", "i")
    bench.door.answer("s@i", 5, Budget(744e12, 0.5, 2.0))
    bench.door.answer("s@i", 6, Links((Link("B", True, 0.01, 1e11), Link("C", False, reason="blocked"))))
    bench.door.answer("s@i", 7, Time(3.5, 10.0))
    assert hear(app) == {
        "op": "answer", "reference": 5, "peak_ops_per_s": 744e12, "busy_share": 0.5, "backlog_s": 2.0,
    }  # fmt: skip
    assert hear(app)["links"] == [
        {"peer": "B", "open": True, "delay_s": 0.01, "bits_per_s": 1e11, "reason": ""},
        {"peer": "C", "open": False, "delay_s": None, "bits_per_s": None, "reason": "blocked"},
    ]
    assert hear(app) == {"op": "answer", "reference": 7, "now_s": 3.5, "rate": 10.0}


HELLO = b'{"op":"hello","version":1}'


@pytest.mark.parametrize(
    ("frames", "code", "with_reference"),
    [
        ([b""], "malformed", False),
        ([b"", HELLO], "malformed", False),  # a REQ socket's empty delimiter
        ([b"\x00\xff\xfe"], "malformed", False),
        ([b'{"op":"\xff"}'], "malformed", False),
        ([b"[]"], "malformed", False),
        ([b'{"op":' + b"[" * 900], "malformed", False),
        ([b'{"a":' * 100 + b"1" + b"}" * 100], "malformed", False),
        ([b'{"op":"hello","op":1}'], "malformed", False),
        ([b'{"op":"where","reference":-1}'], "malformed", False),
        ([b'{"op":"where","reference":1e400}'], "malformed", False),
        ([b'{"op":"where","reference":123456789012345678901234567890}'], "malformed", False),
        ([b'{"op":"fly","reference":9}'], "unknown_op", True),
        ([b'{"op":"welcome"}'], "unknown_op", False),
        ([b" " * 1001], "json_too_big", False),
        ([b'{"op":"where"}'], "bad_field", False),
        ([b'{"op":"send","to":7,"reference":9}'], "bad_field", True),
        ([b'{"op":"send","to":"' + b"x" * 65 + b'","reference":9}'], "bad_field", True),
        ([b'{"op":"send","to":"a\\u001b[2Jb","reference":9}'], "bad_field", True),
        ([b'{"op":"send","to":"a\\n","reference":9}'], "bad_field", True),
        ([b'{"op":"send","to":"B","reference":9,"size_bytes":-5}'], "bad_field", True),
        ([b'{"op":"send","to":"B","reference":9,"size_bytes":1e16}'], "bad_field", True),
        ([b'{"op":"send","to":"B","reference":9,"priority":8}'], "bad_field", True),
        ([b'{"op":"send","to":"B","reference":9,"colour":1}'], "bad_field", True),
        ([b'{"op":"send","to":"B","reference":9,"size_bytes":2}', b"abc"], "size_below_payload", True),
        ([b'{"op":"send","to":"B","reference":9}', *[b"x"] * 4], "too_many_frames", True),
        ([b'{"op":"send","to":"B","reference":9}', b"x" * 100_001], "frame_too_big", True),
        ([b'{"op":"send","to":"B","reference":9}', b"x" * 90_000, b"x" * 90_000], "message_too_big", True),
        ([b'{"op":"time","reference":9}', b"x"], "no_payload_here", True),
        ([b'{"op":"hello","version":2}'], "version", False),
        ([b'{"op":"received","id":"m1"}'], "not_given", False),
    ],
)
def test_what_cannot_be_is_answered_and_counted(
    bench: Bench, frames: list[bytes], code: str, with_reference: bool
) -> None:
    app = bench.greet()
    app.send_multipart(frames)
    bench.turn()
    answer = hear(app)
    assert answer["code"] == code
    assert (answer["op"], answer.get("reference")) == (("refused", 9) if with_reference else ("error", None))
    assert bench.door.refused == {code: 1}
    assert bench.requests == []
    say(app, op="time", reference=1)  # the door lives on
    bench.turn()
    assert len(bench.requests) == 1


def test_who_has_not_said_hello_is_told_to(bench: Bench) -> None:
    app = bench.app()
    say(app, b"x", op="send", to="B", reference=4)
    bench.turn()
    assert (hear(app)["code"], bench.requests) == ("no_hello", [])


FIELD = st.sampled_from(
    ["op", "to", "reference", "service", "size_bytes", "priority", "version", "instance", "id", "x"]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80)
    | st.sampled_from(["hello", "send", "received", "where", "bye", "time", "B"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELD, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_nothing_that_is_said_harms_the_door(bench: Bench) -> None:
    """Random bytes and near-misses of the protocol: each is a request, or answered, or a valid handshake."""
    app = bench.greet("fuzz")
    heard = 0

    @settings(derandomize=True, deadline=None, max_examples=1500, database=None)
    @given(
        st.binary(max_size=200) | st.dictionaries(FIELD, VALUE, max_size=6), st.lists(st.binary(max_size=5), max_size=5)
    )
    def knock(said: bytes | dict[str, object], payload: list[bytes]) -> None:
        nonlocal heard
        head = said if isinstance(said, bytes) else msgspec.json.encode(said)
        before = bench.door.refused.total() + bench.door.counts.total() + len(bench.requests)
        app.send_multipart([head, *payload])
        bench.turn()
        heard += 1
        assert bench.door.refused.total() + bench.door.counts.total() + len(bench.requests) > before
        while app.poll(0):
            app.recv_multipart()

    knock()
    assert heard >= 1000
    other = bench.greet("after")
    assert bench.door.deliver("after", arrival(1), (b"x",))
    assert hear(other)["id"] == "m1"


def test_messages_come_with_their_payload_and_wait_for_a_service_that_is_not_there_yet(bench: Bench) -> None:
    big = bytes(99_999)
    assert bench.door.deliver("pong", arrival(1), (b"a", memoryview(big)))
    app = bench.greet("pong")
    head, payload = hear_all(app)
    assert head == {
        "op": "message", "id": "m1", "from": "Kiruna", "service_from": "ground", "sent_s": 10.0, "arrived_s": 10.25,
        "size_bytes": 1,
    }  # fmt: skip
    assert payload == [b"a", big]
    assert bench.door.held_bytes > len(big)
    say(app, op="received", id="m1")
    bench.turn()
    assert bench.door.held_bytes == 0


def test_a_program_that_does_not_confirm_gets_no_more_than_the_window(bench: Bench) -> None:
    app = bench.greet("s")
    for number in range(8):
        assert bench.door.deliver("s", arrival(number), (b"x",))
    assert bench.door.counts["given"] == SMALL.window_messages
    for number in range(8):
        assert hear(app)["id"] == f"m{number}"  # in order
        say(app, op="received", id=f"m{number}")
        bench.turn()
    assert (bench.door.counts["received"], bench.door.held_bytes) == (8, 0)


def test_large_messages_have_a_window_in_bytes(bench: Bench) -> None:
    bench.greet("s")
    for number in range(6):
        assert bench.door.deliver("s", arrival(number), (bytes(150_000),))
    assert bench.door.counts["given"] == 2  # 3 x 150 kB are over 400 kB


def test_a_full_inbox_refuses_and_counts(bench: Bench) -> None:
    for number in range(10):
        assert bench.door.deliver("nobody", arrival(number), (b"x",))
    assert not bench.door.deliver("nobody", arrival(10), (b"x",))  # messages
    for number in range(9):
        assert bench.door.deliver("big", arrival(number), (bytes(100_000),))
    assert not bench.door.deliver("big", arrival(9), (bytes(100_000),))  # bytes of the service
    for number in range(4):
        assert bench.door.deliver("third", arrival(number), (bytes(140_000),))
    assert not bench.door.deliver("third", arrival(5), (bytes(140_000),))  # bytes of the node
    assert bench.door.refused == {"inbox_full": 3}
    assert not bench.door.deliver("fourth", arrival(1), ())
    assert bench.door.refused["too_many_services"] == 1
    assert bench.door.held_bytes <= SMALL.node_bytes


def test_a_message_delivered_twice_is_kept_once(bench: Bench) -> None:
    assert bench.door.deliver("s", arrival(1), (b"x",))
    assert bench.door.deliver("s", arrival(1), (b"x",))
    assert bench.door.counts["duplicate"] == 1
    assert bench.door.held_bytes < 2 * OVERHEAD_BYTES


def test_a_service_has_one_application_until_it_leaves(bench: Bench) -> None:
    first = bench.greet("s", "one")
    second = bench.app()
    say(second, op="hello", version=1, service="s", instance="two")
    bench.turn()
    assert hear(second)["code"] == "service_taken"
    assert hear(first) == {"op": "ping"}
    say(first, op="bye")
    bench.turn()
    say(second, op="hello", version=1, service="s", instance="two")
    bench.turn()
    assert hear(second)["op"] == "welcome"
    assert bench.door.services == ("s",)


def test_the_successor_of_a_program_that_died_gets_what_that_one_left_unread(bench: Bench) -> None:
    first = bench.greet("s")
    for number in range(3):
        assert bench.door.deliver("s", arrival(number), (b"x",))
    say(first, op="received", id="m0")
    bench.turn()
    first.close()  # without bye
    second = bench.app()
    answers: list[str] = []

    def came_in() -> bool:
        if not answers or answers[-1] == "service_taken":
            say(second, op="hello", version=1, service="s")
            bench.turn()
            answer = hear(second)
            answers.append(answer.get("code", answer["op"]))
        return answers[-1] == "welcome"

    bench.until(came_in)
    assert [hear(second)["id"], hear(second)["id"]] == ["m1", "m2"]
    assert bench.door.counts["vanished"] == 1


def test_the_same_program_on_a_new_connection_goes_on_where_it_was(bench: Bench) -> None:
    first = bench.greet("s", "mine")
    assert bench.door.deliver("s", arrival(1), (b"x",))
    say(first, op="send", to="B", reference=3)
    bench.turn()
    first.close()
    bench.greet("s", "mine").close()
    second = bench.greet("s", "mine")
    bench.door.outcome(bench.requests[0].app, 3, "b3", "done")
    assert sorted([hear(second)["op"], hear(second)["op"]]) == ["message", "outcome"]


def test_hello_again_does_no_harm(bench: Bench) -> None:
    app = bench.greet("s", "mine")
    assert bench.door.deliver("s", arrival(1), (b"x",))
    say(app, op="hello", version=1, service="s", instance="mine")
    bench.turn()
    assert [hear(app)["op"], hear(app)["op"]] == ["message", "welcome"]
    assert bench.door.counts["given"] == 1


def test_one_connection_that_changes_its_service_leaves_the_first(bench: Bench) -> None:
    app = bench.greet("a")
    say(app, op="hello", version=1, service="b")
    bench.turn()
    assert (hear(app)["op"], bench.door.services) == ("welcome", ("b",))


def test_a_node_serves_so_many_applications_and_makes_room_when_some_are_gone(bench: Bench) -> None:
    apps = [bench.greet(str(number)) for number in range(3)]
    fourth = bench.app()
    say(fourth, op="hello", version=1, service="4")
    bench.turn()
    assert hear(fourth)["code"] == "too_many_applications"
    apps[1].close()
    answers: list[str] = []

    def came_in() -> bool:
        say(fourth, op="hello", version=1, service="4")
        bench.turn()
        answers.append(hear(fourth)["op"])
        return answers[-1] == "welcome"

    bench.until(came_in)
    assert set(bench.door.services) == {"0", "2", "4"}


def test_a_program_that_takes_no_answers_is_forgotten_and_others_are_served(bench: Bench) -> None:
    """It asks and never reads: its pipe fills, then a bounded queue, then it is out; memory stays bounded."""
    mute = bench.greet("mute", RCVHWM=1)
    other = bench.greet("other")
    asked = 0
    while not bench.door.counts["not_reading"]:
        asked += 1
        assert asked < 1_000_000
        say(mute, op="time", reference=asked)
        bench.turn()
        bench.door.refuse("mute@" + bench.requests.pop().app.partition("@")[2], asked, "x", "y" * 4000)
    assert bench.door.services == ("other",)
    assert not bench.door.held_back
    assert bench.door.deliver("other", arrival(1), (b"x",))
    assert hear(other)["id"] == "m1"
    assert bench.door.counts["unclaimed"] == SMALL.replies + 1


def test_what_a_full_pipe_held_back_comes_with_flush(bench: Bench) -> None:
    slow = bench.greet("slow", "i", RCVHWM=1)
    told = 0
    while not bench.door.held_back:
        bench.door.refuse("slow@i", told, "x", "y" * 4000)
        told += 1
    bench.door.outcome("slow@i", 77, "b", "done")
    seen: list[dict[str, Any]] = []

    def all_came() -> bool:
        while slow.poll(0):
            seen.append(hear(slow))
        return bool(seen) and seen[-1]["op"] == "outcome"

    bench.until(all_came)
    assert [answer["reference"] for answer in seen] == [*range(told), 77]
    assert not bench.door.held_back


def test_answers_for_nobody_are_counted(bench: Bench) -> None:
    bench.door.outcome("gone@x", 1, "b", "done")
    assert bench.door.counts["unclaimed"] == 1


def test_applications_are_told_that_the_node_ends(bench: Bench) -> None:
    app = bench.greet("s")
    bench.door.close("the run is over")
    assert hear(app) == {"op": "bye", "reason": "the run is over"}


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("tcp://0.0.0.0:5555", "has no keys"),
        ("tcp://*:5555", "has no keys"),
        ("nonsense", "has no keys"),
        ("ipc:///nowhere/at/all", "cannot be served"),
        ("ipc://" + "x" * 200, "cannot be served"),
    ],
)
def test_a_door_that_cannot_be_is_refused(endpoint: str, words: str) -> None:
    with zmq.Context() as context, pytest.raises(BadInput, match=words):
        listen(context, endpoint, SMALL)


def test_a_taken_port_is_refused_by_name() -> None:
    with zmq.Context() as context, listen(context, "tcp://127.0.0.1:*", SMALL) as first:
        endpoint = first.get_string(zmq.LAST_ENDPOINT)
        with pytest.raises(BadInput, match=r"127\.0\.0\.1.*in use"):
            listen(context, endpoint, SMALL)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_program_in_c_lives_on_a_node(bench: Bench) -> None:
    """The shipped example, compiled as its head says: it echoes messages with quotes in names and any payload."""
    program = f"{bench.folder}/node_app"
    found = subprocess.run(
        ["cc", "-E", "-x", "c", "-"], input="#include <zmq.h>", capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("no zmq.h: libzmq's development files are not installed")
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", program, EXAMPLES / "node_app.c", "-lzmq"], check=True)
    payloads = [(b"hello", bytes(range(256)) * 300), (), (b"",)]
    source = 'Ki"ru\\na, }:"from":ä'
    with subprocess.Popen([program, "3"], env={"ORBITMESH_NODE": bench.endpoint}, stdout=subprocess.PIPE) as process:
        for number, payload in enumerate(payloads):
            head = Arrival(f"id{number}", source, "s", 1.0, 1.25, 5)
            assert bench.door.deliver("echo", head, payload)
        bench.until(lambda: process.poll() is not None and bench.door.counts["bye"] == 1)
        output = (process.stdout or pytest.fail("no output")).read()
    assert process.returncode == 0
    assert output.count(b"0.250000 s on its way") == 3
    assert bench.door.counts["received"] == 3
    assert [(r.to, tuple(map(bytes, r.payload))) for r in bench.requests if isinstance(r, Offer)] == [
        (source, payload) for payload in payloads
    ]
