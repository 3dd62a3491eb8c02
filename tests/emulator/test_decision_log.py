"""What a scheduler answered lies in blocks that can be read again, and forcing it costs what was decided, not what
was not."""

from typing import Any

import msgspec
import pytest

from emulator import decision_log
from emulator.core import Core
from emulator.decision_log import DECISIONS_LOG, DecisionLog, Forced, written
from emulator.decisions import Assign, Drop
from emulator.events import Captured
from emulator.orders import Run
from emulator.view import TaskView
from emulator.virtual import run


def flushed(answers: list[tuple[float, list[Any]]], at_once: int) -> list[tuple[bytes, int, float, float]]:
    """The blocks of these answers, `at_once` of them encoded together."""
    log, blocks = DecisionLog(), []
    watched = log.watched(lambda view: None)
    for number, (at_s, decisions) in enumerate(answers, 1):
        watched.keep_answer(at_s, "captured", decisions)
        if number % at_once == 0:
            log.encode()

    def write(chunk: bytes, lines: int, first_s: float, last_s: float, name: str) -> None:
        assert name == DECISIONS_LOG
        blocks.append((chunk, lines, first_s, last_s))

    log.flush(write)
    log.flush(write)  # nothing is left to be written twice
    return blocks


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_a_block_holds_no_more_than_a_reader_takes(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    answers: list[tuple[float, list[Any]]] = [
        (float(n), [Assign(f"{n}-{k}", "A") for k in range(1 + 5 * (n % 3))]) for n in range(40)
    ]
    (one,) = flushed(answers, at_once)
    assert one[1:] == (40, 0.0, 39.0)
    most_bytes = 1000
    monkeypatch.setattr(decision_log, "FULL_BYTES", most_bytes)
    blocks = flushed(answers, at_once)
    assert b"".join(chunk for chunk, *_ in blocks) == one[0]
    assert len(one[0]) > 5 * most_bytes
    for chunk, lines, first_s, last_s in blocks:
        said = [msgspec.json.decode(line) for line in chunk.splitlines()]
        assert len(chunk) <= most_bytes
        assert (len(said), said[0][0], said[-1][0]) == (lines, first_s, last_s)


def test_an_answer_longer_than_a_block_has_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_log, "FULL_BYTES", 100)
    blocks = flushed([(0.0, []), (1.0, [Assign(f"{n}", "A") for n in range(50)]), (2.0, []), (3.0, [])], 4)
    assert [(lines, first_s, last_s) for _, lines, first_s, last_s in blocks] == [
        (1, 0.0, 0.0), (1, 1.0, 1.0), (2, 2.0, 3.0),
    ]  # fmt: skip


def test_long_answers_fill_more_than_one_block_of_64_mib() -> None:
    """Each answer has 2 MB: one block would have 80 MB, of 8,192 facts far more than a reader unpacks."""
    long: list[Any] = [Drop("t", "x" * 2_000_000)]
    blocks = flushed([(float(n), long) for n in range(40)], 1)
    assert [lines for _, lines, *_ in blocks] == [33, 7]  # 33 x 2,000,033 bytes is below 2^26 = 67,108,864, 34 x is not


def forced(lab: Any, decided: list[tuple[float, str, list[Any]]], captures: list[Captured]) -> tuple[Core, list[Any]]:
    """A run under what was decided; (instant, node, task) of what ran."""
    world = lab.world([lab.laser("A", "B")])
    core = Core(world, Forced(decided))
    runs: list[Any] = []

    class Door:
        def handle(self, event: Any) -> Any:
            orders = core.handle(event)
            runs.extend((each.start_s, each.node, each.task) for each in orders if type(each) is Run)
            return orders

    run(Door(), [*lab.facts(world, []), *captures], world.settings.duration_s, lab.infer)
    return core, runs


def captured(lab: Any, name: str, at_s: float) -> Captured:
    return Captured(at_s, "A", lab.task(name, at_s, work_s=0.25))


def test_tasks_nobody_decided_for_are_not_looked_at(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    made = TaskView.__init__
    monkeypatch.setattr(TaskView, "__init__", lambda self, *given: looked.append(1) or made(self, *given))
    strangers = [captured(lab, f"x{n}", 0.001 * n) for n in range(300)]
    decided = [(float(n), "captured", [written(Assign(f"{n}", "B"))]) for n in range(1, 20)]
    core, runs = forced(lab, decided, [*strangers, *(captured(lab, f"{n}", float(n)) for n in range(1, 20))])
    assert [task for _, _, task in runs] == [f"{n}" for n in range(1, 20)]
    assert len(core.waiting) == 300
    assert len(looked) <= len(decided)  # 300 x 319 when all that waits is walked at each question


def test_what_is_forced_by_name_comes_when_it_was_decided_and_in_the_order_of_coming(lab: Any) -> None:
    """b comes before a, and both, as d, before they were decided for; c comes after."""
    decided = [
        (4.0, "captured", [written(Assign("a", "A")), written(Assign("b", "A"))]),
        (5.0, "captured", [written(Assign("c", "A"))]),
        (6.0, "captured", [written(Drop("d", "first")), written(Assign("never", "A"))]),
    ]
    came = [("b", 1.0), ("a", 2.0), ("d", 3.0), ("c", 8.0)]
    world = [captured(lab, name, at_s) for name, at_s in came]
    core, runs = forced(lab, decided, world)
    assert [(at_s, task) for at_s, _, task in runs] == [(4.0, "b"), (4.25, "a"), (8.0, "c")]
    assert (core.tasks["d"].how, core.tasks["d"].reason) == ("dropped", "first")


def test_after_a_rejection_the_next_decision_for_the_task_is_taken(lab: Any) -> None:
    decided: list[tuple[float, str, list[Any]]] = [
        (1.0, "captured", [written(Assign("a", "nowhere"))]),
        (1.0, "rejected", [written(Assign("a", "A"))]),
    ]
    core, runs = forced(lab, decided, [captured(lab, "a", 1.5)])
    assert runs == [(1.5, "A", "a")]
    assert core.consultation.rejections == {"unknown_node": 1}
    asked = Forced([(1.0, "captured", [written(Assign("gone", "A"))])])
    Core(lab.world(), asked)
    assert asked.left() == {"gone": 1}
