"""Runs one scheduler on an assembled world: core, recorder, engine, figures, and the trace if asked for."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from emulator import clock, virtual
from emulator.assemble import Assembled, Bar, silent
from emulator.closed_loop import ClosedLoop, unasked
from emulator.core import Core
from emulator.decision_log import DecisionLog
from emulator.live.board import Board
from emulator.live.figures import LiveFigures
from emulator.live.launch import Launch
from emulator.live.options import LiveOptions
from emulator.recorder import BLOCK_LINES, Door, Recorder
from emulator.report import Row, responses
from emulator.schedulers import load
from emulator.trace import TraceWriter
from emulator.tracing.parts import finish, header_of
from emulator.watchdog import watch
from workloads.streams import stream, uniforms

_BLOCK = 1024
LIVE_BLOCK_LINES = 256  # a live run is slow, and what a crash may cost is counted in its seconds [guess]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a run leaves: its figures, its response times, where the trace lies, how long it took."""

    row: Row
    responses_s: list[float]
    trace: str | None
    wall_s: float
    live: LiveFigures | None = None
    resumed_events: int | None = None  # of an interrupted run that was taken up

    def as_document(self) -> dict[str, Any]:
        """For `--json`: the row's fields beside `trace`, and what only a live run has."""
        document: dict[str, Any] = msgspec.to_builtins(self.row)
        document |= {"trace": self.trace, "wall_s": round(self.wall_s, 3)}
        if self.resumed_events is not None:
            document["resumed_events"] = self.resumed_events
        if self.live is not None:
            live = msgspec.to_builtins(self.live)
            document |= {name: live[name] for name in ("late_s", "rate", "overruns")} | {"live": live}
        return document


def uniform_source(seed: int, policy: str) -> Callable[[], float]:
    """Numbers in [0, 1) from the scheduler's own stream, drawn in blocks."""
    source = stream(seed, "scheduler", policy)
    block: list[float] = []

    def uniform() -> float:
        if not block:
            block.extend(uniforms(source, _BLOCK).tolist()[::-1])
        return block.pop()

    return uniform


def run(
    assembled: Assembled,
    policy: str,
    folder: Path | None,
    bar: Bar = silent,
    live: LiveOptions | None = None,
    drawn: bool = False,
    resume: bool = False,
) -> Result:
    """Run `policy` on the virtual engine, or with `live` on real processes; `drawn`: with the live table.

    With `folder`, keep the trace there (whole, or not at all); `resume`: go on where an interrupted run stopped.
    """
    scenario, end_s = assembled.loaded.scenario, assembled.world.settings.duration_s
    scheduler = load(policy, uniform_source(scenario.seed, policy))
    answers = DecisionLog() if folder is not None else None
    core = Core(assembled.world, answers.watched(scheduler) if answers is not None else scheduler)
    started_s = clock.wall_s()
    with ExitStack() as stack:
        writer = stack.enter_context(TraceWriter(folder, resume)) if folder is not None else None
        header = header_of(assembled, policy, "virtual" if live is None else "live")
        if writer is not None:
            writer.begin(header, assembled.world)
        write, lines = None if writer is None else writer.write, BLOCK_LINES if live is None else LIVE_BLOCK_LINES
        recorder = Recorder(core, write, answers, lines)
        door, assembled = _door(recorder, assembled)
        figures = None
        if live is None:
            stack.enter_context(watch(lambda: core.events, policy))
            virtual.run(door, assembled.facts, end_s, assembled.infer, bar(policy, end_s), assembled.world.pipeline)
        else:
            board = Board(f"{scenario.name}, {policy}", drawn)
            stack.callback(board.close)
            launch = Launch(assembled, core, live, board)
            stack.enter_context(watch(lambda: launch.handled, policy))
            figures = launch.play(door, bar, None if writer is None else recorder.digest)  # which ends a block
        row = finish(writer, header, core, recorder, figures)
    return Result(
        row=row,
        responses_s=responses(core),
        trace=str(folder) if folder is not None else None,
        wall_s=clock.wall_s() - started_s,
        live=figures,
        resumed_events=None if writer is None else writer.resumed_events,
    )


def _door(recorder: Recorder, assembled: Assembled) -> tuple[Door, Assembled]:
    """Where facts go in; with closed-loop arrivals what waits for answers stands before it, and its tasks count too."""
    mission = assembled.mission
    if mission is None or not mission.later:
        return recorder, assembled
    facts = assembled.facts + unasked(mission.later)
    return ClosedLoop(recorder, mission.later, mission.think_s), replace(assembled, facts=facts)
