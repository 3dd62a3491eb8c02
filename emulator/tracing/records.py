"""Records of a trace: a task, a bundle, a message on one link, a run on a processor, each from its begin to its end.

Filled in by `story.py` while it reads; None is what has not happened. How a record ended is a word, never missing:
what has not ended when the trace does is `pending`, `in flight` or `running`.
"""

from emulator.events import Bundle
from emulator.orders import Run, Send
from emulator.world import World
from workloads.arrivals import NEVER_S
from workloads.tasks import Outcome, Task

DELIVERED, LOST, WITHDRAWN, IN_FLIGHT = "delivered", "lost", "withdrawn", "in flight"
FINISHED, CANCELLED, RUNNING = "finished", "cancelled", "running"
DONE, PENDING = "done", "pending"
ANSWERED = "answered"  # what comes of requests and batch jobs, which show no cloud


class Clouds:
    """What inference said of scenes; None where it says nothing of them, for which the log has 0.

    Nothing is said by the answers of requests and batch jobs, and by those of a model that is a load.
    """

    def __init__(self, world: World) -> None:
        stages = () if world.pipeline is None else world.pipeline.stages
        self._silent = {stage.name for stage in stages if stage.model in world.silent}
        self._all_silent = not stages and bool(world.silent)  # without stages one model is for all scenes

    def of(self, part: str, outcome: Outcome) -> float | None:
        """The cloud fraction, 0 to 1, that a run of `part` (a task, or `task#stage`) ended with."""
        silent = self._all_silent or (bool(self._silent) and part.rpartition("#")[2] in self._silent)
        return None if silent or outcome.label == ANSWERED else outcome.cloud_fraction


class HopRecord:
    """One message over one link: serialised from `start_s` to `free_s` of its order, due there at `deliver_s`.

    `how` it ended at `ended_s`: `delivered`, `lost` (with a node, or on the way), `withdrawn` (its task had ended),
    or `in flight` when the trace ends, and then `ended_s` is None. `owner` is the task, or the bundle.
    """

    __slots__ = ("ended_s", "how", "order", "owner")

    def __init__(self, order: Send, owner: str) -> None:
        self.order, self.owner = order, owner
        self.how = IN_FLIGHT
        self.ended_s: float | None = None

    @property
    def delivered_s(self) -> float | None:
        """When its last bit was there; None if it never was."""
        return self.ended_s if self.how == DELIVERED else None


class RunRecord:
    """One run on a processor; `how` it ended at `ended_s`: `finished`, `cancelled`, `lost`, or `running` (None).

    `cloud_fraction` is None unless it finished and its answer says something of a scene.
    """

    __slots__ = ("cloud_fraction", "ended_s", "how", "order", "outcome", "owner")

    def __init__(self, order: Run, owner: str) -> None:
        self.order, self.owner = order, owner
        self.how = RUNNING
        self.ended_s: float | None = None
        self.outcome: Outcome | None = None  # of one that finished
        self.cloud_fraction: float | None = None


class TaskRecord:
    """One task from capture to its end: `done`, `dropped`, `lost`, or `pending` with `ended_s` None.

    `sent_s`: its first message, raw or result, began to leave. `started_s`: its first run began, whatever became of it;
    `runs` counts them. `finished_s`, `ran_on`, `outcome`, `cloud_fraction`: of the last run that finished. In a
    pipeline all of these are over all stages. `answered_s`: the last of its answers so far was on the ground. `number`:
    of its capture, from 0.
    """

    __slots__ = (
        "answered_s", "cloud_fraction", "ended_s", "finished_s", "how", "number", "outcome", "ran_on", "reason",
        "result_sent_s", "runs", "sent_s", "started_s", "task",
    )  # fmt: skip

    def __init__(self, task: Task, number: int) -> None:
        self.task, self.number = task, number
        self.sent_s: float | None = None
        self.result_sent_s: float | None = None
        self.started_s: float | None = None
        self.finished_s: float | None = None
        self.answered_s: float | None = None
        self.ended_s: float | None = None
        self.how = PENDING
        self.reason: str | None = None
        self.ran_on: str | None = None
        self.outcome: Outcome | None = None
        self.cloud_fraction: float | None = None
        self.runs = 0

    @property
    def delivered_s(self) -> float | None:
        """When the whole answer was on the ground; None unless the task is done: a part is no answer."""
        if self.how != DONE:
            return None
        return self.ended_s if self.answered_s is None else self.answered_s

    @property
    def deadline_s(self) -> float | None:
        """By when it should be answered; None for the `never` of those that have none."""
        return self.task.deadline_s if self.task.deadline_s < NEVER_S else None


class BundleRecord:
    """Data of an application from its offer to its end: `done`, `lost`, or `pending` with `ended_s` None."""

    __slots__ = ("bundle", "ended_s", "how", "offered_s", "reason", "sent_s")

    def __init__(self, bundle: Bundle, offered_s: float) -> None:
        self.bundle, self.offered_s = bundle, offered_s
        self.sent_s: float | None = None
        self.ended_s: float | None = None
        self.how = PENDING
        self.reason: str | None = None

    @property
    def delivered_s(self) -> float | None:
        """When its application had it; None if it never did."""
        return self.ended_s if self.how == DONE else None


class Sink:
    """Takes what has ended; override what you want to hear of."""

    def hop(self, hop: HopRecord) -> None:
        """A message has ended."""

    def run(self, run: RunRecord) -> None:
        """A run has ended."""

    def task(self, task: TaskRecord) -> None:
        """A task has ended."""

    def bundle(self, bundle: BundleRecord) -> None:
        """A bundle has ended."""
