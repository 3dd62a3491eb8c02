"""Handshakes: wrong keys are refused, and noticed and counted on both sides; floods of strangers are survived."""

import socket as sockets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import msgspec
import pytest
import zmq

from links.endpoints import bind
from links.errors import WireError
from links.handshakes import SURE, Gate, Watch
from links.keys import Keys, generate, secure_client, secure_server

PLENTY_MS = 20_000  # for what takes a second at most
KEYS = generate()
OTHER = generate()
HALF = msgspec.structs.replace(OTHER, server_public=KEYS.server_public)  # knows where to knock, but not with what


class Pair:
    """A server and a client in contexts of their own, each watched, as two hosts would have them."""

    def __init__(self, server: Keys | None, client: Keys | None, stack: ExitStack, gated: bool = True) -> None:
        here, there = stack.enter_context(zmq.Context()), stack.enter_context(zmq.Context())
        self.gate = stack.enter_context(Gate(here, KEYS)) if gated else None
        self.server: zmq.Socket[bytes] = stack.enter_context(here.socket(zmq.ROUTER))
        self.client: zmq.Socket[bytes] = stack.enter_context(there.socket(zmq.DEALER))
        self.server.linger = self.client.linger = 0
        self.server.handshake_ivl = self.client.handshake_ivl = 300  # of silence; secured sockets set their own
        if server is not None:
            secure_server(self.server, server)
        if client is not None:
            secure_client(self.client, client)
        self.server_watch = stack.enter_context(Watch(self.server))
        self.client_watch = stack.enter_context(Watch(self.client))
        self.endpoint = bind(self.server, "tcp://127.0.0.1:0")

    def until(self, done: Callable[[], bool]) -> None:
        """Do what a loop does, until `done`."""
        poller = zmq.Poller()
        gates = [self.gate.socket] if self.gate else []
        for socket in (*gates, self.server_watch.socket, self.client_watch.socket):
            poller.register(socket, zmq.POLLIN)
        while not done():
            assert poller.poll(PLENTY_MS), (self.server_watch.counts, self.client_watch.counts)
            if self.gate:
                self.gate.serve()
            self.server_watch.notice()
            self.client_watch.notice()


@pytest.fixture
def pair() -> Iterator[Callable[..., Pair]]:
    with ExitStack() as stack:

        def make(server: Keys | None, client: Keys | None, gated: bool = True) -> Pair:
            made = Pair(server, client, stack, gated)
            made.client.connect(made.endpoint)
            made.client.send(b"hello")
            return made

        yield make


@pytest.mark.parametrize("keys", [KEYS, None])
def test_equal_keys_or_none_on_both_sides_talk(keys: Keys | None, pair: Callable[..., Pair]) -> None:
    both = pair(keys, keys)
    both.until(lambda: both.client_watch.ready and both.server_watch.ready)
    assert both.server.poll(PLENTY_MS)
    assert both.server.recv_multipart()[1] == b"hello"
    assert both.client_watch.trouble() == ""
    assert both.client_watch.counts == Counter({"ready": 1})
    assert both.server_watch.counts == Counter({"accepted": 1, "ready": 1})
    assert (both.gate.admitted, both.gate.refused) == (int(keys is not None), 0)


@pytest.mark.parametrize(
    ("server", "client", "at_server", "at_client"),
    [
        (KEYS, HALF, {"wrong_client_key"}, {"wrong_client_key"}),
        (KEYS, OTHER, {"wrong_server_key"}, {"hung_up"}),
        (KEYS, None, {"not_secured", "hung_up"}, {"not_secured", "hung_up"}),
        (None, KEYS, {"not_secured", "hung_up"}, {"not_secured", "hung_up"}),
    ],
    ids=["wrong client key", "wrong server key", "client without", "server without"],
)
def test_a_wrong_key_is_refused_noticed_and_counted_on_both_sides(
    server: Keys | None, client: Keys | None, at_server: set[str], at_client: set[str], pair: Callable[..., Pair]
) -> None:
    both = pair(server, client)
    both.until(lambda: bool(both.client_watch.refusal()) and len(both.server_watch.counts) > 1)
    assert set(both.server_watch.counts) <= at_server | {"accepted"}
    assert both.server_watch.refused > 0
    assert set(both.client_watch.counts) <= at_client
    said = both.client_watch.trouble()
    assert said == both.client_watch.refusal()
    assert both.endpoint in said
    assert "key" in said
    assert "unreachable" not in said
    assert both.gate.admitted == 0
    assert both.gate.refused == int(client is HALF)
    assert not both.server.poll(0)


