"""Why a part of a task waited before it was sent or run: the reasons, in words, in the order of time.

A wait is taken apart: until the scheduler had decided; while no contact was usable (and why the plan had none, or who
was down); while the transmitter or processor served others; and what is then left, in which the message was too long
for what was left of a contact, or was meant to go another way. What none of these explains says so.
"""

from typing import NamedTuple

from emulator.errors import TraceError
from emulator.events import ContactClosed, ContactOpened, Event, NodeFailed, NodeRecovered
from emulator.orders import Run, Send
from emulator.tracing.evidence import Evidence, Watch
from emulator.tracing.reader import Trace
from emulator.tracing.spans import INSTANT_S, Span, joined, length_s, within, without
from emulator.tracing.words import in_words
from links.contacts import RADIO, Contact
from links.transfer import finish_s

UNKNOWN = "the trace does not show why"
_TURNS = ContactOpened | ContactClosed | NodeFailed | NodeRecovered  # after these, messages may go another way


class Wait(NamedTuple):
    """A part of a task (itself, a stage, a bundle) that could have gone on at `since_s`, and did with `said`.

    `fact` is what the line of `said` is about; `decided_s` when the scheduler decided about it in between, in order.
    """

    part: str
    said: Send | Run
    since_s: float
    fact: Event
    decided_s: list[float]

    @property
    def long_s(self) -> float:
        """How long; 0 for less than an instant."""
        waited_s = self.said.start_s - self.since_s
        return waited_s if waited_s > INSTANT_S else 0.0

    @property
    def watch(self) -> Watch:
        """What has to be known to tell why."""
        return Watch(self.said.node, self.since_s, self.said.start_s)


class Left(NamedTuple):
    """A part of a task that lay on a node from `since_s` to the end of the trace; `answered`: it had run."""

    part: str
    node: str
    since_s: float
    until_s: float
    answered: bool
    decided_s: list[float]

    @property
    def watch(self) -> Watch:
        """What has to be known to tell why."""
        return Watch(self.node, self.since_s, self.until_s)


