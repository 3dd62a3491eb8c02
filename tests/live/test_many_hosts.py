"""Nodes on other hosts, which are network namespaces here: real commands, addresses, keys, and clocks of their own.

A bridge joins three hosts: the coordinator's, one whose monotonic clock is ahead, one whose clock is behind. What
delays is a relay in user space, as not every kernel has netem. Nothing here judges lateness; waits are for lines that
are printed, with a patience that only a broken program uses up. Skipped, with the reason, where namespaces are not
permitted.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from emulator.clock import wall_s
from emulator.live import control as say
from emulator.version import installed_version
from links.keys import Keys, generate, load, save
from nodes.client import Node

PATIENCE_S = 60.0
RATE = 0.05  # so slow that a message may take a busy machine a tenth of a second: light takes 5 ms
MARK = b"the quick brown fox jumps over the lazy dog"  # what must not be seen on a wire between hosts
COORDINATOR, AHEAD, BEHIND = "10.77.0.1", "10.77.0.2", "10.77.0.3"
# What each monotonic clock reads more than ours; none may read less than 0, and this host may have just started.
CLOCKS_S = {COORDINATOR: 0.0, AHEAD: 5000.0, BEHIND: -float(int(min(1000.0, wall_s() / 2.0)))}


class Host:
    """A network namespace with an address; lives as long as a process that waits for the end of its input."""

    def __init__(self, address: str, within: "Host | None", clock: bool) -> None:
        self.address = address
        unshare = ["unshare", "--net"]
        if within is None:
            unshare += ["--user", "--map-root-user"]
        elif clock:
            unshare += ["--time", "--monotonic", str(int(CLOCKS_S[address]))]
        command = [*([] if within is None else within.enter), *unshare, "sh", "-c", "echo $$; exec cat"]
        self.holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.pid = self.holder.stdout.readline().strip()
        if not self.pid:
            reason = self.holder.stderr.read().strip()
            self.close()
            raise OSError(reason)
        self.enter = ["nsenter", "-t", self.pid, "-U", "--preserve-credentials", "-n", *(["-T"] if clock else [])]

    def do(self, *command: str) -> str:
        done = subprocess.run([*self.enter, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(f"{command[0]}: {done.stderr}")
        return done.stdout

    def python(self, program: str, *arguments: str) -> str:
        return self.do(sys.executable, "-c", textwrap.dedent(program), *arguments)

    def ears(self) -> list[int]:
        """Ports that are listened at on this host's address."""
        octets = [int(part) for part in self.address.split(".")]
        own = "".join(f"{octet:02X}" for octet in reversed(octets))  # proc(5): hexadecimal, network order on x86
        lines = [line.split() for line in self.do("cat", "/proc/net/tcp").splitlines()[1:]]
        return [int(f[1].split(":")[1], 16) for f in lines if f[3] == "0A" and f[1].split(":")[0] == own]

    def close(self) -> None:
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()


class Command:
    """A running command whose lines can be waited for."""

    def __init__(self, host: Host, temporary: Path, *command: str) -> None:
        self.process = subprocess.Popen(
            [*host.enter, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=os.environ | {"TMPDIR": str(temporary)},
        )  # fmt: skip
        self.lines: list[str | None] = []  # of standard error; None at its end
        self.answer = ""  # standard output
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._read, self._read_answer)]
        for thread in self._threads:
            thread.start()

    def said(self, pattern: str, times: int = 1) -> re.Match[str]:
        """The line that matches, once it has been said so many times."""

        def found() -> list[re.Match[str]]:
            return [match for line in self.lines if line and (match := re.search(pattern, line))]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= times or None in self.lines, PATIENCE_S)
            assert len(found()) >= times, f"{pattern!r} was not said {times} times in {self.lines}"
            return found()[times - 1]

    def ended(self) -> int:
        code = self.process.wait(timeout=PATIENCE_S)
        for thread in self._threads:
            thread.join(timeout=PATIENCE_S)
        return code

    @property
    def errors(self) -> str:
        return "".join(line for line in self.lines if line)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=10.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for thread in self._threads:
            thread.join(timeout=PATIENCE_S)
        self.process.stdout.close()
        self.process.stderr.close()

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self.lines.append(None)
            self._news.notify_all()

    def _read_answer(self) -> None:
        self.answer = self.process.stdout.read()


