"""Nodes that fail and recover, with tasks in every state that a task can be in."""

import pytest

from emulator.decisions import Assign, Downlink
from emulator.events import ContactOpened, NodeFailed, NodeRecovered
from emulator.ledger import counts
from emulator.orders import Send


def once(lab, *decisions):
    """Yield these when the first task is captured, and nothing after."""
    return lab.Script({0.0: decisions})


def test_a_task_that_waits_on_the_node_is_lost(lab) -> None:
    sim = lab.go(lambda view: (), [lab.task()], faults=[NodeFailed(3.0, "A")])
    assert sim.fate() == ("lost", "A failed", 3.0)
    assert sim.core.waiting == {}


def test_a_task_that_runs_on_the_node_is_lost_and_its_end_is_an_echo(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task()], faults=[NodeFailed(0.5, "A")])
    assert sim.fate() == ("lost", "A failed", 0.5)
    assert (sim.core.stale, sim.core.nodes["A"].budget.ops) == (1, 0)


def test_a_task_queued_on_the_node_is_lost(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task("t"), lab.task("u", 0.25)], faults=[NodeFailed(0.5, "A")])
    assert sim.fate("u") == ("lost", "A failed", 0.5)
    assert sim.core.nodes["A"].queue == []


def test_a_result_that_waits_for_the_nodes_radio_is_lost(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task()], [lab.radio("A", "G", 10.0)], [NodeFailed(5.0, "A")])
    assert sim.fate() == ("lost", "A failed", 5.0)
    assert sim.core.consultation.view.node("A").downlink_backlog_bytes == 0


def test_raw_data_that_wait_for_the_nodes_laser_are_lost(lab) -> None:
    sim = lab.go(once(lab, Assign("t", "B")), [lab.task()], [lab.laser("A", "B", 10.0)], [NodeFailed(5.0, "A")])
    assert sim.fate() == ("lost", "A failed", 5.0)


def test_a_message_that_the_node_was_sending_is_lost(lab) -> None:
    sim = lab.go(once(lab, Assign("t", "B")), [lab.task()], [lab.laser("A", "B")], [NodeFailed(0.5, "A")])
    assert sim.fate() == ("lost", "A failed", 0.5)
    assert sim.core.transport.accounts["A", "B"].lost_bytes == 1000


@pytest.mark.parametrize("failed_s", [1.0, 1.125])
def test_a_message_whose_last_bit_has_left_the_node_arrives(lab, failed_s) -> None:
    sim = lab.go(once(lab, Assign("t", "B")), [lab.task()], [lab.laser("A", "B")], [NodeFailed(failed_s, "A")])
    assert sim.runs() == [("B", "t", 1.25)]
    assert sim.core.nodes["A"].stored_bytes == 0


def test_light_without_a_sender_and_without_a_receiver_is_lost(lab) -> None:
    faults = [NodeFailed(1.0, "A"), NodeFailed(1.125, "B")]
    sim = lab.go(once(lab, Assign("t", "B")), [lab.task()], [lab.laser("A", "B")], faults)
    assert sim.fate() == ("lost", "B failed", 1.125)


@pytest.mark.parametrize("failed_s", [0.5, 1.125])
def test_raw_data_on_their_way_to_the_node_are_still_where_they_came_from(lab, failed_s) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("A", "C")]
    script = lab.Script({0.0: [Assign("t", "B")], failed_s: [Assign("t", "C")]})
    sim = lab.go(script, [lab.task()], contacts, [NodeFailed(failed_s, "B")])
    assert (failed_s, "node failed") in script.asked
    assert sim.sends()[:2] == [("A", "B", "t", "raw", 0.0), ("A", "C", "t", "raw", failed_s)]
    assert sim.runs() == [("C", "t", failed_s + 1.25)]


def test_raw_data_queued_elsewhere_for_the_node_wait_for_a_new_decision(lab) -> None:
    script = lab.Script({0.0: [Assign("t", "B")], 5.0: [Assign("t", "A")]})
    sim = lab.go(script, [lab.task()], [lab.laser("A", "B", 10.0)], [NodeFailed(5.0, "B")])
    assert sim.runs() == [("A", "t", 5.0)]


def test_raw_data_bound_for_a_station_that_fails_wait_for_a_new_decision(lab) -> None:
    script = lab.Script({0.0: [Downlink("t", "G")], 5.0: [Downlink("t")]})
    contacts = [lab.radio("A", "G", 10.0, 20.0), lab.radio("A", "H", 30.0, 40.0)]
    sim = lab.go(script, [lab.task()], contacts, [NodeFailed(5.0, "G")])
    assert sim.runs() == [("H", "t", 31.125)]


