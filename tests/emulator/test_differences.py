"""Where and why two runs part: line, decision and tasks, in words, of runs made to differ in one thing."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.core import Core
from emulator.decision_log import DecisionLog
from emulator.decisions import Assign, Drop
from emulator.errors import TraceError
from emulator.events import NodeFailed
from emulator.recorder import Recorder
from emulator.report import summarise
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.tracing import differences
from emulator.tracing.differences import MOST_LISTED, difference
from emulator.tracing.parting import ENDS, FirstDifference, reasons
from emulator.tracing.parts import footer_of
from emulator.virtual import run


@pytest.fixture
def kept(lab: Any, tmp_path: Path) -> Any:
    """Keeps the trace of a run of a few scenes over A and B under `name`."""

    def keep(
        name: str, decide: Any = None, tasks: int = 4, faults: Any = (), laser_s: float = 0.25,
        policy: str = "everywhere",
    ) -> Trace:  # fmt: skip
        world = lab.world([lab.laser("A", "B", delay_s=laser_s), lab.radio("B", "G")])
        scenes = [lab.task(f"{n:02d}", 1.0 * n) for n in range(tasks)]
        answers = DecisionLog()
        core = Core(world, answers.watched(decide or lab.everywhere("B", relay=True)))
        header = Header(
            schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
            epoch="2025-10-03T16:00:00Z", policy=policy, seed=1, engine="virtual",
        )  # fmt: skip
        with TraceWriter(tmp_path / name) as writer:
            writer.begin(header, world)
            recorder = Recorder(core, writer.write, answers, 4)
            run(recorder, lab.facts(world, scenes, faults), world.settings.duration_s, lab.infer)
            ended = msgspec.structs.replace(header, events=recorder.events, digest=recorder.digest())
            writer.close(ended, world, summarise(core, policy, ended.digest), None, footer_of(core, ended))
        return Trace(tmp_path / name)

    return keep


def test_a_trace_does_not_differ_from_itself(kept) -> None:
    trace = kept("one")
    found = difference(trace, Trace(trace.folder))
    assert found.same
    assert (found.first, found.decision, found.why, found.setup, found.figures) == (None, None, [], [], [])
    assert (found.tasks_changed, found.tasks, found.only_left, found.only_right) == (0, [], 0, 0)


def test_another_decision_is_the_first_difference_and_the_reason(lab, kept) -> None:
    def other(view: Any) -> Any:
        yield from (Assign(task.id, "A" if task.id == "02" else "B") for task in view.waiting)

    found = difference(kept("one"), kept("two", other, policy="other"))
    assert found.first is not None
    assert found.decision is not None
    assert (found.first.at_s, found.decision.at_s) == (2.0, 2.0)  # scene 02 is captured at 2 s
    assert found.first.what.startswith("the same fact (2.000000 s, on A, 02: captured, 1,000 bytes")
    assert found.first.right == "2.000000 s, on A, 02: run 2 started, until 3.000000 s (preset)"
    asked = "asked because of 'captured', decided 02 is inferred on"
    assert found.decision.left == f"{asked} B (over the mesh if sooner)"
    assert found.decision.right == f"{asked} A (over the mesh if sooner)"
    assert [each.field for each in found.setup] == ["policy"]
    assert found.why == ["the scheduler decided otherwise, or was asked otherwise, by then", "another scheduler ran"]
    changed = {task.task: {each.field: (each.left, each.right) for each in task.changes} for task in found.tasks}
    assert changed["02"]["ran_on"] == ("B", "A")
    assert "00" not in changed  # it was down before
    assert found.tasks_by_field["ran_on"] == 1
    assert found.tasks_changed == len(changed)


def test_other_answers_of_which_the_same_came_are_told(kept) -> None:
    def onboard(view: Any) -> Any:
        yield from (Assign(task.id, "B", relay=False) for task in view.waiting)

    def over_the_mesh(view: Any) -> Any:
        yield from (Assign(task.id, "B") for task in view.waiting)

    found = difference(kept("one", onboard, 1), kept("two", over_the_mesh, 1, policy="other"))
    assert found.first is None
    assert found.same
    assert found.why == ["the scheduler's answers differ, and the same came of them"]
    assert found.decision is not None
    assert found.decision.left is not None
    assert found.decision.left.endswith("00 is inferred on B (by its own radio)")


def test_slower_physics_is_told_from_other_decisions(kept) -> None:
    found = difference(kept("one", tasks=1), kept("two", tasks=1, laser_s=0.5))
    assert found.first is not None
    assert (found.first.given, found.decision) == (False, None)
    assert found.why[0].startswith("the scheduler's answers, as far as they are kept, are alike: physics")
    assert {each.field for each in found.setup} == {"world_sha256"}
    (only,) = found.tasks
    later_s = {each.field: each.right - each.left for each in only.changes}
    assert later_s == dict.fromkeys(("started_s", "finished_s", "delivered_s", "ended_s"), 0.25)


def test_another_fault_is_something_that_a_run_is_told(kept) -> None:
    found = difference(kept("one"), kept("two", faults=[NodeFailed(1.5, "C")]))
    assert found.first is not None
    assert found.first.given
    assert (found.first.what, found.first.right) == ("another fact", "1.500000 s, on C: failed")
    assert found.why[0].startswith("they were not told the same")


def test_a_task_that_only_one_side_has_is_told_and_counted(kept) -> None:
    found = difference(kept("one", tasks=5), kept("two", tasks=4))
    assert (found.only_left, found.only_right) == (1, 0)
    (alone,) = [task for task in found.tasks if task.task == "04"]
    assert all(each.right is None for each in alone.changes)
    assert {"how", "captured_s"} <= {each.field for each in alone.changes}
    assert {"tasks.captured"} <= {each.field for each in found.figures}


@pytest.mark.parametrize("kept_at_once", [2000, 21])  # 21: cut again and again on the way
def test_many_tasks_are_counted_and_the_first_listed_in_the_order_of_capture(kept, monkeypatch, kept_at_once) -> None:
    monkeypatch.setattr(differences, "MOST_KEPT", kept_at_once)
    found = difference(kept("one", tasks=30), kept("two", lambda view: [Drop(t.id, "no") for t in view.waiting], 30))
    assert found.tasks_changed == 30
    assert [task.task for task in found.tasks] == [f"{n:02d}" for n in range(MOST_LISTED)]
    assert found.tasks_by_field["how"] == 30


def test_a_cut_trace_ends_where_the_other_goes_on(lab, kept, tmp_path) -> None:
    whole = kept("one")
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in whole.folder.iterdir():
        (cut / path.name).write_bytes(path.read_bytes())
    header = msgspec.json.decode((cut / "header.json").read_bytes())
    (cut / "header.json").write_bytes(msgspec.json.encode(header | {"digest": "", "events": 0}))  # as before closing
    log = (cut / "events.jsonl.gz").read_bytes()
    (cut / "events.jsonl.gz").write_bytes(log[: len(log) // 2])
    found = difference(whole, Trace(cut))
    left = sum(1 for _ in Trace(cut).lines())
    assert found.first is not None
    assert (found.first.line, found.first.what, found.first.right) == (left + 1, "one trace ends here", None)
    assert any("is damaged after line" in note for note in found.notes)
    assert found.why == ["they are alike as far as both go; one was cut off, or ended earlier"]
    assert (found.same, found.figures) == (False, [])  # a cut run has none to compare


def test_a_trace_that_was_cut_before_its_first_line(kept, tmp_path) -> None:
    whole = kept("one")
    empty = tmp_path / "empty"
    empty.mkdir()
    header = msgspec.json.decode((whole.folder / "header.json").read_bytes())
    (empty / "header.json").write_bytes(msgspec.json.encode(header | {"digest": "", "events": 0}))
    (empty / "world.json.gz").write_bytes((whole.folder / "world.json.gz").read_bytes())
    (empty / "events.jsonl.gz").write_bytes(b"")
    found = difference(whole, Trace(empty))
    assert found.first is not None
    assert (found.first.line, found.first.right, found.only_left) == (1, None, 4)
    with pytest.raises(TraceError, match="no header"):
        difference(whole, Trace(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("setup", "what", "says"),
    [
        (
            ["scenario_sha256", "scenario.duration_s"],
            "another order",
            ["one lasts longer", "another scenario or seed: sc"],
        ),
        (["world.settings.duration_s"], ENDS, ["one lasts longer", "they are alike as far as both go"]),
        (["engine"], "another fact", ["one ran live"]),
        (
            ["scenario.duration_s", "scenario.seed"],
            "another fact",
            ["one lasts longer", "the scheduler's answers", "anoth"],
        ),
    ],
)
def test_another_duration_or_engine_is_named_before_physics(setup: list[str], what: str, says: list[str]) -> None:
    first = FirstDifference(line=3, at_s=1.0, what=what, left="x", right="y", given=False)
    found = reasons(first, None, setup)
    assert [told.startswith(said) for told, said in zip(found, says, strict=True)] == [True] * len(says), found
