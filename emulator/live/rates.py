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
