"""Ends a scheduler that never answers: a tick on the host's timer notices that a run has stopped moving.

No clock is read: the timer ticks, and if as many ticks as allowed pass without a fact being handled, the code
that is running is interrupted. Only on a main thread of a POSIX system; elsewhere there is no watch, as stated.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from emulator.errors import SchedulerError

TICK_S = 1.0


@contextmanager
def watch(handled: Callable[[], int], limit_s: float, name: str) -> Iterator[None]:
    """While inside, raise `SchedulerError` in the running code if `handled()` stands still for `limit_s` wall seconds."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    last, stood = -1, 0

    def tick(_signal: int, _frame: FrameType | None) -> None:
        nonlocal last, stood
        now = handled()
        stood = stood + 1 if now == last else 0
        last = now
        if stood * TICK_S >= limit_s:
            raise SchedulerError(
                f"scheduler {name} has not answered for {limit_s:.0f} s of wall time (after fact number {now}): "
                "it loops; a scheduler yields its decisions and returns"
            )

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
