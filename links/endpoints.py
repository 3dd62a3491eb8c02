"""Where sockets bind and connect: `ipc://PATH` and `tcp://HOST:PORT`, read, checked, and refused with a reason.

Rules. Loopback and ipc are open to this host only and need no keys; anything else needs CURVE (`links/keys.py`), and
`bind` and `connect` see to it themselves. ZeroMQ unlinks whatever lies at an ipc path before it binds, be it a user's
file or a running process's socket, takes port 70000 for 4464, and tries a name that does not resolve for ever without
a word: all three are refused here. Names are resolved once, when binding or connecting, IPv4 first.
"""

import errno
import hashlib
import ipaddress
import os
import re
import shutil
import socket as sockets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
import zmq

from links.errors import WireError

IPC_PATH_BYTES = zmq.IPC_PATH_MAX_LEN or 103  # sockaddr_un less its NUL: 107 on Linux; 103 on macOS, the least known
MOST_CHARACTERS = 512  # of an endpoint: a host name has 253 at most (RFC 1035 2.3.4), a path 107
FILE_NAME_BYTES = 29  # of `ipc_endpoint`: 12 readable ones, a dash, 16 of a hash
PROBE_S = 1.0  # [guess] a unix socket answers at once, or its queue is full and it is alive

ANY = ("*", "0.0.0.0", "::")
FORMS = "write ipc:///PATH or tcp://HOST:PORT (an IPv6 address in brackets, port 0 or * for any free one)"
HOST_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)

CAUSES = {
    errno.EADDRINUSE: "it is taken by another program; name another one, or port 0 for any free one (address in use)",
    errno.EADDRNOTAVAIL: "no interface of this host has that address; name one that it has, or 127.0.0.1",
    errno.ENODEV: "no interface of this host has that address; name one that it has, or 127.0.0.1",
    errno.EACCES: "it is not permitted; name a port above 1023, or a folder that you may write",
    errno.EPERM: "it is not permitted; name a port above 1023, or a folder that you may write",
    errno.ENOENT: "its folder does not exist; make it first",
    errno.ENOTDIR: "its folder is no folder; name one",
}


class Endpoint(msgspec.Struct, frozen=True):
    """A checked endpoint: `where` is an absolute path (ipc) or a host (tcp, no brackets); port 0 is any free one."""

    transport: Literal["ipc", "tcp"]
    where: str
    port: int = 0

    def __str__(self) -> str:
        if self.transport == "ipc":
            return f"ipc://{self.where}"
        return f"tcp://{f'[{self.where}]' if ':' in self.where else self.where}:{self.port}"


def parse(endpoint: str) -> Endpoint:
    """Read an endpoint. Raises WireError with the value and what would be right."""
    transport, separator, rest = endpoint.partition("://")
    if len(endpoint) > MOST_CHARACTERS or not endpoint.isprintable():
        raise _refusal(endpoint, f"is longer than {MOST_CHARACTERS} characters or holds unprintable ones; {FORMS}")
    if not separator or transport not in ("ipc", "tcp"):
        raise _refusal(endpoint, f"has no transport that is known; {FORMS}")
    return Endpoint("ipc", _path(endpoint, rest)) if transport == "ipc" else _tcp(endpoint, rest)


def is_loopback(endpoint: str) -> bool:
    """Whether only this host can reach it: ipc, 127.0.0.0/8, ::1, localhost. Raises WireError as `parse`."""
    parsed = parse(endpoint)
    if parsed.transport == "ipc" or parsed.where.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(parsed.where).is_loopback
    except ValueError:  # a name, or *: it may lead anywhere
        return False


def check_bind(endpoint: str, secured: bool) -> None:
    """Raise WireError for an endpoint that others can reach unless it is `secured` by CURVE."""
    if not secured and not is_loopback(endpoint):
        raise _refusal(
            endpoint,
            "can be reached from other hosts, and nothing would keep them out; make keys with `orbitmesh keygen` and "
            "give them with --key FILE, or use ipc or 127.0.0.1",
        )


