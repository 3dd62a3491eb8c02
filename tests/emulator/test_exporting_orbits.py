"""CZML and GeoJSON say where satellites were: as Skyfield has it, in the frame and at the time that are named."""

import itertools
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import EarthSatellite, load, wgs84
from skyfield.framelib import itrs

from emulator.assemble import assemble
from emulator.cli import main
from emulator.errors import BadInput, TraceError
from emulator.exporting.czml import export_czml
from emulator.exporting.czml_packets import reference
from emulator.exporting.geojson import cut_lines, export_geojson
from emulator.exporting.orbits import Orbits, read_orbits
from emulator.run import run
from emulator.scenario import parse
from emulator.trace import Trace
from emulator.tracing.spans import without
from nodes.elements import satrec

TEXT = """extends = "three-body"
name = "one-orbit"
duration_s = 6000.0
[imaging]
distinct_tiles = 2
[[faults]]
node = "SCS-01 A"
at_s = 3000.0
recovers_s = 3500.0
[[faults]]
node = "SCS-01 E"
at_s = 70.0
recovers_s = 80.0
"""
TWO_MILLIMETRES = 0.002  # positions are rounded to a millimetre, three of them
TWO_CENTIMETRES = 0.02  # Lagrange of degree 5 at 60 s
A_MICRODEGREE = 1.1e-6  # to which tracks are rounded
Flown = tuple[Trace, Orbits, dict[str, Any]]


@pytest.fixture(scope="module")
def flown(tmp_path_factory) -> Flown:
    """A run of one orbit, kept and read again: trace, orbits, and SGP4 through Skyfield for each satellite."""
    loaded = parse(TEXT, "one-orbit", None)
    folder = tmp_path_factory.mktemp("flown") / "trace"
    run(assemble(loaded, ["mesh"]), "mesh", folder)
    timescale = load.timescale(builtin=True)
    elements = {each.name: each for each in parse(TEXT, "", None).scenario.satellites.elements}
    truth = {name: EarthSatellite.from_satrec(satrec(each), timescale) for name, each in elements.items()}
    trace = Trace(folder)
    return trace, read_orbits(trace), truth


def packets(flown: Flown, path: Path, **how: Any) -> dict[str, dict[str, Any]]:
    export_czml(flown[0], path, flown[1], **how)
    document = json.loads(path.read_text())
    assert document[0]["id"] == "document"
    assert document[0]["version"] == "1.0"
    found = {packet["id"]: packet for packet in document}
    assert len(found) == len(document), "an id is there twice"
    return found


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("frame", ["INERTIAL", "FIXED"])
def test_sampled_positions_are_those_of_skyfield_in_that_frame(flown, tmp_path, frame):
    found = packets(flown, tmp_path / "t.czml", frame=frame)
    for name, satellite in flown[2].items():
        position = found[f"satellite/{name}"]["position"]
        assert position["referenceFrame"] == frame
        samples = np.array(position["cartesian"]).reshape(-1, 4)
        assert samples[0, 0] == 0.0
        assert samples[-1, 0] == 6000.0
        at = satellite.at(flown[1].epoch.skyfield(samples[:, 0]))
        true_m = (at.position if frame == "INERTIAL" else at.frame_xyz(itrs)).m.T
        assert np.linalg.norm(samples[:, 1:] - true_m, axis=1).max() < TWO_MILLIMETRES


def test_samples_at_odd_instants_are_of_those_instants(flown, tmp_path):
    """127 steps of 6000 s are no whole milliseconds each, of which one is 7.6 m; the grid is flown to 0.4 m."""
    found = packets(flown, tmp_path / "t.czml", step_s=47.3)
    for name, satellite in flown[2].items():
        samples = np.reshape(found[f"satellite/{name}"]["position"]["cartesian"], (-1, 4))
        assert samples[1, 0] == pytest.approx(6000.0 / 127.0, abs=1e-9)
        true_m = satellite.at(flown[1].epoch.skyfield(samples[:, 0])).position.m.T
        assert np.linalg.norm(samples[:, 1:] - true_m, axis=1).max() < 0.4


