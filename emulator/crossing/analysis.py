"""Where the crossover between orbit and ground lies: by model, by downlink rate, by contact time.

Two ways for one scene, captured at a random instant, with nothing else at the radio. In orbit: inference, wait for a
pass, the product down, light. On the ground: wait, the raw scene down, light, inference. A way that cannot keep up
with what is captured loses to one that can, whatever one scene takes. The formulas: docs/crossover.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from links.delivery import Passes
from nodes.processor import Processor
from workloads.tasks import ModelProfile

Array = NDArray[np.float64]
Winner = Literal["orbit", "ground", "neither"]

DAY_S = 86_400.0
LOWEST_BITS_PER_S, HIGHEST_BITS_PER_S = 1e3, 1e15  # where a turning point is looked for: far beyond any downlink
HALVINGS = 18  # of those twelve decades: the turning rate is right to 1e-4 of itself
SAME_SHARE = 1e-9  # shares and times that differ by rounding only


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a model asks of one scene: how often it runs, and the mean bytes of what is sent down of the answer.

    `from_calibration`: no file of it was read, a processor's calibration is all that is known of it.
    """

    profile: ModelProfile
    inferences: int
    product_bytes: float
    from_calibration: bool = False

    @property
    def ops(self) -> int:
        """Operations of one scene."""
        return self.profile.ops * self.inferences


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way: the mean time of its inference and how that is known, the mean time from capture to insight, the share
    of all scenes that it keeps up with, and what limits that (`none`, `downlink`, `compute`).

    None where it cannot be: the model does not fit into memory, or a scene into no pass.
    """

    job_s: float | None
    basis: str
    insight_s: float | None
    carried: float
    limit: Literal["none", "downlink", "compute"]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one downlink: both ways, who wins, and the operations per raw byte up to which the orbit is sooner.

    `bits_per_s` is the mean rate in contact. `break_even_ops_per_raw_byte` is None where the ground computes no faster:
    the orbit is sooner however heavy the model.
    """

    bits_per_s: float
    contact_s_per_day: float
    orbit: Way
    ground: Way
    wins: Winner
    break_even_ops_per_raw_byte: float | None


class ModelPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One model at the scenario's downlink, and the mean rate in contact from which the ground wins (None: at none)."""

    name: str
    from_calibration: bool
    ops_per_raw_byte: float
    ops: int
    inferences: int
    product_bytes: float
    at: Point
    ground_wins_from_bits_per_s: float | None


@dataclass(frozen=True)
class Side:
    """The processors of all nodes of one side, and how they run a model; `share` of their time is for these scenes."""

    processors: Sequence[Processor]
    batch: int
    precision: str
    share: float = 1.0

    def jobs(self, demand: Demand) -> tuple[Array, str]:
        """Seconds of one scene's inference on each (processors,), inf where it does not fit, and how it is known."""
        known: dict[int, tuple[float, str]] = {}
        for processor in self.processors:
            if id(processor) not in known:
                known[id(processor)] = self._job(processor, demand)
        found = [known[id(processor)] for processor in self.processors]
        return np.array([job_s for job_s, _ in found]), ", ".join(dict.fromkeys(basis for _, basis in found))

    def _job(self, processor: Processor, demand: Demand) -> tuple[float, str]:
        needed_bytes = processor.memory_bytes_needed(demand.profile, self.batch, self.precision)
        if needed_bytes > processor.memory_bytes:
            return inf, "does not fit"
        job = processor.job(demand.profile, demand.inferences, self.batch, self.precision)
        return job.duration_s, job.basis


