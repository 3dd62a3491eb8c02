"""Moves messages hop by hop over the contacts that are open, and holds them where there is none.

Store and forward: a message leaves a node when the transmitter is free, takes its bits over the contact's
rate, and arrives one light time later. Results and bundles go before raw data, urgent before others, old before
young. A transmitter's queue may have a limit in bytes; what does not fit is lost, and nothing queued makes way.
A message for a node follows the least-delay route over the open contacts, or waits for the first contact of
the earliest-arrival route over future ones. A message for the ground waits in a radio's queue; with `relay`
it first crosses the mesh to the radio that is expected to have it down first.
No clock, no sockets; IEEE additions, products and quotients only.
"""

from heapq import heappop, heappush

from emulator.orders import Send, Wake
from emulator.routes import Routes
from emulator.state import LinkAccount, Message, Moment, NodeState, Port
from emulator.world import STATION, World
from links.contacts import LASER, RADIO, Contact
from links.transfer import delay_s, finish_s


class Transport:
    """All that is between nodes: queues, messages in flight, accounts of bytes; `routes` says where to."""

    def __init__(self, world: World, nodes: dict[str, NodeState], moment: Moment) -> None:
        self.nodes = nodes
        self.moment = moment
        self.routes = Routes(world, nodes, moment)
        self.contacts = world.plan.contacts
        self.in_flight: dict[tuple[str, str], Message] = {}
        self.stranded: list[Message] = []
        self.accounts: dict[tuple[str, str], LinkAccount] = {}
        self.queue_bytes = world.settings.queue_bytes
        self.overflowed: list[Message] = []  # found no room in a queue; the core ends them
        self.sequence = 0

    # contacts

    def opened(self, number: int) -> None:
        """A contact is usable: join its ends and let what waits for it go."""
        contact = self.contacts[number]
        a, b = contact.a, contact.b
        self.routes.opened(number)
        if contact.kind == RADIO:
            port = self.nodes[a].radio
            port.contact, port.peer, port.account = number, b, None
            self._serve(a, port)
            return
        for here, there in self._ends(contact):
            port = self.nodes[here].port(there)
            port.contact = number
            self._serve(here, port)
        if contact.kind != LASER:
            return
        for name in sorted(self.routes.ways(a)[0]):  # a newly joined neighbour's radio may be sooner
            radio = self.nodes[name].radio
            if radio.queue and radio.contact < 0:
                self.reroute(name, radio, relayed_only=True)

    def closed(self, number: int) -> None:
        """A contact is over: what still waits for it is sent another way."""
        contact = self.contacts[number]
        self.routes.closed(number)
        if contact.kind == RADIO:
            node = self.nodes[contact.a]
            node.radio.contact = -1
            self.reroute(contact.a, node.radio, relayed_only=True)
            return
        for here, there in self._ends(contact):
            port = self.nodes[here].port(there)
            port.contact = -1
            self.reroute(here, port, relayed_only=False)

    def _ends(self, contact: Contact) -> tuple[tuple[str, str], ...]:
        """(from, to) of each direction in which a contact leads."""
        a, b = contact.a, contact.b
        return ((a, b), (b, a)) if contact.kind == LASER else ((a, b),)

    def reroute(self, here: str, port: Port, relayed_only: bool) -> None:
        kept: list[tuple[int, int, int, Message]] = []
        moved: list[tuple[int, int, int, Message]] = []
        for entry in sorted(port.queue):
            (moved if entry[3].relay or not relayed_only else kept).append(entry)
        port.queue = kept  # sorted, hence a heap
        for entry in moved:
            self.uncount(port, entry[3])
        for entry in moved:  # in their order, so that each finds those before it queued, and none behind it
            entry[3].via = None
            self.forward(entry[3], here)

    # messages

    def forward(self, message: Message, here: str) -> None:
        """Send a message on from the node that holds it: towards its target, or down."""
        target = message.target
        if target is None:
            via = message.via
            if message.relay and (via is None or (via != here and via not in self.routes.ways(here)[0])):
                via = message.via = self.routes.best_radio(here, message.size_bytes, not message.bulk)
            if via is None or via == here:
                self._enqueue(here, self.nodes[here].radio, message)
                return
            target = via
        elif self.nodes[target].kind == STATION and not message.relay:
            self._enqueue(here, self.nodes[here].radio, message)
            return
        hop = self.routes.ways(here)[1].get(target)
        if hop is None:
            hop = self.routes.first_future_hop(here, target)
        if hop is None:
            self.stranded.append(message)
            return
        node = self.nodes[here]
        self._enqueue(here, node.radio if self.nodes[hop].kind == STATION else self.nodes[here].port(hop), message)

    def delivered(self, task: str, what: str, here: str) -> Message | None:
        """Take a message off the wire; `None` if it was lost meanwhile and this is only its echo."""
        key = (task, what)
        message = self.in_flight.get(key)
        if message is None or message.hop != here or self.moment.now_s < message.deliver_s:
            return None
        del self.in_flight[key]
        if message.account is not None:
            message.account.received_bytes += message.size_bytes
        if message.held:
            self.nodes[message.held].stored_bytes -= message.kept_bytes
        self.nodes[here].stored_bytes += message.size_bytes
        message.kept_bytes = message.size_bytes
        message.held = here
        return message

    def missed(self, task: str, what: str, here: str) -> Message | None:
        """A message never came; `None` if it was not on its way there any more."""
        message = self.in_flight.get((task, what))
        if message is None or message.hop != here:
            return None
        del self.in_flight[task, what]
        if message.account is not None:
            message.account.lost_bytes += message.size_bytes
        if message.held:
            self.nodes[message.held].stored_bytes -= message.kept_bytes
        return message

    def restore(self, name: str) -> None:
        """A node came back: contacts that the plan has open now open again."""
        self.routes.survey()
        for number, contact in enumerate(self.contacts):
            both_up = self.nodes[contact.a].up and self.nodes[contact.b].up
            if name in (contact.a, contact.b) and both_up and contact.start_s <= self.moment.now_s < contact.stop_s:
                self.opened(number)
        stranded, self.stranded = self.stranded, []
        for message in stranded:
            self.forward(message, message.held)

    def ports(self, name: str) -> list[Port]:
        node = self.nodes[name]
        return [node.radio, *node.ports.values()]

    def transmitter_free(self, here: str, timer: str) -> None:
        """A transmitter has ended a message and looks at its queue again."""
        port = self.nodes[here].radio if timer == RADIO else self.nodes[here].port(timer)
        port.armed = False
        self._serve(here, port)

    def _enqueue(self, here: str, port: Port, message: Message) -> None:
        if not port.queue and port.contact >= 0 and port.free_s <= self.moment.now_s:
            bound_elsewhere = port.to == RADIO and message.target is not None and message.target != port.peer
            if not bound_elsewhere and self._send(here, port, message):
                return
        if self.queue_bytes is not None and port.raw_bytes + port.result_bytes + message.size_bytes > self.queue_bytes:
            self.overflowed.append(message)
            return
        self.sequence += 1
        is_raw = message.bulk
        if is_raw:
            port.raw_bytes += message.size_bytes
        else:
            port.result_bytes += message.size_bytes
        heappush(port.queue, (1 if is_raw else 0, -message.priority, self.sequence, message))
        self._serve(here, port)

    def uncount(self, port: Port, message: Message) -> None:
        if message.bulk:
            port.raw_bytes -= message.size_bytes
        else:
            port.result_bytes -= message.size_bytes

    def _serve(self, here: str, port: Port) -> None:
        """Send the most urgent message if the transmitter is free and the contact lasts long enough."""
        if port.contact < 0 or not port.queue:
            return
        now_s = self.moment.now_s
        if port.free_s > now_s:
            if not port.armed:
                port.armed = True
                self.moment.orders.append(Wake(here, port.to, port.free_s))
            return
        entry = self._next(port)
        if entry is None:
            return
        if not self._send(here, port, entry[3]):
            heappush(port.queue, entry)
            return
        self.uncount(port, entry[3])
        if port.queue:
            port.armed = True
            self.moment.orders.append(Wake(here, port.to, port.free_s))

    def _send(self, here: str, port: Port, message: Message) -> bool:
        """Put a message on the port's open contact now; False if what is left of the contact is too short for it."""
        now_s = self.moment.now_s
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
        task = message.id
        what = message.what
        self.in_flight[task, what] = message
        deliver_s = message.deliver_s = free_s + delay_s(contact, contact.a == here, free_s)
        self.moment.orders.append(Send(here, peer, task, what, port.contact, size_bytes, now_s, free_s, deliver_s))
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
