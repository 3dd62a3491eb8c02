"""The ledger: what went in equals what came out, for tasks, bytes and operations.

Checked at the end of every run; a mismatch fails the run.
"""

from typing import TYPE_CHECKING

import msgspec

from emulator.errors import LedgerMismatch
from emulator.state import BUNDLE, ENDED, QUEUED, RUNNING, WAITING, Message, SceneState

if TYPE_CHECKING:
    from emulator.core import Core


class Counts(msgspec.Struct, frozen=True):
    """Tasks by how they ended; captured = done + dropped + lost + pending."""

    captured: int
    done: int
    dropped: int
    lost: int
    pending: int


class BundleCounts(msgspec.Struct, frozen=True):
    """Bundles of applications by how they ended; offered = done + lost + pending."""

    offered: int
    done: int
    lost: int
    pending: int


def bundle_counts(core: "Core") -> BundleCounts:
    """Count the bundles one by one."""
    found = {"done": 0, "lost": 0, "": 0}
    for state in core.bundles.values():
        found[state.how] += 1
    return BundleCounts(len(core.bundles), found["done"], found["lost"], found[""])


def counts(core: "Core") -> Counts:
    """Count the tasks one by one."""
    found = {"done": 0, "dropped": 0, "lost": 0, "pending": 0}
    for state in core.tasks.values():
        found[state.how if state.stage == ENDED else "pending"] += 1
    return Counts(captured=len(core.tasks), **found)


def check(core: "Core") -> None:
    """Raise `LedgerMismatch` unless tasks, bytes on every link and operations on every node add up."""
    total = counts(core)
    ended = core.ended
    if (total.done, total.dropped, total.lost) != (ended["done"], ended["dropped"], ended["lost"]):
        raise LedgerMismatch(f"tasks counted one by one give {total}, the running count {ended}")
    if total.captured != total.done + total.dropped + total.lost + total.pending:
        raise LedgerMismatch(f"captured is not done + dropped + lost + pending: {total}")
    _check_bundles(core)
    _check_bytes(core)
    _check_storage(core)
    for node in core.nodes.values():
        if node.budget is not None and node.budget.ops > node.budget.peak_ops_per_s * core.now_s * (1 + 1e-9):
            raise LedgerMismatch(
                f"{node.name} did {node.budget.ops} operations in {core.now_s} s with "
                f"{node.budget.peak_ops_per_s} operations per second"
            )


def _check_bundles(core: "Core") -> None:
    """What has not ended is on its way: in flight, in a queue, or stranded, once."""
    there = sorted(message.id for message in _under_way(core) if message.what == BUNDLE)
    open_ones = sorted(name for name, state in core.bundles.items() if not state.how)
    if there != open_ones:
        raise LedgerMismatch(f"{len(open_ones)} bundles have not ended, {len(there)} are on their way: they differ")


def _check_bytes(core: "Core") -> None:
    flying: dict[int, int] = {}
    for message in core.transport.in_flight.values():
        flying[id(message.account)] = flying.get(id(message.account), 0) + message.size_bytes
    for (here, there), account in core.transport.accounts.items():
        in_flight = flying.get(id(account), 0)
        rest = account.sent_bytes - account.received_bytes - account.lost_bytes - in_flight
        if rest != 0:
            raise LedgerMismatch(
                f"link {here} to {there}: sent {account.sent_bytes} B, received {account.received_bytes} B, "
                f"lost {account.lost_bytes} B, in flight {in_flight} B: {rest} B do not add up"
            )


def _under_way(core: "Core") -> list[Message]:
    """Every message, in flight, in a queue, or stranded, once."""
    found = [*core.transport.in_flight.values(), *core.transport.stranded]
    for node in core.nodes.values():
        for port in (node.radio, *node.ports.values()):
            found += [entry[3] for entry in port.queue]
    return found


def _check_storage(core: "Core") -> None:
    """What a node counts as stored is what lies there: scenes, data between stages, messages that wait."""
    lying = dict.fromkeys(core.nodes, 0)
    for state in core.tasks.values():
        if isinstance(state, SceneState):
            for blob in state.blobs:
                lying[blob.at] += 0 if blob.message is not None else blob.size_bytes
        elif state.stage in (WAITING, QUEUED, RUNNING):
            lying[state.at] += state.task.raw_bytes
    for message in _under_way(core):
        if message.held:
            lying[message.held] += message.kept_bytes
    for name, node in core.nodes.items():
        if node.stored_bytes != lying[name]:
            raise LedgerMismatch(
                f"{name} counts {node.stored_bytes} B as stored at the end, but {lying[name]} B lie there"
            )
