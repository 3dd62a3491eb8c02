"""What processors do: queues, runs, and the proof that no node exceeds its budget.

A processor runs one task at a time, the most urgent first, the oldest among equals; or, with `batch_across`, as many
of one model as fill a batch: they start and end together, and take the time of the sum of their inferences.
No clock, no sockets; IEEE additions, products and quotients only.
"""

from heapq import heapify, heappop, heappush
from math import inf

from emulator.errors import LedgerMismatch
from emulator.orders import Cancel, Run
from emulator.state import QUEUED, RUNNING, Moment, NodeState, TaskState
from emulator.world import World
from nodes.errors import NodeError
from nodes.job_time import Job
from nodes.ledger import OpsLedger
from nodes.processor import Processor


class Compute:
    """The processors of all nodes."""

    def __init__(self, world: World, nodes: dict[str, NodeState], moment: Moment) -> None:
        self.nodes = nodes
        self.models = world.models
        self.batch = world.settings.batch
        self.across = world.settings.batch_across
        self.precision = world.settings.precision
        self.moment = moment
        self.sequence = 0
        self.runs = 0
        for node in nodes.values():
            processor = node.spec.processor
            if processor is not None:
                node.budget = OpsLedger(node.name, self._peak_ops_per_s(processor))

    def _peak_ops_per_s(self, processor: Processor) -> float:
        """Of the quickest precision that any model runs in there."""
        runs = {processor.precision_of(model, self.precision) for model in self.models.values()}
        return max(map(processor.peak, runs or {self.precision}))

    def job(self, node: NodeState, model: str, inferences: int) -> Job:
        """What a task costs on a node that has a processor: seconds, operations, and how they are known."""
        job = node.jobs.get((model, inferences))
        if job is None:
            processor = node.spec.processor
            if processor is None:
                raise KeyError(f"{node.name} has no processor")
            job = processor.job(self.models[model], inferences, self.batch, self.precision)
            node.jobs[model, inferences] = job
        return job

    def fits(self, node: NodeState, model: str) -> bool:
        """Whether the model, with a batch of activations, fits into the node's memory."""
        fits = node.fits.get(model)
        if fits is None:
            processor = node.spec.processor
            fits = node.fits[model] = processor is not None and (
                processor.memory_bytes_needed(self.models[model], self.batch, self.precision) <= processor.memory_bytes
            )
        return fits

    def enqueue(self, node: NodeState, state: TaskState) -> None:
        """A task's data are here: run it when the processor is free."""
        state.stage = QUEUED
        state.at = node.name
        state.job = job = self.job(node, state.task.model, state.task.inferences)
        state.duration_s, state.ops = job.duration_s, job.ops
        if node.running is None and not node.queue:
            self._start(node, state)
            return
        self.sequence += 1
        heappush(node.queue, (-state.task.priority, self.sequence, state))
        node.queued_s += state.duration_s

    def start_next(self, node: NodeState) -> None:
        """Start the most urgent queued task if the processor is idle."""
        if node.running is not None or not node.queue:
            return
        state = heappop(node.queue)[2]
        node.queued_s = node.queued_s - state.duration_s if node.queue else 0.0
        self._start(node, state)

    def _start(self, node: NodeState, state: TaskState) -> None:
        if self.across and node.queue and self._start_together(node, state):
            return
        node.running = state
        self.runs += 1
        state.stage = RUNNING
        state.run = self.runs
        state.started_s = self.moment.now_s
        node.busy_until_s = self.moment.now_s + state.duration_s
        basis = state.job.basis if state.job is not None else "preset"
        self.moment.orders.append(Run(node.name, state.task.id, state.run, self.moment.now_s, node.busy_until_s, basis))

    def _start_together(self, node: NodeState, first: TaskState) -> bool:
        """Start a task and those of the queue that fill its batch; whether there was any.

        Taken in the queue's order, and none that is less urgent than what is left behind.
        """
        together, total, left = [first], first.task.inferences, -inf
        for entry in sorted(node.queue):
            state = entry[2]
            fits = state.task.model == first.task.model and total + state.task.inferences <= self.batch
            if fits and state.task.priority >= left:
                together.append(state)
                total += state.task.inferences
            else:
                left = max(left, state.task.priority)
        if len(together) == 1:
            return False
        node.queue = [entry for entry in node.queue if entry[2] not in together]
        heapify(node.queue)
        node.queued_s = node.queued_s - sum(s.duration_s for s in together[1:]) if node.queue else 0.0
        job = self.job(node, first.task.model, total)
        now_s = self.moment.now_s
        node.running, node.batch, node.busy_until_s = first, together, now_s + job.duration_s
        for state in together:
            self.runs += 1
            state.stage, state.run, state.started_s, state.job = RUNNING, self.runs, now_s, job
            self.moment.orders.append(Run(node.name, state.task.id, state.run, now_s, node.busy_until_s, job.basis))
        return True

    def finish(self, node: NodeState, state: TaskState) -> None:
        """A run has ended: book its operations, once all that started with it have ended; `start_next` comes next."""
        if self._leave_batch(node, state):
            node.batch_ops += state.ops
            return
        self._book(node, state, node.batch_ops + state.ops)
        node.running, node.batch_ops = None, 0

    def _leave_batch(self, node: NodeState, state: TaskState) -> bool:
        """Whether others that started with it still run."""
        if not node.batch:
            return False
        node.batch.remove(state)
        if node.batch:
            node.running = node.batch[0]
        return bool(node.batch)

    def remove(self, node: NodeState, state: TaskState) -> None:
        """Take a task off its processor or out of its queue; half-done work is lost, but its time was spent.

        Those that started together with it run on, as long as they would have with it.
        """
        if state.stage == RUNNING:
            self.moment.orders.append(Cancel(node.name, state.task.id, state.run))
            if self._leave_batch(node, state):
                return
            self._book(node, state, node.batch_ops)
            node.running, node.batch_ops = None, 0
            node.busy_until_s = self.moment.now_s
            self.start_next(node)
            return
        node.queue = [entry for entry in node.queue if entry[2] is not state]
        heapify(node.queue)
        node.queued_s = node.queued_s - state.duration_s if node.queue else 0.0

    def stop(self, node: NodeState) -> None:
        """The node died: what ran and waited there is gone, the time it took is not."""
        if node.running is not None:
            self._book(node, node.running, node.batch_ops)
        node.queue, node.running, node.queued_s = [], None, 0.0
        node.batch, node.batch_ops = [], 0

    def _book(self, node: NodeState, state: TaskState, ops: int) -> None:
        processor, job = node.spec.processor, state.job
        if node.budget is None or processor is None or job is None:
            return
        try:
            node.budget.record(state.started_s, self.moment.now_s, ops, processor.peak(job.precision))
        except NodeError as error:
            raise LedgerMismatch(f"task {state.task.id}: {error}") from error
        busy_s = self.moment.now_s - state.started_s
        if job.power_w is None or processor.idle_power_w is None:
            node.unmetered_s += busy_s
        else:
            node.work_j += busy_s * (job.power_w - processor.idle_power_w)

    def backlog_s(self, node: NodeState) -> float:
        """Seconds of work that a new task of equal urgency would wait for."""
        if node.running is None:
            return node.queued_s
        return max(0.0, node.busy_until_s - self.moment.now_s) + node.queued_s
