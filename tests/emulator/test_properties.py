"""What must hold in every world: nothing lost or doubled, nothing faster than light, no node beyond its budget.

Worlds are drawn: 2 to 6 satellites, 1 or 2 stations, contacts, tasks and faults at random, and a scheduler that ships
or one that decides at random, badly at times. No two instants that are drawn are the same.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import combinations
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emulator.core import Core
from emulator.decisions import CODES, Assign, Downlink, Drop, Preempt, WakeAt
from emulator.errors import OrbitmeshError
from emulator.events import (
    Captured,
    ContactClosed,
    ContactOpened,
    Event,
    Finished,
    NodeFailed,
    NodeRecovered,
)
from emulator.ledger import counts
from emulator.orders import Cancel, End, Run, Send
from emulator.recorder import Recorder
from emulator.replay import replay
from emulator.report import Row, summarise
from emulator.schedulers import SHIPPED, load
from emulator.trace import SCHEMA, Header, Trace, TraceWriter
from emulator.virtual import run
from emulator.world import SATELLITE, STATION, NodeSpec, Settings, World
from links.contacts import Contact, ContactPlan, constant_contact
from nodes.processor import Processor
from workloads.arrivals import NEVER_S, UNIT_WORK
from workloads.streams import stream, uniforms
from workloads.tasks import Task

DURATION_S = 40.0
rounding_s = 1e-9  # of delays by cubic Hermite between equal knots, and of sums of them
one_operation = 1.0

DRAWN = settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    phases=(Phase.explicit, Phase.generate),  # a failing world is small as it is; to shrink it takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
IN_FOLDER = settings(DRAWN, max_examples=30, suppress_health_check=list(HealthCheck))


class Chaos:
    """Decides at random, on what waits and on what does not, sensibly and not."""

    def __init__(self, uniform: Callable[[], float], tasks: list[str], nodes: list[str]) -> None:
        self.uniform, self.tasks, self.nodes = uniform, tasks, nodes

    def pick(self, choices: list[Any]) -> Any:
        return choices[int(self.uniform() * len(choices))]

    def decide(self, view: Any) -> Iterator[Any]:
        waiting = [task.id for task in view.waiting]
        for _ in range(int(self.uniform() * 4)):
            task = self.pick((waiting or self.tasks) if self.uniform() < 0.8 else [*self.tasks, "nobody"])
            relay, kind = self.uniform() < 0.5, self.uniform()
            if kind < 0.5:
                yield Assign(task, self.pick(self.nodes), relay)
            elif kind < 0.65:
                yield Downlink(task, self.pick([None, *self.nodes]), relay)
            elif kind < 0.85:
                yield Preempt(task)
            elif kind < 0.95:
                yield WakeAt(view.now_s + 5.0 * self.uniform())
            else:
                yield self.pick([Drop(task, "chaos"), None, WakeAt(0.0), Assign(task, "nowhere"), 7])


class Case(NamedTuple):
    """A world, what happens in it, and who decides."""

    world: World
    facts: list[Event]
    policy: str
    seed: int

    def scheduler(self) -> Any:
        source = stream(self.seed, "test")
        numbers = iter(uniforms(source, 50_000).tolist())
        if self.policy != "chaos":
            return load(self.policy, lambda: next(numbers))
        tasks = sorted(fact.task.id for fact in self.facts if type(fact) is Captured)
        return Chaos(lambda: next(numbers), tasks or ["nobody"], sorted(node.name for node in self.world.nodes))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any small world."""
    used: set[float] = set()

    def instant(low: int, high: int) -> float:
        """Whole quarters of a second, each a little later than any other of the same quarter."""
        at_s = draw(st.integers(low * 4, high * 4)) / 4.0
        while at_s in used:
            at_s += 2.0**-12
        used.add(at_s)
        return at_s

    satellites = "ABCDEF"[: draw(st.integers(2, 6))]
    stations = "GH"[: draw(st.integers(1, 2))]
    contacts = _contacts(draw, satellites, stations, instant)
    nodes = [_node(draw, name, SATELLITE) for name in satellites] + [_node(draw, name, STATION) for name in stations]
    world = World(
        nodes=nodes, plan=ContactPlan(DURATION_S, tuple(contacts), ()), models={UNIT_WORK.name: UNIT_WORK},
        settings=Settings(
            duration_s=DURATION_S, batch=draw(st.sampled_from([1, 1_000_000])),
            decision_s=draw(st.sampled_from([0.0, 0.5])), route_refresh_s=draw(st.sampled_from([1.0, 60.0])),
        ),
    )  # fmt: skip
    facts: list[Event] = []
    for number, contact in enumerate(contacts):
        facts += [ContactOpened(contact.start_s, contact.a, number), ContactClosed(contact.stop_s, contact.a, number)]
    for number in range(draw(st.integers(0, 10))):
        at_s, node = instant(0, 30), draw(st.sampled_from(satellites))
        units = draw(st.sampled_from([100_000, 1_000_000, 3_000_000]))
        raw_bytes, tile = draw(st.sampled_from([0, 500, 1000, 4000])), draw(st.integers(0, 1))
        task = Task(f"t{number}", at_s, node, raw_bytes, UNIT_WORK.name, units, tile, NEVER_S, draw(st.integers(0, 2)))
        facts.append(Captured(at_s, node, task))
    for _ in range(draw(st.integers(0, 3))):
        node, failed_s = draw(st.sampled_from(satellites + stations)), instant(0, 30)
        facts.append(NodeFailed(failed_s, node))
        if draw(st.booleans()):
            facts.append(NodeRecovered(instant(int(failed_s), int(failed_s) + 8), node))
    return Case(world, facts, draw(st.sampled_from(["chaos", "chaos", "chaos", *SHIPPED])), draw(st.integers(0, 99)))


