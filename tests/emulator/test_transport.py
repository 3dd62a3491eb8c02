"""How raw data and results travel: serialisation, light, queues, gaps, relays, and contacts too short."""

import msgspec
import pytest

from emulator.decisions import Assign, Downlink
from emulator.orders import Send
from links.contacts import ContactPlan


def test_bits_leave_at_the_contacts_rate_and_arrive_one_light_time_later(lab) -> None:
    sim = lab.go(lab.everywhere("B"), [lab.task(at_s=2.0)], [lab.laser("A", "B")])
    assert sim.orders(Send) == [Send("A", "B", "t", "raw", 0, 1000, 2.0, 3.0, 3.25)]


def test_a_laser_carries_both_ways_at_once(lab) -> None:
    tasks = [lab.task("ab", node="A"), lab.task("ba", node="B")]
    sim = lab.go(
        lambda view: [Assign(t.id, "B" if t.at == "A" else "A") for t in view.waiting], tasks, [lab.laser("A", "B")]
    )
    assert sim.runs() == [("A", "ba", 1.25), ("B", "ab", 1.25)]


def test_a_radio_carries_down_only(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task(node="B")], [lab.radio("A"), lab.radio("B")])
    assert set(sim.core.consultation.rejections) == {"unreachable"}


def test_a_transmitter_sends_one_message_after_the_other(lab) -> None:
    sim = lab.go(
        lab.everywhere("B"), [lab.task(name, at_s) for name, at_s in (("t", 0.0), ("u", 0.5))], [lab.laser("A", "B")]
    )
    assert [(s.task, s.start_s, s.deliver_s) for s in sim.orders(Send)] == [("t", 0.0, 1.25), ("u", 1.0, 2.25)]


def test_transmitters_to_different_peers_send_at_once(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("A", "C"), lab.radio("A")]
    script = lab.Script({0.5: [Assign("t", "B"), Assign("u", "C"), Downlink("v")]})
    sim = lab.go(script, [lab.task(name) for name in "tuv"], contacts)
    assert [(s.task, s.start_s) for s in sim.orders(Send)[:3]] == [("t", 0.5), ("u", 0.5), ("v", 0.5)]


def test_results_go_before_raw_data_urgent_before_others_old_before_young(lab) -> None:
    tasks = [lab.task(name, priority=priority) for name, priority in (("a", 0), ("b", 0), ("c", 0), ("d", 3), ("e", 0))]
    script = lab.Script({0.5: [Downlink("a"), Downlink("b"), Downlink("c"), Downlink("d"), Assign("e", "A", False)]})
    sim = lab.go(script, tasks, [lab.radio("A", "G", 5.0)])
    assert [(s.task, s.what) for s in sim.orders(Send)] == [
        ("e", "result"), ("d", "raw"), ("a", "raw"), ("b", "raw"), ("c", "raw"),
    ]  # fmt: skip


def test_a_node_between_two_others_receives_the_whole_message_before_it_sends_it_on(lab) -> None:
    sim = lab.go(lab.everywhere("C"), [lab.task()], [lab.laser("A", "B"), lab.laser("B", "C")])
    assert sim.sends() == [("A", "B", "t", "raw", 0.0), ("B", "C", "t", "raw", 1.25)]
    assert sim.runs() == [("C", "t", 2.5)]


def test_of_two_ways_the_one_of_less_delay_is_taken(lab) -> None:
    contacts = [lab.laser("A", "C", delay_s=3.0), lab.laser("A", "B"), lab.laser("B", "C")]
    sim = lab.go(lab.everywhere("C"), [lab.task()], contacts)
    assert [to for _, to, *_ in sim.sends()] == ["B", "C"]


def test_a_message_waits_on_its_way_for_contacts_to_come(lab) -> None:
    contacts = [lab.laser("A", "B", 10.0, 20.0), lab.laser("B", "C", 30.0, 40.0), lab.radio("C", "G", 50.0, 60.0)]
    sim = lab.go(lab.everywhere("C"), [lab.task()], contacts)
    assert sim.sends() == [
        ("A", "B", "t", "raw", 10.0), ("B", "C", "t", "raw", 30.0), ("C", "G", "t", "result", 50.0),
    ]  # fmt: skip
    assert sim.fate() == ("done", "clear", 50.625)


def test_what_has_left_before_a_contact_ends_still_arrives(lab) -> None:
    sim = lab.go(lab.everywhere("B"), [lab.task()], [lab.laser("A", "B", 0.0, 1.0, delay_s=5.0)])
    assert sim.runs() == [("B", "t", 6.0)]


