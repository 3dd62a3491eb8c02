"""What a full trace costs: recorded against bare, replayed against recorded, opened for a query, bytes a fact.

A full trace is everything that `run --out` writes: facts and orders, the scheduler's answers, digest, blocks packed in
a thread beside the run, header, world, figures and ledger. Times are of the whole, from the first fact to the rename.
"""

from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.measure import Baseline, Notes, Target, in_turns, note
from benchmarks.store_and_forward import Arrival, InTheCore, arrivals
from emulator.replay import replay
from emulator.report import summarise
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.tracing.blocks import pack
from emulator.tracing.parts import footer_of
from emulator.tracing.seal import sealed

DURATION_S = 150.0
ROUNDS = 5
COST = 0.3  # of the event rate, at most, for recording in full
TEN_MILLION = 10_000_000
HEADER = Header(
    schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="store-and-forward", scenario_sha256="",
    epoch="2025-10-03T16:00:00Z", policy="ahead", seed=1, engine="virtual",
)  # fmt: skip


@pytest.fixture(scope="module")
def tasks() -> list[Arrival]:
    return arrivals(DURATION_S)


class Recorded:
    """The run with a full trace; built before it is timed."""

    def __init__(self, tasks: list[Arrival], folder: Path) -> None:
        self.folder = folder
        self._writer = TraceWriter(folder)
        self._writer.__enter__()
        self.run_ = InTheCore(tasks, True, self._writer)
        self._writer.begin(HEADER, self.run_.core.world)

    def run(self) -> int:
        """Run and close; returns the facts."""
        core = self.run_.core
        events = self.run_.run()
        header = msgspec.structs.replace(HEADER, events=events, digest=self.run_.digest())
        row = summarise(core, HEADER.policy, header.digest)
        self._writer.close(header, core.world, row, None, footer_of(core, header))
        self._writer.__exit__(None, None, None)
        return events


def test_recording_in_full_against_not_recording(benchmark: Any, tasks: list[Arrival], tmp_path: Path) -> None:
    number = count()
    latest: list[Recorded] = []

    def build() -> Recorded:
        latest[:] = [Recorded(tasks, tmp_path / str(next(number)))]
        return latest[0]

    targets = (Target("events", ">=", 300_000), Target("ratio", "<=", 1.0 / (1.0 - COST)))
    notes = Notes("store and forward, full trace", targets, rounds=ROUNDS)
    built = [InTheCore(tasks, False) for _ in range(ROUNDS + 1)]  # one to warm up

    def unrecorded() -> int:
        run = built.pop()
        events = run.run()
        summarise(run.core, HEADER.policy, "")  # figures are told with and without a trace
        return events

    bare = Baseline("no record, no digest", unrecorded)
    events, bare_events = in_turns(benchmark, Recorded.run, notes, build, bare)
    assert events == bare_events == Trace(latest[0].folder).header.events
    size_bytes = sum(path.stat().st_size for path in latest[0].folder.iterdir())
    assert size_bytes / events < 50.0  # 38 measured
    note(benchmark, amounts={"events": events, "bytes": size_bytes})


def test_exact_replay_against_the_run(benchmark: Any, tasks: list[Arrival], tmp_path: Path) -> None:
    first = Recorded(tasks, tmp_path / "first")
    first.run()
    built = [Recorded(tasks, tmp_path / f"{number}") for number in range(ROUNDS + 1)]  # one to warm up
    notes = Notes("store and forward, exact replay", (Target("ratio", "<=", 1.0),), rounds=ROUNDS)
    recorded = Baseline("the run with its trace", lambda: built.pop().run())
    (found, _), events = in_turns(
        benchmark, lambda trace: replay(trace, first.run_.scheduler), notes, lambda: Trace(tmp_path / "first"), recorded
    )
    assert found.matches
    note(benchmark, amounts={"events": events})


def test_opening_ten_million_facts_for_a_query(benchmark: Any, tasks: list[Arrival], tmp_path: Path) -> None:
    """A minute of the last block of a log of ten million facts; the same block over and over, but for its end."""
    Recorded(tasks, tmp_path / "run").run()
    first = next(Trace(tmp_path / "run").log.chunks())
    lines = first.raw.count(b"\n")
    block = pack(first.raw, lines, 0.0, 1.0)
    last = pack(first.raw, lines, 1e6, 1e6 + 1.0)
    with (tmp_path / "run" / "events.jsonl.gz").open("wb") as log:
        for _ in range(TEN_MILLION // lines):
            log.write(block)
        log.write(last)
    header = Trace(tmp_path / "run").header
    header = msgspec.structs.replace(header, events=(TEN_MILLION // lines + 1) * lines)
    header = sealed(header, header.sums, header.decisions or 0)
    (tmp_path / "run" / "header.json").write_bytes(msgspec.json.encode(header))

    def query() -> int:
        trace = Trace(tmp_path / "run")
        facts = sum(block.lines for block in trace.log.index())
        assert facts > TEN_MILLION
        return sum(raw.count(b"\n") for _, raw in trace.chunks(from_s=1e6))

    notes = Notes("a query of a trace of ten million facts", (Target("s", "<=", 2.0),), rounds=ROUNDS)
    found, _ = in_turns(benchmark, query, notes)
    assert found == lines
