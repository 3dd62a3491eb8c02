"""Tile pipelines: a scene's inference as a graph of stages, each with its model, its input and what it lets pass.

A scene is cut into tiles; a stage runs its model on every tile that all stages before it let pass, so that a cheap
screen saves what an expensive model would spend (a cascade), and may end the scene (an early exit). All that is
decided here follows from the scenario and from what inference answered: whole numbers, no clock, no randomness.
"""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Literal

import msgspec

from workloads.tasks import ModelProfile, Task

RAW = "raw"  # the source of what the imager took
RESERVED = (RAW, "result", "bundle", "probe")  # what messages are, in traces and on the wire
CLOUDY = "cloudy"  # as `Outcome.label` says it
MOST_STAGES = 32  # a scene's state grows with them, and every scene has them [guess]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")  # no "#", which parts a scene's name from a stage's

Takes = Literal["tiles", "outputs", "both"]


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage: `model` on every tile that all stages of `after` let pass.

    `takes` says what its input is: the raw `tiles`, the `outputs` (tensors) of the stages before it, or `both`.
    `passes`: `all` tiles that it ran on, or only the `clear` share of the scene that its cloud fraction leaves.
    `exit`: `cloudy` ends the scene here if it has more cloud than `products.cloudy_above`; `never` does not.
    """

    name: str
    model: str
    after: tuple[str, ...] = ()
    takes: Takes = "tiles"
    passes: Literal["all", "clear"] = "all"
    exit: Literal["never", "cloudy"] = "never"

    @property
    def screens(self) -> bool:
        """Whether it needs a cloud fraction, which only a cloud screener answers."""
        return self.passes == "clear" or self.exit == "cloudy"


class Pipeline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done with every scene; each stage comes after those it names."""

    stages: tuple[Stage, ...]

    def problems(self) -> list[tuple[str, str]]:
        """(field, message) of everything that cannot be; empty if the pipeline can be."""
        found = []
        if not 1 <= len(self.stages) <= MOST_STAGES:
            found.append(("stages", f"has {len(self.stages)} stages; give 1 to {MOST_STAGES}"))
        known: list[str] = []
        for index, stage in enumerate(self.stages[:MOST_STAGES]):
            found += [(f"stages[{index}].{field}", text) for field, text in _stage_problems(stage, known)]
            known.append(stage.name)
        return found


def _stage_problems(stage: Stage, known: list[str]) -> list[tuple[str, str]]:
    found = []
    if not _NAME.fullmatch(stage.name) or stage.name in RESERVED:
        taken = ", ".join(RESERVED)
        text = (
            f"is {stage.name[:64]!r}; 1 to 32 letters, digits, '-', '_', a letter or digit first, and none of {taken}"
        )
        found.append(("name", text))
    elif stage.name in known:
        found.append(("name", f"is {stage.name!r}, which another stage has; give each its own"))
    if not stage.model:
        found.append(("model", "is empty; it must name a model"))
    for name in stage.after:
        if name not in known:
            there = ", ".join(known) or "none yet"
            found.append(("after", f"names {name[:64]!r}, which is no stage above this one; there are: {there}"))
    if len(set(stage.after)) < len(stage.after):
        found.append(("after", f"is {list(stage.after)}; name each stage once"))
    if not stage.after and stage.takes != "tiles":
        found.append(("takes", f"is {stage.takes!r}, but no stage comes before; a first stage takes 'tiles'"))
    return found


class Graph:
    """A pipeline that has no problems, with what follows from its shape; `models` says how large outputs are."""

    def __init__(self, pipeline: Pipeline, models: Mapping[str, ModelProfile]) -> None:
        self.stages = {stage.name: stage for stage in pipeline.stages}  # in an order in which they can run
        self.models = models
        self.next: dict[str, tuple[str, ...]] = {
            name: tuple(other.name for other in pipeline.stages if name in other.after) for name in self.stages
        }
        self.sources = {stage.name: self._sources(stage) for stage in pipeline.stages}

    def _sources(self, stage: Stage) -> tuple[str, ...]:
        raw = (RAW,) if stage.takes in ("tiles", "both") else ()
        return raw + (stage.after if stage.takes in ("outputs", "both") else ())

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Stages that can begin with the scene."""
        return tuple(name for name, stage in self.stages.items() if not stage.after)

    @cached_property
    def sinks(self) -> tuple[str, ...]:
        """Stages whose answers go to the ground."""
        return tuple(name for name in self.stages if not self.next[name])

    @cached_property
    def beyond(self) -> dict[str, frozenset[str]]:
        """All that cannot begin before a stage has ended, for each stage."""
        found: dict[str, frozenset[str]] = {}
        for name in reversed(self.stages):
            found[name] = frozenset(self.next[name]).union(*(found[other] for other in self.next[name]))
        return found

    @cached_property
    def takers(self) -> dict[str, frozenset[str]]:
        """The stages that take the raw tiles, or a stage's outputs."""
        return {
            source: frozenset(name for name, sources in self.sources.items() if source in sources)
            for source in (RAW, *self.stages)
        }

    def reaching(self, passed: Mapping[str, int], tiles: int) -> dict[str, int]:
        """How many of the scene's tiles reach each stage: the least that any stage before it passes on.

        Exact where all stages before it are in `passed`; at most so many where some have not ended.
        """
        found: dict[str, int] = {}
        for name, stage in self.stages.items():
            found[name] = min((passed.get(before, found[before]) for before in stage.after), default=tiles)
        return found

    def passing(self, name: str, ran: int, tiles: int, cloud_fraction: float) -> int:
        """How many tiles a stage passes on, of the `ran` it ran on and the `tiles` of the whole scene.

        Clear tiles are the clear share of the whole scene, to the nearest; screens are taken to agree on which.
        """
        if self.stages[name].passes == "all":
            return ran
        return max(0, min(ran, int(tiles * (1.0 - cloud_fraction) + 0.5)))

    def size_bytes(self, source: str, of: int, task: Task) -> int:
        """Bytes of that many tiles of a scene: their share of its raw data, or a stage's output tensors for them."""
        if source == RAW:
            return -(-task.raw_bytes * of // task.inferences)
        return of * self.models[self.stages[source].model].output_bytes


def stage_id(scene: str, stage: str) -> str:
    """The name of a stage's work on a scene."""
    return f"{scene}#{stage}"


def work_of(pipeline: Pipeline | None, scenes: Mapping[str, Task]) -> Callable[[str], Task]:
    """What a run works on, by the name in its order: a scene, or with a pipeline the stage of a scene.

    A stage's task is its scene's with the stage's name and model: what inference needs to know of it.
    """
    if pipeline is None:
        return scenes.__getitem__
    models = {stage.name: stage.model for stage in pipeline.stages}

    def find(name: str) -> Task:
        scene, _, stage = name.rpartition("#")
        return msgspec.structs.replace(scenes[scene], id=name, model=models[stage])

    return find
