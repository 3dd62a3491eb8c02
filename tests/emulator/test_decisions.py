"""What each decision does, and the code with which a bad one comes back."""

from math import inf, nan

import msgspec
import numpy as np
import pytest

from emulator.core import Core
from emulator.decisions import CODES, Assign, Downlink, Drop, Preempt, WakeAt
from emulator.events import Captured, NodeFailed
from emulator.orders import Cancel, End, Rejected, Wake


def test_assign_infers_on_the_node_and_the_result_comes_down(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task()], [lab.radio("A")])
    assert sim.runs() == [("A", "t", 0.0)]
    assert sim.sends() == [("A", "G", "t", "result", 1.0)]  # after 1 s of work
    assert sim.fate() == ("done", "clear", 1.625)  # 0.5 s for 500 bytes, 0.125 s of light


def test_assign_to_another_node_sends_the_raw_data_there(lab) -> None:
    sim = lab.go(lab.everywhere("B"), [lab.task()], [lab.laser("A", "B"), lab.radio("B")])
    assert sim.sends() == [("A", "B", "t", "raw", 0.0), ("B", "G", "t", "result", 2.25)]
    assert sim.fate() == ("done", "clear", 2.875)  # 1 + 0.25 there, 1 of work, 0.5 + 0.125 down


def test_assign_to_a_station_works_on_the_ground(lab) -> None:
    sim = lab.go(lab.everywhere("H"), [lab.task()], [lab.radio("A", "H")])
    assert sim.runs() == [("H", "t", 1.125)]
    assert sim.fate() == ("done", "clear", 2.125)


def test_a_result_of_no_bytes_ends_the_task_in_orbit(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task(tile=lab.cloudy)], [lab.radio("A")])
    assert sim.sends() == []
    assert sim.fate() == ("dropped", "cloudy", 1.0)


def test_a_result_of_no_bytes_on_the_ground_is_an_answer(lab) -> None:
    sim = lab.go(lab.everywhere("G"), [lab.task(tile=lab.cloudy)], [lab.radio("A")])
    assert sim.fate() == ("done", "cloudy", 2.125)


@pytest.mark.parametrize(("station", "fate"), [(None, ("G", 2.125)), ("H", ("H", 12.125))])
def test_downlink_infers_at_the_station_named_or_at_the_first_reached(lab, station, fate) -> None:
    contacts = [lab.radio("A", "G", 0.0, 10.0), lab.radio("A", "H", 10.0, 20.0)]
    sim = lab.go(lab.Script({0.0: [Downlink("t", station)]}), [lab.task()], contacts)
    assert [(node, sim.fate()[2]) for node, _, _ in sim.runs()] == [fate]


def test_drop_ends_the_task_with_its_reason_and_frees_its_storage(lab) -> None:
    sim = lab.go(lab.Script({0.0: [Drop("t", "too old")]}), [lab.task()])
    assert sim.fate() == ("dropped", "too old", 0.0)
    assert sim.core.nodes["A"].stored_bytes == 0


def test_preempt_stops_a_run_and_the_task_starts_again_from_nothing(lab) -> None:
    script = lab.Script({0.0: [Assign("t", "A")], 0.5: [Preempt("t"), Assign("t", "A")]})
    sim = lab.go(script, [lab.task(tile=lab.cloudy)])
    assert sim.runs() == [("A", "t", 0.0), ("A", "t", 0.5)]
    assert sim.orders(Cancel) == [Cancel("A", "t", 1)]
    assert sim.fate() == ("dropped", "cloudy", 1.5)
    assert sim.core.stale == 1  # the end of the run that was stopped
    assert sim.core.nodes["A"].budget.ops == 1e9  # half-done work counts for nothing


def test_preempt_makes_room_for_the_next_in_the_queue(lab) -> None:
    script = lab.Script({0.0: [Assign("t", "A")], 0.25: [Assign("u", "A")], 0.5: [Preempt("t"), Drop("t", "stop")]})
    sim = lab.go(script, [lab.task(), lab.task("u", 0.25)])
    assert sim.runs() == [("A", "t", 0.0), ("A", "u", 0.5)]
    assert sim.fate() == ("dropped", "stop", 0.5)


def test_preempt_takes_a_task_out_of_a_queue(lab) -> None:
    script = lab.Script({0.5: [Assign(name, "A") for name in "tuv"], 1.0: [Preempt("u"), Drop("u", "no")]})
    sim = lab.go(script, [lab.task(name) for name in "tuv"])
    assert sim.runs() == [("A", "t", 0.5), ("A", "v", 1.5)]
    assert sim.fate("u") == ("dropped", "no", 1.0)