def test_a_message_that_does_not_fit_in_the_rest_of_a_contact_waits_for_the_next(lab) -> None:
    contacts = [lab.laser("A", "B", 0.0, 2.5), lab.laser("A", "B", 10.0, 20.0)]
    sim = lab.go(lab.everywhere("B"), [lab.task(name, at_s) for name, at_s in (("t", 0.0), ("u", 1.75))], contacts)
    assert sim.sends() == [("A", "B", "t", "raw", 0.0), ("A", "B", "u", "raw", 10.0)]


def test_a_message_that_just_fits_is_sent(lab) -> None:
    sim = lab.go(lab.everywhere("B"), [lab.task()], [lab.laser("A", "B", 0.0, 1.0)])
    assert sim.sends() == [("A", "B", "t", "raw", 0.0)]


def test_a_queue_left_when_its_contact_closes_goes_another_way(lab) -> None:
    contacts = [
        lab.laser("A", "B", 0.0, 2.5),
        lab.laser("A", "C", 0.0, 50.0, delay_s=5.0),
        lab.laser("B", "C", 0.0, 50.0),
    ]
    sim = lab.go(lab.everywhere("B"), [lab.task(name, 0.25 * n) for n, name in enumerate("tuv")], contacts)
    assert [(s.node, s.to, s.task, s.start_s) for s in sim.orders(Send)] == [
        ("A", "B", "t", 0.0), ("A", "B", "u", 1.0), ("A", "C", "v", 2.5), ("C", "B", "v", 8.5),
    ]  # fmt: skip


def test_a_queue_without_another_way_waits_for_the_pair_to_meet_again(lab) -> None:
    contacts = [lab.laser("A", "B", 0.0, 1.5), lab.laser("A", "B", 30.0, 40.0)]
    sim = lab.go(lab.everywhere("B"), [lab.task("t"), lab.task("u", 0.25)], contacts)
    assert sim.sends() == [("A", "B", "t", "raw", 0.0), ("A", "B", "u", "raw", 30.0)]


def test_a_message_that_fits_in_no_contact_stays_pending(lab) -> None:
    contacts = [lab.radio("A", "G", 10.0 * n, 10.0 * n + 0.75) for n in range(5)]
    sim = lab.go(lambda view: [Downlink(t.id) for t in view.waiting], [lab.task()], contacts)
    assert (sim.sends(), sim.stage()) == ([], "moving")


def test_a_result_goes_down_by_the_radio_that_has_it_down_first(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("A", "C"), lab.radio("A", "G", 50.0), lab.radio("B", "G", 4.0, 50.0),
                lab.radio("C", "H", 20.0)]  # fmt: skip
    sim = lab.go(lab.everywhere("A", relay=True), [lab.task()], contacts)
    assert sim.sends() == [("A", "B", "t", "result", 1.0), ("B", "G", "t", "result", 4.0)]
    assert sim.fate() == ("done", "clear", 4.625)


def test_without_relay_a_result_waits_for_its_own_radio(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.radio("A", "G", 50.0), lab.radio("B", "G", 4.0, 50.0)]
    sim = lab.go(lab.everywhere("A", relay=False), [lab.task()], contacts)
    assert sim.sends() == [("A", "G", "t", "result", 50.0)]


def test_raw_data_may_cross_the_mesh_to_another_radio(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.radio("B")]
    sim = lab.go(lambda view: [Downlink(t.id, relay=True) for t in view.waiting], [lab.task()], contacts)
    assert sim.sends() == [("A", "B", "t", "raw", 0.0), ("B", "G", "t", "raw", 1.25)]
    assert sim.fate() == ("done", "clear", 3.375)


def test_a_result_whose_radio_is_cut_off_looks_for_another(lab) -> None:
    contacts = [
        lab.laser("A", "B", 0.0, 1.25),
        lab.laser("A", "C"),
        lab.radio("B", "G", 20.0),
        lab.radio("C", "H", 40.0),
    ]
    tasks = [lab.task("t"), lab.task("u", node="A", work_s=0.125)]
    sim = lab.go(lab.everywhere("A", relay=True), tasks, contacts)
    # t is done at 1, starts to B and is whole there in 0.5 s: more than is left. It waits, and goes to C at 1.25.
    assert [(s.node, s.to) for s in sim.orders(Send) if s.task == "t"] == [("A", "C"), ("C", "H")]