def bind(socket: zmq.Socket[bytes], endpoint: str) -> str:
    """Bind and return the endpoint that it became (its port, if any was asked for).

    A socket that others can reach must have been through `keys.secure_server`. Raises WireError that names the
    endpoint and the cause.
    """
    parsed = parse(endpoint)
    check_bind(endpoint, bool(socket.get(zmq.CURVE_SERVER)) and bool(socket.get(zmq.ZAP_ENFORCE_DOMAIN)))
    if parsed.transport == "ipc":
        _refuse_taken(endpoint, parsed.where)
    target = _numeric(socket, endpoint, parsed)
    try:
        socket.bind(target)
    except zmq.ZMQError as error:
        number = error.errno or 0
        raise _refusal(endpoint, f"cannot be bound: {CAUSES.get(number, zmq.strerror(number))}") from error
    return socket.get_string(zmq.LAST_ENDPOINT)


def connect(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Connect; whether anyone is there is for `handshakes.Watch` to tell.

    A socket that leads to another host must have been through `keys.secure_client`. Raises WireError for an endpoint
    that nothing can be at, a name that does not resolve, and another host without keys.
    """
    parsed = parse(endpoint)
    if parsed.transport == "tcp" and (parsed.port == 0 or parsed.where in ANY):
        raise _refusal(endpoint, "is for binding only; name the host and the port to connect to")
    if not is_loopback(endpoint) and socket.get(zmq.MECHANISM) != zmq.CURVE:
        raise _refusal(endpoint, "is another host, which needs keys: give the file that is used there with --key FILE")
    target = _numeric(socket, endpoint, parsed)
    try:
        socket.connect(target)
    except zmq.ZMQError as error:
        raise _refusal(endpoint, f"cannot be connected to: {zmq.strerror(error.errno or 0)}") from error


def host_of(endpoint: str) -> str:
    """The host of a tcp endpoint as endpoints write it: an IPv6 address in brackets. Raises WireError as `parse`."""
    where = parse(endpoint).where
    return f"[{where}]" if ":" in where else where


def resolved(endpoint: str) -> Endpoint:
    """A tcp endpoint with its host's address in place of its name. Raises WireError as `connect`."""
    parsed = parse(endpoint)
    return Endpoint("tcp", _resolved(endpoint, parsed)[1], parsed.port)


def own_address(endpoint: str) -> str:
    """The address of this host from which a way leads to a tcp endpoint, as endpoints write it; asks nobody.

    Raises WireError as `connect`, and where no way leads there.
    """
    parsed = parse(endpoint)
    family, address = _resolved(endpoint, parsed)
    with sockets.socket(family, sockets.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, parsed.port or 1))  # chooses a way; a datagram socket sends nothing for that
        except OSError as error:
            raise _refusal(endpoint, f"cannot be reached from here: {error.strerror or error}") from error
        own = str(probe.getsockname()[0])
    return f"[{own}]" if ":" in own else own


def check_free(endpoint: str) -> None:
    """Raise WireError, as `bind` would, if an endpoint cannot be bound now: taken, or no address of this host."""
    parsed = parse(endpoint)
    if parsed.transport == "ipc":
        _refuse_taken(endpoint, parsed.where)
        return
    family, address = _resolved(endpoint, parsed)
    with sockets.socket(family) as probe:
        probe.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)  # as libzmq does: for ports left just now
        try:
            probe.bind((address, parsed.port))
            probe.listen()
        except OSError as error:
            why = CAUSES.get(error.errno or 0, error.strerror or str(error))
            raise _refusal(endpoint, f"cannot be bound: {why}") from error


@contextmanager
def private_folder() -> Iterator[str]:
    """A new folder that only this user may enter (0700), for ipc sockets; gone afterwards with all in it.

    Raises WireError where the temporary folder's path is too long for sockets in it.
    """
    folder = tempfile.mkdtemp(prefix="om-")
    try:
        if len(os.fsencode(folder)) + 1 + FILE_NAME_BYTES > IPC_PATH_BYTES:
            raise WireError(
                f"{folder} is too long a path for sockets in it ({IPC_PATH_BYTES} bytes with their names, on this "
                "platform); set TMPDIR to a shorter folder, such as /tmp"
            )
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a process that ends now may take its socket away meanwhile
        if os.path.exists(folder):
            shutil.rmtree(folder)  # what is wrong now is really wrong, and told


