"""Endpoints: what is read, what is refused and how, what may be bound without keys, and folders for sockets."""

import os
import socket as sockets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from links.endpoints import (
    IPC_PATH_BYTES,
    MOST_CHARACTERS,
    Endpoint,
    bind,
    check_bind,
    check_free,
    connect,
    host_of,
    ipc_endpoint,
    is_loopback,
    own_address,
    parse,
    private_folder,
    resolved,
)  # fmt: skip
from links.errors import WireError

PLENTY_MS = 10_000  # for what happens at once


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    with zmq.Context() as made:
        made.linger = 0
        yield made
        made.destroy(0)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("ipc:///tmp/om-1/a", Endpoint("ipc", "/tmp/om-1/a")),
        ("tcp://127.0.0.1:5555", Endpoint("tcp", "127.0.0.1", 5555)),
        ("tcp://127.0.0.1:0", Endpoint("tcp", "127.0.0.1", 0)),
        ("tcp://127.0.0.1:*", Endpoint("tcp", "127.0.0.1", 0)),
        ("tcp://*:*", Endpoint("tcp", "*", 0)),
        ("tcp://[::1]:80", Endpoint("tcp", "::1", 80)),
        ("tcp://[fe80::1%eth0]:80", Endpoint("tcp", "fe80::1%eth0", 80)),
        ("tcp://ground-1.example.org:65535", Endpoint("tcp", "ground-1.example.org", 65535)),
    ],
)
def test_an_endpoint_is_read(text: str, parsed: Endpoint) -> None:
    assert parse(text) == parsed
    assert parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "has no transport that is known; write ipc:///PATH or tcp://HOST:PORT"),
        ("localhost:5555", "has no transport"),
        ("udp://127.0.0.1:5555", "has no transport"),
        ("inproc://x", "has no transport"),
        ("pgm://10.0.0.1:5555", "has no transport"),
        ("tcp://", "has no port"),
        ("tcp://127.0.0.1", "has no port"),
        ("tcp://[::1]", "has no port"),
        ("tcp://127.0.0.1:", "has the port ''"),
        ("tcp://127.0.0.1:70000", "has the port '70000'; a port is 1 to 65535"),
        ("tcp://127.0.0.1:0000000080", "has the port '0000000080'"),
        ("tcp://127.0.0.1:-1", "has the port '-1'"),
        ("tcp://127.0.0.1:５", "has the port '５'"),
        ("tcp://127.0.0.1:80/path", "has the port '80/path'"),
        ("tcp://::1:80", "has the host '::1'; an IPv6 address goes in brackets"),
        ("tcp://[::zz]:80", "has the host '[::zz]'"),
        ("tcp://[::ffff:127.0.0.1]:80", "has the host '[::ffff:127.0.0.1]'"),
        ("tcp://:80", "has the host ''"),
        ("tcp://300.0.0.1:80", "has the host '300.0.0.1'"),
        ("tcp://127.1:80", "has the host '127.1'"),
        ("tcp://0x7f.0x1:80", "has the host '0x7f.0x1'"),
        ("tcp://a b:80", "has the host 'a b'"),
        ("tcp://127.0.0.1:1;10.0.0.1:80", "has the host"),
        ("tcp://" + "a" * 254 + ":80", "has the host"),
        ("tcp://ключ:80", "has the host"),
        ("ipc://", "has no absolute path"),
        ("ipc://*", "has no absolute path"),
        ("ipc://here.sock", f"write ipc://{os.getcwd()}/here.sock"),
        ("ipc://@abstract", "is an abstract socket"),
        ("ipc:///" + "x" * IPC_PATH_BYTES, f"has a path of {IPC_PATH_BYTES + 1} bytes; {IPC_PATH_BYTES} at most"),
        ("ipc:///tmp/a\0b", "unprintable"),
        ("ipc:///tmp/a\nb", "unprintable"),
        ("tcp://127.0.0.1:" + "1" * MOST_CHARACTERS, f"longer than {MOST_CHARACTERS} characters"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_with_what_would_be_right(text: str, part: str) -> None:
    with pytest.raises(WireError) as refused:
        parse(text)
    said = str(refused.value)
    assert part in said
    assert repr(text[:200])[1:-1] in said
    assert len(said) < 600


@given(st.text(max_size=60) | st.from_regex(r"(tcp|ipc)://[\[\]:.0-9a-f*/@x -]{0,40}", fullmatch=True))
@settings(derandomize=True, deadline=None)
def test_whatever_is_given_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse(text)
    except WireError:
        return
    assert parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("ipc:///tmp/x", True),
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.200.3.4:1", True),
        ("tcp://[::1]:1", True),
        ("tcp://[0:0::1]:1", True),
        ("tcp://localhost:1", True),
        ("tcp://LocalHost:1", True),
        ("tcp://*:1", False),
        ("tcp://0.0.0.0:1", False),
        ("tcp://[::]:1", False),
        ("tcp://10.0.0.1:1", False),
        ("tcp://localhost.example.org:1", False),
        ("tcp://127.example.org:1", False),
    ],
)
def test_only_what_others_can_reach_needs_keys(text: str, loopback: bool, context: zmq.Context) -> None:
    assert is_loopback(text) is loopback
    check_bind(text, secured=True)
    if loopback:
        check_bind(text, secured=False)
        return
    with pytest.raises(WireError, match="orbitmesh keygen"):
        check_bind(text, secured=False)
    with pytest.raises(WireError, match="orbitmesh keygen"), context.socket(zmq.PULL) as socket:
        bind(socket, text)
    with pytest.raises(WireError, match=r"--key FILE|for binding only"), context.socket(zmq.PUSH) as socket:
        connect(socket, text)


