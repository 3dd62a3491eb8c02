"""The line and the decision at which two traces part, told in words, and what follows from them."""

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import msgspec

from emulator.decision_log import read
from emulator.decisions import Assign, Downlink, Drop, Preempt, WakeAt
from emulator.events import (
    Captured,
    ContactClosed,
    ContactOpened,
    Event,
    NodeFailed,
    NodeRecovered,
    Offered,
    SunRose,
    SunSet,
    order_key,
)
from emulator.tracing.reader import Line, Trace
from emulator.tracing.records import Clouds
from emulator.tracing.words import sentence

ENDS = "one trace ends here"
LASTS = ("scenario.duration_s", "world.settings.duration_s")
_GIVEN = Captured | Offered | ContactOpened | ContactClosed | NodeFailed | NodeRecovered | SunRose | SunSet


class FirstDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The first line that differs: its number from 1, its instant, and what each side has there, in words.

    `left` or `right` is None where that side has nothing there. `given` says that it is something that a run is told
    (a capture, a contact, sunlight, a fault, a bundle), not something that it does.
    """

    line: int
    at_s: float | None
    what: str
    left: str | None
    right: str | None
    given: bool


class FirstDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduler's first answer that differs; None where a side was not asked then."""

    at_s: float
    left: str | None
    right: str | None


def first_difference(left: Trace, right: Trace) -> FirstDifference | None:
    """The first line that differs; None if none does. Raises `TraceError` where one is damaged."""
    for number, a, b in _unlike(left, right):
        if a != b:
            return _told(number, (left, a), (right, b))
    return None


def first_decision(left: Trace, right: Trace) -> FirstDecision | None:
    """The scheduler's first answer that differs; None if none does, or one trace keeps no answers."""
    if not (left.keeps_decisions and right.keeps_decisions):
        return None
    for a, b in zip_longest(left.decisions(), right.decisions()):
        if a != b:
            at_s = min(each[0] for each in (a, b) if each is not None)
            sides = [None if each is None or each[0] != at_s else _answer(each) for each in (a, b)]
            return FirstDecision(at_s=at_s, left=sides[0], right=sides[1])
    return None


def reasons(first: FirstDifference | None, decision: FirstDecision | None, setup: list[str]) -> list[str]:
    """Why two runs part, as far as what they hold says it."""
    if first is None:
        return [] if decision is None else ["the scheduler's answers differ, and the same came of them"]
    found = []
    if any(name in LASTS for name in setup):
        found.append("one lasts longer: what is planned, captured and sent beyond the end of the other is its alone")
    if first.what == ENDS:
        return [*found, "they are alike as far as both go; one was cut off, or ended earlier"]
    if "engine" in setup:
        found.append("one ran live: what happened there came when it came, late or lost as it was")
    before = [
        name for name in setup if name.partition(".")[0].partition("[")[0] in ("scenario", "seed", "epoch", "elements")
    ]
    world = [name for name in setup if name.startswith("world.")]
    alone = bool(found) and set(setup) <= {*LASTS, "engine", "scenario_sha256", "world_sha256"}
    decided = decision is not None and (first.at_s is None or decision.at_s <= first.at_s)
    if first.given:
        found.append("they were not told the same: captures, contacts, sunlight or faults differ from there on")
    elif decided:
        found.append("the scheduler decided otherwise, or was asked otherwise, by then")
    elif alone:
        pass  # what was found explains it
    elif decision is not None:
        found.append("the scheduler had decided alike until then: physics, hardware, or inference differ")
    else:
        found.append(
            "the scheduler's answers, as far as they are kept, are alike: physics, hardware, or inference differ"
        )
    if "policy" in setup:
        found.append("another scheduler ran")
    if before:
        found.append(f"another scenario or seed: {', '.join(before[:6])}{', ...' if len(before) > 6 else ''}")
    if world and not before:
        found.append(f"other processors or settings: {', '.join(world[:6])}{', ...' if len(world) > 6 else ''}")
    if not setup:
        found.append("nothing that the headers hold differs: look at the scheduler's own code and data")
    return found


