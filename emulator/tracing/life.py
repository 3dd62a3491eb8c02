"""The life of one task or bundle, step by step (`walk.py`), with the reason for every wait (`waits.py`)."""

from collections.abc import Iterator
from difflib import get_close_matches

import msgspec

from emulator.errors import TraceError
from emulator.events import Captured, Event, Offered
from emulator.orders import End, Order
from emulator.state import BUNDLE
from emulator.tracing.ends import ends_bundle
from emulator.tracing.evidence import Evidence
from emulator.tracing.reader import Line, Trace
from emulator.tracing.records import PENDING
from emulator.tracing.telling import damage
from emulator.tracing.waits import Left, Reasons
from emulator.tracing.walk import Happening, Walk
from emulator.tracing.words import named


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a task, and the wait before it with its reasons; `part` is its stage, if it is one."""

    at_s: float
    what: str
    node: str
    part: str = ""
    waited_s: float = 0.0
    reasons: list[str] = []


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """A task or bundle from its begin to its end; `how` is `pending` where the trace ends before it does."""

    task: str
    how: str
    reason: str | None
    steps: list[Step]


def life(trace: Trace, task: str) -> Life:
    """Tell the life of a task, or of a bundle if no task has that name. Raises `TraceError` where there is neither."""
    with damage(trace):
        said = list(_lines(trace, task))
        begins = {type(each) for _, ours in said for each in ours} & {Captured, Offered}
        if not begins:
            raise TraceError(f"{trace.folder}: no task {task!r} was captured{_close(trace, task)}")
        walk, of_bundle = Walk(trace.world, task, _decisions(trace, task)), Captured not in begins
        found = [each for event, ours in said for each in walk.take(event, _only(event, ours, of_bundle))]
        left = walk.left(_end_s(trace)) if walk.how == PENDING else []
        waits = [each.wait for each in found if each.wait is not None and each.wait.long_s] + left
        evidence = Evidence(each.watch for each in waits)
        evidence.read(trace)
        reasons = Reasons(trace, evidence)
        steps = [_step(each, task, reasons) for each in found] + [_left(each, task, reasons) for each in left]
        return Life(task=task, how=walk.how, reason=walk.reason, steps=steps)


def _step(found: Happening, task: str, reasons: Reasons) -> Step:
    wait = found.wait
    return Step(
        at_s=found.at_s,
        what=found.what,
        node=found.node,
        part=found.part[len(task) + 1 :],
        waited_s=0.0 if wait is None else wait.long_s,
        reasons=[] if wait is None else reasons.of(wait),
    )


def _left(wait: Left, task: str, reasons: Reasons) -> Step:
    return Step(
        at_s=wait.until_s,
        what="still waits when the trace ends",
        node=wait.node,
        part=wait.part[len(task) + 1 :],
        waited_s=wait.until_s - wait.since_s,
        reasons=reasons.of_left(wait),
    )


_PLACES = ("assign", "downlink", "drop")  # decisions that end a task's waiting for one
_decode = msgspec.json.Decoder(Line).decode


def _lines(trace: Trace, task: str) -> Iterator[tuple[Event, list[Event | Order]]]:
    """Lines that speak of a task or its stages, or of a node that failed, with what they say of the task."""
    quoted = msgspec.json.encode(task)
    marks = [quoted, b'[["failed"'] + ([quoted[:-1] + b"#"] if trace.world.pipeline is not None else [])
    for first, raw in trace.chunks():
        if any(mark in raw for mark in marks):
            for number, line in enumerate(raw.splitlines(), first):
                if any(mark in line for mark in marks):
                    event, orders = trace.decoded(number, line, _decode)
                    yield event, [said for said in (event, *orders) if _of(named(said), task, len(marks) > 2)]


def _only(event: Event, ours: list[Event | Order], of_bundle: bool) -> list[Event | Order]:
    """What is said of a task, or of the bundle, where both have the same name: told apart as in `story.py`."""
    other = ends_bundle(event) and not of_bundle
    return [said for said in ours if (not other if isinstance(said, End) else _carries_bundle(said) == of_bundle)]


def _carries_bundle(said: Event | Order) -> bool:
    return isinstance(said, Offered) or getattr(said, "what", "") == BUNDLE


def _of(name: str, task: str, piped: bool) -> bool:
    return name == task or (piped and name.rpartition("#")[0] == task)


def _decisions(trace: Trace, task: str) -> dict[str, list[float]]:
    """When the scheduler decided about each part of a task; empty where no decisions were kept."""
    found: dict[str, list[float]] = {}
    if trace.keeps_decisions:
        for at_s, _, decisions in trace.decisions(about=msgspec.json.encode(task)[:-1]):
            for decided in decisions:
                placed = isinstance(decided, list) and len(decided) > 1 and decided[0] in _PLACES
                if placed and isinstance(decided[1], str):
                    found.setdefault(decided[1], []).append(at_s)
    return found


def _end_s(trace: Trace) -> float:
    """The instant of the last line; 0 for a log without one."""
    blocks = trace.log.index(strict=False) if trace.log.blocked else []
    if blocks:
        return blocks[-1].last_s
    return max((event.at_s for _, _, (event, _) in trace.lines()), default=0.0)


def _close(trace: Trace, task: str) -> str:
    """Names like the one asked for."""
    names = [named(event) for _, _, (event, _) in trace.lines() if isinstance(event, Captured | Offered)]
    close = get_close_matches(task, names, 3)
    return f"; did you mean {' or '.join(close)}?" if close else f"; it has {len(names):,}, such as {names[:1]}"