def _node(draw: st.DrawFn, name: str, kind: str) -> NodeSpec:
    processor = Processor(
        name="cpu", peak_ops_per_s={"int8": 1e9}, efficiency=draw(st.sampled_from([1.0, 0.5])), memory_bytes_per_s=1e15,
        memory_bytes=1e6, idle_power_w=0.0, busy_power_w=0.0,
    )  # fmt: skip
    return NodeSpec(
        name=name, kind=kind,
        processor=processor if draw(st.integers(0, 5)) else None,
        storage_bytes=draw(st.sampled_from([None, None, 2500.0])) if kind == SATELLITE else None,
    )  # fmt: skip


def _contacts(draw: st.DrawFn, satellites: str, stations: str, instant: Callable[[int, int], float]) -> list[Contact]:
    """Up to two contacts of each pair of satellites; each satellite's radio speaks to one station at a time."""
    found = []

    def stretches(most: int) -> list[tuple[float, float]]:
        edges = sorted(instant(0, 38) for _ in range(2 * draw(st.integers(0, most))))
        return list(zip(edges[::2], edges[1::2], strict=True))

    delays_s, rates = st.sampled_from([0.0625, 0.25, 3.0]), st.sampled_from([4e3, 8e3, 64e3])
    for a, b in combinations(satellites, 2):
        found += [
            constant_contact(a, b, start_s, stop_s, draw(delays_s), draw(rates)) for start_s, stop_s in stretches(2)
        ]
    for a in satellites:
        for start_s, stop_s in stretches(3):
            station = draw(st.sampled_from(stations))
            found.append(constant_contact(a, station, start_s, stop_s, draw(delays_s), draw(rates), "radio"))
    return sorted(found, key=lambda c: (c.start_s, c.a, c.b))


def play(lab: Any, case: Case, world: World | None = None, facts: Iterable[Event] | None = None) -> Any:
    return lab.run(world or case.world, case.facts if facts is None else facts, case.scheduler())


@DRAWN
@given(cases())
def test_no_task_is_lost_or_doubled(lab, case) -> None:
    sim = play(lab, case)  # whose ledger is checked at its end
    total = counts(sim.core)
    assert total.captured == total.done + total.dropped + total.lost + total.pending
    captured = [event.task.id for event, _ in sim.lines if type(event) is Captured]
    ends = [order.task for order in sim.orders(End)]
    assert sorted(sim.core.tasks) == sorted(set(captured)) == sorted(captured)
    assert len(ends) == len(set(ends)) == total.captured - total.pending
    assert set(ends) <= set(captured)
    assert set(sim.core.consultation.rejections) <= set(CODES)


