"""Twelve nodes in a ring pass tasks on, process them and send the answer down: one model, three engines.

The same arrivals, the same work, the same constant delays and rates, in the emulator's core, in SimPy and in a bare
heap of tuples. Every task crosses 0 to 3 links (store and forward, FIFO), is processed (FIFO), and its answer goes
down by the radio of the node it was processed on. All three must agree on when each task ends.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

import simpy

from emulator.core import Core
from emulator.decision_log import DecisionLog
from emulator.decisions import Assign, Decision
from emulator.events import Captured, ContactOpened, Event
from emulator.recorder import Door, Recorder
from emulator.trace import TraceWriter
from emulator.view import View
from emulator.virtual import run
from emulator.world import SATELLITE, STATION, NodeSpec, Settings, World
from links.contacts import ContactPlan, constant_contact
from nodes.processor import Processor
from workloads.arrivals import UNIT_WORK
from workloads.streams import choices, exponentials, stream
from workloads.tasks import Outcome, Task

NODES = 12
HOP_S = 0.011876  # the ring of twelve at 500 km
DOWN_S = 0.003
RAW_BYTES = 1_000_000
RESULT_BYTES = 10_000
LASER_BITS_PER_S = 1e9  # 8 ms a hop, so that links queue
RADIO_BITS_PER_S = 1e9
OPS_PER_S = 1e9
UNITS = 40_000  # 40 ms of work
RAW_S = RAW_BYTES * 8 / LASER_BITS_PER_S
WORK_S = UNITS * UNIT_WORK.ops / OPS_PER_S
RESULT_S = RESULT_BYTES * 8 / RADIO_BITS_PER_S
RATE_PER_S = 15.0  # a node, 60 % busy
END_S = 36_000.0  # all is over long before
SATELLITES = [f"S{i:02d}" for i in range(NODES)]

Arrival = tuple[float, int, int]  # at_s, node, hops


def arrivals(duration_s: float, seed: int = 1) -> list[Arrival]:
    """Poisson arrivals at every node, each bound 0 to 3 links ahead, in order of time."""
    found: list[Arrival] = []
    for node, name in enumerate(SATELLITES):
        source = stream(seed, "store-and-forward", name)
        number = int(duration_s * RATE_PER_S * 1.5) + 50
        hops = choices(stream(seed, "store-and-forward-hops", name), number, 4).tolist()
        at_s = 0.0
        for gap_s, ahead in zip(exponentials(source, number, 1.0 / RATE_PER_S), hops, strict=True):
            at_s += gap_s
            if at_s < duration_s:
                found.append((at_s, node, ahead))
    return sorted(found)


def ring() -> tuple[World, list[Event]]:
    """The twelve as the core is told of them, and the facts that open their links: a station below every satellite."""
    contacts = []
    for i, name in enumerate(SATELLITES):
        a, b = sorted((name, SATELLITES[(i + 1) % NODES]))
        contacts.append(constant_contact(a, b, 0.0, END_S, HOP_S, LASER_BITS_PER_S))
        contacts.append(constant_contact(name, f"G{i:02d}", 0.0, END_S, DOWN_S, RADIO_BITS_PER_S, "radio"))
    contacts.sort(key=lambda c: (c.start_s, c.a, c.b))
    processor = Processor(
        name="unit", peak_ops_per_s={"int8": OPS_PER_S}, efficiency=1.0, memory_bytes_per_s=1e15, memory_bytes=1e15,
        idle_power_w=0.0, busy_power_w=0.0,
    )  # fmt: skip
    nodes = [NodeSpec(name=name, kind=SATELLITE, processor=processor) for name in SATELLITES]
    nodes += [NodeSpec(name=f"G{i:02d}", kind=STATION) for i in range(NODES)]
    world = World(
        nodes=nodes,
        plan=ContactPlan(END_S, tuple(contacts), ()),
        models={UNIT_WORK.name: UNIT_WORK},
        settings=Settings(duration_s=END_S, batch=1, route_refresh_s=END_S),
    )
    return world, [ContactOpened(0.0, c.a, n) for n, c in enumerate(contacts)]


class InTheCore:
    """The emulator's core behind its recorder, built and ready; `run` is what is timed, and can be called once."""

    def __init__(self, tasks: list[Arrival], record: bool = True, writer: TraceWriter | None = None) -> None:
        world, self._facts = ring()
        bound = {}
        self._names = [f"{number:06d}" for number in range(len(tasks))]
        for name, (at_s, node, hops) in zip(self._names, tasks, strict=True):
            bound[name] = SATELLITES[(node + hops) % NODES]
            task = Task(name, at_s, SATELLITES[node], RAW_BYTES, UNIT_WORK.name, UNITS, 0, 1e9, 0)
            self._facts.append(Captured(at_s, task.node, task))

        def ahead(view: View) -> Iterator[Decision]:
            for task in view.waiting:
                yield Assign(task.id, bound[task.id], relay=False)

        answers = DecisionLog() if writer is not None else None
        self.scheduler = ahead
        self.core = Core(world, answers.watched(ahead) if answers is not None else ahead)
        self._recorder = Recorder(self.core, writer.write if writer is not None else None, answers)
        self._door: Door = self._recorder if record else self.core

    def run(self) -> int:
        """Run to the end, digest included; returns the events handled."""
        answer = Outcome("clear", 0.0, RESULT_BYTES)
        run(self._door, self._facts, END_S, lambda task: answer)
        self._recorder.digest()
        return self.core.events

    def digest(self) -> str:
        """Of all that was recorded."""
        return self._recorder.digest()

    def ends(self) -> list[float]:
        """When each task ended, in order of arrival."""
        return [self.core.tasks[name].delivered_s for name in self._names]