def test_between_samples_the_named_interpolation_is_within_two_centimetres(flown, tmp_path):
    position = packets(flown, tmp_path / "t.czml")["satellite/SCS-01 A"]["position"]
    assert (position["interpolationAlgorithm"], position["interpolationDegree"]) == ("LAGRANGE", 5)
    samples = np.array(position["cartesian"]).reshape(-1, 4)
    times_s = np.arange(7.0, 6000.0, 61.0)
    first = np.clip(np.searchsorted(samples[:, 0], times_s) - 3, 0, len(samples) - 6)
    window = samples[first[:, None] + np.arange(6)]  # the six samples around each instant
    weights = np.ones((len(times_s), 6))
    for i in range(6):
        for j in range(6):
            if i != j:
                weights[:, i] *= (times_s - window[:, j, 0]) / (window[:, i, 0] - window[:, j, 0])
    found_m = np.einsum("ti,tik->tk", weights, window[:, :, 1:])
    true_m = flown[2]["SCS-01 A"].at(flown[1].epoch.skyfield(times_s)).position.m.T
    assert np.linalg.norm(found_m - true_m, axis=1).max() < TWO_CENTIMETRES


def test_tasks_that_are_shown_are_counted_as_they_are(flown, tmp_path):
    counts = export_czml(flown[0], tmp_path / "t.czml", flown[1], most_tasks=100_000)
    shown = [each for each in json.loads((tmp_path / "t.czml").read_text()) if each["id"].startswith("task/")]
    assert counts["tasks_shown"] == len(shown) < counts["tasks"]  # SCS-01 E, failed, loses some at once


def test_czml_holds_together(flown, tmp_path):
    found = packets(flown, tmp_path / "t.czml", most_tasks=50)
    clock = found["document"]["clock"]
    start, stop = map(instant, clock["interval"].split("/"))
    assert (start, (stop - start).total_seconds()) == (datetime(2025, 10, 3, 16, tzinfo=UTC), 6000.0)
    kinds = [name.partition("/")[0] for name in found]
    assert (kinds.count("satellite"), kinds.count("station")) == (12, 4)
    assert 0 < kinds.count("task") <= 50
    for name, packet in found.items():
        spans = packet.get("availability", [])
        previous = start
        for span in [spans] if isinstance(spans, str) else spans:
            begin, end = map(instant, span.split("/"))
            assert start <= previous <= begin < end <= stop, name
            previous = end
        for end in packet.get("polyline", {}).get("positions", {}).get("references", []):
            owner, _, field = end.partition("#")
            assert field in found[owner]


def test_links_are_there_when_the_plan_has_them_and_both_ends_are_up(flown, tmp_path):
    found = packets(flown, tmp_path / "t.czml")
    start = instant(found["document"]["clock"]["currentTime"])
    for at_s in (0.5, 1800.0, 3250.0, 3600.0, 5999.0):
        shown = set()
        for name, packet in found.items():
            for span in packet["availability"] if "polyline" in packet else []:
                begin, end = ((instant(text) - start).total_seconds() for text in span.split("/"))
                if begin <= at_s < end:
                    shown.add(name)
        plan = flown[0].world.plan.contacts
        planned = {f"{c.kind}/{c.a}/{c.b}" for c in plan if c.start_s <= at_s < c.stop_s}
        down = "SCS-01 A" if 3000.0 <= at_s < 3500.0 else ""
        assert shown == {name for name in planned if not down or down not in name.split("/")}
        if at_s == 0.5:
            assert sum(name.startswith("laser/") for name in shown) == 32  # of 66: recomputed from the real elements


def test_tasks_stand_below_their_satellite_from_capture_to_end(flown, tmp_path):
    found = packets(flown, tmp_path / "t.czml", most_tasks=30)
    captured = {}
    for _, _, (event, _) in flown[0].lines():
        if type(event).__name__ == "Captured":
            captured[event.task.id] = event.task
    epoch = flown[1].epoch
    shown = {name.removeprefix("task/"): packet for name, packet in found.items() if name.startswith("task/")}
    assert shown
    for name, packet in shown.items():
        task = captured[name]
        lon_deg, lat_deg, _ = packet["position"]["cartographicDegrees"]
        below = wgs84.geographic_position_of(flown[2][task.node].at(epoch.skyfield(task.at_s)))
        assert lat_deg == pytest.approx(below.latitude.degrees, abs=2e-5)  # 2 m; the Hermite grid is within 0.4 m
        assert lon_deg == pytest.approx(below.longitude.degrees, abs=2e-4)  # near the poles meridians lie close
        begin = instant(packet["availability"][0].partition("/")[0])
        assert begin.timestamp() == pytest.approx(instant("2025-10-03T16:00:00Z").timestamp() + task.at_s, abs=2e-6)


