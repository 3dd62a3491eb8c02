"""What a node's reception adds to its door: stated sizes arrive, and its socket's file goes with it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zmq

from emulator.live.cargo import Tag
from emulator.live.control import Welcome
from emulator.live.reception import Reception
from workloads.inference import Products


@pytest.fixture
def folder() -> Iterator[Path]:
    """Sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="om-", dir="/tmp") as made:
        yield Path(made)


def test_a_message_tells_its_stated_size_and_a_closed_reception_leaves_no_socket(folder: Path) -> None:
    welcome = Welcome(
        node="B", epoch=1, run=b"", scenario="", scenario_sha256="", epoch_utc="2025-10-03T16:00:00Z", nodes=["A", "B"],
        ear="", door=f"ipc://{folder}/door", models=[], products=Products(), tiles=1, spin_s=0.0, held_bytes=0,
    )  # fmt: skip
    with zmq.Context() as context, context.socket(zmq.DEALER) as program:
        program.linger = 0
        reception = Reception(context, welcome, lambda: 1.0, lambda: 1.0)
        assert list(folder.iterdir()) == [folder / "door"]
        assert reception.deliver(Tag("A", "B", "from", "to", 0.5, 10**10), "b1", 1.0, [b"ten bytes?"])
        program.connect(reception.endpoint)
        program.send(b'{"op":"hello","version":1,"service":"to"}')
        while not program.poll(1):
            reception.receive(1)
        assert msgspec.json.decode(program.recv())["op"] == "welcome"
        while not program.poll(1):
            reception.receive(1)
        head, payload = program.recv_multipart()
        assert msgspec.json.decode(head) == {
            "op": "message", "id": "b1", "from": "A", "service_from": "from", "sent_s": 0.5, "arrived_s": 1.0,
            "size_bytes": 10**10,
        }  # fmt: skip
        assert payload == b"ten bytes?"
        reception.close("over")
        assert list(folder.iterdir()) == []
