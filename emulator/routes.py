"""Ways through the constellation as it is now and as it will be: least delay, earliest arrival, and expectations.

Least delay over the contacts that are open, refreshed at every change and at least every `refresh_s`; where none
leads, the first hop of the earliest arrival over contacts to come. Expected times count what is queued.
No clock; IEEE additions, products and quotients only.
"""

from collections.abc import Sequence
from math import inf

from emulator.state import Moment, NodeState
from emulator.world import STATION, World
from links.contacts import LASER, RADIO, UPLINK, Contact
from links.routing import ContactGraph, earliest_arrival, least_delay
from links.transfer import bits_until, delay_s, finish_s


class Routes:
    """Who can reach whom, by which hop, how soon."""

    def __init__(self, world: World, nodes: dict[str, NodeState], moment: Moment) -> None:
        self.nodes = nodes
        self.moment = moment
        self.contacts = world.plan.contacts
        self.graphs = self._graphs(self.contacts)
        self.refresh_s = world.settings.route_refresh_s
        self.open: dict[str, dict[str, int]] = {name: {} for name in nodes}  # node -> peer -> contact number
        self.passes: dict[str, list[int]] = {name: [] for name in nodes}  # radio contacts to come, in order
        for number, contact in enumerate(self.contacts):
            if contact.kind == RADIO:
                self.passes[contact.a].append(number)
        self.capacity_bits = {
            number: bits_until(self.contacts[number], self.contacts[number].start_s, self.contacts[number].stop_s)
            for numbers in self.passes.values()
            for number in numbers
        }
        for numbers in self.passes.values():
            numbers.sort(key=lambda number: self.contacts[number].start_s)
        self._refresh_at_s = 0.0
        self._weights: dict[str, dict[str, float]] = {}
        self._space: dict[str, dict[str, float]] = {}  # the same without what leaves stations: nothing passes through
        self._ways: dict[str, tuple[dict[str, float], dict[str, str]]] = {}
        self._future: dict[tuple[str, str], str | None] = {}

    def _graphs(self, contacts: Sequence[Contact]) -> dict[str, ContactGraph]:
        """Contacts to come as satellites may use them (""), and as each station that has an uplink may."""
        space = [c for c in contacts if c.kind != UPLINK]
        stations = sorted({c.a for c in contacts if c.kind == UPLINK})
        graphs = {s: ContactGraph([c for c in contacts if c.kind != UPLINK or c.a == s]) for s in stations}
        return graphs | {"": ContactGraph(space)}

    def opened(self, number: int) -> None:
        """A contact is usable: a laser both ways, a radio down only, an uplink up only."""
        contact = self.contacts[number]
        self.open[contact.a][contact.b] = number
        if contact.kind == LASER:
            self.open[contact.b][contact.a] = number
        self.changed()

    def closed(self, number: int) -> None:
        """A contact is over."""
        contact = self.contacts[number]
        self.open[contact.a].pop(contact.b, None)
        if contact.kind == LASER:
            self.open[contact.b].pop(contact.a, None)
        passes = self.passes[contact.a]
        while passes and self.contacts[passes[0]].stop_s <= self.moment.now_s:
            passes.pop(0)
        self.changed()

    def cut_off(self, name: str) -> list[int]:
        """A node died: nothing leads to it or from it. Returns the contacts that were open, in order."""
        cut = sorted({n for a, peers in self.open.items() for b, n in peers.items() if name in (a, b)})
        self.open[name].clear()
        for peers in self.open.values():
            peers.pop(name, None)
        self.survey()
        return cut

    def survey(self) -> None:
        """Which contacts to come count, now that a node has failed or come back: those of nodes that are up."""
        self.graphs = self._graphs([c for c in self.contacts if self.nodes[c.a].up and self.nodes[c.b].up])
        self.changed()

    def changed(self) -> None:
        """What was worked out before no longer holds."""
        self._refresh_at_s = 0.0

    def ways(self, source: str) -> tuple[dict[str, float], dict[str, str]]:
        """Least delay in seconds, and the next hop, from `source` to every node reachable over open contacts."""
        now_s = self.moment.now_s
        if now_s >= self._refresh_at_s:
            self._refresh_at_s = (now_s // self.refresh_s + 1.0) * self.refresh_s
            contacts = self.contacts
            self._weights = {
                a: {b: delay_s(contacts[n], contacts[n].a == a, now_s) for b, n in peers.items()}
                for a, peers in self.open.items()
            }
            self._space = {a: peers for a, peers in self._weights.items() if self.nodes[a].kind != STATION}
            self._ways = {}
            self._future = {}
        found = self._ways.get(source)
        if found is None:
            found = self._ways[source] = least_delay({**self._space, source: self._weights[source]}, source)
        return found

    def first_future_hop(self, here: str, target: str) -> str | None:
        key = (here, target)
        if key not in self._future:
            route = earliest_arrival(self.graphs.get(here, self.graphs[""]), here, target, self.moment.now_s)
            self._future[key] = route.hops[0] if route is not None and route.hops else None
        return self._future[key]

    def reachable(self, here: str, target: str) -> bool:
        """Whether any contact within the run leads from `here` to `target`, now or later."""
        return here == target or target in self.ways(here)[1] or self.first_future_hop(here, target) is not None

    def passes_over(self, here: str, station: str) -> bool:
        """Whether the node's own radio is at the station, now or in a contact to come."""
        return here == station or any(self.contacts[number].b == station for number in self.passes[here])

    def transfer_s(self, here: str, target: str, size_bytes: int) -> float:
        """Expected seconds to have `size_bytes` at `target` over open contacts: queues, serialisation, light."""
        if here == target:
            return 0.0
        hops = self.ways(here)[1]
        if target not in hops:
            return inf
        total_s = 0.0
        while here != target:
            hop = self.ways(here)[1].get(target)
            if hop is None:
                return inf
            contact = self.contacts[self.open[here][hop]]
            node = self.nodes[here]
            port = node.radio if self.nodes[hop].kind == STATION else node.port(hop)
            queued_bytes = port.raw_bytes + port.result_bytes
            step = int((self.moment.now_s - contact.start_s) / contact.step_s)
            rate = contact.bits_per_s[min(len(contact.bits_per_s) - 1, step)]
            total_s += max(0.0, port.free_s - self.moment.now_s) + (queued_bytes + size_bytes) * 8 / rate
            total_s += self._weights[here][hop]
            here = hop
        return total_s

    def ground_s(self, here: str, size_bytes: int, result: bool) -> float:
        """Expected seconds to have `size_bytes` on the ground by the node's own radio, queue included."""
        radio = self.nodes[here].radio
        bits = (radio.result_bytes + size_bytes + (0 if result else radio.raw_bytes)) * 8.0
        start_s = max(self.moment.now_s, radio.free_s)
        for number in self.passes[here]:
            contact = self.contacts[number]
            if contact.stop_s <= start_s or not self.nodes[contact.b].up:
                continue
            if start_s <= contact.start_s and bits > self.capacity_bits[number]:
                bits -= self.capacity_bits[number]  # a whole contact, without walking its steps
                continue
            from_s = max(start_s, contact.start_s)
            end_s = finish_s(contact, from_s, bits)
            if end_s is not None:
                return end_s + delay_s(contact, True, end_s) - self.moment.now_s
            bits -= bits_until(contact, from_s, contact.stop_s)
        return inf

    def best_radio(self, here: str, size_bytes: int, result: bool) -> str:
        """Of the satellites reachable now, the one whose radio is expected to have them down first; ties by name."""
        best = (self.ground_s(here, size_bytes, result), here)
        for name, delay in self.ways(here)[0].items():
            if name == here or not self.passes[name]:
                continue
            if delay < best[0]:
                own_s = self.ground_s(name, size_bytes, result)
                if own_s < best[0]:
                    total_s = own_s + self.transfer_s(here, name, size_bytes)
                    best = min(best, (total_s, name))
        return best[1]