def test_a_preempted_task_waits_where_its_raw_data_are(lab) -> None:
    script = lab.Script({0.0: [Assign("t", "B")], 1.5: [Preempt("t"), Assign("t", "C", relay=False)]})
    contacts = [lab.laser("A", "B"), lab.laser("B", "C"), lab.radio("C")]
    sim = lab.go(script, [lab.task()], contacts)
    assert sim.sends()[:2] == [("A", "B", "t", "raw", 0.0), ("B", "C", "t", "raw", 1.5)]
    assert sim.fate() == ("done", "clear", 4.375)  # 1.5 + 1.25 to C, 1 of work, 0.625 down


def test_work_preempted_on_the_ground_stays_there(lab) -> None:
    again = [Preempt("t"), Downlink("t", "H"), Assign("t", "A"), Downlink("t", "G")]
    script = lab.Script({0.0: [Downlink("t")], 1.5: again})
    sim = lab.go(script, [lab.task()], [lab.radio("A"), lab.radio("A", "H", 200.0, 300.0)])
    assert script.rejected == [(1.5, "unreachable"), (1.5, "unreachable")]
    assert sim.fate() == ("done", "clear", 2.5)


def test_wake_at_rings_at_its_instant_even_if_nothing_waits(lab) -> None:
    script = lab.Script({0.0: [Assign("t", "A")], 7.5: []})
    lab.go(script, [lab.task(tile=lab.cloudy)])
    assert script.asked == [(0.0, "captured"), (7.5, "woken")]


def test_the_same_instant_twice_wakes_once(lab) -> None:
    def impatient(view):
        if view.now_s < 7.5:
            yield WakeAt(7.5)
            yield WakeAt(7.5)

    sim = lab.go(impatient, [lab.task(), lab.task("u", 1.0)])
    assert sim.orders(Wake) == [Wake("", "decide", 7.5)]


def test_an_instant_after_the_run_never_rings(lab) -> None:
    script = lab.Script({0.0: [WakeAt(inf), WakeAt(100.5), WakeAt(100.0)]})
    sim = lab.go(script, [lab.task()], duration_s=100.0)
    assert sim.orders(Wake) == [Wake("", "decide", 100.0)]
    assert sim.orders(Rejected) == []


def test_a_scheduler_is_asked_only_while_something_waits(lab) -> None:
    script = lab.Script({0.0: [Assign("t", "A")], 2.0: [Assign("u", "A")]})
    contacts = [lab.laser("A", "B", 0.5, 5.0), lab.laser("A", "C", 2.5, 9.0)]
    lab.go(script, [lab.task(), lab.task("u", 1.75)], contacts)
    assert script.asked == [(0.0, "captured"), (1.75, "captured"), (2.0, "woken")]


def test_every_change_of_the_world_asks_while_a_task_waits(lab) -> None:
    script = lab.Script({})
    faults = [NodeFailed(4.0, "C")]
    lab.go(script, [lab.task()], [lab.laser("A", "B", 1.0, 2.0)], faults)
    assert script.asked == [(0.0, "captured"), (1.0, "contact opened"), (2.0, "contact closed"), (4.0, "node failed")]


def test_urgent_work_first_then_old_before_young(lab) -> None:
    tasks = [lab.task("a", 0.0), lab.task("b", 0.1), lab.task("c", 0.2, priority=5), lab.task("d", 0.3)]
    sim = lab.go(lab.everywhere("A"), tasks)
    assert [task for _, task, _ in sim.runs()] == ["a", "c", "b", "d"]


ALL_CODES = {
    "bad_decision": [42],
    "unknown_task": [Assign("nobody", "A"), Downlink("nobody"), Drop("nobody", ""), Preempt("nobody")],
    "not_waiting": [Assign("done", "A"), Downlink("done"), Drop("done", "")],
    "not_running": [Preempt("t"), Preempt("done")],
    "unknown_node": [Assign("t", "nowhere"), Downlink("t", "nowhere")],
    "no_processor": [Assign("t", "D"), Downlink("t", "I")],
    "no_memory": [Assign("big", "A"), Downlink("big", "G")],
    "node_down": [Assign("t", "C")],
    "not_a_station": [Downlink("t", "A")],
    "unreachable": [Assign("t", "B")],
    "in_the_past": [WakeAt(2.0), WakeAt(1.0), WakeAt(nan), WakeAt(-inf)],
}


def test_the_table_below_has_every_code() -> None:
    assert set(ALL_CODES) | {"needs_station"} == set(CODES)  # of stages alone: test_pipeline.py


@pytest.mark.parametrize("code", ALL_CODES)
def test_a_bad_decision_comes_back_with_its_code_and_changes_nothing(lab, code) -> None:
    bad = ALL_CODES[code]
    script = lab.Script({0.5: [Drop("done", "")], 2.0: bad})
    tasks = [lab.task(), lab.task("big", 0.0, model=lab.big.name), lab.task("done", 0.0)]
    sim = lab.go(
        script, tasks, faults=[NodeFailed(1.0, "C")], satellites="ABCD", stations="GI",
        specs={"D": {"processor": None}, "I": {"processor": None}},
    )  # fmt: skip
    names = [(type(decision).__name__, getattr(decision, "task", "")) for decision in bad]
    assert sim.orders(Rejected) == [Rejected(kind, task, code) for kind, task in names]
    assert script.rejected == [(2.0, code)] * len(bad)
    assert sim.core.consultation.rejections == {code: len(bad)}
    assert (sim.stage("t"), sim.stage("big")) == ("waiting", "waiting")


