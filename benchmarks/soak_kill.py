"""Kills random nodes of live runs under load, and looks whether any task, bundle or message is unaccounted for.

    python -m benchmarks.soak_kill            # a hundred kills, some two minutes on two cores
    python -m benchmarks.soak_kill --kills 5

Six satellites in a ring and two stations, as real processes; scenes are spread over all of them, and programs on four
nodes send each other messages all the while. Twice a second, or as fast as nodes come back, one of them is killed.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from emulator.assemble import Assembled, assemble, silent
from emulator.core import Core
from emulator.events import (
    Captured,
    ContactClosed,
    ContactOpened,
    Delivered,
    Ended,
    Event,
    Finished,
    Missed,
    NodeFailed,
    NodeRecovered,
)
from emulator.ledger import bundle_counts, counts
from emulator.live.figures import LiveFigures
from emulator.live.launch import Launch
from emulator.live.options import LiveOptions
from emulator.orders import Order
from emulator.recorder import Recorder
from emulator.scenario import load
from emulator.schedulers.spread import RoundRobin
from links.contacts import LASER, RADIO, UPLINK, Contact, ContactPlan, constant_contact
from nodes.client import Node, NodeClosed, NodeRefused, NodeUnreachable
from nodes.processor import Processor
from workloads.arrivals import NEVER_S
from workloads.streams import stream
from workloads.tasks import Task

SATELLITES, STATIONS = 6, 2
KILLS_A_RUN = 25
GAP_S = 0.5  # wall seconds between two kills: a process takes about as long to start on two cores
SETTLE_S = 1.5  # emulated seconds from when all are back until the end: work goes on
MOST_S = 10.0  # emulated seconds that a run may last for each kill; one that is not done by then says who is missing
LIGHT_S = 0.25
BITS_PER_S = 8e6
SCENE_S = 0.25  # from one scene of a satellite to the next
RAW_BYTES = 60_000  # 60 ms on a link
WORK_S = 0.15  # 60 % busy
TALK_S = 0.02  # wall seconds between two messages of a program
TALKERS = (0, 2, 4, SATELLITES)  # nodes with a program, one of them a station


class Tally(msgspec.Struct):
    """What a program sent, and what it was told of it."""

    sent: int = 0
    told: dict[str, int] = {}
    received: int = 0


class Soak(msgspec.Struct):
    """What came of all runs; `problems` is what does not add up."""

    kills: int = 0
    runs: int = 0
    wall_s: float = 0.0
    tasks: dict[str, int] = {}
    bundles: dict[str, int] = {}
    facts: dict[str, int] = {}
    live: dict[str, int] = {}
    reasons: dict[str, int] = {}
    programs: dict[str, int] = {}
    problems: list[str] = []


class Killer:
    """Stands where the live table is drawn, which is called some twenty times a second on the coordinator's thread."""

    def __init__(self, kills: int, seed: int) -> None:
        self.kills: list[str] = []
        self.engine: Any = None
        self._wanted = kills
        self._random = stream(seed, "soak-kill")
        self._next_s = 0.0
        self._over_s = inf

    def show(self, engine: Any, incidents: list[str]) -> None:
        self.engine = engine
        up = [name for name, node in sorted(engine.core.nodes.items()) if node.up and engine.crew.fit(name)]
        if len(self.kills) >= self._wanted:
            self._end(engine, len(up))
        elif len(up) > 1 and engine.now_s > 0.5 and time.monotonic() > self._next_s:
            self._kill(engine, up)

    def _end(self, engine: Any, up: int) -> None:
        """End the run a little after all have come back: before the core is told of a death, it believes them up."""
        members = engine.crew.members.values()
        if up == len(engine.core.nodes) and all(m.recover_s is None and m.epoch - 1 == m.deaths for m in members):
            self._over_s = min(self._over_s, engine.now_s + SETTLE_S)
        if engine.now_s >= self._over_s and engine._heap[0][0] >= engine.now_s:
            engine.duration_s = engine.now_s
            engine._push(Ended(engine.duration_s))
            self._over_s = inf

    def _kill(self, engine: Any, up: list[str]) -> None:
        name = up[int(self._random.integers(len(up)))]
        os.kill(engine.crew.supervisor.pids[name], signal.SIGKILL)
        self.kills.append(name)
        self._next_s = time.monotonic() + GAP_S

    def close(self) -> None:
        """As the board."""


