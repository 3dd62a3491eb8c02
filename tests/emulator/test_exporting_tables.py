"""Tables of a run say what the core itself came to, and what is missing is missing."""

import csv
import json
import re
import sys
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from emulator import virtual
from emulator.core import Core
from emulator.errors import BadInput, TraceError
from emulator.events import Delivered, NodeFailed, NodeRecovered
from emulator.exporting.perfetto import export_perfetto
from emulator.exporting.tables import export_csv, export_parquet
from emulator.schedulers import load
from emulator.trace import Trace
from emulator.tracing import columnar
from emulator.tracing.columns import TABLES
from emulator.tracing.records import Sink, TaskRecord
from emulator.tracing.tables import rows, stream, there
from emulator.tracing.telling import tell
from workloads.arrivals import UNIT_WORK
from workloads.pipeline import Pipeline, Stage

STORMS = [
    (policy, at_s) for policy in ("mesh", "onboard", "bent-pipe", "round-robin") for at_s in (4.0, 7.0, 12.5, 21.0)
]
UNITS = ("_s", "_m", "_bytes", "_bits_per_s", "_fraction")
COUNTS = {"priority", "inferences", "run", "runs", "contact", "line", "orders"}  # numbers, or names that are some


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def missing(value: float) -> float | None:
    """The core's way of saying that something has not happened."""
    return None if value < 0.0 else value


def pipeline_run(lab: Any, policy: str, failed_s: float) -> SimpleNamespace:
    """Twenty scenes through a screen, two stages beside each other and one after both; a node fails on the way."""
    stages = (
        Stage(name="screen", model=UNIT_WORK.name, passes="clear", exit="cloudy"),
        Stage(name="left", model=UNIT_WORK.name, after=("screen",), takes="outputs"),
        Stage(name="right", model=UNIT_WORK.name, after=("screen",)),
        Stage(name="last", model=UNIT_WORK.name, after=("left",), takes="both"),
    )
    contacts = [lab.laser("A", "B"), lab.laser("B", "C", 2.0, 40.0), lab.radio("B", "G", 3.0), lab.radio("C", "H", 9.0)]
    model = msgspec.structs.replace(UNIT_WORK, output_bytes=1)
    world = lab.world(contacts)
    world = msgspec.structs.replace(world, models={model.name: model}, pipeline=Pipeline(stages=stages))
    tasks = [
        lab.task(f"{n:02d}", 0.5 * n, "ABC"[n % 3], work_s=0.0005, raw_bytes=500, tile=int(n % 5 == 1))
        for n in range(20)
    ]
    facts = lab.facts(world, tasks, [NodeFailed(failed_s, "B"), NodeRecovered(failed_s + 3.0, "B")])
    core = Core(world, load(policy, lambda: 0.0))
    lines: list[Any] = []

    class Door:
        def handle(self, event: Any) -> Any:
            orders = core.handle(event)
            lines.append((event, orders))
            return orders

    virtual.run(Door(), facts, 100.0, lab.infer, lambda _: None, world.pipeline)
    return SimpleNamespace(core=core, lines=lines, digest="")


@pytest.mark.parametrize(("policy", "failed_s"), STORMS)
def test_each_task_has_the_instants_that_the_core_kept(stormy, policy, failed_s):
    trace = stormy(policy, failed_s)
    told = rows(trace, "tasks")
    states = trace.sim.core.tasks
    assert sorted(row["task"] for row in told) == sorted(states)
    ends_s = [row["ended_s"] for row in told if row["ended_s"] is not None]
    assert ends_s == sorted(ends_s)  # in the order in which they ended
    assert [row["ended_s"] for row in told[len(ends_s) :]] == [None] * (len(told) - len(ends_s))  # then the rest
    for row in told:
        state = states[row["task"]]
        assert row["captured_s"] == state.task.at_s
        assert row["how"] == (state.how or "pending")
        assert row["reason"] == (state.reason or None)
        assert row["finished_s"] == missing(state.finished_s)
        assert row["delivered_s"] == missing(state.delivered_s)
        if state.finished_s >= 0.0:
            assert row["started_s"] == state.started_s
    assert {row["how"] for row in told} - {"pending"}, "nothing ended: the world is too small to show anything"


