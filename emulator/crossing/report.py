"""What `compare --ground` reports of the crossover: figures for `--json`, one table and a few lines for people."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from rich.table import Table

from emulator.assemble import Assembled
from emulator.console import percent, scaled, seconds, table
from emulator.crossing.analysis import DAY_S, Demand, Downlink, ModelPoint, Point, Way
from emulator.crossing.inputs import captured, captured_s, demands, downlink
from emulator.crossing.queues import loaded
from emulator.world import SATELLITE, STATION
from links.contacts import RADIO, constant_contact
from links.delivery import Passes

RATES_BITS_PER_S = (10e6, 30e6, 100e6, 300e6, 1e9, 3e9, 10e9, 30e9, 100e9)  # UHF and S band to lasers
CONTACT_S_PER_DAY = (300.0, 900.0, 3600.0, 14_400.0, DAY_S)  # one short pass to a relay always in sight

FROM_CALIBRATION = (
    "+ known from a processor's calibration alone: its answer is taken as products.load_product_bytes, "
    "its images as square, float32, of 3 or 4 channels [guess]"
)


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """One downlink: the scenario's model there, and which models the ground wins."""

    at: Point
    ground_wins: list[str]


class Crossover(msgspec.Struct, frozen=True, kw_only=True):
    """Where the crossover lies. Bytes and scenes are the whole constellation's, of a mean day.

    `wait_s` is the mean wait for a pass, `contact_s_per_day` the mean of a satellite, `bits_per_s` the mean in contact.
    `loaded_..._s` are medians over all scenes of the run with their queues, None where under half have an answer;
    `loaded_..._answered` the shares of them that do when the run ends.
    """

    model: str
    orbit: str
    ground: str
    raw_bytes: int
    scenes_per_day: float
    raw_bytes_per_day: float
    downlink_bytes_per_day: float
    contact_s_per_day: float
    bits_per_s: float
    wait_s: float
    light_s: float
    loaded_orbit_s: float | None
    loaded_ground_s: float | None
    loaded_orbit_answered: float
    loaded_ground_answered: float
    models: list[ModelPoint]
    by_rate: list[Sweep]
    by_contact_time: list[Sweep]
    notes: list[str]

    @property
    def own(self) -> ModelPoint:
        """The scenario's model."""
        return self.models[0]


def crossover(assembled: Assembled) -> Crossover | str:
    """Work it out, or say why there is none."""
    scenes = captured(assembled)
    if not scenes:
        return "no crossover: the scenario captures no scene"
    if not all(scene.model in assembled.runner.paths for scene in scenes):
        return "no crossover: it compares models on scenes, and this workload has requests or batch jobs"
    fleet = downlink(assembled, scenes)
    passes = fleet.passes
    if not passes.count:
        return "no crossover: no satellite has a pass over a station; give the scenario a longer duration_s"
    waits_s = passes.sending_s(0.0)
    weights = np.where(np.isfinite(waits_s), fleet.scenes_per_s, 0.0)
    if not weights.any():
        return "no crossover: no satellite that takes scenes has a pass over a station; give a longer duration_s"
    asked, notes = demands(assembled, scenes)
    unseen = [name for name, wait_s in zip(passes.satellites, waits_s, strict=True) if not np.isfinite(wait_s)]
    if unseen:
        some = ", ".join(unseen[:8]) + (", ..." if len(unseen) > 8 else "")
        told = f"{len(unseen)} of {len(passes.satellites)} satellites have no contact with a station in the run: {some}"
        notes.append(f"{told}; what they take comes down by neither way")
    per_day = DAY_S / passes.period_s
    models = [_model(fleet, demand) for demand in asked]
    own = models[0].at
    in_orbit, on_ground = loaded(fleet, asked[0], captured_s(fleet, scenes))
    return Crossover(
        model=asked[0].profile.name,
        orbit=_named(assembled, SATELLITE),
        ground=_named(assembled, STATION),
        raw_bytes=fleet.raw_bytes,
        scenes_per_day=len(scenes) * per_day,
        raw_bytes_per_day=fleet.raw_bytes * len(scenes) * per_day,
        downlink_bytes_per_day=float(passes.capacity_bits.sum()) / 8.0 * per_day / fleet.ground.share,
        contact_s_per_day=own.contact_s_per_day,
        bits_per_s=own.bits_per_s,
        wait_s=float(np.average(np.where(weights > 0.0, waits_s, 0.0), weights=weights)),
        light_s=passes.light_s,
        loaded_orbit_s=in_orbit.median_s,
        loaded_ground_s=on_ground.median_s,
        loaded_orbit_answered=in_orbit.answered,
        loaded_ground_answered=on_ground.answered,
        models=models,
        by_rate=[_sweep(fleet, asked, rate) for rate in RATES_BITS_PER_S],
        by_contact_time=[_sweep(evenly(fleet, contact_s), asked, own.bits_per_s) for contact_s in CONTACT_S_PER_DAY],
        notes=notes,
    )


