"""The life of one task, hop by hop, with the reason for every wait.

A wait is named by what the trace shows of that time: no contact (and why the plan had none), a transmitter or a
processor that served others, or the scheduler, which had not decided. What none of these explains says so.
"""

from collections.abc import Iterator
from difflib import get_close_matches

import msgspec

from emulator.errors import TraceError
from emulator.events import Captured, Delivered, Finished, Missed, NodeFailed
from emulator.orders import Cancel, End, Rejected, Run, Send
from emulator.tracing.reader import Line, Trace
from links.contacts import RADIO, Contact, ContactPlan

INSTANT_S = 1e-9  # shorter is no wait: times are rounded to 1e-6 s


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a task, and the wait before it with its reasons."""

    at_s: float
    what: str
    node: str
    waited_s: float = 0.0
    reasons: list[str] = []


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """A task from its capture to its end; `how` is None while it is pending."""

    task: str
    how: str | None
    reason: str | None
    steps: list[Step]


class _Seen(msgspec.Struct):
    """What a trace says of the task, in order: instant, kind, fact or order."""

    at_s: float
    said: object


def life(trace: Trace, task: str) -> Life:
    """Tell a task's life. Raises `TraceError` for a task that the trace does not have."""
    seen = list(_of_task(trace, task))
    if not any(isinstance(each.said, Captured) for each in seen):
        raise TraceError(f"{trace.folder}: no task {task!r} was captured{_close(trace, task)}")
    decided = _decisions(trace, task)
    steps: list[Step] = []
    ready: dict[str, float] = {}  # part of the task -> since when it could have gone on
    how = reason = None
    for each in seen:
        said = each.said
        part = getattr(said, "task", task)
        part = task if not isinstance(part, str) else part
        since_s = ready.get(part, ready.get(task, each.at_s))
        if isinstance(said, Send | Run):
            why = _Waits(trace, decided, part).before(said, since_s)
            steps.append(_step(each.at_s, _told(said), said.node, said.start_s - since_s, why))
        else:
            node = getattr(said, "node", "")
            steps.append(_step(each.at_s, _told(said), node, 0.0, []))
            ready[part] = each.at_s
            if isinstance(said, Finished | Captured):
                ready[task] = each.at_s
        if isinstance(said, End) and said.task == task:
            how, reason = said.how, said.reason
    return Life(task=task, how=how, reason=reason, steps=steps)


def _step(at_s: float, what: str, node: str, waited_s: float, reasons: list[str]) -> Step:
    waited_s = waited_s if waited_s > INSTANT_S else 0.0
    return Step(at_s=at_s, what=what, node=node, waited_s=waited_s, reasons=reasons if waited_s else [])


def _of_task(trace: Trace, task: str) -> Iterator[_Seen]:
    """Facts and orders of a task and of its stages."""
    quoted, stages = msgspec.json.encode(task), msgspec.json.encode(task)[:-1] + b"#"
    for first, raw in trace.chunks():
        if quoted not in raw and stages not in raw:
            continue
        for number, line in enumerate(raw.splitlines(), first):
            if quoted not in line and stages not in line:
                continue
            event, orders = trace.decoded(number, line, _decode)
            for said in (event, *orders):
                name = said.task.id if isinstance(said, Captured) else getattr(said, "task", None)
                if isinstance(name, str) and (name == task or name.startswith(f"{task}#")):
                    yield _Seen(event.at_s, said)


_decode = msgspec.json.Decoder(Line).decode


def _decisions(trace: Trace, task: str) -> dict[str, list[float]]:
    """When the scheduler decided about each part of a task; empty where no decisions were kept."""
    found: dict[str, list[float]] = {}
    try:
        for at_s, _, decisions in trace.decisions():
            for decided in decisions:
                if isinstance(decided, list) and len(decided) > 1 and str(decided[1]).partition("#")[0] == task:
                    found.setdefault(str(decided[1]), []).append(at_s)
    except TraceError:
        return {}  # schema 3 kept none; then no wait is called the scheduler's
    return found