def test_a_stranger_among_friends_is_counted_with_its_address(pair: Callable[..., Pair]) -> None:
    both = pair(KEYS, HALF)
    both.until(lambda: both.gate.refused > 0)
    assert both.gate.refused_from == Counter({"127.0.0.1": both.gate.refused})
    with both.client.context.socket(zmq.DEALER) as friend:
        friend.linger = 0
        secure_client(friend, KEYS)
        friend.connect(both.endpoint)
        friend.send(b"friend")
        both.until(lambda: both.gate.admitted == 1)
        assert both.server.poll(PLENTY_MS)
        assert both.server.recv_multipart()[1] == b"friend"


def test_without_a_gate_nobody_gets_in(pair: Callable[..., Pair]) -> None:
    both = pair(KEYS, KEYS, gated=False)
    both.until(lambda: both.server_watch.counts["no_gate"] > 0)
    assert not both.client_watch.ready
    assert not both.server.poll(0)


def test_a_context_has_one_gate() -> None:
    with zmq.Context() as context, Gate(context, KEYS), pytest.raises(WireError, match="has a gate already"):
        Gate(context, KEYS)


def test_nobody_there_is_unreachable_and_no_wrong_key(pair: Callable[..., Pair]) -> None:
    both = pair(KEYS, KEYS)
    both.server.unbind(both.endpoint)
    both.client.disconnect(both.endpoint)
    with sockets.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    with both.client.context.socket(zmq.DEALER) as lonely, Watch(lonely) as watch:
        assert watch.trouble().startswith("no answer at all")
        lonely.linger = 0
        secure_client(lonely, KEYS)
        lonely.connect(endpoint)
        while watch.counts["unreachable"] < SURE:
            assert watch.socket.poll(PLENTY_MS)
            watch.notice()
        assert watch.refusal() == ""
        assert watch.trouble() == f"{endpoint} is unreachable: nothing listens there; is it started?"


def test_a_peer_that_goes_away_is_lost_and_found_again(pair: Callable[..., Pair]) -> None:
    both = pair(None, None)
    both.until(lambda: both.client_watch.ready)
    both.server.unbind(both.endpoint)
    both.server.close()
    while both.client_watch.counts["lost"] == 0:
        assert both.client_watch.socket.poll(PLENTY_MS)
        both.client_watch.notice()
    assert not both.client_watch.ready
    assert both.client_watch.refusal() == ""
    assert both.endpoint in both.client_watch.trouble()


def test_something_that_is_open_and_says_nothing_is_told_as_silent() -> None:
    with (
        sockets.create_server(("127.0.0.1", 0)) as mute,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as socket,
        Watch(socket) as watch,
    ):
        socket.linger, socket.handshake_ivl = 0, 100
        socket.connect(f"tcp://127.0.0.1:{mute.getsockname()[1]}")
        while not watch.counts["silent"]:
            assert watch.socket.poll(PLENTY_MS)
            watch.notice()
        assert "does not answer as orbitmesh does" in watch.trouble()


def test_a_flood_of_strangers_that_nobody_reads_about_stops_no_traffic() -> None:
    strangers = 1200  # two events each; at ZeroMQ's own limit libzmq stands still with 2,305 unread
    with (
        zmq.Context() as context,
        Gate(context, KEYS) as gate,
        context.socket(zmq.PULL) as ear,
        context.socket(zmq.PUSH) as mouth,
        Watch(ear) as watch,
    ):
        ear.linger = mouth.linger = 0
        secure_server(ear, KEYS)
        secure_client(mouth, KEYS)
        endpoint = bind(ear, "tcp://127.0.0.1:0")
        port = int(endpoint.rpartition(":")[2])
        for _ in range(strangers):
            with sockets.create_connection(("127.0.0.1", port), timeout=PLENTY_MS / 1e3) as stranger:
                stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        mouth.connect(endpoint)
        mouth.send(b"still here")
        assert gate.socket.poll(PLENTY_MS)
        gate.serve()
        assert ear.poll(PLENTY_MS)
        watch.notice()
        while watch.refused < strangers:
            assert watch.socket.poll(PLENTY_MS)
            watch.notice()
        assert (watch.refused, watch.counts["ready"], gate.refused) == (strangers, 1, 0)
        assert sum(watch.strangers.values()) == strangers  # for most of them libzmq has no reason
        assert watch.strangers["unnamed"] > 0