def test_what_waits_at_a_radio_for_one_station_lets_others_pass(lab) -> None:
    contacts = [lab.radio("A", "G", 1.0, 10.0), lab.radio("A", "H", 10.0, 20.0)]
    script = lab.Script({0.5: [Downlink("t", "H"), Downlink("u", "G"), Downlink("v")]})
    sim = lab.go(script, [lab.task(name) for name in "tuv"], contacts)
    assert sim.sends() == [("A", "G", "u", "raw", 1.0), ("A", "G", "v", "raw", 2.0), ("A", "H", "t", "raw", 10.0)]


def test_bytes_are_counted_link_by_link(lab) -> None:
    sim = lab.go(
        lab.everywhere("B"), [lab.task("t"), lab.task("u", 0.5)], [lab.laser("A", "B"), lab.radio("B", "G", 0.0, 3.5)]
    )
    accounts = {link: (a.sent_bytes, a.received_bytes, a.lost_bytes) for link, a in sim.core.transport.accounts.items()}
    assert accounts == {("A", "B"): (2000, 2000, 0), ("B", "G"): (500, 500, 0)}  # u is done at 3.25: too late
    assert sim.stage("u") == "returning"


def test_a_full_satellite_takes_no_more_scenes(lab) -> None:
    tasks = [lab.task("t"), lab.task("u", 0.25), lab.task("v", 1.5)]
    sim = lab.go(lab.everywhere("A"), tasks, specs={"A": {"storage_bytes": 1500.0}})
    assert sim.fate("u") == ("lost", "storage full", 0.25)
    assert sim.runs() == [("A", "t", 0.0), ("A", "v", 1.5)]  # t's raw data went when its run ended, 500 B stayed


def test_what_arrives_at_a_full_satellite_is_lost(lab) -> None:
    sim = lab.go(lab.everywhere("B"), [lab.task()], [lab.laser("A", "B")], specs={"B": {"storage_bytes": 999.0}})
    assert sim.fate() == ("lost", "storage full", 1.25)
    assert {name: node.stored_bytes for name, node in sim.core.nodes.items()} == dict.fromkeys("ABCGH", 0)


def test_a_sender_holds_what_it_sends_until_it_has_arrived(lab) -> None:
    sim = lab.go(lab.everywhere("B"), [lab.task("t"), lab.task("u", 1.125), lab.task("v", 1.5)], [lab.laser("A", "B")],
                 specs={"A": {"storage_bytes": 1000.0}})  # fmt: skip
    assert sim.fate("u") == ("lost", "storage full", 1.125)  # t is on its way until 1.25
    assert ("B", "v", 2.75) in sim.runs()


def test_the_first_station_reached_must_be_able_to_run_the_model(lab) -> None:
    sim = lab.go(lambda view: [Downlink(t.id) for t in view.waiting], [lab.task()], [lab.radio("A")],
                 specs={"G": {"processor": None}})  # fmt: skip
    assert sim.fate() == ("lost", "G cannot run the model", 1.125)


def test_routes_follow_delays_that_change(lab) -> None:
    world = lab.world([lab.laser("A", "B"), lab.laser("A", "C"), lab.laser("B", "C")], route_refresh_s=10.0)
    contacts = list(world.plan.contacts)
    drift = {"delay_ab_s": (0.0, 10.0), "delay_ba_s": (0.0, 10.0), "slope_ab": (0.1, 0.1), "slope_ba": (0.1, 0.1)}
    contacts[1] = msgspec.structs.replace(contacts[1], **drift)  # A and C part at 0.1 light seconds a second
    world = msgspec.structs.replace(world, plan=ContactPlan(100.0, tuple(contacts), ()))
    sim = lab.run(world, lab.facts(world, [lab.task("t", 1.0), lab.task("u", 50.0)]), lab.everywhere("C"))
    assert [(s.task, s.to) for s in sim.orders(Send)] == [("t", "C"), ("u", "B"), ("u", "C")]
    assert sim.orders(Send)[0].deliver_s == pytest.approx(2.0 + 0.2)  # the light leaves at 2 s


def test_passes_are_taken_in_the_order_of_time_however_the_plan_lists_them(lab) -> None:
    contacts = [
        lab.laser("A", "B"),
        lab.radio("A", "G", 10.0, 20.0),
        lab.radio("A", "H", 60.0, 70.0),
        lab.radio("B", "G", 30.0),
    ]
    world = lab.world(contacts)
    world = msgspec.structs.replace(world, plan=ContactPlan(100.0, tuple(reversed(world.plan.contacts)), ()))
    sim = lab.run(world, lab.facts(world, [lab.task()]), lab.everywhere("A", relay=True))
    assert [(s.node, s.to, s.start_s) for s in sim.orders(Send)] == [("A", "G", 10.0)]
