"""A closed loop of real processes: each satellite asks its next task only when the one before has ended."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from emulator.assemble import assemble
from emulator.events import Captured
from emulator.live.options import LiveOptions
from emulator.orders import End
from emulator.replay import replay
from emulator.run import run
from emulator.scenario import parse
from emulator.schedulers import load
from emulator.trace import Trace
from workloads.importing.records import Imported, MissionTask
from workloads.importing.task_file import write_records

THINK_S = 0.2
TASKS = [MissionTask(id=f"job-{n}", at_s=0.05 * n, ops=2e9) for n in range(8)]  # at once, were the loop open


def test_the_next_task_comes_the_thinking_time_after_the_end_of_the_one_before(stage: Any, tmp_path: Path) -> None:
    made = Imported(form="columns", epoch=None, records=list(TASKS), read=len(TASKS))
    write_records(tmp_path / "own.jsonl", made, "own.csv", "")
    text = (
        stage.scenario("AE", "I", duration_s=3.0)
        + '[satellites]\nbatch = 1\n[products]\nload_product_bytes = 0\n[workload]\nfile = "own.jsonl"\n'
    )
    text += f'align = "start"\nflown = "in-turn"\narrivals = "closed"\nthink_s = {THINK_S}\n'
    assembled = assemble(parse(text, "stage.toml", tmp_path), ["onboard"], infer=False)
    row = run(assembled, "onboard", tmp_path / "run", live=LiveOptions(late_budget_s=60.0)).row
    trace = Trace(tmp_path / "run")
    asked: dict[str, list[tuple[str, float]]] = {}
    ended: dict[str, float] = {}
    for _, _, (event, orders) in trace.lines():
        if isinstance(event, Captured):
            asked.setdefault(event.node, []).append((event.task.id, event.at_s))
        ended |= {order.task: event.at_s for order in orders if isinstance(order, End)}
    assert row.tasks.captured == sum(map(len, asked.values())) > 2
    assert len(asked) == 2
    for tasks in asked.values():
        for (before, _), (_, at_s) in pairwise(tasks):
            assert at_s == pytest.approx(ended[before] + THINK_S, abs=1e-6)
    found, _ = replay(trace, load("onboard", lambda: 0.0))
    assert (found.matches, found.digest) == (True, row.digest)
