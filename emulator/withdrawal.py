"""Takes messages off links and out of queues: with a node that died, or because nobody wants them any more.

No clock, no sockets; every byte that was put on a link and does not arrive is entered as lost.
"""

from emulator.state import Message
from emulator.transport import Transport


def lose(transport: Transport, name: str) -> tuple[list[Message], list[Message]]:
    """A node died. Returns what is lost with it, and what others still hold and must decide on again."""
    lost = [entry[3] for port in transport.ports(name) for entry in port.queue]
    lost += [m for m in transport.stranded if m.held == name]
    returned: list[Message] = []
    for key, message in list(transport.in_flight.items()):
        cut_off = message.held == name and message.free_s > transport.moment.now_s
        if not cut_off and message.hop != name:
            if message.held == name:
                message.held = ""  # it is on its way; nobody holds it until it arrives
            continue
        _ground(transport, key, message)
        (lost if cut_off or not message.held else returned).append(message)
    for other in transport.nodes:
        for port in transport.ports(other):
            bound = [entry[3] for entry in port.queue if other != name and entry[3].target == name]
            for message in bound:
                transport.uncount(port, message)
            returned += bound
            port.queue = [] if other == name else sorted(e for e in port.queue if e[3].target != name)
    transport.stranded = [m for m in transport.stranded if m.held != name]
    for port in transport.ports(name):
        port.raw_bytes = port.result_bytes = 0
    for number in transport.routes.cut_off(name):  # all at once: nothing is sent round by another link to the dead node
        transport.closed(number)
    for other, node in transport.nodes.items():
        if name in node.ports:  # what waited there for a contact to come
            transport.reroute(other, node.ports[name], relayed_only=False)
    return lost, returned


def abandon(transport: Transport, message: Message) -> None:
    """Give a message up, wherever it is; what of it is in flight arrives as an echo."""
    key = (message.id, message.what)
    if transport.in_flight.get(key) is message:
        _ground(transport, key, message)
    elif not _strike(transport, message):
        return
    if message.held:
        transport.nodes[message.held].stored_bytes -= message.kept_bytes


def halt(transport: Transport, message: Message) -> bool:
    """Let a message go no further than it is, or than the hop it is on; whether it is at rest now."""
    if transport.in_flight.get((message.id, message.what)) is message:
        message.target = message.hop
        return False
    _strike(transport, message)
    return True


def _ground(transport: Transport, key: tuple[str, str], message: Message) -> None:
    """Off the link it is on."""
    del transport.in_flight[key]
    if message.account is not None:
        message.account.lost_bytes += message.size_bytes


def _strike(transport: Transport, message: Message) -> bool:
    """Out of whatever it waits in; whether it waited."""
    for pile in (transport.stranded, transport.overflowed):
        if message in pile:
            pile.remove(message)
            return True
    for port in transport.ports(message.held) if message.held else ():
        kept = sorted(entry for entry in port.queue if entry[3] is not message)
        if len(kept) < len(port.queue):
            port.queue = kept  # sorted, hence a heap
            transport.uncount(port, message)
            return True
    return False