def world(duration_s: float) -> Assembled:
    """A ring with two stations, of constant delays and rates, and its scenes."""
    loaded = load("three-body-live", duration_s=duration_s)
    few = msgspec.structs.replace(loaded.scenario.satellites, elements=loaded.scenario.satellites.elements[:SATELLITES])
    scenario = msgspec.structs.replace(loaded.scenario, satellites=few, stations=loaded.scenario.stations[:STATIONS])
    made = assemble(dataclasses.replace(loaded, scenario=scenario), ["round-robin"], infer=False)
    names = [node.name for node in made.world.nodes]
    ring, stations = names[:SATELLITES], names[SATELLITES:]
    contacts = [_contact(*sorted((name, ring[n - 1])), duration_s, LASER) for n, name in enumerate(ring)]
    for n, station in enumerate(stations):
        contacts += [
            _contact(ring[3 * n], station, duration_s, RADIO),
            _contact(station, ring[3 * n], duration_s, UPLINK),
        ]
    contacts.sort(key=lambda contact: (contact.start_s, contact.a, contact.b))
    model = made.world.models["cloud-screen"]
    slow = Processor(
        name="slow", peak_ops_per_s={"int8": model.ops * 1000.0}, efficiency=1.0, memory_bytes_per_s=1e15,
        memory_bytes=1e12, idle_power_w=10.0, busy_power_w=20.0,
    )  # fmt: skip
    changed = msgspec.structs.replace(
        made.world,
        nodes=[msgspec.structs.replace(node, processor=slow) for node in made.world.nodes],
        plan=ContactPlan(duration_s, tuple(contacts), ()),
        settings=msgspec.structs.replace(made.world.settings, batch=1),
    )
    facts: list[Event] = [ContactOpened(contact.start_s, contact.a, n) for n, contact in enumerate(contacts)]
    facts += [ContactClosed(c.stop_s, c.a, n) for n, c in enumerate(contacts) if c.stop_s < duration_s]
    for n, name in enumerate(ring):
        for k in range(int(duration_s / SCENE_S)):
            at_s = round(k * SCENE_S + 0.01 * n, 6)
            task = Task(f"{name}/{k}", at_s, name, RAW_BYTES, "cloud-screen", round(WORK_S * 1000), 0, NEVER_S, 0)
            facts.append(Captured(at_s, name, task))
    return dataclasses.replace(made, world=changed, facts=facts)


def _contact(a: str, b: str, stop_s: float, kind: Any) -> Contact:
    return constant_contact(a, b, 0.0, stop_s, LIGHT_S, BITS_PER_S, kind)


def play(kills: int, seed: int, folder: Path, soak: Soak) -> None:
    """One run; what came of it is added to `soak`."""
    kills = min(kills, KILLS_A_RUN)
    duration_s = MOST_S * (kills + 1)
    made = world(duration_s)
    core, lines = Core(made.world, RoundRobin()), []
    recorder = Recorder(core)

    class Door:
        def handle(self, event: Event) -> list[Order]:
            orders = recorder.handle(event)
            lines.append(event)
            return orders

    names = [node.name for node in made.world.nodes]
    tallies = [folder / f"{seed}-{n}.json" for n in TALKERS]
    programs = tuple(
        (names[n], f"{sys.executable} -m benchmarks.soak_kill --talk {tally} --seed {seed} --names {','.join(names)!r}")
        for n, tally in zip(TALKERS, tallies, strict=True)
    )
    options = LiveOptions(rate=1.0, late_budget_s=3600.0, spin_s=0.0, most_deaths=kills, applications=programs)
    killer: Any = Killer(kills, seed)
    figures = Launch(made, core, options, killer).play(Door(), silent)
    again = Recorder(Core(made.world, RoundRobin()))
    for event in lines:
        again.handle(event)
    problems = _problems(core, killer.engine, figures, lines, killer.kills)
    if again.digest() != recorder.digest():
        problems.append("the facts do not replay to the same digest")
    programs_told = [msgspec.json.decode(tally.read_bytes(), type=Tally) for tally in tallies if tally.exists()]
    problems += _told_wrong(core, programs_told, len(tallies))
    _add(soak, core, lines, figures, killer.kills, programs_told, [f"run with seed {seed}: {p}" for p in problems])


def _problems(core: Core, engine: Any, figures: LiveFigures, facts: list[Event], kills: list[str]) -> list[str]:
    """Everything that does not add up. The core's own ledger has been checked at the end of the run."""
    found = []
    failed, back = (Counter(e.node for e in facts if type(e) is kind) for kind in (NodeFailed, NodeRecovered))
    if failed != Counter(kills):
        found.append(f"killed {Counter(kills)}, but the core was told of {failed}")
    if failed - back:
        found.append(f"{dict(failed - back)} never came back")
    if figures.restarts != len(kills):
        found.append(f"{len(kills)} kills, {figures.restarts} restarts")
    late = [entry[4] for entry in engine._heap]  # reported too late for the run, which was over
    waited = {(e.task, e.what) for e in late if isinstance(e, Delivered | Missed)} | set(engine.leases.messages)
    if odd := waited ^ set(core.transport.in_flight):
        found.append(f"messages that only core or coordinator believe to be under way: {sorted(odd)[:5]}")
    runs = {e.run for e in late if isinstance(e, Finished)} | set(engine.leases.runs)
    if strange := runs ^ {node.running.run for node in core.nodes.values() if node.running is not None}:
        found.append(f"runs that only core or coordinator believe to be on: {sorted(strange)[:5]}")
    captured = sum(type(event) is Captured for event in facts)
    total = counts(core)
    if not total.captured == captured == total.done + total.dropped + total.lost + total.pending:
        found.append(f"{captured} scenes were captured, the core has {total}")
    found += [
        f"{s.task.id} is {s.how} without a reason" for s in core.tasks.values() if s.how == "lost" and not s.reason
    ]
    found += [
        f"bundle {s.bundle.id} is lost without a reason"
        for s in core.bundles.values()
        if s.how == "lost" and not s.reason
    ]
    return found


