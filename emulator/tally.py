"""What was captured in a run and what became of it, counted task by task in one pass."""

from emulator.core import Core
from emulator.state import ENDED


class Tally:
    """Counts over all tasks of a run that has ended.

    A deadline within the run is missed by a task that was not answered by then. A scene that inference dropped (too
    cloudy to send) counts as answered when it was inferred; one that the scheduler dropped counts as missed.
    """

    def __init__(self, core: Core) -> None:
        self.unanswered_s: list[float] = []  # how long those were watched that are neither done nor dropped
        self.raw_bytes = 0
        self.due = self.missed = self.urgent_due = self.urgent_missed = 0  # deadlines
        self.reasons: dict[tuple[str, str], int] = {}  # by how a task ended, or `pending`, and why
        self._count(core)

    def _count(self, core: Core) -> None:
        now_s, reasons = core.now_s, self.reasons
        for state in core.tasks.values():
            task, how = state.task, state.how
            self.raw_bytes += task.raw_bytes
            reason = (how, state.reason) if state.stage == ENDED else ("pending", state.doing)
            reasons[reason] = reasons.get(reason, 0) + 1
            if how == "done":
                answered_s = state.delivered_s
            elif how == "dropped":
                answered_s = state.finished_s
            else:
                self.unanswered_s.append(now_s - task.at_s)
                answered_s = -1.0
            if task.deadline_s <= now_s:
                missed = answered_s < 0.0 or answered_s > task.deadline_s
                self.due += 1
                self.missed += missed
                if task.priority > 0:
                    self.urgent_due += 1
                    self.urgent_missed += missed