class Reasons:
    """Tells why parts of a task waited, from the contact plan and what else was going on."""

    def __init__(self, trace: Trace, evidence: Evidence) -> None:
        self._folder = trace.folder
        self._plan, self._planned = trace.world.plan, trace.world.planned
        self._decision_s = trace.world.settings.decision_s
        self._schema = trace.header.schema
        self._keeps_decisions = trace.keeps_decisions
        self._evidence = evidence

    def of(self, wait: Wait) -> list[str]:
        """The reasons for a wait; empty for none."""
        if not wait.long_s:
            return []
        found, since_s, start_s = [], wait.since_s, wait.said.start_s
        if wait.decided_s:
            decided_s = wait.decided_s[-1]
            if decided_s - since_s > INSTANT_S:
                found.append(f"the scheduler decided at {decided_s:.6f} s, {decided_s - since_s:.6f} s later")
            if self._decision_s > 0.0:
                found.append(f"deciding took {self._decision_s:.6f} s")
            since_s = min(start_s, decided_s + self._decision_s)
        if start_s - since_s > INSTANT_S:
            more = self._processor if isinstance(wait.said, Run) else self._link
            found += more(wait, since_s) or [self._unknown(wait)]
        return found

    def of_left(self, left: Left) -> list[str]:
        """Why a part was still where it was when the trace ended, as far as that shows."""
        if self._keeps_decisions and not left.answered and not left.decided_s:
            return ["the scheduler had not decided about it"]
        found, node = [], left.node
        passes = [(each.start_s, each.stop_s) for each in self._plan.contacts if each.kind == RADIO and each.a == node]
        usable = without(within(passes, left.since_s, left.until_s), self._evidence.outages.get(node, []))
        alone_s = left.until_s - left.since_s - length_s(joined(usable))
        if alone_s > INSTANT_S:
            found.append(f"{node} had no station for {alone_s:.6f} s of that time")
        sent = [each for each in self._evidence.sent(node, left.since_s, left.until_s) if each.task != left.part]
        if sent:
            size_bytes = sum(each.size_bytes for each in sent)
            found.append(f"the transmitters of {node} sent {len(sent):,} others, {size_bytes:,} bytes")
        ran = [] if left.answered else self._evidence.ran(node, left.since_s, left.until_s)
        if ran:
            found.append(f"the processor of {node} ran {len(ran):,} others")
        return found or [UNKNOWN]

    def _unknown(self, wait: Wait) -> str:
        if not self._keeps_decisions:
            return f"nothing else was in its way: the scheduler's decisions, which schema {self._schema} did not keep"
        return f"{UNKNOWN}; it ended when {_ended_by(wait.fact, self._plan.contacts)}"

    def _processor(self, wait: Wait, since_s: float) -> list[str]:
        run = wait.said
        others = [e for e in self._evidence.ran(run.node, since_s, run.start_s) if e[0].task != wait.part]
        if not others:
            return []
        names = ", ".join(each.task for each, _ in others[:3]) + (", ..." if len(others) > 3 else "")
        idle = without([(since_s, run.start_s)], [(each.start_s, end_s) for each, end_s in others])
        more = [self._unknown(wait)] if length_s(idle) > INSTANT_S else []
        return [f"the processor of {run.node} ran {len(others):,} others until then: {names}", *more]

    def _link(self, wait: Wait, since_s: float) -> list[str]:
        send = wait.said
        if not isinstance(send, Send):
            return []
        contact = self._contact(send.contact)
        radio = contact.kind == RADIO and contact.a == send.node
        contacts = self._of_transmitter(send, contact, radio)
        usable = self._usable(contacts, send, since_s)
        found = []
        closed = without([(since_s, send.start_s)], usable)
        if length_s(closed) > INSTANT_S:
            found.append(self._no_contact(send, radio, closed))
        others = [
            o for o in self._evidence.sent(send.node, since_s, send.start_s) if self._same(o, send, contact, radio)
        ]
        if others:
            size_bytes = sum(each.size_bytes for each in others)
            found.append(f"the transmitter of {send.node} sent {len(others):,} others first, {size_bytes:,} bytes")
        idle = without(usable, [(each.start_s, each.free_s) for each in others])
        if length_s(idle) > INSTANT_S:
            found += self._idle(wait, contacts, idle)
        return found

    def _of_transmitter(self, send: Send, contact: Contact, radio: bool) -> list[Contact]:
        """The contacts that its transmitter could have used: the radio those with any station, others with the peer."""
        ends = {send.node, send.to}
        return [
            each
            for each in self._plan.contacts
            if each.kind == contact.kind and (each.a == send.node if radio else {each.a, each.b} == ends)
        ]

    def _usable(self, contacts: list[Contact], send: Send, since_s: float) -> list[Span]:
        """When the transmitter had a contact whose ends were both up, up to the send."""
        spans: list[Span] = []
        for each in contacts:
            outages = [span for node in (each.a, each.b) for span in self._evidence.outages.get(node, ())]
            spans += without(within([(each.start_s, each.stop_s)], since_s, send.start_s), outages)
        return joined(spans)

    def _no_contact(self, send: Send, radio: bool, closed: list[Span]) -> str:
        until_s = closed[-1][1]
        for node in (send.node, send.to):
            down = [span for span in self._evidence.outages.get(node, ()) if span[0] < until_s <= span[1]]
            if down:
                return f"{node} was down until {down[0][1]:.6f} s"
        who = f"{send.node} had no station" if radio else f"{send.node} and {send.to} had no contact"
        spans = "" if len(closed) == 1 else f" for {length_s(closed):.6f} s, the last of it"
        return f"{who}{spans} until {until_s:.6f} s{self._gap(send, closed)}"

    def _gap(self, send: Send, closed: list[Span]) -> str:
        """Why the plan had no contact, as far as it says."""
        ends, reasons = {send.node, send.to}, []
        for gap in self._plan.gaps:
            if {gap.a, gap.b} == ends and any(gap.start_s < b and gap.stop_s > a for a, b in closed):
                reasons.append(gap.reason.replace("_", " "))
        return f": {', '.join(dict.fromkeys(reasons))}" if reasons else ""

    def _idle(self, wait: Wait, contacts: list[Contact], idle: list[Span]) -> list[str]:
        """Why it was not sent while its transmitter could have."""
        send = wait.said
        if not isinstance(send, Send):
            return []
        planned = self._planned.get(send.task.rpartition("/")[0], ()) if send.what == "raw" else ()
        passed = [each.b for each in contacts if within(idle, each.start_s, each.stop_s) and each.b not in planned]
        if send.to in planned and passed:
            return [f"its plan names {send.to}, so contacts with {', '.join(dict.fromkeys(passed))} were not for it"]
        short = [
            each
            for each in contacts
            for start_s, stop_s in within(idle, each.start_s, each.stop_s)
            if stop_s - start_s > INSTANT_S and finish_s(each, start_s, send.size_bytes * 8) is None
        ]
        if short:
            stations = ", ".join(dict.fromkeys(each.b if each.a == send.node else each.a for each in short[:3]))
            return [
                f"what was left of {len(short):,} contacts ({stations}) was too short for its {send.size_bytes:,} bytes"
            ]
        if isinstance(wait.fact, _TURNS) and getattr(wait.fact, "contact", -1) != send.contact:
            return [f"it was to go another way, until {_ended_by(wait.fact, self._plan.contacts)}"]
        return [f"others before it in the queue of {send.node} did not fit, or led elsewhere"] if idle else []

    def _same(self, other: Send, send: Send, contact: Contact, radio: bool) -> bool:
        """Whether another message left by the same transmitter."""
        if (other.task, other.what) == (send.task, send.what):
            return False
        kind = self._contact(other.contact).kind
        return kind == contact.kind and (radio or other.to == send.to)

    def _contact(self, number: int) -> Contact:
        if not 0 <= number < len(self._plan.contacts):
            raise TraceError(f"{self._folder}: its world has no contact {number}")
        return self._plan.contacts[number]


def _ended_by(fact: Event, contacts: tuple[Contact, ...]) -> str:
    where = f"{fact.node}: " if fact.node and not isinstance(fact, ContactOpened | ContactClosed) else ""
    return f"{where}{in_words(fact, contacts)}"
