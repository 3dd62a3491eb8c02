"""`orbitmesh passes`: UTC with milliseconds, and the same passes as Skyfield finds."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from skyfield.api import EarthSatellite, load, wgs84

INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ISS = (  # Skyfield's own example, docs/earth-satellites.rst
    "1 25544U 98067A   18184.80969102  .00001614  00000-0  31745-4 0  9993",
    "2 25544  51.6414 295.8524 0003435 262.6267 204.2868 15.54005638121106",
)
SITE = (40.45, 116.86, 90.0)
START, STOP = "2018-07-04T00:00:00Z", "2018-07-05T00:00:00Z"
A_TENTH_OF_A_SECOND = 0.1
A_HUNDREDTH_OF_A_DEGREE = 0.01


def seconds(utc: str) -> float:
    return datetime.fromisoformat(utc.replace("Z", "+00:00")).timestamp()


def skyfields_passes(mask_deg: float) -> list[tuple[float, float, float, float]]:
    """(rise, culmination, set, highest elevation) from Skyfield, events refined by bisection on its own elevation."""
    ts = load.timescale(builtin=True)
    satellite = EarthSatellite(*ISS, "ISS", ts)
    place = wgs84.latlon(SITE[0], SITE[1], elevation_m=SITE[2])

    def elevation_deg(at_s: float) -> float:
        moment = ts.from_datetime(datetime.fromtimestamp(at_s, UTC))
        return float((satellite - place).at(moment).altaz()[0].degrees)

    def crossing(guess_s: float) -> float:
        low, high = guess_s - 2.0, guess_s + 2.0
        rising = elevation_deg(high) > elevation_deg(low)
        for _ in range(30):
            middle = (low + high) / 2
            if (elevation_deg(middle) > mask_deg) == rising:
                high = middle
            else:
                low = middle
        return low

    first, last = (ts.from_datetime(datetime.fromisoformat(utc.replace("Z", "+00:00"))) for utc in (START, STOP))
    times, kinds = satellite.find_events(place, first, last, altitude_degrees=mask_deg)
    stamps = [moment.utc_datetime().timestamp() for moment in times]
    found = []
    for at in range(len(kinds) - 2):
        if list(kinds[at : at + 3]) == [0, 1, 2]:
            rise, top, fall = stamps[at : at + 3]
            found.append((crossing(rise), top, crossing(fall), elevation_deg(top)))
    return found


@pytest.mark.filterwarnings("ignore:Setting the dtype:DeprecationWarning")  # Skyfield 1.55's find_events, numpy 2.5
def test_one_satellite_from_a_file_of_elements(orbitmesh: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "iss.tle").write_text("ISS (ZARYA)\n" + "\n".join(ISS) + "\n")
    site = ",".join(str(number) for number in SITE)
    done = orbitmesh(
        "passes",
        "--tle",
        "iss.tle",
        "--site",
        site,
        "--min-elevation",
        "10",
        "--start",
        START,
        "--stop",
        STOP,
        "--json",
    )
    assert (done.code, done.err) == (0, "")
    passes = done.document["passes"]
    expected = skyfields_passes(10.0)
    assert len(passes) == len(expected) >= 3
    for one, (rise, top, fall, highest_deg) in zip(passes, expected, strict=True):
        assert one["satellite"] == "ISS (ZARYA)"
        assert seconds(one["rise"]) == pytest.approx(rise, abs=A_TENTH_OF_A_SECOND)
        assert seconds(one["set"]) == pytest.approx(fall, abs=A_TENTH_OF_A_SECOND)
        assert seconds(one["culminate"]) == pytest.approx(
            top, abs=1.0
        )  # flat there: find_events stops at half a second
        assert one["max_elevation_deg"] == pytest.approx(highest_deg, abs=A_HUNDREDTH_OF_A_DEGREE)
        assert all(INSTANT.fullmatch(one[name]) for name in ("rise", "culminate", "set"))


def test_a_scenario_with_its_own_stations(orbitmesh: Callable[..., Any]) -> None:
    document = orbitmesh("passes", "three-body", "--json").document
    passes = document["passes"]
    assert document["start"] == "2025-10-03T16:00:00.000Z"
    assert document["stop"] == "2025-10-04T16:00:00.000Z"
    assert {one["station"] for one in passes} == {"Miyun", "Kashi", "Sanya", "Kiruna"}
    assert len({one["satellite"] for one in passes}) == 12
    for one in passes:
        assert set(one) == {"satellite", "station", "rise", "culminate", "set", "max_elevation_deg"}
        instants = [one[name] for name in ("rise", "culminate", "set") if one[name] is not None]
        assert instants == sorted(instants)
        assert all(INSTANT.fullmatch(instant) for instant in instants)
        assert 10.0 <= one["max_elevation_deg"] <= 90.0
        if one["rise"] and one["set"]:
            # the longest pass over a mask of 10 degrees at 500 km lasts some 7.5 minutes: geometry of a circular orbit
            assert timedelta(0) < timedelta(seconds=seconds(one["set"]) - seconds(one["rise"])) < timedelta(minutes=8)
    higher = orbitmesh("passes", "three-body", "--min-elevation", "45", "--json").document["passes"]
    assert 0 < len(higher) < len(passes)
    assert all(one["max_elevation_deg"] >= 45.0 for one in higher)


def test_a_window_within_the_scenario_cuts_passes_off(orbitmesh: Callable[..., Any]) -> None:
    whole = orbitmesh("passes", "three-body", "--json").document["passes"]
    first = next(one for one in whole if one["rise"] and one["set"])
    part = orbitmesh("passes", "three-body", "--start", first["culminate"], "--stop", first["set"], "--json").document
    cut = next(one for one in part["passes"] if one["satellite"] == first["satellite"])
    assert cut["rise"] is None
    shown = orbitmesh("passes", "three-body", "--start", first["culminate"], "--stop", first["set"]).out
    assert "before start" in shown
