"""Designed constellations: Walker delta and star patterns as mean elements, each satellite with its plane and slot.

Source: J. G. Walker, "Satellite constellations", Journal of the British Interplanetary Society 37 (1984), in the
notation i: t/p/f. The altitude sets the mean motion by Kepler's third law with WGS72. SGP4 reads it as Kozai's mean
motion and adds the Earth's oblateness, so the radius flown differs from Earth radius plus altitude: over one orbit by
-7.5 to +7.4 km at 500 km and 97.4 deg, by -7.1 to +4.8 km at 550 km and 53 deg (tests/nodes/test_walker.py).
"""

from math import isfinite, pi, sqrt
from typing import Literal

import msgspec

from nodes.elements import Elements, require_orbits
from nodes.epoch import DAY_S, utc_day_and_seconds
from nodes.errors import ElementsError, NodeError

MU_M3_PER_S2 = 398_600.8e9  # WGS72: AIAA 2006-6753, appendix B
EARTH_RADIUS_M = 6_378_135.0  # WGS72: AIAA 2006-6753, appendix B
SPAN_DEG = {"delta": 360.0, "star": 180.0}  # the arc over which the ascending nodes are spread: Walker 1984
MAX_SATELLITES = 100_000  # more is a mistake; the largest filings have about 40,000 [guess]


class Walker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Walker constellation i: t/p/f, as a scenario's TOML may state it.

    Plane j has its node at `raan0_deg + span * j / planes`; slot k of plane j has mean anomaly
    `mean_anomaly0_deg + 360 * (k / slots + phasing * j / satellites)`. With `half_slot_shift` the second term is half
    a slot for odd planes and nothing for even ones (as Hypatia builds its shells), and `phasing` must be 0.
    Give `altitude_m` or `mean_motion_rev_per_day`. `decimals` rounds node and anomaly, as a TLE does to 4.
    """

    pattern: Literal["delta", "star"] = "delta"
    satellites: int
    planes: int = 1
    phasing: int = 0
    half_slot_shift: bool = False
    altitude_m: float | None = None
    mean_motion_rev_per_day: float | None = None
    inclination_deg: float
    raan0_deg: float = 0.0
    mean_anomaly0_deg: float = 0.0
    eccentricity: float = 0.0
    arg_of_perigee_deg: float = 0.0
    decimals: int | None = None
    prefix: str = "W"

    def problems(self) -> list[tuple[str, str]]:
        """All (field, message) pairs that keep this from being a constellation; empty if it is one."""
        altitude, motion = self.altitude_m, self.mean_motion_rev_per_day
        rules = (
            ("pattern", "delta or star", self.pattern in SPAN_DEG),
            ("satellites", f"from 1 to {MAX_SATELLITES}", 1 <= self.satellites <= MAX_SATELLITES),
            ("planes", "a divisor of satellites", self.planes >= 1 and self.satellites % max(self.planes, 1) == 0),
            ("phasing", "from 0 to planes - 1", 0 <= self.phasing < max(self.planes, 1)),
            ("phasing", "0 where half_slot_shift is set", not (self.phasing and self.half_slot_shift)),
            ("altitude_m", "from 100e3 to 100e6 metres", altitude is None or 100e3 <= altitude <= 100e6),
            (
                "mean_motion_rev_per_day",
                "above 0 and at most 18, and must be given if altitude_m is not, and not beside it",
                altitude is not None if motion is None else altitude is None and 0.0 < motion <= 18.0,
            ),
            ("inclination_deg", "from 0 to 180 degrees", 0.0 <= self.inclination_deg <= 180.0),
            ("raan0_deg", "a finite angle in degrees", isfinite(self.raan0_deg)),
            ("mean_anomaly0_deg", "a finite angle in degrees", isfinite(self.mean_anomaly0_deg)),
            ("eccentricity", "from 0 to below 1", 0.0 <= self.eccentricity < 1.0),
            ("arg_of_perigee_deg", "from -360 to 360 degrees", abs(self.arg_of_perigee_deg) <= 360.0),
            ("decimals", "from 0 to 12", self.decimals is None or 0 <= self.decimals <= 12),
            ("prefix", "a name", bool(self.prefix.strip())),
        )
        return [(field, f"is {getattr(self, field)!r}; must be {rule}") for field, rule, good in rules if not good]

    def elements(self, epoch: str) -> list[Elements]:
        """The satellites, plane by plane and slot by slot, with elements at `epoch` (UTC text).

        Raises ElementsError with every problem of this constellation, or for an epoch that is none.
        """
        found = self.problems()
        if found:
            raise ElementsError("no such Walker constellation:\n  " + "\n  ".join(f"{f} {text}" for f, text in found))
        try:
            utc_day_and_seconds(epoch)
        except NodeError as error:
            raise ElementsError(f"Walker constellation: epoch {error}") from None
        slots = self.satellites // self.planes
        made = [self._one(plane, slot, slots, epoch) for plane in range(self.planes) for slot in range(slots)]
        require_orbits(made)
        return made

    def _one(self, plane: int, slot: int, slots: int, epoch: str) -> Elements:
        shift = 0.5 * (plane % 2) / slots if self.half_slot_shift else self.phasing * plane / self.satellites
        motion = self.mean_motion_rev_per_day
        return Elements(
            name=f"{self.prefix}{plane}-{slot}" if self.planes > 1 else f"{self.prefix}{slot}",
            epoch=epoch,
            mean_motion_rev_per_day=mean_motion_rev_per_day(self.altitude_m or 0.0) if motion is None else motion,
            eccentricity=self.eccentricity,
            inclination_deg=self.inclination_deg,
            raan_deg=self._angle(self.raan0_deg + SPAN_DEG[self.pattern] * plane / self.planes),
            arg_of_perigee_deg=self.arg_of_perigee_deg,
            mean_anomaly_deg=self._angle(self.mean_anomaly0_deg + 360.0 * (slot / slots + shift)),
            plane=plane,
            slot=slot,
        )

    def _angle(self, angle_deg: float) -> float:
        turned = angle_deg % 360.0
        return turned if self.decimals is None else round(turned, self.decimals)


def mean_motion_rev_per_day(altitude_m: float) -> float:
    """Revolutions per day of a circular orbit at `altitude_m` above the equator's radius: Kepler with WGS72."""
    return DAY_S / (2.0 * pi) * sqrt(MU_M3_PER_S2 / (EARTH_RADIUS_M + altitude_m) ** 3)


def walker_delta(
    satellites: int,
    planes: int,
    phasing: int,
    altitude_m: float,
    inclination_deg: float,
    epoch: str,
    *,
    prefix: str = "W",
) -> list[Elements]:
    """Walker delta i: t/p/f, nodes spread over 360 degrees; `Walker` states more. Raises ElementsError."""
    return Walker(
        satellites=satellites,
        planes=planes,
        phasing=phasing,
        altitude_m=altitude_m,
        inclination_deg=inclination_deg,
        prefix=prefix,
    ).elements(epoch)
