"""The time of a job, from the best that is known: a measurement of the model, one of a similar model, or the roofline.

1. `calibrated`: the model itself was measured on the processor in the precision that runs. n inferences in batches of
   at most b take (whole batches) x t(b) + t(remainder), t a straight line between measured batches.
2. `scaled`: the nearest measured model's t(k) times roofline(this model, k) / roofline(measured model, k), k by k.
   One measured in another precision only where none was in that which runs; a narrower one is then taken to gain
   nothing, a wider one to lose what the roofline says [guess]: a ratio of peaks is no evidence of a gain.
   Nearest: the least product of the ratios of their arithmetic intensities and of their operations, the larger over
   the smaller, which is the order of distances in logarithms, without a logarithm.
3. `preset`: the roofline alone.

The core asks on decisions, so here are plain IEEE sums, products and quotients: the same answer on every machine.
Roofline: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from nodes.precision import STORED_SHARES, divisor
from workloads.calibration import Calibration
from workloads.tasks import ModelProfile

if TYPE_CHECKING:
    from nodes.processor import Processor

Bound = Literal["compute", "memory", "launch", "measured"]  # `measured` of what was calibrated
Basis = Literal["calibrated", "scaled", "preset"]
Table = tuple[tuple[int, float], ...]  # (batch, seconds), both rising


class Job(msgspec.Struct, frozen=True):
    """What a job costs: its time in seconds, what that is spent on most, its operations, the precision that runs.

    `basis` is how the time is known. `bound` is `measured` where the model itself was, else the roofline's.
    `measured_in` is the precision of the calibration used, "" where there is none. `power_w` is drawn meanwhile, None
    if unknown.
    """

    duration_s: float
    bound: Bound
    ops: int
    precision: str
    basis: Basis = "preset"
    power_w: float | None = None
    measured_in: str = ""


class Known(NamedTuple):
    """What measurements say of a model on a processor: how, the times of batches, and the calibration used."""

    basis: Basis
    table: Table
    calibration: Calibration | None


def roofline(processor: "Processor", profile: ModelProfile, count: int, batch: int, runs: str) -> tuple[float, float]:
    """Seconds of arithmetic and seconds of memory traffic of `count` inferences in batches of at most `batch`.

    Each class of work runs at its own share of the peak of precision `runs`. Weights are read once a batch,
    activations once an inference, in bytes of that precision.
    """
    dense_ops = profile.ops - profile.matmul_ops - profile.grouped_ops
    peak = processor.peak(runs)
    compute_s = count * (
        dense_ops / (peak * processor.share("convolution"))
        + profile.matmul_ops / (peak * processor.share("matmul"))
        + profile.grouped_ops / (peak * processor.share("grouped"))
    )
    activation_bytes = processor.traffic_share * (profile.activation_bytes * count)
    moved_bytes = (profile.weight_bytes * -(-count // batch) + activation_bytes) / divisor(profile.precision, runs)
    return compute_s, moved_bytes / processor.memory_bytes_per_s


def by_roofline(processor: "Processor", profile: ModelProfile, count: int, batch: int, runs: str) -> Job:
    """The job as the roofline has it: the larger of both times, plus one launch."""
    compute_s, memory_s = roofline(processor, profile, count, batch, runs)
    roofline_s = max(compute_s, memory_s) + _prompt_s(processor, profile, runs)
    bound: Bound = "memory" if memory_s > compute_s else "compute"
    if processor.launch_s > roofline_s:
        bound = "launch"
    ops = profile.ops * count + profile.prompt_ops
    return Job(roofline_s + processor.launch_s, bound, ops, runs, "preset", processor.working_power_w)


def _prompt_s(processor: "Processor", profile: ModelProfile, runs: str) -> float:
    """Seconds of what comes once before the first inference; 0 for all but language models."""
    if not profile.prompt_ops:
        return 0.0
    compute_s = profile.prompt_ops / (processor.peak(runs) * processor.share("matmul"))
    return max(compute_s, profile.weight_bytes / divisor(profile.precision, runs) / processor.memory_bytes_per_s)


def from_table(table: Table, count: int, batch: int) -> float:
    """Seconds of `count` inferences in batches of at most `batch`, no larger than the largest that was measured."""
    largest = min(batch, table[-1][0])
    whole, rest = divmod(count, largest)
    rest_s = batch_s(table, rest) if rest else 0.0
    return (whole * batch_s(table, largest) if whole else 0.0) + rest_s


def batch_s(table: Table, batch: int) -> float:
    """Seconds of one batch: on the line between those around it; a smaller one than all takes as long as the first."""
    if batch <= table[0][0]:
        return table[0][1]
    for (low, low_s), (high, high_s) in pairwise(table):
        if batch <= high:
            return low_s + (batch - low) / (high - low) * (high_s - low_s)
    return table[-1][1]


def known(processor: "Processor", profile: ModelProfile, runs: str) -> Known:
    """The best that the processor's calibrations say of a model in precision `runs`."""
    same_precision = [each for each in processor.calibrations if each.precision == runs]
    for each in same_precision:
        if profile.sha256 and _same(each.profile, profile):
            return Known("calibrated", rising((t.batch, t.batch_s) for t in each.timings), each)
    others = [each for each in processor.calibrations if each.precision in processor.peak_ops_per_s]
    nearest = _nearest(same_precision or others, profile)
    if nearest is None:
        return Known("preset", (), None)
    return Known("scaled", _scaled(processor, nearest, profile, runs), nearest)


