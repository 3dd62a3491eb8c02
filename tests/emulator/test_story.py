"""What became of a task, told from lines written by hand: every expected value follows from the lines above it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from emulator.errors import TraceError
from emulator.events import Bundle, Captured, Delivered, Event, Finished, Missed, NodeFailed, NodeRecovered, Offered
from emulator.orders import Cancel, End, Order, Run, Send
from emulator.tracing.tables import Row, rows
from emulator.world import World
from workloads.arrivals import NEVER_S, UNIT_WORK
from workloads.pipeline import Pipeline, Stage
from workloads.tasks import Outcome

CLEAR = Outcome("clear", 0.25, 500)
CLOUDY = Outcome("cloudy", 0.75, 20)
NOTHING = Outcome("clear", 0.0, 0)
JOIN = (
    Stage(name="screen", model=UNIT_WORK.name, passes="clear", exit="cloudy"),
    Stage(name="left", model=UNIT_WORK.name, after=("screen",)),
    Stage(name="right", model=UNIT_WORK.name, after=("screen",)),
)

Lines = list[tuple[Event, list[Order]]]
Told = Callable[..., dict[str, list[Row]]]


def written(world: World, lines: Lines) -> Any:
    """What the tables read of a trace."""
    numbered = [(number, b"", line) for number, line in enumerate(lines, 1)]

    def read(from_s: float | None = None) -> Any:
        return (each for each in numbered if from_s is None or each[2][0].at_s >= from_s)

    return SimpleNamespace(world=world, lines=read, folder=Path("by-hand"), keeps_decisions=False, closed=True)


@pytest.fixture
def told(lab: Any) -> Told:
    """All tables of records of some lines; `stages` make it a pipeline, `span` asks for a part."""

    def tell(
        lines: Lines, stages: tuple[Stage, ...] = (), span: tuple[float | None, ...] = (), silent: tuple[str, ...] = ()
    ) -> dict[str, list[Row]]:
        world = msgspec.structs.replace(lab.world([lab.laser("A", "B"), lab.radio("B", "G")]), silent=silent)
        if stages:
            world = msgspec.structs.replace(world, pipeline=Pipeline(stages=stages))
        trace = written(world, lines)
        return {table: rows(trace, table, *span) for table in ("tasks", "hops", "runs", "bundles")}

    return tell


def send(task: str, start_s: float, a: str = "A", b: str = "B", what: str = "raw", contact: int = 0) -> Send:
    """A second on the link, a quarter of one of light."""
    return Send(a, b, task, what, contact, 1000, start_s, start_s + 1.0, start_s + 1.25)


def run(task: str, start_s: float, number: int = 1, node: str = "A") -> Run:
    return Run(node, task, number, start_s, start_s + 2.0)


def bundle(at_s: float, name: str = "b") -> Offered:
    return Offered(at_s, "A", Bundle(name, "A", "B", 1000, 3))


def captured(lab: Any, *names: str, **options: Any) -> list[tuple[Event, list[Order]]]:
    return [(Captured(0.0, "A", lab.task(name, 0.0, **options)), []) for name in names]


def picked(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


TIMES = ("captured_s", "sent_s", "result_sent_s", "started_s", "finished_s", "delivered_s", "ended_s")


def test_the_way_of_a_task_from_capture_to_the_ground(lab, told):
    found = told(
        [
            (Captured(0.5, "A", lab.task("t", 0.5, deadline_s=90.0)), [run("t", 0.5)]),
            (Finished(2.5, "A", "t", 1, CLEAR), [send("t", 2.5, what="result")]),
            (Delivered(3.75, "B", "t", "result"), [send("t", 3.75, "B", "G", "result", 1)]),
            (Delivered(5.0, "G", "t", "result"), [End("t", "done", "clear")]),
        ]
    )
    (task,) = found["tasks"]
    assert picked(task, *TIMES) == (0.5, 2.5, 2.5, 0.5, 2.5, 5.0, 5.0)
    said = ("deadline_s", "how", "reason", "runs", "ran_on", "label", "cloud_fraction", "product_bytes")
    assert picked(task, *said) == (90.0, "done", "clear", 1, "A", "clear", 0.25, 500)
    assert [picked(hop, "from_node", "to_node", "free_s", "due_s", "delivered_s", "how") for hop in found["hops"]] == [
        ("A", "B", 3.5, 3.75, 3.75, "delivered"),
        ("B", "G", 4.75, 5.0, 5.0, "delivered"),
    ]
    assert [picked(each, "start_s", "due_s", "finished_s", "ended_s", "how") for each in found["runs"]] == [
        (0.5, 2.5, 2.5, 2.5, "finished")
    ]


def test_what_has_not_happened_is_missing_and_pending_is_a_word(lab, told):
    (task,) = told(captured(lab, "t"))["tasks"]
    assert lab.task("t").deadline_s == NEVER_S  # the number that stands for none in the log
    missing = {name for name, value in task.items() if value is None}
    assert missing == {
        "deadline_s", "sent_s", "result_sent_s", "started_s", "finished_s", "delivered_s", "ended_s", "reason",
        "ran_on", "label", "cloud_fraction", "product_bytes",
    }  # fmt: skip
    assert picked(task, "how", "runs") == ("pending", 0)


def test_what_is_under_way_when_the_trace_ends_says_so(lab, told):
    found = told([*captured(lab, "r", "s"), (Delivered(1.0, "B", "-", "-"), [run("r", 1.0), send("s", 1.0)])])
    assert [picked(task, "task", "how", "started_s", "sent_s", "finished_s") for task in found["tasks"]] == [
        ("r", "pending", 1.0, None, None),
        ("s", "pending", None, 1.0, None),
    ]
    assert [picked(each, "how", "finished_s", "ended_s") for each in found["runs"]] == [("running", None, None)]
    assert [picked(hop, "how", "delivered_s", "ended_s") for hop in found["hops"]] == [("in flight", None, None)]


@pytest.mark.parametrize(
    ("failed", "at_s", "how", "ended_s", "delivered_s"),
    [
        ("B", 1.5, "lost", 1.5, None),  # the receiver fails while it is on the way
        ("A", 0.5, "lost", 0.5, None),  # the sender fails before the last bit has left, at 1 s
        ("A", 1.0, "delivered", 1.25, 1.25),  # and when it has: it is on its way, and arrives
        ("C", 0.5, "delivered", 1.25, 1.25),  # some other node
    ],
)
def test_a_hop_is_lost_with_its_node_and_what_comes_later_is_an_echo(
    lab, told, failed, at_s, how, ended_s, delivered_s
):
    lines = [(Captured(0.0, "A", lab.task("t")), [send("t", 0.0)]), (NodeFailed(at_s, failed), [])]
    lines += [(Delivered(1.25 if at_s <= 1.25 else 1.75, "B", "t", "raw"), [])]
    (hop,) = told(lines)["hops"]
    assert picked(hop, "how", "ended_s", "delivered_s") == (how, ended_s, delivered_s)


def test_a_message_is_not_there_before_its_last_bit_can_be_nor_elsewhere(lab, told):
    lines = [(Captured(0.0, "A", lab.task("t")), [send("t", 0.0)])]
    early = (Delivered(1.2, "B", "t", "raw"), [])
    elsewhere = (Delivered(1.25, "C", "t", "raw"), [])
    assert told([*lines, early, elsewhere])["hops"][0]["how"] == "in flight"
    (late,) = told([*lines, early, (Delivered(1.5, "B", "t", "raw"), [])])["hops"]  # live runs are late, and say so
    assert picked(late, "due_s", "delivered_s") == (1.25, 1.5)


def test_a_run_is_lost_with_its_node_though_its_end_is_told(lab, told):
    found = told(
        [
            (Captured(0.0, "A", lab.task("t")), [run("t", 0.0)]),
            (NodeFailed(1.0, "A"), [End("t", "lost", "A failed")]),
            (Finished(2.0, "A", "t", 1, CLEAR), []),
        ]
    )
    (task,) = found["tasks"]
    assert picked(task, *TIMES) == (0.0, None, None, 0.0, None, None, 1.0)
    assert picked(task, "how", "reason", "ran_on", "label", "runs") == ("lost", "A failed", None, None, 1)
    (only,) = found["runs"]
    assert picked(only, "how", "ended_s", "finished_s", "label") == ("lost", 1.0, None, None)


def test_started_is_the_first_run_and_finished_the_last_that_finished(lab, told):
    found = told(
        [
            (Captured(0.0, "A", lab.task("t")), [run("t", 0.0)]),
            (Captured(1.0, "A", lab.task("urgent", 1.0)), [Cancel("A", "t", 1), run("urgent", 1.0, 2)]),
            (Finished(2.0, "A", "t", 1, CLEAR), []),  # the echo of what was cancelled
            (Finished(3.0, "A", "urgent", 2, CLEAR), [run("t", 3.0, 3)]),
            (Finished(5.0, "A", "t", 3, CLOUDY), [End("t", "dropped", "cloudy")]),
        ]
    )
    tasks = {task["task"]: task for task in found["tasks"]}
    assert picked(tasks["t"], "started_s", "finished_s", "runs", "label") == (0.0, 5.0, 2, "cloudy")
    assert picked(tasks["t"], "how", "delivered_s", "ended_s") == ("dropped", None, 5.0)
    assert [picked(each, "task", "run", "how", "ended_s", "finished_s") for each in found["runs"]] == [
        ("t", 1, "cancelled", 1.0, None),
        ("urgent", 2, "finished", 3.0, 3.0),
        ("t", 3, "finished", 5.0, 5.0),
    ]


def test_the_end_of_a_run_that_was_cancelled_is_not_that_of_the_next(lab, told):
    lines = [
        (Captured(0.0, "A", lab.task("t")), [run("t", 0.0)]),
        (Missed(1.0, "A", "-", "-"), [Cancel("A", "t", 1), run("t", 1.0, 2, "B")]),
        (Finished(2.0, "A", "t", 1, CLOUDY), []),  # an echo of the first, while the second runs
        (Finished(3.0, "B", "t", 2, CLEAR), []),
    ]
    found = told(lines)
    assert picked(found["tasks"][0], "started_s", "finished_s", "ran_on", "label") == (0.0, 3.0, "B", "clear")
    assert [picked(each, "run", "how", "ended_s") for each in found["runs"]] == [
        (1, "cancelled", 1.0),
        (2, "finished", 3.0),
    ]


def test_a_message_lost_on_the_way_ends_its_task_and_one_sent_again_is_two_hops(lab, told):
    lines = [(Captured(0.0, "A", lab.task("t")), [send("t", 0.0)])]
    missed = told([*lines, (Missed(4.0, "B", "t", "raw", "no answer"), [End("t", "lost", "no answer")])])
    assert picked(missed["hops"][0], "how", "ended_s", "delivered_s") == ("lost", 4.0, None)
    assert picked(missed["tasks"][0], "how", "reason", "sent_s") == ("lost", "no answer", 0.0)
    again = [(NodeFailed(0.5, "B"), []), (NodeRecovered(9.0, "B"), [send("t", 9.0)])]
    twice = told([*lines, *again, (Delivered(10.25, "B", "t", "raw"), [])])
    assert [picked(hop, "start_s", "how") for hop in twice["hops"]] == [(0.0, "lost"), (9.0, "delivered")]
    assert twice["tasks"][0]["sent_s"] == 0.0  # it first began to leave


def piped(lab: Any) -> Lines:
    """A scene screened on A from 0 to 2; `left` runs there at once, `right` on the ground, where its tiles go."""
    return [
        (Captured(0.0, "A", lab.task("t")), [run("t#screen", 0.0)]),
        (Finished(2.0, "A", "t#screen", 1, CLEAR), [run("t#left", 2.0, 2), send("t#right", 2.0, "A", "G", "raw", 1)]),
        (Delivered(3.25, "G", "t#right", "raw"), [run("t#right", 3.25, 3, "G")]),
    ]


def test_stages_are_told_in_the_scene_and_under_their_own_names(lab, told):
    lines = [
        *piped(lab),
        (Finished(4.0, "A", "t#left", 2, CLEAR), [send("t#left", 4.0, "A", "G", "result", 1)]),
        (Delivered(5.25, "G", "t#left", "result"), []),
        (Finished(5.5, "G", "t#right", 3, CLEAR), [End("t", "done", "clear")]),
    ]
    found = told(lines, JOIN)
    (task,) = found["tasks"]
    assert picked(task, *TIMES) == (0.0, 2.0, 4.0, 0.0, 5.5, 5.5, 5.5)  # the last answer was found on the ground
    assert picked(task, "runs", "ran_on") == (3, "G")
    assert [each["task"] for each in found["runs"]] == ["t#screen", "t#left", "t#right"]
    assert [(hop["task"], hop["what"]) for hop in found["hops"]] == [("t#right", "raw"), ("t#left", "result")]


def test_an_answer_in_part_is_no_answer_until_the_scene_is_done(lab, told):
    part = [*piped(lab), (Finished(5.25, "G", "t#right", 3, CLEAR), [])]
    assert told(part, JOIN)["tasks"][0]["delivered_s"] is None  # `left` still runs
    lost = [(NodeFailed(5.5, "A"), [End("t", "lost", "A failed")])]
    assert picked(told(part + lost, JOIN)["tasks"][0], "how", "delivered_s", "finished_s") == ("lost", None, 5.25)
    quiet = [(Finished(6.0, "A", "t#left", 2, NOTHING), [End("t", "done", "clear")])]
    task = told(part + quiet, JOIN)["tasks"][0]  # `left` has nothing to send: all there is was down at 5.25 s
    assert picked(task, "delivered_s", "finished_s", "ended_s") == (5.25, 6.0, 6.0)


def test_a_scene_that_ends_at_its_screen_withdraws_the_rest(lab, told):
    lines = [
        *piped(lab)[:2],
        (Finished(2.5, "G", "t#screen", 1, CLOUDY), []),  # an echo: that run has ended
        (NodeFailed(2.75, "C"), [Cancel("A", "t#left", 2), End("t", "dropped", "by hand")]),
    ]
    found = told(lines, JOIN)
    assert picked(found["hops"][0], "how", "ended_s", "delivered_s") == ("withdrawn", 2.75, None)
    assert [each["how"] for each in found["runs"]] == ["finished", "cancelled"]
    ground = [
        (Captured(0.0, "A", lab.task("t")), [send("t#screen", 0.0, "A", "G", "raw", 1)]),
        (Delivered(1.25, "G", "t#screen", "raw"), [run("t#screen", 1.25, 1, "G")]),
        (Finished(3.25, "G", "t#screen", 1, CLOUDY), [End("t", "done", "cloudy")]),
    ]
    assert told(ground, JOIN)["tasks"][0]["delivered_s"] == 3.25  # `cloudy` ends it, and was found on the ground


def test_an_exit_on_the_ground_is_the_answer_whatever_came_down_before(lab, told):
    quick, screen = Stage(name="quick", model=UNIT_WORK.name), Stage(name="screen", model=UNIT_WORK.name, exit="cloudy")
    stages = (quick, screen, Stage(name="last", model=UNIT_WORK.name, after=("screen",)))
    lines = [
        (Captured(0.0, "A", lab.task("t")), [run("t#quick", 0.0), send("t#screen", 0.0, "A", "G", "raw", 1)]),
        (Delivered(1.25, "G", "t#screen", "raw"), [run("t#screen", 1.25, 2, "G")]),
        (Finished(2.0, "A", "t#quick", 1, CLEAR), [send("t#quick", 2.0, "A", "G", "result", 1)]),
        (Delivered(3.25, "G", "t#quick", "result"), []),
        (Finished(3.5, "G", "t#screen", 2, CLOUDY), [End("t", "done", "cloudy")]),
    ]
    assert picked(told(lines, stages)["tasks"][0], "delivered_s", "ended_s") == (3.5, 3.5)


def test_bundles_have_a_table_of_their_own_even_under_the_name_of_a_task(lab, told):
    found = told(
        [
            *captured(lab, "b"),
            (bundle(1.0), [send("b", 1.0, what="bundle")]),
            (bundle(2.0, "lost"), [End("lost", "lost", "node down")]),
            (Delivered(2.25, "B", "b", "bundle"), [End("b", "done", "")]),
            (bundle(3.0, "left"), []),
            (Finished(4.0, "A", "-", 9, CLEAR), [End("b", "dropped", "by hand")]),
        ]
    )
    fields = ("bundle", "offered_s", "sent_s", "delivered_s", "ended_s", "how", "reason")
    assert [picked(row, *fields) for row in found["bundles"]] == [
        ("lost", 2.0, None, None, 2.0, "lost", "node down"),
        ("b", 1.0, 1.0, 2.25, 2.25, "done", None),
        ("left", 3.0, None, None, None, "pending", None),
    ]
    assert [picked(row, "node", "target", "size_bytes", "priority") for row in found["bundles"]][1] == (
        "A",
        "B",
        1000,
        3,
    )
    (task,) = found["tasks"]
    assert picked(task, "task", "how", "sent_s", "ended_s") == ("b", "dropped", None, 4.0)


def test_a_span_has_what_began_in_it_with_all_that_came_of_it(lab, told):
    lines = [
        (Captured(0.0, "A", lab.task("before", 0.0)), [run("before", 0.0, 1)]),
        (Finished(2.0, "A", "before", 1, CLEAR), [send("before", 2.0, what="result")]),
        (Captured(2.5, "A", lab.task("in", 2.5)), [run("in", 2.5, 2)]),
        (Captured(3.5, "A", lab.task("after", 3.5)), []),
        (Finished(4.5, "A", "in", 2, CLEAR), [run("after", 4.5, 3), send("in", 4.5, what="result")]),
        (Delivered(5.75, "B", "in", "result"), [End("in", "done", "clear")]),
        (Finished(6.5, "A", "after", 3, CLEAR), [End("before", "lost", "-"), End("after", "done", "clear")]),
    ]
    found = told(lines, span=(1.0, 3.0))
    assert [picked(row, "task", "finished_s", "ended_s", "how") for row in found["tasks"]] == [
        ("in", 4.5, 5.75, "done")
    ]
    assert [picked(row, "task", "start_s", "ended_s") for row in found["hops"]] == [("before", 2.0, 6.5)]
    assert [picked(row, "task", "finished_s") for row in found["runs"]] == [("in", 4.5)]
    assert [row["task"] for row in told(lines, span=(None, 3.0))["tasks"]] == ["in", "before"]
    assert [row["task"] for row in told(lines, span=(2.5,))["tasks"]] == ["in", "after"]
    bad = (Captured(5.0, "A", lab.task("back in time", 5.0)), [])
    assert [row["task"] for row in told([*lines[:6], bad], span=(2.5, 3.0))["tasks"]] == ["in"]  # read no further
    assert told(lines, span=(50.0, 60.0)) == {"tasks": [], "hops": [], "runs": [], "bundles": []}


def test_a_trace_without_a_line_has_tables_without_rows(told):
    assert told([]) == {"tasks": [], "hops": [], "runs": [], "bundles": []}


@pytest.mark.parametrize(
    ("second", "part"),
    [
        ((Delivered(1.0, "B", "-", "-"), [run("who", 1.0)]), "line 2 speaks of .*who"),
        ((Delivered(1.0, "B", "-", "-"), [send("who", 1.0)]), "line 2 speaks of .*who"),
        ((Delivered(1.0, "B", "-", "-"), [End("who", "done", "")]), "line 2 speaks of .*who"),
        ("again", "line 2 speaks of .*a second capture"),
        ((Delivered(1.0, "B", "-", "-"), [run("t", 1.0), run("t", 1.0, 2)]), "line 2 speaks of .*run 2"),
        ((Delivered(1.0, "B", "-", "-"), [send("t", 1.0), send("t", 1.0)]), "line 2 speaks of .*raw of 't' sent while"),
        ((Delivered(1.0, "B", "-", "-"), [send("t", 1.0, contact=9)]), "line 2 speaks of .*contact 9"),
        ((Delivered(1.0, "B", "-", "-"), [send("t", 1.0, contact=-1)]), "line 2 speaks of .*contact -1"),
        ((Delivered(-1.0, "B", "-", "-"), []), "line 2 goes back in time, from 0.0 s to -1.0 s"),
    ],
)
def test_lines_that_contradict_those_before_are_refused_by_number(lab, told, second, part):
    (first,) = captured(lab, "t")
    with pytest.raises(TraceError, match=part):
        told([first, first if second == "again" else second])


def test_a_model_that_is_a_load_says_nothing_of_clouds(lab, told):
    lines = [
        (Captured(0.0, "A", lab.task("t", 0.0)), [run("t", 0.0)]),
        (Finished(2.0, "A", "t", 1, NOTHING), [End("t", "dropped", "clear")]),
    ]
    assert [told(lines)[table][0]["cloud_fraction"] for table in ("tasks", "runs")] == [0.0, 0.0]
    silent = told(lines, silent=(UNIT_WORK.name,))
    assert [picked(silent[table][0], "label", "cloud_fraction", "product_bytes") for table in ("tasks", "runs")] == [
        ("clear", None, 0),
        ("clear", None, 0),
    ]


def test_of_a_pipeline_only_stages_that_are_loads_say_nothing_of_clouds(lab, told):
    stages = (JOIN[0], msgspec.structs.replace(JOIN[1], model="big"))
    lines = [
        *captured(lab, "t"),
        (Finished(9.0, "B", "none", 9, CLEAR), [run("t#screen", 9.0)]),
        (Finished(11.0, "A", "t#screen", 1, CLEAR), [run("t#left", 11.0, 2)]),
        (Finished(13.0, "A", "t#left", 2, NOTHING), [End("t", "dropped", "clear")]),
    ]
    found = told(lines, stages, silent=("big",))
    assert [picked(each, "task", "cloud_fraction") for each in found["runs"]] == [("t#screen", 0.25), ("t#left", None)]
    assert found["tasks"][0]["cloud_fraction"] is None  # of the last run that finished