def test_curve_without_anybody_to_ask_does_not_count_as_secured(context: zmq.Context) -> None:
    public, secret = zmq.curve_keypair()
    with context.socket(zmq.PULL) as socket:
        socket.curve_server, socket.curve_publickey, socket.curve_secretkey = 1, public, secret
        with pytest.raises(WireError, match="can be reached from other hosts"):
            bind(socket, "tcp://*:0")


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:0", "tcp://localhost:*", "tcp://[::1]:0", "ipc"])
def test_what_is_bound_can_be_connected_to(text: str, context: zmq.Context) -> None:
    if "::" in text and not _has_ipv6():
        pytest.skip("this host has no IPv6 loopback")
    with private_folder() as folder, context.socket(zmq.PULL) as ear, context.socket(zmq.PUSH) as mouth:
        actual = bind(ear, ipc_endpoint(folder, "ear") if text == "ipc" else text)
        assert is_loopback(actual)
        assert parse(actual).port != 0 or text == "ipc"
        connect(mouth, actual)
        mouth.send(b"hello")
        assert ear.poll(PLENTY_MS)
        assert ear.recv() == b"hello"


def _has_ipv6() -> bool:
    try:
        with sockets.socket(sockets.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_taken_port_says_so(context: zmq.Context) -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken, context.socket(zmq.PULL) as socket:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WireError) as refused:
            bind(socket, endpoint)
    assert f"endpoint '{endpoint}' cannot be bound: it is taken by another program; name another" in str(refused.value)


def test_an_address_that_no_interface_has(context: zmq.Context) -> None:
    with context.socket(zmq.PULL) as socket:
        _pretend_secured(socket)
        with pytest.raises(
            WireError, match=r"192\.0\.2\.7:0' cannot be bound: no interface of this host has that address"
        ):
            bind(socket, "tcp://192.0.2.7:0")  # RFC 5737: for documents only


