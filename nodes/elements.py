"""Mean orbital elements of one satellite, as SGP4 wants them and as a scenario's TOML may state them.

The fields are those of a CCSDS Orbit Mean-Elements Message (OMM), in its units; the frame is TEME of date.
Every way of stating elements (TLE, OMM, Walker, TOML) ends here, and only `satrec` hands them to SGP4, so the same
numbers give the same orbit whatever file they came from.
"""

from collections.abc import Sequence
from math import isfinite, pi
from typing import Any, Literal

import msgspec
from sgp4.api import WGS72, WGS72OLD, WGS84, Satrec

from nodes.epoch import DAY_S, utc_day_and_seconds
from nodes.errors import ElementsError, NodeError
from workloads.importing.records import BadRow

GRAVITY = {"wgs72": WGS72, "wgs72old": WGS72OLD, "wgs84": WGS84}  # the three sets of AIAA 2006-6753, appendix B
MOST_SKIPPED = 100_000  # three times the public catalogue; each is kept with its reason
MAX_MEAN_MOTION_REV_PER_DAY = 18.0  # 17.07 rev/day is an orbit at sea level: Kepler with WGS72
REV_PER_DAY_PER_RAD_PER_MIN = 1440.0 / (2.0 * pi)  # as in SGP4's own reader: sgp4io.cpp
RAD_PER_DEG = pi / 180.0  # as in SGP4's own reader: sgp4io.cpp
SGP4_MJD = 33_281.0  # 1949-12-31, day 0 of SGP4, as a Modified Julian Date: sgp4init of AIAA 2006-6753
SGP4_JD = 2_433_281.5  # the same day as a Julian date
TLE_DAY_DECIMALS = 8  # the digits of a TLE's epoch, steps of 864 us: Space Track, TLE format
EPOCH_SNAP_S = 1.01e-6  # exporters of OMM cut the microseconds of such an epoch, which would move a satellite by 8 mm
LAST_ALPHA5 = 339_999  # the largest catalogue number that SGP4's five characters hold: Space Track, Alpha-5


