"""Tables, reports, differences and lives say what the run was; missing is missing."""

import importlib
import json
from pathlib import Path

import msgspec
import pytest

import emulator.trace
from emulator.errors import BadInput, TraceError
from emulator.events import Captured
from emulator.orders import End, Run, Send
from emulator.trace import Footer, Header, Trace
from emulator.tracing.columnar import arrow, save
from emulator.tracing.differences import difference
from emulator.tracing.header import tai_minus_utc_s
from emulator.tracing.life import life
from emulator.tracing.reporting import document, lines
from emulator.tracing.tables import TABLES, rows
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
        assert set(row) == set(TABLES["tasks"])
        assert (row["how"], row["ended_s"] is None) == (
            getattr(ended.get(row["task"]), "how", None),
            row["how"] is None,
        )
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


def test_units_are_in_the_names_of_columns() -> None:
    plain = {"line", "orders", "inferences", "priority", "contact", "run"}
    for table, columns in TABLES.items():
        for name, kind in columns.items():
            assert kind == "str" or name in plain or name.endswith(("_s", "_bytes")), (table, name)


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


def test_a_task_that_waited_for_a_contact_and_a_transmitter_says_so(small) -> None:
    told = life(Trace(small), "00")
    assert (told.how, told.steps[0].at_s) == ("done", 0.0)
    sent = next(step for step in told.steps if step.what.startswith("result sent to G"))
    assert sent.waited_s == pytest.approx(sent.at_s - 2.75)  # run 2 s, laser 0.5 s, light 0.25 s
    assert any("had no contact until 5.000000 s" in reason for reason in sent.reasons)
    waits = [step for task in ("02", "04") for step in life(Trace(small), task).steps if "started" in step.what]
    assert any("the processor of A ran" in reason for step in waits for reason in step.reasons)
    assert all(step.reasons for step in waits if step.waited_s > 0.0)


def test_a_task_that_is_not_there_is_refused_with_those_like_it(small) -> None:
    with pytest.raises(TraceError, match="no task '0O' was captured"):
        life(Trace(small), "0O")


def test_a_trace_does_not_differ_from_itself(small) -> None:
    found = difference(Trace(small), Trace(small))
    assert found.same
    assert (found.first, found.tasks_changed, found.figures, found.setup) == (None, 0, [], [])


def test_the_first_difference_is_the_first_line_that_differs(lab, small, tmp_path) -> None:
    lab.record(tmp_path / "other", tasks=11)
    found = difference(Trace(small), Trace(tmp_path / "other"))
    ours = [said for _, _, said in Trace(small).lines()]
    theirs = [said for _, _, said in Trace(tmp_path / "other").lines()]
    first = next(n for n, (a, b) in enumerate(zip(ours, theirs, strict=False), 1) if a != b)
    assert not found.same
    assert found.first is not None
    assert (found.first.line, found.first.at_s) == (first, min(ours[first - 1][0].at_s, theirs[first - 1][0].at_s))
    assert "11" in {change.task for change in found.tasks}  # the task that only one has
    assert {"tasks.captured"} <= {change.field for change in found.figures}


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


def test_the_schema_file_is_that_of_the_code_and_a_trace_is_valid_by_it(small) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    kinds = {"header": Header, "footer": Footer, "line": emulator.trace.Line}
    (header, footer, line), components = msgspec.json.schema_components(kinds.values(), ref_template="#/$defs/{name}")
    assert (schema["header"], schema["footer"], schema["line"]) == (header, footer, line)
    assert schema["$defs"] == components
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    checks = {kind: jsonschema.Draft202012Validator(schema | schema[kind]) for kind in kinds}
    for kind in ("header", "footer"):
        checks[kind].validate(json.loads((small / f"{kind}.json").read_bytes()))
    for _, raw, _ in list(Trace(small).lines())[::5]:
        checks["line"].validate(json.loads(raw))
    assert not checks["line"].is_valid([["delivered", 1.0, "A"], []])
