"""What ends what in a trace: which messages and runs a fact or a cancellation ends, and which a failed node loses.

The rules are the core's, told once: `story.py`, `walk.py` and `evidence.py` all ask here. A fact that ends nothing
under way is an echo, of what had been lost, cancelled or withdrawn before it was told.
"""

from emulator.events import Delivered, Event, Finished, Missed, NodeFailed, Offered
from emulator.orders import Cancel, Run, Send
from emulator.state import BUNDLE


def ends_message(said: Delivered | Missed, send: Send | None) -> bool:
    """Whether it ends the message of its id and kind that is on its way, if one is: there, and not before it can be."""
    if send is None or send.to != said.node:
        return False
    return isinstance(said, Missed) or said.at_s >= send.deliver_s


def ends_run(said: Finished | Cancel, run: Run | None) -> bool:
    """Whether it ends the run of its id that is under way, if one is, and not one before that."""
    return run is not None and run.run == said.run


def loses_message(failed: NodeFailed, send: Send) -> bool:
    """Whether a message on its way is lost with a node: bound for there, or not yet gone from it to the last bit."""
    return failed.node == send.to or (failed.node == send.node and send.free_s > failed.at_s)


def loses_run(failed: NodeFailed, run: Run) -> bool:
    """Whether a run is lost with a node: what runs there."""
    return failed.node == run.node


def ends_bundle(event: Event) -> bool:
    """Whether an order that this fact led to ends a bundle first, if there is one of that name."""
    return isinstance(event, Offered) or getattr(event, "what", "") == BUNDLE
