"""How fast emulated time may run: never so fast that light would overtake what carries it, nor the host its work.

Pure arithmetic. A message that is forwarded must be reported, ordered and carried before it is due at the next node;
`floor_s` is what that takes on this host, measured before the run. A delay of d seconds can be represented at rates up
to d / floor_s. An explicit rate above that is refused; `auto` slows down while such a contact is open.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf

from links.contacts import Contact

AUTO = "auto"
LATE_BUDGET_S = 5e-3  # emulated, at p99: half the light time over 3,000 km [guess]
LEAST_RATE, MOST_RATE = 1e-4, 1e4  # emulated seconds per wall second
LOOK_AHEAD_S = 2.0  # wall seconds: contacts that open within it count already, and a change of rate comes in time
UP = 1.2  # the most by which the rate rises at a time [guess]; it falls at once
SHARE = 0.5  # of the lateness budget that the rate makes use of, so that a rough moment does not break it [guess]
ROOM = 0.8  # of the host's speed that the rate makes use of, likewise [guess]


class Closest:
    """The shortest delay that is or comes within reach, by time."""

    def __init__(self, contacts: Sequence[Contact], duration_s: float) -> None:
        self._spans = sorted(
            (c.start_s, c.stop_s, min(min(c.delay_ab_s), min(c.delay_ba_s)), f"{c.a} - {c.b}")
            for c in contacts
            if c.start_s < duration_s
        )
        self._starts_s = [span[0] for span in self._spans]

    def within(self, from_s: float, to_s: float) -> tuple[float, str, float]:
        """(shortest delay in seconds, between whom, from when) of contacts open between two instants."""
        best = (inf, "", 0.0)
        for start_s, stop_s, delay_s, pair in self._spans[: bisect_right(self._starts_s, to_s)]:
            if stop_s > from_s and delay_s < best[0]:
                best = (delay_s, pair, start_s)
        return best


def refusal(closest: Closest, duration_s: float, rate: float, floor_s: float) -> str:
    """Why a rate cannot be, "" if it can."""
    delay_s, pair, start_s = closest.within(0.0, duration_s)
    if delay_s >= rate * floor_s:
        return ""
    return (
        f"--rate {rate:g}: light takes {delay_s * 1e3:.3f} ms between {pair} (contact from {start_s:.0f} s), and a "
        f"message takes this host {floor_s * 1e3:.3f} ms of wall time: it would be late by design; "
        f"give --rate auto, or {delay_s / floor_s:.2g} or less"
    )


class Governor:
    """Chooses the rate: fixed, or as fast as delays, lateness and inference allow."""

    def __init__(
        self, closest: Closest, floor_s: float, budget_s: float, fixed: float | None, unsure_s: float = 0.0
    ) -> None:
        """`unsure_s`: wall seconds by which other hosts' clocks may be off; may change."""
        self.closest, self.floor_s, self.budget_s, self.fixed = closest, floor_s, budget_s, fixed
        self.unsure_s = unsure_s
        self.rate = fixed if fixed is not None else min(1.0, self.cap(0.0, 1.0))

    def cap(self, now_s: float, rate: float) -> float:
        """The fastest rate that the delays from `now_s` on, and what is not known of clocks, allow."""
        delay_s = self.closest.within(now_s, now_s + LOOK_AHEAD_S * rate)[0]
        sure = SHARE * self.budget_s / self.unsure_s if self.unsure_s > 0.0 else MOST_RATE
        return max(LEAST_RATE, min(MOST_RATE, delay_s / self.floor_s, sure))

    def consider(self, now_s: float, late_wall_p99_s: float | None, speed: float | None) -> float | None:
        """A new rate, or None to go on as before.

        `late_wall_p99_s`: how late things have lately been, in wall seconds. `speed`: modelled over real time of the
        slower inferences lately. None where nothing is known; then the rate does not rise.
        """
        if self.fixed is not None:
            return None
        wanted = self.rate if late_wall_p99_s is None and speed is None else self.rate * UP
        if late_wall_p99_s is not None and late_wall_p99_s > 0.0:
            wanted = min(wanted, SHARE * self.budget_s / late_wall_p99_s)
        if speed is not None:
            wanted = min(wanted, ROOM * speed)
        wanted = max(LEAST_RATE, min(wanted, self.cap(now_s, wanted)))
        if self.rate <= wanted <= 1.05 * self.rate:
            return None
        self.rate = wanted
        return wanted
