"""Chooses how fast emulated time runs: fixed, or as fast as delays, lateness and inference allow.

No clock: the wall instant comes in. A rate falls where a near pair of nodes comes into reach, where messages were late
lately, and where the host is slower than the modelled satellite; it rises on evidence only.
"""

from collections import Counter, deque
from collections.abc import Iterable

from emulator.live.rates import LEAST_RATE, LOOK_AHEAD_S, MOST_RATE, Closest
from emulator.report import quantile

UP, DOWN = 1.2, 0.5  # the most by which the rate rises or falls at a time [guess]; near pairs make it fall at once
LATELY_S = 10.0  # wall seconds: what was before says nothing of now [guess]
ENOUGH = 100  # samples for a p99
RECENT = 2000  # samples kept at most
SHARE = 0.5  # of the lateness budget that the rate makes use of, so that a rough moment does not break it [guess]
COAST_S = 2.0  # wall seconds at least until the next fact, of which a rate for idle time makes sure: several looks
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
        self._working = self.rate  # the rate while something is under way
        self.goal = self.rate  # where that one goes, by steps
        self.why = "" if fixed is not None or self.rate >= 1.0 else self._why_capped(0.0, 1.0)
        self._looks: Counter[str] = Counter()  # how often each limit was the one that held
        self._words: dict[str, tuple[float, str]] = {}  # of each limit, where it was hardest: the rate and why

    def cap(self, now_s: float, rate: float) -> float:
        """The fastest rate that the delays from `now_s` on, and what is not known of clocks, allow."""
        delay_s = self.closest.within(now_s, now_s + LOOK_AHEAD_S * rate)[0]
        sure = SHARE * self.budget_s / self.unsure_s if self.unsure_s > 0.0 else MOST_RATE
        return max(LEAST_RATE, min(MOST_RATE, delay_s / self.floor_s, sure))

    def _why_capped(self, now_s: float, rate: float) -> str:
        """What `cap` goes by."""
        delay_s, pair, _ = self.closest.within(now_s, now_s + LOOK_AHEAD_S * rate)
        if self.unsure_s > 0.0 and SHARE * self.budget_s / self.unsure_s < delay_s / self.floor_s:
            return f"clocks: those of other hosts are known to {self.unsure_s * 1e3:.3g} ms"
        if delay_s / self.floor_s < MOST_RATE:
            return f"light time: {delay_s * 1e3:.3g} ms between {pair}, and a message takes {self.floor_s * 1e3:.3g} ms"
        return f"limit: {MOST_RATE:g} is the fastest that there is"

    @property
    def held_by(self) -> str:
        """What kept the rate from being faster most of the time, and where it was hardest; "" if nothing did."""
        limit = max(self._looks, key=self._looks.__getitem__, default="")
        if not limit:
            return self.why
        rate, why = self._words[limit]
        return f"{why}: {rate:.3g} at the slowest"

    def delivered(self, wall_s: float, late_wall_s: float) -> None:
        """A message was released so many wall seconds late."""
        self._late.append((wall_s, late_wall_s))

    def inferred(self, wall_s: float, speed: float) -> None:
        """An inference was so many times as fast as modelled."""
        self._speeds.append((wall_s, speed))

    def consider(self, now_s: float, wall_s: float, idle_until_s: float = 0.0) -> float | None:
        """A new rate, or None to go on as before. Without evidence of the last seconds the rate does not rise, but for
        emulated time in which nothing is under way or due (`idle_until_s`): there it may be as fast as at the start."""
        if self.fixed is not None:
            return None
        self._working = self._for_work(now_s, wall_s)
        idle = min(1.0, (idle_until_s - now_s) / COAST_S, self.cap(now_s, 1.0))
        wanted = max(self._working, idle)
        if self.rate <= wanted <= 1.05 * self.rate:
            return None
        self.rate = wanted
        return wanted

    def _for_work(self, now_s: float, wall_s: float) -> float:
        """The rate at which messages and inference do not come late here, or a step on the way to it."""
        late_s, speeds = _lately(self._late, wall_s), _lately(self._speeds, wall_s)
        wanted, why = (self._working * UP, "") if late_s or speeds else (self._working, self.why)
        late_p99_s = quantile(late_s, 0.99 if len(late_s) >= ENOUGH else 0.9)  # one of a few is no p99
        if late_p99_s is not None and SHARE * self.budget_s < wanted * late_p99_s:
            wanted = SHARE * self.budget_s / late_p99_s
            why = f"lateness: {late_p99_s * 1e3:.3g} ms on this host, and half of the budget is made use of"
        speed = quantile(speeds, 0.05 if len(speeds) >= ENOUGH else 0.25)
        if speed is not None and ROOM * speed < wanted:
            wanted = ROOM * speed
            why = f"inference: this host is {speed:.3g} times as fast as the modelled processor"
        goal, wanted = wanted, max(wanted, self._working * DOWN)
        cap = self.cap(now_s, wanted)
        if cap < goal:
            goal, why = cap, self._why_capped(now_s, wanted)
        self._hold(max(LEAST_RATE, goal), why)
        return max(LEAST_RATE, min(wanted, cap))

    def _hold(self, goal: float, why: str) -> None:
        """Remember where the rate goes, and what keeps it there."""
        self.goal, self.why = goal, why
        limit = why.partition(":")[0]
        if limit:
            self._looks[limit] += 1
            self._words[limit] = min(self._words.get(limit, (goal, why)), (goal, why))


def _lately(samples: Iterable[tuple[float, float]], wall_s: float) -> list[float]:
    """The values of the last seconds, sorted."""
    return sorted(value for at_s, value in samples if at_s > wall_s - LATELY_S)
