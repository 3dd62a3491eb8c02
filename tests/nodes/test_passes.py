"""Passes against Skyfield, the oracle: the same passes, and its own altitude meets the mask at our instants."""

from pathlib import Path

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from nodes.catalogue import read_elements
from nodes.elements import Elements, satrec
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.orbit import Ephemeris
from nodes.passes import Pass, passes
from nodes.station import GroundStation, Stations
from nodes.walker import walker_delta

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
EPOCH = "2025-10-03T16:00:00Z"
DAY_S = 86_400.0
STATIONS = [
    GroundStation(name="Beijing", latitude_deg=40.45, longitude_deg=116.86, elevation_m=150.0, min_elevation_deg=5.0),
    GroundStation(name="Kiruna", latitude_deg=67.857, longitude_deg=20.964, elevation_m=402.0, min_elevation_deg=10.0),
    GroundStation(name="Quito", latitude_deg=-0.18, longitude_deg=-78.47, elevation_m=2850.0, min_elevation_deg=25.0),
    GroundStation(name="Perth", latitude_deg=-31.95, longitude_deg=115.86, elevation_m=20.0, min_elevation_deg=0.0),
]
skyfields_step_s = 0.5  # find_events stops when it knows an event to half a second (skyfield/sgp4lib.py)
one_millisecond = 1e-3
ten_milliseconds = 1e-2  # 0.4 m of interpolation where a satellite rises slowly, low over the horizon
hundredth_of_an_arcminute_deg = 1.0 / 6000.0


def ours(elements: list[Elements]) -> list[Pass]:
    epoch = Epoch(EPOCH)
    ephemeris = Ephemeris.propagate(elements, epoch, DAY_S)
    masks = [each.min_elevation_deg for each in STATIONS]
    return passes(ephemeris, Stations(STATIONS, epoch), masks, 0.0, DAY_S)


def check_against_skyfield(elements: list[Elements]) -> int:
    """Compare all passes of a day; the number compared."""
    epoch, found = Epoch(EPOCH), ours(elements)
    first, last = epoch.skyfield(0.0), epoch.skyfield(DAY_S)
    for each in elements:
        satellite = EarthSatellite.from_satrec(satrec(each), load.timescale(builtin=True))
        for station in STATIONS:
            place = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.elevation_m)
            mine = [p for p in found if (p.satellite, p.station) == (each.name, station.name)]
            times, kinds = satellite.find_events(place, first, last, altitude_degrees=station.min_elevation_deg)
            theirs_s = (times - first) * DAY_S
            expected = [
                (at_s, kind)
                for p in mine
                for at_s, kind in ((p.rise_s, 0), (p.culminate_s, 1), (p.set_s, 2))
                if at_s is not None and one_millisecond < at_s < DAY_S - one_millisecond  # no event is at the edge
            ]
            assert [kind for _, kind in expected] == kinds.tolist(), (each.name, station.name)
            assert all(abs(a - b) < skyfields_step_s for (a, _), b in zip(expected, theirs_s, strict=True))

            def altitude_deg(times_s: list[float], satellite=satellite, place=place) -> np.ndarray:
                return (satellite - place).at(epoch.skyfield(times_s)).altaz()[0].degrees

            rises = [p.rise_s for p in mine if p.rise_s is not None]
            sets = [p.set_s for p in mine if p.set_s is not None]
            for instants, sign in ((np.array(rises), 1.0), (np.array(sets), -1.0)):
                if instants.size:
                    early = altitude_deg(instants - ten_milliseconds) - station.min_elevation_deg
                    late = altitude_deg(instants + ten_milliseconds) - station.min_elevation_deg
                    assert (sign * early < 0.0).all()
                    assert (sign * late > 0.0).all()
            if mine:
                highest = altitude_deg(np.array([p.culminate_s for p in mine]))
                assert np.abs(highest - [p.max_elevation_deg for p in mine]).max() < hundredth_of_an_arcminute_deg
    return len(found)


def test_a_days_passes_are_skyfields():
    assert check_against_skyfield(walker_delta(6, 3, 1, 500e3, 97.4, EPOCH)) > 60


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_a_days_passes_of_the_twelve_real_satellites_are_skyfields():
    assert check_against_skyfield(read_elements(SHARED / "scs01_2025-10-03.tle")) > 120


def test_a_pass_shorter_than_the_grid_is_found():
    elements = walker_delta(1, 1, 0, 500e3, 97.4, EPOCH)
    epoch = Epoch(EPOCH)
    ephemeris = Ephemeris.propagate(elements, epoch, DAY_S)
    highest = max((p for p in ours(elements) if None not in (p.rise_s, p.set_s)), key=lambda p: p.max_elevation_deg)
    sites = Stations([each for each in STATIONS if each.name == highest.station], epoch)
    for below_deg in (1.0, 0.1, 0.001):
        (short,) = passes(ephemeris, sites, highest.max_elevation_deg - below_deg, 0.0, DAY_S)
        assert short.rise_s is not None
        assert short.set_s is not None
        assert short.rise_s < highest.culminate_s < short.set_s
        assert short.set_s - short.rise_s < 30.0 * np.sqrt(below_deg)
    assert passes(ephemeris, sites, highest.max_elevation_deg + 0.001, 0.0, DAY_S) == []


def test_a_pass_cut_by_the_window_says_so():
    elements = walker_delta(1, 1, 0, 500e3, 97.4, EPOCH)
    epoch = Epoch(EPOCH)
    ephemeris = Ephemeris.propagate(elements, epoch, DAY_S)
    whole = next(p for p in ours(elements) if None not in (p.rise_s, p.set_s))
    site = next(each for each in STATIONS if each.name == whole.station)
    arguments = ephemeris, Stations([site], epoch), site.min_elevation_deg
    (first,) = passes(*arguments, whole.rise_s - 60.0, whole.culminate_s - 10.0)
    (second,) = passes(*arguments, whole.culminate_s + 10.0, whole.set_s + 60.0)
    (both,) = passes(*arguments, whole.culminate_s - 10.0, whole.culminate_s + 10.0)
    assert (first.set_s, second.rise_s, both.rise_s, both.set_s) == (None, None, None, None)
    assert first.rise_s == pytest.approx(whole.rise_s, abs=one_millisecond)
    assert second.set_s == pytest.approx(whole.set_s, abs=one_millisecond)
    assert both.culminate_s == pytest.approx(whole.culminate_s, abs=0.1)
    assert first.culminate_s == pytest.approx(whole.culminate_s - 10.0, abs=one_millisecond)
    assert first.max_elevation_deg < whole.max_elevation_deg


@pytest.mark.parametrize(
    ("mask", "start_s", "stop_s", "says"),
    [
        (95.0, 0.0, 60.0, "elevation mask 95.0 deg"),
        (float("nan"), 0.0, 60.0, "elevation mask nan deg"),
        ([5.0, 5.0, 5.0], 0.0, 60.0, "3 elevation masks for 4 stations"),
        (5.0, 60.0, 60.0, "must have a length"),
        (5.0, 0.0, float("inf"), "must have a length"),
    ],
)
def test_what_cannot_be_is_refused(mask, start_s, stop_s, says):
    epoch = Epoch(EPOCH)
    ephemeris = Ephemeris.propagate(walker_delta(1, 1, 0, 500e3, 97.4, EPOCH), epoch, DAY_S)
    with pytest.raises(NodeError, match=says):
        passes(ephemeris, Stations(STATIONS, epoch), mask, start_s, stop_s)
