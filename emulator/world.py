"""The world as the core is told it before the first fact: nodes, contact plan, cost of models, settings.

It is data only, goes into every trace, and together with the facts determines every order.
"""

from typing import Final

import msgspec

from links.contacts import ContactPlan
from nodes.measured_load import MeasuredLoad
from nodes.processor import Processor
from workloads.pipeline import Pipeline
from workloads.tasks import ModelProfile

SATELLITE: Final = "satellite"
STATION: Final = "station"


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One node: what it computes with and how much it can hold (`None`: without limit)."""

    name: str
    kind: str
    processor: Processor | None = None
    storage_bytes: float | None = None
    sunlit: bool = True  # at the start
    laser_power_w: float = 0.0  # drawn by one terminal while it sends
    radio_power_w: float = 0.0  # drawn by the radio while it sends
    load: int | None = None  # which of the world's measured loads it draws, in place of its processor's idle power


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the core behaves where physics leaves a choice."""

    duration_s: float
    batch: int = 64  # inferences per launch of a processor
    precision: str = "int8"
    route_refresh_s: float = 60.0  # routes are recomputed at every contact change, and at least this often
    decision_s: float = 0.0  # what deciding costs, in simulated time
    knowledge: str = "global"
    queue_bytes: float | None = None  # of one transmitter; what does not fit is lost (None: only storage limits it)
    batch_across: bool = False  # whether a launch takes several tasks of one model, as many as fill a batch


class World(msgspec.Struct, frozen=True, kw_only=True):
    """All that the core knows from the start."""

    nodes: list[NodeSpec]
    plan: ContactPlan
    models: dict[str, ModelProfile]
    settings: Settings
    pipeline: Pipeline | None = None  # what is done with every scene, instead of one run of its model
    loads: list[MeasuredLoad] = []  # what telemetry says that satellites draw without the work of the run
    silent: tuple[str, ...] = ()  # models that are a load: they run, and what they answer says nothing of a scene
    planned: dict[str, tuple[str, ...]] = {}  # stations for the raw data of a mission's task, by "SATELLITE/TASK"
