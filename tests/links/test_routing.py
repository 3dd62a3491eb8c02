"""Routes: least delay against scipy, earliest arrival and enumeration against brute force."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import dijkstra

from links.contacts import RADIO, Contact, constant_contact
from links.routing import ContactGraph, earliest_arrival, least_delay, routes
from links.transfer import delay_s, finish_s

NAMES = "abcdef"


def test_ties_go_to_the_smaller_name_whatever_the_order() -> None:
    edges = {"s": {"y": 1.0, "x": 1.0}, "x": {"t": 1.0}, "y": {"t": 1.0}}
    shuffled = {node: dict(reversed(peers.items())) for node, peers in reversed(edges.items())}
    for adjacency in (edges, shuffled):
        delays, hops = least_delay(adjacency, "s")
        assert (delays, hops) == ({"s": 0.0, "x": 1.0, "y": 1.0, "t": 2.0}, {"x": "x", "y": "y", "t": "x"})
    assert least_delay({}, "s") == ({"s": 0.0}, {})


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_least_delay_equals_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = np.where(random.random((9, 9)) < 0.3, random.uniform(0.001, 0.02, (9, 9)), 0.0)
    adjacency = {str(a): {str(b): float(weights[a, b]) for b in np.nonzero(weights[a])[0] if a != b} for a in range(9)}
    np.fill_diagonal(weights, 0.0)
    expected = dijkstra(weights, indices=0)
    delays, hops = least_delay(adjacency, "0")
    for node in range(9):
        assert delays.get(str(node), np.inf) == pytest.approx(expected[node])
        if node and np.isfinite(expected[node]):
            hop = hops[str(node)]
            assert adjacency["0"][hop] <= delays[str(node)]


def brute(contacts: list[Contact], source: str, target: str, t_s: float, bits: float) -> list[float]:
    """Arrival times of every contact sequence without a node twice, by trying them all."""
    arrivals = []
    others = [name for name in NAMES if name not in (source, target)]

    def walk(nodes: tuple[str, ...], at_s: float) -> None:
        if len(nodes) == 1:
            arrivals.append(at_s)
            return
        for contact in contacts:
            leads = (contact.a, contact.b) == nodes[:2]
            if leads or (contact.kind != RADIO and (contact.b, contact.a) == nodes[:2]):
                sent_s = finish_s(contact, at_s, bits)
                if sent_s is not None:
                    walk(nodes[1:], sent_s + delay_s(contact, leads, sent_s))

    for count in range(len(others) + 1):
        for middle in permutations(others, count):
            walk((source, *middle, target), t_s)
    return sorted(arrivals)


@st.composite
def plans(draw: st.DrawFn) -> list[Contact]:
    contacts = []
    for _ in range(draw(st.integers(0, 12))):
        a, b = sorted(draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=2, unique=True)))
        start_s = draw(st.integers(0, 50))
        stop_s = start_s + draw(st.integers(1, 30))
        kind = draw(st.sampled_from(["laser", "laser", "radio"]))
        contacts.append(
            constant_contact(a, b, float(start_s), float(stop_s), 0.5, draw(st.sampled_from([1.0, 2.0])), kind)
        )
    return contacts


@settings(derandomize=True, deadline=None, max_examples=60)
@given(plans(), st.integers(0, 20), st.integers(0, 10))
def test_routes_are_all_there_are_in_order_of_arrival(contacts: list[Contact], t_s: int, bits: int) -> None:
    expected = brute(contacts, "a", "f", float(t_s), float(bits))
    found = list(routes(contacts, "a", "f", float(t_s), float(bits)))
    assert [route.arrival_s for route in found] == expected
    assert len({(route.contacts, route.hops) for route in found}) == len(found)
    best = earliest_arrival(ContactGraph(contacts), "a", "f", float(t_s), float(bits))
    assert (best.arrival_s if best else None) == (expected[0] if expected else None)
    for route in found:
        assert route.capacity_bits >= bits
        assert route.leave_by_s >= t_s


def test_the_nearest_of_several_targets_is_taken_and_a_radio_never_leads_up() -> None:
    contacts = [
        constant_contact("S", "X", 50.0, 60.0, 0.0, 1.0, "radio"),
        constant_contact("S", "Y", 20.0, 30.0, 0.0, 1.0, "radio"),
    ]
    down = earliest_arrival(contacts, "S", {"X", "Y"}, 0.0, bits=4.0)
    assert down is not None
    assert (down.hops, down.arrival_s, down.leave_by_s, down.capacity_bits) == (("Y",), 24.0, 30.0, 10.0)
    assert earliest_arrival(contacts, "X", "S", 0.0) is None
    here = earliest_arrival(contacts, "S", "S", 3.0)
    assert here is not None
    assert (here.hops, here.arrival_s) == ((), 3.0)
