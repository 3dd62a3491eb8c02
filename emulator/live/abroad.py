"""The nodes of a run on other hosts: what time it is there, how sure we are of it, and whether they are there at all.

They are asked for the time twice a second. A node is out of the run when its connection broke, when it is silent, when
its clock jumped; another process may take its place. What is not known of a clock must fit into the lateness budget.
"""

from collections import Counter

import msgspec

from emulator.clock import wall_s
from emulator.errors import RunFailed
from emulator.live import control as say
from emulator.live.offset import Offset, OffsetEstimate
from emulator.live.roster import Member, Roster

EVERY_S = 0.5  # wall seconds between two looks at a node
# Questions at a stretch, of which the quickest counts. The first finds processors asleep: it takes 1.5 ms there and
# back between two namespaces of one host, and three times as long there as back; the next ones take 0.12 to 0.4 ms.
EXCHANGES = 16  # before a node takes part [guess]
AGAIN = 4  # at each look [guess]


class HostClock(msgspec.Struct, frozen=True, kw_only=True):
    """How much more the clock of a node's host reads than the coordinator's, and how far off that may be, in seconds.

    As last measured; `worst_s`: the most that it may have been off while the node took part.
    """

    host: str
    offset_s: float
    uncertainty_s: float
    worst_s: float


class Abroad:
    """All of a run's nodes on other hosts; costs nothing where there are none."""

    def __init__(self, roster: Roster, rate: float | None, budget_s: float) -> None:
        """`rate`: emulated seconds per wall second, None if it is chosen so that clocks are sure enough."""
        self.members = [member for member in roster.members.values() if member.remote]
        self.clocks: dict[str, HostClock] = {}
        self._roster, self._rate, self._budget_s = roster, rate, budget_s
        self._to_ask: Counter[str] = Counter()  # how often a node is still to be asked at this stretch
        self._sounded: set[str] = set()
        self._admitted: set[str] = set()
        self._departed: list[tuple[Member, str]] = []
        self._next_s = 0.0

    @property
    def unsure_s(self) -> float:
        """Wall seconds by which the clock of a node that takes part may be off now."""
        return max((self.clocks[name].uncertainty_s for name in self._admitted), default=0.0)

    # the start

    def joined(self, member: Member) -> None:
        """A new process: it may be on another host than the one before."""
        member.offset = OffsetEstimate()
        self._sounded.discard(member.name)

    def sound(self, member: Member) -> None:
        """Ask for the time many times at a stretch; `sounded` says when it is done."""
        self._sounded.discard(member.name)
        self._ask(member, EXCHANGES)

    def sounded(self, member: Member) -> bool:
        """Whether enough is known of a node's clock; of those of this host all is."""
        return not member.remote or member.name in self._sounded

    def objection(self, member: Member) -> str:
        """Why a node cannot take part, "" if it can."""
        known = self._known(member)
        rate = self._rate
        if known is None or rate is None or known.uncertainty_s * rate <= self._budget_s:
            return ""
        return (
            f"the clock of {member.name} on {member.host} is known to {known.uncertainty_s * 1e3:.3f} ms only, at rate "
            f"{rate:g} more than the lateness budget of {self._budget_s * 1e3:g} ms; a nearer host, a slower --rate, "
            "--rate auto, or a larger --late-budget"
        )

    def admit(self, member: Member) -> None:
        """A node takes part from now on."""
        if member.remote:
            self._admitted.add(member.name)
            self._note_clock(member)

    # while it lasts

    def look(self) -> None:
        """Ask everybody, if it is time again. Raises RunFailed if a clock that the run relies on is too unsure."""
        if not self.members or wall_s() < self._next_s:
            return
        self._next_s = wall_s() + EVERY_S
        if self._roster.watch is not None:
            self._roster.watch.notice()
        for member in self.members:
            if not member.identity:
                continue
            self._ask(member, AGAIN if member.name in self._sounded else max(1, self._to_ask[member.name]))
            if member.name in self._admitted:
                problem = self.objection(member)
                if problem:
                    raise RunFailed(problem)
                self._note_clock(member)
                self._roster.answer(member.identity, say.Shift(self.clocks[member.name].offset_s))

    def heard(self, member: Member, pong: say.Pong) -> None:
        """A node's answer. One that takes part and whose clock jumped is put out."""
        jumps = 0 if member.offset is None else member.offset.jumps
        self._roster.pinged(member, pong)
        if self._to_ask[member.name] > 0:
            self._ask(member, self._to_ask[member.name])
        else:
            self._sounded.add(member.name)
        if member.offset is not None and member.offset.jumps > jumps and member.name in self._admitted:
            before_s, known = self.clocks[member.name].offset_s, self._known(member)
            by_s = 0.0 if known is None else known.offset_s - before_s
            self.dismiss(member, f"its clock jumped by {by_s:.3g} s, as after a sleep of its host or of this one")

    def dismiss(self, member: Member, why: str) -> None:
        """Put a node out of the run; it is told, if it can be."""
        self._roster.answer(member.identity, say.Unwelcome(why))
        self._depart(member, why)

    def departed(self) -> list[tuple[Member, str]]:
        """Who is out of the run since the last call, and why."""
        found, self._departed = self._departed, []
        return found

    def forget(self, member: Member) -> None:
        """A node's process is no more, for whatever reason."""
        self._admitted.discard(member.name)

    def _ask(self, member: Member, times: int) -> None:
        self._to_ask[member.name] = times - 1
        if not self._roster.answer(member.identity, say.Ping(wall_s())) and member.identity in self._roster.broken:
            self._depart(member, "its connection broke")

    def _depart(self, member: Member, why: str) -> None:
        self._admitted.discard(member.name)
        if all(other is not member for other, _ in self._departed):
            rejoin = f"`orbitmesh node --join {self._roster.endpoint} --name '{member.name}'` brings it up again"
            self._departed.append((member, f"{member.name} (on {member.host}) is out of the run: {why}; {rejoin}"))

    def _known(self, member: Member) -> Offset | None:
        return None if member.offset is None else member.offset.best(wall_s())

    def _note_clock(self, member: Member) -> None:
        known, before = self._known(member), self.clocks.get(member.name)
        if known is None:
            return
        worst_s = max(known.uncertainty_s, 0.0 if before is None else before.worst_s)
        self.clocks[member.name] = HostClock(
            host=member.host, offset_s=known.offset_s, uncertainty_s=known.uncertainty_s, worst_s=worst_s
        )
