"""The one total order of facts, and the engine that feeds the core in it."""

from itertools import permutations

import pytest

from emulator.core import Core
from emulator.decisions import Assign, WakeAt
from emulator.errors import RunFailed, TimeReversed
from emulator.events import (
    RANK,
    Bundle,
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
    Offered,
    SunRose,
    SunSet,
    TimerRang,
    order_key,
)
from workloads.tasks import Outcome, Task

TASK = Task("t", 1.0, "A", 1, "unit-work", 1, 0, 9.0, 0)

# Faults, then contact changes, deliveries, completions, captures, timers (design.md); the end after all.
IN_ORDER = [
    NodeFailed(1.0, "Z"),
    NodeRecovered(1.0, "A"),
    ContactClosed(1.0, "Z", 9),
    ContactOpened(1.0, "A", 0),
    SunRose(1.0, "A"),
    SunSet(1.0, "A"),
    Delivered(1.0, "A", "t", "raw"),
    Missed(1.0, "A", "t", "raw"),
    Finished(1.0, "A", "t", 1, Outcome("clear", 0.0, 1)),
    Captured(1.0, "A", TASK),
    Offered(1.0, "A", Bundle("b", "A", "B", 1)),
    TimerRang(1.0, "A", "radio"),
    Ended(1.0),
]


def test_every_kind_of_fact_has_a_rank_of_its_own() -> None:
    assert set(RANK) == set(Event.__args__) == {type(event) for event in IN_ORDER}
    assert len(set(RANK.values())) == len(RANK)


def test_at_one_instant_kinds_follow_the_table_whatever_their_nodes_and_sequence() -> None:
    keys = [order_key(event, len(IN_ORDER) - n) for n, event in enumerate(IN_ORDER)]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ((TimerRang(0.5, "Z", "x"), 9), (NodeFailed(1.0, "A"), 1)),  # time before rank
        ((Captured(1.0, "Z", TASK), 9), (TimerRang(1.0, "A", "x"), 1)),  # rank before node
        ((Captured(1.0, "A", TASK), 9), (Captured(1.0, "B", TASK), 1)),  # node before sequence
        ((Captured(1.0, "A", TASK), 1), (Captured(1.0, "A", TASK), 2)),  # then sequence
        ((Captured(1.0, "A10", TASK), 9), (Captured(1.0, "A9", TASK), 1)),  # names as text
    ],
)
def test_time_then_rank_then_node_then_sequence(earlier, later) -> None:
    assert order_key(*earlier) < order_key(*later)


def test_the_engine_hands_facts_over_in_that_order_whatever_order_it_gets_them_in(lab) -> None:
    contacts = [lab.laser("A", "B", 0.0, 1.0), lab.laser("A", "B", 1.0, 9.0)]
    world = lab.world(contacts, duration_s=9.0)
    facts = [
        NodeFailed(1.0, "C"), NodeRecovered(1.0, "C"), ContactClosed(1.0, "A", 0), ContactOpened(1.0, "A", 1),
        SunSet(1.0, "A"), Captured(1.0, "A", TASK),
    ]  # fmt: skip
    digests = set()
    for shuffled in permutations(facts):
        sim = lab.run(world, [ContactOpened(0.0, "A", 0), *shuffled], lambda view: ())
        assert [event for event, _ in sim.lines[1:-1]] == facts
        digests.add(sim.digest)
    assert len(digests) == 1


def test_what_follows_from_orders_is_merged_with_what_was_known(lab) -> None:
    decide = lab.Script({0.0: [Assign("t", "A", relay=False)], 1.0: [WakeAt(2.0)]})
    sim = lab.go(decide, [lab.task(), lab.task("u", 1.0)], [lab.radio("A")], [SunSet(1.0, "A")], duration_s=2.0)
    assert [(e.at_s, type(e)) for e, _ in sim.lines] == [
        (0.0, ContactOpened), (0.0, Captured), (1.0, SunSet), (1.0, Finished), (1.0, Captured), (1.0, TimerRang),
        (1.625, Delivered), (2.0, TimerRang), (2.0, Ended),
    ]  # fmt: skip


def test_facts_after_the_end_are_not_handled(lab) -> None:
    sim = lab.go(lab.everywhere("A"), [lab.task(), lab.task("u", 5.5)], duration_s=5.0)
    assert set(sim.core.tasks) == {"t"}
    assert sim.lines[-1] == (Ended(5.0), [])


def test_a_fact_that_is_older_than_the_last_is_refused(lab) -> None:
    core = Core(lab.world(), lambda view: ())
    core.handle(SunSet(2.0, "A"))
    with pytest.raises(TimeReversed, match=r"1\.0 s came after one at 2\.0 s"):
        core.handle(SunRose(1.0, "A"))


def test_a_task_is_captured_once(lab) -> None:
    core = Core(lab.world(), lambda view: ())
    core.handle(Captured(1.0, "A", TASK))
    with pytest.raises(RunFailed, match="task t was captured twice"):
        core.handle(Captured(2.0, "A", TASK))


def test_echoes_of_what_never_was_are_counted_and_change_nothing(lab) -> None:
    core = Core(lab.world(), lambda view: ())
    assert core.handle(Delivered(1.0, "A", "ghost", "raw")) == []
    assert core.handle(Finished(1.0, "A", "ghost", 1, Outcome("clear", 0.0, 1))) == []
    assert (core.stale, core.tasks) == (2, {})


def test_the_sun_rises_and_sets_on_a_node(lab) -> None:
    core = Core(lab.world(specs={"B": {"sunlit": False}}), lambda view: ())
    lit = {node.id: node.sunlit for node in core.consultation.view.satellites}
    assert lit == {"A": True, "B": False, "C": True}
    core.handle(SunSet(1.0, "A"))
    core.handle(SunRose(2.0, "B"))
    lit = {node.id: node.sunlit for node in core.consultation.view.satellites}
    assert lit == {"A": False, "B": True, "C": True}
