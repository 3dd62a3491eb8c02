"""Importing real files: the Sentinel-2 plan and Azure's log into checked, written tasks, against plain parsers.

The baselines parse the same file and neither check nor convert. Needs ../shared/data.
"""

import csv
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.measure import Baseline, Notes, Target, in_turns
from emulator.converting import Conversion, convert

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
PLAN = SHARED / "sentinel2a_acquisition_plan_2024-11-28.kml"
LOG = SHARED / "azure_llm_code_2023-11.csv"
LIMIT_S = 2.0  # for the plan

pytestmark = pytest.mark.skipif(not PLAN.exists(), reason="../shared/data is not there")


def names(folder: Path) -> Iterator[str]:
    """New files in a folder."""
    return (str(folder / f"{number}.jsonl") for number in count())


def test_sentinel_plan(benchmark: Any, tmp_path: Path) -> None:
    target = names(tmp_path)
    notes = Notes("convert the Sentinel-2A plan, 758 datatakes", (Target("s", "<=", LIMIT_S),))
    baseline = Baseline("xml.etree, nothing checked", lambda: ElementTree.parse(PLAN))
    done, _ = in_turns(
        benchmark, lambda: convert(Conversion(source=str(PLAN), target=next(target))), notes, baseline=baseline
    )
    assert (done.read, done.written, done.figures["nominal"]) == (758, 758, 721)


def test_azure_log(benchmark: Any, tmp_path: Path) -> None:
    target = names(tmp_path)

    def plain() -> int:
        with LOG.open(encoding="utf-8", newline="") as stream:
            return sum(1 for _ in csv.reader(stream))

    done, rows = in_turns(
        benchmark,
        lambda: convert(Conversion(source=str(LOG), target=next(target))),
        Notes("convert Azure's log, 8,819 requests"),
        baseline=Baseline("csv.reader, nothing checked", plain),
    )
    assert done.written == rows - 1 == 8819
