"""Our CSV and back by a column map: every field of every record, to the nanosecond and the bit."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.importing.columns import Column, ColumnMap, TimeColumn, csv_records
from workloads.importing.records import Imported, LoadSample, MissionTask, Record
from workloads.importing.task_file import write_records
from workloads.importing.units import UNITS

EPOCH = "2025-10-03T16:00:00Z"
SI = {"_s": "s", "_bytes": "B", "_deg": "deg", "_w": "W", "_a": "A", "_v": "V", "_k": "K", "_ratio": "1"}


def unit(field: str) -> str:
    if field == "ops":
        return "op"
    return next((name for end, name in SI.items() if field.endswith(end) and UNITS[field]), "")


def back(folder: Path, records: list[Record]) -> Imported:
    """Written as CSV, and read with a map that names every column of it."""
    made = Imported(form="columns", epoch=EPOCH, records=records, read=len(records))
    (folder / "own.csv").unlink(missing_ok=True)
    write_records(folder / "own.csv", made, "source", "")
    text = (folder / "own.csv").read_text(encoding="utf-8")
    names = text.split("\n", 1)[0].split(",")
    using = ColumnMap(
        kind="load" if isinstance(records[0], LoadSample) else "tasks",
        time=TimeColumn(column="at_s", unit="s", epoch=EPOCH),
        columns={name: Column(column=name, unit=unit(name)) for name in names if name != "at_s"},
    )
    return csv_records(text, "own.csv", using)


def nanoseconds(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(low, high).map(lambda count: count / 1_000_000_000)


numbers = st.none() | st.floats(0.0, 1e12)
names = st.none() | st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
tasks = st.builds(
    MissionTask,
    id=st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=9),
    at_s=nanoseconds(0, 10**15),
    duration_s=numbers, run_s=numbers, wait_s=numbers, ops=numbers, deadline_s=numbers,
    scenes=st.none() | st.integers(0, 1 << 50), raw_bytes=st.none() | st.integers(0, 1 << 50),
    priority=st.none() | st.integers(0, 9), mode=names, timeliness=names, node=names,
    station_names=st.none() | st.lists(names.filter(bool), min_size=1, max_size=3).map(tuple),
    latitude_deg=st.none() | st.floats(-90.0, 90.0), cloud_cover_ratio=st.none() | st.floats(0.0, 1.0),
)  # fmt: skip
samples = st.builds(
    LoadSample, at_s=nanoseconds(0, 10**15), power_w=numbers, current_a=numbers, temperature_k=numbers, mode=names
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(tasks, min_size=1, max_size=5, unique_by=lambda each: each.id))
def test_any_tasks_come_back_from_a_csv(tmp_path_factory: pytest.TempPathFactory, made: list[MissionTask]) -> None:
    ordered: list[Record] = sorted(made, key=lambda each: each.at_s)
    found = back(tmp_path_factory.mktemp("csv", numbered=True), ordered)
    assert (list(found.records), found.epoch) == (ordered, EPOCH)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(samples, min_size=1, max_size=5))
def test_any_load_comes_back_from_a_csv(tmp_path_factory: pytest.TempPathFactory, made: list[LoadSample]) -> None:
    ordered: list[Record] = sorted(made, key=lambda each: each.at_s)
    assert list(back(tmp_path_factory.mktemp("csv", numbered=True), ordered).records) == ordered


@pytest.mark.parametrize("text", ["1e99", "99999999999999999999", "-1e20"])
def test_an_instant_that_no_clock_has_is_refused(text: str) -> None:
    using = ColumnMap(time=TimeColumn(column="t", unit="s"))
    with pytest.raises(WorkloadError, match=r"own\.csv:2: .* is more than 126 years from zero"):
        csv_records(f"t\n{text}\n", "own.csv", using)
