"""What a node keeps so that it can send it again: until the next node has it, and no longer. Real sockets."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from emulator.live.control import Link, Put, Welcome
from emulator.live.exits import Exits
from links.envelope import Limits
from links.wire import Ear
from workloads.inference import Products

RUN = bytes(16)


@pytest.fixture
def exits() -> Iterator[Exits]:
    welcome = Welcome(
        node="A", epoch=1, run=RUN, scenario="", scenario_sha256="", epoch_utc="", nodes=["A", "B"], ear="", door="",
        models=[], products=Products(), tiles=1, spin_s=0.0, held_bytes=0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="om-", dir="/tmp") as folder, zmq.Context() as context:
        ear = Ear(context, f"ipc://{Path(folder) / 'b'}", RUN, Limits())
        made = Exits(context, welcome, Limits(), None)
        made.open(Link(1, "B", ear.endpoint))
        yield made
        made.close()
        ear.close()


def put(letter: str, contact: int = 1) -> Put:
    return Put(letter, contact, 4, 1, 0.0, 1.0)


def test_what_the_next_node_has_is_let_go(exits: Exits) -> None:
    assert exits.put(put("bundle:1:x"), [b"data"])
    assert exits.again("bundle:1:x")
    assert exits.settled("bundle:1:x")
    assert not exits.again("bundle:1:x")


def test_what_has_come_to_its_end_is_let_go_whichever_letter_carried_it(exits: Exits) -> None:
    assert exits.put(put("bundle:1:x"), [b"data"])
    assert exits.put(put("bundle:2:x"), [b"data"])  # once more, another way
    exits.forget("bundle:x")
    assert not exits.again("bundle:1:x")
    assert not exits.again("bundle:2:x")


def test_an_old_letter_settles_nothing_that_left_again_since(exits: Exits) -> None:
    assert exits.put(put("bundle:1:x"), [b"data"])
    assert exits.put(put("bundle:5:x"), [b"data"])
    assert not exits.settled("bundle:1:x")
    assert exits.again("bundle:5:x")


def test_a_contact_that_is_not_open_is_said_so(exits: Exits) -> None:
    assert not exits.put(put("raw:1:t", contact=9), [])
    assert not exits.again("raw:1:t")