class Net:
    """Three hosts, a folder, a key file, a scenario, and what was started on them."""

    def __init__(self, hosts: dict[str, Host], folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        self.temporary = Path(tempfile.mkdtemp(prefix="om-", dir="/tmp"))  # short enough a path for sockets
        self.key = folder / "key"
        self.scenario = folder / "far.toml"
        self.commands: list[Command] = []

    def start(self, address: str, *command: str) -> Command:
        self.commands.append(Command(self.hosts[address], self.temporary, *command))
        return self.commands[-1]

    def orbitmesh(self, address: str, *arguments: object) -> Command:
        return self.start(address, sys.executable, "-m", "emulator.cli", *map(str, arguments))

    def live(self, *arguments: object, remote: str = "Sanya,SCS-01 K", rate: object = RATE) -> Command:
        listen = ("--listen", f"tcp://{COORDINATOR}:0", "--key", self.key, "--remote", remote)
        return self.orbitmesh(
            COORDINATOR, "live", self.scenario, "--rate", rate, "--late-budget", "3600", *listen, *arguments
        )

    def node(self, address: str, endpoint: str, *arguments: object, key: Path | None = None) -> Command:
        return self.orbitmesh(address, "node", "--join", endpoint, "--key", key or self.key, *arguments)

    def close(self) -> None:
        for command in reversed(self.commands):
            command.close()
            print(command.process.args[-12:], command.process.returncode, command.errors)  # pytest shows it on failure
        self.commands.clear()
        shutil.rmtree(self.temporary)  # what those that were killed left there


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Host]]:
    with ExitStack() as stack:
        try:
            first = Host(COORDINATOR, None, clock=False)
            stack.callback(first.close)
            clock = subprocess.run([*first.enter, "unshare", "--time", "true"], capture_output=True).returncode == 0
            made = {COORDINATOR: first}
            for address in (AHEAD, BEHIND):
                made[address] = Host(address, first, clock)
                stack.callback(made[address].close)
            first.do("ip", "link", "set", "lo", "up")
            first.do("ip", "link", "add", "br0", "type", "bridge")
            first.do("ip", "address", "add", f"{COORDINATOR}/24", "dev", "br0")
            first.do("ip", "link", "set", "br0", "up")
            for address in (AHEAD, BEHIND):
                port = f"to{address[-1]}"
                first.do("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", made[address].pid)
                first.do("ip", "link", "set", port, "master", "br0", "up")
                made[address].do("ip", "address", "add", f"{address}/24", "dev", "eth0")
                for device in ("lo", "eth0"):
                    made[address].do("ip", "link", "set", device, "up")
        except OSError as error:  # util-linux, iproute2 or the permission is missing
            pytest.skip(f"network namespaces cannot be made here: {error}")
        yield made


@pytest.fixture
def net(hosts: dict[str, Host], tmp_path: Path) -> Iterator[Net]:
    made = Net(hosts, tmp_path)
    save(generate(), str(made.key))
    base = tomllib.loads((files("emulator.scenarios") / "three-body.toml").read_text(encoding="utf-8"))
    lines = ['extends = "three-body-live"', 'name = "far"', "duration_s = 1.0"]
    for kind, table, names in (("satellites.elements", base["satellites"]["elements"], ("SCS-01 E", "SCS-01 K")),
                               ("stations", base["stations"], ("Sanya",))):  # fmt: skip
        for each in table:
            if each["name"] in names:
                lines += [f"[[{kind}]]", *(f"{key} = {msgspec.json.encode(each[key]).decode()}" for key in each)]
    made.scenario.write_text("\n".join(lines) + "\n", encoding="utf-8")
    yield made
    made.close()


def door(node: Command, name: str, times: int = 1) -> str:
    """Where applications of a node connect, as it prints."""
    return node.said(f"^{name}: applications connect to (.*)$", times)[1]


def joined(coordinator: Command) -> str:
    """The endpoint that the coordinator tells others to join."""
    return coordinator.said(r"orbitmesh node --join (tcp://[0-9.:]+) --key FILE")[1]


def begun(node: Node) -> float:
    """Wait until emulated time has begun on a node."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if node.now_s() > 0.0:
            return node.now_s()
        pause.wait(0.05)
    raise AssertionError("time has not begun")


SNIFF = """
    import socket, sys
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    print("sniffing", file=sys.stderr, flush=True)
    seen = open(sys.argv[1], "wb", buffering=0)
    while True:
        seen.write(tap.recv(65536))
