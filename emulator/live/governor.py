"""Chooses how fast emulated time runs: fixed, or as fast as delays, lateness and inference allow.

No clock: the wall instant comes in. A rate falls where a near pair of nodes comes into reach, where messages were late
lately, and where the host is slower than the modelled satellite; it rises on evidence only.
"""

from collections import deque
from collections.abc import Iterable

from emulator.live.rates import LEAST_RATE, LOOK_AHEAD_S, MOST_RATE, Closest
from emulator.report import quantile

UP, DOWN = 1.2, 0.5  # the most by which the rate rises or falls at a time [guess]; near pairs make it fall at once
LATELY_S = 10.0  # wall seconds: what was before says nothing of now [guess]
ENOUGH = 100  # samples for a p99
RECENT = 2000  # samples kept at most
SHARE = 0.5  # of the lateness budget that the rate makes use of, so that a rough moment does not break it [guess]
ROOM = 0.8  # of the host's speed that the rate makes use of, likewise [guess]


class Governor:
    """Chooses the rate: fixed, or as fast as delays, lateness and inference allow."""

    def __init__(
        self, closest: Closest, floor_s: float, budget_s: float, fixed: float | None, unsure_s: float = 0.0
    ) -> None:
        """`unsure_s`: wall seconds by which other hosts' clocks may be off; may change."""
        self.closest, self.floor_s, self.budget_s, self.fixed = closest, floor_s, budget_s, fixed
        self.unsure_s = unsure_s
        self._late: deque[tuple[float, float]] = deque(maxlen=RECENT)  # (wall instant, wall seconds late)
        self._speeds: deque[tuple[float, float]] = deque(maxlen=RECENT)  # (wall instant, modelled over real time)
        self.rate = fixed if fixed is not None else min(1.0, self.cap(0.0, 1.0))

    def cap(self, now_s: float, rate: float) -> float:
        """The fastest rate that the delays from `now_s` on, and what is not known of clocks, allow."""
        delay_s = self.closest.within(now_s, now_s + LOOK_AHEAD_S * rate)[0]
        sure = SHARE * self.budget_s / self.unsure_s if self.unsure_s > 0.0 else MOST_RATE
        return max(LEAST_RATE, min(MOST_RATE, delay_s / self.floor_s, sure))

    def delivered(self, wall_s: float, late_wall_s: float) -> None:
        """A message was released so many wall seconds late."""
        self._late.append((wall_s, late_wall_s))

    def inferred(self, wall_s: float, speed: float) -> None:
        """An inference was so many times as fast as modelled."""
        self._speeds.append((wall_s, speed))

    def consider(self, now_s: float, wall_s: float) -> float | None:
        """A new rate, or None to go on as before. Without evidence of the last seconds the rate does not rise."""
        if self.fixed is not None:
            return None
        late_s, speeds = _lately(self._late, wall_s), _lately(self._speeds, wall_s)
        wanted = self.rate * UP if late_s or speeds else self.rate
        late_p99_s = quantile(late_s, 0.99 if len(late_s) >= ENOUGH else 0.9)  # one of a few is no p99
        if late_p99_s is not None and late_p99_s > 0.0:
            wanted = min(wanted, SHARE * self.budget_s / late_p99_s)
        speed = quantile(speeds, 0.05 if len(speeds) >= ENOUGH else 0.25)
        if speed is not None:
            wanted = min(wanted, ROOM * speed)
        wanted = max(wanted, self.rate * DOWN)
        wanted = max(LEAST_RATE, min(wanted, self.cap(now_s, wanted)))
        if self.rate <= wanted <= 1.05 * self.rate:
            return None
        self.rate = wanted
        return wanted


def _lately(samples: Iterable[tuple[float, float]], wall_s: float) -> list[float]:
    """The values of the last seconds, sorted."""
    return sorted(value for at_s, value in samples if at_s > wall_s - LATELY_S)
