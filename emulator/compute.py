"""What processors do: queues, runs, and the proof that no node exceeds its budget.

A processor runs one task at a time, the most urgent first, the oldest among equals.
No clock, no sockets; IEEE additions, products and quotients only.
"""

from heapq import heapify, heappop, heappush

from emulator.errors import LedgerMismatch
from emulator.orders import Cancel, Run
from emulator.state import QUEUED, RUNNING, Moment, NodeState, TaskState
from emulator.world import World
from nodes.errors import NodeError
from nodes.ledger import OpsLedger


class Compute:
    """The processors of all nodes."""

    def __init__(self, world: World, nodes: dict[str, NodeState], moment: Moment) -> None:
        self.nodes = nodes
        self.models = world.models
        self.batch = world.settings.batch
        self.precision = world.settings.precision
        self.moment = moment
        self.sequence = 0
        self.runs = 0
        for node in nodes.values():
            processor = node.spec.processor
            if processor is not None:
                node.budget = OpsLedger(node.name, processor.peak(self.precision))

    def job(self, node: NodeState, model: str, inferences: int) -> tuple[float, int]:
        """Duration in seconds and operations of a task on a node that has a processor."""
        job = node.jobs.get((model, inferences))
        if job is None:
            processor = node.spec.processor
            if processor is None:
                raise KeyError(f"{node.name} has no processor")
            whole = processor.job(self.models[model], inferences, self.batch, self.precision)
            job = node.jobs[model, inferences] = (whole.duration_s, whole.ops)
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
        state.duration_s, state.ops = self.job(node, state.task.model, state.task.inferences)
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
        node.running = state
        self.runs += 1
        state.stage = RUNNING
        state.run = self.runs
        state.started_s = self.moment.now_s
        node.busy_until_s = self.moment.now_s + state.duration_s
        self.moment.orders.append(Run(node.name, state.task.id, state.run, self.moment.now_s, node.busy_until_s))

    def finish(self, node: NodeState, state: TaskState) -> None:
        """A run has ended: book its operations and start the next."""
        self._book(node, state, state.ops)
        node.running = None
        self.start_next(node)

    def remove(self, node: NodeState, state: TaskState) -> None:
        """Take a task off its processor or out of its queue; half-done work is lost, but its time was spent."""
        if node.running is state:
            self._book(node, state, 0)
            self.moment.orders.append(Cancel(node.name, state.task.id, state.run))
            node.running = None
            node.busy_until_s = self.moment.now_s
            self.start_next(node)
            return
        node.queue = [entry for entry in node.queue if entry[2] is not state]
        heapify(node.queue)
        node.queued_s = node.queued_s - state.duration_s if node.queue else 0.0

    def stop(self, node: NodeState) -> None:
        """The node died: what ran and waited there is gone, the time it took is not."""
        if node.running is not None:
            self._book(node, node.running, 0)
        node.queue, node.running, node.queued_s = [], None, 0.0

    def _book(self, node: NodeState, state: TaskState, ops: int) -> None:
        if node.budget is None:
            return
        try:
            node.budget.record(state.started_s, self.moment.now_s, ops)
        except NodeError as error:
            raise LedgerMismatch(f"task {state.task.id}: {error}") from error

    def backlog_s(self, node: NodeState) -> float:
        """Seconds of work that a new task of equal urgency would wait for."""
        if node.running is None:
            return node.queued_s
        return max(0.0, node.busy_until_s - self.moment.now_s) + node.queued_s
