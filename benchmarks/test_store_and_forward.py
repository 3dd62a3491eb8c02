"""Events and tasks per second of the core behind its recorder, of SimPy, and of a bare heap: one model, one answer.

An event is what each engine counts as one, so events per second compare a tool with itself; tasks per second
compare the tools.
"""

from typing import Any

import pytest

from benchmarks.measure import Baseline, Notes, Target, in_turns, note
from benchmarks.store_and_forward import Arrival, InTheCore, arrivals, in_a_heap, in_simpy

DURATION_S = 150.0
ROUNDS = 7
nanosecond = 1e-9


@pytest.fixture(scope="module")
def tasks() -> list[Arrival]:
    found = arrivals(DURATION_S)
    assert len(found) > 25_000
    return found


def note_rates(benchmark: Any, events: int, tasks: list[Arrival]) -> None:
    note(benchmark, amounts={"events": events, "tasks": len(tasks)})


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "bare"])
def test_core(benchmark: Any, tasks: list[Arrival], record: bool) -> None:
    latest: list[InTheCore] = []

    def build() -> InTheCore:
        latest[:] = [InTheCore(tasks, record)]
        return latest[0]

    title = "core with recorder and digest" if record else "core alone"
    targets = (Target("events", ">=", 200_000),) if record else ()
    notes = Notes(f"store and forward, {title}", targets, rounds=ROUNDS)
    events, (simpy_ends_s, _) = in_turns(
        benchmark, InTheCore.run, notes, build, Baseline("SimPy", lambda: in_simpy(tasks))
    )
    core = latest[0].core
    assert core.ended == {"done": len(tasks), "dropped": 0, "lost": 0}
    assert events > 4 * len(tasks)
    assert latest[0].ends() == pytest.approx(simpy_ends_s, rel=0.0, abs=nanosecond)
    note_rates(benchmark, events, tasks)


def test_simpy(benchmark: Any, tasks: list[Arrival]) -> None:
    notes = Notes("store and forward, SimPy", rounds=ROUNDS)
    bare = Baseline("bare heap", lambda: in_a_heap(tasks))
    (ends_s, events), (bare_ends_s, _) = in_turns(benchmark, lambda: in_simpy(tasks), notes, baseline=bare)
    assert ends_s == pytest.approx(bare_ends_s, rel=0.0, abs=nanosecond)
    note_rates(benchmark, events, tasks)


def test_bare_heap(benchmark: Any, tasks: list[Arrival]) -> None:
    (ends_s, events), _ = in_turns(
        benchmark, lambda: in_a_heap(tasks), Notes("store and forward, bare heap", rounds=ROUNDS)
    )
    assert events == sum(hops + 3 for _, _, hops in tasks)
    assert all(end_s > at_s for end_s, (at_s, _, _) in zip(ends_s, tasks, strict=True))
    note_rates(benchmark, events, tasks)
