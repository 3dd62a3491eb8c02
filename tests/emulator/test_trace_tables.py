"""Tables, reports, differences and lives say what the run was; missing is missing."""

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import emulator.trace
from emulator.errors import BadInput, TraceError
from emulator.events import Captured
from emulator.orders import End, Run, Send
from emulator.trace import Footer, Header, Trace
from emulator.tracing.columnar import arrow, save
from emulator.tracing.columns import TABLES
from emulator.tracing.header import tai_minus_utc_s
from emulator.tracing.reporting import document, lines
from emulator.tracing.tables import rows
from nodes.errors import NodeError

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "trace-schema.json"


@pytest.fixture(scope="module")
def small(lab, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables") / "run"
    lab.record(folder)
    return folder


def test_each_task_carries_its_times_in_order_and_what_is_missing_is_none(small) -> None:
    trace = Trace(small)
    tasks = rows(trace, "tasks")
    captured = {e.task.id: e for _, _, (e, _) in trace.lines() if isinstance(e, Captured)}
    assert {row["task"]: row["captured_s"] for row in tasks} == {name: e.at_s for name, e in captured.items()}
    ended = {o.task: o for _, _, (_, orders) in trace.lines() for o in orders if isinstance(o, End)}
    for row in tasks:
        assert list(row) == [column.name for column in TABLES["tasks"]]
        assert row["how"] == getattr(ended.get(row["task"]), "how", "pending")
        assert (row["ended_s"] is None) == (row["how"] == "pending")
        assert (row["delivered_s"] is not None) == (row["how"] == "done")
        known = [
            row[name] for name in ("captured_s", "started_s", "finished_s", "delivered_s") if row[name] is not None
        ]
        assert known == sorted(known)
        assert -1 not in row.values()
    counts = [order for _, _, (_, orders) in trace.lines() for order in orders]
    assert len(rows(trace, "hops")) == sum(isinstance(order, Send) for order in counts)
    assert len(rows(trace, "runs")) == sum(isinstance(order, Run) for order in counts)
    assert len(rows(trace, "facts")) == trace.header.events


def test_the_footer_is_the_ledger(small) -> None:
    footer = Trace(small).footer()
    assert isinstance(footer, Footer)
    hops = rows(Trace(small), "hops")
    for link in footer.links:
        own = [hop for hop in hops if (hop["from_node"], hop["to_node"]) == (link.from_node, link.to_node)]
        assert link.sent_bytes == sum(hop["size_bytes"] for hop in own)
        assert link.received_bytes == sum(hop["size_bytes"] for hop in own if hop["delivered_s"] is not None)
    total = footer.tasks
    assert total.captured == total.done + total.dropped + total.lost + total.pending == 12


@pytest.mark.parametrize(
    ("utc", "ahead_s"),  # IERS Bulletin C: 32 s from 1999, 36 s from July 2015, 37 s from 2017
    [("2006-01-01T00:00:00Z", 33.0), ("2015-07-01T00:00:00Z", 36.0), ("2025-10-03T16:00:00Z", 37.0)],
)
def test_the_header_says_how_far_tai_is_ahead(utc, ahead_s) -> None:
    assert tai_minus_utc_s(utc) == ahead_s
    with pytest.raises(NodeError):
        tai_minus_utc_s("yesterday")


def test_what_a_trace_says_of_itself(small) -> None:
    told = document(Trace(small))
    assert told["closed"]
    assert told["figures"]["digest"] == told["ledger"]["digest"] == Trace(small).header.digest
    assert dict(lines(told))["facts"] == f"{Trace(small).header.events:,}"


def test_tables_as_arrow_polars_and_parquet_agree(small, tmp_path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    parquet = importlib.import_module("pyarrow.parquet")
    trace = emulator.trace.open(small)
    counts = save(trace, tmp_path)
    for table in TABLES:
        assert arrow(trace, table).to_pylist() == rows(trace, table)
        assert parquet.read_table(tmp_path / f"{table}.parquet").to_pylist() == rows(trace, table)
        assert counts[table] == len(rows(trace, table))
    with pytest.raises(BadInput, match="no table 'task'"):
        arrow(trace, "task")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = trace.polars("tasks")
    assert isinstance(frame, polars.DataFrame)
    assert frame["captured_s"].to_list() == [row["captured_s"] for row in rows(trace, "tasks")]


def test_the_sql_of_the_docs_runs_on_a_trace(small, tmp_path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    save(Trace(small), tmp_path)
    text = (SCHEMA_FILE.parent / "trace-format.md").read_text(encoding="utf-8")
    queries = [part.split("```")[0] for part in text.split("```sql\n")[1:]]
    assert len(queries) >= 2
    for query in queries:
        folders = query.replace("mesh-run/tables", str(tmp_path)).replace("mesh-run", str(small))
        assert duckdb.sql(folders).fetchall()
    log = str(small / "events.jsonl.gz")
    assert duckdb.sql(f"select count(*) from read_json('{log}', format='newline_delimited', columns={{'x': 'json'}})")


def test_a_saved_table_of_another_trace_is_refused(lab, small, tmp_path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    lab.record(tmp_path / "other", tasks=11)
    (tmp_path / "other" / "tables").mkdir()
    save(Trace(small), tmp_path / "other" / "tables")
    with pytest.raises(TraceError, match="is of another trace"):
        arrow(Trace(tmp_path / "other"), "tasks")


def undented(components: dict[str, Any]) -> dict[str, Any]:
    """Descriptions are docstrings, which Python 3.13 keeps without their indentation."""
    described = {
        name: inspect.cleandoc(each["description"]) for name, each in components.items() if "description" in each
    }
    return {name: each | {"description": described.get(name)} for name, each in components.items()}


def test_a_saved_table_with_a_flipped_bit_is_refused_or_the_same(lab, tmp_path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    lab.record(tmp_path / "run")
    trace = Trace(tmp_path / "run")
    (tmp_path / "run" / "tables").mkdir()
    save(trace, tmp_path / "run" / "tables")
    whole, path = trace.arrow("tasks"), tmp_path / "run" / "tables" / "tasks.parquet"
    data, refused = path.read_bytes(), 0
    for at in range(0, len(data), 101):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        try:
            assert trace.arrow("tasks").equals(whole), at
        except TraceError:
            refused += 1
    assert refused > 10


def test_the_schema_file_is_that_of_the_code_and_a_trace_is_valid_by_it(small) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    kinds = {"header": Header, "footer": Footer, "line": emulator.trace.Line}
    (header, footer, line), components = msgspec.json.schema_components(kinds.values(), ref_template="#/$defs/{name}")
    assert (schema["header"], schema["footer"], schema["line"]) == (header, footer, line)
    assert undented(schema["$defs"]) == undented(components)
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    checks = {kind: jsonschema.Draft202012Validator(schema | schema[kind]) for kind in kinds}
    for kind in ("header", "footer"):
        checks[kind].validate(json.loads((small / f"{kind}.json").read_bytes()))
    for _, raw, _ in list(Trace(small).lines())[::5]:
        checks["line"].validate(json.loads(raw))
    assert not checks["line"].is_valid([["delivered", 1.0, "A"], []])