@DRAWN
@given(cases())
def test_nothing_arrives_before_light_could_have_brought_it(lab, case) -> None:
    sim = play(lab, case)
    contacts = case.world.plan.contacts
    last: dict[str, Send] = {}
    for event, orders in sim.lines:
        for order in orders:
            if type(order) is Send:
                contact = contacts[order.contact]
                assert {order.node, order.to} == {contact.a, contact.b}
                assert contact.start_s <= order.start_s <= order.free_s <= contact.stop_s
                assert order.free_s - order.start_s >= order.size_bytes * 8 / contact.bits_per_s[0] - rounding_s
                assert order.deliver_s - order.free_s >= contact.delay_ab_s[0] - rounding_s
            before = last.get(getattr(order, "task", ""))
            if before is not None and (getattr(order, "node", "") == before.to or getattr(order, "how", "") == "done"):
                assert event.at_s >= before.deliver_s, "sent on, run or done before it was there"
            if type(order) is Send:
                last[order.task] = order
    light_s = _light(contacts)
    for state in sim.core.tasks.values():
        if state.how == "done":
            least_s = min(light_s.get((state.task.node, station), inf) for station in "GH")
            assert state.delivered_s - state.task.at_s >= least_s - rounding_s


def _light(contacts: Iterable[Contact]) -> dict[tuple[str, str], float]:
    """Least sum of delays between nodes over any contacts at all (Floyd and Warshall)."""
    names = sorted({name for contact in contacts for name in (contact.a, contact.b)})
    best = {(name, name): 0.0 for name in names}
    for c in contacts:
        for pair in [(c.a, c.b)] + ([(c.b, c.a)] if c.kind == "laser" else []):
            best[pair] = min(best.get(pair, inf), c.delay_ab_s[0])
    for middle in names:
        for a in names:
            for b in names:
                best[a, b] = min(best.get((a, b), inf), best.get((a, middle), inf) + best.get((middle, b), inf))
    return best


@DRAWN
@given(cases())
def test_a_transmitter_sends_one_message_at_a_time(lab, case) -> None:
    free_s: dict[tuple[str, str], float] = {}
    for send in play(lab, case).orders(Send):
        kind = case.world.plan.contacts[send.contact].kind
        port = (send.node, send.to if kind == "laser" else "radio")
        assert send.start_s >= free_s.get(port, 0.0)
        free_s[port] = send.free_s


@DRAWN
@given(cases())
def test_operations_stay_within_budget_times_time_at_every_instant(lab, case) -> None:
    peak = {node.name: 1e9 for node in case.world.nodes if node.processor is not None}
    inferences = {fact.task.id: fact.task.inferences for fact in case.facts if type(fact) is Captured}
    done = dict.fromkeys(peak, 0.0)
    running: dict[str, int] = {}
    for event, orders in play(lab, case).lines:
        if type(event) is NodeFailed:
            running.pop(event.node, None)
        if type(event) is Finished and running.get(event.node) == event.run:
            done[event.node] += inferences[event.task] * UNIT_WORK.ops
            del running[event.node]
        for order in orders:
            if type(order) is Cancel:
                assert running.pop(order.node) == order.run
            if type(order) is Run:
                assert running.setdefault(order.node, order.run) == order.run, "two runs at once"
        assert all(done[name] <= peak[name] * event.at_s + one_operation for name in done)


@DRAWN
@given(cases())
def test_a_node_never_holds_more_than_it_can_nor_less_than_nothing(lab, case) -> None:
    core = Core(case.world, case.scheduler())

    class Door:
        def handle(self, event: Event) -> Any:
            orders = core.handle(event)
            for node in core.nodes.values():
                products = sum(s.outcome.product_bytes for s in core.tasks.values() if s.outcome is not None)
                assert 0 <= node.stored_bytes <= node.storage_bytes + products  # results are kept, whatever the room
            return orders

    run(Door(), case.facts, DURATION_S, lab.infer)


@DRAWN
@given(cases())
def test_the_same_seed_gives_the_same_bytes(lab, case) -> None:
    assert play(lab, case).digest == play(lab, case).digest


@DRAWN
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_contacts_and_facts_does_not_matter(lab, case, random) -> None:
    order = list(range(len(case.world.plan.contacts)))
    random.shuffle(order)
    renumbered = {old: new for new, old in enumerate(order)}
    contacts = tuple(case.world.plan.contacts[old] for old in order)
    nodes, facts = list(case.world.nodes), [_renumber(fact, renumbered) for fact in case.facts]
    random.shuffle(nodes)
    random.shuffle(facts)
    world = msgspec.structs.replace(case.world, nodes=nodes, plan=ContactPlan(DURATION_S, contacts, ()))
    one, other = play(lab, case), play(lab, case, world, facts)
    assert [_renumber(event, renumbered) for event, _ in one.lines] == [event for event, _ in other.lines]
    assert [[_renumber(o, renumbered) for o in orders] for _, orders in one.lines] == [
        orders for _, orders in other.lines
    ]


def _renumber(struct: Any, renumbered: dict[int, int]) -> Any:
    return msgspec.structs.replace(struct, contact=renumbered[struct.contact]) if hasattr(struct, "contact") else struct


