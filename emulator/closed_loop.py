"""Closed-loop arrivals: a satellite asks its next task when the one before has ended, after a time to think.

Between recorder and engine, virtual or live: an end sets a timer, and the timer becomes the capture of the next
task. The core and the trace see captures like any others, so a trace replays without this. Terms: Schroeder,
Wierman, Harchol-Balter, "Open Versus Closed: A Cautionary Tale", NSDI 2006.
"""

from collections import deque
from collections.abc import Sequence
from math import inf

import msgspec

from emulator.events import Captured, Event, TimerRang
from emulator.orders import End, Order, Wake
from emulator.recorder import Door
from workloads.imaging import TICKS_PER_S
from workloads.tasks import Task

TIMER = "next of the closed loop"  # no timer of the core has this name


class ClosedLoop:
    """The door of a run whose tasks wait for each other; `later` are the tasks after each satellite's first.

    `later` come by satellite in their order, with `deadline_s` counted from an `at_s` of 0.
    """

    def __init__(self, door: Door, later: Sequence[Task], think_s: float) -> None:
        self._handle = door.handle
        self._think_s = think_s
        self._later: dict[str, deque[Task]] = {}
        for task in later:
            self._later.setdefault(task.node, deque()).append(task)
        self._asked: dict[str, str] = {}  # task -> the satellite that waits for it

    def handle(self, event: Event) -> list[Order]:
        """Hand the fact on, the timer of a next task as its capture; ends of tasks set the timer of the next."""
        if isinstance(event, TimerRang) and event.timer == TIMER:
            task = self._later[event.node].popleft()
            task = msgspec.structs.replace(task, at_s=event.at_s, deadline_s=event.at_s + task.deadline_s)
            event = Captured(event.at_s, event.node, task)
        if isinstance(event, Captured):
            self._asked[event.task.id] = event.node
        orders = self._handle(event)
        ended = [order.task for order in orders if isinstance(order, End) and order.task in self._asked]
        return [*orders, *self._next(ended, event.at_s)] if ended else orders

    def _next(self, ended: Sequence[str], now_s: float) -> list[Order]:
        at_s = round((now_s + self._think_s) * TICKS_PER_S) / TICKS_PER_S
        nodes = [self._asked.pop(name) for name in ended]
        return [Wake(node, TIMER, max(now_s, at_s)) for node in nodes if self._later.get(node)]


def unasked(later: Sequence[Task]) -> list[Event]:
    """The tasks whose instant is not known yet, as captures that never come: what the engine knows runs by."""
    return [Captured(inf, task.node, task) for task in later]
