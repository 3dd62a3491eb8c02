"""Schedulers that raise, loop or yield what is no decision: a `SchedulerError` that helps, or codes; nothing breaks."""

import signal
import threading

import pytest

from emulator import watchdog
from emulator.decisions import Assign, Preempt, WakeAt
from emulator.errors import BadInput, SchedulerError
from emulator.orders import Rejected, Wake
from emulator.watchdog import watch


def raises(view):
    yield Assign("t", "A")
    raise ZeroDivisionError("by hand")


def exits(view):
    raise SystemExit(3)


def asks_for_nobody(view):
    return view.node("nobody").backlog_s


def takes_nothing():
    return []


def returns_a_number(view):
    return 42


def yields_without_end(view):
    while True:
        yield Assign("t", "A")


def calls_itself(view):
    return calls_itself(view)


@pytest.mark.parametrize(
    ("scheduler", "text"),
    [
        (
            raises,
            r"raises raised ZeroDivisionError: by hand \(test_bad_schedulers\.py, line \d+; at 2\.0 s, trigger 'cap",
        ),
        (exits, "exits raised SystemExit: 3"),
        (asks_for_nobody, "asks_for_nobody raised KeyError: 'nobody'"),
        (takes_nothing, "takes_nothing raised TypeError"),
        (returns_a_number, "returns_a_number raised TypeError: 'int' object is not iterable"),
        (yields_without_end, r"yielded more than \d+ decisions at 2.0 s for 1 waiting tasks: it loops"),
        (calls_itself, "calls_itself raised RecursionError"),
    ],
)
def test_a_scheduler_that_breaks_is_the_users_to_mend(lab, scheduler, text) -> None:
    with pytest.raises(SchedulerError, match=text) as caught:
        lab.go(scheduler, [lab.task(at_s=2.0)])
    assert isinstance(caught.value, BadInput)


def test_a_text_is_read_as_so_many_bad_decisions(lab) -> None:
    sim = lab.go(lambda view: "mesh", [lab.task()])
    assert {rejected.code for rejected in sim.orders(Rejected)} == {"bad_decision"}


def test_a_scheduler_that_wakes_itself_in_circles_is_ended(lab) -> None:
    with pytest.raises(SchedulerError, match="woke itself more than 100000 times in the second from 0 s: it loops"):
        lab.go(lambda view: [WakeAt(view.now_s + 1e-9)], [lab.task()])


def test_wakes_do_not_breed(lab) -> None:
    sim = lab.go(lambda view: [WakeAt(view.now_s + 1.0)] * 2, [lab.task()], duration_s=100.0)
    assert [wake.at_s for wake in sim.orders(Wake)] == [float(second) for second in range(1, 101)]


def test_a_scheduler_that_moves_work_to_and_fro_does_so_once_an_instant(lab) -> None:
    def restless(view):
        for task in view.waiting:
            yield Assign(task.id, "A")
            yield Preempt(task.id)

    sim = lab.go(restless, [lab.task()])
    assert len(sim.runs()) == 1


@pytest.fixture
def short(monkeypatch) -> None:
    """Limits that a test can wait for."""
    monkeypatch.setattr(watchdog, "TICK_S", 0.05)
    monkeypatch.setattr(watchdog, "LIMIT_S", 0.1)


def loops(view):
    while True:
        try:
            pass
        except Exception:
            continue


@pytest.mark.usefixtures("short")
def test_a_scheduler_that_never_answers_is_ended(lab) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(SchedulerError, match=r"loops has not answered for 0\.1 s .*after fact number 0\): it loops"), \
            watch(lambda: 0, "loops"):  # fmt: skip
        lab.go(loops, [lab.task()])
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.usefixtures("short")
def test_a_run_that_moves_is_left_alone_however_long_it_takes(lab) -> None:
    ticks = []
    before = signal.getsignal(signal.SIGALRM)
    with watch(lambda: ticks.append(0) or len(ticks), "slow"):  # each look finds one fact more
        while len(ticks) < 5:
            pass
    assert signal.getsignal(signal.SIGALRM) is before


def test_off_the_main_thread_there_is_no_watch() -> None:
    found = []

    def elsewhere() -> None:
        with watch(lambda: 0, "any"):
            found.append(signal.getitimer(signal.ITIMER_REAL))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [(0.0, 0.0)]
