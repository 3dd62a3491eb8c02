"""One link against bare pyzmq with the same sizes, in turns: see `benchmarks/link_throughput.py`."""

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.link_throughput import CASES, TARGET, Bare, Case, Ours, apart
from benchmarks.measure import Baseline, Notes, Target, in_turns, note

NAMES = {100: "100 B", 10_000: "10 kB", 1_000_000: "1 MB"}
Pair = tuple[Bare, Ours]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with apart() as cores:
        bare, ours = Bare(cores), Ours(cores)
        yield bare, ours
        ours.close()
        bare.close()


@pytest.mark.parametrize("case", CASES, ids=[NAMES[case.size_bytes] for case in CASES])
def test_one_link(benchmark: Any, pair: Pair, case: Case) -> None:
    bare, ours = pair
    batch = f"{case.batch} letters a message" if case.batch > 1 else "one letter a message"
    notes = Notes(f"one link, {NAMES[case.size_bytes]}, {batch}", (Target("ratio", "<=", 1.0 / TARGET),), rounds=7)
    rate, bare_rate = in_turns(
        benchmark, lambda: ours.transfer(case), notes, baseline=Baseline("bare pyzmq", lambda: bare.transfer(case))
    )
    assert rate > 0.0  # `transfer` has counted every byte on both sides
    assert bare_rate > 0.0
    note(benchmark, amounts={"messages": case.messages})
