"""How Python is set while facts are handled: it looks for garbage less often, and lets threads beside the run in.

Both are of the whole process, and as before afterwards.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CONTAINERS = 50_000  # some 5 MB between two looks
SWITCH_S = (
    0.0005  # with Python's 5 ms a full trace of 128,000 facts takes 0.06 s longer; 0.2 ms gain nothing (measured)
)


@contextmanager
def seldom() -> Iterator[None]:
    """While inside, collect garbage only after `CONTAINERS` more have been made than freed.

    The core leaves no cycles behind: looking for them every 700 containers, as by default, costs 3 % of a run and 7 %
    of one with a full trace (measured). A scheduler may leave cycles; they go too, later.
    """
    before = gc.get_threshold()
    if 0 < before[0] < CONTAINERS:  # 0: somebody has switched it off
        gc.set_threshold(CONTAINERS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def threads_beside() -> Iterator[None]:
    """While inside, the interpreter lock changes hands `SWITCH_S` after another thread has asked for it.

    A thread that packs or unpacks a block needs the lock six times between 4 ms of work without it.
    """
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(min(before_s, SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
