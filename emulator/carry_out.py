"""What decisions do to the state: each function returns an empty text, or the code with which it is rejected.

A rejected decision has changed nothing.
"""

from typing import TYPE_CHECKING

from emulator.decisions import Assign, Downlink, Drop, Preempt, WakeAt, plain_text
from emulator.orders import Wake
from emulator.state import MOVING, QUEUED, RUNNING, WAITING, NodeState, StageState, TaskState
from emulator.world import STATION

if TYPE_CHECKING:
    from emulator.core import Core


def assign(core: "Core", decision: Assign) -> str:
    """Infer it there; raw data travel if they must."""
    state = core.waiting.get(decision.task)
    node = core.nodes.get(decision.node)
    if state is None:
        return "not_waiting" if decision.task in core.work else "unknown_task"
    if node is None:
        return "unknown_node"
    code = unfit(core, node, state.task.model)
    if code:
        return code
    if isinstance(state, StageState):
        return core.stages.assign(state, node, bool(decision.relay), bool(decision.whole))
    if state.at != node.name and not core.transport.routes.reachable(state.at, node.name):
        return "unreachable"
    del core.waiting[decision.task]
    state.target, state.relay = node.name, bool(decision.relay)  # numpy's is as good
    if state.at == node.name:
        core.compute.enqueue(node, state)
    else:
        core.move(state, True)
    return ""


def downlink(core: "Core", decision: Downlink) -> str:
    """Send the raw data down and infer there; nothing new for a stage that goes down along with another."""
    state = core.waiting.get(decision.task)
    if state is None:
        known = core.work.get(decision.task)
        if known is None:
            return "unknown_task"
        return "" if isinstance(known, StageState) and _goes_down(core, known, decision.station) else "not_waiting"
    if decision.station is None and core.world.planned:
        decision = _as_planned(core, state, decision)
    if decision.station is not None:
        station = core.nodes.get(decision.station)
        if station is None:
            return "unknown_node"
        if station.kind != STATION:
            return "not_a_station"
        code = unfit(core, station, state.task.model)
        if code:
            return code
        if not decision.relay and not all(
            core.transport.routes.passes_over(at, station.name) for at in _places(core, state)
        ):
            return "unreachable"
    if isinstance(state, StageState):
        return core.stages.downlink(state, decision.station, bool(decision.relay))
    grounded = core.nodes[state.at].kind == STATION  # preempted there; nothing leads up again
    if grounded and decision.station not in (None, state.at):
        return "unreachable"
    del core.waiting[decision.task]
    state.target, state.relay = decision.station, bool(decision.relay)
    if grounded:
        core.compute.enqueue(core.nodes[state.at], state)
    else:
        core.move(state, state.relay)
    return ""


def _as_planned(core: "Core", state: TaskState, decision: Downlink) -> Downlink:
    """At the first station of the mission's plan that can take it; at any where the plan has none that can."""
    scene = state.scene.task.id if isinstance(state, StageState) else state.task.id
    for name in core.world.planned.get(scene.rpartition("/")[0], ()):
        station = core.nodes[name]
        passes = all(core.transport.routes.passes_over(at, name) for at in _places(core, state))
        if not unfit(core, station, state.task.model) and (decision.relay or passes):
            return Downlink(decision.task, name, decision.relay)
    return decision


def drop(core: "Core", decision: Drop) -> str:
    """Give it up on purpose."""
    state = core.waiting.get(decision.task)
    if state is None:
        return "not_waiting" if decision.task in core.work else "unknown_task"
    if not isinstance(state, StageState):
        core.nodes[state.at].stored_bytes -= state.task.raw_bytes
    core.end(state, "dropped", plain_text(decision.reason))
    return ""


def preempt(core: "Core", decision: Preempt) -> str:
    """Take it off its processor or out of the queue; it waits again."""
    state = core.work.get(decision.task)
    if state is None:
        return "unknown_task"
    if state.stage not in (QUEUED, RUNNING):
        return "not_running"
    core.compute.remove(core.nodes[state.at], state)
    state.stage = WAITING
    core.waiting[decision.task] = state
    return ""


def wake_at(core: "Core", decision: WakeAt) -> str:
    """Ask again then, unless the run is over by then."""
    if not decision.at_s > core.moment.now_s:
        return "in_the_past"
    if decision.at_s <= core.settings.duration_s and decision.at_s not in core.wakes:
        core.wakes.add(float(decision.at_s))
        core.moment.orders.append(Wake("", "decide", float(decision.at_s)))
    return ""


def _goes_down(core: "Core", state: StageState, station: str | None) -> bool:
    """Whether a stage is bound for that station, or for any, or is there."""
    if state.stage not in (MOVING, QUEUED, RUNNING):
        return False
    node = core.nodes.get(state.target or "")
    return state.target == station or (station is None and node is not None and node.kind == STATION)


def _places(core: "Core", state: TaskState) -> list[str]:
    """The nodes that hold what it needs."""
    return [blob.at for blob in core.stages.data.inputs(state)] if isinstance(state, StageState) else [state.at]


def unfit(core: "Core", node: NodeState, model: str) -> str:
    """The code with which a node cannot run a model at all; empty if it can."""
    if node.spec.processor is None:
        return "no_processor"
    if not node.up:
        return "node_down"
    return "" if core.compute.fits(node, model) else "no_memory"
