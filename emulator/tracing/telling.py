"""Reads a trace into records: the whole of it, or what began between two instants, with everything that came of that.

A line that speaks of what no line before it has, or that goes back in time, is a `TraceError` with its number, as is a
world that cannot be.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emulator.errors import TraceError
from emulator.events import Event
from emulator.orders import Order
from emulator.replay import DAMAGE
from emulator.tracing.reader import Trace
from emulator.tracing.records import Sink
from emulator.tracing.story import Story

Hear = Callable[[int, Event, list[Order]], None]


def tell(
    trace: Trace, sink: Sink, hear: Hear | None = None, from_s: float | None = None, to_s: float | None = None
) -> Story:
    """Read a trace into `sink`; `hear` is given each line too, with its number, after what it ended was handed on.

    With instants, only of what began then: it is followed beyond `to_s` to its end, and no further.
    Raises `TraceError`, naming the line, for a trace that contradicts itself.
    """
    return deque(telling(trace, sink, hear, from_s, to_s), maxlen=1).pop()


def telling(
    trace: Trace, sink: Sink, hear: Hear | None = None, from_s: float | None = None, to_s: float | None = None
) -> Iterator[Story]:
    """As `tell`, line by line and once at the end, so that who calls can empty what `sink` has gathered."""
    with damage(trace):
        story = Story(trace.world, sink, strangers=from_s is not None, until_s=to_s)
    spanned = from_s is not None or to_s is not None
    last_s = 0.0
    for number, _, (event, orders) in trace.lines(from_s) if spanned else trace.lines():
        if event.at_s < last_s:
            raise TraceError(f"{trace.folder}: line {number} goes back in time, from {last_s} s to {event.at_s} s")
        last_s = event.at_s
        try:
            story.take(event, orders)
            if hear is not None and (to_s is None or event.at_s <= to_s):
                hear(number, event, orders)
        except (KeyError, IndexError) as error:
            raise contradiction(trace, number, error) from error
        if story.done:
            break
        yield story
    story.close()
    yield story


@contextmanager
def damage(trace: Trace) -> Iterator[None]:
    """What a world or a log that cannot be leads to inside is a `TraceError`.

    Around what handles a trace's own data only: what a caller gave is checked before, files are opened outside.
    """
    try:
        yield
    except DAMAGE as error:
        text = f"holds what cannot be: {type(error).__name__}: {str(error)[:200]}"
        raise TraceError(f"{trace.folder}: {text}; `orbitmesh replay` says whether the trace is whole") from error


def contradiction(trace: Trace, number: int, error: Exception) -> TraceError:
    """For a line that speaks of what the lines before it and the world do not have."""
    text = f"line {number} speaks of {str(error)[:200]}, which neither the world nor any line before it has"
    return TraceError(f"{trace.folder}: {text}; `orbitmesh replay` says whether the trace is whole")
