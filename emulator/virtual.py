"""The virtual engine: orders become heap entries, and time jumps to the next one.

Facts that are known beforehand (captures, contacts, sunrises, faults) are sorted once; the heap holds only what
follows from orders. Both are merged by the one order of `emulator/events.py`.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from emulator.events import RANK, Captured, Delivered, Ended, Event, Finished, TimerRang, order_key
from emulator.interpreter import seldom
from emulator.orders import Order, Run, Send, Wake
from emulator.recorder import Door
from workloads.pipeline import Pipeline, work_of
from workloads.tasks import Outcome, Task

Entry = tuple[float, int, str, int, Event]


def run(
    door: Door,
    facts: Iterable[Event],
    duration_s: float,
    infer: Callable[[Task], Outcome],
    progress: Callable[[float], None] | None = None,
    pipeline: Pipeline | None = None,
) -> None:
    """Feed the facts and all that follows from them to the core, until `duration_s`, then `Ended`.

    `infer` is called once for every run that starts; its answer goes into the `Finished` fact. `progress` is told
    the simulated time now and then. `pipeline` is the world's, if it has one: runs are then of stages.
    """
    ordered: list[Entry] = sorted((*order_key(event, n), event) for n, event in enumerate((*facts, Ended(duration_s))))
    scenes = {entry[4].task.id: entry[4].task for entry in ordered if isinstance(entry[4], Captured)}
    work = work_of(pipeline, scenes)
    with seldom():
        _until_ended(door.handle, ordered, work, infer, progress)
    if progress is not None:
        progress(duration_s)


def _until_ended(
    handle: Callable[[Event], list[Order]],
    ordered: list[Entry],
    work: Callable[[str], Task],
    infer: Callable[[Task], Outcome],
    progress: Callable[[float], None] | None,
) -> None:
    heap: list[Entry] = []
    sequence = len(ordered)
    known = iter(ordered)
    upcoming = next(known)  # `Ended` has the last rank, so that all else at its instant comes before
    delivered_rank, finished_rank, timer_rank = RANK[Delivered], RANK[Finished], RANK[TimerRang]
    handled = 0
    while True:
        if heap and heap[0] < upcoming:
            entry = heappop(heap)
        elif type(upcoming[4]) is Ended:
            break
        else:
            entry, upcoming = upcoming, next(known)
        for order in handle(entry[4]):
            sequence += 1
            if type(order) is Send:
                event: Event = Delivered(order.deliver_s, order.to, order.task, order.what)
                heappush(heap, (order.deliver_s, delivered_rank, order.to, sequence, event))
            elif type(order) is Run:
                event = Finished(order.finish_s, order.node, order.task, order.run, infer(work(order.task)))
                heappush(heap, (order.finish_s, finished_rank, order.node, sequence, event))
            elif type(order) is Wake:
                event = TimerRang(order.at_s, order.node, order.timer)
                heappush(heap, (order.at_s, timer_rank, order.node, sequence, event))
        handled += 1
        if progress is not None and not handled & 1023:
            progress(entry[0])
    handle(upcoming[4])
