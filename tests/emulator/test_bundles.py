"""Bundles of applications: over several hops, through outages, up to satellites, with every end named.

Round numbers of `conftest.py`: 1,000 bytes a second, 0.25 s over a laser, 0.125 s over a radio.
"""

from typing import Any

from emulator.events import Bundle, Missed, NodeFailed, NodeRecovered, Offered
from emulator.ledger import bundle_counts
from emulator.orders import End, Send
from links.contacts import UPLINK, constant_contact


def ends(sim: Any) -> dict[str, tuple[str, str, float]]:
    return {o.task: (o.how, o.reason, e.at_s) for e, orders in sim.lines for o in orders if type(o) is End}


def offered(
    at_s: float, source: str, target: str, size_bytes: int = 1000, name: str = "b", priority: int = 0
) -> Offered:
    return Offered(at_s, source, Bundle(name, source, target, size_bytes, priority))


def quiet(view: Any) -> None:
    return None


def test_a_bundle_takes_serialisation_and_light_on_every_hop(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B"), lab.laser("B", "C")])
    sim = lab.run(world, [*lab.facts(world, []), offered(1.0, "A", "C")], quiet)
    assert ends(sim) == {"b": ("done", "", 1.0 + 2 * (1.0 + 0.25))}
    assert [(o.node, o.to) for o in sim.orders(Send)] == [("A", "B"), ("B", "C")]


def test_a_bundle_waits_for_a_contact_to_come(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B", 0.0, 10.0), lab.laser("B", "C", 50.0, 60.0)])
    sim = lab.run(world, [*lab.facts(world, []), offered(1.0, "A", "C")], quiet)
    assert ends(sim) == {"b": ("done", "", 51.25)}


def test_a_bundle_to_its_own_node_is_there_at_once(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B")])
    sim = lab.run(world, [*lab.facts(world, []), offered(1.0, "A", "A")], quiet)
    assert ends(sim) == {"b": ("done", "", 1.0)}


def test_a_station_answers_over_the_uplink_only(lab: Any) -> None:
    up = constant_contact("G", "A", 20.0, 40.0, 0.125, 4000.0, UPLINK)
    world = lab.world([lab.radio("A", "G", 20.0, 40.0), up, lab.laser("A", "B")])
    sim = lab.run(world, [*lab.facts(world, []), offered(1.0, "G", "B"), offered(1.0, "B", "G", name="down")], quiet)
    assert ends(sim)["b"] == ("done", "", 20.0 + 1000 * 8 / 4000.0 + 0.125 + 1.25)  # up, and on over the laser
    assert ends(sim)["down"] == ("done", "", 20.0 + 1.0 + 0.125)  # went ahead to A, waited there, then came down


def test_nothing_passes_through_a_station(lab: Any) -> None:
    up = constant_contact("G", "B", 0.0, 100.0, 0.125, 8000.0, UPLINK)
    world = lab.world([lab.radio("A", "G"), lab.radio("B", "G"), up])
    sim = lab.run(world, [*lab.facts(world, []), offered(1.0, "A", "B")], quiet)
    assert ends(sim) == {}
    assert bundle_counts(sim.core).pending == 1


def test_a_bundle_held_by_a_node_that_fails_is_lost_with_the_reason(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B", 10.0, 90.0)])
    facts = [*lab.facts(world, []), offered(1.0, "A", "B"), NodeFailed(5.0, "A"), NodeRecovered(6.0, "A")]
    assert ends(lab.run(world, facts, quiet)) == {"b": ("lost", "A failed", 5.0)}


def test_a_bundle_under_way_to_a_node_that_fails_is_sent_again(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B")])
    facts = [*lab.facts(world, []), offered(1.0, "A", "B"), NodeFailed(1.5, "B"), NodeRecovered(30.0, "B")]
    assert ends(lab.run(world, facts, quiet)) == {"b": ("done", "", 31.25)}


def test_a_full_queue_refuses_the_newest(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B")], queue_bytes=1500)
    facts = [*lab.facts(world, []), *[offered(1.0, "A", "B", name=f"b{n}") for n in range(4)]]
    sim = lab.run(world, facts, quiet)
    found = ends(sim)
    assert {name: how for name, (how, _, _) in found.items()} == {
        "b0": "done",
        "b1": "done",
        "b2": "lost",
        "b3": "lost",
    }
    assert found["b2"][1] == "queue full"  # one was being sent, one queued; 500 bytes were left


def test_urgent_bundles_go_first(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B")])
    facts = [offered(1.0, "A", "B", name="first"), offered(1.1, "A", "B", name="plain")]
    facts.append(offered(1.2, "A", "B", name="urgent", priority=1))
    sim = lab.run(world, [*lab.facts(world, []), *facts], quiet)
    assert [o.task for o in sim.orders(Send)] == ["first", "urgent", "plain"]


def test_an_unknown_target_is_lost_with_the_reason(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B")])
    sim = lab.run(world, [*lab.facts(world, []), offered(1.0, "A", "Z")], quiet)
    assert ends(sim) == {"b": ("lost", "there is no node Z", 1.0)}


def test_what_never_came_is_lost_and_the_ledger_adds_up(lab: Any) -> None:
    world = lab.world([lab.laser("A", "B", delay_s=5.0)])
    facts = [*lab.facts(world, []), offered(1.0, "A", "B"), Missed(3.0, "B", "b", "bundle")]
    sim = lab.run(world, facts, quiet)
    assert ends(sim) == {"b": ("lost", "never came to B", 3.0)}
    assert sim.core.transport.accounts["A", "B"].lost_bytes == 1000
    assert sim.core.stale == 1  # the virtual engine delivers it later all the same
