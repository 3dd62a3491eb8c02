"""The socket at which a node's applications knock: bound with limits, and sending that neither waits nor lies."""

from typing import Literal

import zmq

from emulator.errors import BadInput
from emulator.live.app_requests import AppLimits
from links.endpoints import bind
from links.errors import LinkError
from links.wire import is_local

QUEUED_MESSAGES = 16  # read ahead from one application; bounds its memory to this many times `message_bytes` [guess]
LINGER_MS = 200  # for the last `bye` to leave when the run ends; a program that does not read holds up no more [guess]

Sent = Literal["sent", "full", "gone"]


def listen(context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str, limits: AppLimits) -> zmq.Socket[bytes]:
    """A ROUTER bound to `endpoint` with the limits that must be set before binding. Raises BadInput if it cannot be."""
    if not is_local(endpoint):
        raise BadInput(f"applications reach a node by ipc or the loopback, not at {endpoint!r}: the door has no keys")
    socket = context.socket(zmq.ROUTER)
    socket.set(zmq.RCVHWM, QUEUED_MESSAGES)
    # libzmq cuts the connection of whoever exceeds this; what is only a little too big still gets an answer.
    socket.set(zmq.MAXMSGSIZE, 2 * max(limits.frame_bytes, limits.json_bytes))
    socket.set(zmq.LINGER, LINGER_MS)
    try:
        bind(socket, endpoint)
    except LinkError as problem:
        socket.close()
        raise BadInput(f"applications cannot be served: {problem}") from problem
    return socket


def try_send(socket: zmq.Socket[bytes], address: bytes, *frames: bytes | memoryview) -> Sent:
    """Send all frames or none to the peer of a mandatory ROUTER: `full` if its pipe is, `gone` if nobody is there."""
    try:
        socket.send_multipart((address, *frames), zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return "full"
    except zmq.ZMQError as problem:
        if problem.errno != zmq.EHOSTUNREACH:
            raise
        return "gone"
    return "sent"
