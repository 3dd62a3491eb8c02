"""A Chrome trace that Perfetto takes without complaint: serial tracks, bound flows, whole nanoseconds."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.decisions import Assign
from emulator.exporting import chrome_events
from emulator.exporting.perfetto import export_perfetto
from emulator.exporting.tracks import Tracks, microseconds, nanoseconds
from emulator.orders import Run, Send

POLICIES = ("mesh", "onboard", "bent-pipe", "round-robin")


def exported(trace: Any, path: Path) -> list[dict[str, Any]]:
    counted = export_perfetto(trace, path)
    document = json.loads(path.read_text())
    assert document["otherData"]["epoch_utc"] == "2025-10-03T16:00:00Z"
    assert len(document["traceEvents"]) == counted["events"]
    return document["traceEvents"]


def by(events: list[dict[str, Any]], phase: str) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == phase]


def as_perfetto(us: float) -> int:
    """Nanoseconds as Perfetto's importer gets them from a number: times 1000, then cut (json_utils.cc, CoerceToTs)."""
    return int(us * 1000.0)


def spans(events: list[dict[str, Any]]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """(start, stop) in ns of the slices of each thread, in order."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event in by(events, "X"):
        start_ns = as_perfetto(event["ts"])
        found.setdefault((event["pid"], event["tid"]), []).append((start_ns, start_ns + as_perfetto(event["dur"])))
    return {thread: sorted(slices) for thread, slices in found.items()}


def names(events: list[dict[str, Any]], kind: str) -> dict[tuple[int, int], str]:
    return {(e["pid"], e["tid"]): e["args"]["name"] for e in by(events, "M") if e["name"] == kind}


@pytest.mark.parametrize("policy", POLICIES)
def test_slices_of_a_thread_never_overlap(stormy, tmp_path, policy):
    events = exported(stormy(policy), tmp_path / "t.json")
    threads = spans(events)
    for slices in threads.values():
        for (_, stop_ns), (start_ns, _) in itertools.pairwise(slices):
            assert stop_ns <= start_ns
    assert threads.keys() <= names(events, "thread_name").keys()  # each is named
    tids = [tid for _, tid in names(events, "thread_name")]
    assert len(tids) == len(set(tids))


@pytest.mark.parametrize("policy", POLICIES)
def test_flows_begin_once_end_once_and_touch_slices(stormy, tmp_path, policy):
    events = exported(stormy(policy), tmp_path / "t.json")
    threads = spans(events)
    flows: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        if event["ph"] in "stf":
            flows.setdefault(event["id"], []).append(event)
            at_ns = as_perfetto(event["ts"])
            around = threads[event["pid"], event["tid"]]
            assert any(start_ns <= at_ns < stop_ns for start_ns, stop_ns in around)
    assert flows
    for flow in flows.values():
        assert [event["ph"] for event in flow] == ["s", *["t"] * (len(flow) - 2), "f"]
        assert [event["ts"] for event in flow] == sorted(event["ts"] for event in flow)
        assert len({event["name"] for event in flow}) == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_slices_are_the_orders_and_busy_time_is_the_ledgers(stormy, tmp_path, policy):
    trace = stormy(policy)
    events = exported(trace, tmp_path / "t.json")
    core, thread = trace.sim.core, names(events, "thread_name")
    process = {pid: name for (pid, _), name in names(events, "process_name").items()}
    assert set(process.values()) == {*core.nodes, "links"}
    rows: dict[str, list[tuple[str, float]]] = {}
    for event in by(events, "X"):
        row = thread[event["pid"], event["tid"]].split(" ")[0]
        rows.setdefault(row, []).append((process[event["pid"]], event["dur"] / 1e6))
    assert len(rows["to"]) == len(trace.sim.orders(Send))
    assert len(rows["processor"]) == len(trace.sim.orders(Run))
    for name, node in core.nodes.items():
        running_s = core.now_s - node.running.started_s if node.running is not None else 0.0
        busy_s = sum(dur_s for where, dur_s in rows["processor"] if where == name)
        assert busy_s == pytest.approx(node.budget.busy_s + running_s, abs=1e-6)
    assert rows["shadow"] == [("A", 47.0)]
    assert rows["failed"] == [("C", 4.0)]


def test_runs_that_share_a_launch_lie_on_lanes_of_their_own(held, lab, tmp_path):
    tasks = [lab.task(f"{n}", 0.0, work_s=1.0) for n in range(3)]
    small = [
        type(task)(*[getattr(task, f) if f != "inferences" else 1 for f in task.__struct_fields__]) for task in tasks
    ]
    world = lab.world([], batch_across=True)
    world = type(world)(
        nodes=world.nodes, plan=world.plan, models=world.models, pipeline=None,
        settings=type(world.settings)(duration_s=100.0, batch=64, batch_across=True),
    )  # fmt: skip
    sim = lab.run(world, lab.facts(world, small), lambda view: [Assign(task.id, "A") for task in view.waiting])
    events = exported(held(sim), tmp_path / "t.json")
    runs = [e for e in by(events, "X") if e["name"] == "inference"]
    assert len(runs) == 3
    together = [e for e in runs if (e["ts"], e["dur"]) == (runs[1]["ts"], runs[1]["dur"])]
    assert len({e["tid"] for e in together}) == len(together) == 2  # the first began alone, before the others came


def test_pieces_written_one_by_one_are_one_document(stormy, tmp_path, monkeypatch):
    whole = exported(stormy(), tmp_path / "whole.json")
    monkeypatch.setattr(chrome_events, "BATCH_BYTES", 1)
    assert exported(stormy(), tmp_path / "pieces.json") == whole


@settings(derandomize=True, deadline=None, max_examples=1000)
@given(st.floats(0.0, 366 * 86_400.0))
def test_perfetto_gets_each_instant_of_a_year_as_it_was_meant(at_s):
    ns = nanoseconds(at_s)
    assert as_perfetto(microseconds(ns)) == ns
    assert abs(ns - at_s * 1e9) <= (1.0 if at_s < 26 * 86_400.0 else 3.0)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=40))
def test_lanes_never_overlap_whatever_comes(found):
    tracks = Tracks()
    track = tracks.track(tracks.process("p"), "t", 0)
    lanes: dict[int, list[tuple[int, int]]] = {}
    for start_ns, length_ns in found:
        lanes.setdefault(tracks.lane(track, start_ns, start_ns + length_ns), []).append(
            (start_ns, start_ns + length_ns)
        )
    assert sum(map(len, lanes.values())) == len(found)
    for slices in lanes.values():
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(slices))
