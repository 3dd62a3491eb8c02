"""The crew: every node's process with its place in the run, from the first hello to the last farewell.

Starts what belongs on this host, lets in who joins from others, connects nodes to each other, restarts who dies, and
leaves no process, socket or file behind.
"""

from collections import Counter
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import zmq

from emulator.clock import wall_s
from emulator.live import control as say
from emulator.live.abroad import Abroad
from emulator.live.greeting import who
from emulator.live.join import Introduction
from emulator.live.metering import Meter
from emulator.live.options import LiveOptions
from emulator.live.pace import Pace
from emulator.live.roster import Member, Roster
from emulator.live.supervisor import Death, Supervisor
from emulator.live.wait import Waiter
from links.contacts import LASER, Contact
from links.endpoints import ipc_endpoint
from links.handshakes import Gate

START_LIMIT_S = 120.0  # wall seconds for all processes of this host to be ready: a hundred need thirty on two cores
FAREWELL_S = 3.0  # wall seconds for nodes to say farewell
LAST_WORD_S = 0.2  # wall seconds until what a process said before it ended has come: a hundred times what it takes
AWAY_S = 1.0  # wall seconds without a look here that are more than a busy moment: twenty rounds of chores


class Crew:
    """All nodes of a run."""

    def __init__(
        self, members: list[Member], options: LiveOptions, folder: Path, welcome: Callable[[Member], say.Welcome],
        note: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`welcome` says what a member must know; `note` takes a line of what went wrong with a node."""
        self.options, self.folder, self.note = options, folder, note
        self._welcome = welcome
        first = welcome(members[0])
        self.run, self.scenario_sha256 = first.run, first.scenario_sha256
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 4096)
        self.meter = Meter(options.remote)
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
        self.abroad = Abroad(self.roster, options.rate, options.late_budget_s)
        self.waiter.add(self.roster.fd)
        if self.gate is not None:
            self.waiter.add(int(self.gate.socket.fd))
        self.cut_off = 0  # processes that went without a last word: what they had counted is not known in full
        self._killed: dict[str, str] = {}  # processes that were killed on purpose, and why; "": it is no news
        self._news: list[tuple[Member, Death]] = []  # deaths that nobody has been told of
        self._returned: list[Member] = []
        self._listened_s = wall_s()

    # the start

    def begun(self) -> None:
        """All are here: who comes from now on comes back, and what was counted so far counts no more."""
        self._returned.clear()
        self.cut_off = 0

    def spawn(self, member: Member) -> None:
        """Start a node's process on this host."""
        member.epoch += 1
        member.heard_s = wall_s()
        introduction = Introduction(
            self.roster.endpoint, member.name, member.epoch, self.run, self.scenario_sha256, self.options.keys,
            realtime=self.options.realtime,
        )  # fmt: skip
        fd = self.supervisor.start(introduction)
        if fd is not None:
            self.waiter.add(fd)

    def greet(self, identity: bytes, hello: say.Hello) -> Member | None:
        """Let a node in, or tell it why not."""
        member, problem = who(hello, self.members, self.run, self.scenario_sha256)
        if member is None:
            self.roster.refused["not let in"] += 1
            self.note(f"{hello.node or 'a node'} (process {hello.pid} on {hello.host}) was not let in: {problem}")
            self.roster.answer(identity, say.Unwelcome(problem))
            return None
        if member.remote:
            member.epoch += 1
            self.abroad.joined(member)
        member.identity, member.pid, member.host = identity, hello.pid, hello.host
        self.roster.answer(identity, self._welcome(member))
        return member

    # while it lasts

    def wait(self, until_wall_s: float) -> None:
        """Until somebody says something, or an instant."""
        self.waiter.wait(until_wall_s)
        if self.gate is not None:
            self.gate.serve()
        self.abroad.look()

    @property
    def refused(self) -> dict[str, int]:
        """What and who was not let in, by reason: at the control socket's handshake, and after it."""
        watch = self.roster.watch
        counts = {} if watch is None else watch.strangers
        return dict(self.roster.refused) | {f"stranger: {what}": n for what, n in counts.items()}

    def hear(self) -> list[tuple[Member, Any]]:
        """What nodes say that concerns the run; what concerns the crew is seen to here."""
        found = []
        for member, message in self.roster.hear(self.greet):
            kind = type(message)
            if kind is say.Ready:
                member.ear, member.door, member.ready = message.ear, message.door, True
            elif kind is say.Loaded:
                member.loaded, member.cold_start_s = True, message.cold_start_s
                self.meter.loaded(member.name, message.counter, message.uncounted)
                self._returned.append(member)
                if member.remote:
                    self.abroad.sound(member)
            elif kind is say.Beat or kind is say.Farewell:
                member.counts = message.counts
                member.bye = kind is say.Farewell
            elif kind is say.Pong:
                self.abroad.heard(member, message)
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
        """Whose process has died since the last call, and how; of those that were replaced on purpose, nothing."""
        return [(member, str(death)) for member, death in self.news()]

    def news(self) -> list[tuple[Member, Death]]:
        """The same with exit codes."""
        self._bury()
        found, self._news = self._news, []
        return found

    def _bury(self) -> None:
        """Take notice of all processes that have ended."""
        dead, closed = self.supervisor.deaths()
        for death in dead:
            member = self.members[death.node]
            if not member.bye:
                self.cut_off += 1
            if member.pid in (death.pid, 0) or not member.identity:
                member.gone()
            why = self._killed.pop(f"{death.node}/{death.pid}", None)
            if why != "":
                self._news.append((member, death if why is None else msgspec.structs.replace(death, why=why)))
        for fd in closed:
            self.waiter.remove(fd)
            self.supervisor.closed(fd)
        for member, why in self.abroad.departed():
            self.cut_off += not member.bye
            self._news.append((member, Death(member.name, member.pid, 0, "", why)))
            member.gone()

    def returned(self) -> list[Member]:
        """Who is ready again since the last call."""
        back = [m for m in self._returned if m.ready and m.loaded]
        found = [m for m in back if self.abroad.sounded(m)]
        self._returned = [m for m in back if m not in found]
        for member in tuple(found):
            problem = self.abroad.objection(member)
            if problem:
                found.remove(member)
                self.abroad.dismiss(member, problem)
            else:
                self.abroad.admit(member)
        return found

    def replace(self, member: Member, comes_back: bool) -> None:
        """End a node's process if it runs, and start another if it is to come back."""
        pid = self.supervisor.pid(member.name)
        if pid is not None:
            if self.supervisor.runs(member.name):
                self._killed[f"{member.name}/{pid}"] = ""
            self.supervisor.kill(member.name)
            self.supervisor.reap(member.name)
        elif member.remote:
            self.roster.answer(member.identity, say.Fail(comes_back))
            self.cut_off += not member.bye
            self.abroad.forget(member)
        self._bury()
        for death in [death for other, death in self._news if other is member]:
            self.note(str(death))  # it went by itself a moment ago, and is replaced all the same
        self._news = [(other, death) for other, death in self._news if other is not member]
        member.gone()
        if comes_back and not member.remote:
            self.spawn(member)

    def kill(self, member: Member, why: str) -> None:
        """End a process that is no use any more; its death is then told with this reason."""
        pid = self.supervisor.pid(member.name)
        if pid is None:
            self.abroad.dismiss(member, why)  # on another host: if it still hears that, it ends
            return
        self._killed[f"{member.name}/{pid}"] = why
        self.supervisor.kill(member.name)

    def silent(self, limit_s: float, now_wall_s: float) -> list[Member]:
        """Who should have said something for `limit_s`, or been ready for `START_LIMIT_S`.

        Time in which nobody listened here, because a scheduler thought or this process was stopped, counts for nobody.
        """
        away_s = now_wall_s - self._listened_s
        self._listened_s = now_wall_s
        if away_s > AWAY_S:
            for member in self.members.values():
                member.heard_s += away_s
        return [m for m in self.members.values() if now_wall_s - m.heard_s > self._patience_s(m, limit_s)]

    def _patience_s(self, member: Member, limit_s: float) -> float:
        if member.ready:
            return limit_s
        return START_LIMIT_S if self.supervisor.pid(member.name) is not None else inf

    # the end

    def finish(self) -> None:
        """Ask all for their last word, and wait for it."""
        self.tell_all(say.Finish())
        self._watch_no_more()  # a process that has ended may have said farewell: what it said comes first
        until_s = wall_s() + FAREWELL_S
        while owing := [m for m in self.members.values() if m.ready and not m.bye]:
            now_s = wall_s()
            if not any(m.remote or self.supervisor.runs(m.name) for m in owing):
                until_s = min(until_s, now_s + LAST_WORD_S)
            if now_s >= until_s:
                break
            self.wait(min(until_s, now_s + LAST_WORD_S))
            self.hear()
        self.cut_off += len(owing)

    def _watch_no_more(self) -> None:
        for fd in self.supervisor.descriptors:
            self.waiter.remove(fd)
            self.supervisor.closed(fd)

    def close(self) -> None:
        """End all processes and sockets."""
        self._watch_no_more()
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