def test_markup_in_names_stays_text(flown, tmp_path):
    assert reference("a#b\\c") == "a\\#b\\\\c"  # as Cesium's ReferenceProperty.fromString takes it apart
    hostile = msgspec.structs.replace(flown[0].header, digest="<script>alert(1)</script>")
    trace = Trace(flown[0].folder)
    trace.header = hostile
    trace.footer = lambda: None  # which would say of another digest that it is of another trace
    export_czml(trace, tmp_path / "t.czml", flown[1], most_tasks=0)
    assert "<script>" not in (tmp_path / "t.czml").read_text()


def test_ground_tracks_are_those_of_skyfield(flown, tmp_path):
    counts = export_geojson(flown[0], tmp_path / "t.geojson", flown[1])
    document = json.loads((tmp_path / "t.geojson").read_text())
    assert document["type"] == "FeatureCollection"
    tracks = [f for f in document["features"] if f["geometry"]["type"] == "MultiLineString"]
    assert (len(tracks), len(document["features"])) == (12, 16)
    assert sum(len(track["geometry"]["coordinates"]) for track in tracks) == counts["lines"]
    start = instant("2025-10-03T16:00:00Z")
    for track in tracks:
        lines, times = track["geometry"]["coordinates"], track["properties"]["times_utc"]
        assert [len(line) for line in lines] == [len(texts) for texts in times]
        points = [
            (p, instant(t)) for line, texts in zip(lines, times, strict=True) for p, t in zip(line, texts, strict=True)
        ]
        whole = [(p, t) for p, t in points if abs(p[0]) != 180.0]
        seconds = np.array([(t - start).total_seconds() for _, t in whole])
        at = flown[2][track["properties"]["satellite"]].at(flown[1].epoch.skyfield(seconds))
        below = wgs84.geographic_position_of(at)
        found = np.array([p for p, _ in whole])
        assert np.abs(found[:, 1] - below.latitude.degrees).max() < A_MICRODEGREE + 4e-6  # 0.4 m of the Hermite grid
        assert np.abs(found[:, 2] - below.elevation.m).max() < 0.6
        assert [t for _, t in points] == sorted(t for _, t in points)


def test_a_line_over_the_antimeridian_is_cut_there():
    lines = cut_lines(
        *(np.array(c, float) for c in ([178.0, -178.0, 178.0], [0.0, 4.0, 8.0], [1.0, 3.0, 5.0], [0, 10, 20]))
    )
    # half way between 178 and 182 degrees, in latitude, height and time
    assert lines == [
        [(178.0, 0.0, 1.0, 0.0), (180.0, 2.0, 2.0, 5.0)],
        [(-180.0, 2.0, 2.0, 5.0), (-178.0, 4.0, 3.0, 10.0), (-180.0, 6.0, 4.0, 15.0)],
        [(180.0, 6.0, 4.0, 15.0), (178.0, 8.0, 5.0, 20.0)],
    ]


steps = st.lists(st.floats(-179.0, 179.0).map(lambda deg: round(deg, 1)), min_size=1, max_size=30)


@settings(derandomize=True, deadline=None)
@given(st.floats(-180.0, 179.9).map(lambda deg: round(deg, 1)), steps)
def test_cut_lines_stay_on_the_map_and_lose_no_point(start_deg, turns_deg):
    turned = start_deg + np.concatenate(([0.0], np.cumsum(turns_deg)))
    lon_deg = (turned + 180.0) % 360.0 - 180.0
    times_s = np.arange(float(lon_deg.size))
    lines = cut_lines(lon_deg, times_s * 2.0, times_s * 3.0, times_s)
    points = [point for line in lines for point in line]
    assert all(len(line) > 1 and abs(point[0]) <= 180.0 for line in lines for point in line)
    length_deg = sum(abs(b[0] - a[0]) for line in lines for a, b in itertools.pairwise(line))
    assert length_deg == pytest.approx(np.abs(turns_deg).sum(), abs=1e-6)
    assert all(lat == pytest.approx(2.0 * t) and height == pytest.approx(3.0 * t) for _, lat, height, t in points)
    for before, after in itertools.pairwise(lines):
        assert (before[-1][0], before[-1][3]) == pytest.approx((-after[0][0], after[0][3]))
    inner = {(lon, t) for lon, t in zip(lon_deg.tolist(), times_s.tolist(), strict=True) if lon != -180.0}
    assert inner <= {(point[0], point[3]) for point in points}


spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda s: (float(s[0]), float(sum(s)))), max_size=6
)


@settings(derandomize=True, deadline=None)
@given(spans, spans)
def test_what_is_left_of_spans_is_what_is_in_them_and_in_no_hole(whole, holes):
    left = without(whole, holes)
    for tick in range(80):
        at = tick / 2.0 + 0.25
        inside = sum(a <= at < b for a, b in whole)
        hole = any(a <= at < b for a, b in holes)
        assert sum(a <= at < b for a, b in left) == (0 if hole else inside)


def test_a_scenario_that_is_not_the_one_that_ran_is_refused(stormy, flown):
    with pytest.raises(BadInput, match="is not the one that ran"):
        read_orbits(flown[0], "three-body-ring")
    held: Any = stormy()
    with pytest.raises(BadInput, match="give the file with --scenario"):
        read_orbits(held)
    held.header = msgspec.structs.replace(held.header, scenario="/etc/passwd")  # a trace names no file to open
    with pytest.raises(BadInput, match="does not ship"):
        read_orbits(held)


def test_elements_of_other_satellites_are_refused(flown):
    trace = Trace(flown[0].folder)
    trace.header = msgspec.structs.replace(trace.header, elements=trace.header.elements[1:])
    with pytest.raises(TraceError, match="not in both"):
        read_orbits(trace)


@pytest.mark.parametrize("step", ["0", "-1", "nan", "0.0001", "1e9", "601"])
def test_a_step_that_cannot_be_is_refused(flown, tmp_path, capsys, step):
    out = tmp_path / "t.czml"
    assert main(["export", str(flown[0].folder), "--to", "czml", "--out", str(out), "--step", step]) == 2
    assert "--step" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_shorter_than_a_few_steps_has_the_samples_of_its_polynomial(flown):
    short = replace(read_orbits(flown[0]), duration_s=100.0)
    times_s = short.grid_s(60.0)
    assert len(times_s) >= 6  # degree 5, which the CZML asks for: with three samples it is 70 m off between them
    positions = short.ephemeris.positions(times_s)[0]
    at_s = 0.5 * (times_s[2] + times_s[3])
    weights = [np.prod([(at_s - b) / (a - b) for b in times_s if b != a]) for a in times_s]  # Lagrange's
    off_m = np.linalg.norm(weights @ positions - short.ephemeris.positions(at_s)[0, 0])
    assert off_m < 0.5  # the grid that was flown is itself within 0.4 m between its states


@pytest.mark.parametrize("form", ["czml", "perfetto", "geojson", "csv"])
def test_the_command_writes_one_json_document_and_never_over_what_is_there(flown, tmp_path, capsys, form):
    arguments = ["export", str(flown[0].folder), "--to", form, "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == form
    assert document["written"].pop("bundles", 0) == 0  # only live runs have some
    assert all(count > 0 for count in document["written"].values())
    assert any("synthetic" in note for note in document["notes"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert main(arguments) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [["--to", "csv", "--step", "3"], ["--to", "geojson", "--frame", "fixed"], ["--to", "czml", "--tasks", "-1"]],
)
def test_options_that_do_not_fit_are_refused(flown, tmp_path, capsys, wrong):
    assert main(["export", str(flown[0].folder), "--out", str(tmp_path / "out"), *wrong]) == 2
    assert wrong[2] in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["czml", "perfetto", "csv"])
def test_a_log_that_is_cut_leaves_an_error_and_no_file(flown, tmp_path, capsys, form):
    folder = tmp_path / "cut"
    shutil.copytree(flown[0].folder, folder)
    log = max(folder.glob("events*"), key=lambda path: path.stat().st_size)
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    assert main(["export", str(folder), "--to", form, "--out", str(tmp_path / "out")]) == 2
    assert "cut" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cut"]
