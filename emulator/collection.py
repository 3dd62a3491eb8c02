"""Lets Python look for garbage less often while facts are handled: the core leaves no cycles behind.

Found every 700 containers, as by default, nothing costs 3 % of a run and 7 % of one with a full trace (measured).
A scheduler may leave cycles; they go too, later.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

CONTAINERS = 50_000  # some 5 MB between two looks


@contextmanager
def seldom() -> Iterator[None]:
    """While inside, collect only after `CONTAINERS` more have been made than freed; then as before."""
    before = gc.get_threshold()
    if 0 < before[0] < CONTAINERS:  # 0: somebody has switched it off
        gc.set_threshold(CONTAINERS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
