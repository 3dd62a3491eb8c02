"""Lateness of release over one link, two processes: our Waiter, select, asyncio, zmq.Poller, time.sleep, in turns.

Asserts that every way released every message and none before its instant; lateness is a figure, never a verdict.
"""

from typing import Any

from benchmarks.measure import Notes, Target, in_turns, note
from benchmarks.release_lateness import PER_S, WAYS, measure

RUNS, SPAN_S = 5, 1.0
OURS = next(iter(WAYS))
LIMIT_US = 60.0  # issue 3, two nodes with spinning


def figure(quantile: str, way: str) -> str:
    """How the report names a figure."""
    return f"µs {quantile} {way}"


def test_release(benchmark: Any) -> None:
    title = f"{PER_S:,.0f} messages/s released 2 ms later, two processes, all ways in turns; how late"
    targets = tuple(Target(figure("p99", way), "<=", LIMIT_US) for way in WAYS if way.startswith(OURS))
    found, _ = in_turns(benchmark, lambda: measure(runs=RUNS, span_s=SPAN_S), Notes(title, targets, rounds=1))
    values = {}
    for way, row in found.items():
        assert row["n"] == RUNS * int(SPAN_S * PER_S)
        assert row["early"] == 0
        values |= {figure(quantile, way): row[f"{quantile}_s"] * 1e6 for quantile in ("p50", "p99")}
    note(benchmark, values=values | {f"% of a core {OURS}": found[OURS]["core"] * 100.0})
