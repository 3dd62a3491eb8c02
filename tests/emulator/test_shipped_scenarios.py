"""The scenarios that ship: what each of them promises, against the published elements where those are at hand."""

from pathlib import Path

import pytest

from emulator.scenario import load, shipped
from nodes.catalogue import read_elements
from workloads.counting.graph import profile
from workloads.models import find_model

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
TLE = SHARED / "scs01_2025-10-03.tle"
LAST_DIGIT_OF_A_TLE = {  # half a unit of the last digit printed: Space Track, TLE format
    "mean_motion_rev_per_day": 5e-9, "eccentricity": 5e-8, "inclination_deg": 5e-5, "raan_deg": 5e-5,
    "arg_of_perigee_deg": 5e-5, "mean_anomaly_deg": 5e-5,
}  # fmt: skip


def test_which_ship() -> None:
    fleets = ["three-body", "three-body-cascade", "three-body-live", "three-body-mean", "three-body-ring"]
    assert shipped() == ["azure-llm-replay", "sentinel2-replay", *fleets]


def test_the_cascade_is_the_same_day_with_the_expensive_model_after_the_screen() -> None:
    cascade, day = load("three-body-cascade").scenario, load("three-body").scenario
    assert cascade.satellites.elements == day.satellites.elements
    assert (cascade.epoch, cascade.duration_s, cascade.imaging) == (day.epoch, day.duration_s, day.imaging)
    assert cascade.pipeline is not None
    screen, costly = cascade.pipeline.stages
    assert (screen.model, screen.passes, screen.exit, costly.after) == ("cloud-screen", "clear", "cloudy", ("screen",))
    assert profile(find_model(costly.model)).ops > 4 * profile(find_model(screen.model)).ops


def test_the_live_one_is_five_minutes_of_the_same_with_an_uplink() -> None:
    live, day = load("three-body-live").scenario, load("three-body").scenario
    assert (live.satellites, live.stations, live.laser) == (day.satellites, day.stations, day.laser)
    assert live.duration_s == 300.0
    assert live.uplink.bits_per_s > 0.0 == day.uplink.bits_per_s


@pytest.mark.parametrize("name", ["three-body", "three-body-mean", "three-body-ring"])
def test_each_is_the_same_day_over_the_same_stations(name: str) -> None:
    loaded = load(name)
    scenario = loaded.scenario
    assert scenario.name == name
    assert scenario.epoch == "2025-10-03T16:00:00Z"
    assert scenario.duration_s == 86400.0
    assert scenario.policies == ("bent-pipe", "onboard", "mesh")
    assert [station.name for station in scenario.stations] == ["Miyun", "Kashi", "Sanya", "Kiruna"]
    assert all(station.source for station in scenario.stations)
    assert scenario.laser.acquisition_s == 15.0
    assert scenario.imaging.scene_interval_s == 3.61  # 201,719.672 s of imaging, 55,909 scenes: ESA's plan, 2024-11


def test_the_fleets() -> None:
    three, mean, ring = (load(name).scenario for name in ("three-body", "three-body-mean", "three-body-ring"))
    letters = [f"SCS-01 {letter}" for letter in "ABCDEFGHJKLM"]  # the catalogue skips I
    assert [each.name for each in three.satellites.elements] == letters
    assert mean.satellites.elements == three.satellites.elements
    assert (three.satellites.processor, mean.satellites.processor) == ("tbc-744", "tbc-417")
    assert ring.satellites.elements == []
    assert ring.satellites.walker is not None
    assert (ring.satellites.walker.satellites, ring.satellites.walker.planes) == (12, 1)
    assert (ring.topology.kind, ring.laser.per_satellite) == ("ring", 2)
    assert 12 * three.satellites.storage_bytes == 30e12  # 30 TB in all [press]


def test_the_digest_of_a_scenario_is_of_what_it_says_and_not_of_how() -> None:
    assert len({load(name).sha256 for name in shipped()}) == len(shipped())
    assert load("three-body").sha256 == load("three-body", seed=1, duration_s=86400.0).sha256
    assert load("three-body").sha256 != load("three-body", seed=2).sha256


@pytest.mark.shared
@pytest.mark.skipif(not TLE.is_file(), reason=f"no {TLE.name} in ../shared/data")
def test_the_elements_are_the_published_ones() -> None:
    published = {each.norad_cat_id: each for each in read_elements(TLE)}
    ours = load("three-body").scenario.satellites.elements
    assert {each.norad_cat_id for each in ours} == set(published) == set(range(63982, 63994))
    for each in ours:
        theirs = published[each.norad_cat_id]
        assert (each.name, each.object_id) == (theirs.name, theirs.object_id)
        assert each.epoch[:23] == theirs.epoch[:23]  # to the millisecond: a TLE's steps are 0.864 ms
        for field, tolerance in LAST_DIGIT_OF_A_TLE.items():
            assert getattr(each, field) == pytest.approx(getattr(theirs, field), abs=tolerance)
        assert each.bstar == pytest.approx(theirs.bstar, rel=1e-4)