@dataclass(frozen=True)
class Downlink:
    """A fleet with its passes, scenes and processors: all that both ways depend on but the model and the rate.

    `scenes_per_s` (satellites,) follows `passes.satellites`, as do the processors in orbit; those on the ground follow
    `passes.stations`, or `split` (stations,): the shares that they get of all scenes, whatever pass these came by.
    """

    passes: Passes
    scenes_per_s: Array
    raw_bytes: int
    orbit: Side
    ground: Side
    split: Array | None = None

    def point(self, demand: Demand, bits_per_s: float | None = None) -> Point:
        """Both ways at a mean rate in contact; the scenario's own if None. Every contact is scaled alike."""
        own = self.passes.bits_per_s
        rate = own if bits_per_s is None else bits_per_s
        orbit, ground = self.in_orbit(demand, rate / own), self.on_ground(demand, rate / own)
        return Point(
            bits_per_s=rate,
            contact_s_per_day=float(self.passes.contact_s.mean()) * DAY_S / self.passes.period_s,
            orbit=orbit,
            ground=ground,
            wins=winner(orbit, ground),
            break_even_ops_per_raw_byte=self._break_even(demand, orbit, ground),
        )

    def in_orbit(self, demand: Demand, speed: float) -> Way:
        """Inference where the scene was taken, then its product down; `speed` times the rates of the contacts."""
        jobs_s, basis = self.orbit.jobs(demand)
        sent_per_s = self._sent_per_s(demand.product_bytes, speed)
        served = np.minimum(np.minimum(self.scenes_per_s, 1.0 / jobs_s), sent_per_s)
        return Way(
            job_s=_finite(self._mean(jobs_s)),
            basis=basis,
            insight_s=_finite(self._mean(jobs_s + self._down_s(demand.product_bytes, speed))),
            carried=self._share(float(served.sum())),
            limit=self._limit(served, np.minimum(self.scenes_per_s, sent_per_s)),
        )

    def on_ground(self, demand: Demand, speed: float) -> Way:
        """The raw scene down, then inference at the station where it landed, behind what landed there before."""
        jobs_s, basis = self.ground.jobs(demand)
        job_s = self._job_s(jobs_s, speed)
        down = np.minimum(self.scenes_per_s, self._sent_per_s(self.raw_bytes, speed))
        served = np.minimum(self.landed_per_s(speed), self.ground.share / jobs_s)
        return Way(
            job_s=_finite(job_s),
            basis=basis,
            insight_s=_finite(self._mean(self._down_s(self.raw_bytes, speed)) + job_s),
            carried=self._share(float(served.sum())),
            limit=self._limit(served, down),
        )

    def landed_per_s(self, speed: float = 1.0) -> Array:
        """How many raw scenes a second each station gets (stations,) in the long run."""
        carried = self.passes.carried_per_s(self.raw_bytes * 8 / speed, self.scenes_per_s)
        return np.asarray(carried.sum(axis=0) if self.split is None else carried.sum() * self.split, np.float64)

    def _job_s(self, jobs_s: Array, speed: float) -> float:
        """The mean over the stations that can, as often as a scene alone lands there; inf if none can."""
        able = np.isfinite(jobs_s)
        if not able.any():
            return inf
        weights = self.split
        if weights is None:
            weights = self.scenes_per_s @ self.passes.landing(self.raw_bytes * 8 / speed)
        weights = weights if weights[able].any() else np.ones(len(jobs_s))  # no scene lands at any: all are alike
        return float(np.average(jobs_s[able], weights=weights[able]))

    def turning_bits_per_s(self, demand: Demand) -> float | None:
        """The lowest mean rate in contact from which the ground wins; None if it wins at none."""

        def ground_wins(exponent: float) -> bool:
            return self.point(demand, 10.0**exponent).wins == "ground"

        low, high = np.log10(LOWEST_BITS_PER_S), np.log10(HIGHEST_BITS_PER_S)
        if not ground_wins(high):
            return None
        return float(10.0 ** bisected(ground_wins, low, high))

    def _down_s(self, size_bytes: float, speed: float) -> Array:
        """Mean seconds (satellites,) from ready to received: at `speed` times the rates, as many bits fewer."""
        return self.passes.sending_s(size_bytes * 8 / speed) + self.passes.light_s

    def _sent_per_s(self, size_bytes: float, speed: float) -> Array:
        """How many messages a second (satellites,) the radios carry in the long run."""
        bits = size_bytes * 8 / speed
        fits = self.passes.largest_bits() >= bits
        return np.where(fits, self.passes.capacity_bits / max(bits, 1.0) / self.passes.period_s, 0.0)

    def _mean(self, each: Array) -> float:
        """Over the scenes of those satellites for which it is finite; inf if there are none."""
        able = np.isfinite(each) & (self.scenes_per_s > 0.0)
        return float(np.average(each[able], weights=self.scenes_per_s[able])) if able.any() else inf

    def _share(self, served_per_s: float) -> float:
        captured = float(self.scenes_per_s.sum())
        return min(1.0, served_per_s / captured) if captured > 0.0 else 1.0

    def _limit(self, served: Array, sent: Array) -> Literal["none", "downlink", "compute"]:
        """What keeps a way from all scenes, where `sent` is what the radios alone would let through."""
        if self._share(float(served.sum())) >= 1.0 - SAME_SHARE:
            return "none"
        return (
            "compute" if self._share(float(sent.sum())) > self._share(float(served.sum())) + SAME_SHARE else "downlink"
        )

    def _break_even(self, demand: Demand, orbit: Way, ground: Way) -> float | None:
        """Operations per raw byte at which both take as long, at the rates that this model's operations run at."""
        if None in (orbit.job_s, ground.job_s, orbit.insight_s, ground.insight_s) or not demand.ops:
            return None
        orbit_s_per_op, ground_s_per_op = (orbit.job_s or 0.0) / demand.ops, (ground.job_s or 0.0) / demand.ops
        if orbit_s_per_op <= ground_s_per_op * (1.0 + SAME_SHARE):  # of the same processor means differ in the last bit
            return None
        saved_s = (ground.insight_s or 0.0) - (ground.job_s or 0.0) - (orbit.insight_s or 0.0) + (orbit.job_s or 0.0)
        return max(0.0, saved_s) / self.raw_bytes / (orbit_s_per_op - ground_s_per_op)


def winner(orbit: Way, ground: Way) -> Winner:
    """The way that keeps up with more scenes; of equals, the sooner."""
    if abs(orbit.carried - ground.carried) > SAME_SHARE:
        return "orbit" if orbit.carried > ground.carried else "ground"
    orbit_s = inf if orbit.insight_s is None else orbit.insight_s
    ground_s = inf if ground.insight_s is None else ground.insight_s
    if orbit_s == ground_s:
        return "neither"
    return "orbit" if orbit_s < ground_s else "ground"


def bisected(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The lowest value from which `holds` holds; it does at `high`, and once it does it goes on."""
    if holds(low):
        return low
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