class Elements(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One satellite's SGP4 mean elements: angles in degrees, mean motion (Kozai) in revolutions per day, TEME of date.

    `epoch` is UTC text. `mean_motion_dot` and `mean_motion_ddot` are as printed in a TLE or OMM, and SGP4 ignores
    them. `plane` and `slot` say where in a designed constellation the satellite belongs, for topologies that follow
    planes; None where nobody designed it.
    """

    name: str
    epoch: str
    mean_motion_rev_per_day: float
    eccentricity: float
    inclination_deg: float
    raan_deg: float
    arg_of_perigee_deg: float
    mean_anomaly_deg: float
    bstar: float = 0.0
    mean_motion_dot: float = 0.0
    mean_motion_ddot: float = 0.0
    norad_cat_id: int = 0
    object_id: str = ""
    gravity: Literal["wgs72", "wgs72old", "wgs84"] = "wgs72"
    plane: int | None = None
    slot: int | None = None

    def problems(self) -> list[tuple[str, str]]:
        """All (field, message) pairs that keep these elements from being an orbit; empty if they are one."""
        found = [] if self.name.strip() else [("name", "is empty; name the satellite")]
        try:
            utc_day_and_seconds(self.epoch)
        except NodeError as error:
            found.append(("epoch", str(error)))
        found += [
            (field, f"is {getattr(self, field)}; must be {rule}")
            for field, rule, good in (
                (
                    "mean_motion_rev_per_day",
                    f"above 0 and at most {MAX_MEAN_MOTION_REV_PER_DAY:g} revolutions per day",
                    0.0 < self.mean_motion_rev_per_day <= MAX_MEAN_MOTION_REV_PER_DAY,
                ),
                ("eccentricity", "from 0 to below 1", 0.0 <= self.eccentricity < 1.0),
                ("inclination_deg", "from 0 to 180 degrees", 0.0 <= self.inclination_deg <= 180.0),
                ("raan_deg", "from -360 to 360 degrees", abs(self.raan_deg) <= 360.0),
                ("arg_of_perigee_deg", "from -360 to 360 degrees", abs(self.arg_of_perigee_deg) <= 360.0),
                ("mean_anomaly_deg", "from -360 to 360 degrees", abs(self.mean_anomaly_deg) <= 360.0),
                ("bstar", "a finite number per Earth radius", isfinite(self.bstar)),
                ("mean_motion_dot", "finite", isfinite(self.mean_motion_dot)),
                ("mean_motion_ddot", "finite", isfinite(self.mean_motion_ddot)),
                ("norad_cat_id", "from 0 to 999999999", 0 <= self.norad_cat_id <= 999_999_999),
                ("gravity", f"one of {', '.join(GRAVITY)}", self.gravity in GRAVITY),
                ("plane", "0 or more", self.plane is None or self.plane >= 0),
                ("slot", "0 or more", self.slot is None or self.slot >= 0),
            )
            if not good
        ]
        return found


def leave_out(skipped: list[BadRow], line: int, reason: str, source: str) -> None:
    """List a bad element set; raises ElementsError where there are so many that the file is no file of elements."""
    if len(skipped) >= MOST_SKIPPED:
        raise ElementsError(f"{source}: more than {MOST_SKIPPED} bad element sets; this is no file of elements")
    skipped.append(BadRow(line=line, reason=reason))


def require_orbits(elements: Sequence[Elements], source: str = "") -> None:
    """Raise one ElementsError that names `source` and every satellite, field and value that is no orbit."""
    found = [f"{each.name or '(no name)'}: {field} {text}" for each in elements for field, text in each.problems()]
    if found:
        where = f"{source}: " if source else ""
        raise ElementsError(f"{where}orbital elements that cannot be:\n  " + "\n  ".join(found))


def satrec(elements: Elements) -> Any:
    """SGP4's own record (`sgp4.api.Satrec`) of these elements, epoch kept as a pair so that no microsecond is lost.

    An epoch within 1.01 us of a step of a TLE's epoch is taken to be that step, so a TLE and the OMM made from it
    agree. Raises ElementsError where the elements are no orbit. Catalogue numbers beyond Alpha-5 become 0: SGP4 does
    not use them.
    """
    require_orbits((elements,))
    mjd, seconds = utc_day_and_seconds(elements.epoch)
    snapped = round(seconds / DAY_S, TLE_DAY_DECIMALS)
    fraction = snapped if abs(snapped * DAY_S - seconds) < EPOCH_SNAP_S else seconds / DAY_S
    day = mjd - SGP4_MJD + SGP4_JD
    record = Satrec()
    record.sgp4init(
        GRAVITY[elements.gravity],
        "i",  # the improved mode, as Skyfield: AIAA 2006-6753
        elements.norad_cat_id if elements.norad_cat_id <= LAST_ALPHA5 else 0,
        (day + fraction) - SGP4_JD,  # with the rounding of the sum, as SGP4's own reader: sgp4io.cpp
        elements.bstar,
        elements.mean_motion_dot / (REV_PER_DAY_PER_RAD_PER_MIN * 1440.0),
        elements.mean_motion_ddot / (REV_PER_DAY_PER_RAD_PER_MIN * 1440.0 * 1440.0),
        elements.eccentricity,
        elements.arg_of_perigee_deg * RAD_PER_DEG,
        elements.inclination_deg * RAD_PER_DEG,
        elements.mean_anomaly_deg * RAD_PER_DEG,
        elements.mean_motion_rev_per_day / REV_PER_DAY_PER_RAD_PER_MIN,
        elements.raan_deg * RAD_PER_DEG,
    )
    record.jdsatepoch, record.jdsatepochF = day, fraction
    return record