"""
STRANGERS = """
    import contextlib, socket, sys
    import zmq
    from zmq.utils.monitor import recv_monitor_message
    context = zmq.Context()
    ear = sys.argv[1]
    plain = context.socket(zmq.PUSH)
    foreign = context.socket(zmq.PUSH)
    foreign.curve_serverkey = sys.argv[2].encode()
    foreign.curve_publickey, foreign.curve_secretkey = zmq.curve_keypair()
    for push in (plain, foreign):
        push.reconnect_ivl = -1
        push.linger = 0
        watch = push.get_monitor_socket()
        push.connect(ear)
        push.send(b"let me in")
        while True:
            event = recv_monitor_message(watch)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                sys.exit("let in")
            if event & (zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED):
                break
    host, port = ear.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port))) as raw, contextlib.suppress(ConnectionResetError):
        raw.sendall(b"\\xff" + sys.argv[3].encode() * 10)
        while raw.recv(4096):
            pass
"""


def test_hosts_with_clocks_of_their_own_run_as_one_in_secret(net: Net) -> None:
    trace, seen = net.folder / "trace", net.folder / "seen"
    sniffer = net.start(COORDINATOR, sys.executable, "-c", textwrap.dedent(SNIFF), str(seen))
    sniffer.said("sniffing")
    live = net.live("--json", "--no-table", "--out", trace, "--duration", 6.0 * RATE)
    endpoint = joined(live)
    station = net.node(AHEAD, endpoint, "--name", "Sanya", "--sockets", net.temporary / "doors")
    satellite = net.node(BEHIND, endpoint)  # takes what is awaited
    with Node(door(station, "Sanya"), "ground") as ground, Node(door(satellite, "SCS-01 K"), "orbit") as orbit:
        begun(ground)
        light_s = {link.peer: link.delay_s for link in ground.links()}["SCS-01 E"]
        secret = _secrets(net.key)
        assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if _shows(path, secret)] == []
        assert [path for path in Path("/proc").glob("[0-9]*/environ") if _shows(path, secret)] == []
        ground.send("SCS-01 K", MARK, service="orbit")
        there = orbit.receive(PATIENCE_S)
        orbit.send("Sanya", MARK[::-1], service="ground")
        back = ground.receive(PATIENCE_S)
        ear = f"tcp://{AHEAD}:{net.hosts[AHEAD].ears()[0]}"
        net.hosts[BEHIND].python(STRANGERS, ear, load(str(net.key)).server_public, "in the clear ")
    assert (live.ended(), station.ended(), satellite.ended()) == (0, 0, 0), live.errors
    sniffer.process.terminate()
    sniffer.ended()
    # clocks: thousands of seconds apart, and yet a message is on its way for as long as light takes, by all of them
    for message, payload in ((there, MARK), (back, MARK[::-1])):
        assert message is not None
        assert message.payload == payload
        assert light_s < message.delay_s < light_s + 3.0 * RATE
    result = json.loads(live.answer)["live"]
    assert set(result["offsets"]) == {"Sanya", "SCS-01 K"}
    for name, address in (("Sanya", AHEAD), ("SCS-01 K", BEHIND)):
        clock = result["offsets"][name]
        true_s = CLOCKS_S[address] if "-T" in net.hosts[address].enter else 0.0
        assert abs(clock["offset_s"] - true_s) <= clock["uncertainty_s"] <= clock["worst_s"] < 1.0
    # secrets: strangers at the ear were refused and counted, and nothing can be read on the way
    strangers = {what: n for what, n in result["nodes"]["Sanya"].items() if what.startswith("stranger: ")}
    assert strangers["stranger: wrong_client_key"] == 1
    assert sum(strangers.values()) >= 2  # the one without keys is `not_secured` or `hung_up`: who is faster hangs up
    wire = seen.read_bytes()
    assert wire.count(b"in the clear ") >= 10  # so it does see what can be seen
    assert b"CURVE" in wire
    for plain in (MARK, MARK[::-1], b"SCS-01", b"Sanya", b"cloud-screen", *secret):
        assert plain not in wire
    assert not any(text.decode() in command.errors + command.answer for text in secret for command in net.commands)
    replay = subprocess.run([sys.executable, "-m", "emulator.cli", "replay", trace], capture_output=True, check=False)
    assert replay.returncode == 0, replay.stderr


def _secrets(key: Path) -> list[bytes]:
    keys = load(str(key))
    return [keys.server_secret.encode(), keys.client_secret.encode()]


def _shows(path: Path, secrets: list[bytes]) -> bool:
    try:
        content = path.read_bytes()
    except OSError:  # it ended
        return False
    return any(secret in content for secret in secrets)


HELLO = """
    import sys
    import msgspec, zmq
    from links.keys import load, secure_client
    context = zmq.Context()
    for hello in sys.argv[3:]:
        socket = context.socket(zmq.DEALER)
        secure_client(socket, load(sys.argv[2]))
        socket.connect(sys.argv[1])
        socket.send(bytes.fromhex(hello))
        print(socket.recv().decode(errors="replace"))
        socket.close(0)
