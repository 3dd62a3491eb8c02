"""Tables of a trace as pandas and polars frames hold what the rows hold; what is missing is missing there too."""

from pathlib import Path

import pytest

import emulator.trace
from emulator.tracing.columns import TABLES
from emulator.tracing.tables import rows


@pytest.fixture(scope="module")
def small(lab, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("frames") / "run"
    lab.record(folder)
    return folder


@pytest.mark.parametrize("table", TABLES)
def test_a_polars_frame_is_the_table(small, table) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    trace = emulator.trace.open(small)
    frame = trace.polars(table)
    assert isinstance(frame, polars.DataFrame)
    assert frame.to_dicts() == rows(trace, table)


@pytest.mark.parametrize("table", TABLES)
def test_a_pandas_frame_is_the_table(small, table) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    trace = emulator.trace.open(small)
    frame = trace.pandas(table)
    assert isinstance(frame, pandas.DataFrame)
    expected = rows(trace, table)
    assert len(frame) == len(expected)
    assert list(frame.columns) == [column.name for column in TABLES[table]]
    for name in frame.columns:
        values = [None if missing else value for value, missing in zip(frame[name], frame[name].isna(), strict=True)]
        assert values == [row[name] for row in expected], name


def test_a_frame_of_a_span_of_time_holds_what_was_then(small) -> None:
    pytest.importorskip("polars", reason="polars is not installed")
    trace = emulator.trace.open(small)
    frame = trace.polars("facts", from_s=2.0, to_s=4.0)
    every = rows(trace, "facts")
    assert frame.to_dicts() == [row for row in every if 2.0 <= row["at_s"] <= 4.0]
    assert 0 < len(frame) < len(every)
