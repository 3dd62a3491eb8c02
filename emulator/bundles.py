"""Bundles: what applications send to each other, offered on one node, passed on whole, delivered or lost.

No clock, no sockets. The term is RFC 9171's.
"""

from typing import TYPE_CHECKING

from emulator.errors import RunFailed
from emulator.events import Offered
from emulator.orders import End
from emulator.state import BUNDLE, BundleState, Message, NodeState

if TYPE_CHECKING:
    from emulator.core import Core


def offer(core: "Core", event: Offered) -> None:
    """An application has handed over a bundle. Raises `RunFailed` for one that was offered before."""
    bundle = event.bundle
    if bundle.id in core.bundles:
        raise RunFailed(f"bundle {bundle.id} was offered twice, the second time at {event.at_s} s")
    state = core.bundles[bundle.id] = BundleState(bundle, event.at_s)
    node = core.nodes[event.node]
    if not node.up:
        end(core, state, "lost", "node down")
        return
    if bundle.target not in core.nodes:
        end(core, state, "lost", f"there is no node {bundle.target}")
        return
    node.stored_bytes += bundle.size_bytes
    pass_on(core, Message(state, BUNDLE, bundle.size_bytes, bundle.target, True), state, node)


def pass_on(core: "Core", message: Message, state: BundleState, node: NodeState) -> None:
    """A bundle is whole on a node: store it and send it on, or it has arrived."""
    state.at = node.name
    if node.name == state.bundle.target:  # its application has it, however full the storage is
        node.stored_bytes -= message.size_bytes
        state.delivered_s = core.now_s
        end(core, state, "done", "")
    elif node.stored_bytes > node.storage_bytes:
        node.stored_bytes -= message.size_bytes
        end(core, state, "lost", "storage full")
    else:
        core.transport.forward(message, node.name)


def end(core: "Core", state: BundleState, how: str, reason: str) -> None:
    """A bundle is `done` or `lost`, and why."""
    state.how, state.reason = how, reason
    core.moment.orders.append(End(state.bundle.id, how, reason))
