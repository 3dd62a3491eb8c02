"""Instants as importers meet them: ISO 8601 text with any spelling of the zone, to whole nanoseconds of UTC.

Whole numbers, so that seven digits of a second stay what they were. A zone that is not written counts as UTC, which
every format read here states; but a file that writes it in some rows and not in others is refused row by row.
"""

import re
from datetime import UTC, datetime

from workloads.errors import WorkloadError

NS = 1_000_000_000
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,30}))?"
    r"(?:\s?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_S = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).days * 86_400  # what a date can hold
_LAST_S = ((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH).days + 1) * 86_400 - 1


def utc_ns(text: str) -> tuple[int, bool]:
    """Nanoseconds since 1970-01-01 UTC, every day counted as 86,400 s, and whether a zone was written.

    `2024-11-28T12:50:30.621`, `... 12:50:30.6210000Z`, `...+01:00`, `...+0100`, `... UTC`. Digits after the ninth are
    dropped. Raises WorkloadError for other forms, dates that are none, and leap seconds, which no format here writes.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise WorkloadError(f"{text[:60]!r} is no instant; write it as 2024-11-28T12:50:30.621Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise WorkloadError(f"{text[:60]!r} is no date or time of day: {error}") from None
    since = moment - _EPOCH
    whole_s = since.days * 86_400 + since.seconds - _offset_s(text, match[8] or "Z")
    if not _FIRST_S <= whole_s <= _LAST_S:
        raise WorkloadError(f"{text[:60]!r} is no date: in UTC it lies outside of the years 1 to 9999")
    return whole_s * NS + int((match[7] or "0")[:9].ljust(9, "0")), match[8] is not None


def iso_utc(instant_ns: int) -> str:
    """The instant as text, to the last digit that is not zero: `2024-11-28T12:50:30.621Z`."""
    whole_s, rest_ns = divmod(instant_ns, NS)
    days, second = divmod(whole_s, 86_400)
    date = datetime.fromordinal(_EPOCH.toordinal() + days).date().isoformat()
    fraction = f".{rest_ns:09d}".rstrip("0").rstrip(".")
    return f"{date}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{fraction}Z"


class Instants:
    """Reads one column of instants, and holds it to one way of writing the zone."""

    def __init__(self) -> None:
        self.zoned: bool | None = None

    def read(self, text: str) -> int:
        """Nanoseconds as `utc_ns`. Raises WorkloadError also where only some instants have a zone."""
        instant_ns, zoned = utc_ns(text)
        if self.zoned is None:
            self.zoned = zoned
        elif zoned != self.zoned:
            says = "names its time zone, those above do not" if zoned else "names no time zone, those above do"
            raise WorkloadError(f"{text[:60]!r} {says}; write all instants of a file alike")
        return instant_ns


def _offset_s(text: str, zone: str) -> int:
    if zone in ("Z", "z", "UTC", "GMT"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:  # +14:00, Kiribati, is the farthest from UTC: IANA time zone database
        raise WorkloadError(f"{text[:60]!r} has a time zone that there is not; -14:00 to +14:00")
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
