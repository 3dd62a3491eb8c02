"""The life of a task by hand: since when each step could have been taken, and why it was not."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.core import Core
from emulator.decision_log import DecisionLog
from emulator.decisions import Assign, Downlink, Preempt
from emulator.errors import TraceError
from emulator.events import Bundle, Captured, Delivered, NodeFailed, NodeRecovered, Offered
from emulator.orders import End, Send
from emulator.recorder import Recorder
from emulator.report import summarise
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.tracing.life import Step, life
from emulator.tracing.parts import footer_of
from emulator.tracing.waits import UNKNOWN
from emulator.tracing.walk import ECHO, Walk
from emulator.virtual import run
from links.contacts import Gap
from workloads.arrivals import UNIT_WORK
from workloads.pipeline import Pipeline, Stage


@pytest.fixture
def kept(lab: Any, tmp_path: Path) -> Any:
    """Runs a scheduler in a small world and keeps the trace, with its decisions unless it is of schema 3."""

    def keep(
        decide: Any, tasks: Any, contacts: Any = (), faults: Any = (), gaps: Any = (), schema: int = SCHEMA,
        stages: tuple[Stage, ...] = (), **settings: Any,
    ) -> Trace:  # fmt: skip
        world = lab.world(contacts, **settings)
        plan = msgspec.structs.replace(world.plan, gaps=tuple(gaps))
        world = msgspec.structs.replace(world, plan=plan, pipeline=Pipeline(stages=stages) if stages else None)
        answers = DecisionLog()
        core = Core(world, answers.watched(decide))
        header = Header(
            schema=schema, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
            epoch="2025-10-03T16:00:00Z", policy="mesh", seed=1, engine="virtual",
        )  # fmt: skip
        with TraceWriter(tmp_path / "run") as writer:
            writer.begin(header, world)
            recorder = Recorder(core, writer.write, answers, 4)
            facts = lab.facts(world, tasks, faults)
            run(recorder, facts, world.settings.duration_s, lab.infer, lambda _: None, world.pipeline)
            ended = msgspec.structs.replace(header, events=recorder.events, digest=recorder.digest())
            writer.close(ended, world, summarise(core, "mesh", ended.digest), None, footer_of(core, ended))
        if schema == 3:
            (tmp_path / "run" / "decisions.jsonl.gz").unlink()
        return Trace(tmp_path / "run")

    return keep


def step(trace: Trace, task: str, begins: str) -> Step:
    """The one step of a task that begins so."""
    (found,) = [each for each in life(trace, task).steps if each.what.startswith(begins)]
    return found


def told(found: Step) -> tuple[float, list[str]]:
    return found.waited_s, found.reasons


def test_a_result_waits_for_a_station_and_says_why_there_was_none(lab, kept) -> None:
    gap = Gap("A", "G", 0.0, 20.0, "below_mask")
    trace = kept(lab.everywhere("A"), [lab.task("t")], [lab.radio("A", "G", 20.0)], gaps=[gap])
    found = step(trace, "t", "result sent to G")  # a second of work, then it waits from 1 s to 20 s
    assert told(found) == (19.0, ["A had no station until 20.000000 s: below mask"])
    assert [each.what.split(",")[0] for each in life(trace, "t").steps] == [
        "captured", "run 1 started", "run 1 finished: clear", "result sent to G", "result delivered", "done: clear"
    ]  # fmt: skip


def test_a_run_waits_for_others_on_its_processor(lab, kept) -> None:
    tasks = [lab.task("first"), lab.task("second"), lab.task("third", work_s=3.0)]
    trace = kept(lab.everywhere("A"), tasks, [lab.radio("A", "G")])
    found = step(trace, "third", "run 3 started")  # each of the others takes a second
    assert told(found) == (2.0, ["the processor of A ran 2 others until then: first, second"])


def test_a_message_waits_for_its_transmitter(lab, kept) -> None:
    tasks = [lab.task("big", raw_bytes=4000), lab.task("small", 1.0)]
    trace = kept(lab.everywhere("B"), tasks, [lab.laser("A", "B"), lab.radio("B", "G")])
    found = step(trace, "small", "raw sent to B")  # four seconds of the other, from 0 s; this one came at 1 s
    assert told(found) == (3.0, ["the transmitter of A sent 1 others first, 4,000 bytes"])


def test_a_contact_too_short_is_passed_over(lab, kept) -> None:
    contacts = [lab.radio("A", "G", 0.0, 3.0), lab.radio("A", "H", 10.0, 30.0)]
    trace = kept(lambda view: [Downlink(task.id) for task in view.waiting], [lab.task("t", raw_bytes=5000)], contacts)
    found = step(trace, "t", "raw sent to H")
    assert found.waited_s == 10.0
    assert found.reasons == [
        "A had no station until 10.000000 s",
        "what was left of 1 contacts (G) was too short for its 5,000 bytes",
    ]


def test_the_scheduler_that_had_not_decided_is_named(lab, kept) -> None:
    script = lab.Script({6.0: [Assign("t", "A")]})
    trace = kept(script, [lab.task("t", 1.0)], [lab.radio("A", "G")])
    assert told(step(trace, "t", "run 1 started")) == (5.0, ["the scheduler decided at 6.000000 s, 5.000000 s later"])


def test_deciding_that_takes_time_is_named(lab, kept) -> None:
    trace = kept(lab.everywhere("A"), [lab.task("t", 1.0)], [lab.radio("A", "G")], decision_s=0.5)
    assert told(step(trace, "t", "run 1 started")) == (0.5, ["deciding took 0.500000 s"])


def test_schema_3_kept_no_decisions_and_nothing_is_made_up(lab, kept) -> None:
    script = lab.Script({6.0: [Assign("t", "A")]})
    trace = kept(script, [lab.task("t", 1.0)], [lab.radio("A", "G")], schema=3)
    (reason,) = step(trace, "t", "run 1 started").reasons
    assert reason == "nothing else was in its way: the scheduler's decisions, which schema 3 did not keep"


def test_a_node_that_was_down_is_named_and_what_was_lost_with_it_is_a_step(lab, kept) -> None:
    faults = [NodeFailed(0.5, "B"), NodeRecovered(8.0, "B")]
    contacts = [lab.laser("A", "B"), lab.radio("B", "G")]
    trace = kept(lab.everywhere("B"), [lab.task("t")], contacts, faults)
    steps = life(trace, "t").steps
    lost = next(each for each in steps if "lost" in each.what)
    assert (lost.at_s, lost.what, lost.node) == (0.5, "raw on the way from A lost: B failed", "B")
    echo = next(each for each in steps if each.at_s == 1.25)
    assert echo.what == "raw delivered (an echo: it had been lost, cancelled or withdrawn)"
    again = [each for each in steps if each.what.startswith("raw sent to B")][-1]
    assert again.at_s == 8.0
    assert told(again) == (7.5, ["the scheduler decided at 8.000000 s, 7.500000 s later"])  # it waited anew


def test_a_message_that_was_to_go_another_way_says_what_turned_it(lab, kept) -> None:
    contacts = [lab.radio("A", "G", 60.0, 90.0), lab.laser("A", "B", 10.0, 90.0), lab.radio("B", "H", 12.0, 90.0)]
    trace = kept(lab.everywhere("A", relay=True), [lab.task("t")], contacts)
    found = step(trace, "t", "result sent to B")
    assert told(found) == (9.0, ["A and B had no contact until 10.000000 s"])
    assert UNKNOWN not in str(life(trace, "t"))


def test_a_preempted_task_waits_from_then_on(lab, kept) -> None:
    script = lab.Script({0.0: [Assign("t", "A")], 0.5: [Preempt("t")], 3.0: [Assign("t", "A")]})
    trace = kept(script, [lab.task("t"), lab.task("u", 0.5)], [lab.radio("A", "G")])
    (again,) = [each for each in life(trace, "t").steps if each.what.startswith("run 2 started")]
    assert told(again) == (2.5, ["the scheduler decided at 3.000000 s, 2.500000 s later"])


def test_the_echo_of_a_preempted_run_does_not_end_the_one_after_it(lab, kept) -> None:
    again = [Preempt("t"), Assign("t", "A"), Assign("u", "A")]
    trace = kept(lab.Script({0.0: [Assign("t", "A")], 0.5: again}), [lab.task("t"), lab.task("u", 0.5)])
    echo = next(each for each in life(trace, "t").steps if each.at_s == 1.0)  # of run 1, while run 2 is on until 1.5 s
    assert echo.what.endswith("(an echo: it had been lost, cancelled or withdrawn)")
    assert told(step(trace, "u", "run 3 started")) == (1.0, ["the processor of A ran 1 others until then: t"])


def test_what_comes_after_the_end_of_its_task_is_an_echo(lab) -> None:
    walk = Walk(lab.world([lab.laser("A", "B")]), "t", {})
    sent = Send("A", "B", "t", "raw", 0, 1000, 0.0, 1.0, 1.25)
    begin, there = Captured(0.0, "A", lab.task("t")), Delivered(1.25, "B", "t", "raw")
    taken = list(walk.take(begin, [begin, sent]))
    taken += walk.take(NodeFailed(0.5, "C"), [End("t", "dropped", "by hand")])
    (late,) = walk.take(there, [there])
    assert [each.what.endswith(ECHO) for each in (*taken, late)] == [False, False, False, True]


def test_a_stage_that_joins_others_waits_from_the_last_of_them(lab, kept) -> None:
    stages = (
        Stage(name="one", model=UNIT_WORK.name),
        Stage(name="two", model=UNIT_WORK.name),
        Stage(name="both", model=UNIT_WORK.name, after=("one", "two")),
    )
    trace = kept(lab.everywhere("A"), [lab.task("t")], [lab.radio("A", "G")], stages=stages)
    steps = {each.part: each for each in life(trace, "t").steps if "started" in each.what}
    assert told(steps["two"]) == (1.0, ["the processor of A ran 1 others until then: t#one"])
    assert (steps["both"].at_s, told(steps["both"])) == (2.0, (0.0, []))  # both ended at 2 s: no wait is its own


def test_a_bundle_has_a_life_too(lab, kept) -> None:
    offers = [Offered(1.0, "A", Bundle("b", "A", "C", 1000))]
    contacts = [lab.laser("A", "B", 0.0, 10.0), lab.laser("B", "C", 50.0, 60.0)]
    found = life(kept(lambda view: None, [], contacts, offers), "b")
    assert (found.how, found.reason) == ("done", None)
    assert [each.what.split(",")[0] for each in found.steps] == [
        "bundle offered for C", "bundle sent to B", "bundle delivered", "bundle sent to C", "bundle delivered", "done"
    ]  # fmt: skip
    assert told(found.steps[3]) == (47.75, ["B and C had no contact until 50.000000 s"])  # there at 2.25 s


def test_what_still_waits_when_the_trace_ends_says_so_too(lab, kept) -> None:
    trace = kept(lambda view: [], [lab.task("t", 40.0)], [lab.radio("A", "G")])
    last = life(trace, "t").steps[-1]
    assert (last.what, last.at_s) == ("still waits when the trace ends", 100.0)
    assert told(last) == (60.0, ["the scheduler had not decided about it"])


def test_an_answer_without_a_station_says_so_when_the_trace_ends(lab, kept) -> None:
    trace = kept(lab.everywhere("A"), [lab.task("t", 40.0)])
    found = life(trace, "t")
    assert (found.how, found.reason) == ("pending", None)
    assert told(found.steps[-1]) == (59.0, ["A had no station for 59.000000 s of that time"])


def test_a_task_that_is_not_there_is_refused_with_those_like_it(lab, kept) -> None:
    trace = kept(lab.everywhere("A"), [lab.task("A/001"), lab.task("B/002", 1.0)])
    with pytest.raises(TraceError, match="no task 'A/00l' was captured; did you mean A/001"):
        life(trace, "A/00l")
    with pytest.raises(TraceError, match="it has 2, such as"):
        life(trace, "something else")
