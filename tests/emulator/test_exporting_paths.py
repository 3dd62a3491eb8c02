"""Exporters take a path as text too, and blame a trace only for what it holds."""

from pathlib import Path
from typing import Any

import pytest

import emulator.trace
from emulator.errors import BadInput
from emulator.exporting.perfetto import export_perfetto
from emulator.exporting.tables import export_csv
from emulator.tracing.tables import rows


@pytest.fixture
def folder(lab: Any, tmp_path: Path) -> str:
    lab.record(tmp_path / "run")
    return str(tmp_path / "run")


@pytest.mark.parametrize("export", [export_perfetto, export_csv])
def test_a_path_may_be_text(export: Any, folder: str, tmp_path: Path) -> None:
    trace = emulator.trace.open(folder)
    written = export(trace, str(tmp_path / "text"))
    assert written == export(trace, tmp_path / "path")
    made = [path if path.is_file() else path / "tasks.csv" for path in (tmp_path / "text", tmp_path / "path")]
    assert made[0].read_bytes() == made[1].read_bytes() != b""


@pytest.mark.parametrize("export", [export_perfetto, export_csv])
def test_what_is_no_path_is_not_the_traces_fault(export: Any, folder: str) -> None:
    with pytest.raises(TypeError):
        export(emulator.trace.open(folder), 7)


@pytest.mark.parametrize("span_s", [("soon", None), (None, float("nan"))])
def test_a_span_that_is_none_is_not_the_traces_fault(folder: str, span_s: Any) -> None:
    with pytest.raises(BadInput, match=r"a span begins or ends at .*; give seconds"):
        rows(emulator.trace.open(folder), "tasks", *span_s)
