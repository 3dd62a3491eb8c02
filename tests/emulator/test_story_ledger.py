"""What tables tell of a run adds up to the ledger in its footer, which the core counted in another way."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.assemble import assemble
from emulator.core import Core
from emulator.decision_log import DecisionLog
from emulator.events import Bundle, NodeFailed, NodeRecovered, Offered
from emulator.exporting.czml import export_czml
from emulator.exporting.geojson import export_geojson
from emulator.exporting.orbits import read_orbits
from emulator.exporting.perfetto import export_perfetto
from emulator.recorder import Recorder
from emulator.report import summarise
from emulator.run import run
from emulator.scenario import parse
from emulator.schedulers import load
from emulator.trace import SCHEMA, Footer, Header, Trace, TraceWriter
from emulator.tracing.life import life
from emulator.tracing.parts import footer_of
from emulator.tracing.tables import rows
from emulator.tracing.waits import UNKNOWN
from emulator.virtual import run as run_virtual
from workloads.arrivals import UNIT_WORK
from workloads.pipeline import Pipeline, Stage

FAULTS = "".join(
    f'[[faults]]\nnode = "SCS-01 {name}"\nat_s = {at_s}\nrecovers_s = {at_s + 300.0}\n'
    for name, at_s in (("B", 1500.0), ("E", 2150.0), ("G", 400.0))
)
SHIPPED = [  # scenario, scheduler, how long: the first station is met after half an hour
    ("three-body", "mesh", "duration_s = 2600.0\n[imaging]\ndistinct_tiles = 4\n"),
    ("three-body", "bent-pipe", "duration_s = 2600.0\n[imaging]\ndistinct_tiles = 4\n"),
    ("three-body-cascade", "mesh", "duration_s = 2600.0\n[imaging]\ndistinct_tiles = 4\n"),
    ("azure-llm-replay", "mesh", "duration_s = 2600.0\n"),
    ("sentinel2-replay", "onboard", "duration_s = 2600.0\n[imaging]\ndistinct_tiles = 4\n"),
]
JOIN = (
    Stage(name="screen", model=UNIT_WORK.name, passes="clear", exit="cloudy"),
    Stage(name="left", model=UNIT_WORK.name, after=("screen",), takes="outputs"),
    Stage(name="right", model=UNIT_WORK.name, after=("screen",)),
    Stage(name="last", model=UNIT_WORK.name, after=("left", "right"), takes="both"),
)


def adds_up(trace: Trace) -> Counter[str]:
    """Compare every table with the footer; returns how tasks ended."""
    footer = trace.footer()
    assert isinstance(footer, Footer)
    tasks = Counter(row["how"] for row in rows(trace, "tasks"))
    ledger = footer.tasks
    assert tasks == +Counter(
        {"done": ledger.done, "dropped": ledger.dropped, "lost": ledger.lost, "pending": ledger.pending}
    )
    bundles = Counter(row["how"] for row in rows(trace, "bundles"))
    offered = footer.bundles
    assert bundles == +Counter({"done": offered.done, "lost": offered.lost, "pending": offered.pending})
    links: dict[tuple[str, str], list[int]] = {}
    for hop in rows(trace, "hops"):
        account = links.setdefault((hop["from_node"], hop["to_node"]), [0, 0, 0])
        account[0] += hop["size_bytes"]
        account[1] += hop["size_bytes"] if hop["delivered_s"] is not None else 0
        account[2] += hop["size_bytes"] if hop["how"] in ("lost", "withdrawn") else 0
    assert links == {(e.from_node, e.to_node): [e.sent_bytes, e.received_bytes, e.lost_bytes] for e in footer.links}
    runs = rows(trace, "runs")
    summary: Any = trace.summary()
    assert sum(row["how"] == "finished" for row in runs) == sum(summary["job_basis"].values())
    assert sum(row["runs"] for row in rows(trace, "tasks")) == len(runs)
    assert len(rows(trace, "facts")) == footer.events
    return tasks


def in_order(trace: Trace) -> None:
    """No instant of a task is before one that leads to it."""
    pairs = (
        ("captured_s", "sent_s"), ("captured_s", "started_s"), ("started_s", "finished_s"), ("sent_s", "result_sent_s"),
        ("delivered_s", "ended_s"), ("finished_s", "ended_s"),
    )  # fmt: skip
    for row in rows(trace, "tasks"):
        for early, late in pairs:
            if row[early] is not None and row[late] is not None:
                assert row[early] <= row[late], (row, early, late)
        assert (row["delivered_s"] is not None) == (row["how"] == "done")


def chrome_is_serial(path: Path, flows: int) -> None:
    """Slices of a thread do not overlap, and there are so many flows, each from a start to a finish."""
    events = json.loads(path.read_text())["traceEvents"]
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    phases: dict[int, list[str]] = {}
    for event in events:
        if event["ph"] == "X":
            assert event["dur"] >= 0.0
            threads.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] in "stf":
            phases.setdefault(event["id"], []).append(event["ph"])
    for slices in threads.values():
        slices.sort()
        assert all(start >= stop - 1e-3 for (_, stop), (start, _) in pairwise(slices))  # 1e-3 us: half a nanosecond
    assert len(phases) == flows
    assert all(each == ["s", *["t"] * (len(each) - 2), "f"] for each in phases.values())


def touched(trace: Trace) -> int:
    """How many tasks and bundles have at least two slices: a run each, and two a delivered message, else one."""
    piped = trace.world.pipeline is not None
    slices: Counter[tuple[bool, str]] = Counter()
    for run_ in rows(trace, "runs"):
        slices[False, run_["task"].rpartition("#")[0] if piped else run_["task"]] += 1
    for hop in rows(trace, "hops"):
        bundle = hop["what"] == "bundle"
        name = hop["task"].rpartition("#")[0] if piped and not bundle else hop["task"]
        slices[bundle, name] += 2 if hop["how"] == "delivered" else 1
    return sum(count >= 2 for count in slices.values())


def exports_open(trace: Trace, folder: Path) -> None:
    """CZML, Perfetto and GeoJSON of a run are JSON of the right shape, with what the tables have."""
    orbits, tasks = read_orbits(trace), rows(trace, "tasks")
    export_perfetto(trace, folder / "chrome.json")
    chrome_is_serial(folder / "chrome.json", touched(trace))
    written = export_czml(trace, folder / "globe.czml", orbits, step_s=300.0)
    packets = json.loads((folder / "globe.czml").read_text())
    ids = [packet["id"] for packet in packets]
    assert packets[0]["id"] == "document"
    assert packets[0]["version"] == "1.0"
    assert len(set(ids)) == len(ids)
    assert (written["tasks"], written["satellites"]) == (len(tasks), 12)
    failed = [p["id"] for p in packets if isinstance(p.get("point", {}).get("color"), list)]
    assert failed == [f"satellite/SCS-01 {name}" for name in "BEG"]
    export_geojson(trace, folder / "tracks.geojson", orbits, 300.0)
    features = json.loads((folder / "tracks.geojson").read_text())["features"]
    assert [f["geometry"]["type"] for f in features] == ["MultiLineString"] * 12 + ["Point"] * len(orbits.stations)


@pytest.mark.parametrize(("name", "policy", "more"), SHIPPED, ids=[f"{name}-{policy}" for name, policy, _ in SHIPPED])
def test_tables_of_shipped_scenarios_with_faults_add_up_to_the_ledger(tmp_path, name, policy, more) -> None:
    text = f'extends = "{name}"\nname = "short"\n{more}{FAULTS}'
    run(assemble(parse(text, "short.toml", None), [policy]), policy, tmp_path / "run")
    trace = Trace(tmp_path / "run")
    ends = adds_up(trace)
    in_order(trace)
    assert ends["lost"] > 0, "the faults met nothing"
    exports_open(trace, tmp_path)
    tasks = [row["task"] for row in rows(trace, "tasks")]
    for task in tasks[:: max(1, len(tasks) // 6)]:
        told = life(trace, task)
        for step in told.steps:
            assert bool(step.reasons) == (step.waited_s > 0.0)
            assert not any(UNKNOWN in reason for reason in step.reasons), (task, step)


@pytest.fixture
def joined(lab: Any, tmp_path: Path) -> Callable[[str, float], Trace]:
    """Scenes through two stages that join, bundles both ways, and a node that fails and comes back."""

    def make(policy: str, failed_s: float) -> Trace:
        contacts = [
            lab.laser("A", "B"), lab.laser("B", "C", 2.0, 40.0), lab.radio("B", "G", 3.0), lab.radio("C", "H", 9.0)
        ]  # fmt: skip
        model = msgspec.structs.replace(UNIT_WORK, output_bytes=1)
        world = lab.world(contacts)
        world = msgspec.structs.replace(world, models={model.name: model}, pipeline=Pipeline(stages=JOIN))
        tasks = [
            lab.task(f"{n:02d}", 0.5 * n, "ABC"[n % 3], work_s=0.0005, raw_bytes=500, tile=int(n % 5 == 1))
            for n in range(20)
        ]
        offers = [
            Offered(1.0 + n, "ABC"[n % 3], Bundle(f"bundle {n}", "ABC"[n % 3], "BCH"[n % 3], 400)) for n in range(12)
        ]
        facts = lab.facts(world, tasks, [NodeFailed(failed_s, "B"), NodeRecovered(failed_s + 3.0, "B"), *offers])
        answers = DecisionLog()
        core = Core(world, answers.watched(load(policy, lambda: 0.0)))
        header = Header(
            schema=SCHEMA, orbitmesh="0", created_utc="2025-10-03T16:00:00Z", scenario="by-hand", scenario_sha256="",
            epoch="2025-10-03T16:00:00Z", policy=policy, seed=1, engine="virtual",
        )  # fmt: skip
        with TraceWriter(tmp_path / "run") as writer:
            writer.begin(header, world)
            recorder = Recorder(core, writer.write, answers)
            run_virtual(recorder, facts, 100.0, lab.infer, lambda _: None, world.pipeline)
            ended = msgspec.structs.replace(header, events=recorder.events, digest=recorder.digest())
            row = summarise(core, policy, ended.digest)
            writer.close(ended, world, row, None, footer_of(core, ended))
        return Trace(tmp_path / "run")

    return make


@pytest.mark.parametrize("failed_s", [3.0, 4.5, 6.0, 9.0, 14.0])
@pytest.mark.parametrize("policy", ["mesh", "round-robin", "bent-pipe"])
def test_tables_of_joins_and_bundles_add_up_to_the_ledger(joined, policy, failed_s) -> None:
    trace = joined(policy, failed_s)
    adds_up(trace)
    in_order(trace)
    assert {row["how"] for row in rows(trace, "bundles")} >= {"done"}
    export_perfetto(trace, trace.folder.parent / "chrome.json")
    chrome_is_serial(trace.folder.parent / "chrome.json", touched(trace))
    told = [(row["task"], row["how"]) for row in rows(trace, "tasks")]
    told += [(row["bundle"], row["how"]) for row in rows(trace, "bundles")]
    for name, how in told:
        found = life(trace, name)
        assert found.how == how
        assert UNKNOWN not in str(found)
