"""The scenario's zero of time: UTC text to elapsed seconds and back, and the Earth's rotation at those seconds.

`t_s` is elapsed SI seconds since the epoch, so a leap second counts. Works offline: Skyfield's built-in tables
of leap seconds and of the Earth's rotation (UT1), never a download. No clock is read.
"""

import re
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skyfield.api import load
from skyfield.sgp4lib import theta_GMST1982

from nodes.errors import NodeError

Array = NDArray[np.float64]

DAY_S = 86_400.0
TT_MINUS_TAI_S = 32.184  # IAU 1991 recommendation IV
MJD_ORDINAL = 678_576  # datetime.toordinal() of 1858-11-17, day 0 of the Modified Julian Date
MJD_JD = 2_400_000.5  # the same day as a Julian date
FIRST_DATE, LAST_DATE = "1957-10-04", "2056-12-31"  # two-digit years of a TLE roll over at 57: Space Track
UTC_FORM = "YYYY-MM-DDTHH:MM:SSZ"
_UTC = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d{1,12})?))?(?:Z|\+00:00)?", re.ASCII)


def utc_day_and_seconds(text: str) -> tuple[int, float]:
    """The Modified Julian Date (UTC) of an instant and its seconds within that day (86,400 and more in a leap second).

    `text` is UTC, with `Z`, `+00:00` or nothing behind; raises NodeError for other forms, dates that are none,
    dates outside 1957-10-04 to 2056-12-31, and a second 60 where no leap second was.
    """
    match = _UTC.fullmatch(text.strip())
    if match is None:
        raise NodeError(f"{text!r} is no UTC instant; write it as {UTC_FORM}")
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    second = float(match[6] or 0.0)
    try:
        date = datetime(year, month, day, hour, minute)  # checks every field but the second
    except ValueError as error:
        raise NodeError(f"{text!r} is no date or time of day: {error}; write UTC as {UTC_FORM}") from None
    if not FIRST_DATE <= text.strip()[:10] <= LAST_DATE:
        raise NodeError(f"{text!r} lies outside {FIRST_DATE} to {LAST_DATE}, where orbital elements are defined")
    mjd = date.toordinal() - MJD_ORDINAL
    ends_in_leap = hour == 23 and minute == 59 and mjd + 1 + MJD_JD in _timescale().leap_dates
    if second >= (61.0 if ends_in_leap else 60.0):
        raise NodeError(f"{text!r} has second {second:g}, and no leap second was inserted there; write 0 to 59")
    return mjd, hour * 3600.0 + minute * 60.0 + second


class Epoch:
    """A scenario's UTC epoch, the zero of every `t_s`.

    `Epoch("2025-10-03T16:00:00Z")`; raises NodeError for text that is no such instant or outside the years in which
    two-line elements are defined. Times go in as one number or an array (T,) and come out alike.
    """

    def __init__(self, utc: str) -> None:
        mjd, seconds = utc_day_and_seconds(utc)
        whole_s = int(seconds)
        start = _timescale().utc(1858, 11, 17 + mjd, 0, 0, whole_s)
        self._tai_s, self._fraction_s = round(float(start.tai_fraction) * DAY_S), seconds - whole_s
        self._tai_day = float(start.whole)
        self.utc = utc

    def __repr__(self) -> str:
        return f"Epoch({self.utc!r})"

    def skyfield(self, times_s: ArrayLike) -> Any:
        """Skyfield's Time at `times_s` (T,), on the built-in timescale; raises NodeError where not finite."""
        times = np.asarray(times_s, np.float64)
        if not np.isfinite(times).all():
            raise NodeError("times must be finite seconds since the epoch; found one that is infinite or NaN")
        day_s = self._tai_s + (self._fraction_s + times)
        days = np.floor(day_s / DAY_S)
        return _timescale().tai_jd(self._tai_day + days, (day_s - days * DAY_S) / DAY_S)

    def jd_utc(self, times_s: ArrayLike) -> tuple[Array, Array]:
        """The pair (day, fraction) of the UTC Julian date that Skyfield's EarthSatellite hands to SGP4, each (T,)."""
        time = self.skyfield(times_s)
        leap_s = np.round(time.dut1 - TT_MINUS_TAI_S + time.delta_t, 9)  # TAI-UTC is whole but during a leap second
        return np.asarray(time.whole, np.float64), np.asarray(time.tai_fraction - leap_s / DAY_S, np.float64)

    def gmst82_rad(self, times_s: ArrayLike) -> Array:
        """Greenwich mean sidereal time 1982 at UT1, the angle from TEME to the Earth-fixed frame, 0 to 2 pi, (T,).

        Source: AIAA 2006-6753, appendix C, as Skyfield's `theta_GMST1982`.
        """
        time = self.skyfield(times_s)
        return np.asarray(theta_GMST1982(time.whole, time.ut1_fraction)[0], np.float64)

    def julian_centuries_tt(self, times_s: ArrayLike) -> Array:
        """Julian centuries of Terrestrial Time since J2000.0, (T,)."""
        time = self.skyfield(times_s)
        return np.asarray((time.whole - 2_451_545.0 + time.tt_fraction) / 36_525.0, np.float64)

    def iso(self, t_s: float) -> str:
        """The UTC instant at `t_s` as text with milliseconds, `2025-10-03T16:00:00.000Z`."""
        return str(self.skyfield(t_s).utc_iso(places=3))

    def seconds(self, utc: str) -> float:
        """Elapsed seconds from this epoch to a UTC instant; raises NodeError as the constructor does."""
        other = Epoch(utc)
        whole_s = (other._tai_day - self._tai_day) * DAY_S + (other._tai_s - self._tai_s)
        return whole_s + (other._fraction_s - self._fraction_s)


@cache
def _timescale() -> Any:
    return load.timescale(builtin=True)
