"""What a connection over ipc may hold in the kernel, read back from the connection itself."""

import os
import socket as sockets
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import zmq

from links.room import ROOM_BYTES, Room

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which Linux has")


def send_buffers_bytes(path: str) -> list[int]:
    """Of every connection of this process to the ear at `path`."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError), sockets.socket(fileno=os.dup(int(name))) as each:
            if each.family == sockets.AF_UNIX and each.getpeername() == path:
                found.append(each.getsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF))
    return found


def test_each_new_connection_gets_room(tmp_path: Path) -> None:
    path = str(tmp_path / "ear")
    most_bytes = int(Path("/proc/sys/net/core/wmem_max").read_text())
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        room = Room(push, f"ipc://{path}")
        push.connect(f"ipc://{path}")
        for _ in range(2):  # the second time the ear has come back, and ZeroMQ connects anew by itself
            with context.socket(zmq.PULL) as pull:
                pull.bind(f"ipc://{path}")
                while not pull.poll(20):  # what went to the old connection is lost
                    push.send(b"there")
                room.widen()
                assert send_buffers_bytes(path) == [2 * min(ROOM_BYTES, most_bytes)]  # socket(7): the kernel doubles it
        room.close()
        room.close()


def test_other_transports_are_left_alone(tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        before = set(os.listdir("/proc/self/fd"))
        room = Room(push, "inproc://here")
        room.widen()
        assert set(os.listdir("/proc/self/fd")) == before
        room.close()
