"""The contact plan: who can talk to whom, when, how fast, how far, and why not.

A plan is data: it goes into traces, is read by both engines and by the core, and survives JSON unchanged. Everything
in it is rounded (times 1e-6 s, delays 1e-10 s, slopes 1e-12, ranges 1e-3 m, rates 1 bit/s), so that the last bits in
which sines differ between processors and numpy versions do not show. `links/plan.py` builds it.
"""

from typing import Final, Literal

import msgspec

from links.errors import LinkError

LASER: Final = "laser"
RADIO: Final = "radio"  # down, from a satellite to a station
UPLINK: Final = "uplink"  # up, from a station to a satellite, while its radio is at that station

Kind = Literal["laser", "radio", "uplink"]

ACQUIRING = "acquiring"
NO_FREE_TERMINAL = "no_free_terminal"
NOT_CHOSEN = "not_chosen"


class Contact(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of time in which a link is usable, acquisition over; n equal steps of `step_s`, n + 1 knots.

    `delay_ab_s[i]` is the one-way light time from a to b for light that leaves at knot i, `slope_ab[i]` its derivative
    by the time of leaving; cubic Hermite between (`links/transfer.py`). `bits_per_s[i]` holds from knot i to i + 1.
    """

    a: str  # laser: the smaller name; radio: the satellite; uplink: the station
    b: str  # laser: the larger name; radio: the station; uplink: the satellite
    kind: Kind
    start_s: float
    stop_s: float
    step_s: float
    delay_ab_s: tuple[float, ...]  # n + 1
    slope_ab: tuple[float, ...]  # n + 1
    delay_ba_s: tuple[float, ...]  # n + 1
    slope_ba: tuple[float, ...]  # n + 1
    range_m: tuple[float, ...]  # n + 1, between both ends at the same instant
    bits_per_s: tuple[float, ...]  # n, the rate at the mean range of the step


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of time in which a pair is not connected, and why.

    `blocked` by the Earth, `too_far`, `below_mask` of the station, `acquiring`, `no_free_terminal` (or antenna, or
    transmitter), `not_chosen` by the topology.
    """

    a: str
    b: str
    start_s: float
    stop_s: float
    reason: str


class ContactPlan(msgspec.Struct, frozen=True):
    """All contacts and gaps from 0 to `duration_s`; for every pair listed they fill that time without overlap.

    Every pair of satellites and every satellite with every station is listed; in constellations of more than
    `links.network.FULL_PAIRS` satellites only the laser pairs that the topology wants at some time (`+grid`, `fixed`:
    that it names).
    """

    duration_s: float
    contacts: tuple[Contact, ...]  # by (start_s, a, b)
    gaps: tuple[Gap, ...]  # by (start_s, a, b)

    def at(self, t_s: float) -> dict[tuple[str, str], Contact | Gap]:
        """What holds for each listed pair at `t_s`. Raises LinkError outside 0 to `duration_s`."""
        self._check(t_s)
        found: dict[tuple[str, str], Contact | Gap] = {}
        for group in (self.contacts, self.gaps):
            for item in group:
                if self._covers(item, t_s):
                    found[item.a, item.b] = item
        return found

    def status(self, a: str, b: str, t_s: float) -> tuple[bool, str]:
        """Whether a and b are connected at `t_s`, and the reason if not ("" if so); the order of a and b is free.

        A pair that is not listed is `not_chosen`. Raises LinkError outside 0 to `duration_s`.
        """
        self._check(t_s)
        for contact in self.contacts:
            if {contact.a, contact.b} == {a, b} and self._covers(contact, t_s):
                return True, ""
        for gap in self.gaps:
            if {gap.a, gap.b} == {a, b} and self._covers(gap, t_s):
                return False, gap.reason
        return False, NOT_CHOSEN

    def _covers(self, item: Contact | Gap, t_s: float) -> bool:
        return item.start_s <= t_s < item.stop_s or (t_s == item.stop_s == self.duration_s)

    def _check(self, t_s: float) -> None:
        if not 0.0 <= t_s <= self.duration_s:
            raise LinkError(f"the contact plan covers 0 to {self.duration_s:g} s; {t_s!r} s is outside")


def constant_contact(
    a: str, b: str, start_s: float, stop_s: float, delay_s: float, bits_per_s: float,
    kind: Kind = LASER,
) -> Contact:  # fmt: skip
    """A contact of constant delay and rate, as in contact-graph tables; all but `laser` lead from a to b only."""
    two = (delay_s, delay_s)
    return Contact(
        a, b, kind, start_s, stop_s, stop_s - start_s, two, (0.0, 0.0), two, (0.0, 0.0), (0.0, 0.0), (bits_per_s,)
    )