def in_simpy(tasks: list[Arrival]) -> tuple[list[float], int]:
    """The same in SimPy: a process per task, a resource per transmitter and processor."""
    env = simpy.Environment()
    links = [simpy.Resource(env) for _ in SATELLITES]
    processors = [simpy.Resource(env) for _ in SATELLITES]
    radios = [simpy.Resource(env) for _ in SATELLITES]
    ends = [0.0] * len(tasks)
    raw_s, work_s, down_s = RAW_S, WORK_S, RESULT_S

    def life(number, at_s, node, hops):  # type: ignore[no-untyped-def]
        yield env.timeout(at_s)
        for _ in range(hops):
            with links[node].request() as turn:
                yield turn
                yield env.timeout(raw_s)
            yield env.timeout(HOP_S)
            node = (node + 1) % NODES
        with processors[node].request() as turn:
            yield turn
            yield env.timeout(work_s)
        with radios[node].request() as turn:
            yield turn
            yield env.timeout(down_s)
        yield env.timeout(DOWN_S)
        ends[number] = env.now

    for number, (at_s, node, hops) in enumerate(tasks):
        env.process(life(number, at_s, node, hops))
    events = 0
    while env.peek() != float("inf"):
        env.step()
        events += 1
    return ends, events


def in_a_heap(tasks: list[Arrival]) -> tuple[list[float], int]:
    """The same in a bare heap of tuples: the practical limit in Python, with nothing kept or checked."""
    raw_s, work_s, down_s = RAW_S, WORK_S, RESULT_S
    heap: list[tuple[float, int, int, int, int]] = []  # at_s, sequence, task, node, hops left (-1: processed)
    tick = count()
    for number, (at_s, node, hops) in enumerate(tasks):
        heappush(heap, (at_s, next(tick), number, node, hops))
    link_free, processor_free, radio_free = [0.0] * NODES, [0.0] * NODES, [0.0] * NODES
    ends = [0.0] * len(tasks)
    events = 0
    while heap:
        now_s, _, number, node, hops = heappop(heap)
        events += 1
        if hops > 0:
            free_s = link_free[node] = max(now_s, link_free[node]) + raw_s
            heappush(heap, (free_s + HOP_S, next(tick), number, (node + 1) % NODES, hops - 1))
        elif hops == 0:
            free_s = processor_free[node] = max(now_s, processor_free[node]) + work_s
            heappush(heap, (free_s, next(tick), number, node, -1))
        elif hops == -1:
            free_s = radio_free[node] = max(now_s, radio_free[node]) + down_s
            heappush(heap, (free_s + DOWN_S, next(tick), number, node, -2))
        else:
            ends[number] = now_s
    return ends, events
