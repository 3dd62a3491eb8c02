"""Where the data of scenes in a pipeline lie: raw tiles and stages' outputs, copied on their way, kept until used.

For each stage that is to have them, data lie in one place or are on one way. A stage that moves takes a copy along of
what it needs, for itself and for all that cannot begin before it has ended; what is left stays for the others. Storage
is taken until data have left or been used, tiles that no stage will look at no longer than that is known.
No clock, no sockets; orders of stages are the pipeline's, never a set's.
"""

from emulator.state import Blob, Message, NodeState, SceneState, StageState
from emulator.transport import Transport
from emulator.withdrawal import abandon, halt
from workloads.pipeline import Graph


class SceneData:
    """Data of all scenes of a world."""

    def __init__(self, graph: Graph, nodes: dict[str, NodeState], transport: Transport) -> None:
        self.graph = graph
        self.nodes = nodes
        self.transport = transport
        self.moved_bytes = dict.fromkeys(graph.stages, 0)  # of each stage's input, that came from another node

    def lay(self, scene: SceneState, source: str, at: str, size_bytes: int) -> None:
        """Data are stored on a node, for all stages that take them."""
        scene.blobs.append(Blob(source, at, size_bytes, set(self.graph.takers[source])))

    def inputs(self, state: StageState) -> list[Blob]:
        """What a stage that waits, moves or runs is to be fed with."""
        return [blob for blob in state.scene.blobs if state.name in blob.claims]

    def needs(self, state: StageState) -> list[tuple[str, int, str]]:
        """(node, bytes, source) of each part of a waiting stage's input: bytes that it needs, of what lies there."""
        graph, tiles, task = self.graph, state.task.inferences, state.scene.task
        return [(blob.at, graph.size_bytes(blob.source, tiles, task), blob.source) for blob in self.inputs(state)]

    def send(self, state: StageState, blob: Blob, claims: set[str], relay: bool) -> None:
        """Send a copy of data to where a stage is to run, for all stages of `claims` that are to have them."""
        scene = state.scene
        claims = claims & blob.claims
        tiles = max(scene.parts[name].task.inferences for name in claims if name in scene.parts)
        copy = Blob(blob.source, blob.at, self.graph.size_bytes(blob.source, tiles, scene.task), claims)
        blob.claims -= claims
        blob.copies.append(copy)
        copy.origin = blob
        scene.blobs.append(copy)
        message = copy.message = Message(state, blob.source, copy.size_bytes, state.target, relay)
        message.blob, message.held, message.kept_bytes = copy, blob.at, 0
        self.transport.forward(message, blob.at)

    def left(self, state: StageState, copy: Blob) -> None:
        """A copy has made its first hop: what it is a copy of may go."""
        origin = copy.origin
        if origin is not None:
            origin.copies.remove(copy)
            copy.origin = None
            self._tidy(state.scene, origin)

    def arrived(self, state: StageState, blob: Blob, at: str) -> None:
        """A copy is where it was to go."""
        blob.message, blob.at = None, at
        self.moved_bytes[state.name] += blob.size_bytes

    def release(self, scene: SceneState, name: str) -> None:
        """A stage needs its data no more."""
        for blob in scene.blobs:
            blob.claims.discard(name)
        for blob in tuple(scene.blobs):
            self._tidy(scene, blob)

    def _tidy(self, scene: SceneState, blob: Blob) -> None:
        """Data at rest: keep what stages still to come, or copies that have not left, need of them."""
        if blob.message is not None:
            return
        graph = self.graph
        reaching = graph.reaching(scene.passed, scene.task.inferences)
        tiles = max((reaching[name] for name in blob.claims), default=0)
        needed_bytes = max((copy.size_bytes for copy in blob.copies), default=0)
        needed_bytes = max(needed_bytes, graph.size_bytes(blob.source, tiles, scene.task))
        self.nodes[blob.at].stored_bytes -= blob.size_bytes - needed_bytes
        blob.size_bytes = needed_bytes
        if not blob.claims and not blob.copies:
            scene.blobs.remove(blob)

    def rest(self, scene: SceneState, blob: Blob, at: str) -> None:
        """Data go no further; a copy that has not left is one with its origin again."""
        origin = blob.origin
        blob.message, blob.at = None, at
        if origin is not None:
            origin.copies.remove(blob)
            origin.claims |= blob.claims
            scene.blobs.remove(blob)

    def halt(self, state: StageState) -> None:
        """What is on its way to a stage stops where it is, or at the end of its hop."""
        for blob in self.inputs(state):
            if blob.message is not None and halt(self.transport, blob.message):
                self.rest(state.scene, blob, blob.message.held)

    def lost(self, scene: SceneState, name: str) -> bool:
        """A node died: whether data went with it that a stage needs. What only backed copies is forgotten."""
        there = [blob for blob in scene.blobs if blob.message is None and blob.at == name]
        if any(blob.claims for blob in there):
            return True
        for blob in there:
            scene.blobs.remove(blob)
            for copy in blob.copies:
                copy.origin = None
        return False

    def clear(self, scene: SceneState) -> None:
        """Nothing of the scene lies anywhere, or is on its way, any more."""
        blobs, scene.blobs = scene.blobs, []
        for blob in blobs:
            if blob.message is not None:
                abandon(self.transport, blob.message)
            else:
                self.nodes[blob.at].stored_bytes -= blob.size_bytes
