"""Imaging: draws belong to their candidates, and twelve real orbits give Sentinel-2's number of scenes a day."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skyfield.api import EarthSatellite, load, wgs84

from workloads.errors import WorkloadError
from workloads.imaging import URGENT, Imaging, capture_times, captures, tiles_per_scene
from workloads.tasks import Task

Array = NDArray[np.float64]

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
DAY_S = 86_400.0
CANDIDATES = 40

# Copernicus Sentinel-2A acquisition plan of 2024-11-28: 55,909 scenes in 16.1 days, 3,477 a day.
SENTINEL_2_SCENES_PER_DAY = 55_909 / 16.08
A_TENTH = 0.1


def scenes(spec: Imaging, satellite: str, sun_elevation_deg: Array, seed: int = 1) -> list[Task]:
    """Captures of a satellite that stands over Madrid."""
    times_s = capture_times(spec, satellite, CANDIDATES * spec.scene_interval_s, seed)
    there = np.ones(len(times_s))
    return captures(spec, satellite, times_s, 40.4 * there, -3.7 * there, sun_elevation_deg[: len(times_s)], seed)


def test_defaults_are_sentinel_2() -> None:
    spec = Imaging()
    assert spec.problems() == []
    assert spec.raw_bytes == round(490e6 * spec.scene_interval_s / 8)
    assert spec.inferences == tiles_per_scene(290e3, 24e3, 10.0, 128)
    assert tiles_per_scene(1.0, 1.0, 10.0, 256) == 1


def test_candidates_keep_their_cadence_from_a_phase_of_their_own() -> None:
    spec = Imaging()
    times_s = capture_times(spec, "A", DAY_S, 7)
    assert 0.0 <= times_s[0] < spec.scene_interval_s
    assert times_s[-1] < DAY_S <= times_s[-1] + spec.scene_interval_s + 1e-6
    assert np.allclose(np.diff(times_s), spec.scene_interval_s, rtol=0.0, atol=1.1e-6)
    assert np.array_equal(times_s, np.rint(times_s * 1e6) / 1e6)
    assert times_s[0] != capture_times(spec, "B", DAY_S, 7)[0]
    assert np.array_equal(times_s[:100], capture_times(spec, "A", 361.0, 7)[:100])


@settings(derandomize=True, deadline=None)
@given(st.lists(st.booleans(), min_size=CANDIDATES + 1, max_size=CANDIDATES + 1))
def test_what_is_filtered_away_shifts_nothing(daylight: list[bool]) -> None:
    everything = scenes(Imaging(urgent_share=0.5), "A", np.full(CANDIDATES + 1, 90.0))
    some = scenes(Imaging(urgent_share=0.5), "A", np.where(daylight, 90.0, -90.0))
    assert some == [task for task, day in zip(everything, daylight, strict=False) if day]


def test_tasks_carry_the_spec() -> None:
    spec = Imaging(urgent_share=0.25, urgent_deadline_s=60.0, deadline_s=600.0, distinct_tiles=4)
    tasks = scenes(spec, "A", np.full(CANDIDATES + 1, 10.0))
    assert [task.id for task in tasks[:2]] == ["A/00000", "A/00001"]
    assert {task.tile for task in tasks} == {0, 1, 2, 3}
    assert {task.priority for task in tasks} == {0, URGENT}
    for task in tasks:
        assert task.deadline_s == task.at_s + (60.0 if task.priority == URGENT else 600.0)
        assert (task.node, task.model, task.inferences) == ("A", spec.model, spec.inferences)


def test_no_scenes_at_sea_or_in_the_dark() -> None:
    times_s = np.arange(3.0)
    sun_deg = np.array([50.0, 50.0, 9.9])
    tasks = captures(Imaging(), "A", times_s, np.array([40.4, 0.0, 40.4]), np.array([-3.7, 0.0, -3.7]), sun_deg, 1)
    assert [task.id for task in tasks] == ["A/00000"]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data is absent")
def test_twelve_real_orbits_take_about_as_many_scenes_as_sentinel_2() -> None:
    """Every tenth scene of a day of each of the twelve, 2025-10-03 16:00 UTC on, from Skyfield's subpoints."""
    timescale = load.timescale(builtin=True)
    lines = (SHARED / "scs01_2025-10-03.tle").read_text(encoding="ascii").splitlines()
    spec, taken = Imaging(scene_interval_s=36.1), 0
    for name, first, second in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        times_s = capture_times(spec, name.strip(), DAY_S, 1)
        time = timescale.utc(2025, 10, 3, 16, 0, times_s)
        latitude, longitude = wgs84.latlon_of(EarthSatellite(first, second, name, timescale).at(time))
        sun_deg = sun_elevation_deg(time.tt, time.gmst, latitude.radians, longitude.radians)
        taken += len(captures(spec, name.strip(), times_s, latitude.degrees, longitude.degrees, sun_deg, 1))
    assert taken * 10 / 12 == pytest.approx(SENTINEL_2_SCENES_PER_DAY, rel=A_TENTH)


def sun_elevation_deg(tt_jd: Array, gmst_h: Array, latitude_rad: Array, longitude_rad: Array) -> Array:
    """Low-precision Sun, 0.01 degrees: The Astronomical Almanac, section C5."""
    days = tt_jd - 2451545.0
    anomaly = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly))
    obliquity = np.radians(23.439 - 0.0000004 * days)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    hour = np.radians(gmst_h * 15.0) + longitude_rad - ascension
    up = np.sin(latitude_rad) * np.sin(declination) + np.cos(latitude_rad) * np.cos(declination) * np.cos(hour)
    return np.asarray(np.degrees(np.arcsin(up)))


def test_every_problem_is_reported() -> None:
    nan = float("nan")
    bad = Imaging(
        scene_interval_s=0.0,
        raw_bytes=0,
        model="",
        inferences=-1,
        min_sun_elevation_deg=nan,
        deadline_s=float("inf"),
        urgent_share=1.1,
        urgent_deadline_s=-1.0,
        distinct_tiles=0,
    )
    assert {field for field, _ in bad.problems()} == set(Imaging.__struct_fields__)
    assert "is 1.1; it must be a share from 0 to 1" in dict(bad.problems())["urgent_share"]
    with pytest.raises(WorkloadError, match=r"scene_interval_s is 0\.0"):
        capture_times(bad, "A", DAY_S, 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"cadence": 1}, Imaging)


@pytest.mark.parametrize("duration_s", [-1.0, float("nan"), float("inf")])
def test_a_duration_that_cannot_be_is_refused(duration_s: float) -> None:
    with pytest.raises(WorkloadError, match="duration_s"):
        capture_times(Imaging(), "A", duration_s, 1)


def test_arrays_that_do_not_match_are_refused() -> None:
    three, four = np.zeros(3), np.zeros(4)
    with pytest.raises(WorkloadError, match="alike and flat"):
        captures(Imaging(), "A", three, three, three, four, 1)
    with pytest.raises(WorkloadError, match="not finite"):
        captures(Imaging(), "A", three, three, three, np.full(3, np.nan), 1)
