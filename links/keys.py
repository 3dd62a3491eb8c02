"""Who may join a run: one file of CURVE keys that all its hosts hold.

Rules. Who holds the file is in, who does not is out: sockets that bind prove that they have its server key, sockets
that connect that they have its client key (`links/handshakes.py` asks for it; without its `Gate` nobody gets in). A
key file is 0600 and never written over; its secrets are in no message and no `repr`.
"""

import os
import shlex
import stat

import msgspec
import zmq

from links.errors import LinkError

FORMAT = "orbitmesh key 1"
MOST_FILE_BYTES = 4096  # the file has 286; what is larger is something else
DOMAIN = b"orbitmesh"  # ZAP asks nobody for sockets without a domain
HANDSHAKE_LIMIT_MS = 5000  # ZeroMQ's default is 30,000; who says nothing is to be told of within seconds [guess]


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of one run, each 40 characters of Z85 (RFC 32). Shown, it says its public halves only."""

    format: str
    server_public: str
    server_secret: str
    client_public: str
    client_secret: str

    def __repr__(self) -> str:
        return f"Keys(server_public={self.server_public!r}, client_public={self.client_public!r}, secrets not shown)"

    def __rich_repr__(self) -> list[tuple[str, str]]:  # msgspec's own would show every field
        return [("server_public", self.server_public), ("client_public", self.client_public)]


def generate() -> Keys:
    """New keys for one run. Raises LinkError where ZeroMQ was built without CURVE."""
    if not zmq.has("curve"):
        raise LinkError("this ZeroMQ was built without CURVE; install pyzmq's wheel from PyPI, which has it")
    (server_public, server_secret), (client_public, client_secret) = zmq.curve_keypair(), zmq.curve_keypair()
    pairs = (server_public, server_secret, client_public, client_secret)
    return Keys(FORMAT, *(key.decode() for key in pairs))


def save(keys: Keys, path: str) -> None:
    """Write a key file that only this user may read. Raises LinkError if anything is there already or it cannot be."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise LinkError(f"{path} is there already, and a key is never written over; name another file") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise LinkError(
            f"{path[:200]} cannot be written: {_why(error)}; name a file in a folder that can be"
        ) from error
    try:
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
    except OSError as error:
        os.unlink(path)  # half a key is none
        raise LinkError(f"{path} cannot be written: {_why(error)}; name a file where there is room") from error


def load(path: str) -> Keys:
    """Read a key file. Raises LinkError if it is missing, readable by others, or not one of ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            content = file.read(MOST_FILE_BYTES + 1) if stat.S_ISREG(mode) else b""
    except (OSError, ValueError) as error:
        raise LinkError(f"key file {path[:200]} cannot be read: {_why(error)}; `orbitmesh keygen` makes one") from error
    if mode & 0o077:
        allowed = stat.filemode(mode)
        raise LinkError(f"key file {path} is open to other users ({allowed}): run chmod 600 {shlex.quote(path)}")
    try:
        keys = msgspec.json.decode(content[: MOST_FILE_BYTES + 1], type=Keys)
        pairs = ((keys.server_public, keys.server_secret), (keys.client_public, keys.client_secret))
        whole = keys.format == FORMAT and len(content) <= MOST_FILE_BYTES and all(_matches(*pair) for pair in pairs)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise LinkError(f"key file {path} is not one: {error}; `orbitmesh keygen` makes one") from error
    if not whole:
        raise LinkError(f"key file {path} is damaged or of another version; copy it again from where it was made")
    return keys


def secure_server(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Let in only who holds the keys; call it before binding, and have a `Gate` in the socket's context."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.server_secret.encode())
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without a gate: nobody gets in, rather than everybody
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_LIMIT_MS)


def secure_client(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Show the keys, and talk only to who holds them; call it before connecting."""
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server_public.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.client_public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.client_secret.encode())
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_LIMIT_MS)


def _matches(public: str, secret: str) -> bool:
    """Whether they are 40 characters of Z85 and belong together."""
    try:
        return zmq.curve_public(secret.encode()) == public.encode()
    except (zmq.ZMQError, ValueError):
        return False


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
