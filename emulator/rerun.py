"""Runs a recorded run again, with something else in it: another scheduler, another processor, other physics.

    exact      same facts, same orders (`emulator/replay.py`)
    decisions  what the scheduler decided is forced; transport, processors and energy, and with a scenario the orbits
               and contacts too, are computed anew
    inputs     captures, contacts, sunlight, faults and inference's answers are the recorded ones; the rest is free
    measured   as inputs, and each run takes the time that it took in a recorded run

All but exact run on the virtual engine, and leave a trace that says what it is a replay of.
"""

import msgspec

from emulator import clock, virtual
from emulator.assemble import Bar, silent
from emulator.consult import Decider
from emulator.core import Core
from emulator.decision_log import DecisionLog, Forced
from emulator.errors import TraceError
from emulator.events import Captured, Event, Offered, TimerRang
from emulator.orders import Order, Run
from emulator.recorder import Door, Recorder
from emulator.replay import DAMAGE
from emulator.report import Row, summarise
from emulator.rerun_inputs import Inputs
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.tracing.parts import footer_of
from emulator.version import installed_version
from emulator.watchdog import watch
from emulator.world import SATELLITE, World
from nodes.processor import Processor

LEVELS = ("decisions", "inputs", "measured")


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay on another level came to. `matches`: every fact and order came out as recorded.

    `parted_s` is when a forced run first asked its scheduler something else (None: never), `decisions_left` counts
    decisions that nothing asked for again. Of the runs, `runs_measured` took a recorded time and `runs_modelled` had
    none.
    """

    level: str
    matches: bool
    digest: str
    recorded_digest: str
    row: Row
    notes: list[str]
    parted_s: float | None = None
    decisions_left: int = 0
    runs_measured: int = 0
    runs_modelled: int = 0


class Measured:
    """Between recorder and engine: runs end after the time that they were measured to take."""

    def __init__(self, door: Door, inputs: Inputs) -> None:
        self._handle = door.handle
        self._inputs = inputs
        self.measured = self.modelled = 0

    def handle(self, event: Event) -> list[Order]:
        """Hand the fact on; runs among the orders get their measured end."""
        return [self._timed(order) if isinstance(order, Run) else order for order in self._handle(event)]

    def _timed(self, order: Run) -> Run:
        duration_s = self._inputs.duration_s(order.task, order.node)
        if duration_s is None:
            self.modelled += 1
            return order
        self.measured += 1
        return msgspec.structs.replace(order, finish_s=order.start_s + duration_s)


def rerun(
    trace: Trace,
    writer: TraceWriter,
    level: str,
    scheduler: Decider | None,
    *,
    policy: str = "",
    processor: Processor | None = None,
    measured: Trace | None = None,
    inputs: Inputs | None = None,
    from_s: float = 0.0,
    to_s: float | None = None,
    bar: Bar = silent,
) -> Rerun:
    """Run a trace's inputs again and write the trace of it; `scheduler` None: the recorded decisions are forced.

    `inputs` are the trace's unless given; of the captures, those of `from_s` to `to_s`, where the run ends. `measured`
    is where times of runs come from. Raises `TraceError` for a trace that cannot be run again.
    """
    inputs = Inputs(trace) if inputs is None else inputs
    whole_s = inputs.world.settings.duration_s
    end_s = whole_s if to_s is None else min(to_s, whole_s)
    world = _world(inputs.world, processor, end_s)
    facts = [event for event in inputs.facts if _counts(event, from_s, end_s)]
    policy = policy or trace.header.policy
    forced = Forced(trace.decisions()) if scheduler is None else None
    answers = DecisionLog()
    core = _core(trace, world, answers.watched(forced if scheduler is None else scheduler))  # type: ignore[arg-type]
    header = _header(trace, level, policy, processor, from_s if from_s > 0.0 else None, to_s)
    writer.begin(header, world)
    recorder = Recorder(core, writer.write, answers)
    timed = Measured(recorder, Inputs(measured) if measured is not None else inputs)
    with watch(lambda: core.events, policy):
        door: Door = timed if level == "measured" else recorder
        try:
            virtual.run(door, facts, end_s, inputs.infer, bar(level, end_s), world.pipeline)
        except DAMAGE as error:  # a scheduler's own errors come as SchedulerError
            raise TraceError(f"{trace.folder}: its facts cannot be: {type(error).__name__}: {error}") from error
    row = summarise(core, policy, recorder.digest())
    header = msgspec.structs.replace(header, events=recorder.events, digest=row.digest)
    writer.close(header, world, row, None, footer_of(core, header))
    return Rerun(
        level=level,
        matches=row.digest == trace.header.digest,
        digest=row.digest,
        recorded_digest=trace.header.digest,
        row=row,
        notes=_notes(trace, inputs),
        parted_s=forced.parted_s if forced is not None else None,
        decisions_left=sum(forced.left().values()) if forced is not None else 0,
        runs_measured=timed.measured,
        runs_modelled=timed.modelled,
    )


def _core(trace: Trace, world: World, scheduler: Decider) -> Core:
    try:
        return Core(world, scheduler)
    except DAMAGE as error:
        raise TraceError(f"{trace.folder}: its world cannot be: {type(error).__name__}: {error}") from error


def _counts(event: Event, from_s: float, to_s: float) -> bool:
    """Of what is asked of the constellation, what lies in the span; of the sky and of faults, all before its end."""
    if isinstance(event, Captured | Offered):
        return from_s <= event.at_s <= to_s
    return event.at_s <= to_s and not isinstance(event, TimerRang)


def _world(world: World, processor: Processor | None, end_s: float) -> World:
    nodes = world.nodes
    if processor is not None:
        nodes = [
            msgspec.structs.replace(node, processor=processor) if node.kind == SATELLITE else node for node in nodes
        ]
    settings = msgspec.structs.replace(world.settings, duration_s=end_s)
    return msgspec.structs.replace(world, nodes=nodes, settings=settings)


def _header(
    trace: Trace, level: str, policy: str, processor: Processor | None, from_s: float | None, to_s: float | None
) -> Header:
    replay_of = {"level": level, "digest": trace.header.digest}
    if processor is not None:
        replay_of["processor"] = processor.name
    for name, value in (("from_s", from_s), ("to_s", to_s)):
        if value is not None:
            replay_of[name] = f"{value!r}"
    return msgspec.structs.replace(
        trace.header, schema=SCHEMA, orbitmesh=installed_version(), created_utc=clock.utc_now(), policy=policy,
        engine="virtual", events=0, digest="", replay_of=replay_of,
    )  # fmt: skip


def _notes(trace: Trace, inputs: Inputs) -> list[str]:
    notes = []
    bundles = sum(isinstance(event, Offered) for event in inputs.facts)
    if bundles:
        notes.append(
            f"{bundles} bundles were offered by applications that answer to what they hear (closed loop); here they "
            "come when they came, whatever happens to them"
        )
    if inputs.inferred:
        notes.append(f"{inputs.inferred} answers of inference were not in the trace and were computed anew")
    if not trace.closed:
        notes.append(trace.missing or "the trace was never closed: its inputs end where the run was killed")
    return notes
