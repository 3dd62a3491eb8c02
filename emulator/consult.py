"""Asks the scheduler and carries out what it decides; a bad decision comes back with a code, never as a crash.

A scheduler is asked when a task was captured, a contact changed, a run finished, a node failed or recovered, data of a
stage whose node died have come to rest, or when it asked to be woken, and only while a task waits. After a rejection it
is asked once more at that instant.
"""

import traceback
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emulator import carry_out
from emulator.decisions import Assign, Decision, DecisionRejected, Downlink, Drop, Preempt, WakeAt, plain_text
from emulator.errors import OrbitmeshError, SchedulerError
from emulator.orders import Rejected, Wake
from emulator.view import View

if TYPE_CHECKING:
    from emulator.core import Core

MOST_WAKES_PER_SECOND = 100_000  # of simulated time; more is a scheduler that wakes itself in circles


class Scheduler(Protocol):
    """What decides. A plain function of the view will do as well."""

    def decide(self, view: View) -> Iterable[Decision] | None:
        """Yield decisions for what waits."""
        ...


CARRY_OUT: dict[type, Callable[["Core", Any], str]] = {
    Assign: carry_out.assign,
    Downlink: carry_out.downlink,
    Drop: carry_out.drop,
    Preempt: carry_out.preempt,
    WakeAt: carry_out.wake_at,
}

Decider = Scheduler | Callable[[View], Iterable[Decision] | None]


class Consultation:
    """The one place where scheduler and core meet."""

    def __init__(self, core: "Core", scheduler: Decider) -> None:
        self.core = core
        self.name = getattr(scheduler, "__name__", type(scheduler).__name__)
        decide: Any = getattr(scheduler, "decide", scheduler)
        self._decide: Callable[[View], Iterable[Decision] | None] = decide
        self._keep: Callable[[float, str, list[Any]], None] | None = getattr(scheduler, "keep_answer", None)
        self.view = View(core)
        self.rejections: dict[str, int] = {}
        self._pending: list[tuple[str, list[Any]]] = []  # (trigger, decisions) that are not ready yet
        self.deciding: set[str] = set()
        self._wakes: tuple[int, int] = (0, 0)  # (whole second, wakes in it)

    def hold(self, trigger: str) -> None:
        """Ask the scheduler, if anything waits for it."""
        core = self.core
        if trigger == "woken":
            self._count_wake()
        elif not core.waiting:
            return
        decisions = self._ask(trigger)
        cost_s = core.settings.decision_s
        if cost_s > 0.0:
            if decisions:
                self._pending.append((trigger, decisions))
                self.deciding.update(_tasks(decisions))
                core.moment.orders.append(Wake("", "decision", core.now_s + cost_s))
            return
        if self._apply(decisions):
            self._apply(self._ask("rejected"))

    def decision_ready(self) -> None:
        """A decision that took time is ready: carry it out."""
        if not self._pending:  # the echo of a decision already carried out
            self.core.stale += 1
            return
        trigger, decisions = self._pending.pop(0)
        self.deciding.difference_update(_tasks(decisions))
        if self._apply(decisions) and trigger != "rejected":
            self.hold("rejected")

    def _ask(self, trigger: str) -> list[Any]:
        self.view.trigger = trigger
        most = 4 * len(self.core.waiting) + 4 * len(self.core.nodes) + 100
        try:
            answer = self._decide(self.view)
            decisions = [] if answer is None else list(islice(answer, most + 1))
        except OrbitmeshError:
            raise
        except (Exception, SystemExit) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise SchedulerError(
                f"scheduler {self.name} raised {type(error).__name__}: {error} "
                f"({Path(last.filename).name}, line {last.lineno}; at {self.core.now_s} s, trigger {trigger!r})"
            ) from error
        if len(decisions) > most:
            raise SchedulerError(
                f"scheduler {self.name} yielded more than {most} decisions at {self.core.now_s} s for "
                f"{len(self.core.waiting)} waiting tasks: it loops; yield at most one decision per task"
            )
        if self._keep is not None:
            self._keep(self.core.now_s, trigger, decisions)
        return decisions

    def _apply(self, decisions: list[Any]) -> bool:
        """Carry decisions out in order; returns whether any was rejected."""
        rejected: list[DecisionRejected] = []
        for decision in decisions:
            deed = CARRY_OUT.get(type(decision))
            if deed is None:
                code = "bad_decision"
            else:
                try:
                    code = deed(self.core, decision)
                except TypeError:  # a field of a wrong type, an unhashable name for instance
                    code = "bad_decision"
            if code:
                rejected.append(DecisionRejected(decision, code))
                self.rejections[code] = self.rejections.get(code, 0) + 1
                task = plain_text(getattr(decision, "task", ""))
                self.core.moment.orders.append(Rejected(type(decision).__name__, task, code))
        self.view.rejected = tuple(rejected)
        return bool(rejected)

    def _count_wake(self) -> None:
        second = int(self.core.now_s)
        count = self._wakes[1] + 1 if self._wakes[0] == second else 1
        self._wakes = (second, count)
        if count > MOST_WAKES_PER_SECOND:
            raise SchedulerError(
                f"scheduler {self.name} woke itself more than {MOST_WAKES_PER_SECOND} times in the second "
                f"from {second} s: it loops; let WakeAt move time forward"
            )


def _tasks(decisions: list[Any]) -> set[str]:
    """The tasks whose fate is being decided."""
    return {d.task for d in decisions if isinstance(d, Assign | Downlink | Drop) and isinstance(d.task, str)}
