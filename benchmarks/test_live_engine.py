"""The live engine on this machine: see `benchmarks/live_engine.py`. Timings are figures, never verdicts.

Asserts only what does not depend on speed: every message offered was delivered, every node was there.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from benchmarks import live_engine
from benchmarks.measure import Notes, Target, in_turns, note
from emulator.live.priority import realtime_refused


def figures(benchmark: Any, title: str, work: Callable[[], dict[str, Any]], **wanted: tuple[str, str, float]) -> Any:
    """Measure once, and leave the figures `wanted` (key: unit, relation, limit) for the report."""
    targets = tuple(Target(*target) for target in wanted.values())
    found, _ = in_turns(benchmark, work, Notes(title, targets, rounds=1))
    note(benchmark, values={unit: found[key] for key, (unit, _, _) in wanted.items()})
    return found


def test_lateness_of_twelve_nodes(benchmark: Any) -> None:
    found = figures(
        benchmark, "live: twelve nodes, 1,000 messages/s in all at rate 1; how late they are released",
        live_engine.lateness, p50_us=("µs p50", "<=", 50.0), p99_us=("µs p99", "<=", 500.0),
    )  # fmt: skip
    assert found["messages"] > 20_000


@pytest.mark.skipif(bool(realtime_refused()), reason=realtime_refused() or "granted")
def test_lateness_of_twelve_nodes_in_real_time(benchmark: Any) -> None:
    found = figures(
        benchmark, "live: the same with --realtime", partial(live_engine.lateness, realtime=True),
        p50_us=("µs p50", "<=", 50.0), p99_us=("µs p99", "<=", 500.0),
    )  # fmt: skip
    assert found["messages"] > 20_000


def test_twelve_idle_nodes(benchmark: Any) -> None:
    found = figures(
        benchmark, "live: twelve nodes with nothing to do, models loaded and used", live_engine.idle,
        core_percent=("% of one core in all", "<=", 5.0), private_mb=("MB private of the largest", "<=", 100.0),
    )  # fmt: skip
    assert found["nodes"] == 12


def test_start_to_first_delivery(benchmark: Any) -> None:
    found = figures(
        benchmark, "live: from the first process to the first delivery, twelve nodes with models", live_engine.start,
        first_delivery_s=("seconds", "<=", 5.0),
    )  # fmt: skip
    assert found["nodes"] == 12


def test_what_a_node_adds_to_an_inference(benchmark: Any) -> None:
    found = figures(
        benchmark, "live: a node's inference against bare session.run, same model and tiles, in turns",
        live_engine.inference, ratio=("x bare onnxruntime", "<=", 1.05),
    )  # fmt: skip
    assert found["ratio"] > 0.0


def test_a_hundred_nodes(benchmark: Any) -> None:
    found = figures(
        benchmark, "live: a hundred nodes with --rate auto, 200 messages/s; wall seconds until time begins",
        live_engine.hundred, start_s=("seconds", "<=", 120.0),
    )  # fmt: skip
    assert found["messages"] > 500