def _told_wrong(core: Core, tallies: list[Tally], programs: int) -> list[str]:
    """Where programs know of something else than the core."""
    found = [] if len(tallies) == programs else [f"{programs - len(tallies)} programs left no tally"]
    told: Counter[str] = Counter()
    for tally in tallies:
        told.update(tally.told)
        if sum(tally.told.values()) > tally.sent:
            found.append(f"a program sent {tally.sent} messages and was told of {tally.told}")
    done = bundle_counts(core).done
    untold = sum(tally.sent for tally in tallies) - sum(told.values())
    if not told["done"] <= done <= told["done"] + told["unknown"] + untold:
        found.append(f"the core delivered {done} bundles, programs were told {dict(told)} and nothing of {untold}")
    return found


def _add(
    soak: Soak, core: Core, facts: list[Event], figures: LiveFigures, kills: list[str], tallies: list[Tally],
    problems: list[str],
) -> None:  # fmt: skip
    soak.runs += 1
    soak.kills += len(kills)
    lost = [state.reason for state in (*core.tasks.values(), *core.bundles.values()) if state.how == "lost"]
    reasons = Counter("never came" if reason.startswith("never came") else reason for reason in lost)
    kinds = (NodeFailed, NodeRecovered, Missed)
    told = Counter({"sent": sum(tally.sent for tally in tallies), "received": sum(tally.received for tally in tallies)})
    for tally in tallies:
        told.update({f"told {how}": n for how, n in tally.told.items()})
    for where, what in (
        (soak.tasks, msgspec.structs.asdict(counts(core))),
        (soak.bundles, msgspec.structs.asdict(bundle_counts(core))),
        (soak.facts, {"all": len(facts)} | {k.__name__: sum(type(e) is k for e in facts) for k in kinds}),
        (soak.live, {"resent": figures.resent, "stale": figures.stale, "core stale": core.stale} | figures.refused),
        (soak.reasons, reasons),
        (soak.programs, told),
    ):
        for name, number in what.items():
            where[name] = where.get(name, 0) + number
    soak.problems += problems


def talk(tally_path: Path, names: list[str], seed: int) -> None:
    """A program on a node: sends to all, takes what comes, and writes down what it was told, until the run is over."""
    tally = Tally()
    source = stream(seed, "soak-talk", str(tally_path))
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        with Node(timeout_s=60.0) as node:
            while True:
                _take(node, tally)
                size_bytes = int(source.integers(1, 20_000))
                try:
                    node.send(names[int(source.integers(len(names)))], bytes(size_bytes))
                    tally.sent += 1
                except NodeRefused as refusal:
                    tally.told[refusal.code] = tally.told.get(refusal.code, 0) + 1
    except (NodeClosed, NodeUnreachable):
        pass
    finally:
        tally_path.write_bytes(msgspec.json.encode(tally))


def _take(node: Node, tally: Tally) -> None:
    while node.receive(TALK_S) is not None:
        tally.received += 1
    for outcome in node.outcomes():
        tally.told[outcome.how] = tally.told.get(outcome.how, 0) + 1


def soak(kills: int, seed: int, say: Callable[[str], Any]) -> Soak:
    """Run until as many nodes have been killed."""
    found = Soak()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="om-soak-") as folder:
        while found.kills < kills and not found.problems:
            before = found.kills
            play(kills - found.kills, seed + found.runs, Path(folder), found)
            say(f"run {found.runs}: {found.kills} of {kills} kills, {len(found.problems)} problems")
            if found.kills == before:
                found.problems.append("nobody could be killed")
    found.wall_s = round(time.monotonic() - started_s, 1)
    return found


def main() -> int:
    """Exit 1 if anything is unaccounted for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--talk", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--names", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.talk is not None:
        talk(options.talk, options.names.split(","), options.seed)
        return 0
    found = soak(options.kills, options.seed, lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(msgspec.to_builtins(found), indent=2))
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