class _Waits:
    """Why a part of a task waited before it was sent or run."""

    def __init__(self, trace: Trace, decided: dict[str, list[float]], part: str) -> None:
        self.trace = trace
        self.decided = decided.get(part, [])

    def before(self, said: Send | Run, since_s: float) -> list[str]:
        """The reasons, in words."""
        start_s = said.start_s
        if start_s - since_s <= INSTANT_S:
            return []
        found = []
        late = [at_s for at_s in self.decided if since_s < at_s <= start_s]
        if late:
            found.append(f"the scheduler decided at {late[-1]:.6f} s, {late[-1] - since_s:.6f} s later")
            since_s = late[-1]
        if start_s - since_s > INSTANT_S:
            found += self._processor(said, since_s) if isinstance(said, Run) else self._link(said, since_s)
        return found

    def _processor(self, run: Run, since_s: float) -> list[str]:
        others = []
        for _, _, (_, orders) in self.trace.lines(to_s=run.start_s):
            others += [
                o
                for o in orders
                if isinstance(o, Run) and o.node == run.node and o.task != run.task and o.finish_s > since_s
            ]
        names = ", ".join(each.task for each in others[:3]) + (", ..." if len(others) > 3 else "")
        return [f"the processor of {run.node} ran {len(others)} others until then: {names}"] if others else [_UNKNOWN]

    def _link(self, send: Send, since_s: float) -> list[str]:
        plan = self.trace.world.plan
        contact, found = self._contact(send.contact), []
        if contact.start_s > since_s:
            found.append(
                f"{send.node} and {send.to} had no contact until {contact.start_s:.6f} s{_gaps(plan, contact)}"
            )
        others = self._sent_before(send, contact, max(since_s, contact.start_s))
        if others:
            size_bytes = sum(each.size_bytes for each in others)
            found.append(f"the transmitter of {send.node} sent {len(others)} others first, {size_bytes:,} bytes")
        elif send.start_s - max(since_s, contact.start_s) > INSTANT_S:
            found.append(f"contacts of {send.node} before were too short for it, or led elsewhere")
        return found or [_UNKNOWN]

    def _contact(self, number: int) -> Contact:
        try:
            return self.trace.world.plan.contacts[number]
        except IndexError as error:
            raise TraceError(f"{self.trace.folder}: its world has no contact {number}") from error

    def _sent_before(self, send: Send, contact: Contact, since_s: float) -> list[Send]:
        found = []
        for _, _, (_, orders) in self.trace.lines(to_s=send.start_s):
            for each in orders:
                if (
                    isinstance(each, Send)
                    and each.node == send.node
                    and since_s < each.free_s <= send.start_s + INSTANT_S
                ):
                    other = self._contact(each.contact)
                    same = other.kind == contact.kind == RADIO or each.to == send.to
                    if same and (each.task, each.what) != (send.task, send.what):
                        found.append(each)
        return found


_UNKNOWN = "the trace does not show why"


def _gaps(plan: ContactPlan, contact: Contact) -> str:
    pair = {contact.a, contact.b}
    for gap in plan.gaps:
        if {gap.a, gap.b} == pair and gap.stop_s == contact.start_s:
            return f": {gap.reason.replace('_', ' ')}"
    return ""


def _told(said: object) -> str:
    if isinstance(said, Captured):
        return f"captured, {said.task.raw_bytes:,} bytes, {said.task.inferences:,} inferences of {said.task.model}"
    if isinstance(said, Send):
        return f"{said.what} sent to {said.to}, {said.size_bytes:,} bytes, due at {said.deliver_s:.6f} s"
    if isinstance(said, Run):
        return f"run {said.run} started, until {said.finish_s:.6f} s ({said.basis})"
    if isinstance(said, Delivered):
        return f"{said.what} delivered"
    if isinstance(said, Missed):
        return f"{said.what} never came{f': {said.why}' if said.why else ''}"
    if isinstance(said, Finished):
        answer = said.outcome
        cloud = f"cloud {answer.cloud_fraction:g}"
        return f"run {said.run} finished: {answer.label}, {cloud}, {answer.product_bytes:,} bytes"
    if isinstance(said, Cancel):
        return f"run {said.run} cancelled"
    if isinstance(said, Rejected):
        return f"decision {said.decision} rejected: {said.code}"
    if isinstance(said, End):
        return f"{said.how}: {said.reason}"
    if isinstance(said, NodeFailed):
        return "node failed"
    return type(said).__name__.lower()


def _close(trace: Trace, task: str) -> str:
    """Names like the one asked for."""
    names = [event.task.id for _, _, (event, _) in trace.lines() if isinstance(event, Captured)]
    close = get_close_matches(task, names, 3)
    return f"; did you mean {' or '.join(close)}?" if close else f"; it has {len(names):,}, such as {names[:1]}"
