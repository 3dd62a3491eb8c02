"""What a pipeline's stages did: runs and where, inferences run and skipped, operations saved, bytes between stages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from emulator.console import percent, scaled, table
from emulator.state import ENDED, RETURNING, SceneState
from emulator.world import SATELLITE

if TYPE_CHECKING:
    from emulator.core import Core
    from emulator.report import Row


class StageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stage's figures over a run.

    `skipped_inferences` are those that running every stage on every tile would have made and the cascade did not, of
    scenes whose stage is decided; `saved_ops` are their operations. `input_bytes` is what its runs were fed with,
    `moved_bytes` what of its input came from another node.
    """

    name: str
    model: str
    in_orbit: int
    on_ground: int
    inferences: int
    skipped_inferences: int
    ops: int
    saved_ops: int
    input_bytes: int
    moved_bytes: int


def stage_rows(core: "Core") -> list[StageRow]:
    """The figures of each stage, in the pipeline's order; empty without one."""
    scenes = [state for state in core.tasks.values() if isinstance(state, SceneState)]
    return [_row(core, name, scenes) for name in core.stages.graph.stages]


def _row(core: "Core", name: str, scenes: Sequence[SceneState]) -> StageRow:
    model = core.stages.graph.stages[name].model
    ran = [scene.parts[name] for scene in scenes if name in scene.parts and scene.parts[name].finished_s >= 0.0]
    inferences = sum(part.task.inferences for part in ran)
    skipped = sum(_skipped(scene, name) for scene in scenes)
    in_orbit = sum(core.nodes[part.at].kind == SATELLITE for part in ran)
    return StageRow(
        name=name,
        model=model,
        in_orbit=in_orbit,
        on_ground=len(ran) - in_orbit,
        inferences=inferences,
        skipped_inferences=skipped,
        ops=inferences * core.world.models[model].ops,
        saved_ops=skipped * core.world.models[model].ops,
        input_bytes=sum(part.task.raw_bytes for part in ran),
        moved_bytes=core.stages.data.moved_bytes[name],
    )


def _skipped(scene: SceneState, name: str) -> int:
    """How many of the scene's tiles the stage did not run on, and never will, because of what stages answered."""
    part = scene.parts.get(name)
    if part is not None and part.finished_s >= 0.0:
        return scene.task.inferences - part.task.inferences
    answered = scene.stage == RETURNING or (scene.stage == ENDED and scene.how != "lost" and scene.finished_s >= 0.0)
    return scene.task.inferences if answered or name in scene.passed else 0


def stages_table(rows: "Sequence[Row]") -> Table:
    """A line for each stage under each scheduler."""
    numbers = ["runs in orbit", "on the ground", "inferences", "skipped", "operations", "saved", "input", "moved"]
    made = table("stages of the pipeline", ["", "stage", "model"], numbers)
    for row in rows:
        for n, stage in enumerate(row.stages):
            made.add_row(
                "" if n else row.name,
                stage.name,
                stage.model,
                f"{stage.in_orbit:,}",
                f"{stage.on_ground:,}",
                f"{stage.inferences:,}",
                f"{stage.skipped_inferences:,}",
                scaled(float(stage.ops), "op"),
                scaled(float(stage.saved_ops), "op"),
                scaled(float(stage.input_bytes), "B"),
                scaled(float(stage.moved_bytes), "B"),
                end_section=n + 1 == len(row.stages),
            )
    return made


def saving_lines(rows: "Sequence[Row]") -> list[str]:
    """What each scheduler was saved by the cascade, against every stage on every tile of the same scenes."""
    found = []
    for row in rows:
        ops, saved = sum(stage.ops for stage in row.stages), sum(stage.saved_ops for stage in row.stages)
        if ops + saved:
            every = scaled(float(ops + saved), "op")
            found.append(f"{row.name}: the cascade saved {percent(saved / (ops + saved))} of the {every} of every tile")
    return found
