"""What else was going on while a task waited: who used the transmitters and processors it waited for, who was down.

One pass over the log for all waits of a task, which decodes only lines that name the nodes in question.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from emulator.events import Event, Finished, NodeFailed, NodeRecovered
from emulator.orders import Cancel, Order, Run, Send
from emulator.tracing.ends import ends_run, loses_run
from emulator.tracing.reader import Line, Trace
from emulator.tracing.spans import Span


class Watch(NamedTuple):
    """A node whose transmitters and processor are watched between two instants."""

    node: str
    from_s: float
    to_s: float


class Evidence:
    """Sends and runs of nodes at some time while they were watched, and when any node was down."""

    def __init__(self, watches: Iterable[Watch]) -> None:
        self.sends: dict[str, list[Send]] = {}  # by node, in order
        self.runs: dict[str, list[tuple[Run, float]]] = {}  # with the instant at which they ended, or were to
        self.outages: dict[str, list[Span]] = {}
        self._watched: dict[str, list[Span]] = {}
        for watch in watches:
            self._watched.setdefault(watch.node, []).append((watch.from_s, watch.to_s))
        self._under_way: dict[tuple[str, str], Run] = {}
        self._down: dict[str, float] = {}

    def sent(self, node: str, from_s: float, to_s: float) -> list[Send]:
        """What `node` was sending at some time between two instants."""
        return [each for each in self.sends.get(node, ()) if each.free_s > from_s and each.start_s < to_s]

    def ran(self, node: str, from_s: float, to_s: float) -> list[tuple[Run, float]]:
        """What `node` was running at some time between two instants, and when each ended."""
        return [each for each in self.runs.get(node, ()) if each[1] > from_s and each[0].start_s < to_s]

    def read(self, trace: Trace) -> None:
        """Read the log up to the last instant that is watched."""
        if not self._watched:
            return
        last_s = max(to_s for spans in self._watched.values() for _, to_s in spans)
        names = b"|".join(re.escape(msgspec.json.encode(node)) for node in sorted(self._watched))
        about = re.compile(names + rb'|^\[\["(?:failed|recovered)"')
        decode = msgspec.json.Decoder(Line).decode
        for first, raw in trace.chunks(to_s=last_s):
            for number, line in enumerate(raw.splitlines(), first):
                if about.search(line):
                    event, orders = trace.decoded(number, line, decode)
                    if event.at_s <= last_s:
                        self._take(event, orders)
        for run in list(self._under_way.values()):
            self._end(run, run.finish_s)
        for node, since_s in self._down.items():
            self.outages.setdefault(node, []).append((since_s, last_s))

    def _take(self, event: Event, orders: list[Order]) -> None:
        if isinstance(event, Finished):
            self._ended(event, event.at_s)
        elif isinstance(event, NodeFailed):
            self._down.setdefault(event.node, event.at_s)
            for run in [run for run in self._under_way.values() if loses_run(event, run)]:
                self._end(run, event.at_s)
        elif isinstance(event, NodeRecovered) and event.node in self._down:
            self.outages.setdefault(event.node, []).append((self._down.pop(event.node), event.at_s))
        for order in orders:
            if isinstance(order, Send) and self._meets(order.node, order.start_s, order.free_s):
                self.sends.setdefault(order.node, []).append(order)
            elif isinstance(order, Run) and order.node in self._watched:
                self._under_way[order.node, order.task] = order
            elif isinstance(order, Cancel):
                self._ended(order, event.at_s)

    def _ended(self, said: Finished | Cancel, at_s: float) -> None:
        run = self._under_way.get((said.node, said.task))
        if run is not None and ends_run(said, run):
            self._end(run, at_s)

    def _end(self, run: Run, at_s: float) -> None:
        del self._under_way[run.node, run.task]
        if self._meets(run.node, run.start_s, at_s):
            self.runs.setdefault(run.node, []).append((run, at_s))

    def _meets(self, node: str, start_s: float, stop_s: float) -> bool:
        return any(stop_s > from_s and start_s < to_s for from_s, to_s in self._watched.get(node, ()))
