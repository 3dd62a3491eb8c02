"""Scenes in a pipeline: which stage can begin, where it runs, and when the scene has ended.

Each stage is placed as a task of its own; where its data lie and how they travel is `scene_data`'s. A scene is done
when the answers of all its last stages are on the ground, and lost with the first data that a stage still needs.
No clock, no sockets; orders of stages are the pipeline's, never a set's.
"""

from typing import TYPE_CHECKING

import msgspec

from emulator.carry_out import unfit
from emulator.scene_data import SceneData
from emulator.state import (
    ENDED,
    MOVING,
    QUEUED,
    RESULT,
    RETURNING,
    RUNNING,
    WAITING,
    Blob,
    Message,
    NodeState,
    SceneState,
    StageState,
)
from emulator.withdrawal import abandon
from emulator.world import STATION
from workloads.pipeline import CLOUDY, RAW, Graph, Pipeline, stage_id

if TYPE_CHECKING:
    from emulator.core import Core

RECALLED = ""  # the target of a stage whose node died while data were on their way there


class Stages:
    """All scenes of a world with a pipeline."""

    def __init__(self, core: "Core", pipeline: Pipeline) -> None:
        self.core = core
        self.graph = Graph(pipeline, core.world.models)
        self.data = SceneData(self.graph, core.nodes, core.transport)

    def begin(self, scene: SceneState) -> None:
        """A scene was taken, and its raw data are stored."""
        self.data.lay(scene, RAW, scene.at, scene.task.raw_bytes)
        for name in self.graph.roots:
            self._ready(scene, name, scene.task.inferences)

    def _ready(self, scene: SceneState, name: str, tiles: int) -> None:
        """All stages before it have ended: it waits for a decision, or goes where all of the scene goes."""
        graph, task = self.graph, scene.task
        size_bytes = sum(graph.size_bytes(source, tiles, task) for source in graph.sources[name])
        own = msgspec.structs.replace(
            task, id=stage_id(task.id, name), model=graph.stages[name].model, inferences=tiles, raw_bytes=size_bytes
        )
        state = scene.parts[name] = self.core.work[own.id] = StageState(own, name, scene)
        self._wait(state)
        node = self.core.nodes.get(scene.pinned or "")
        if node is not None and not unfit(self.core, node, own.model):
            self.assign(state, node, relay=True, whole=True)

    def _wait(self, state: StageState) -> None:
        """It waits for a decision, where most of its input is."""
        state.stage = WAITING
        state.at = max(self.data.needs(state), key=lambda need: need[1])[0]  # the first among equals
        self.core.waiting[state.task.id] = state

    # decisions

    def assign(self, state: StageState, node: NodeState, relay: bool, whole: bool) -> str:
        """Run a waiting stage there; with `whole` all stages after it too. Returns a code, or nothing if it is done."""
        routes = self.core.transport.routes
        if not all(routes.reachable(blob.at, node.name) for blob in self.data.inputs(state)):
            return "unreachable"
        if whole:
            state.scene.pinned = node.name
        state.relay = relay
        self._bind(state, node.name)
        for blob in self.data.inputs(state):
            if blob.at != node.name:
                self.data.send(state, blob, {state.name} | self.graph.beyond[state.name], True)
        self._start(state)
        return ""

    def downlink(self, state: StageState, station: str | None, relay: bool) -> str:
        """Run it on the ground, and there all of the scene that waits beside it or comes after it."""
        nodes, inputs = self.core.nodes, self.data.inputs(state)
        grounded = {blob.at for blob in inputs if nodes[blob.at].kind == STATION}
        if len(grounded) > 1 or (station is not None and grounded - {station}):
            return "unreachable"
        target = station if station is not None else next(iter(grounded), None)
        if target is None and len(inputs) > 1:
            return "needs_station"
        if target is not None:
            code = unfit(self.core, nodes[target], state.task.model)
            if code:
                return code
            state.scene.pinned = target
        bound = self._beside(state, inputs, target)
        for each in bound:
            each.relay = relay
            self._bind(each, target)
        claims = {each.name for each in bound}.union(*(self.graph.beyond[each.name] for each in bound))
        for blob in inputs:
            if blob.at != target:
                self.data.send(state, blob, claims, relay)
        for each in [part for part in state.scene.parts.values() if part.stage == MOVING]:
            self._start(each)
        return ""

    def _beside(self, state: StageState, inputs: list[Blob], target: str | None) -> list[StageState]:
        """The stage, and those of its scene that wait, need nothing but the same data, and can run there too."""
        waiting = [part for part in state.scene.parts.values() if part.stage == WAITING]
        node = None if target is None else self.core.nodes[target]
        return [
            part
            for part in waiting
            if all(blob in inputs for blob in self.data.inputs(part))
            and (node is None or not unfit(self.core, node, part.task.model))
        ]

    def _bind(self, state: StageState, target: str | None) -> None:
        """It is decided where it goes; its data may have to come."""
        del self.core.waiting[state.task.id]
        state.target, state.stage = target, MOVING

    def arrived(self, state: StageState, blob: Blob, node: NodeState) -> bool:
        """Data are where they were to go: stages that have all begin. Returns whether one waits again instead."""
        scene, waiting = state.scene, len(self.core.waiting)
        self.data.arrived(state, blob, node.name)
        for name in self.graph.stages:
            part = scene.parts.get(name)
            if part is None or name not in blob.claims or part.stage != MOVING:
                continue
            if part.target is None:
                part.target = scene.pinned = node.name
            self._start(part)
        return len(self.core.waiting) > waiting

    def _start(self, state: StageState) -> None:
        """If all its data are there: to the processor, or to wait for a decision if it was called back."""
        inputs = self.data.inputs(state)
        if state.stage != MOVING or any(blob.message is not None for blob in inputs):
            return
        target = state.target or RECALLED
        if any(blob.at != target for blob in inputs):
            self._wait(state)
            return
        node = self.core.nodes[target]
        if self.core.compute.fits(node, state.task.model):
            self.core.compute.enqueue(node, state)
        else:
            self.end(state.scene, "lost", f"{node.name} cannot run the model")

    # ends

    def finished(self, state: StageState, node: NodeState) -> None:
        """A stage has run: keep its outputs, let what comes after it begin, or answer."""
        graph, scene, name, outcome = self.graph, state.scene, state.name, state.outcome
        if outcome is None:
            return
        state.stage = ENDED
        tiles = scene.task.inferences
        passed = scene.passed[name] = graph.passing(name, state.task.inferences, tiles, outcome.cloud_fraction)
        if graph.stages[name].exit == CLOUDY and outcome.label == CLOUDY:
            self._exit(state, node)
            return
        self.data.release(scene, name)
        if not graph.next[name]:
            self._answer(state, node)
            return
        size_bytes = graph.size_bytes(name, passed, scene.task)
        if passed and graph.takers[name]:
            node.stored_bytes += size_bytes
            self.data.lay(scene, name, node.name, size_bytes)
        self._advance(scene)
        if not scene.open:
            if scene.outcome is None:  # no tile was left for any stage that would have answered
                self._exit(state, node)
            else:
                self._close(scene)

    def _advance(self, scene: SceneState) -> None:
        """Let stages begin that can, and pass over those that no tile will reach."""
        reaching = self.graph.reaching(scene.passed, scene.task.inferences)
        for name, stage in self.graph.stages.items():
            if name in scene.parts or name in scene.passed:
                continue
            if not reaching[name]:
                scene.passed[name] = 0
                scene.open.discard(name)
                self.data.release(scene, name)
            elif all(before in scene.passed for before in stage.after):
                self._ready(scene, name, reaching[name])

    def _exit(self, state: StageState, node: NodeState) -> None:
        """The scene ends with this stage's answer, whatever else was to be done."""
        self._clear(state.scene)
        state.scene.open = {state.name}
        self._answer(state, node)

    def _answer(self, state: StageState, node: NodeState) -> None:
        """A stage's outcome is an answer of the scene: bring it down, if it is not there and there is anything."""
        size_bytes = 0 if state.outcome is None else state.outcome.product_bytes
        if node.kind == STATION or size_bytes <= 0:
            self.answered(state, node.kind == STATION)
            return
        node.stored_bytes += size_bytes
        state.stage = RETURNING
        state.result = Message(state, RESULT, size_bytes, None, state.relay)
        parts = state.scene.parts
        if all(name in parts and parts[name].stage == RETURNING for name in state.scene.open):
            state.scene.stage = RETURNING
        self.core.transport.forward(state.result, node.name)

    def answered(self, state: StageState, delivered: bool) -> None:
        """An answer is on the ground, or there is none to send."""
        scene = state.scene
        state.stage = ENDED
        scene.open.discard(state.name)
        scene.outcome, scene.finished_s = state.outcome, max(scene.finished_s, state.finished_s)
        if delivered:
            scene.delivered_s = state.delivered_s = self.core.now_s
        if not scene.open:
            self._close(scene)

    def _close(self, scene: SceneState) -> None:
        label = scene.outcome.label if scene.outcome is not None else ""
        self.end(scene, "done" if scene.delivered_s >= 0.0 else "dropped", label)

    def end(self, scene: SceneState, how: str, reason: str) -> None:
        """The scene has ended, with all that was still under way."""
        if scene.stage != ENDED:
            self._clear(scene)
            self.core.close(scene, how, reason)

    def _clear(self, scene: SceneState) -> None:
        """Nothing waits, runs, moves or lies anywhere for this scene any more."""
        core = self.core
        for part in scene.parts.values():
            if part.stage == WAITING:
                del core.waiting[part.task.id]
            elif part.stage in (QUEUED, RUNNING) and core.nodes[part.at].up:
                core.compute.remove(core.nodes[part.at], part)
            elif part.stage == RETURNING and part.result is not None:
                abandon(core.transport, part.result)
            part.stage = ENDED
        self.data.clear(scene)

    # faults

    def returned(self, message: Message) -> None:
        """The next hop died before it had the data: they are where they were, and the stage is called back."""
        state, blob = message.state, message.blob
        if isinstance(state, StageState) and blob is not None and state.scene.stage != ENDED:
            if blob.message is not None:  # else it was halted with another part of the stage's input
                self.data.rest(state.scene, blob, message.held)
            for part in state.scene.parts.values():
                if part.name in blob.claims:
                    self._recall(part)

    def _recall(self, state: StageState) -> None:
        """Where a stage was to run is no more: its data stop, and then it waits for another decision."""
        if state.stage != MOVING:
            return
        state.target = RECALLED
        self.data.halt(state)
        self._start(state)

    def node_failed(self, node: NodeState, reason: str) -> None:
        """Scenes that needed what lay there are lost; stages that were bound for there wait again."""
        for scene in self.core.tasks.values():
            if not isinstance(scene, SceneState) or scene.stage == ENDED:
                continue
            if self.data.lost(scene, node.name):
                self.end(scene, "lost", reason)
                continue
            if scene.pinned == node.name:
                scene.pinned = None
            for part in scene.parts.values():
                if part.target == node.name:
                    self._recall(part)
