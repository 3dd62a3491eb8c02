"""Letters over real ZeroMQ sockets: each is handed out once, whatever else arrives is counted by reason."""

import shutil
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from links.envelope import WHOLE_BYTES, Letter, Limits, Refused
from links.errors import WireError
from links.window import GAPS, REACH, Window
from links.wire import CONTACTS, Ear, Outbound, Receipt, is_local

RUN = bytes(range(16))
LIMITS = Limits()
PATIENCE_MS = 20_000


def letters(*names: str, size_bytes: int = 1_000_000) -> list[Letter]:
    return [Letter(name, size_bytes, 2.0, 1.0) for name in names]


def patient(ear: Ear, messages: int) -> list[Receipt]:
    """What has come in once that many ZeroMQ messages have."""
    found: list[Receipt] = []
    for _ in range(messages):
        assert ear.socket.poll(PATIENCE_MS), "nothing came"
        found += ear.receive(1)
    return found


class Kit:
    """A context, a folder for ipc, and what is to be closed at the end."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="om-", dir="/tmp")
        self.context = zmq.Context()
        self.ends: list[Ear | Outbound] = []

    def ear(self, limits: Limits = LIMITS, **more: object) -> Ear:
        ear = Ear(self.context, f"ipc://{self.folder}/{len(self.ends)}", RUN, limits, **more)  # type: ignore[arg-type]
        self.ends.append(ear)
        return ear

    def outbound(self, ear: Ear, contact: int = 5, sender: str = "A", epoch: int = 1, **more: object) -> Outbound:
        made = Outbound(self.context, ear.endpoint, RUN, sender, epoch, contact, LIMITS, **more)  # type: ignore[arg-type]
        self.ends.append(made)
        return made

    def close(self) -> None:
        for end in self.ends:
            end.close()
        self.context.term()
        shutil.rmtree(self.folder)


@pytest.fixture
def kit() -> Iterator[Kit]:
    made = Kit()
    yield made
    made.close()


def test_letters_arrive_in_order_with_their_parts(kit: Kit) -> None:
    ear = kit.ear()
    out = kit.outbound(ear)
    large = np.random.default_rng(1).bytes(3 * WHOLE_BYTES)
    assert out.send(letters("a", "b"), [[b"one", large, b""], []])
    assert out.send(letters("c"), [[bytearray(b"two")]])
    a, b, c = patient(ear, 2)
    assert [(r.letter.id, r.sequence) for r in (a, b, c)] == [("a", 0), ("b", 1), ("c", 2)]
    assert (a.sender, a.epoch, a.contact) == ("A", 1, 5)
    assert (a.parts, b.parts, c.parts) == ([b"one", large, b""], [], [b"two"])
    assert (out.next_sequence, out.sent_letters, ear.received_letters) == (3, 3, 3)
    assert out.sent_bytes == ear.received_bytes > len(large)
    assert not ear.waiting
    assert ear.receive(10) == []
    assert not ear.refused


def test_a_letter_sent_again_is_handed_out_once(kit: Kit) -> None:
    ear = kit.ear()
    out = kit.outbound(ear)
    assert out.send(letters("a", "b"), [[], []])
    assert out.resend(1, letters("b"), [[]])
    assert out.resend(0, letters("a", "b"), [[], []])
    assert [r.letter.id for r in patient(ear, 3)] == ["a", "b"]
    assert (ear.duplicates, out.resent_letters, out.next_sequence) == (3, 2 + 1, 2)


def test_out_of_order_is_taken_and_a_resend_fills_the_gap(kit: Kit) -> None:
    ear = kit.ear()
    out = kit.outbound(ear)
    for first in (3, 0, 5, 4, 3, 1):
        assert out.resend(first, letters(f"m{first}"), [[]])
    assert [r.sequence for r in patient(ear, 6)] == [3, 0, 5, 4, 1]
    assert ear.duplicates == 1


def test_an_older_epoch_is_stale_and_a_newer_one_begins_anew(kit: Kit) -> None:
    ear = kit.ear()
    old, new, other = kit.outbound(ear, epoch=1), kit.outbound(ear, epoch=2), kit.outbound(ear, sender="B", epoch=0)
    for out, taken in ((old, 2), (new, 2), (old, 0), (other, 2), (new, 2)):
        assert out.send(letters("a", "b"), [[], []])
        assert len(patient(ear, 1)) == taken
    assert ear.refused == {"stale_epoch": 2}
    assert ear.duplicates == 0


def test_a_contact_that_is_over_stays_over(kit: Kit) -> None:
    ear = kit.ear()
    outs = [kit.outbound(ear, contact=number) for number in range(CONTACTS + 1)]
    for out in outs:
        assert out.send(letters("a"), [[]])
        assert len(patient(ear, 1)) == 1
    assert outs[0].send(letters("b"), [[]])
    assert patient(ear, 1) == []
    assert outs[1].resend(0, letters("a"), [[]])
    assert patient(ear, 1) == []
    assert (ear.refused, ear.duplicates) == ({"contact_over": 1}, 1)


def test_reopened_contacts_count_on(kit: Kit) -> None:
    ear = kit.ear()
    out = kit.outbound(ear)
    assert out.send(letters("a", "b"), [[], []])
    assert len(patient(ear, 1)) == 2
    out.close()
    again = kit.outbound(ear, first=out.next_sequence)
    assert again.send(letters("c"), [[]])
    assert [r.sequence for r in patient(ear, 1)] == [2]


def test_an_ear_that_comes_late_takes_what_comes_and_what_is_sent_again(kit: Kit) -> None:
    ear = kit.ear()
    out = kit.outbound(ear, first=70_000)
    assert out.send(letters("new"), [[]])
    assert out.resend(69_000, letters("old"), [[]])
    assert out.resend(69_000, letters("old"), [[]])
    assert [r.sequence for r in patient(ear, 3)] == [70_000, 69_000]
    assert out.resend(70_001 + REACH + 1, letters("far"), [[]])
    assert patient(ear, 1) == []
    assert (ear.duplicates, ear.refused) == (1, {"too_far_ahead": 1})


def test_a_full_queue_says_so_and_loses_nothing(kit: Kit) -> None:
    ear = kit.ear(queue=2)
    out = kit.outbound(ear, queue=2)
    large = bytes(4 * WHOLE_BYTES)
    sent = 0
    while out.send(letters(f"m{sent}"), [[large, b"small", large]]):
        sent += 1
        assert sent < 10_000
    assert out.refused == {"full": 1}
    assert out.next_sequence == out.sent_letters == sent
    found = patient(ear, sent)
    assert [r.letter.id for r in found] == [f"m{k}" for k in range(sent)]
    assert all(r.parts == [large, b"small", large] for r in found)
    assert out.socket.poll(PATIENCE_MS, zmq.POLLOUT)
    assert out.send(letters("after"), [[]])
    assert [(r.letter.id, r.sequence) for r in patient(ear, 1)] == [("after", sent)]


def test_a_letter_refused_at_the_sender_takes_no_number(kit: Kit) -> None:
    ear = kit.ear()
    out = kit.outbound(ear)
    with pytest.raises(Refused, match="too small"):
        out.send(letters("a", size_bytes=2), [[b"three"]])
    assert (out.refused, out.next_sequence, out.sent_bytes) == ({"malformed": 1}, 0, 0)


def test_strangers_are_counted_and_do_no_harm(kit: Kit) -> None:
    """20,000 messages of every bad kind through a real socket, a good one after each thousand."""
    limits = Limits(frames=4, frame_bytes=80_000, message_bytes=160_000, letters=8)
    ear = kit.ear(limits)
    out = kit.outbound(ear)
    stranger = kit.context.socket(zmq.PUSH)
    stranger.connect(ear.endpoint)
    draw = np.random.default_rng(3)
    good = [bytes(frame) for frame in out.seal(0, letters("x"), [[b"data", bytes(WHOLE_BYTES)]])]
    foreign = Outbound(kit.context, ear.endpoint, bytes(16), "A", 1, 5, LIMITS)
    kit.ends.append(foreign)
    kinds = (
        lambda: [draw.bytes(draw.integers(100))],
        lambda: [good[0][: draw.integers(len(good[0]))], good[1]],
        lambda: [good[0]],
        lambda: [b""] * int(draw.integers(1, 20)),
        lambda: [bytes(80_001)],
        lambda: [bytes(60_000)] * 3,
        lambda: [b"\x91" * int(draw.integers(1, 5_000))],
        lambda: foreign.seal(0, letters("x"), [[]]),
    )
    counted = taken = 0
    for batch in range(20):
        for _ in range(1000):
            stranger.send_multipart(kinds[draw.integers(len(kinds))]())
            if ear.waiting:
                taken += len(ear.receive(1000))
        assert out.send(letters(f"good{batch}"), [[b"data"]])
    while counted < 20_000:
        assert ear.waiting or ear.socket.poll(PATIENCE_MS)
        taken += len(ear.receive(1000))
        counted = sum(ear.refused.values())
    while taken < 20:
        assert ear.socket.poll(PATIENCE_MS)
        taken += len(ear.receive(1000))
    stranger.close(linger=0)
    assert (counted, taken, ear.duplicates) == (20_000, 20, 0)
    assert set(ear.refused) == {"malformed", "version", "checksum", "too_large", "too_many", "run"}


def test_a_frame_beyond_all_limits_cuts_only_its_own_connection(kit: Kit) -> None:
    ear = kit.ear(Limits(message_bytes=100_000))
    out = kit.outbound(ear)
    with kit.context.socket(zmq.PUSH) as stranger:
        stranger.linger = 0
        stranger.connect(ear.endpoint)
        monitor = stranger.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        stranger.send(bytes(100_001))
        assert monitor.poll(PATIENCE_MS), "it was not cut"
        stranger.disable_monitor()
        monitor.close(linger=0)
    assert out.send(letters("a"), [[]])
    assert len(patient(ear, 1)) == 1


def test_curve_lets_in_only_who_has_the_key(kit: Kit) -> None:
    public, secret = zmq.curve_keypair()

    def serve(socket: "zmq.Socket[bytes]") -> None:
        socket.curve_server = True
        socket.curve_secretkey = secret

    def join(key: bytes) -> "object":
        def secure(socket: "zmq.Socket[bytes]") -> None:
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
            socket.curve_serverkey = key

        return secure

    ear = Ear(kit.context, "tcp://127.0.0.1:*", RUN, LIMITS, secure=serve)
    kit.ends.append(ear)
    assert not ear.endpoint.endswith("*")
    plain, wrong = kit.outbound(ear, sender="plain"), kit.outbound(ear, sender="B", secure=join(zmq.curve_keypair()[0]))
    right = kit.outbound(ear, sender="right", secure=join(public))
    for out in (plain, wrong, right):
        assert out.send(letters("a"), [[b"data"]])
    assert [r.sender for r in patient(ear, 1)] == ["right"]
    assert not ear.refused


def test_only_local_endpoints_are_open_without_keys(kit: Kit) -> None:
    assert all(map(is_local, ("ipc:///x", "inproc://x", "tcp://127.0.0.1:5", "tcp://[::1]:5", "tcp://localhost:*")))
    for endpoint in ("tcp://*:5555", "tcp://0.0.0.0:5555", "tcp://192.0.2.1:5", "tcp://127.example.com:5", "udp://x:1"):
        assert not is_local(endpoint)
        with pytest.raises(WireError, match="CURVE"):
            Ear(kit.context, endpoint, RUN, LIMITS)
        with pytest.raises(WireError, match="CURVE"):
            Outbound(kit.context, endpoint, RUN, "A", 0, 0, LIMITS)


def test_ends_that_cannot_be_say_which_and_why(kit: Kit) -> None:
    first = Ear(kit.context, "tcp://127.0.0.1:*", RUN, LIMITS)
    kit.ends.append(first)
    with pytest.raises(WireError, match=rf"cannot bind {first.endpoint}: Address already in use"):
        Ear(kit.context, first.endpoint, RUN, LIMITS)
    with pytest.raises(WireError, match=r"cannot bind ipc:///.*long"):
        Ear(kit.context, f"ipc:///{'x' * 200}", RUN, LIMITS)
    with pytest.raises(WireError, match=r"cannot connect to tcp://127\.0\.0\.1:nonsense"):
        Outbound(kit.context, "tcp://127.0.0.1:nonsense", RUN, "A", 0, 0, LIMITS)
    for run, sender, epoch in ((b"short", "A", 0), (RUN, "", 0), (RUN, "x" * 201, 0), (RUN, "A", -1)):
        with pytest.raises(WireError, match="no address"):
            Outbound(kit.context, "inproc://x", run, sender, epoch, 0, LIMITS)
    with pytest.raises(WireError, match="a run has 16 bytes"):
        Ear(kit.context, "inproc://x", b"short", LIMITS)


def speak(endpoint: str, epoch: int) -> None:
    """Another process: sends ten letters, each twice."""
    with zmq.Context() as context:
        out = Outbound(context, endpoint, RUN, "A", epoch, 0, LIMITS)
        for k in range(10):
            assert out.send(letters(f"m{k}"), [[bytes([k]) * WHOLE_BYTES]])
            assert out.resend(k, letters(f"m{k}"), [[bytes([k]) * WHOLE_BYTES]])
        out.close(PATIENCE_MS)


def test_a_process_that_comes_back_with_a_new_epoch_is_heard(kit: Kit) -> None:
    ear = kit.ear()
    for epoch in (1, 2):
        process = get_context("spawn").Process(target=speak, args=(ear.endpoint, epoch))
        process.start()
        found = patient(ear, 20)
        process.join(PATIENCE_MS / 1000)
        assert process.exitcode == 0
        assert [(r.sequence, r.epoch, bytes(r.parts[0][:1])) for r in found] == [
            (k, epoch, bytes([k])) for k in range(10)
        ]
    assert (ear.duplicates, ear.refused) == (20, {})


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5)), max_size=80))
def test_a_window_takes_each_number_once(runs: list[tuple[int, int]]) -> None:
    """Against the plainest model: a set of all that was ever taken."""
    taken: set[int] = set()
    window = Window(runs[0][0] if runs else 0)
    for first, count in runs:
        if window.admit_run(first, count):
            assert taken.isdisjoint(range(first, first + count))
            taken.update(range(first, first + count))
            continue
        for sequence in range(first, first + count):
            assert window.admit(sequence) == ("duplicate" if sequence in taken else "new")
            taken.add(sequence)


def test_a_window_forgets_the_oldest_gap_and_closes_it() -> None:
    window = Window(0)
    assert all(window.admit(2 * k + 1) == "new" for k in range(GAPS + 1))
    assert len(window.gaps) == GAPS
    assert window.admit(0) == "too_late"
    assert window.admit(2) == "new"
    assert window.admit(2) == "duplicate"
    assert window.admit(window.next + REACH) == "new"
    assert window.admit(window.next + REACH + 1) == "too_far_ahead"
    assert window.admit(window.next) == "new"