def test_a_result_on_its_way_to_a_station_that_fails_is_sent_to_another(lab) -> None:
    contacts = [lab.radio("A", "G", 0.0, 10.0), lab.radio("A", "H", 20.0, 30.0)]
    sim = lab.go(lab.everywhere("A"), [lab.task()], contacts, [NodeFailed(1.25, "G")])
    assert sim.fate() == ("done", "clear", 20.625)
    assert sim.core.transport.accounts["A", "G"].lost_bytes == 500


def test_a_message_two_hops_away_waits_beside_the_failed_node_until_it_recovers(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("B", "C")]
    faults = [NodeFailed(0.5, "C"), NodeRecovered(50.0, "C")]
    sim = lab.go(once(lab, Assign("t", "C")), [lab.task()], contacts, faults)
    assert sim.sends() == [("A", "B", "t", "raw", 0.0), ("B", "C", "t", "raw", 50.0)]


def test_a_queue_through_the_failed_node_goes_another_way(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("B", "C"), lab.laser("A", "C", delay_s=3.0)]
    script = lab.Script({0.25: [Assign("t", "C"), Assign("u", "C")]})
    sim = lab.go(script, [lab.task("t"), lab.task("u")], contacts, [NodeFailed(0.75, "B")])
    assert [(s.to, s.task, s.start_s) for s in sim.orders(Send)] == [("B", "t", 0.25), ("C", "u", 0.75)]


def test_nothing_is_sent_round_to_another_link_of_the_node_that_just_failed(lab) -> None:
    contacts = [lab.laser("A", "B", delay_s=0.125), lab.laser("A", "D"), lab.laser("B", "D"), lab.laser("B", "C"),
                lab.laser("A", "C", 60.0, 90.0)]  # fmt: skip
    script = lab.Script({0.25: [Assign("t", "C"), Assign("u", "C")]})
    sim = lab.go(script, [lab.task("t"), lab.task("u")], contacts, [NodeFailed(0.75, "B")], satellites="ABCD")
    assert [s.to for s in sim.orders(Send) if s.task == "u"] == ["C"]


@pytest.mark.parametrize("captured_s", [5.0, 20.0])
def test_no_way_leads_over_a_dead_node_not_even_over_contacts_to_come(lab, captured_s) -> None:
    contacts = [lab.laser("A", "B", 30.0, 50.0), lab.laser("B", "C"), lab.laser("A", "C", 60.0, 90.0)]
    sim = lab.go(lab.everywhere("C"), [lab.task(at_s=captured_s)], contacts, [NodeFailed(10.0, "B")])
    assert sim.sends() == [("A", "C", "t", "raw", 60.0)]


def test_what_no_way_leads_to_any_more_moves_on_when_the_node_comes_back(lab) -> None:
    contacts = [lab.laser("A", "B", 30.0, 90.0), lab.laser("B", "C")]
    faults = [NodeFailed(10.0, "B"), NodeRecovered(40.0, "B")]
    sim = lab.go(lab.everywhere("C"), [lab.task("t", 5.0), lab.task("u", 20.0)], contacts, faults)
    assert sim.core.consultation.rejections == {"unreachable": 2}  # u, asked and asked again
    assert sim.sends()[0] == ("A", "B", "t", "raw", 40.0)
    assert {node for node, _, _ in sim.runs()} == {"C"}


def test_a_station_that_is_down_takes_no_results_into_account(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.radio("A", "G", 5.0), lab.radio("B", "H", 20.0)]
    sim = lab.go(lab.everywhere("A", relay=True), [lab.task()], contacts, [NodeFailed(0.5, "G")])
    assert sim.fate() == ("done", "clear", 20.625)


def test_a_result_bound_for_the_radio_of_a_node_that_fails_looks_for_another_at_once(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("A", "C"), lab.laser("B", "C"), lab.radio("B", "G", 20.0, 90.0),
                lab.radio("A", "G", 25.0, 90.0), lab.radio("C", "H", 30.0, 90.0)]  # fmt: skip
    tasks = [lab.task("t"), lab.task("u", work_s=0.125), lab.task("v", work_s=0.125)]
    sim = lab.go(lab.everywhere("A", relay=True), tasks, contacts, [NodeFailed(1.5625, "B")])
    # t has left for B, u is leaving, v waits; all are still on A, whose own radio is now the first down
    assert [(s.to, s.task, s.start_s) for s in sim.orders(Send)] == [
        ("B", "t", 1.0), ("B", "u", 1.5), ("G", "v", 25.0), ("G", "t", 25.5), ("G", "u", 26.0),
    ]  # fmt: skip