"""


def test_who_cannot_take_part_is_told_why_and_harms_nobody(net: Net) -> None:
    live = net.live("--json", "--no-table", "--duration", 0.5 * RATE)
    endpoint = joined(live)
    other, halved = net.folder / "other", net.folder / "halved"
    save(generate(), str(other))
    right, wrong = load(str(net.key)), load(str(other))
    mixed = Keys(wrong.format, right.server_public, right.server_secret, wrong.client_public, wrong.client_secret)
    save(mixed, str(halved))
    station = net.node(AHEAD, endpoint, "--name", "Sanya")
    door(station, "Sanya")
    there = net.hosts[BEHIND]
    attempts = {
        "use the key file that it was started with": net.node(BEHIND, endpoint, key=other),
        "refuses this key": net.node(BEHIND, endpoint, key=halved),
        "is unreachable: nothing listens there": net.node(BEHIND, f"tcp://{COORDINATOR}:9"),
        "no answer at all|is unreachable": net.node(BEHIND, "tcp://10.77.0.9:9"),  # nobody has that address
        "Sanya is here already": net.node(BEHIND, endpoint, "--name", "Sanya"),
        "there is no node 'Kiruna' in this run; awaited: SCS-01 K": net.node(BEHIND, endpoint, "--name", "Kiruna"),
        "SCS-01 E runs on the coordinator's host": net.node(BEHIND, endpoint, "--name", "SCS-01 E"),
    }
    older = say.Hello(say.PROTOCOL, "0.0.1", "SCS-01 K", 0, 1, b"", "", "elsewhere")
    alien = say.Hello(say.PROTOCOL + 1, installed_version(), "SCS-01 K", 0, 1, b"", "", "elsewhere")
    hellos = [say.encode(older).hex(), say.encode(alien).hex(), b"GET / HTTP/1.1".hex()]
    said = there.python(HELLO, endpoint, str(net.key), *hellos)
    assert said.count(f"this run speaks orbitmesh {installed_version()} and protocol {say.PROTOCOL}") == 2
    assert said.count("cannot be read here: install the same version") == 1
    for problem, attempt in attempts.items():
        assert attempt.ended() == 2, (problem, attempt.errors)
        assert re.search(problem, attempt.errors), (problem, attempt.errors)
        assert "Traceback" not in attempt.errors
    satellite = net.node(BEHIND, endpoint)
    assert (live.ended(), station.ended(), satellite.ended()) == (0, 0, 0), live.errors + satellite.errors
    refused = json.loads(live.answer)["live"]["refused"]
    assert refused["not let in"] == 5
    assert refused["malformed"] == 1
    assert refused["stranger: wrong_server_key"] >= 1
    assert refused["stranger: wrong_client_key"] >= 1


def test_a_coordinator_that_waits_in_vain_says_what_to_do(net: Net) -> None:
    live = net.live("--no-table", "--join-timeout", 0.5)
    endpoint = joined(live)
    assert live.ended() == 2
    assert f"nobody has joined as SCS-01 K, Sanya within 0.5 s: run `orbitmesh node --join {endpoint}" in live.errors
    assert "--key FILE" in live.errors


def test_hosts_that_die_are_noticed_and_their_places_can_be_taken(net: Net) -> None:
    with net.scenario.open("a", encoding="utf-8") as file:
        file.write('[[faults]]\nnode = "Sanya"\nat_s = 0.05\nrecovers_s = 0.06\n')
    live = net.live("--duration", 200.0 * RATE)  # ended below
    endpoint = joined(live)
    station = net.node(AHEAD, endpoint, "--name", "Sanya")
    satellite = net.node(BEHIND, endpoint, "--name", "SCS-01 K")
    with Node(door(satellite, "SCS-01 K")) as program:
        assert program.about.start == 1
        begun(program)
    satellite.process.kill()  # and with it, by their pipes, all its processes
    live.said(r"SCS-01 K \(on .*\) is out of the run: its connection broke; `orbitmesh node --join")
    satellite = net.node(BEHIND, endpoint, "--name", "SCS-01 K")
    with Node(door(satellite, "SCS-01 K")) as program, Node(door(station, "Sanya", times=2), "ground") as ground:
        assert (program.about.start, ground.about.start) == (2, 2)  # Sanya by the scenario's fault
        begun(ground)  # it has recovered
        begun(program)
        program.send("Sanya", b"here I am again", service="ground")
        message = ground.receive(PATIENCE_S)
        assert message is not None
        assert message.payload == b"here I am again"
    net.hosts[COORDINATOR].do("ip", "link", "set", f"to{AHEAD[-1]}", "down")  # nobody says goodbye
    try:
        live.said(r"Sanya \(on .*\) is out of the run: its connection broke")
        assert station.ended() == 1
        assert "is gone" in station.errors
    finally:
        net.hosts[COORDINATOR].do("ip", "link", "set", f"to{AHEAD[-1]}", "up")
    live.process.kill()
    assert satellite.ended() == 1
    assert f"the coordinator at {endpoint} is gone" in satellite.errors
    assert net.hosts[BEHIND].ears() == []


RELAY = """
    import asyncio, sys
    host, port, there_s, back_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])

    async def carry(reader, writer, delay_s):
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(delay_s, writer.write, data)
        loop.call_later(delay_s, writer.close)

    async def join(reader, writer):
        onward = await asyncio.open_connection(host, port)
        await asyncio.gather(carry(reader, onward[1], there_s), carry(onward[0], writer, back_s))

    async def main():
        server = await asyncio.start_server(join, host, 0)
        print("port", server.sockets[0].getsockname()[1], file=sys.stderr, flush=True)
        await server.serve_forever()

    asyncio.run(main())
