"""Times our code in turns with a baseline, so that a busy machine slows both alike, and notes what the report needs.

A round is: build what `setup` makes, time the baseline, time our code. Only our code is pytest-benchmark's figure;
the baseline's median goes beside it into the JSON. What is noted here, `benchmarks/report.py` reads.
"""

import gc
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple


class Target(NamedTuple):
    """A limit on one figure: `s` (seconds), `ratio` (times the baseline) or a name in `amounts` or `values`."""

    figure: str
    relation: str  # ">=" or "<="
    limit: float


class Baseline(NamedTuple):
    """What our code is measured against, on the same input."""

    name: str
    work: Callable[[], Any]


class Notes(NamedTuple):
    """What a round of our code is. `amounts`: work done in it, by unit, shown per second; `steps`: shown per step."""

    title: str
    targets: tuple[Target, ...] = ()
    steps: int = 1
    rounds: int = 5


def nothing() -> None:
    """No preparation."""


def in_turns(
    benchmark: Any,
    work: Callable[..., Any],
    notes: Notes,
    setup: Callable[[], Any] = nothing,
    baseline: Baseline | None = None,
) -> tuple[Any, Any]:
    """Results of the last round: ours and the baseline's. `work` gets what `setup` made, if that is not None."""
    baseline_s: list[float] = []
    answer: list[Any] = [None]

    def prepare() -> tuple[tuple[Any, ...], dict[str, Any]]:
        if baseline is not None:
            gc.collect()
            start_s = perf_counter()
            answer[0] = baseline.work()
            baseline_s.append(perf_counter() - start_s)
        made = setup()
        gc.collect()
        return (() if made is None else (made,)), {}

    warm = 1 if notes.rounds > 1 else 0
    result = benchmark.pedantic(work, setup=prepare, rounds=notes.rounds, warmup_rounds=warm)
    note(benchmark, title=notes.title, steps=notes.steps, targets=[list(target) for target in notes.targets])
    if baseline is not None:
        note(benchmark, baseline=baseline.name, baseline_s=median(baseline_s[warm:] or baseline_s))
    return result, answer[0]


def note(benchmark: Any, **what: Any) -> None:
    """Leave figures for the report: `amounts` (units of work in a round) and `values` (figures that are no times)."""
    benchmark.extra_info.update(what)
