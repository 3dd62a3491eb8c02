"""Small worlds by hand, run to their end by the virtual engine; everything takes a round number of seconds.

Laser and radio carry 1,000 bytes a second, a processor does 1e9 operations a second, a clear scene of 1,000 bytes
gives a product of 500. Light takes 0.25 s over a laser and 0.125 s over a radio: exact in binary.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.core import Core
from emulator.decision_log import DecisionLog
from emulator.decisions import Assign, Decision, WakeAt
from emulator.events import Captured, ContactClosed, ContactOpened, Event, NodeFailed, NodeRecovered, SunRose, SunSet
from emulator.orders import End, Order, Run, Send
from emulator.recorder import Recorder
from emulator.report import summarise
from emulator.schedulers import load
from emulator.trace import SCHEMA, Header, TraceWriter
from emulator.tracing.parts import footer_of
from emulator.view import View
from emulator.virtual import run
from emulator.world import SATELLITE, STATION, NodeSpec, Settings, World
from links.contacts import Contact, ContactPlan, constant_contact
from nodes.processor import Processor
from workloads.arrivals import NEVER_S, UNIT_WORK
from workloads.tasks import ModelProfile, Outcome, Task

BYTES_PER_S = 1000.0
LASER_S, RADIO_S = 0.25, 0.125
UNITS_PER_S = 1_000_000  # of UNIT_WORK, 1,000 operations each
PRODUCT_BYTES = 500
CPU = Processor(
    name="cpu", peak_ops_per_s={"int8": 1e9}, efficiency=1.0, memory_bytes_per_s=1e15, memory_bytes=1e6,
    idle_power_w=10.0, busy_power_w=110.0,
)  # fmt: skip
BIG = ModelProfile(
    name="big", sha256="", macs=500, ops=1000, parameters=0, weight_bytes=10**9, activation_bytes=0,
    peak_activation_bytes=0, input_bytes=0,
)  # fmt: skip
CLEAR, CLOUDY = 0, 1  # tiles: one gives a product, the other nothing

Line = tuple[Event, list[Order]]


class Sim:
    """A run that has ended: its core, and every fact with its orders."""

    def __init__(self, core: Core, lines: list[Line], digest: str) -> None:
        self.core, self.lines, self.digest = core, lines, digest

    def orders(self, kind: type) -> list[Any]:
        return [order for _, orders in self.lines for order in orders if type(order) is kind]

    def sends(self) -> list[tuple[str, str, str, str, float]]:
        """(from, to, task, what, start_s) in order."""
        return [(s.node, s.to, s.task, s.what, s.start_s) for s in self.orders(Send)]

    def runs(self) -> list[tuple[str, str, float]]:
        """(node, task, start_s) in order."""
        return [(r.node, r.task, r.start_s) for r in self.orders(Run)]

    def fates(self) -> dict[str, tuple[str, str, float]]:
        """How each task ended, why and when."""
        return {o.task: (o.how, o.reason, e.at_s) for e, orders in self.lines for o in orders if type(o) is End}

    def fate(self, task: str = "t") -> tuple[str, str, float]:
        return self.fates()[task]

    def stage(self, task: str = "t") -> str:
        return self.core.tasks[task].stage


class Script:
    """A scheduler that yields what was written down for an instant, and notes what it saw each time it was asked."""

    def __init__(self, lines: dict[float, Sequence[Any]]) -> None:
        self.lines = dict(lines)
        self.asked: list[tuple[float, str]] = []
        self.rejected: list[tuple[float, str]] = []
        self._woken = False

    def decide(self, view: View) -> Iterable[Any]:
        self.asked.append((view.now_s, view.trigger))
        self.rejected += [(view.now_s, rejected.code) for rejected in view.rejected]
        if not self._woken:
            self._woken = True
            yield from [WakeAt(at_s) for at_s in self.lines if at_s > view.now_s]
        for at_s in sorted(at_s for at_s in self.lines if at_s <= view.now_s):
            yield from self.lines.pop(at_s)


class Lab:
    """Makes worlds out of few words. Satellites A, B, C and stations G, H unless told otherwise."""

    Script = Script
    cpu, big, clear, cloudy = CPU, BIG, CLEAR, CLOUDY

    def task(
        self, name: str = "t", at_s: float = 0.0, node: str = "A", *, work_s: float = 1.0, raw_bytes: int = 1000,
        priority: int = 0, tile: int = CLEAR, model: str = UNIT_WORK.name, deadline_s: float = NEVER_S,
    ) -> Task:  # fmt: skip
        return Task(name, at_s, node, raw_bytes, model, int(work_s * UNITS_PER_S), tile, deadline_s, priority)

    def laser(self, a: str, b: str, start_s: float = 0.0, stop_s: float = 100.0, delay_s: float = LASER_S) -> Contact:
        return constant_contact(a, b, start_s, stop_s, delay_s, 8 * BYTES_PER_S)

    def radio(self, a: str, b: str = "G", start_s: float = 0.0, stop_s: float = 100.0) -> Contact:
        return constant_contact(a, b, start_s, stop_s, RADIO_S, 8 * BYTES_PER_S, "radio")

    def everywhere(self, node: str, relay: bool = False) -> Callable[[View], list[Decision]]:
        """A scheduler that assigns everything to one node."""
        return lambda view: [Assign(task.id, node, relay) for task in view.waiting]

    def world(
        self, contacts: Iterable[Contact] = (), *, satellites: str = "ABC", stations: str = "GH",
        specs: dict[str, dict[str, Any]] | None = None, duration_s: float = 100.0, **settings: Any,
    ) -> World:  # fmt: skip
        specs = specs or {}
        kinds = [(name, SATELLITE) for name in satellites] + [(name, STATION) for name in stations]
        nodes = [
            NodeSpec(**{"name": name, "kind": kind, "processor": CPU} | specs.get(name, {})) for name, kind in kinds
        ]
        ordered = tuple(sorted(contacts, key=lambda c: (c.start_s, c.a, c.b)))
        return World(
            nodes=nodes,
            plan=ContactPlan(duration_s, ordered, ()),
            models={UNIT_WORK.name: UNIT_WORK, BIG.name: BIG},
            settings=Settings(duration_s=duration_s, batch=1, **settings),
        )

    def facts(self, world: World, tasks: Iterable[Task], faults: Iterable[Event] = ()) -> list[Event]:
        """Captures, contacts and faults, in no order."""
        facts: list[Event] = [Captured(task.at_s, task.node, task) for task in tasks]
        for number, contact in enumerate(world.plan.contacts):
            facts.append(ContactOpened(contact.start_s, contact.a, number))
            facts.append(ContactClosed(contact.stop_s, contact.a, number))
        return facts + list(faults)

    def infer(self, task: Task) -> Outcome:
        return Outcome("cloudy", 1.0, 0) if task.tile == CLOUDY else Outcome("clear", 0.0, PRODUCT_BYTES)

    def go(
        self, decide: Any, tasks: Iterable[Task], contacts: Iterable[Contact] = (), faults: Iterable[Event] = (),
        **world: Any,
    ) -> Sim:  # fmt: skip
        built = self.world(contacts, **world)
        return self.run(built, self.facts(built, tasks, faults), decide)

    def run(self, world: World, facts: Iterable[Event], decide: Any) -> Sim:
        core = Core(world, decide)
        lines: list[Line] = []
        recorder = Recorder(core)

        class Door:
            def handle(self, event: Event) -> list[Order]:
                orders = recorder.handle(event)
                lines.append((event, orders))
                return orders

        run(Door(), facts, world.settings.duration_s, self.infer)
        return Sim(core, lines, recorder.digest())

    def record(self, folder: Path, block_lines: int = 8, resume: bool = False, tasks: int = 12) -> bytes:
        """A small run whose trace, of many blocks, is kept in `folder`; returns the lines of its log."""
        world = self.world([self.laser("A", "B", 0.5, 30.0), self.radio("B", "G", 5.0, 60.0)])
        facts = self.facts(world, [self.task(f"{n:02d}", 0.5 * n, "AB"[n % 2], work_s=2.0) for n in range(tasks)])
        answers = DecisionLog()
        core = Core(world, answers.watched(load("mesh", lambda: 0.0)))
        header = Header(
            schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
            epoch="2025-10-03T16:00:00Z", policy="mesh", seed=1, engine="virtual",
        )  # fmt: skip
        with TraceWriter(folder, resume) as writer:
            writer.begin(header, world)
            recorder = Recorder(core, writer.write, answers, block_lines)
            run(recorder, facts, world.settings.duration_s, self.infer)
            ended = msgspec.structs.replace(header, events=recorder.events, digest=recorder.digest())
            row = summarise(core, "mesh", recorder.digest())
            writer.close(ended, world, row, None, footer_of(core, ended))
        return gzip.decompress((folder / "events.jsonl.gz").read_bytes())


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


class Held:
    """What `emulator.trace.Trace` offers to whoever exports it, of a run that was just made."""

    closed, missing, folder, keeps_decisions = True, "", Path("by-hand"), False

    def __init__(self, sim: Sim) -> None:
        self.sim, self.world = sim, sim.core.world
        self.header = Header(
            schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
            epoch="2025-10-03T16:00:00Z", policy="mesh", seed=1, engine="virtual", digest=sim.digest,
        )  # fmt: skip

    def lines(self, from_s: float | None = None) -> Iterator[tuple[int, bytes, Line]]:
        for number, line in enumerate(self.sim.lines, 1):
            if from_s is None or line[0].at_s >= from_s:
                yield number, b"", line


@pytest.fixture(scope="session")
def held() -> type[Held]:
    return Held


@pytest.fixture(scope="session")
def stormy(lab: Lab) -> Callable[..., Held]:
    """Thirty scenes, one every 375 ms, over three satellites of which one fails and comes back, and one goes dark."""

    def make(policy: str = "mesh", failed_s: float = 4.0) -> Held:
        contacts = [
            lab.laser("A", "B", 0.5, 30.0),
            lab.laser("B", "C"),
            lab.radio("B", "G", 5.0, 60.0),
            lab.radio("C", "H", 9.0),
        ]
        tasks = [
            lab.task(f"{n:02d}", 0.375 * n, "ABC"[n % 3], work_s=2.0, priority=n % 2, tile=int(n % 4 == 1))
            for n in range(30)
        ]
        faults = [NodeFailed(failed_s, "C"), NodeRecovered(failed_s + 4.0, "C"), SunSet(3.0, "A"), SunRose(50.0, "A")]
        world = lab.world(contacts, specs={"A": {"storage_bytes": 6000.0}})
        return Held(lab.run(world, lab.facts(world, tasks, faults), load(policy, lambda: 0.0)))

    return make