@pytest.mark.parametrize(("policy", "failed_s"), STORMS)
def test_bytes_of_messages_add_up_to_the_accounts_of_each_link(stormy, policy, failed_s):
    trace = stormy(policy, failed_s)
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows(trace, "hops"):
        account = found.setdefault((row["from_node"], row["to_node"]), [0, 0, 0])
        account[0] += row["size_bytes"]
        account[1] += row["size_bytes"] if row["delivered_s"] is not None else 0
        account[2] += row["size_bytes"] if row["how"] in ("lost", "withdrawn") else 0
        assert (row["delivered_s"] is None) == (row["how"] != "delivered")
    accounts = trace.sim.core.transport.accounts
    assert found == {key: [a.sent_bytes, a.received_bytes, a.lost_bytes] for key, a in accounts.items()}


@pytest.mark.parametrize("failed_s", [3.0, 4.5, 6.0, 9.0, 14.0])
@pytest.mark.parametrize("policy", ["mesh", "round-robin"])
def test_stages_of_a_pipeline_add_up_to_scenes_and_accounts(lab, held, policy, failed_s):
    trace = held(pipeline_run(lab, policy, failed_s))
    core = trace.sim.core
    told = {row["task"]: row for row in rows(trace, "tasks")}
    for name, state in core.tasks.items():
        row = told[name]
        assert (row["how"], row["reason"] or "") == (state.how or "pending", state.reason)
        assert row["delivered_s"] == (missing(state.delivered_s) if state.how == "done" else None)
        ran = [work for work in core.work.values() if work.scene is state and work.finished_s >= 0.0]
        assert row["finished_s"] == max((work.finished_s for work in ran), default=None)
        begun = [work.started_s for work in core.work.values() if work.scene is state and work.started_s >= 0.0]
        assert row["started_s"] == min(begun, default=None)
    sent = {key: [0, 0, 0] for key in core.transport.accounts}
    for row in rows(trace, "hops"):
        account = sent[row["from_node"], row["to_node"]]
        account[0] += row["size_bytes"]
        account[1] += row["size_bytes"] * (row["how"] == "delivered")
        account[2] += row["size_bytes"] * (row["how"] in ("lost", "withdrawn"))
    assert sent == {k: [a.sent_bytes, a.received_bytes, a.lost_bytes] for k, a in core.transport.accounts.items()}


def test_a_life_by_hand_has_the_instants_of_pencil_and_paper(held, lab):
    task = lab.task(work_s=2.0, raw_bytes=1000)
    sim = lab.go(lab.everywhere("B", relay=True), [task], [lab.laser("A", "B"), lab.radio("B")])
    records: list[TaskRecord] = []

    class Keep(Sink):
        def task(self, task: TaskRecord) -> None:
            records.append(task)

    tell(held(sim), Keep())
    # a second on the wire, a quarter of a second of light, two seconds of work, half a second of product, an eighth
    (record,) = records
    assert (record.sent_s, record.started_s, record.finished_s) == (0.0, 1.25, 3.25)
    assert (record.result_sent_s, record.delivered_s, record.ended_s) == (3.25, 3.875, 3.875)
    assert (record.how, record.ran_on) == ("done", "B")


def test_what_has_not_happened_is_an_empty_cell(held, lab, tmp_path):
    sim = lab.go(lambda view: [], [lab.task("left", 5.0)])
    export_csv(held(sim), tmp_path / "out")
    (row,) = read_csv(tmp_path / "out" / "tasks.csv")
    not_yet = ("sent_s", "result_sent_s", "started_s", "finished_s", "delivered_s", "ended_s", "deadline_s", "ran_on")
    assert {name: row[name] for name in not_yet} == dict.fromkeys(not_yet, "")
    assert (row["how"], row["captured_s"]) == ("pending", "5.0")


def test_every_number_has_its_unit_in_the_name_of_its_column():
    for columns in TABLES.values():
        for column in columns:
            if column.kind != "text" and column.name not in COUNTS:
                assert column.name.endswith(UNITS), column.name
            assert column.says


@pytest.fixture(scope="module")
def recorded(lab, tmp_path_factory) -> Trace:
    """A trace on disk, with decisions, facts and all."""
    folder = tmp_path_factory.mktemp("exported") / "run"
    lab.record(folder)
    return Trace(folder)


