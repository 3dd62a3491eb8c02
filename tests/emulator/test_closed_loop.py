"""Closed-loop arrivals: each task waits for the one before, a slow system is asked less, and the trace replays."""

from itertools import pairwise
from pathlib import Path

import pytest

from emulator.assemble import Assembled, assemble
from emulator.errors import ScenarioError
from emulator.events import Captured
from emulator.orders import End
from emulator.replay import replay
from emulator.rerun import _header, rerun
from emulator.run import run
from emulator.scenario import parse
from emulator.schedulers import load as load_scheduler
from emulator.trace import Header, Trace, TraceWriter
from emulator.tracing.header import SOURCES
from workloads.importing.records import Imported, MissionTask, Record
from workloads.importing.task_file import write_records

EPOCH = "2025-10-03T16:00:00Z"  # of three-body
JOBS: list[Record] = [MissionTask(id=f"{n:03d}", at_s=float(n), ops=1e12, deadline_s=50.0) for n in range(60)]
CLOSED = 'flown = "in-turn"\narrivals = "closed"\nthink_s = 20.0'
AT_ONCE = "[products]\nload_product_bytes = 0\n"  # a job ends where it ran, and waits for no station
a_microsecond = 1e-6


def ready(folder: Path, workload: str, records: list[Record] = JOBS, more: str = "") -> Assembled:
    write_records(folder / "own.jsonl", Imported(form="swf", epoch=EPOCH, records=records, read=len(records)), "s", "")
    head = f'extends = "three-body"\nname = "own"\nduration_s = 600.0\n{more}{AT_ONCE}[workload]\nfile = "own.jsonl"\n'
    return assemble(parse(f"{head}{workload}\n", "own.toml", folder), ["onboard"])


def lived(trace: Trace) -> dict[str, list[tuple[float, float | None]]]:
    """Of each satellite, (captured, ended) of its tasks in the order in which they were captured."""
    captured = {e.task.id: e for _, _, (e, _) in trace.lines() if isinstance(e, Captured)}
    ended = {o.task: e.at_s for _, _, (e, orders) in trace.lines() for o in orders if isinstance(o, End)}
    found: dict[str, list[tuple[float, float | None]]] = {}
    for name, event in captured.items():
        found.setdefault(event.node, []).append((event.at_s, ended.get(name)))
    return found


def test_each_task_comes_the_thinking_time_after_the_end_of_the_one_before(tmp_path: Path) -> None:
    row = run(ready(tmp_path, CLOSED), "onboard", tmp_path / "run").row
    lives = lived(Trace(tmp_path / "run"))
    assert len(lives) == 12
    assert sorted(times[0][0] for times in lives.values()) == [float(n) for n in range(12)]  # the first at its instant
    waited = 0
    for times in lives.values():
        for (_, before_s), (next_s, _) in pairwise(times):
            assert before_s is not None
            assert next_s == pytest.approx(before_s + 20.0, abs=2 * a_microsecond)
            waited += 1
    assert waited > 12
    assert row.tasks.captured == 12 + waited <= len(JOBS)


def test_a_system_that_does_not_answer_is_asked_once_by_each(tmp_path: Path) -> None:
    slow = [MissionTask(id=f"{n:03d}", at_s=float(n), ops=1e18) for n in range(60)]
    assert run(ready(tmp_path, CLOSED, list(slow)), "onboard", None).row.tasks.captured == 12
    assert run(ready(tmp_path, 'flown = "in-turn"', list(slow)), "onboard", None).row.tasks.captured == 60


def test_a_deadline_counts_from_when_the_task_came(tmp_path: Path) -> None:
    run(ready(tmp_path, CLOSED), "onboard", tmp_path / "run")
    tasks = [e.task for _, _, (e, _) in Trace(tmp_path / "run").lines() if isinstance(e, Captured)]
    assert {round(task.deadline_s - task.at_s, 5) for task in tasks} == {50.0}