def ipc_endpoint(folder: str, name: str) -> str:
    """The endpoint of a node in a folder: always the same for a name, and no two names share one.

    Names may hold anything; the file's is ASCII letters and digits of it and a hash. Raises WireError if too long.
    """
    readable = "".join(c for c in name if c.isascii() and c.isalnum())[:12]
    hashed = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]  # 64 bits: 10^4 names, 3e-12
    return str(parse(f"ipc://{os.path.join(folder, f'{readable}-{hashed}')}"))


def _path(endpoint: str, path: str) -> str:
    if path.startswith("@"):
        raise _refusal(endpoint, "is an abstract socket, which any user of this host may open; name a path in a folder")
    if not path.startswith("/"):
        right = f"ipc://{os.path.abspath(path)}" if path not in ("", "*") else "ipc:///tmp/NAME"
        raise _refusal(endpoint, f"has no absolute path, and processes differ in their folder; write {right}")
    size_bytes = len(os.fsencode(path))
    if size_bytes > IPC_PATH_BYTES:
        raise _refusal(
            endpoint, f"has a path of {size_bytes} bytes; {IPC_PATH_BYTES} at most fit a socket's address: shorten it"
        )
    return path


def _tcp(endpoint: str, rest: str) -> Endpoint:
    host, separator, port = rest.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not separator or (rest.startswith("[") and not bracketed):
        raise _refusal(endpoint, f"has no port; {FORMS}")
    if port != "*" and not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise _refusal(endpoint, f"has the port {port!r}; a port is 1 to 65535, or 0 or * for any free one")
    where = host[1:-1] if bracketed else host
    if not (_is_ipv6(where) if bracketed else _is_name_or_ipv4(where)):
        hint = "an IPv6 address goes in brackets" if ":" in where else "a host is a name, an IPv4 address, [IPv6] or *"
        raise _refusal(endpoint, f"has the host {host!r}; {hint}")
    return Endpoint("tcp", where, 0 if port == "*" else int(port))


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).ipv4_mapped is None  # a mapped one is IPv4 in disguise: write it as such
    except ValueError:
        return False


def _is_name_or_ipv4(text: str) -> bool:
    if text == "*":
        return True
    if re.fullmatch(r"0x[0-9a-fA-F]*|[0-9]+", text.rpartition(".")[2]):  # resolvers take 127.1 and 0x7f.1 for addresses
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
        return True
    return HOST_NAME.fullmatch(text) is not None


def _numeric(socket: zmq.Socket[bytes], endpoint: str, parsed: Endpoint) -> str:
    """The endpoint as ZeroMQ takes it, its name resolved; lets the socket speak IPv6 where it must."""
    if parsed.transport == "ipc" or parsed.where == "*":
        return str(parsed)
    family, address = _resolved(endpoint, parsed)
    if family == sockets.AF_INET6:
        socket.setsockopt(zmq.IPV6, 1)
    return str(Endpoint("tcp", address, parsed.port))


def _resolved(endpoint: str, parsed: Endpoint) -> tuple[sockets.AddressFamily, str]:
    """Family and address of a tcp endpoint's host, IPv4 if it has one. Raises WireError if its name has none."""
    where = "127.0.0.1" if parsed.where.lower() == "localhost" else parsed.where  # RFC 6761 6.3: always loopback
    try:
        found = sockets.getaddrinfo(where, None, type=sockets.SOCK_STREAM)
    except OSError as error:
        raise _refusal(endpoint, f"has a host that does not resolve ({error.strerror}); check its name") from error
    family, *_, address = min(found, key=lambda each: each[0] != sockets.AF_INET)
    return family, str(address[0])


def _refuse_taken(endpoint: str, path: str) -> None:
    """Raise WireError if binding would unlink a file, or the socket of a process that still listens."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:  # nothing there, or nowhere: binding tells
        return
    if not stat.S_ISSOCK(mode):
        raise _refusal(endpoint, "is there and no socket; it would be removed: name another path")
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return  # left behind by a process that is gone
        except OSError as error:
            raise _refusal(endpoint, f"is there already: {error.strerror or error}; name another path") from error
    raise _refusal(endpoint, f"cannot be bound: {CAUSES[errno.EADDRINUSE]}")


def _refusal(endpoint: str, why: str) -> WireError:
    shown = endpoint if len(endpoint) <= 200 else f"{endpoint[:200]}..."
    return WireError(f"endpoint {shown!r} {why}")