def api(trace: Any, table: str) -> list[tuple[Any, ...]]:
    """What the Python API gives of a table, row for row."""
    return [tuple(row.values()) for row in rows(trace, table)]


def test_csv_is_row_for_row_what_the_api_gives(recorded, tmp_path):
    written = export_csv(recorded, tmp_path / "new" / "out")
    assert set(written) == set(TABLES)
    assert written["bundles"] == 0 < min(count for table, count in written.items() if table != "bundles")
    kinds = {"text": str, "int": int, "float": float}
    for name, columns in TABLES.items():
        read = read_csv(tmp_path / "new" / "out" / f"{name}.csv")
        assert len(read) == written[name]
        cells = [tuple(kinds[c.kind](row[c.name]) if row[c.name] else None for c in columns) for row in read]
        assert cells == api(recorded, name)
    assert json.loads((tmp_path / "new" / "out" / "export.json").read_bytes())["rows"] == written


def test_parquet_is_row_for_row_what_the_api_gives(recorded, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    monkeypatch.setattr(columnar, "BATCH_ROWS", 4)
    monkeypatch.setattr(columnar, "GROUP_ROWS", 16)
    written = export_parquet(recorded, tmp_path / "out")
    for name, columns in TABLES.items():
        path = tmp_path / "out" / f"{name}.parquet"
        table = parquet.read_table(path)
        assert table.num_rows == written[name]
        assert table.column_names == [column.name for column in columns]
        assert list(zip(*(column.to_pylist() for column in table.columns), strict=True)) == api(recorded, name)
        assert table.schema.metadata[b"epoch_utc"] == b"2025-10-03T16:00:00Z"
        assert b"synthetic" in table.schema.metadata
        assert parquet.ParquetFile(path).num_row_groups == -(-written[name] // 16)


def test_all_tables_come_from_one_pass_and_are_those_that_come_one_by_one(stormy):
    trace = stormy()
    together: dict[str, list[Any]] = {table: [] for table in there(trace)}
    for table, cells in stream(trace, list(together)):
        together[table].append(cells)
    assert together == {table: api(trace, table) for table in together}
    assert "decisions" not in together  # this one keeps none, as those of schema 3


def test_the_sql_of_the_docs_runs_and_says_what_the_core_says(stormy, tmp_path, monkeypatch):
    duckdb = pytest.importorskip("duckdb", reason="duckdb, which only this test needs, is not installed")
    pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    trace = stormy()
    export_parquet(trace, tmp_path / "mesh-run-tables")
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    (query,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found = duckdb.sql(query).fetchall()
    done: dict[str, list[float]] = {node: [] for node in "ABC"}
    for state in trace.sim.core.tasks.values():
        done[state.task.node] += [state.delivered_s - state.task.at_s] if state.how == "done" else []
    assert found == [(n, pytest.approx(median(done[n])) if done[n] else None, len(done[n])) for n in "ABC"]


def test_without_pyarrow_the_error_names_the_extra(stormy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=re.escape("pip install 'orbitmesh[parquet]'")):
        export_parquet(stormy(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(stormy, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("out", "link"):
        with pytest.raises(BadInput, match="is there already"):
            export_csv(stormy(), tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out"]
    assert list((tmp_path / "out").iterdir()) == []


def test_a_line_that_contradicts_the_rest_is_named_and_leaves_nothing(stormy, tmp_path):
    trace = stormy()
    number = next(n for n, (event, _) in enumerate(trace.sim.lines) if isinstance(event, Delivered))
    while not trace.sim.lines[number][1]:
        number += 1
    trace.sim.lines = trace.sim.lines[number:]  # its tasks were captured in lines that are gone
    with pytest.raises(TraceError, match=r"line \d+ speaks of"):
        export_csv(trace, tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", [export_csv, export_perfetto])
@pytest.mark.parametrize("missing_field", ["bits_per_s", "delay_ab_s"])
def test_a_world_that_cannot_be_is_a_named_error(stormy, tmp_path, export, missing_field):
    trace = stormy()
    plan = trace.world.plan
    empty: dict[str, Any] = {missing_field: ()}
    contacts = tuple(msgspec.structs.replace(contact, **empty) for contact in plan.contacts)
    trace.world = msgspec.structs.replace(trace.world, plan=msgspec.structs.replace(plan, contacts=contacts))
    with pytest.raises(TraceError, match="by-hand"):
        export(trace, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
