"""The only module that reads a clock. Emulated time never comes from here; `emulator/live/pace.py` maps it to this.

`wall_s` is CLOCK_MONOTONIC on Linux: all processes of a host read the same value, so instants may be sent from one to
another, and a program in another language reads it with `clock_gettime(CLOCK_MONOTONIC)`. It counts from when the host
started: a value means nothing on another host. A float resolves 2 ns at 115 days of uptime (2**-29 s at 1e7 s).
"""

import time
from datetime import UTC, datetime


def wall_s() -> float:
    """Seconds on a clock that never jumps, the same for all processes of this host."""
    return time.perf_counter()


def cpu_s() -> float:
    """Seconds of processor time that this process has used, all its threads together: what waiting and work cost."""
    return time.process_time()


def utc_now() -> str:
    """The wall clock as ISO 8601 UTC, for headers of traces and results."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
