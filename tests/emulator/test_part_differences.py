"""A part of a run that is run again is compared with that part only."""

from pathlib import Path
from typing import Any

import pytest

from emulator.rerun import rerun
from emulator.schedulers import load
from emulator.trace import Trace, TraceWriter
from emulator.tracing.part_differences import part_difference
from emulator.tracing.tables import rows


@pytest.fixture
def recorded(lab: Any, tmp_path: Path) -> Trace:
    lab.record(tmp_path / "run")
    return Trace(tmp_path / "run")


def again(recorded: Trace, folder: Path, policy: str, from_s: float, to_s: float) -> Trace:
    with TraceWriter(folder) as writer:
        rerun(recorded, writer, "inputs", load(policy, lambda: 0.0), policy=policy, from_s=from_s, to_s=to_s)
    return Trace(folder)


@pytest.mark.parametrize("to_s", [0.75, 3.0, 5.25, 40.0])
def test_a_run_that_only_ends_earlier_fared_alike_until_then(recorded: Trace, tmp_path: Path, to_s: float) -> None:
    found = part_difference(recorded, again(recorded, tmp_path / "part", "mesh", 0.0, to_s), 0.0, to_s)
    assert (found.same, found.tasks_changed, found.only_left, found.only_right) == (True, 0, 0, 0)
    assert (found.first, found.figures) == (None, [])


def test_tasks_of_the_part_are_compared_and_no_others(recorded: Trace, tmp_path: Path) -> None:
    part = again(recorded, tmp_path / "part", "bent-pipe", 2.0, 4.0)
    found = part_difference(recorded, part, 2.0, 4.0)
    within = {row["task"] for row in rows(recorded, "tasks") if 2.0 <= row["captured_s"] <= 4.0}
    ran = {run["task"] for run in rows(recorded, "runs") if run["start_s"] <= 4.0} & within
    assert ran  # which bent-pipe, that has no contact with the ground before 5 s, sends nowhere by then
    assert {each.task for each in found.tasks} == ran
    assert {change.field for each in found.tasks for change in each.changes} <= {"started_s", "sent_s"}
    assert "queues begin empty" in found.notes[1]