def _unlike(left: Trace, right: Trace) -> Iterator[tuple[int, bytes | None, bytes | None]]:
    """(number, line, line) from the first stretch of bytes that is not the same on both sides."""
    ours, theirs = left.chunks(), right.chunks()
    for a, b in zip_longest(ours, theirs):
        if a is None or b is None or a != b:
            first = (a or b or (1, b""))[0]
            sides = (_lines(a, ours), _lines(b, theirs))
            for number, (x, y) in enumerate(zip_longest(*sides), first):
                yield number, x, y
            return


def _lines(chunk: Any, rest: Iterator[Any]) -> Iterator[bytes]:
    for _, raw in chain([] if chunk is None else [chunk], rest):
        yield from raw.splitlines()


_decode = msgspec.json.Decoder(Line).decode


def _told(number: int, left: tuple[Trace, bytes | None], right: tuple[Trace, bytes | None]) -> FirstDifference:
    sides = [(trace, None if line is None else trace.decoded(number, line, _decode)) for trace, line in (left, right)]
    (ours, a), (theirs, b) = sides
    instants = [said[0].at_s for _, said in sides if said is not None]
    at_s = min(instants) if instants else None
    if a is None or b is None:
        what = ENDS
    elif a[0] != b[0]:
        what = "another fact"
    else:
        return _other_order(number, (ours, a), (theirs, b))
    words = [None if said is None else _sentence(trace, said[0], said[0].at_s) for trace, said in sides]
    given = a is not None and b is not None and isinstance(min(a[0], b[0], key=_order), _GIVEN)
    return FirstDifference(line=number, at_s=at_s, what=what, left=words[0], right=words[1], given=given)


def _other_order(number: int, left: tuple[Trace, Line], right: tuple[Trace, Line]) -> FirstDifference:
    """The same fact, whose orders differ, or are written differently."""
    (ours, (event, orders)), (theirs, (_, others)) = left, right
    at_s = event.at_s
    same = f"the same fact ({_sentence(ours, event, at_s)})"
    for index, (a, b) in enumerate(zip_longest(orders, others), 1):
        if a != b:
            words = [
                "no further order" if order is None else _sentence(trace, order, at_s)
                for trace, order in ((ours, a), (theirs, b))
            ]
            what = f"{same}, then another order, number {index}"
            return FirstDifference(line=number, at_s=at_s, what=what, left=words[0], right=words[1], given=False)
    what = f"{same}, written differently"
    return FirstDifference(line=number, at_s=at_s, what=what, left=None, right=None, given=False)


def _order(event: Event) -> tuple[float, int, str, int]:
    """Of two facts in one place, that which comes first is what the other side does not have."""
    return order_key(event, 0)


def _sentence(trace: Trace, said: Any, at_s: float) -> str:
    return sentence(said, at_s, trace.world.plan.contacts, Clouds(trace.world))


def _answer(answer: tuple[float, str, list[Any]]) -> str:
    _, trigger, decisions = answer
    told = "; ".join(_decision(each) for each in decisions[:3]) or "nothing"
    more = f"; and {len(decisions) - 3:,} more" if len(decisions) > 3 else ""
    return f"asked because of {trigger!r}, decided {told}{more}"


def _decision(plain: Any) -> str:
    decided = read(plain)
    if isinstance(decided, Assign):
        whole = ", with all its stages" if decided.whole else ""
        return f"{decided.task} is inferred on {decided.node}{_relay(decided.relay)}{whole}"
    if isinstance(decided, Downlink):
        return f"{decided.task} goes down to {decided.station or 'any station'}{_relay(decided.relay)}"
    if isinstance(decided, Drop):
        return f"{decided.task} is dropped: {decided.reason}"
    if isinstance(decided, Preempt):
        return f"{decided.task} is preempted"
    if isinstance(decided, WakeAt):
        return f"to be woken at {decided.at_s} s"
    return f"something that is no decision: {str(plain)[:80]}"


def _relay(relay: bool) -> str:
    return " (over the mesh if sooner)" if relay else " (by its own radio)"
