"""A node's first words to a coordinator that does not want it."""

import os
import threading
from collections.abc import Iterator

import pytest
import zmq

from emulator.errors import BadInput
from emulator.live.join import Introduction, Line
from emulator.live.wait import Waiter
from links.handshakes import Gate
from links.keys import Keys, generate, secure_server


@pytest.fixture
def coordinator() -> Iterator[tuple[str, Keys]]:
    """Where one listens that knows another client's key, and the keys that it refuses."""
    server, other = generate(), generate()
    mixed = Keys(server.format, server.server_public, server.server_secret, other.client_public, other.client_secret)
    ended = threading.Event()
    with zmq.Context() as context, Gate(context, server) as gate, context.socket(zmq.ROUTER) as socket:
        secure_server(socket, server)
        socket.bind("tcp://127.0.0.1:*")

        def serve() -> None:
            while not ended.is_set():
                gate.socket.poll(20)
                gate.serve()

        thread = threading.Thread(target=serve)
        thread.start()
        yield socket.get_string(zmq.LAST_ENDPOINT), mixed
        ended.set()
        thread.join()


def test_a_refusal_that_comes_before_the_hello_is_told_and_nothing_waits(coordinator: tuple[str, Keys]) -> None:
    endpoint, keys = coordinator
    reader, writer = os.pipe()
    with Waiter() as waiter, zmq.Context() as context:
        line = Line(context, Introduction(endpoint, keys=keys), waiter, reader)
        while not line.watch.refusal():
            waiter.wait(None)
            line.watch.notice()
        line.hello()  # stood still for ever when it was to wait
        with pytest.raises(BadInput, match="refuses this key"):
            line.welcome()
        line.close()
    os.close(reader)
    os.close(writer)
