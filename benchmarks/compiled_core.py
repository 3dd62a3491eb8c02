"""Events per second of store and forward on whatever core is found: how `test_compiled_core.py` times a compiled one.

Prints JSON: `core` (the file of its code), and medians of events per second, `full_trace` and `core_alone`, in turns.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import emulator.core
from benchmarks.store_and_forward import InTheCore, arrivals
from benchmarks.test_trace import DURATION_S, ROUNDS, Recorded


def events_per_s(run: Callable[[], int]) -> float:
    """Of one run."""
    start_s = perf_counter()
    events = run()
    return events / (perf_counter() - start_s)


def main() -> None:
    """Time both, in turns, after one round to warm up."""
    tasks = arrivals(DURATION_S)
    full, alone = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS + 1):
            full.append(events_per_s(Recorded(tasks, Path(folder) / str(number)).run))
            alone.append(events_per_s(InTheCore(tasks, False).run))
    rates = {"full_trace": median(full[1:]), "core_alone": median(alone[1:])}
    print(json.dumps({"core": emulator.core.__file__, **rates}))


if __name__ == "__main__":
    main()
