"""The figures of a run, worked out by hand, and a ledger that notices what does not add up."""

import pytest

from emulator.core import Core
from emulator.decisions import Assign, Drop
from emulator.errors import LedgerMismatch, RunFailed
from emulator.events import Ended, Finished, NodeFailed
from emulator.ledger import Counts, check, counts
from emulator.report import kaplan_meier_median, responses, summarise
from emulator.state import LinkAccount


def by_name(view):
    for task in view.waiting:
        yield Drop(task.id, "unwanted") if task.id == "unwanted" else Assign(task.id, task.id[0], relay=False)


@pytest.fixture
def sim(lab):
    """Done at 1.625 and 3.875, cloudy at 1, unwanted at 3, lost at 7, waiting for a radio that never comes."""
    tasks = [
        lab.task("A", 0.0, "A", deadline_s=1.5), lab.task("B", 1.0, "A", deadline_s=9.0),
        lab.task("C-cloudy", 0.0, "C", tile=lab.cloudy, deadline_s=2.0), lab.task("unwanted", 3.0, "C"),
        lab.task("C-lost", 6.5, "C", deadline_s=50.0), lab.task("D-pending", 0.0, "D", work_s=4.0),
    ]  # fmt: skip
    contacts = [lab.laser("A", "B"), lab.radio("A", "G"), lab.radio("B", "H")]
    power = {name: {"laser_power_w": 10.0, "radio_power_w": 5.0} for name in "AB"}
    return lab.go(by_name, tasks, contacts, [NodeFailed(7.0, "C")], satellites="ABCD", specs=power)


def test_figures_of_a_run(sim) -> None:
    row = summarise(sim.core, "by-name", sim.digest)
    assert row.tasks == Counts(captured=6, done=2, dropped=2, lost=1, pending=1)
    assert responses(sim.core) == [1.625, 2.875]  # B: 1 + 0.25 to B, 1 of work, 0.5 + 0.125 down
    assert (row.response_s.p50, row.response_s.max, row.response_s.mean) == (1.625, 2.875, 2.25)
    assert (row.downlink_bytes, row.isl_bytes, row.raw_bytes) == (1000, 1000, 6000)
    assert row.ops == 7e9  # A, B and the cloudy one a second each, D four; what was lost is no work done
    assert row.inferences == 7_000_000
    assert row.utilisation == pytest.approx(
        7.5 / 400.0
    )  # busy seconds, the lost half second too, of 4 satellites x 100 s
    assert row.ground_utilisation == 0.0
    assert row.digest == sim.digest
    assert row.events == len(sim.lines)
    assert row.reasons == {
        "done: clear": 2, "dropped: cloudy": 1, "dropped: unwanted": 1, "lost: C failed": 1, "pending: returning": 1,
    }  # fmt: skip


def test_energy_is_power_above_idle_by_time(sim) -> None:
    energy = summarise(sim.core, "by-name", sim.digest).energy
    assert energy.orbit_compute_j == pytest.approx(7.5 * 100.0)  # 7 s and the half that was lost, at 110 W less 10 W
    assert energy.laser_j == pytest.approx(10.0)  # 1 s of 10 W
    assert energy.radio_j == pytest.approx(5.0)  # twice 0.5 s of 5 W
    assert energy.idle_j == pytest.approx(6 * 10.0 * 100.0)  # 6 processors
    assert energy.ground_compute_j == 0.0


def test_deadlines_are_missed_by_what_is_late_or_lost(sim) -> None:
    # A is late, C is lost; B is in time, and so is the answer that a scene is cloudy. No other deadline has come.
    assert summarise(sim.core, "by-name", sim.digest).deadline_miss_ratio == pytest.approx(2 / 4)


def test_nothing_done_is_no_figure_and_no_division_by_zero(lab) -> None:
    row = summarise(lab.go(lambda view: (), []).core, "nothing", "")
    assert row.tasks == Counts(captured=0, done=0, dropped=0, lost=0, pending=0)
    assert (row.response_s.p50, row.response_s.mean, row.response_s.max) == (None, None, None)
    assert (row.deadline_miss_ratio, row.joules_per_inference, row.utilisation) == (None, None, 0.0)


def spoil_count(core) -> None:
    core.ended["done"] += 1


def spoil_bytes(core) -> None:
    core.transport.accounts["A", "G"].received_bytes -= 1


def spoil_a_link_that_was_never_used(core) -> None:
    account = core.transport.accounts["B", "G"] = LinkAccount()
    account.lost_bytes = 1


def spoil_storage(core) -> None:
    core.nodes["B"].stored_bytes = -1


def spoil_budget(core) -> None:
    core.nodes["A"].budget.ops = 10**13


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (spoil_count, "tasks counted one by one"),
        (spoil_bytes, "link A to G: sent 500 B, received 499 B, lost 0 B, in flight 0 B: 1 B do not add up"),
        (spoil_a_link_that_was_never_used, "link B to G: sent 0 B"),
        (spoil_storage, "B counts -1 B as stored at the end, but 0 B lie there"),
        (spoil_budget, "A did 10000000000000 operations in 100.0 s"),
    ],
)
def test_what_does_not_add_up_fails_the_run(sim, spoil, text) -> None:
    check(sim.core)
    spoil(sim.core)
    with pytest.raises(LedgerMismatch, match=text):
        sim.core.handle(Ended(100.0))


def test_a_run_that_ends_before_its_work_could_be_done_breaks_the_budget(lab) -> None:
    core = Core(lab.world(), lab.everywhere("A"))
    for fact in lab.facts(core.world, [lab.task()]):
        core.handle(fact)
    with pytest.raises(LedgerMismatch, match="task t: node 'A' beats its budget") as caught:
        core.handle(Finished(0.5, "A", "t", 1, lab.infer(lab.task())))
    assert isinstance(caught.value, RunFailed)


def test_bytes_in_flight_at_the_end_are_accounted_for(lab) -> None:
    sim = lab.go(lab.everywhere("B"), [lab.task(at_s=4.5)], [lab.laser("A", "B")], duration_s=5.0)
    account = sim.core.transport.accounts["A", "B"]
    assert (account.sent_bytes, account.received_bytes, account.lost_bytes) == (1000, 0, 0)
    assert counts(sim.core).pending == 1


# Kaplan and Meier by hand: answers at 1 and 3, one watched until 2 without, one until 5: the curve falls to 3/4
# at 1 and to 3/4 x 1/2 = 3/8 at 3, so the median is 3.
def test_the_median_counts_what_is_still_under_way() -> None:
    assert kaplan_meier_median([1.0, 3.0], [2.0, 5.0]) == 3.0
    assert kaplan_meier_median([1.0, 3.0], []) == 1.0
    assert kaplan_meier_median([1.0], [2.0, 2.0]) is None
    assert kaplan_meier_median([], []) is None
