"""How the host's processors are to be shared: a node's loop may ask for real time, its inference steps back.

Real-time priority is on request only: a loop that has it goes before every ordinary program of the host. Linux keeps
5 % of each processor for the others even so (sched_rt_runtime_us).
"""

import os
import sys
import threading
from contextlib import suppress

LEAST_REALTIME = 1  # above all ordinary programs, below everything that asks for more: sched(7)
RATHER = "run as root or with CAP_SYS_NICE, or raise the limit with `ulimit -r 1`, or leave --realtime out"


def realtime() -> None:
    """Put the calling thread, and all that it starts from now on, before ordinary programs. Raises OSError."""
    if sys.platform != "linux":
        raise OSError("real-time priority is known on Linux only")
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(LEAST_REALTIME))


def realtime_refused() -> str:
    """Why this host grants no real-time priority; "" if it does. Tried on a thread that ends at once."""
    refusals: list[str] = []

    def attempt() -> None:
        try:
            realtime()
        except OSError as error:
            refusals.append(error.strerror or str(error))

    trial = threading.Thread(target=attempt)
    trial.start()
    trial.join()
    return f"this host grants no real-time priority ({refusals[0]}): {RATHER}" if refusals else ""


def step_back() -> None:
    """Let the calling thread run only where nothing else wants to, where the system can say so (Linux: SCHED_IDLE)."""
    if sys.platform == "linux":  # for this thread alone; nice 19 leaves releases three times as late at p99
        with suppress(OSError):  # a sandbox may not let it; then releases are later while models run
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
