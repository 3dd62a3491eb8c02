"""Scenarios whose satellites fly what an ephemeris file says: the same sky as from elements, and its limits by name."""

from pathlib import Path

import numpy as np
import pytest

from emulator.errors import ScenarioError
from emulator.links_report import pairs_at
from emulator.passes_report import of_elements, of_scenario
from emulator.scenario import load
from emulator.sky import Sky, contacts, read_sky
from nodes.element_files import write_elements
from nodes.ephemerides import tabulate, write_oem
from nodes.epoch import Epoch
from nodes.orbit import Ephemeris
from nodes.walker import walker_delta

EPOCH = "2025-10-03T16:00:00Z"
DURATION_S = 1800.0
ten_centimetres = 0.1
a_tenth_of_a_second = 0.1


def scenario(folder: Path, file: str, extra: str = "", name: str = "flown") -> str:
    text = f'extends = "three-body"\nname = "{name}"\nepoch = "{EPOCH}"\nduration_s = {DURATION_S}\n'
    path = folder / f"{name}.toml"
    path.write_text(f'{text}{extra}[satellites]\nfile = "{file}"\n')
    return str(path)


@pytest.fixture
def folder(tmp_path):
    """Two planes of six satellites, as elements and as a folder of OEM of their half hour and a minute on each side."""
    elements = walker_delta(12, 2, 0, 500e3, 97.4, EPOCH)
    write_elements(tmp_path / "twelve.json", elements, "json")
    ephemeris = Ephemeris.propagate(elements, Epoch(EPOCH), DURATION_S)
    write_oem(tmp_path / "twelve", tabulate(ephemeris, Epoch(EPOCH)), created=EPOCH)
    return tmp_path


def sky(path: str) -> Sky:
    return read_sky(load(path))


def test_a_folder_of_ephemerides_makes_the_same_sky_as_the_elements_they_came_from(folder):
    flown, propagated = (sky(scenario(folder, file, name=file[-4:])) for file in ("twelve", "twelve.json"))
    assert flown.ephemeris.names == propagated.ephemeris.names
    assert (flown.network.plane, flown.network.slot) == (propagated.network.plane, propagated.network.slot)
    assert set(flown.network.plane) == {0, 1}
    times_s = np.arange(0.0, DURATION_S, 13.0)
    off_m = flown.ephemeris.positions(times_s) - propagated.ephemeris.positions(times_s)
    assert np.abs(off_m).max() < ten_centimetres
    plans = []
    for file, there in (("twelve", flown), ("twelve.json", propagated)):
        plan = contacts(load(scenario(folder, file, name=file[-4:])), there)
        plans.append([(each.kind, each.a, each.b, each.start_s) for each in plan.contacts])
    assert len(plans[0]) == len(plans[1]) > 20
    for ours, theirs in zip(*(sorted(plan) for plan in plans), strict=True):
        assert ours[:3] == theirs[:3]
        assert abs(ours[3] - theirs[3]) < a_tenth_of_a_second


def test_passes_and_links_take_ephemerides_too(folder):
    path = scenario(folder, "twelve")
    stop = Epoch(EPOCH).iso(DURATION_S)
    (from_file, from_elements) = (
        of_elements(str(folder / file), "82.0,0.0,0.0", 5.0, EPOCH, stop).passes for file in ("twelve", "twelve.json")
    )
    assert [each.satellite for each in from_file] == [each.satellite for each in from_elements]
    assert len(from_file) > 0
    (note,) = of_scenario(path, None, None, None).notes
    assert "orbits from twelve (sha256 " in note
    report = pairs_at(load(path), EPOCH, lambda title, total: lambda value: None)
    assert len(report.links) == 66  # every pair of twelve


def test_what_a_file_leaves_out_is_a_note_of_the_scenario(folder):
    file = next((folder / "twelve").glob("0001-*"))
    covariance = "COVARIANCE_START\nEPOCH = 2025-10-03T16:00:00\n1.0\nCOVARIANCE_STOP\n"
    before = sky(scenario(folder, "twelve")).orbits_sha256
    file.write_text(file.read_text() + covariance)
    after = sky(scenario(folder, "twelve"))
    assert "covariances are passed over" in after.notes[1]
    assert before != after.orbits_sha256  # no field of the scenario would tell the two apart


def test_bad_files_and_faults_of_nobody_are_refused_with_the_field(folder):
    whole = next((folder / "twelve").glob("0001-*")).read_text()
    (folder / "one.oem").write_text(whole[:-1])
    with pytest.raises(ScenarioError, match=r"satellites.file: .*one.oem: the last line has no line end"):
        sky(scenario(folder, "one.oem"))
    (folder / "one.oem").write_text(whole)
    with pytest.raises(ScenarioError, match="nobody"):
        sky(scenario(folder, "one.oem", '[[faults]]\nnode = "nobody"\nat_s = 1.0\n'))


def test_a_scenario_longer_than_its_ephemeris_is_refused_with_the_span(folder):
    loaded = load(scenario(folder, "twelve"), duration_s=1861.0)
    with pytest.raises(
        ScenarioError, match=r"satellites.file: .*covers 2025-10-03T15:59:00.000Z to 2025-10-03T16:31:00"
    ):
        read_sky(loaded)
    assert read_sky(load(scenario(folder, "twelve"), duration_s=1860.0)).ephemeris.stop_s == 1860.0


def test_a_file_outside_of_the_scenarios_folder_is_refused(folder):
    inner = folder / "inner"
    inner.mkdir()
    with pytest.raises(ScenarioError, match="leads out of the scenario's folder"):
        sky(scenario(inner, "../twelve"))


def test_a_run_over_an_ephemeris_is_recorded_and_replays_exactly(folder):
    from emulator.cli import main

    path = scenario(folder, "twelve", "[imaging]\ndistinct_tiles = 4\n")
    out = str(folder / "run")
    assert main(["run", path, "--policy", "mesh", "--out", out, "--json"]) == 0
    assert main(["replay", out, "--json"]) == 0


def test_a_trace_gives_its_orbits_back_as_oem_and_omm(folder):
    from emulator.cli import main

    path = scenario(folder, "twelve.json", "[imaging]\ndistinct_tiles = 4\n")
    assert main(["run", path, "--policy", "bent-pipe", "--out", str(folder / "run"), "--json"]) == 0
    for to, name in (("oem", "back"), ("omm", "back.json")):
        assert main(["export", str(folder / "run"), "--to", to, "--out", str(folder / name), "--json"]) == 0
    times_s = np.arange(0.0, DURATION_S, 13.0)
    first, again, omm = (
        sky(scenario(folder, file, name=name))
        for file, name in (("twelve.json", "a"), ("back", "b"), ("back.json", "c"))
    )
    assert np.abs(first.ephemeris.positions(times_s) - again.ephemeris.positions(times_s)).max() < 1e-3  # through ICRF
    assert np.array_equal(first.ephemeris.positions(times_s), omm.ephemeris.positions(times_s))