def _same(one: ModelProfile, other: ModelProfile) -> bool:
    """Whether both are one file with one choice of its free axes: in another size it is other work."""
    return (one.sha256, one.ops, one.input_bytes) == (other.sha256, other.ops, other.input_bytes)


def rising(timings: Iterable[tuple[int, float]]) -> Table:
    """A table in which a larger batch never takes less time than a smaller one: noise of the clock set aside."""
    table: list[tuple[int, float]] = []
    for batch, seconds in timings:
        table.append((batch, max(seconds, table[-1][1] if table else 0.0)))
    return tuple(table)


def apart(one: ModelProfile, other: ModelProfile) -> float:
    """How unlike two models' costs are: 1 for the same arithmetic intensity and operations, and growing.

    The product of both ratios, the larger over the smaller; counts below one count as one.
    """
    ops, other_ops = max(1, one.ops), max(1, other.ops)
    moved, other_moved = max(1, _moved_bytes(one)), max(1, _moved_bytes(other))
    intensity = (ops * other_moved) / (other_ops * moved)
    size = ops / other_ops
    return max(intensity, 1.0 / intensity) * max(size, 1.0 / size)


def _moved_bytes(profile: ModelProfile) -> int:
    """As if stored in float32, so that a model and its quantised twin have the same intensity."""
    return (profile.weight_bytes + profile.activation_bytes) * STORED_SHARES[profile.precision]


def _nearest(measured: Sequence[Calibration], profile: ModelProfile) -> Calibration | None:
    """The most similar, the first of equals; None if there is none."""
    return min(measured, key=lambda each: apart(each.profile, profile), default=None)


def _scaled(processor: "Processor", measured: Calibration, profile: ModelProfile, runs: str) -> Table:
    """The measured batches' times turned into those of another model, and never faster than the peak.

    Across precisions the slower of both counts: no gain from a narrower one was measured [guess].
    """
    least_s = profile.ops / processor.peak(runs)
    times = []
    for timing in measured.timings:
        here_s = max(
            by_roofline(processor, profile, timing.batch, timing.batch, precision).duration_s
            for precision in (runs, measured.precision)
        )
        there_s = by_roofline(processor, measured.profile, timing.batch, timing.batch, measured.precision).duration_s
        seconds = timing.batch_s * (here_s / there_s) if there_s > 0.0 else here_s
        times.append((timing.batch, max(seconds, least_s * timing.batch)))
    return rising(times)