def test_it_replays_exactly_and_twice_gives_the_same_digest(tmp_path: Path) -> None:
    made = ready(tmp_path, CLOSED)
    row = run(made, "onboard", tmp_path / "run").row
    found, _ = replay(Trace(tmp_path / "run"), load_scheduler("onboard", lambda: 0.0))
    assert (found.matches, found.digest) == (True, row.digest)
    assert run(made, "onboard", None).row.digest == row.digest


@pytest.mark.parametrize(("workload", "says"), [(CLOSED, "closed-loop: "), ('flown = "in-turn"', "open-loop: ")])
def test_which_loop_it_is_stands_in_the_header_and_the_notes(tmp_path: Path, workload: str, says: str) -> None:
    made = ready(tmp_path, workload)
    run(made, "onboard", tmp_path / "run")
    assert Trace(tmp_path / "run").header.sources["workload"].startswith(says)
    assert any(note.startswith(f"arrivals are {says[:-2]}") for note in made.notes)


@pytest.mark.parametrize(
    ("level", "workload", "says"),
    [
        ("inputs", CLOSED, "open-loop: at the instants of the run replayed"),
        ("measured", CLOSED, "open-loop: at the instants of the run replayed"),
        ("inputs", 'flown = "in-turn"', "open-loop: at the instants of a mission's list"),
    ],
)
def test_a_replay_of_a_closed_loop_says_that_it_is_open(tmp_path: Path, level: str, workload: str, says: str) -> None:
    run(ready(tmp_path, workload), "onboard", tmp_path / "run")
    with TraceWriter(tmp_path / "again") as writer:
        found = rerun(Trace(tmp_path / "run"), writer, level, load_scheduler("onboard", lambda: 0.0))
    assert found.matches
    assert Trace(tmp_path / "again").header.sources["workload"].startswith(says)
    assert any("one after the other (closed loop)" in note for note in found.notes) is (workload == CLOSED)


def test_bundles_of_a_live_run_come_open_loop_in_a_replay() -> None:
    sources = {"captures": SOURCES["captures"], "bundles": SOURCES["bundles"]}
    live = Header(
        schema=4, orbitmesh="0", created_utc="", scenario="s", scenario_sha256="", epoch="", policy="mesh", seed=1,
        engine="live", sources=sources,
    )  # fmt: skip
    made = _header(live, "mesh", {"level": "inputs"}, {})
    assert sources["bundles"].startswith("closed-loop: ")
    assert made.sources == sources | {"bundles": "open-loop: at the instants of the run replayed"}


REFUSED: list[tuple[str, list[Record], str]] = [
    (CLOSED, [MissionTask(id="a", at_s=0.0, scenes=2, duration_s=4.0)], "arrivals: is 'closed', but the list has"),
    ('flown = "in-turn"\nthink_s = 5.0', JOBS, r"think_s: is 5\.0; it goes with arrivals = 'closed'"),
    ('arrivals = "half-open"', JOBS, r"own\.toml:8: workload\.arrivals"),
]


@pytest.mark.parametrize(("workload", "records", "says"), REFUSED)
def test_what_cannot_be_closed_is_refused(tmp_path: Path, workload: str, records: list[Record], says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        ready(tmp_path, workload, records)


def test_tasks_before_the_run_are_left_out_and_none_within_is_refused(tmp_path: Path) -> None:
    early = [MissionTask(id=f"{n}", at_s=float(n), ops=1e12) for n in (0, 1, 2, 3)]
    more = f'epoch = "{EPOCH[:-2]}2Z"\n'  # two seconds later than the list
    made = ready(tmp_path, 'flown = "each"\narrivals = "closed"', list(early), more=more)
    assert made.mission is not None
    assert {task.id.split("/")[1] for task in made.mission.tasks} == {"2"}
    assert {task.id.split("/")[1] for task in made.mission.later} == {"3"}
    assert "24 of 36 tasks, over all satellites, lie outside of the run" in " ".join(made.notes)
    with pytest.raises(ScenarioError, match="and none within the run"):
        ready(tmp_path, 'flown = "each"\narrivals = "closed"', list(early), more='epoch = "2025-10-04T16:00:00Z"\n')