"""


def relay(net: Net, endpoint: str, there_s: float, back_s: float) -> str:
    """An endpoint that leads to the coordinator with a delay each way."""
    port = endpoint.rpartition(":")[2]
    started = net.start(
        COORDINATOR, sys.executable, "-c", textwrap.dedent(RELAY), COORDINATOR, port, str(there_s), str(back_s)
    )
    return f"tcp://{COORDINATOR}:{started.said('port ([0-9]+)')[1]}"


def test_a_clock_that_is_not_known_well_enough_is_refused(net: Net) -> None:
    live = net.live("--no-table", "--late-budget", "0.005", remote="Sanya", rate=1)
    station = net.node(AHEAD, relay(net, joined(live), 0.0, 0.020), "--name", "Sanya")
    assert live.ended() == 2
    found = re.search(r"the clock of Sanya on .* is known to ([0-9.]+) ms only, at rate 1 more than the", live.errors)
    assert found, live.errors
    assert float(found[1]) >= 9.9  # half of the round trip
    assert station.ended() == 1


def test_an_unequal_delay_shifts_the_offset_by_no_more_than_it_says(net: Net) -> None:
    live = net.live("--json", "--no-table", "--duration", 0.05, "--late-budget", "0.005", remote="Sanya", rate="auto")
    station = net.node(AHEAD, relay(net, joined(live), 0.0, 0.020), "--name", "Sanya")
    assert (live.ended(), station.ended()) == (0, 0), live.errors
    result = json.loads(live.answer)["live"]
    clock = result["offsets"]["Sanya"]
    true_s = CLOCKS_S[AHEAD] if "-T" in net.hosts[AHEAD].enter else 0.0
    assert 0.008 < abs(clock["offset_s"] - true_s) <= clock["uncertainty_s"]
    assert all(rate * 0.0099 <= 0.005 for _, rate in result["rates"])  # auto keeps what is unsure within the budget