def _pretend_secured(socket: zmq.Socket[bytes]) -> None:
    _, secret = zmq.curve_keypair()
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
    socket.setsockopt(zmq.ZAP_DOMAIN, b"orbitmesh")
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def test_a_name_that_does_not_resolve_is_told_at_once(context: zmq.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise sockets.gaierror(sockets.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("links.endpoints.sockets.getaddrinfo", unknown)
    with context.socket(zmq.PULL) as socket:
        _pretend_secured(socket)
        with pytest.raises(WireError, match=r"ground\.invalid:5' has a host that does not resolve \(Name or service"):
            connect(socket, "tcp://ground.invalid:5")


@pytest.mark.parametrize("text", ["tcp://*:5", "tcp://0.0.0.0:5", "tcp://127.0.0.1:0", "tcp://127.0.0.1:*"])
def test_what_is_for_binding_only_is_not_connected_to(text: str, context: zmq.Context) -> None:
    with context.socket(zmq.PUSH) as socket, pytest.raises(WireError, match="is for binding only"):
        connect(socket, text)


def test_binding_removes_no_file_and_takes_no_socket_of_a_living_process(context: zmq.Context) -> None:
    with private_folder() as folder, context.socket(zmq.PULL) as first, context.socket(zmq.PULL) as second:
        thesis = Path(folder) / "thesis"
        thesis.write_text("years of work")
        with pytest.raises(WireError, match="is there and no socket; it would be removed"):
            bind(first, f"ipc://{thesis}")
        assert thesis.read_text() == "years of work"
        endpoint = ipc_endpoint(folder, "SCS-01 A")
        bind(first, endpoint)
        with pytest.raises(WireError, match="is taken by another program"):
            bind(second, endpoint)
        with pytest.raises(WireError, match="its folder does not exist"):
            bind(second, f"ipc://{folder}/none/x")
        with context.socket(zmq.PUSH) as mouth:
            connect(mouth, endpoint)
            mouth.send(b"still yours")
            assert first.poll(PLENTY_MS)


def test_a_socket_left_behind_by_a_dead_process_is_taken_over(context: zmq.Context) -> None:
    with private_folder() as folder, context.socket(zmq.PULL) as ear:
        path = str(Path(folder) / "left")
        with sockets.socket(sockets.AF_UNIX) as dead:
            dead.bind(path)
            dead.listen()
        assert bind(ear, f"ipc://{path}") == f"ipc://{path}"


def test_a_private_folder_is_private_short_and_gone_afterwards() -> None:
    with private_folder() as folder:
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        (Path(folder) / "left").mkdir()
        (Path(folder) / "left" / "more").write_text("x")
    assert not os.path.exists(folder)
    with pytest.raises(KeyError), private_folder() as folder:
        raise KeyError
    assert not os.path.exists(folder)
    with private_folder() as folder:
        os.rmdir(folder)  # gone already


def test_a_temporary_folder_with_a_long_path_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as base:
        long = Path(base) / ("x" * 100)
        long.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(long))
        with pytest.raises(WireError, match="set TMPDIR to a shorter folder"), private_folder():
            pass
        assert list(long.iterdir()) == []


NAMES = ["", "SCS-01 A", "SCS-01  A", "SCS/01 A", "../../etc", "a\0b", "Ground Ω", "\ud800", "x" * 10_000, "*", "@x"]


def test_every_name_has_a_file_of_its_own_in_the_folder(context: zmq.Context) -> None:
    with private_folder() as folder:
        endpoints = [ipc_endpoint(folder, name) for name in NAMES]
        assert endpoints == [ipc_endpoint(folder, name) for name in NAMES]
        assert len(set(endpoints)) == len(NAMES)
        for endpoint in endpoints:
            with context.socket(zmq.PULL) as socket:
                assert bind(socket, endpoint) == endpoint
                assert str(Path(endpoint.removeprefix("ipc://")).parent) == folder


@given(st.lists(st.text(), unique=True, max_size=20))
@settings(derandomize=True, deadline=None)
def test_no_two_names_share_an_endpoint(names: list[str]) -> None:
    assert len({ipc_endpoint("/tmp/om-12345678", name) for name in names}) == len(names)


def test_the_own_address_is_the_one_from_which_a_way_leads_there() -> None:
    assert own_address("tcp://127.0.0.1:5") == "127.0.0.1"
    assert own_address("tcp://localhost:5") == "127.0.0.1"
    if _has_ipv6():
        assert own_address("tcp://[::1]:5") == "[::1]"
    with pytest.raises(WireError, match=r"'tcp://255\.255\.255\.255:5' cannot be reached from here: "):
        own_address("tcp://255.255.255.255:5")


def test_a_host_is_its_address_with_brackets_where_they_belong() -> None:
    assert resolved("tcp://localhost:80") == Endpoint("tcp", "127.0.0.1", 80)
    assert host_of(str(resolved("tcp://LocalHost:*"))) == "127.0.0.1"
    assert host_of("tcp://[::1]:80") == "[::1]"


def test_what_cannot_be_bound_is_told_beforehand() -> None:
    check_free("tcp://127.0.0.1:0")
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            WireError, match=f"'tcp://127.0.0.1:{port}' cannot be bound: it is taken by another program"
        ):
            check_free(f"tcp://127.0.0.1:{port}")
    check_free(f"tcp://127.0.0.1:{port}")
    with pytest.raises(WireError, match=r"cannot be bound: no interface of this host has that address"):
        check_free("tcp://192.0.2.7:0")  # RFC 5737: for documents only
