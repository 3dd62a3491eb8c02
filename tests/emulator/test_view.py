"""What a scheduler sees of the world, from inside a run."""

from math import inf

from emulator.decisions import Assign, Downlink
from emulator.events import NodeFailed


class Look:
    """Assigns what it is told to and takes a note at each instant it is asked."""

    def __init__(self, note, decide=lambda view: ()):
        self.note, self._decide, self.notes = note, decide, []

    def decide(self, view):
        self.notes.append(self.note(view))
        return list(self._decide(view))


def noted(lab, note, *rest, decide=lambda view: (), **world):
    look = Look(note, decide)
    lab.go(look, *rest, **world)
    return look.notes


def test_a_task_is_seen_as_it_was_captured(lab) -> None:
    task = lab.task("t", 2.0, "B", priority=3, deadline_s=60.0)
    fields = ["id", "at", "captured_s", "raw_bytes", "model", "inferences", "deadline_s", "priority"]
    notes = noted(lab, lambda view: [[getattr(t, f) for f in fields] for t in view.waiting], [task])
    assert notes == [[["t", "B", 2.0, 1000, "unit-work", 1_000_000, 60.0, 3]]]


def test_waiting_tasks_are_seen_in_the_order_they_came(lab) -> None:
    tasks = [lab.task("z", 1.0), lab.task("a", 2.0, "B"), lab.task("m", 3.0)]
    assert noted(lab, lambda view: "".join(t.id for t in view.waiting), tasks) == ["z", "za", "zam"]


def test_nodes_are_seen_by_kind_and_name(lab) -> None:
    def note(view):
        return [n.id for n in view.satellites], [n.id for n in view.stations], len(view.nodes), view.node("H").kind

    assert noted(lab, note, [lab.task()], satellites="CAB", stations="HG") == [
        (["A", "B", "C"], ["G", "H"], 5, "station")
    ]


def test_work_that_runs_and_waits_is_a_nodes_backlog(lab) -> None:
    tasks = [lab.task("t", 0.0), lab.task("u", 0.25, work_s=2.0), lab.task("v", 0.5)]
    notes = noted(
        lab, lambda view: (view.node("A").backlog_s, view.node("A").queued), tasks, decide=lab.everywhere("A")
    )
    assert notes == [(0.0, 0), (0.75, 1), (2.5, 2)]


def test_a_node_that_cannot_work_has_an_endless_backlog(lab) -> None:
    def note(view):
        task = view.waiting[0]
        return [
            (view.node(n).backlog_s, view.job_s(task, n), view.node(n).memory_bytes, view.node(n).up) for n in "ABC"
        ]

    notes = noted(lab, note, [lab.task(at_s=2.0)], [], [NodeFailed(1.0, "B")], specs={"C": {"processor": None}})
    assert notes == [[(0.0, 1.0, 1e6, True), (inf, 1.0, 1e6, False), (inf, inf, 0.0, True)]]


def test_free_storage_is_seen(lab) -> None:
    def note(view):
        return view.node("A").free_storage_bytes, view.node("B").free_storage_bytes

    notes = noted(lab, note, [lab.task("t"), lab.task("u", 1.0)], specs={"A": {"storage_bytes": 5000.0}})
    assert notes == [(4000.0, inf), (3000.0, inf)]


def test_bytes_that_wait_for_a_radio_are_seen(lab) -> None:
    tasks = [lab.task("t"), lab.task("u", 1.5), lab.task("v", 3.0)]
    radio = [lab.radio("A", "G", 50.0)]

    def decide(view):
        return [Downlink(t.id) if t.id == "t" else Assign(t.id, "A") for t in view.waiting]

    notes = noted(lab, lambda view: view.node("A").downlink_backlog_bytes, tasks, radio, decide=decide)
    assert notes == [0, 1000, 1500]  # t raw, then the product of u


def test_links_delays_and_transfers_over_open_contacts(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("B", "C"), lab.laser("A", "C", 50.0), lab.radio("C")]

    def note(view):
        return (
            view.links("B"), view.reachable("A"),
            view.delay_s("A", "G"), view.delay_s("G", "A"), view.delay_s("A", "A"), view.transfer_s("A", "C", 2000),
            view.transfer_s("A", "H", 1), view.transfer_s("A", "A", 1),
        )  # fmt: skip

    reach = {"A": 0.0, "B": 0.25, "C": 0.5, "G": 0.625}
    assert noted(lab, note, [lab.task()], contacts)[0] == (("A", "C"), reach, 0.625, inf, 0.0, 4.5, inf, 0.0)


def test_a_transfer_is_expected_to_wait_for_what_is_before_it(lab) -> None:
    tasks = [lab.task("t"), lab.task("u", 0.25), lab.task("v", 0.5)]
    notes = noted(lab, lambda view: view.transfer_s("A", "B", 1000), tasks, [lab.laser("A", "B")],
                  decide=lab.everywhere("B"))  # fmt: skip
    assert notes == [1.25, 2.0, 2.75]  # the transmitter is free at 1; from 0.25 u waits, too


def test_how_long_it_takes_to_the_ground(lab) -> None:
    contacts = [lab.radio("A", "G", 10.0, 11.0), lab.radio("A", "H", 20.0, 90.0)]

    def note(view):
        return [view.ground_s("A", size) for size in (500, 1000, 2000, 10**6)] + [view.ground_s("B", 1)]

    # 1,000 B just fit the first pass; of 2,000 B the first half does; a million fit nowhere.
    assert noted(lab, note, [lab.task(at_s=5.0)], contacts)[0] == [5.625, 6.125, 16.125, inf, inf]


def test_contacts_up_to_a_horizon(lab) -> None:
    contacts = [lab.laser("A", "B", 0.0, 2.0), lab.laser("A", "C", 1.0, 9.0), lab.radio("A", "G", 20.0, 30.0)]

    def note(view):
        return [tuple((c.a, c.b, c.kind, c.start_s, c.stop_s) for c in view.contacts(h)) for h in (0.0, 20.0, inf)]

    laser, radio = ("A", "C", "laser", 1.0, 9.0), ("A", "G", "radio", 20.0, 30.0)
    assert noted(lab, note, [lab.task(at_s=3.0)], contacts, decide=lab.everywhere("A"))[0] == [
        (laser,), (laser, radio), (laser, radio),
    ]  # fmt: skip


def test_looking_changes_nothing(lab) -> None:
    contacts = [lab.laser("A", "B"), lab.laser("A", "C", 1.0, 9.0), lab.radio("C"), lab.radio("A", "H", 5.0)]
    tasks = [lab.task(str(n), 0.625 * n, "AB"[n % 2]) for n in range(9)]

    def curious(view):
        for a in "ABC":
            view.reachable(a), view.ground_s(a, 700, False), view.links(a), view.contacts(3.0)
            for b in "ABCGH":
                view.transfer_s(a, b, 1000), view.delay_s(a, b), view.job_s(view.waiting[0], b)
        return lab.everywhere("C", relay=True)(view)

    assert lab.go(curious, tasks, contacts).digest == lab.go(lab.everywhere("C", relay=True), tasks, contacts).digest