@DRAWN
@given(cases(), st.booleans())
def test_a_node_that_nobody_meets_changes_nothing(lab, case, first) -> None:
    stranger = NodeSpec(name="0" if first else "X", kind=SATELLITE, processor=lab.cpu)
    world = msgspec.structs.replace(case.world, nodes=[*case.world.nodes, stranger])
    alone, beside = play(lab, case), lab.run(world, case.facts, case.scheduler())
    assert alone.digest == beside.digest


def record(lab: Any, folder: Path, case: Case, block_lines: int = 8) -> Row:
    """Run it and keep its trace, in blocks of so many lines; returns its figures."""
    core = Core(case.world, case.scheduler())
    with TraceWriter(folder) as writer:
        recorder = Recorder(core, writer.write, None, block_lines)
        run(recorder, case.facts, DURATION_S, lab.infer)
        digest = recorder.digest()
        header = Header(
            schema=SCHEMA, orbitmesh="0", created_utc="", scenario="drawn", scenario_sha256="", epoch="",
            policy=case.policy, seed=case.seed, engine="virtual", events=recorder.events, digest=digest,
        )  # fmt: skip
        row = summarise(core, case.policy, digest)
        writer.close(header, case.world, row)
    return row


@IN_FOLDER
@given(cases(), st.integers(1, 20))
def test_what_is_recorded_replays(lab, tmp_path_factory, case, block_lines) -> None:
    folder = tmp_path_factory.mktemp("drawn") / "run"
    row = record(lab, folder, case, block_lines)
    found, again = replay(Trace(folder), case.scheduler())
    assert (found.matches, found.digest) == (True, row.digest)
    assert summarise(again, case.policy, row.digest) == row


@IN_FOLDER
@given(cases(), st.integers(1, 20), st.floats(0.0, 1.0), st.booleans())
def test_what_is_left_of_a_log_that_was_cut_anywhere_replays(
    lab, tmp_path_factory, case, block_lines, share, at_line
) -> None:
    folder = tmp_path_factory.mktemp("drawn") / "run"
    record(lab, folder, case, block_lines)
    log, header = folder / "events.jsonl.gz", folder / "header.json"
    lines = gzip.decompress(log.read_bytes()).splitlines(keepends=True)
    header.write_bytes(msgspec.json.encode(msgspec.json.decode(header.read_bytes()) | {"events": 0, "digest": ""}))
    if at_line:
        log.write_bytes(gzip.compress(b"".join(lines[: round(share * len(lines))])))
    else:
        log.write_bytes(log.read_bytes()[: round(share * log.stat().st_size)])
    found, core = replay(Trace(folder), case.scheduler())
    assert found.matches
    assert found.missing
    assert found.events == round(share * len(lines)) if at_line else found.events <= len(lines)
    assert found.digest == found.recorded_digest == sha256(b"".join(lines[: found.events])).hexdigest()
    total = counts(core)
    assert total.captured == total.done + total.dropped + total.lost + total.pending


@DRAWN
@given(cases(), st.data())
def test_facts_in_a_wrong_order_or_left_out_end_in_an_error_of_ours_or_in_balanced_books(lab, case, data) -> None:
    lines = [event for event, _ in play(lab, case).lines]
    at = data.draw(st.integers(0, len(lines) - 1))
    if data.draw(st.booleans()):
        del lines[at]
    else:
        lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(at))
    core = Core(case.world, case.scheduler())
    try:
        for event in lines:
            core.handle(event)
    except OrbitmeshError:
        return
    total = counts(core)
    assert total.captured == total.done + total.dropped + total.lost + total.pending


def test_the_drawn_worlds_are_worth_their_while(lab) -> None:
    """That tasks end in every way, and that every code of a scheduler of no sense is met."""
    ways: set[str] = set()
    codes: set[str] = set()
    stale: list[int] = []

    @settings(DRAWN, max_examples=150)
    @given(cases())
    def look(case: Case) -> None:
        sim = play(lab, case)
        ways.update(how for how, *_ in sim.fates().values())
        ways.update("pending " + state.stage for state in sim.core.tasks.values())
        codes.update(sim.core.consultation.rejections)
        stale.append(sim.core.stale)

    look()
    assert ways >= {"done", "dropped", "lost", "pending waiting", "pending moving", "pending returning"}
    assert codes >= {"not_waiting", "not_running", "unreachable", "unknown_task", "bad_decision", "no_processor"}
    assert sum(stale) > 0
