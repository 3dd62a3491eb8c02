"""The level `measured` of a replay: runs last as long as they were measured to, at the power that was measured.

Times and power come from a recorded run or from a processor's calibrations (`emulator/measured_runs.py` knows both);
which of them was used is said in words, and what is left modelled is called so.
"""

import msgspec

from emulator.core import Core
from emulator.events import Event
from emulator.measured_runs import Group, allowed_s, groups, measured_power, powered
from emulator.orders import Order, Run
from emulator.recorder import Door
from emulator.report import Row
from emulator.rerun_inputs import Inputs
from emulator.trace import Trace
from emulator.world import SATELLITE, STATION, World
from nodes.processor import Processor


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay on another level came to. `matches`: every fact and order came out as recorded.

    `parted_s` is when a forced run first asked its scheduler something else (None: never), `decisions_left` counts
    decisions that nothing asked for again, of which `left` names the first tasks. Of the runs, `runs_measured` took a
    measured time and `runs_modelled` had none; `times_from` and `power_from` say where both come from.
    """

    level: str
    matches: bool
    digest: str
    recorded_digest: str
    row: Row
    notes: list[str]
    parted_s: float | None = None
    decisions_left: int = 0
    left: dict[str, int] = {}
    runs_measured: int = 0
    runs_modelled: int = 0
    times_from: str = ""
    power_from: str = ""


class Measured:
    """Between recorder and engine: runs end after the time that they were measured to take.

    Of nodes whose kind is in `calibrated`, their processor's calibrations say so, and the core has asked them already.
    """

    def __init__(
        self, door: Door, core: Core, inputs: Inputs, measured: Inputs, source: str, calibrated: tuple[str, ...]
    ) -> None:
        """Tasks are those of `inputs`, times those of `measured`; a model of another file there says nothing here."""
        self._handle = door.handle
        self._core, self._source, self._calibrated = core, source, calibrated
        self._times, there = measured.times, measured.world.models
        self._unlike = {
            name for name, each in inputs.world.models.items() if name in there and there[name].sha256 != each.sha256
        }
        self.recorded = self.calibrated = self.modelled = 0

    def handle(self, event: Event) -> list[Order]:
        """Hand the fact on; runs among the orders get their measured end."""
        orders = self._handle(event)
        timed = {run.run: self._timed(run, group) for run, group in groups(orders)}
        return [timed[order.run] if isinstance(order, Run) else order for order in orders] if timed else orders

    def _timed(self, order: Run, group: Group) -> Run:
        node = self._core.nodes[order.node]
        if node.kind in self._calibrated:
            self.calibrated += order.basis == "calibrated"
            self.modelled += order.basis != "calibrated"
            return order
        task = self._core.work[order.task].task
        duration_s = None if task.model in self._unlike else self._times.duration_s(task, node.kind, group)
        if duration_s is None:
            self.modelled += 1
            return order
        self.recorded += 1
        duration_s = allowed_s(node, self._core.work[order.task], duration_s, self._source)
        return msgspec.structs.replace(order, finish_s=order.start_s + duration_s)

    def told(self) -> str:
        """Where times come from, in words."""
        found = [f"{self.recorded:,} from the recorded run {self._source}"]
        found += [f"{self.calibrated:,} from the processor's calibrations"] if self._calibrated else []
        found += [f"{self.modelled:,} modelled, for want of one alike" if self.modelled else "none modelled"]
        return ", ".join(found)


def at_measured_power(
    world: World, source: Trace, processor: Processor | None, calibrated: tuple[str, ...]
) -> tuple[World, str]:
    """The world at measured power, and where that is from, in words."""
    power, why = measured_power(source)
    kinds = [kind for kind in (SATELLITE, STATION) if kind not in calibrated]
    told = []
    if power is not None:
        world = powered(world, power, kinds)
        idle = "unknown: energy above idle is not known" if power.idle_w is None else f"{power.idle_w:.4g} W"
        counted = [f"{kind}s {power.by_kind[kind]:.4g} W" for kind in kinds if kind in power.by_kind]
        told.append(f"measured in {source.folder} ({power.source}): {', '.join(counted)}, idle {idle}")
    if processor is not None and (calibrated or power is None):
        known = sorted({each.profile.name for each in processor.calibrations if each.power_w is not None})
        told += [f"measured by the calibration of {', '.join(known[:8])} on {processor.name}"] if known else []
    return world, "; ".join(told) if told else f"modelled: {why}"


def live_notes(source: Trace) -> list[str]:
    """What times of a live run are."""
    if source.header.engine != "live":
        return []
    return [
        f"{source.folder} was run live: a run there lasts the modelled time of its node's processor, and as long as "
        "its end was reported late; how quick the host itself is, `orbitmesh calibrate` measures"
    ]


def with_measurements(found: Rerun, timed: Measured, power_from: str, source: Trace) -> Rerun:
    """What came of a replay, with where its times and its power are from."""
    return msgspec.structs.replace(
        found,
        runs_measured=timed.recorded + timed.calibrated,
        runs_modelled=timed.modelled,
        times_from=timed.told(),
        power_from=power_from,
        notes=found.notes + live_notes(source),
    )
