"""Room in the kernel for what was sent over ipc, so that sender and receiver need not take turns.

Linux gives a Unix-domain socket 208 KiB (`net.core.wmem_default`): a message of 1 MB then takes five rounds of filling,
waking the receiver, emptying and waking the sender. ZeroMQ's SNDBUF is for TCP only, whose buffers grow by themselves;
here the socket's monitor tells of each new connection, and its buffer is enlarged as far as `net.core.wmem_max` allows.
"""

import os
import socket as sockets
import struct
from contextlib import suppress
from typing import Any

import zmq

READABLE = int(zmq.POLLIN)
ROOM_BYTES = 1 << 20  # Linux doubles it; messages of 1 MB: 0.66 of bare pyzmq's rate without, 0.8 to 1.0 with


class Room:
    """Enlarges the send buffer of every connection that a socket makes over ipc."""

    def __init__(self, socket: "zmq.Socket[Any]", endpoint: str) -> None:
        """Before the socket is connected; does nothing for other transports, nor where there are no such sockets."""
        self._watched = socket
        self._news: zmq.Socket[Any] | None = None
        if endpoint.startswith("ipc://") and hasattr(sockets, "AF_UNIX"):
            self._news = socket.get_monitor_socket(zmq.EVENT_CONNECTED)

    def widen(self) -> None:
        """Enlarge what was connected since the last call; never waits."""
        news = self._news
        while news is not None and int(news.getsockopt(zmq.EVENTS)) & READABLE:
            head, _ = news.recv_multipart()
            _widen(struct.unpack("=Hi", head)[1])  # zmq_socket_monitor(3): of this event, the file descriptor

    def close(self) -> None:
        """Before the socket is closed, or after."""
        if self._news is not None:
            if not self._watched.closed:
                self._watched.disable_monitor()
            self._news.close(0)
            self._news = None


def _widen(descriptor: int) -> None:
    """ZeroMQ may have closed it meanwhile, and something else may have been opened under its number."""
    with suppress(OSError), sockets.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family == sockets.AF_UNIX and connection.type == sockets.SOCK_STREAM:
            connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, ROOM_BYTES)
