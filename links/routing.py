"""Routes: least delay over links that are open now, and earliest arrival over contacts to come.

Store and forward: a node holds a message until a contact starts. A laser contact leads both ways, a radio contact
or an uplink from a to b. Who leaves a node earlier over the same contact arrives no later, so the earliest time at
which a node can be reached is all that has to be known of it (Dijkstra). Ties go to fewer hops, then names.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from links.contacts import LASER, Contact
from links.transfer import bits_until, delay_s, finish_s

Step = tuple[int, bool]  # number of the contact, whether it leaves its a
Steps = tuple[Step, ...]
Edge = tuple[float, float, str, int, bool]  # stop_s, start_s, to, number of the contact, whether it leaves its a


class Route(NamedTuple):
    """A way over contacts to come, and what it can carry."""

    hops: tuple[str, ...]  # the nodes after the source, the target last
    contacts: tuple[int, ...]  # numbers of the contacts, parallel to `hops`
    arrival_s: float  # when the last bit is there
    leave_by_s: float  # the last instant at which a first bit can leave the source and still get through
    capacity_bits: float  # what its narrowest hop can carry (CCSDS 734.3-B-1, 2.6.3: effective volume limit)


class ContactGraph:
    """Contacts by the node that they leave, in order of their stop; build once, ask often."""

    def __init__(self, contacts: Sequence[Contact]) -> None:
        self.contacts = contacts
        self.leaving: dict[str, list[Edge]] = {}
        for number, contact in enumerate(contacts):
            edge = (contact.stop_s, contact.start_s, contact.b, number, True)
            self.leaving.setdefault(contact.a, []).append(edge)
            if contact.kind == LASER:
                back = (contact.stop_s, contact.start_s, contact.a, number, False)
                self.leaving.setdefault(contact.b, []).append(back)
        for edges in self.leaving.values():
            edges.sort()


def least_delay(adjacency: Mapping[str, Mapping[str, float]], source: str) -> tuple[dict[str, float], dict[str, str]]:
    """Least delay in seconds to every node reachable from `source`, itself included, and the next hop to each other.

    `adjacency[a][b]` is the delay from a to b in seconds. Of equal delays the next hop of the smaller name is taken.
    """
    delays: dict[str, float] = {}
    hops: dict[str, str] = {}
    heap: list[tuple[float, str, str]] = [(0.0, source, "")]
    best: dict[str, tuple[float, str]] = {source: (0.0, "")}
    while heap:
        delay, node, hop = heappop(heap)
        if node in delays:
            continue
        delays[node] = delay
        if hop:
            hops[node] = hop
        for peer, step in adjacency.get(node, {}).items():
            if peer in delays:
                continue
            found = (delay + step, hop or peer)
            if peer not in best or found < best[peer]:
                best[peer] = found
                heappush(heap, (found[0], peer, found[1]))
    return delays, hops


def earliest_arrival(
    contacts: Sequence[Contact] | ContactGraph, source: str, targets: str | Collection[str], t_s: float,
    bits: float = 0.0,
) -> Route | None:  # fmt: skip
    """The route by which `bits` that are at `source` at `t_s` are soonest at (one of) `targets`; None if there is none.

    Every hop takes the whole message before it goes on. If the source is a target, the route has no hops.
    """
    graph = contacts if isinstance(contacts, ContactGraph) else ContactGraph(contacts)
    goals = {targets} if isinstance(targets, str) else set(targets)
    steps = _search(graph, source, goals, t_s, bits, frozenset(), frozenset())
    return None if steps is None else _route(graph, steps, t_s, bits)


def routes(
    contacts: Sequence[Contact] | ContactGraph, source: str, target: str, t_s: float, bits: float = 0.0
) -> Iterator[Route]:
    """Every route without a node twice, by arrival, then fewer hops, then names (Yen's algorithm over contacts)."""
    graph = contacts if isinstance(contacts, ContactGraph) else ContactGraph(contacts)
    first = _search(graph, source, {target}, t_s, bits, frozenset(), frozenset())
    heap = [] if first is None else [_ranked(graph, first, t_s, bits)]
    listed = {entry[-1] for entry in heap}
    done: list[Steps] = []
    while heap:
        steps = heappop(heap)[-1]
        yield _route(graph, steps, t_s, bits)
        done.append(steps)
        at, at_s = source, t_s
        for i in range(len(steps)):
            root = steps[:i]
            used = frozenset(other[i] for other in done if other[:i] == root and len(other) > i)
            passed = frozenset([source, *(_to(graph, step) for step in root)]) - {at}
            spur = _search(graph, at, {target}, at_s, bits, passed, used)
            if spur is not None and root + spur not in listed:
                listed.add(root + spur)
                heappush(heap, _ranked(graph, root + spur, t_s, bits))
            at_s = _cross(graph, steps[i], at_s, bits)
            at = _to(graph, steps[i])


def _search(
    graph: ContactGraph, source: str, goals: set[str], t_s: float, bits: float,
    passed: frozenset[str], used: frozenset[Step],
) -> Steps | None:  # fmt: skip
    """Dijkstra by time of arrival, without the nodes in `passed`, and from the source without the steps in `used`."""
    heap: list[tuple[float, int, str, Steps]] = [(t_s, 0, source, ())]
    settled = set(passed)
    best: dict[str, tuple[float, int]] = {}
    while heap:
        at_s, hops, node, steps = heappop(heap)
        if node in settled:
            continue
        settled.add(node)
        if node in goals:
            return steps
        for stop_s, _, peer, number, from_a in graph.leaving.get(node, ()):
            if stop_s < at_s or peer in settled or (node == source and (number, from_a) in used):
                continue
            arrival_s = _cross(graph, (number, from_a), at_s, bits)
            if arrival_s < inf and (arrival_s, hops + 1) <= best.get(peer, (inf, 0)):
                best[peer] = (arrival_s, hops + 1)
                heappush(heap, (arrival_s, hops + 1, peer, (*steps, (number, from_a))))
    return None


def _cross(graph: ContactGraph, step: Step, at_s: float, bits: float) -> float:
    """When the last of `bits` that are ready at `at_s` arrives over the step; infinite if they do not fit."""
    contact = graph.contacts[step[0]]
    sent_s = finish_s(contact, at_s, bits)
    return inf if sent_s is None else sent_s + delay_s(contact, step[1], sent_s)


def _to(graph: ContactGraph, step: Step) -> str:
    contact = graph.contacts[step[0]]
    return contact.b if step[1] else contact.a


def _ranked(graph: ContactGraph, steps: Steps, t_s: float, bits: float) -> tuple[float, int, tuple[str, ...], Steps]:
    route = _route(graph, steps, t_s, bits)
    return route.arrival_s, len(steps), route.hops, steps


def _route(graph: ContactGraph, steps: Steps, t_s: float, bits: float) -> Route:
    """Arrival forwards; then backwards the last instant at which each hop can still be left, and its volume."""
    ready_s = [t_s]
    for step in steps:
        ready_s.append(_cross(graph, step, ready_s[-1], bits))
    leave_by_s = capacity_bits = inf
    for step, at_s in zip(reversed(steps), reversed(ready_s[:-1]), strict=True):
        contact = graph.contacts[step[0]]
        leave_by_s = min(contact.stop_s, leave_by_s - delay_s(contact, step[1], min(contact.stop_s, leave_by_s)))
        capacity_bits = min(capacity_bits, bits_until(contact, max(at_s, contact.start_s), leave_by_s))
    hops = tuple(_to(graph, step) for step in steps)
    return Route(hops, tuple(number for number, _ in steps), ready_s[-1], leave_by_s, capacity_bits)
