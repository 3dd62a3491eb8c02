"""Replays a trace exactly: the recorded facts go into a fresh core, and its orders must be the recorded ones.

Only the core and the scheduler run; no orbit is propagated and no model is inferred, so the digest is the same
on any machine. Facts are handled a block at a time and what comes of them is compared as bytes: a line is looked at by
itself only where they differ.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from emulator.consult import Decider
from emulator.core import Core
from emulator.digest import Digest
from emulator.errors import OrbitmeshError, ReplayMismatch, TraceError
from emulator.events import Event
from emulator.interpreter import seldom, threads_beside
from emulator.orders import Order
from emulator.report import summarise
from emulator.trace import Line, Trace
from emulator.watchdog import watch

_PART_BYTES = 1 << 15  # some 200 lines
DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # how the core meets facts that cannot be


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found. `mismatch` is empty if `matches`; `digest` is, where the orders part before the end.

    `digest` is of the facts from `from_s` to `to_s`, where only a part was replayed; `missing` says what a trace that
    was cut off does not hold.
    """

    matches: bool
    digest: str
    recorded_digest: str
    events: int
    mismatch: str = ""
    from_s: float | None = None
    to_s: float | None = None
    missing: str = ""


def replay(
    trace: Trace,
    scheduler: Decider,
    progress: Callable[[int], None] | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
) -> tuple[Replay, Core]:
    """Replay exactly. Raises `ReplayMismatch`, naming the line, at the first order that differs.

    With `to_s`, only until then; with `from_s`, orders before it are carried out but not compared.
    """
    try:
        core = Core(trace.world, scheduler)
    except DAMAGE as error:
        raise TraceError(f"{trace.folder}: world.json.gz cannot be: {type(error).__name__}: {error}") from error
    pass_ = _Pass(trace, core, from_s, to_s)
    with watch(lambda: core.events, trace.header.policy), seldom(), threads_beside():
        for first, raw in trace.chunks(to_s=to_s):
            for number, part in parts(first, raw):
                pass_.handle(number, part)
            if progress is not None:
                progress(core.events)
    digest = pass_.hash.hexdigest()
    partial = from_s is not None or to_s is not None
    whole = trace.closed and not partial
    mismatch = _mismatch(trace, core, digest) if whole else ""
    found = Replay(
        matches=not mismatch,
        digest=digest,
        recorded_digest=trace.header.digest if whole else pass_.recorded(),
        events=pass_.compared,
        mismatch=mismatch,
        from_s=from_s,
        to_s=to_s,
        missing=("" if trace.closed else trace.missing or "the run was killed before its end: the trace has no footer"),
    )
    return found, core


def parts(first: int, raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Whole lines, as many at once as stay in the processor's cache while they are decoded, handled and encoded."""
    start = 0
    while start < len(raw):
        end = raw.find(b"\n", start + _PART_BYTES) + 1 or len(raw)
        part = raw[start:end]
        yield first, part
        first += part.count(b"\n")
        start = end


class _Pass:
    """One way through a log, block by block."""

    def __init__(self, trace: Trace, core: Core, from_s: float | None, to_s: float | None) -> None:
        self.trace, self.core = trace, core
        self.from_s, self.to_s = from_s, to_s
        self.hash = Digest()  # of what was replayed
        self._recorded: Digest | None = None  # sha256 of what was recorded, from where it is written otherwise on
        self.compared = 0
        self._decode = msgspec.json.Decoder(tuple[Event, msgspec.Raw]).decode_lines
        self._decode_one = msgspec.json.Decoder(tuple[Event, msgspec.Raw]).decode
        self._encode_lines = msgspec.json.Encoder().encode_lines

    def recorded(self) -> str:
        """The sha256 of what was recorded of what was compared."""
        return (self.hash if self._recorded is None else self._recorded).hexdigest()

    def handle(self, first: int, raw: bytes) -> None:
        """Replay the lines of one chunk. Raises `ReplayMismatch` for the first that differs."""
        facts = self._facts(first, raw)
        done: list[tuple[Event, list[Order]]] = []
        core_handle, to_s = self.core.handle, self.to_s
        try:
            for event, _ in facts:
                if to_s is not None and event.at_s > to_s:
                    break
                done.append((event, core_handle(event)))
        except (*DAMAGE, OrbitmeshError) as error:
            self._compare(first, raw, done)  # an order that differs may be why
            number = first + len(done)
            if isinstance(error, OrbitmeshError):
                raise type(error)(f"line {number}: {error}") from error
            text = f"{raw.splitlines()[len(done)][:200]!r} cannot be in the trace's world: {type(error).__name__}"
            raise ReplayMismatch(f"line {number}: {text}: {error}") from error
        self._compare(first, raw, done)

    def _facts(self, first: int, raw: bytes) -> list[Any]:
        try:
            return self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            lines = raw.splitlines(keepends=True)
            return [self.trace.decoded(number, line, self._decode_one) for number, line in enumerate(lines, first)]

    def _compare(self, first: int, raw: bytes, done: list[tuple[Event, list[Order]]]) -> None:
        before = 0
        if self.from_s is not None:
            before = sum(event.at_s < self.from_s for event, _ in done)
        replayed = self._encode_lines(done[before:])
        self.compared += len(done) - before
        same = before == 0 and replayed == raw
        lines = [] if same else raw.splitlines(keepends=True)[before : len(done)]
        same = same or b"".join(lines) == replayed
        if self._recorded is None and not same:
            self._recorded = self.hash.copy()
        self.hash.update(replayed)
        if self._recorded is not None:
            self._recorded.update(replayed if same else b"".join(lines))
        if same:
            return
        decode = msgspec.json.Decoder(Line).decode
        for number, line, (_, orders) in zip(
            range(first + before, first + len(done)), lines, done[before:], strict=True
        ):
            recorded = self.trace.decoded(number, line, decode)[1]
            if orders != recorded:
                raise ReplayMismatch(_difference(number, recorded, orders))


def _mismatch(trace: Trace, core: Core, digest: str) -> str:
    """What is not as recorded though every order is; empty if nothing."""
    if core.events != trace.header.events:
        return f"the header counts {trace.header.events} facts, the log holds {core.events}"
    if digest != trace.header.digest:
        return f"every order agrees, but the log's digest is {digest} and the header says {trace.header.digest}"
    if trace.world_sha256 != trace.header.world_sha256:
        return "every order agrees, but world.json.gz is not the world that was recorded"
    other = _other_figures(trace.summary(), msgspec.to_builtins(summarise(core, trace.header.policy, digest)))
    if not other:
        trace.check_beside()  # what no replay needs is part of the trace too
    return other


def _other_figures(recorded: Any, replayed: dict[str, Any]) -> str:
    if not isinstance(recorded, dict):
        return "every order agrees, but summary.json is no row of figures"
    other = sorted(name for name in {*recorded, *replayed} if recorded.get(name) != replayed.get(name))
    return f"every order agrees, but summary.json differs in {', '.join(other[:8])}" if other else ""


def _difference(number: int, recorded: list[Order], orders: list[Order]) -> str:
    for index in range(max(len(recorded), len(orders))):
        old = recorded[index] if index < len(recorded) else None
        new = orders[index] if index < len(orders) else None
        if old != new:
            return f"line {number}, order {index + 1}: recorded {old}, replayed {new}"
    return f"line {number}"
