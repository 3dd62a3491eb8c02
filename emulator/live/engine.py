"""The live engine: the core's orders become real messages between real processes, and what they report becomes facts.

Facts known beforehand ring when the clock reaches them; deliveries and completions are reported by the nodes with the
emulated instant at which they really happened. All go through the same door as in the virtual engine, in time's order:
a report that arrives after a later fact was handled gets that fact's instant. Nothing here decides what happens next.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any, ClassVar

import msgspec

from emulator.clock import wall_s
from emulator.errors import RunFailed
from emulator.events import (
    Bundle,
    Captured,
    Delivered,
    Ended,
    Event,
    Finished,
    Missed,
    NodeFailed,
    NodeRecovered,
    Offered,
    TimerRang,
    order_key,
)
from emulator.live import control as say
from emulator.live.answers import Answers
from emulator.live.crew import Crew
from emulator.live.governor import Governor
from emulator.live.lateness import Lateness
from emulator.live.leases import RUN_GRACE_S, TRIES, Lease, Leases
from emulator.live.options import LiveOptions
from emulator.live.pace import Pace, Segment
from emulator.live.roster import Member
from emulator.orders import Cancel, End, Run, Send, Wake
from emulator.recorder import Door
from emulator.state import BUNDLE
from workloads.pipeline import work_of

CHORES_S = 0.05  # wall seconds between looks at leases, rates and links to come
GOVERN_S = 0.5  # wall seconds between looks at the rate
TURN_S = 0.25  # wall seconds from the order to change the rate until it holds: hundreds of times what an order takes
SLOW = 4.0  # times; by how much less than told before the rate must go to be worth a line [guess]
MOST_AT_ONCE = 32  # facts handled before reports are heard [guess]
LINK_AHEAD_S = 0.5  # wall seconds before a contact opens that its connection is made
START_S = 0.5  # wall seconds from the last order before the run until time begins

Entry = tuple[float, int, str, int, Event]


class Engine:
    """One run on real processes."""

    def __init__(
        self, door: Door, crew: Crew, answers: Answers, governor: Governor, options: LiveOptions,
        facts: Iterable[Event], duration_s: float,
    ) -> None:  # fmt: skip
        self.door, self.crew, self.answers, self.governor = door, crew, answers, governor
        self.options, self.duration_s = options, duration_s
        self.core = answers.core
        self.contacts = answers.world.plan.contacts
        self.late = Lateness()
        self.late_runs = Lateness()
        self.late_facts = Lateness()  # from a fact's own instant until the core was told
        self.waited = 0  # runs that no model did: their nodes were busy for the modelled time by waiting
        self.overruns = 0
        self.stale = 0
        self.first_s: float | None = None  # wall instant of the first delivery
        self.restarts = 0
        self.missed = 0  # messages given up
        self.rates: list[tuple[float, float]] = []  # (emulated instant, rate from then on)
        self.leases = Leases()
        self.attempts = 0
        self.ended = False
        self._told_rate = governor.rate
        self._last_s = 0.0
        self._news: dict[str, tuple[list[say.Fate], list[str], list[str]]] = {}
        self._held: set[str] = set()  # bundles of applications, whose payload some node holds
        self._sequence = 0
        self._heap: list[Entry] = []
        scenes = {event.task.id: event.task for event in facts if isinstance(event, Captured)}
        self._task_of = work_of(answers.world.pipeline, scenes)
        for event in (*facts, Ended(duration_s)):
            self._sequence += 1
            self._heap.append((*order_key(event, self._sequence), event))
        heapify(self._heap)
        self._planned = {(e.at_s, e.node) for e in facts if isinstance(e, NodeFailed)}
        self._comebacks = sorted((e.at_s, e.node) for e in facts if isinstance(e, NodeRecovered))
        self._to_open = sorted(range(len(self.contacts)), key=lambda n: -self.contacts[n].start_s)
        self._open: set[int] = set()
        self.pace: Pace  # from `run` on

    def run(self, watch: Callable[["Engine"], None]) -> None:
        """Until the end of the run; `watch` is called at every round of chores."""
        self.pace = Pace(Segment(wall_s() + START_S, 0.0, self.governor.rate))
        self._open_links()
        self.rates.append((0.0, self.governor.rate))
        for member in self.crew.members.values():
            self.crew.begin(member, self.pace)
        next_chores_s = wall_s()
        next_govern_s = next_chores_s + START_S + GOVERN_S
        while not self.ended:
            until_s = next_chores_s
            if self._heap and not self._holding_the_end():
                until_s = min(until_s, self.pace.wall(self._heap[0][0]))
            self.crew.wait(until_s)
            for member, message in self.crew.hear():
                self._hear(member, message)
            self._work()
            now_wall_s = wall_s()
            if now_wall_s >= next_chores_s:
                next_chores_s = now_wall_s + CHORES_S
                self._chores(now_wall_s)
                watch(self)
            if now_wall_s >= next_govern_s:
                next_govern_s = now_wall_s + GOVERN_S
                self._govern(now_wall_s)
        self._tell_news()

    @property
    def now_s(self) -> float:
        """Emulated seconds, never more than the run lasts."""
        return min(self.pace.emulated(wall_s()), self.duration_s)

    # facts

    def _push(self, event: Event) -> None:
        self._sequence += 1
        heappush(self._heap, (*order_key(event, self._sequence), event))

    def _work(self) -> None:
        """Hand over all facts whose instant has come; none after the end, which late reports may well be."""
        heap = self._heap
        for _ in range(MOST_AT_ONCE):  # then reports have their turn, however slow the scheduler is
            if not heap or self.ended or heap[0][0] > self.pace.emulated(wall_s()) or self._holding_the_end():
                return
            event = heappop(heap)[4]
            self.late_facts.record(self.pace.emulated(wall_s()) - event.at_s)
            self._handle(event)

    def _holding_the_end(self) -> bool:
        """Whether the end has to wait for reports of what was due before it."""
        if type(self._heap[0][4]) is not Ended:
            return False
        due = any(lease.order.deliver_s <= self.duration_s for lease in self.leases.messages.values())
        return due or any(order.finish_s <= self.duration_s for order in self.leases.runs.values())

    def _handle(self, event: Event) -> None:
        if isinstance(event, NodeFailed):
            self._fails(event)
        elif isinstance(event, NodeRecovered) and not self.crew.fit(event.node):
            self.crew.members[event.node].recover_s = event.at_s  # told as soon as its process is there
            return
        if event.at_s < self._last_s:
            event = msgspec.structs.replace(event, at_s=self._last_s)
        if isinstance(event, NodeRecovered):
            self.crew.members[event.node].up = True
            self.crew.members[event.node].recover_s = None
        self._last_s = event.at_s
        for order in self.door.handle(event):
            carry_out = self._CARRY_OUT.get(type(order))
            if carry_out is not None:
                carry_out(self, order)
        if isinstance(event, NodeFailed):
            self._void()
        self.ended = isinstance(event, Ended)

    def _fails(self, event: NodeFailed) -> None:
        """A fault of the scenario, or a process that died: either way the process is gone."""
        member = self.crew.members[event.node]
        member.up = False
        if (event.at_s, event.node) in self._planned:
            later = [at_s for at_s, node in self._comebacks if node == event.node and at_s >= event.at_s]
            member.recover_s = None  # the scenario says when
            self.crew.replace(member, comes_back=bool(later))

    def _void(self) -> None:
        """Strike off what the core has given up with a node, and see that it is not released after all."""
        flying = self.core.transport.in_flight
        for key, lease in tuple(self.leases.messages.items()):
            message = flying.get(key)
            if message is None or message.deliver_s != lease.order.deliver_s or message.hop != lease.order.to:
                self.leases.end(key)
                self.crew.tell(lease.order.to, say.Forget(lease.letter))
        for run, order in tuple(self.leases.runs.items()):
            state = self.core.work.get(order.task)
            if state is None or state.run != run or state.how or not self.crew.members[order.node].up:
                del self.leases.runs[run]

    # orders

    def _send(self, order: Send) -> None:
        self.attempts += 1
        letter = say.letter_id(order.what, self.attempts, order.task)
        older = self.leases.grant(Lease(order, self.attempts, letter))
        if older is not None:
            self.crew.tell(older.order.to, say.Forget(older.letter))
        if order.what == BUNDLE:
            real_bytes = int(order.task in self._held)
        else:
            real_bytes = order.size_bytes if self.options.payload == "real" else 0
        put = say.Put(letter, order.contact + 1, order.size_bytes, real_bytes, order.start_s, order.deliver_s)
        self.crew.tell(order.node, put)

    def _run(self, order: Run) -> None:
        task = self._task_of(order.task)
        self.leases.runs[order.run] = order
        assembled = self.answers.assembled
        work: say.Hold | say.Infer = say.Infer(
            order.task, order.run, task.model, task.tile, task.raw_bytes, order.start_s, order.finish_s
        )  # fmt: skip
        if assembled.mission is not None and task.model in assembled.mission.models:  # no file does it
            work = say.Hold(order.task, order.run, assembled.infer(task), order.start_s, order.finish_s)
        self.crew.tell(order.node, work)

    def _cancel(self, order: Cancel) -> None:
        self.leases.runs.pop(order.run, None)
        self.crew.tell(order.node, say.Leave(order.task, order.run))

    def _wake(self, order: Wake) -> None:
        self._push(TimerRang(order.at_s, order.node, order.timer))

    def _end(self, order: End) -> None:
        state = self.core.bundles.get(order.task)
        if state is not None:
            self._news_of(state.bundle.source)[0].append(say.Fate(order.task, order.how, order.reason))
            if state.at != state.bundle.source:
                self._news_of(state.at)[2].append(f"{BUNDLE}:{order.task}")
            self._held.discard(order.task)

    def _news_of(self, node: str) -> tuple[list[say.Fate], list[str], list[str]]:
        """What a node is to be told with the next chores: fates, letters that are settled, bundles that have ended."""
        return self._news.setdefault(node, ([], [], []))

    _CARRY_OUT: ClassVar[dict[type, Callable[["Engine", Any], None]]] = {
        Send: _send, Run: _run, Cancel: _cancel, Wake: _wake, End: _end,
    }  # fmt: skip

    # reports

    def _hear(self, member: Member, message: Any) -> None:
        hear = self._HEAR.get(type(message))
        if hear is not None:
            hear(self, member, message)

    def _got(self, member: Member, got: say.Got) -> None:
        try:
            what, _, name = say.letter_parts(got.letter)
        except ValueError:
            self.stale += 1
            return
        lease = self.leases.settled((name, what), got.letter, member.name)
        if lease is None:
            self.stale += 1
            return
        self.late.record(got.late_s)
        if not lease.tries:  # what had to be sent again says nothing of how fast this host is
            self.governor.delivered(wall_s(), got.late_s / self.governor.rate)
        if got.problem:
            self._push(Missed(max(got.released_s, lease.order.deliver_s), member.name, name, what, got.problem))
            return
        self._push(Delivered(max(got.released_s, lease.order.deliver_s), member.name, name, what))
        if self.first_s is None:
            self.first_s = wall_s()
        if what == BUNDLE:
            bundle = self.core.bundles[name].bundle
            if (lease.order.node, member.name) != (bundle.source, bundle.target):  # else its fate says the same
                self._news_of(lease.order.node)[1].append(got.letter)

    def _ran(self, member: Member, ran: say.Ran) -> None:
        order = self.leases.runs.get(ran.run)
        if order is None or order.node != member.name or order.task != ran.task:
            self.stale += 1
            return
        del self.leases.runs[ran.run]
        modelled_s = order.finish_s - order.start_s
        if ran.host_s is None:
            self.waited += 1
        else:
            if ran.host_s * self.governor.rate > modelled_s:
                self.overruns += 1
            self.governor.inferred(wall_s(), modelled_s / max(ran.host_s, 1e-9))
            self.crew.meter.ran(member.name, self._task_of(ran.task).model, ran.host_s, ran.energy_j)
        self.late_runs.record(ran.late_s)
        self._push(Finished(max(ran.finished_s, order.finish_s), member.name, ran.task, ran.run, ran.outcome))

    def _broke(self, member: Member, broke: say.Broke) -> None:
        raise RunFailed(f"{member.name} could not run the model for task {broke.task}: {broke.problem}")

    def _offer(self, member: Member, offer: say.Offer) -> None:
        bundle = Bundle(offer.bundle, member.name, offer.target, offer.size_bytes, offer.priority)
        self._held.add(offer.bundle)
        self._push(Offered(max(0.0, offer.at_s), member.name, bundle))

    def _ask(self, member: Member, ask: say.Ask) -> None:
        fields = self.answers.answer(member.name, ask.what, self.now_s)
        self.crew.tell(member.name, say.Reply(ask.token, fields))

    def _stuck(self, member: Member, stuck: say.Stuck) -> None:
        for lease in tuple(self.leases.messages.values()):
            if lease.letter == stuck.letter:
                self._miss(lease)

    def _miss(self, lease: Lease) -> None:
        self.missed += 1
        self.leases.end(lease.key)
        self.crew.tell(lease.order.to, say.Forget(lease.letter))
        self._push(Missed(self.now_s, lease.order.to, lease.order.task, lease.order.what))

    _HEAR: ClassVar[dict[type, Callable[["Engine", Member, Any], None]]] = {
        say.Got: _got, say.Ran: _ran, say.Broke: _broke, say.Offer: _offer, say.Ask: _ask, say.Stuck: _stuck,
    }  # fmt: skip

    # chores

    def _chores(self, now_wall_s: float) -> None:
        for member, death in self.crew.deaths():
            self._died(member, death)
        for member in self.crew.returned():
            self._came_back(member)
        self._tell_news()
        self._open_links()
        self._shut_links()
        for lease in self.leases.expired(now_wall_s, self.pace.wall):
            sender_there = self.crew.members[lease.order.node].ready
            if lease.tries > TRIES or not sender_there:
                self._miss(lease)
            else:
                self.leases.renewed += 1
                self.crew.tell(lease.order.node, say.Again(lease.letter))
        for member in self.crew.silent(self.options.silent_s, now_wall_s):
            self.crew.kill(member, f"{member.name} has not been heard of for {now_wall_s - member.heard_s:.1f} s")
        for order in self.leases.hung(now_wall_s, self.pace.wall):
            member = self.crew.members[order.node]
            self.crew.kill(member, f"{member.name} has not ended run {order.run} {RUN_GRACE_S:g} s after it was due")

    def _tell_news(self) -> None:
        news, self._news = self._news, {}
        for node, (fates, settled, ended) in news.items():
            self.crew.tell(node, say.News(tuple(fates), tuple(settled), tuple(ended)))

    def _died(self, member: Member, death: str) -> None:
        """A process that nobody killed on purpose: a fact for the core, and a new process."""
        member.deaths += 1
        self.crew.note(death)
        if member.deaths > self.options.most_deaths:
            raise RunFailed(f"{member.name} died {member.deaths} times; the last time: {death}")
        self.restarts += 1
        now_s = max(0.0, self.now_s)
        if member.up:
            self._push(NodeFailed(now_s, member.name))
            member.recover_s = now_s
        if not member.remote:  # there, `orbitmesh node` starts it again, or somebody else does
            self.crew.replace(member, comes_back=True)

    def _came_back(self, member: Member) -> None:
        """A new process is there: connect it, and tell the core, if the scenario lets it be."""
        self.crew.begin(member, self.pace)
        for number in self._open:
            contact = self.contacts[number]
            if member.name in (contact.a, contact.b):
                self.crew.link(number, contact)
        if not member.up and member.recover_s is not None:
            self._push(NodeRecovered(max(member.recover_s, self.now_s), member.name))

    def _open_links(self) -> None:
        """Connect the nodes of contacts that open soon."""
        soon_s = self.pace.emulated(wall_s() + LINK_AHEAD_S)
        while self._to_open and self.contacts[self._to_open[-1]].start_s <= soon_s:
            number = self._to_open.pop()
            self._open.add(number)
            self.crew.link(number, self.contacts[number])

    def _shut_links(self) -> None:
        """Disconnect where a contact is over and nothing of it is under way any more."""
        now_s = self.now_s
        for number in [n for n in self._open if self.contacts[n].stop_s < now_s and not self.leases.by_contact.get(n)]:
            self._open.discard(number)
            self.crew.unlink(number, self.contacts[number])

    def _govern(self, now_wall_s: float) -> None:
        self.governor.unsure_s = self.crew.abroad.unsure_s
        busy = self.leases.messages or self.leases.runs or not self._heap
        rate = self.governor.consider(self.now_s, now_wall_s, 0.0 if busy else self._heap[0][0])
        if self.governor.goal * SLOW <= self._told_rate:
            self._told_rate = self.governor.goal
            self.crew.note(f"slows down to {self._told_rate:.3g} at {self.now_s:.3f} s; {self.governor.why}")
        if rate is not None:
            ahead_s = TURN_S + 4.0 * self.governor.unsure_s  # twice the way there and back to the farthest host
            segment = self.pace.joining(now_wall_s + ahead_s, rate)
            self.pace.change(segment)
            self.rates.append((segment.emulated_s, rate))
            self.crew.tell_all(say.Turn(segment))
