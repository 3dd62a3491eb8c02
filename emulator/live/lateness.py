"""Lateness: how late things were released, as exact quantiles of a run and of its last moments.

Every sample is kept up to `EXACT` of them (8 bytes each), so p50 and p99 are exact nearest-rank quantiles. Beyond that
they come from a histogram of logarithmic bins that is kept from the first sample on: relative error `RELATIVE_ERROR`
above a floor of a nanosecond, and from there to an hour 2,900 bins, however long the run. The greatest and the number
of samples are always exact.
"""

from array import array
from collections import deque
from collections.abc import Iterable
from math import ceil, copysign, inf, isfinite, log, sqrt

import msgspec

from emulator.errors import RunFailed
from emulator.report import quantile

EXACT = 1_000_000  # samples: 8 MB, and a quarter of a second to sort
RECENT = 10_000  # samples of the moving window: 10 s at the 1,000 messages/s that the benchmarks ask for
FLOOR_S = 1e-9  # the clock resolves no less
GROWTH = 1.01  # width of a bin: its geometric middle is within half of it
RELATIVE_ERROR = sqrt(GROWTH) - 1.0  # 0.5 %
_LOG_GROWTH = log(GROWTH)


class LatenessError(RunFailed, ValueError):
    """A lateness that is no finite number."""


class LatenessSummary(msgspec.Struct, frozen=True):
    """Seconds late: the median, the 99th percentile and the greatest of `n` samples; `None` where there are none."""

    p50: float | None
    p99: float | None
    max: float | None
    n: int


class Lateness:
    """Collects seconds; negative ones (released early) count as what they are."""

    def __init__(self, exact: int = EXACT, recent: int = RECENT) -> None:
        self._exact = exact
        self._all: array[float] | None = array("d")  # None: there were more than `exact`
        self._bins: dict[int, int] = {}
        self._recent: deque[float] = deque(maxlen=recent)
        self._n = 0
        self._max_s = -inf

    def __len__(self) -> int:
        return self._n

    def record(self, late_s: float) -> None:
        """Count one sample. Raises LatenessError if it is not finite."""
        if not isfinite(late_s):
            raise LatenessError(f"a lateness must be a finite number of seconds, not {late_s!r}")
        self._recent.append(late_s)
        place = bin_of(late_s)
        self._bins[place] = self._bins.get(place, 0) + 1
        self._count(1, late_s)
        if self._all is not None:
            self._all.append(late_s)

    def merge(self, other: "Lateness") -> None:
        """Add all that `other` has; its window comes after ours."""
        for place, number in other._bins.items():
            self._bins[place] = self._bins.get(place, 0) + number
        self._recent.extend(other._recent)
        self._count(other._n, other._max_s)
        if other._all is None:
            self._all = None
        elif self._all is not None:
            self._all.extend(other._all)

    def summary(self) -> LatenessSummary:
        """Of all samples. Sorts them while they are exact: at the end of a run, not within it; for that is `recent`."""
        if self._all is not None:
            return of(self._all)
        return LatenessSummary(self._quantile(0.50), self._quantile(0.99), self._max_s, self._n)

    def recent(self, n: int = RECENT) -> LatenessSummary:
        """Of the last `n` samples, or as many as the window holds, always exact."""
        return of(list(self._recent)[-n:] if n > 0 else ())

    def _count(self, number: int, greatest_s: float) -> None:
        self._n += number
        self._max_s = max(self._max_s, greatest_s)
        if self._n > self._exact:
            self._all = None

    def _quantile(self, share: float) -> float:
        rank, passed = max(1, ceil(share * self._n)), 0
        for place in sorted(self._bins):
            passed += self._bins[place]
            if passed >= rank:
                return min(middle_s(place), self._max_s)
        return self._max_s


def of(samples_s: Iterable[float]) -> LatenessSummary:
    """Exact nearest-rank quantiles of samples in seconds."""
    ordered = sorted(samples_s)
    greatest_s = ordered[-1] if ordered else None
    return LatenessSummary(quantile(ordered, 0.50), quantile(ordered, 0.99), greatest_s, len(ordered))


def bin_of(late_s: float) -> int:
    """The number of a sample's bin: 0 within the floor, growing with the sample, negative below 0."""
    size_s = abs(late_s)
    if size_s < FLOOR_S:
        return 0
    return int(copysign(1 + int(log(size_s / FLOOR_S) / _LOG_GROWTH), late_s))


def middle_s(place: int) -> float:
    """The geometric middle of a bin, in seconds."""
    return copysign(FLOOR_S * GROWTH ** (abs(place) - 0.5), place) if place else 0.0
