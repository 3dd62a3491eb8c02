"""The crew: every node's process with its place in the run, from the first hello to the last farewell.

Starts what belongs on this host, lets in who joins from others, connects nodes to each other, restarts who dies, and
leaves no process, socket or file behind.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from emulator.clock import wall_s
from emulator.errors import BadInput, RunFailed
from emulator.live import control as say
from emulator.live.join import Introduction
from emulator.live.offset import Offset
from emulator.live.options import LiveOptions
from emulator.live.pace import Pace, Segment
from emulator.live.roster import Member, Roster
from emulator.live.supervisor import Supervisor
from emulator.live.wait import Waiter
from emulator.version import installed_version
from links.contacts import LASER, Contact
from links.endpoints import ipc_endpoint
from links.handshakes import Gate

START_LIMIT_S = 120.0  # wall seconds for all processes of this host to be ready: a hundred need thirty on two cores
FAREWELL_S = 3.0  # wall seconds for nodes to say farewell
EARLY_DEATHS = 2  # of one node before the run begins: the first may be an accident
PROBE_LINK = 0  # contact number of the links over which transport is measured; real ones count from 1
BEFORE_TIME_S = -1e9  # emulated instant before any run: probes are due at once


class Crew:
    """All nodes of a run."""

    def __init__(
        self, members: list[Member], options: LiveOptions, folder: Path, welcome: Callable[[Member], say.Welcome],
        note: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`welcome` says what a member must know; `note` takes a line of what went wrong with a node."""
        self.options, self.folder, self.note = options, folder, note
        self._welcome = welcome
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 4096)
        self.waiter = Waiter()
        self.waiter.spin_s = 0.0  # the coordinator's facts have light time to reach their nodes
        self.supervisor = Supervisor(folder)
        self.gate = Gate(self.context, options.keys) if options.keys is not None else None
        control = options.listen or ipc_endpoint(str(folder), "coordinator")
        try:
            self.roster = Roster(self.context, control, members, options.keys)
        except ValueError:
            self._close_context()
            raise
        self.members = self.roster.members
        self.waiter.add(self.roster.fd)
        if self.gate is not None:
            self.waiter.add(int(self.gate.socket.fd))
        self._killed: dict[str, str] = {}  # processes whose death is no news, and why they were killed
        self._returned: list[Member] = []
        self._joined: set[str] = set()

    # the start

    def start(self, busy: Callable[[str, int, int], None]) -> None:
        """Start all processes; returns when every node is ready and has its models. `busy(what, done, of)`.

        Raises RunFailed naming the node if one dies or is not ready in time, BadInput if nobody joins.
        """
        for member in self.members.values():
            if not member.remote:
                self._spawn(member)
        begun_s = wall_s()
        everyone = list(self.members.values())
        while waiting := [m.name for m in everyone if not (m.ready and m.loaded)]:
            self.wait(wall_s() + 0.05)
            for member, message in self.hear():
                if isinstance(message, say.Broke):
                    raise RunFailed(f"{member.name}: {message.problem}")
            for member, death in self.deaths():
                member.deaths += 1
                if member.deaths >= EARLY_DEATHS or "exit code 2" in death:
                    raise RunFailed(f"a node did not start: {death}")
                self._spawn(member)
            busy("nodes", len(everyone) - len(waiting), len(everyone))
            self._check_patience(waiting, wall_s() - begun_s)
        self._returned.clear()
        self._measure_offsets()

    def _check_patience(self, waiting: list[str], waited_s: float) -> None:
        far = [name for name in waiting if self.members[name].remote]
        if far and waited_s > self.options.join_s:
            text = ", ".join(far[:10])
            raise BadInput(
                f"nobody has joined as {text} within {self.options.join_s:g} s: run `orbitmesh node --join "
                f"{self.roster.endpoint}` there (with --key FILE); refused so far: {dict(self.roster.refused) or 'none'}"
            )
        near = [name for name in waiting if not self.members[name].remote]
        if near and waited_s > START_LIMIT_S:
            raise RunFailed(f"{', '.join(near[:10])} not ready within {START_LIMIT_S:g} s")

    def _spawn(self, member: Member) -> None:
        member.epoch += 1
        member.heard_s = wall_s()
        introduction = Introduction(
            self.roster.endpoint, member.name, member.epoch, self.run, self.scenario_sha256, self.options.keys
        )
        fd = self.supervisor.start(introduction)
        if fd is not None:
            self.waiter.add(fd)

    @property
    def run(self) -> bytes:
        """The run's secret name."""
        return self._welcome(next(iter(self.members.values()))).run

    @property
    def scenario_sha256(self) -> str:
        """Of the scenario."""
        return self._welcome(next(iter(self.members.values()))).scenario_sha256

    def greet(self, identity: bytes, hello: say.Hello) -> Member | None:
        """Let a node in, or tell it why not."""
        member, problem = self._who(hello)
        if member is None:
            self.roster.refused["not let in"] += 1
            self.note(f"{hello.node or 'a node'} (process {hello.pid} on {hello.host}) was not let in: {problem}")
            self.roster.answer(identity, say.Unwelcome(problem))
            return None
        if member.remote:
            member.epoch += 1
        member.identity, member.pid, member.host = identity, hello.pid, hello.host
        self.roster.answer(identity, self._welcome(member))
        return member

    def _who(self, hello: say.Hello) -> tuple[Member | None, str]:
        """The member that says hello, or why it is none."""
        if hello.protocol != say.PROTOCOL or hello.version != installed_version():
            ours = f"orbitmesh {installed_version()} and protocol {say.PROTOCOL}"
            return None, f"this run speaks {ours}, the node {hello.version} and {hello.protocol}: install the same"
        awaited = [m for m in self.members.values() if m.remote and not m.identity]
        if hello.run == b"" and not hello.node:
            return (awaited[0], "") if awaited else (None, "no node is awaited from another host (any more)")
        member = self.members.get(hello.node)
        if member is None:
            return None, f"there is no node {hello.node!r} in this run"
        if member.remote:
            if member.identity:
                return None, f"{member.name} is here already, from {member.host}"
            return member, ""
        if hello.run != self.run or hello.epoch != member.epoch:
            return None, f"{member.name} runs on the coordinator's host; name one of those given with --remote"
        if hello.scenario_sha256 != self.scenario_sha256:
            return None, f"{member.name} was started for another scenario ({hello.scenario_sha256[:12]})"
        return member, ""

    # while it lasts

    def wait(self, until_wall_s: float) -> None:
        """Until somebody says something, or an instant."""
        self.waiter.wait(until_wall_s)
        if self.gate is not None:
            self.gate.serve()

    def hear(self) -> list[tuple[Member, Any]]:
        """What nodes say that concerns the run; what concerns the crew is seen to here."""
        found = []
        for member, message in self.roster.hear(self.greet):
            kind = type(message)
            if kind is say.Ready:
                member.ear, member.door, member.ready = message.ear, message.door, True
            elif kind is say.Loaded:
                member.loaded, member.cold_start_s = True, message.cold_start_s
                self._returned.append(member)
            elif kind is say.Beat or kind is say.Farewell:
                member.counts = message.counts
                member.bye = kind is say.Farewell
            elif kind is say.Pong:
                self.roster.pinged(member, message)
            else:
                found.append((member, message))
        return found

    def tell(self, name: str, message: Any) -> bool:
        """Say something to a node."""
        return self.roster.tell(name, message)

    def tell_all(self, message: Any) -> None:
        """Say the same to all."""
        self.roster.tell_all(message)

    def fit(self, name: str) -> bool:
        """Whether a node can work."""
        return self.members[name].ready and self.members[name].loaded

    def begin(self, member: Member, pace: Pace) -> None:
        """Tell a node how time runs."""
        known = None if member.offset is None else member.offset.best(wall_s())
        self.roster.answer(member.identity, say.Begin(pace.segments, 0.0 if known is None else known.offset_s))

    def link(self, number: int, contact: Contact) -> None:
        """Connect the two ends of a contact, each way that it leads."""
        ways = [(contact.a, contact.b), (contact.b, contact.a)] if contact.kind == LASER else [(contact.a, contact.b)]
        for here, there in ways:
            peer = self.members[there]
            if peer.ready and self.members[here].ready:
                self.tell(here, say.Link(number + 1, there, peer.ear))

    def unlink(self, number: int, contact: Contact) -> None:
        """Disconnect them."""
        for name in (contact.a, contact.b):
            if self.members[name].ready:
                self.tell(name, say.Unlink(number + 1))

    def deaths(self) -> list[tuple[Member, str]]:
        """Whose process has died, and how; of those that were killed on purpose, nothing."""
        found = []
        dead, closed = self.supervisor.deaths()
        for death in dead:
            member = self.members[death.node]
            if member.pid in (death.pid, 0) or not member.identity:
                member.gone()
            why = self._killed.pop(f"{death.node}/{death.pid}", None)
            if why is None:
                found.append((member, str(death)))
            elif why:
                found.append((member, why))
        for fd in closed:
            self.waiter.remove(fd)
            self.supervisor.closed(fd)
        return found

    def returned(self) -> list[Member]:
        """Who is ready again since the last call."""
        found, self._returned = [m for m in self._returned if m.ready and m.loaded], []
        return found

    def replace(self, member: Member, comes_back: bool) -> None:
        """End a node's process if it runs, and start another if it is to come back."""
        pid = self.supervisor.pid(member.name)
        if pid is not None:
            self._killed[f"{member.name}/{pid}"] = ""
            self.supervisor.kill(member.name)
            self.supervisor.reap(member.name)
        elif member.remote:
            self.roster.answer(member.identity, say.Finish())
        self.deaths()
        member.gone()
        if comes_back and not member.remote:
            self._spawn(member)

    def kill(self, member: Member, why: str) -> None:
        """End a process that is no use any more; its death is then told with this reason."""
        pid = self.supervisor.pid(member.name)
        if pid is None:
            raise RunFailed(why)  # on another host, and out of reach
        self._killed[f"{member.name}/{pid}"] = why
        self.supervisor.kill(member.name)

    def silent(self, limit_s: float, now_wall_s: float) -> list[Member]:
        """Who should have said something."""
        return [m for m in self.members.values() if m.ready and now_wall_s - m.heard_s > limit_s]

    def ping(self) -> None:
        """Ask the nodes of other hosts for the time, and tell them what was learnt of their clocks."""
        now_wall_s = wall_s()
        for member in self.members.values():
            if member.offset is None or not member.ready:
                continue
            self.roster.answer(member.identity, say.Ping(wall_s()))
            known = member.offset.best(now_wall_s)
            if known is not None:
                self._check_offset(member, known)
                self.roster.answer(member.identity, say.Shift(known.offset_s))

    def _measure_offsets(self) -> None:
        """Learn how far other hosts' clocks are from ours before time begins."""
        far = [member for member in self.members.values() if member.offset is not None]
        for _ in range(32 if far else 0):
            for member in far:
                self.roster.answer(member.identity, say.Ping(wall_s()))
            until_s = wall_s() + 0.01
            while wall_s() < until_s:
                self.wait(until_s)
                self.hear()
        for member in far:
            known = member.offset.best(wall_s()) if member.offset is not None else None
            if known is None:
                raise RunFailed(f"{member.name} on {member.host} answers no ping")
            self._check_offset(member, known)

    def _check_offset(self, member: Member, known: Offset) -> None:
        if known.uncertainty_s * (self.options.rate or 1.0) > self.options.late_budget_s:
            raise RunFailed(
                f"the clock of {member.name} on {member.host} is known to {known.uncertainty_s * 1e3:.3f} ms only, which "
                f"is more than the lateness budget of {self.options.late_budget_s * 1e3:g} ms; a nearer host, or a "
                "larger --late-budget"
            )

    # how fast transport is

    def measure_floor(self, rounds: int) -> list[float]:
        """Wall seconds from an order until the report of its arrival, over links between neighbours, sorted.

        It is what a message that is forwarded needs between its release at one node and at the next.
        """
        names = list(self.members)
        begin = Pace(Segment(wall_s(), 0.0, 1.0))
        for here, there in zip(names, names[1:] + names[:1], strict=True):
            self.begin(self.members[here], begin)
            self.tell(here, say.Link(PROBE_LINK, there, self.members[there].ear))
        samples: list[float] = []
        for number in range(-2 * len(names), rounds):  # the first two over each link make and warm its connection
            here = names[number % len(names)]
            letter = say.letter_id("probe", number + 2 * len(names), "")
            sent_s = wall_s()
            self.tell(here, say.Put(letter, PROBE_LINK, 1, 0, BEFORE_TIME_S, BEFORE_TIME_S))
            while wall_s() < sent_s + 1.0:
                self.wait(sent_s + 1.0)
                if any(isinstance(m, say.Got) and m.letter == letter for _, m in self.hear()):
                    samples += [wall_s() - sent_s] if number >= 0 else []
                    break
        self.tell_all(say.Unlink(PROBE_LINK))
        if len(samples) < rounds / 2:
            raise RunFailed(f"only {len(samples)} of {rounds} messages came through between the nodes' processes")
        return sorted(samples)

    # the end

    def finish(self) -> None:
        """Ask all for their last word, and wait for it."""
        self.tell_all(say.Finish())
        until_s = wall_s() + FAREWELL_S
        while any(m.ready and not m.bye for m in self.members.values()) and wall_s() < until_s:
            self.wait(until_s)
            self.hear()
            self.deaths()

    def close(self) -> None:
        """End all processes and sockets."""
        for fd in tuple(self.supervisor.descriptors):
            self.waiter.remove(fd)
        for death in self.supervisor.stop(FAREWELL_S):
            self.note(str(death))
        self.roster.close()
        self._close_context()

    def _close_context(self) -> None:
        if self.gate is not None:
            self.gate.close()
        self.waiter.close()
        self.context.destroy(linger=200)


def counted(members: dict[str, Member]) -> dict[str, dict[str, int]]:
    """What every node has counted, its dead processes included as far as they told."""
    return {name: dict(member.past + Counter(member.counts)) for name, member in members.items()}
