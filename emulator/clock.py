"""The only module that reads a clock. Simulated time never comes from here."""

import time
from datetime import UTC, datetime


def wall_s() -> float:
    """Seconds on a clock that never jumps, for measuring how long work took."""
    return time.perf_counter()


def utc_now() -> str:
    """The wall clock as ISO 8601 UTC, for headers of traces and results."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