def evenly(fleet: Downlink, contact_s_per_day: float) -> Downlink:
    """The same fleet with passes as long and as fast as its mean one, evenly spaced, so much a day in all.

    From a whole day on, one pass lasts all day. Each station gets the share of the scenes that it has now.
    """
    passes = fleet.passes
    pass_s = float(passes.contact_s.sum()) / passes.count
    period_s = pass_s * DAY_S / contact_s_per_day
    if contact_s_per_day >= DAY_S:
        pass_s = period_s = DAY_S
    each = [constant_contact("", "", 0.0, pass_s, passes.light_s, passes.bits_per_s, RADIO)]
    scenes_per_s = np.full(len(passes.satellites), fleet.scenes_per_s.mean())
    made = Passes(dict.fromkeys(passes.satellites, each), period_s)
    landed = fleet.landed_per_s()
    split = landed / landed.sum() if landed.any() else np.full(len(landed), 1.0 / len(landed))
    return Downlink(made, scenes_per_s, fleet.raw_bytes, fleet.orbit, fleet.ground, split)


def _model(fleet: Downlink, demand: Demand) -> ModelPoint:
    return ModelPoint(
        name=demand.profile.name,
        from_calibration=demand.from_calibration,
        ops_per_raw_byte=demand.ops / fleet.raw_bytes,
        ops=demand.ops,
        inferences=demand.inferences,
        product_bytes=demand.product_bytes,
        at=fleet.point(demand),
        ground_wins_from_bits_per_s=fleet.turning_bits_per_s(demand),
    )


def _sweep(fleet: Downlink, asked: Sequence[Demand], bits_per_s: float) -> Sweep:
    points = [(demand.profile.name, fleet.point(demand, bits_per_s)) for demand in asked]
    return Sweep(at=points[0][1], ground_wins=[name for name, point in points if point.wins == "ground"])


def _named(assembled: Assembled, kind: str) -> str:
    """`tbc-744 x 12`."""
    processors = [node.processor for node in assembled.world.nodes if node.kind == kind]
    counts = Counter(processor.name for processor in processors if processor is not None)
    return ", ".join(f"{name} x {count}" for name, count in counts.items())


def crossover_table(found: Crossover) -> Table:
    """A line per model, lightest first: what it asks, how long each way computes, who wins and where that turns."""
    title = f"orbit or ground, for a scene of {scaled(found.raw_bytes, 'B')}: {found.orbit} or {found.ground}"
    right = ["op/raw byte", "in orbit", "on ground", "orbit sooner by", "wins", "ground wins from"]
    made = table(title, ["model", "times from"], right)
    for each in sorted(found.models, key=lambda model: model.ops_per_raw_byte):
        orbit, ground = each.at.orbit, each.at.ground
        basis = orbit.basis if orbit.basis == ground.basis else f"{orbit.basis} | {ground.basis}"
        gain = None if orbit.insight_s is None or ground.insight_s is None else ground.insight_s - orbit.insight_s
        sooner = "-" if gain is None else ("-" if gain < 0.0 else "") + seconds(abs(gain))
        turns = each.ground_wins_from_bits_per_s
        made.add_row(
            each.name + (" *" if each is found.own else " +" if each.from_calibration else ""),
            basis,
            f"{each.ops_per_raw_byte:,.0f}" if each.ops_per_raw_byte >= 10.0 else f"{each.ops_per_raw_byte:.2g}",
            seconds(orbit.job_s),
            seconds(ground.job_s),
            sooner,
            each.at.wins,
            "no rate" if turns is None else scaled(turns, "bit/s"),
        )
    return made


def lines(found: Crossover) -> list[str]:
    """What holds for all models, then both sweeps, a line each."""
    orbit, ground = found.own.at.orbit, found.own.at.ground
    contact = f"{seconds(found.contact_s_per_day)} of contact a day at {scaled(found.bits_per_s, 'bit/s')}"
    volume = f"{scaled(found.raw_bytes_per_day, 'B')} captured a day, "
    volume += f"radios carry {scaled(found.downlink_bytes_per_day, 'B')}"
    known = [FROM_CALIBRATION] if any(model.from_calibration for model in found.models) else []
    return [
        f"mean wait for a pass {seconds(found.wait_s)}, either way; satellites have {contact}, in the mean",
        f"* {volume}: ground {_kept(ground)}, orbit {_kept(orbit)}",
        "* median over all scenes of the run, with queues: "
        f"ground {_median(found.loaded_ground_s, found.loaded_ground_answered)}, "
        f"orbit {_median(found.loaded_orbit_s, found.loaded_orbit_answered)}",
        f"models that the ground wins, by mean rate in contact: {_won(found.by_rate, len(found.models), 'rate')}",
        f"by contact a day, evenly spread: {_won(found.by_contact_time, len(found.models), 'contact')}",
        *known,
    ]


def _kept(way: Way) -> str:
    return "keeps up" if way.limit == "none" else f"keeps up with {percent(way.carried)} ({way.limit} binds)"


def _median(value_s: float | None, answered: float) -> str:
    share = percent(answered)
    return f"under half answered ({share})" if value_s is None else f"{seconds(value_s)} ({share} answered)"


def _won(sweep: Sequence[Sweep], models: int, by: str) -> str:
    """`none at 10 Mbit/s, 3 of 12 from 30 Gbit/s`: the points at which the number changes."""
    counts = [len(each.ground_wins) for each in sweep]
    if len(set(counts)) == 1:
        return f"{counts[0] or 'none'}{f' of {models}' if counts[0] else ''} at any"
    parts: list[str] = []
    for number, (each, won) in enumerate(zip(sweep, counts, strict=True)):
        if number and won == counts[number - 1]:
            continue
        at = scaled(each.at.bits_per_s, "bit/s") if by == "rate" else seconds(each.at.contact_s_per_day)
        parts.append(f"{won or 'none'}{f' of {models}' if won else ''} from {at}")
    return ", ".join(parts)
