"""Replays a trace: the recorded facts go into a fresh core, and its orders must be the recorded ones.

Only the core and the scheduler run; no orbit is propagated and no model is inferred, so the digest is the same
on any machine.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from emulator.consult import Decider
from emulator.core import Core
from emulator.errors import OrbitmeshError, ReplayMismatch, TraceError
from emulator.orders import Order
from emulator.recorder import Recorder
from emulator.report import summarise
from emulator.trace import Trace
from emulator.watchdog import watch

DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # how the core meets facts that cannot be


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found. `mismatch` is empty if `matches`; `digest` is, where the orders part before the end."""

    matches: bool
    digest: str
    recorded_digest: str
    events: int
    mismatch: str = ""


def replay(trace: Trace, scheduler: Decider, progress: Callable[[int], None] | None = None) -> tuple[Replay, Core]:
    """Replay exactly. Raises `ReplayMismatch`, naming the line, at the first order that differs."""
    try:
        core = Core(trace.world, scheduler)
    except DAMAGE as error:
        raise TraceError(f"{trace.folder}: world.json.gz cannot be: {type(error).__name__}: {error}") from error
    recorder = Recorder(core)
    number = 0
    with watch(lambda: core.events, trace.header.policy):
        for number, line, (event, recorded) in trace.lines():
            try:
                orders = recorder.handle(event)
            except DAMAGE as error:
                text = f"{line[:200]!r} cannot be in the trace's world: {type(error).__name__}: {error}"
                raise ReplayMismatch(f"line {number}: {text}") from error
            except OrbitmeshError as error:
                raise type(error)(f"line {number}: {error}") from error
            if orders != recorded:
                raise ReplayMismatch(_difference(number, recorded, orders))
            if progress is not None and not number & 4095:
                progress(number)
    digest = recorder.digest()
    recorded_digest = trace.header.digest
    mismatch = ""
    if number != trace.header.events:
        mismatch = f"the header counts {trace.header.events} facts, the log holds {number}"
    elif digest != recorded_digest:
        mismatch = f"every order agrees, but the log's digest is {digest} and the header says {recorded_digest}"
    elif trace.world_sha256 != trace.header.world_sha256:
        mismatch = "every order agrees, but world.json.gz is not the world that was recorded"
    else:
        mismatch = _other_figures(trace.summary(), msgspec.to_builtins(summarise(core, trace.header.policy, digest)))
    found = Replay(
        matches=not mismatch, digest=digest, recorded_digest=recorded_digest, events=number, mismatch=mismatch
    )
    return found, core


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