@pytest.mark.parametrize(
    "garbage",
    [
        None, "t", b"t", 1.5, object(), Assign, Assign(["t"], "A"), Assign("t", ["A"]), Downlink({}), Downlink("t", {}),
        Drop([], "x"), Preempt({}), WakeAt("soon"), WakeAt(None), Rejected("Assign", "t", "x"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("decision_s", [0.0, 0.5])
def test_garbage_is_a_bad_decision(lab, garbage, decision_s) -> None:
    sim = lab.go(lab.Script({0.0: [garbage, Assign("t", "A")]}), [lab.task()], decision_s=decision_s)
    assert [rejected.code for rejected in sim.orders(Rejected)] == ["bad_decision"]
    assert sim.runs() == [("A", "t", decision_s)]


def test_numbers_and_names_of_numpy_are_as_good_as_pythons(lab) -> None:
    script = lab.Script({0.0: [WakeAt(2), WakeAt(np.float64(3.5)), Assign(np.str_("t"), np.str_("A"), np.True_)]})
    sim = lab.go(script, [lab.task()], [lab.radio("A")])
    assert [type(wake.at_s) for wake in sim.orders(Wake)[:2]] == [float, float]
    assert sim.fate() == ("done", "clear", 1.625)


def test_any_text_is_a_reason(lab) -> None:
    sim = lab.go(lab.Script({0.0: [Drop("t", "\ud800"), Drop("\udfff", "x")]}), [lab.task()])
    assert sim.fate()[0] == "dropped"
    assert msgspec.json.encode(sim.orders(End) + sim.orders(Rejected))


def test_after_a_rejection_the_scheduler_is_asked_once_more(lab) -> None:
    triggers = []

    def stubborn(view):
        triggers.append((view.trigger, [rejected.code for rejected in view.rejected]))
        yield Assign("t", "nowhere")

    lab.go(stubborn, [lab.task()])
    assert triggers == [("captured", []), ("rejected", ["unknown_node"])]


def test_after_a_rejection_of_a_slow_decision_it_is_asked_once_more_too(lab) -> None:
    triggers = []

    def stubborn(view):
        triggers.append((view.now_s, view.trigger))
        yield Assign("t", "nowhere")

    sim = lab.go(stubborn, [lab.task()], decision_s=1.0)
    assert triggers == [(0.0, "captured"), (1.0, "rejected")]
    assert len(sim.orders(Rejected)) == 2


def test_a_decision_that_takes_time_takes_effect_when_it_is_ready(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task()], [lab.radio("A")], decision_s=2.0)
    assert sim.runs() == [("A", "t", 2.0)]
    assert sim.fate() == ("done", "clear", 3.625)


def test_what_is_being_decided_is_not_shown_again(lab) -> None:
    waiting = []

    def everything(view):
        waiting.append((view.now_s, [task.id for task in view.waiting]))
        return [Assign(task.id, "A") for task in view.waiting]

    sim = lab.go(everything, [lab.task(), lab.task("u", 0.5)], decision_s=1.0)
    assert waiting[:2] == [(0.0, ["t"]), (0.5, ["u"])]
    assert sim.runs() == [("A", "t", 1.0), ("A", "u", 2.0)]


def test_what_a_slow_decision_left_undone_is_shown_again(lab) -> None:
    waiting = []

    def second_thoughts(view):
        waiting.append((view.now_s, view.trigger, [task.id for task in view.waiting]))
        return [Assign(task.id, "A" if view.rejected else "nowhere") for task in view.waiting]

    sim = lab.go(second_thoughts, [lab.task()], decision_s=1.0)
    assert waiting == [(0.0, "captured", ["t"]), (1.0, "rejected", ["t"])]
    assert sim.runs() == [("A", "t", 2.0)]


def test_a_slow_decision_on_a_task_that_is_lost_meanwhile_is_rejected(lab) -> None:
    script = lab.Script({0.0: [Assign("t", "A")]})
    sim = lab.go(script, [lab.task()], faults=[NodeFailed(0.5, "A")], decision_s=1.0)
    assert sim.fate() == ("lost", "A failed", 0.5)
    assert sim.orders(Rejected) == [Rejected("Assign", "t", "not_waiting")]


def test_knowledge_is_as_of_now(lab) -> None:
    core = Core(lab.world(), lambda view: ())
    core.handle(Captured(3.0, "A", lab.task(at_s=3.0)))
    view = core.consultation.view
    assert {node.heard_s for node in view.nodes} == {3.0}
