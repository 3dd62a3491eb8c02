"""Keeps a scheduler's code in bounds: one that never answers is ended, and what it prints goes to standard error.

No clock is read: the host's timer ticks, and if as many ticks as allowed pass without a fact being handled, the code
that is running is interrupted. Only on a main thread of a POSIX system; elsewhere there is no watch, as stated, nor
is there one inside a single call that never comes back from C.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType

from emulator.errors import SchedulerError

TICK_S = 1.0
LIMIT_S = 20.0  # wall seconds that a scheduler may take for one decision, or to be made


class _Interrupted(BaseException):
    """Ends the running code; no `except Exception` in it can keep going."""


@contextmanager
def watch(handled: Callable[[], int], name: str) -> Iterator[None]:
    """While inside, raise `SchedulerError` if `handled()` stands still for `LIMIT_S` wall seconds."""
    limit_s, tick_s = LIMIT_S, TICK_S
    with redirect_stdout(sys.stderr):  # standard output is for results
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            yield
            return
        last, stood = -1, 0

        def tick(_signal: int, _frame: FrameType | None) -> None:
            nonlocal last, stood
            now = handled()
            stood = stood + 1 if now == last else 0
            last = now
            if stood * tick_s >= limit_s:
                raise _Interrupted

        before = signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, tick_s, tick_s)
        try:
            yield
        except _Interrupted as error:
            raise SchedulerError(
                f"scheduler {name} has not answered for {limit_s:g} s of wall time (after fact number {handled()}): "
                "it loops; a scheduler yields its decisions and returns"
            ) from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
