"""Runs a recorded run again, with something else in it: another scheduler, another processor, other physics.

    exact      same facts, same orders (`emulator/replay.py`)
    decisions  what the scheduler decided is forced; transport, processors and energy, and with a scenario the orbits
               and contacts too, are computed anew
    inputs     captures, contacts, sunlight, faults and inference's answers are the recorded ones; the rest is free
    measured   as inputs, and each run takes the time that it took in a recorded run or a calibration, at the power that
               was measured there, if it was (`emulator/measured_runs.py`)

All but exact run on the virtual engine, and leave a trace that says what it is a replay of.
"""

from collections.abc import Callable
from itertools import islice
from math import inf

import msgspec

from emulator import clock, virtual
from emulator.assemble import Bar, silent
from emulator.consult import Decider
from emulator.core import Core
from emulator.decision_log import DecisionLog, Forced
from emulator.errors import TraceError
from emulator.events import Captured, Event, Offered, TimerRang
from emulator.hardware import exchanged_notes
from emulator.recorder import Door, Recorder
from emulator.replay import DAMAGE
from emulator.report import Row
from emulator.rerun_inputs import Inputs
from emulator.rerun_measured import Measured, Rerun, at_measured_power, with_measurements
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.tracing.parts import finish
from emulator.version import installed_version
from emulator.watchdog import watch
from emulator.world import SATELLITE, World
from nodes.processor import Processor

LEVELS = ("decisions", "inputs", "measured")
MOST_LISTED = 20  # tasks whose decisions were left
REPLAYED = "open-loop: at the instants of the run replayed"  # for what was closed-loop there


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
    header: Header | None = None,
    from_s: float = 0.0,
    to_s: float | None = None,
    bar: Bar = silent,
) -> Rerun:
    """Run a trace's inputs again and write the trace of it; `scheduler` None: the recorded decisions are forced.

    `inputs` are the trace's unless given, and then `header` is of the scenario that they are from; of the captures,
    those of `from_s` to `to_s`, where the run ends. `measured` is where times of runs, and power if it was measured
    there, come from; without it the trace itself, but for satellites whose `processor` is given: then its calibrations.
    Raises `TraceError` for a trace that cannot be run again, `MeasuredError` for a measured time that cannot be.
    """
    inputs = Inputs(trace) if inputs is None else inputs
    end_s = min(inputs.world.settings.duration_s, inf if to_s is None else to_s)
    world, timing, power_from = _world(inputs.world, processor, end_s), level == "measured", ""
    source = trace if measured is None else measured
    calibrated = (SATELLITE,) if timing and processor is not None and measured is None else ()
    if timing:
        world, power_from = at_measured_power(world, source, processor, calibrated)
    policy = policy or trace.header.policy
    forced, answers = Forced(trace.decisions()) if scheduler is None else None, DecisionLog()
    core = _core(trace, world, answers.watched(forced if scheduler is None else scheduler))  # type: ignore[arg-type]
    changed = {"processor": None if processor is None else processor.name, "from_s": from_s or None, "to_s": to_s}
    base = _exchanged(trace.header if header is None else header, inputs.world, processor)
    made = _header(base, policy, {"level": level, "digest": trace.header.digest}, changed)
    writer.begin(made, world)
    recorder = Recorder(core, writer.write, answers)
    times = Inputs(measured) if timing and measured is not None else inputs
    timed = Measured(recorder, core, inputs, times, str(source.folder), calibrated)
    facts = [event for event in inputs.facts if _counts(event, from_s, end_s)]
    with watch(lambda: core.events, policy):
        _play(trace, core, timed if timing else recorder, inputs, facts, bar(level, end_s))
    row = finish(writer, made, core, recorder)
    found = _found(trace, level, row, _notes(trace, inputs, base, processor), forced)
    return with_measurements(found, timed, power_from, source) if timing else found


def _play(
    trace: Trace, core: Core, door: Door, inputs: Inputs, facts: list[Event], advance: Callable[[float], None]
) -> None:
    world = core.world
    try:
        virtual.run(door, facts, world.settings.duration_s, inputs.infer, advance, world.pipeline)
    except DAMAGE as error:  # a scheduler's own errors come as SchedulerError
        raise TraceError(f"{trace.folder}: its facts cannot be: {type(error).__name__}: {error}") from error


def _found(trace: Trace, level: str, row: Row, notes: list[str], forced: Forced | None) -> Rerun:
    found = Rerun(
        level=level, matches=row.digest == trace.header.digest, digest=row.digest,
        recorded_digest=trace.header.digest, row=row, notes=notes,
    )  # fmt: skip
    if forced is None:
        return found
    left = forced.left()
    some = dict(islice(left.items(), MOST_LISTED))
    return msgspec.structs.replace(
        found, parted_s=forced.parted_s, decisions_left=sum(left.values()), left=some
    )  # fmt: skip


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


def _exchanged(base: Header, world: World, processor: Processor | None) -> Header:
    """The header whose notes tell of the processor that satellites have now."""
    notes = base.notes if processor is None else exchanged_notes(base.notes, world, processor)
    return msgspec.structs.replace(base, notes=notes)


def _header(base: Header, policy: str, replay_of: dict[str, str], changed: dict[str, str | float | None]) -> Header:
    told = {name: f"{value}" for name, value in changed.items() if value is not None}
    sources = {name: REPLAYED if text.startswith("closed-loop") else text for name, text in base.sources.items()}
    return msgspec.structs.replace(
        base, schema=SCHEMA, orbitmesh=installed_version(), created_utc=clock.utc_now(), policy=policy,
        engine="virtual", events=0, digest="", replay_of=replay_of | told, sources=sources,
    )  # fmt: skip


def _notes(trace: Trace, inputs: Inputs, base: Header, processor: Processor | None) -> list[str]:
    notes = [note for note in base.notes if processor is not None and note not in trace.header.notes]
    if base.epoch != trace.header.epoch:
        notes.append(
            f"the epoch is {base.epoch}, the recorded run's was {trace.header.epoch}: decisions are forced as many "
            "seconds after the one as they were made after the other"
        )
    bundles = sum(isinstance(event, Offered) for event in inputs.facts)
    if bundles:
        notes.append(
            f"{bundles} bundles were offered by applications that answer to what they hear (closed loop); here they "
            "come when they came, whatever happens to them"
        )
    if any(name != "bundles" and text.startswith("closed-loop") for name, text in trace.header.sources.items()):
        notes.append(
            "tasks were asked one after the other (closed loop); here they come when they came, whatever becomes of "
            "the one before"
        )
    if inputs.inferred:
        notes.append(f"{inputs.inferred} answers of inference were not in the trace and were computed anew")
    if not trace.closed:
        notes.append(trace.missing or "the trace was never closed: its inputs end where the run was killed")
    return notes
