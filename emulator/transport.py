"""Moves messages hop by hop over the contacts that are open, and holds them where there is none.

Store and forward: a message leaves a node when the transmitter is free, takes its bits over the contact's
rate, and arrives one light time later. Results go before raw data, urgent before others, old before young.
A message for a node follows the least-delay route over the open contacts, or waits for the first contact of
the earliest-arrival route over future ones. A message for the ground waits in a radio's queue; with `relay`
it first crosses the mesh to the radio that is expected to have it down first.
No clock, no sockets; IEEE additions, products and quotients only.
"""

from heapq import heappop, heappush
from math import inf

from emulator.orders import Order, Send, Wake
from emulator.state import RESULT, LinkAccount, Message, NodeState, Port
from emulator.world import STATION, World
from links.routing import ContactGraph, earliest_arrival, least_delay
from links.transfer import bits_until, delay_s, finish_s

RADIO = "radio"


class Transport:
    """All that is between nodes: open contacts, routes, queues, messages in flight, accounts of bytes."""

    def __init__(self, world: World, nodes: dict[str, NodeState]) -> None:
        self.nodes = nodes
        self.contacts = world.plan.contacts
        self.graph = ContactGraph(self.contacts)  # of nodes that are up
        self.refresh_s = world.settings.route_refresh_s
        self.now_s = 0.0
        self.orders: list[Order] = []
        self.open: dict[str, dict[str, int]] = {name: {} for name in nodes}  # node -> peer -> contact number
        self.in_flight: dict[tuple[str, str], Message] = {}
        self.stranded: list[Message] = []
        self.accounts: dict[tuple[str, str], LinkAccount] = {}
        self.sequence = 0
        self.passes: dict[str, list[int]] = {name: [] for name in nodes}  # radio contacts to come, in order
        self._refresh_at_s = 0.0  # when routes are computed anew; a contact change sets it to now
        self._weights: dict[str, dict[str, float]] = {}
        self._routes: dict[str, tuple[dict[str, float], dict[str, str]]] = {}
        self._future: dict[tuple[str, str], str | None] = {}
        for number, contact in enumerate(self.contacts):
            if contact.kind == RADIO:
                self.passes[contact.a].append(number)
        for numbers in self.passes.values():
            numbers.sort(key=lambda number: self.contacts[number].start_s)

    # contacts

    def opened(self, number: int) -> None:
        """A contact is usable: join its ends and let what waits for it go."""
        contact = self.contacts[number]
        a, b = contact.a, contact.b
        self._refresh_at_s = 0.0
        self.open[a][b] = number
        if contact.kind == RADIO:
            port = self.nodes[a].radio
            port.contact, port.peer, port.account = number, b, None
            self._serve(a, port)
            return
        self.open[b][a] = number
        for here, there in ((a, b), (b, a)):
            port = self.port(here, there)
            port.contact = number
            self._serve(here, port)

    def closed(self, number: int) -> None:
        """A contact is over: what still waits for it is sent another way."""
        contact = self.contacts[number]
        a, b = contact.a, contact.b
        self._refresh_at_s = 0.0
        self.open[a].pop(b, None)
        if contact.kind == RADIO:
            node = self.nodes[a]
            node.radio.contact = -1
            while self.passes[a] and self.contacts[self.passes[a][0]].stop_s <= self.now_s:
                self.passes[a].pop(0)
            self._reroute(a, node.radio, relayed_only=True)
            return
        self.open[b].pop(a, None)
        for here, there in ((a, b), (b, a)):
            port = self.port(here, there)
            port.contact = -1
            self._reroute(here, port, relayed_only=False)

    def _reroute(self, here: str, port: Port, relayed_only: bool) -> None:
        kept: list[tuple[int, int, int, Message]] = []
        moved: list[tuple[int, int, int, Message]] = []
        for entry in sorted(port.queue):
            (moved if entry[3].relay or not relayed_only else kept).append(entry)
        port.queue = kept  # sorted, hence a heap
        for entry in moved:
            message = entry[3]
            self._uncount(port, message)
            message.via = None
            self.forward(message, here)

    # messages

    def forward(self, message: Message, here: str) -> None:
        """Send a message on from the node that holds it: towards its target, or down."""
        target = message.target
        if target is None:
            via = message.via
            if message.relay and (via is None or (via != here and via not in self.routes(here)[0])):
                via = message.via = self.best_radio(here, message)
            if via is None or via == here:
                self._enqueue(here, self.nodes[here].radio, message)
                return
            target = via
        elif self.nodes[target].kind == STATION and not message.relay:
            self._enqueue(here, self.nodes[here].radio, message)
            return
        hop = self.routes(here)[1].get(target)
        if hop is None:
            hop = self._first_future_hop(here, target)
        if hop is None:
            self.stranded.append(message)
            return
        node = self.nodes[here]
        self._enqueue(here, node.radio if self.nodes[hop].kind == STATION else self.port(here, hop), message)

    def delivered(self, task: str, what: str, here: str) -> Message | None:
        """Take a message off the wire; `None` if it was lost meanwhile and this is only its echo."""
        key = (task, what)
        message = self.in_flight.get(key)
        if message is None or message.hop != here or self.now_s < message.deliver_s:
            return None
        del self.in_flight[key]
        if message.account is not None:
            message.account.received_bytes += message.size_bytes
        if message.held:
            self.nodes[message.held].stored_bytes -= message.size_bytes
        self.nodes[here].stored_bytes += message.size_bytes
        message.held = here
        return message

    def lose(self, name: str) -> tuple[list[Message], list[Message]]:
        """A node died. Returns what is lost with it, and what others still hold and must decide on again."""
        lost = [entry[3] for port in (*self._ports(name),) for entry in port.queue]
        lost += [m for m in self.stranded if m.held == name]
        returned: list[Message] = []
        for key, message in list(self.in_flight.items()):
            cut_off = message.held == name and message.free_s > self.now_s
            if not cut_off and message.hop != name:
                if message.held == name:
                    message.held = ""  # it is on its way; nobody holds it until it arrives
                continue
            del self.in_flight[key]
            if message.account is not None:
                message.account.lost_bytes += message.size_bytes
            (lost if cut_off or not message.held else returned).append(message)
        for other in self.nodes:
            for port in self._ports(other):
                bound = [entry[3] for entry in port.queue if other != name and entry[3].target == name]
                for message in bound:
                    self._uncount(port, message)
                returned += bound
                port.queue = [] if other == name else sorted(e for e in port.queue if e[3].target != name)
        self.stranded = [m for m in self.stranded if m.held != name]
        for port in self._ports(name):
            port.raw_bytes = port.result_bytes = 0
        cut = sorted({n for a, peers in self.open.items() for b, n in peers.items() if name in (a, b)})
        self._survey()
        self.open[name].clear()
        for peers in self.open.values():  # all at once, so that nothing is sent round by another link to the dead node
            peers.pop(name, None)
        for number in cut:
            self.closed(number)
        for other, node in self.nodes.items():
            if name in node.ports:  # what waited there for a contact to come
                self._reroute(other, node.ports[name], relayed_only=False)
        return lost, returned

    def restore(self, name: str) -> None:
        """A node came back: contacts that the plan has open now open again."""
        self._survey()
        for number, contact in enumerate(self.contacts):
            both_up = self.nodes[contact.a].up and self.nodes[contact.b].up
            if name in (contact.a, contact.b) and both_up and contact.start_s <= self.now_s < contact.stop_s:
                self.opened(number)
        stranded, self.stranded = self.stranded, []
        for message in stranded:
            self.forward(message, message.held)

    def _survey(self) -> None:
        """Which contacts to come count, now that a node has failed or come back: those of nodes that are up."""
        self.graph = ContactGraph([c for c in self.contacts if self.nodes[c.a].up and self.nodes[c.b].up])
        self._refresh_at_s = 0.0

    def _ports(self, name: str) -> list[Port]:
        node = self.nodes[name]
        return [node.radio, *node.ports.values()]

    def transmitter_free(self, here: str, timer: str) -> None:
        """A transmitter has ended a message and looks at its queue again."""
        port = self.nodes[here].radio if timer == RADIO else self.port(here, timer)
        port.armed = False
        self._serve(here, port)

    def port(self, here: str, there: str) -> Port:
        """The laser terminal of `here` that looks at `there`."""
        ports = self.nodes[here].ports
        port = ports.get(there)
        if port is None:
            port = ports[there] = Port(there)
        return port

    def _enqueue(self, here: str, port: Port, message: Message) -> None:
        if not port.queue and port.contact >= 0 and port.free_s <= self.now_s:
            bound_elsewhere = port.to == RADIO and message.target is not None and message.target != port.peer
            if not bound_elsewhere and self._send(here, port, message):
                return
        self.sequence += 1
        is_result = message.what == RESULT
        if is_result:
            port.result_bytes += message.size_bytes
        else:
            port.raw_bytes += message.size_bytes
        heappush(port.queue, (0 if is_result else 1, -message.state.task.priority, self.sequence, message))
        self._serve(here, port)

    def _uncount(self, port: Port, message: Message) -> None:
        if message.what == RESULT:
            port.result_bytes -= message.size_bytes
        else:
            port.raw_bytes -= message.size_bytes

    def _serve(self, here: str, port: Port) -> None:
        """Send the most urgent message if the transmitter is free and the contact lasts long enough."""
        if port.contact < 0 or not port.queue:
            return
        now_s = self.now_s
        if port.free_s > now_s:
            if not port.armed:
                port.armed = True
                self.orders.append(Wake(here, port.to, port.free_s))
            return
        entry = self._next(port)
        if entry is None:
            return
        if not self._send(here, port, entry[3]):
            heappush(port.queue, entry)
            return
        self._uncount(port, entry[3])
        if port.queue:
            port.armed = True
            self.orders.append(Wake(here, port.to, port.free_s))

    def _send(self, here: str, port: Port, message: Message) -> bool:
        """Put a message on the port's open contact now; False if what is left of the contact is too short for it."""
        now_s = self.now_s
        contact = self.contacts[port.contact]
        size_bytes = message.size_bytes
        free_s = finish_s(contact, now_s, size_bytes * 8)
        if free_s is None:
            return False
        peer = port.peer
        port.free_s = message.free_s = free_s
        port.tx_s += free_s - now_s
        account = port.account
        if account is None:
            account = port.account = self.accounts.setdefault((here, peer), LinkAccount())
        account.sent_bytes += size_bytes
        message.account = account
        message.hop = peer
        task = message.state.task.id
        what = message.what
        self.in_flight[task, what] = message
        deliver_s = message.deliver_s = free_s + delay_s(contact, contact.a == here, free_s)
        self.orders.append(Send(here, peer, task, what, port.contact, size_bytes, now_s, free_s, deliver_s))
        return True

    def _next(self, port: Port) -> tuple[int, int, int, Message] | None:
        """Take the first queued message that this contact leads to: any, or those for its own station."""
        if port.to != RADIO:
            return heappop(port.queue)
        skipped = []
        found = None
        while port.queue:
            entry = heappop(port.queue)
            target = entry[3].target
            if target is None or target == port.peer:
                found = entry
                break
            skipped.append(entry)
        for entry in skipped:
            heappush(port.queue, entry)
        return found

    # routes

    def routes(self, source: str) -> tuple[dict[str, float], dict[str, str]]:
        """Least delay in seconds, and the next hop, from `source` to every node reachable over open contacts."""
        now_s = self.now_s
        if now_s >= self._refresh_at_s:
            self._refresh_at_s = (now_s // self.refresh_s + 1.0) * self.refresh_s
            contacts = self.contacts
            self._weights = {
                a: {b: delay_s(contacts[n], contacts[n].a == a, now_s) for b, n in peers.items()}
                for a, peers in self.open.items()
            }
            self._routes = {}
            self._future = {}
        found = self._routes.get(source)
        if found is None:
            found = self._routes[source] = least_delay(self._weights, source)
        return found

    def _first_future_hop(self, here: str, target: str) -> str | None:
        key = (here, target)
        if key not in self._future:
            route = earliest_arrival(self.graph, here, target, self.now_s)
            self._future[key] = route.hops[0] if route is not None and route.hops else None
        return self._future[key]

    def reachable(self, here: str, target: str) -> bool:
        """Whether any contact within the run leads from `here` to `target`, now or later."""
        return here == target or target in self.routes(here)[1] or self._first_future_hop(here, target) is not None

    def transfer_s(self, here: str, target: str, size_bytes: int) -> float:
        """Expected seconds to have `size_bytes` at `target` over open contacts: queues, serialisation, light."""
        if here == target:
            return 0.0
        hops = self.routes(here)[1]
        if target not in hops:
            return inf
        total_s = 0.0
        while here != target:
            hop = self.routes(here)[1].get(target)
            if hop is None:
                return inf
            contact = self.contacts[self.open[here][hop]]
            node = self.nodes[here]
            port = node.radio if self.nodes[hop].kind == STATION else self.port(here, hop)
            queued_bytes = port.raw_bytes + port.result_bytes
            step = int((self.now_s - contact.start_s) / contact.step_s)
            rate = contact.bits_per_s[min(len(contact.bits_per_s) - 1, step)]
            total_s += max(0.0, port.free_s - self.now_s) + (queued_bytes + size_bytes) * 8 / rate
            total_s += self._weights[here][hop]
            here = hop
        return total_s

    def ground_s(self, here: str, size_bytes: int, result: bool) -> float:
        """Expected seconds to have `size_bytes` on the ground by the node's own radio, queue included."""
        radio = self.nodes[here].radio
        bits = (radio.result_bytes + size_bytes + (0 if result else radio.raw_bytes)) * 8.0
        start_s = max(self.now_s, radio.free_s)
        for number in self.passes[here]:
            contact = self.contacts[number]
            if contact.stop_s <= start_s or not self.nodes[contact.b].up:
                continue
            from_s = max(start_s, contact.start_s)
            end_s = finish_s(contact, from_s, bits)
            if end_s is not None:
                return end_s + delay_s(contact, True, end_s) - self.now_s
            bits -= bits_until(contact, from_s, contact.stop_s)
        return inf

    def best_radio(self, here: str, message: Message) -> str:
        """The satellite, reachable now, whose radio is expected to have the message down first; ties by name."""
        result = message.what == RESULT
        best = (self.ground_s(here, message.size_bytes, result), here)
        for name, delay in self.routes(here)[0].items():
            if name == here or not self.passes[name]:
                continue
            if delay < best[0]:
                own_s = self.ground_s(name, message.size_bytes, result)
                if own_s < best[0]:
                    total_s = own_s + self.transfer_s(here, name, message.size_bytes)
                    best = min(best, (total_s, name))
        return best[1]
