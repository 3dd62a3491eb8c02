"""The contact plan: pairs are accounted for at every instant, terminals and antennas are never overbooked."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest

from links.contacts import Contact, ContactPlan
from links.errors import LinkError
from links.geometry import LIGHT_M_PER_S, light_time_s
from links.laser import LaserTerminals
from links.network import Network
from links.plan import build_plan
from links.topology import Topology
from links.transfer import delay_s

DAY_S = 86400.0
KINDS = [
    Topology(kind="ring"), Topology(kind="nearest-k", k=2), Topology(kind="+grid"), Topology(kind="all-visible"),
    Topology(kind="fixed", pairs=(("C", "B"), ("A", "D"))),
]  # fmt: skip
three_metres_s = 1e-8
a_centimetre = 0.01  # times are rounded to 1e-6 s, and satellites pass at 14 km/s


@pytest.fixture(scope="module", params=KINDS, ids=lambda topology: topology.kind)
def plan(request, uneven, stations) -> ContactPlan:
    laser = LaserTerminals(per_satellite=2, max_range_m=3_500e3)
    return build_plan(Network(uneven, stations, topology=request.param, laser=laser), 40_000.5)


def by_pair(plan: ContactPlan) -> dict[tuple[str, str], list[tuple[float, float, str]]]:
    found: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for item in (*plan.contacts, *plan.gaps):
        reason = "" if isinstance(item, Contact) else item.reason
        found.setdefault((item.a, item.b), []).append((item.start_s, item.stop_s, reason))
    return {pair: sorted(pieces) for pair, pieces in found.items()}


def test_contacts_and_gaps_of_every_pair_fill_the_time_exactly(plan: ContactPlan, uneven, stations) -> None:
    pairs = by_pair(plan)
    satellites = sorted(uneven.names)
    lasers = {(a, b) for a in satellites for b in satellites if a < b}
    assert set(pairs) == lasers | {(a, b) for a in satellites for b in stations.names}
    for pieces in pairs.values():
        assert pieces[0][0] == 0.0
        assert pieces[-1][1] == plan.duration_s
        assert all(stop_s > start_s for start_s, stop_s, _ in pieces)
        for (_, stop_s, reason), (start_s, _, after) in pairwise(pieces):
            assert stop_s == start_s
            assert reason != after


def test_terminals_antennas_and_transmitters_are_never_overbooked(plan: ContactPlan) -> None:
    changes = []
    for item in (*plan.contacts, *plan.gaps):
        if isinstance(item, Contact) or item.reason == "acquiring":
            kind = item.kind if isinstance(item, Contact) else "laser"
            for name, most in ((item.a, 2 if kind == "laser" else 1), (item.b, 2 if kind == "laser" else 1)):
                changes += [(item.start_s, 1, kind, name, most), (item.stop_s, -1, kind, name, most)]
    used: dict[tuple[str, str], int] = {}
    for _, by, kind, name, most in sorted(changes):  # at one instant, what ends comes first
        used[kind, name] = used.get((kind, name), 0) + by
        assert 0 <= used[kind, name] <= most


def test_every_link_but_those_at_the_start_is_acquired_for_fifteen_seconds(plan: ContactPlan) -> None:
    pairs = by_pair(plan)
    for contact in plan.contacts:
        before = [piece for piece in pairs[contact.a, contact.b] if piece[1] == contact.start_s]
        if contact.kind == "laser" and contact.start_s > 0.0:
            assert before[0][2] == "acquiring"
            assert before[0][1] - before[0][0] == pytest.approx(15.0, abs=1e-6)
        else:
            assert not any(reason == "acquiring" for *_, reason in before)


def test_delays_follow_the_light_to_where_the_receiver_will_be(plan: ContactPlan, uneven, stations) -> None:
    places = {name: (uneven, i) for i, name in enumerate(uneven.names)}
    places |= {name: (stations, i) for i, name in enumerate(stations.names)}

    def state(name: str, t_s: float) -> tuple[np.ndarray, np.ndarray]:
        nodes, i = places[name]
        r_m, v_m_per_s = nodes.states(np.array([t_s]))
        return r_m[i, 0], v_m_per_s[i, 0]

    for contact in plan.contacts[::5]:
        for share in (0.0, 0.123, 0.5, 0.77, 1.0):
            t_s = contact.start_s + share * (contact.stop_s - contact.start_s)
            a, b = state(contact.a, t_s), state(contact.b, t_s)
            assert delay_s(contact, True, t_s) == pytest.approx(float(light_time_s(*a, *b)[0]), abs=three_metres_s)
            assert delay_s(contact, False, t_s) == pytest.approx(float(light_time_s(*b, *a)[0]), abs=three_metres_s)
            there, _ = state(contact.b, t_s + delay_s(contact, True, t_s))
            way_s = np.linalg.norm(there - a[0]) / LIGHT_M_PER_S
            assert delay_s(contact, True, t_s) >= way_s - three_metres_s


def test_knots_are_uniform_near_enough_and_rates_positive(plan: ContactPlan) -> None:
    assert list(plan.contacts) == sorted(plan.contacts, key=lambda c: (c.start_s, c.a, c.b))
    for contact in plan.contacts:
        steps = len(contact.bits_per_s)
        assert {len(contact.delay_ab_s), len(contact.slope_ba), len(contact.range_m)} == {steps + 1}
        assert contact.step_s * steps == pytest.approx(contact.stop_s - contact.start_s)
        assert contact.step_s <= (60.0 if contact.kind == "laser" else 10.0)
        assert all(rate >= 1.0 and rate == int(rate) for rate in contact.bits_per_s)


def test_json_gives_the_same_plan_back(plan: ContactPlan) -> None:
    encoded = msgspec.json.encode(plan)
    assert msgspec.json.decode(encoded, type=ContactPlan) == plan
    assert msgspec.json.encode(msgspec.json.decode(encoded, type=ContactPlan)) == encoded


def test_status_and_at_agree_with_the_pieces(plan: ContactPlan) -> None:
    for t_s in (0.0, 1234.5, 20_000.0, plan.duration_s):
        listed = plan.at(t_s)
        for (a, b), item in listed.items():
            expected = (True, "") if isinstance(item, Contact) else (False, item.reason)
            assert plan.status(a, b, t_s) == plan.status(b, a, t_s) == expected
        assert len(listed) == 21 + 28
    assert plan.status("A", "nobody", 0.0) == (False, "not_chosen")
    with pytest.raises(LinkError, match="outside"):
        plan.at(plan.duration_s + 1.0)


def test_the_order_in_which_nodes_were_added_changes_nothing(circular, turning) -> None:
    places = [("Kiruna", 67.9, 21.0), ("Miyun", 40.5, 116.9), ("Sanya", 18.3, 109.3)]
    satellites = [(f"S{i}", 500e3, 97.4, 60.0 * (i % 2), 37.0 * i) for i in range(6)]
    plane, slot, antennas = [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2], [2, 1, 1]
    for kind in ("ring", "nearest-k", "+grid", "all-visible"):
        network = Network(
            circular(satellites), turning(places), topology=Topology(kind=kind), plane=plane, slot=slot,
            antennas=antennas, laser=LaserTerminals(per_satellite=1),
        )  # fmt: skip
        back = Network(
            circular(satellites[::-1]), turning(places[::-1]), topology=Topology(kind=kind), plane=plane[::-1],
            slot=slot[::-1], antennas=antennas[::-1], laser=LaserTerminals(per_satellite=1),
        )  # fmt: skip
        assert build_plan(network, 20_000.0) == build_plan(back, 20_000.0)


def test_a_ring_of_twelve_is_always_up_and_a_ring_of_eight_is_always_blocked(ring) -> None:
    twelve = build_plan(Network(ring(12)), DAY_S)
    assert len(twelve.contacts) == 12
    assert all((contact.start_s, contact.stop_s) == (0.0, DAY_S) for contact in twelve.contacts)
    assert {gap.reason for gap in twelve.gaps} == {"blocked"}
    eight = build_plan(Network(ring(8)), DAY_S)
    assert not eight.contacts
    assert {gap.reason for gap in eight.gaps} == {"blocked"}


def test_reasons_tell_why_a_link_is_down(ring) -> None:
    def reasons(topology: Topology, **laser: float) -> set[str]:
        plan = build_plan(Network(ring(12), laser=LaserTerminals(**laser), topology=topology), 3600.0)
        return {gap.reason for gap in plan.gaps}

    assert reasons(Topology(kind="ring"), per_satellite=1) == {"blocked", "no_free_terminal"}
    assert reasons(Topology(kind="ring"), max_range_m=3_000e3) == {"blocked", "too_far"}
    assert reasons(Topology(kind="fixed", pairs=(("S00", "S01"),))) == {"blocked", "not_chosen"}


def test_an_antenna_serves_one_satellite_and_keeps_it_until_it_sets(ring, turning) -> None:
    close = ring(90)  # four degrees apart: several over a station at once
    network = Network(close, turning([("X", 60.0, 0.0)]), min_elevation_deg=[5.0])
    plan = build_plan(network, 6_000.0)
    served = [contact for contact in plan.contacts if contact.kind == "radio"]
    assert len(served) > 10
    for first, second in pairwise(served):
        assert second.start_s >= first.stop_s
    for contact in served:
        after = [
            gap.reason for gap in plan.gaps if (gap.a, gap.b, gap.start_s) == (contact.a, contact.b, contact.stop_s)
        ]
        assert after == ["below_mask"] or contact.stop_s == plan.duration_s
    waiting = Network(close, network.sites, downlink=network.downlink, antennas=[3])
    assert len([c for c in build_plan(waiting, 6_000.0).contacts if c.kind == "radio"]) > 2 * len(served)


def test_a_large_constellation_lists_only_the_links_that_are_wanted(circular) -> None:
    place = [divmod(number, 10) for number in range(150)]  # 11,175 pairs: decided once a minute
    shell = circular([(f"{p:02d}-{s}", 800e3, 70.0, 24.0 * p, 36.0 * s + 12.0 * p) for p, s in place])
    laser = LaserTerminals(per_satellite=2, max_range_m=2_000e3, full_rate_range_m=500e3)
    plan = build_plan(Network(shell, topology=Topology(kind="nearest-k", k=2), laser=laser), 900.0)
    pairs = by_pair(plan)
    assert 100 < len(pairs) < 2_000
    for pieces in pairs.values():
        assert {"", "acquiring", "no_free_terminal"} & {reason for *_, reason in pieces}
        assert (pieces[0][0], pieces[-1][1]) == (0.0, 900.0)
        assert all(before[1] == after[0] for before, after in pairwise(pieces))
    begun = {contact.start_s for contact in plan.contacts if contact.start_s > 0.0}
    assert len(begun) > 1
    assert {start_s % 60.0 for start_s in begun} == {15.0}  # a whole minute and the acquisition
    assert max(max(contact.range_m) for contact in plan.contacts) <= 2_000e3 + a_centimetre
    assert plan.status("00-0", "07-5", 0.0) == (False, "not_chosen")


def test_more_than_can_be_searched_is_refused_with_what_to_do(ring) -> None:
    with pytest.raises(LinkError, match=r"'\+grid', 'ring' or 'fixed', or a shorter time"):
        build_plan(Network(ring(2000), topology=Topology(kind="all-visible")), DAY_S)


def test_a_fixed_pair_that_geometry_never_allows_is_refused_with_range_and_horizon(ring) -> None:
    network = Network(ring(12), topology=Topology(kind="fixed", pairs=(("S00", "S01"), ("S00", "S02"))))
    with pytest.raises(LinkError, match=r"S00-S02 \(closest 6878\.1 km at .* horizon 4733\.4 km\)"):
        build_plan(network, 6000.0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"plane": [0, 1]}, "plane has 2 entries for 12 nodes"),
        ({"laser": LaserTerminals(max_range_m=float("nan"), acquisition_s=-1.0)}, "max_range_m.*acquisition_s"),
        ({"topology": Topology(kind="fixed", pairs=(("S00", "S99"),))}, "'S99'"),
        ({"antennas": [-1]}, "antennas"),
        ({"min_elevation_deg": [float("nan")]}, "masks"),
    ],
)
def test_networks_that_cannot_be_are_refused(ring, turning, change: dict, text: str) -> None:
    with pytest.raises(LinkError, match=text):
        build_plan(Network(ring(12), turning([("X", 0.0, 0.0)]), **change), 600.0)
    with pytest.raises(LinkError, match="'S00' is used by two nodes"):
        build_plan(Network(ring(12), turning([("S00", 0.0, 0.0)])), 600.0)
    for duration_s in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(LinkError, match="duration"):
            build_plan(Network(ring(12)), duration_s)
