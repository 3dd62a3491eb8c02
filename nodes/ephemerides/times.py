"""Epochs of ephemeris files as TAI, whatever time system the file states: UTC, TAI, TT, TDB or GPS.

An instant is a pair: whole TAI seconds since 1858-11-17 (day 0 of the Modified Julian Date) and a fraction of a
second, so that nothing below a nanosecond is lost. No clock, no download: Skyfield's built-in table of leap seconds.
"""

import re
from datetime import date, timedelta
from functools import lru_cache

from skyfield.timelib import tdb_minus_tt

from nodes.epoch import DAY_S, MJD_JD, MJD_ORDINAL, TT_MINUS_TAI_S, Epoch, utc_day_and_seconds
from nodes.errors import NodeError

Instant = tuple[int, float]  # whole TAI seconds since 1858-11-17, and 0 to below 1 s

GPS_BEHIND_TAI_S = 19.0  # IS-GPS-200, 3.3.4
SYSTEMS = ("UTC", "TAI", "TT", "TDB", "GPS")
FORM = "YYYY-MM-DDTHH:MM:SS.sss or YYYY-DDDTHH:MM:SS.sss"
_CCSDS = re.compile(r"(\d{4})-(?:(\d\d-\d\d)|(\d{3}))T(\d\d):(\d\d):(\d\d(?:\.\d{1,15})?)Z?", re.ASCII)
_STK = re.compile(r"(\d{1,2}) +([A-Za-z]{3}) +(\d{4}) +(\d\d):(\d\d):(\d\d(?:\.\d{1,15})?)", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def ccsds_instant(text: str, system: str) -> Instant:
    """The instant of a CCSDS epoch (ASCII time code A or B, CCSDS 301.0-B-4, 3.5) in a time system of `SYSTEMS`.

    Raises NodeError for other forms, for dates that are none or outside 1957 to 2056, and for other time systems.
    """
    match = _CCSDS.fullmatch(text)
    if match is None:
        raise NodeError(f"{text[:60]!r} is no epoch; write {FORM}")
    year, month_day, of_year, hour, minute, second = match.groups()
    day = f"{year}-{month_day}" if month_day else _calendar(year, int(of_year))
    return _instant(day, int(hour), int(minute), second, system)


def stk_instant(text: str) -> Instant:
    """The instant of an STK epoch, `1 Jun 2020 12:00:00.000` UTC (its UTCG); raises NodeError as `ccsds_instant`."""
    match = _STK.fullmatch(text)
    if match is None or match[2].lower() not in _MONTHS:
        raise NodeError(f"{text[:60]!r} is no epoch in UTC; write it as 1 Jun 2020 12:00:00.000")
    day, month, year, hour, minute, second = match.groups()
    text = f"{year}-{_MONTHS.index(month.lower()) + 1:02d}-{int(day):02d}"
    return _instant(text, int(hour), int(minute), second, "UTC")


def seconds_between(earlier: Instant, later: Instant) -> float:
    """Elapsed seconds from one instant to another, exact to a nanosecond over years."""
    return (later[0] - earlier[0]) + (later[1] - earlier[1])


def instant_of(epoch: Epoch) -> Instant:
    """The zero of a scenario as an instant."""
    mjd, seconds = utc_day_and_seconds(epoch.utc)
    whole = int(seconds)
    return mjd * int(DAY_S) + whole + _leap_s(mjd), seconds - whole


def utc_text(instant: Instant) -> str:
    """An instant as a CCSDS epoch in UTC, with microseconds, or nanoseconds where it needs them."""
    whole, fraction = instant
    nanoseconds = round(fraction * 1e9)
    whole, nanoseconds = whole + nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000
    mjd = whole // int(DAY_S)
    while whole < mjd * int(DAY_S) + _leap_s(mjd):
        mjd -= 1
    second = whole - mjd * int(DAY_S) - _leap_s(mjd)
    leap = max(0, second - int(DAY_S) + 1)  # 1 within a leap second
    minutes, second = divmod(second - leap, 60)
    digits = f"{nanoseconds:09d}"
    digits = digits[:6] if digits.endswith("000") else digits
    day = date.fromordinal(mjd + MJD_ORDINAL).isoformat()
    return f"{day}T{minutes // 60:02d}:{minutes % 60:02d}:{second + leap:02d}.{digits}"


def _calendar(year: str, of_year: int) -> str:
    if not 1 <= of_year <= 366 or int(year) < 1:
        raise NodeError(f"{year}-{of_year:03d} is no day of a year; it counts from 001")
    return (date(int(year), 1, 1) + timedelta(days=of_year - 1)).isoformat()


def _instant(day: str, hour: int, minute: int, second: str, system: str) -> Instant:
    mjd = _mjd(day)
    seconds = float(second)
    if hour > 23 or minute > 59 or seconds >= 61.0 or (seconds >= 60.0 and system != "UTC"):
        raise NodeError(f"{hour:02d}:{minute:02d}:{second} is no time of day in {system}")
    if seconds >= 60.0:
        utc_day_and_seconds(f"{day}T{hour:02d}:{minute:02d}:{second[:15]}Z")  # refuses where no leap second was
    whole = int(seconds)
    at, fraction = mjd * int(DAY_S) + hour * 3600 + minute * 60 + whole, seconds - whole
    if system == "UTC":
        return at + _leap_s(mjd), fraction
    return _moved(at, fraction, -_ahead_of_tai_s(at, system))


def _ahead_of_tai_s(at: int, system: str) -> float:
    """How many seconds a uniform time system reads more than TAI."""
    match system:
        case "TAI":
            return 0.0
        case "TT":
            return TT_MINUS_TAI_S
        case "GPS":
            return -GPS_BEHIND_TAI_S
        case "TDB":  # up to 1.7 ms from TT, 13 m of a low orbit: USNO Circular 179, (2.6), by Skyfield
            return TT_MINUS_TAI_S + float(tdb_minus_tt(MJD_JD + at / DAY_S))
        case _:
            raise NodeError(f"the time system {system[:20]!r} cannot be converted; there are {', '.join(SYSTEMS)}")


def _moved(whole: int, fraction: float, by_s: float) -> Instant:
    steps = int(by_s // 1.0)
    fraction += by_s - steps
    carry = int(fraction // 1.0)
    return whole + steps + carry, fraction - carry


@lru_cache(maxsize=4096)
def _mjd(day: str) -> int:
    """The Modified Julian Date of `YYYY-MM-DD`."""
    utc_day_and_seconds(f"{day}T00:00:00Z")  # refuses dates that are none and years without elements
    return date.fromisoformat(day).toordinal() - MJD_ORDINAL


@lru_cache(maxsize=4096)
def _leap_s(mjd: int) -> int:
    """TAI - UTC on a day; before 1972, when it was no whole number, Skyfield's rounding of it."""
    start = Epoch(date.fromordinal(mjd + MJD_ORDINAL).isoformat() + "T00:00:00Z")
    time = start.skyfield(0.0)
    return round((float(time.whole) - MJD_JD - mjd + float(time.tai_fraction)) * DAY_S)