def test_a_recovered_node_is_empty_and_its_contacts_are_open(lab) -> None:
    faults = [NodeFailed(2.0, "B"), NodeRecovered(5.0, "B")]
    script = lab.Script({0.0: [Assign("t", "B")], 3.0: [Assign("u", "B")], 6.0: [Assign("u", "B")]})
    sim = lab.go(script, [lab.task("t"), lab.task("u", 2.5)], [lab.laser("A", "B")], faults)
    assert script.rejected == [(3.0, "node_down")]
    assert sim.fate("t") == ("lost", "B failed", 2.0)
    assert sim.runs() == [("B", "t", 1.25), ("B", "u", 7.25)]


def test_a_contact_that_opens_while_a_node_is_down_opens_when_it_recovers(lab) -> None:
    faults = [NodeFailed(2.0, "B"), NodeRecovered(20.0, "B")]
    sim = lab.go(once(lab, Assign("t", "B")), [lab.task(at_s=0.0)], [lab.laser("A", "B", 10.0, 30.0)], faults)
    assert sim.stage() == "waiting"  # given back when B failed, and never decided again
    sim = lab.go(lab.everywhere("B"), [lab.task(at_s=0.0)], [lab.laser("A", "B", 10.0, 30.0)], faults)
    assert sim.sends()[0] == ("A", "B", "t", "raw", 20.0)


def test_a_contact_that_ends_while_a_node_is_down_does_not_come_back(lab) -> None:
    faults = [NodeFailed(2.0, "B"), NodeRecovered(10.0, "B")]
    sim = lab.go(lab.everywhere("B"), [lab.task(at_s=3.0)], [lab.laser("A", "B", 0.0, 10.0)], faults)
    assert sim.sends() == []
    assert sim.core.transport.routes.open["A"] == {}


def test_a_contact_that_starts_as_its_node_recovers_opens_once(lab) -> None:
    faults = [NodeFailed(2.0, "B"), NodeRecovered(10.0, "B")]
    sim = lab.go(lab.everywhere("B"), [lab.task(at_s=3.0)], [lab.laser("A", "B", 10.0, 30.0)], faults)
    assert sim.sends() == [("A", "B", "t", "raw", 10.0)]


def test_an_echo_of_a_lost_message_is_not_taken_for_the_one_sent_after_it(lab) -> None:
    contacts = [lab.laser("A", "B", delay_s=10.0)]
    faults = [NodeFailed(2.0, "B"), NodeRecovered(3.0, "B")]
    sim = lab.go(lab.everywhere("B"), [lab.task()], contacts, faults)
    assert [s.deliver_s for s in sim.orders(Send)] == pytest.approx([11.0, 14.0])
    assert sim.runs() == [("B", "t", pytest.approx(14.0))]
    assert sim.core.stale == 1


def test_what_is_captured_on_a_dead_node_is_lost(lab) -> None:
    faults = [NodeFailed(1.0, "A"), NodeRecovered(3.0, "A")]
    tasks = [lab.task("t", 2.0), lab.task("u", 3.0, tile=lab.cloudy)]
    sim = lab.go(lab.everywhere("A"), tasks, faults=faults)
    assert sim.fates() == {"t": ("lost", "node down", 2.0), "u": ("dropped", "cloudy", 4.0)}


def test_failing_twice_and_recovering_twice_is_failing_and_recovering_once(lab) -> None:
    faults = [NodeRecovered(1.0, "A"), NodeFailed(2.0, "A"), NodeFailed(3.0, "A"), NodeRecovered(4.0, "A"),
              NodeRecovered(5.0, "A")]  # fmt: skip
    sim = lab.go(lab.everywhere("A"), [lab.task(at_s=4.5)], [lab.radio("A")], faults)
    assert sim.fate() == ("done", "clear", 6.125)


def test_a_node_that_fails_as_its_run_ends_has_failed_first(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task()], [lab.radio("A")], [NodeFailed(1.0, "A")])
    assert sim.fate() == ("lost", "A failed", 1.0)


def test_a_contact_is_not_opened_to_a_dead_node(lab) -> None:
    sim = lab.go(lambda view: (), [], [lab.laser("A", "B", 5.0)], [NodeFailed(1.0, "B")])
    assert any(type(event) is ContactOpened for event, _ in sim.lines)
    assert sim.core.transport.routes.open == {name: {} for name in "ABCGH"}


def test_whatever_happens_the_books_balance(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("B", "C"), lab.radio("C"), lab.radio("A", "H", 20.0)]
    tasks = [lab.task(f"{n:02d}", n * 0.375, "ABC"[n % 3]) for n in range(60)]
    faults = [
        event for n, name in enumerate("ABCG") for event in (NodeFailed(5.0 + n, name), NodeRecovered(9.5 + n, name))
    ]
    sim = lab.go(lab.everywhere("C"), tasks, contacts, faults)
    total = counts(sim.core)
    assert total.captured == 60 == total.done + total.dropped + total.lost + total.pending
    assert min(total.done, total.lost) > 0
