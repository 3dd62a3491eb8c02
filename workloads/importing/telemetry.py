"""A measured load: what a satellite drew over time, from telemetry, with what was not measured left out.

Between samples power is a straight line (the trapezoid rule). Across a gap longer than `max_gap_s`, and where a sample
has no power, nothing is known and nothing is counted.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import fsum
from statistics import median

import msgspec

from workloads.errors import WorkloadError
from workloads.importing.records import LoadSample

GAP_INTERVALS = 10.0  # [guess] a gap is this many median intervals between samples, unless the caller says


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a load adds up to; `mean_power_w` is over `measured_s`, the time that was measured, None where none was."""

    samples: int
    energy_j: float
    measured_s: float
    gaps: int
    gap_s: float
    mean_power_w: float | None
    max_power_w: float | None


def integrated(
    times_s: Sequence[float], power_w: Sequence[float | None], max_gap_s: float, from_s: float, to_s: float
) -> tuple[float, float]:
    """Joules between two instants, and the seconds of which power is known, of samples that rise in time.

    Raises WorkloadError if the second instant lies before the first.
    """
    if not from_s <= to_s:
        raise WorkloadError(f"from {from_s} s to {to_s} s is no span of time")
    parts_j, parts_s = [], []
    first, last = max(1, bisect_right(times_s, from_s)), bisect_right(times_s, to_s)
    for after in range(first, min(last + 1, len(times_s))):
        start_s, stop_s, before_w, after_w = times_s[after - 1], times_s[after], power_w[after - 1], power_w[after]
        span_s = stop_s - start_s
        if before_w is None or after_w is None or not 0.0 < span_s <= max_gap_s:
            continue
        low_s, high_s = max(from_s, start_s), min(to_s, stop_s)
        slope_w_per_s = (after_w - before_w) / span_s
        if low_s < high_s:
            parts_s.append(high_s - low_s)
            parts_j.append((high_s - low_s) * (before_w + slope_w_per_s * ((low_s + high_s) / 2.0 - start_s)))
    return fsum(parts_j), fsum(parts_s)


class Load:
    """Power over time. `samples` rise in time; raises WorkloadError where they do not, or `max_gap_s` cannot be."""

    def __init__(self, samples: Sequence[LoadSample], max_gap_s: float | None = None) -> None:
        if any(later.at_s < earlier.at_s for earlier, later in pairwise(samples)):
            raise WorkloadError("samples of a load must rise in time; sort them, or mend the clock that wrote them")
        intervals_s = [later.at_s - earlier.at_s for earlier, later in pairwise(samples)]
        if max_gap_s is None:
            max_gap_s = GAP_INTERVALS * median(intervals_s) if intervals_s else 0.0
        if not 0.0 <= max_gap_s < float("inf"):
            raise WorkloadError(f"max_gap_s is {max_gap_s}; a finite number of seconds, 0 or more")
        self.samples, self.max_gap_s = samples, max_gap_s
        self._times_s = [each.at_s for each in samples]

    def power_w(self, at_s: float) -> float | None:
        """Watts at an instant; None before the first sample, after the last, in a gap, or beside a missing one."""
        after = bisect_right(self._times_s, at_s)
        if after and self._times_s[after - 1] == at_s:
            return self.samples[after - 1].power_w
        if not 0 < after < len(self.samples):
            return None
        return self._between(self.samples[after - 1], self.samples[after], at_s)

    def energy_j(self, from_s: float, to_s: float) -> float:
        """Joules between two instants, gaps left out. Raises WorkloadError if the second lies before the first."""
        return self._over(from_s, to_s)[0]

    def measured_s(self, from_s: float, to_s: float) -> float:
        """Seconds between two instants of which the power is known. Raises WorkloadError as `energy_j`."""
        return self._over(from_s, to_s)[1]

    def _over(self, from_s: float, to_s: float) -> tuple[float, float]:
        return integrated(self._times_s, [each.power_w for each in self.samples], self.max_gap_s, from_s, to_s)

    def figures(self) -> LoadFigures:
        """Of the whole load."""
        measured_s = fsum(after.at_s - before.at_s for before, after in self._measured())
        span_s = self._times_s[-1] - self._times_s[0] if self.samples else 0.0
        energy_j = self.energy_j(self._times_s[0], self._times_s[-1]) if self.samples else 0.0
        known = [each.power_w for each in self.samples if each.power_w is not None]
        return LoadFigures(
            samples=len(self.samples),
            energy_j=energy_j,
            measured_s=measured_s,
            gaps=max(0, len(self.samples) - 1) - len(self._measured()),
            gap_s=span_s - measured_s,
            mean_power_w=energy_j / measured_s if measured_s > 0.0 else None,
            max_power_w=max(known, default=None),
        )

    def _measured(self) -> list[tuple[LoadSample, LoadSample]]:
        """Neighbouring samples between which power is known."""
        return [
            (before, after)
            for before, after in pairwise(self.samples)
            if after.at_s - before.at_s <= self.max_gap_s and None not in (before.power_w, after.power_w)
        ]

    def _between(self, before: LoadSample, after: LoadSample, at_s: float) -> float | None:
        span_s = after.at_s - before.at_s
        if before.power_w is None or after.power_w is None or not 0.0 < span_s <= self.max_gap_s:
            return None
        return before.power_w + (after.power_w - before.power_w) * ((at_s - before.at_s) / span_s)
