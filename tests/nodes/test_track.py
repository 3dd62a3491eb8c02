"""Ground tracks against Skyfield's WGS84, and the Sun's height against its altitude."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import EarthSatellite, load, load_file, wgs84

from nodes.elements import satrec
from nodes.epoch import Epoch
from nodes.orbit import Ephemeris
from nodes.station import GroundStation, Stations
from nodes.track import subpoints, sun_elevation_deg
from nodes.walker import walker_delta

EPOCH = "2025-10-03T16:00:00Z"
one_microdegree = 1e-6
one_millimetre = 1e-3
one_arcminute_deg = 1.0 / 60.0


def test_subpoints_are_skyfields():
    epoch, shell = Epoch(EPOCH), walker_delta(3, 3, 1, 500e3, 97.4, EPOCH)
    ephemeris = Ephemeris.propagate(shell, epoch, 6000.0)
    times_s = ephemeris.grid_s[::7]  # on the grid the ephemeris is SGP4 itself
    latitude, longitude, altitude = subpoints(ephemeris.states(times_s)[0], epoch, times_s)
    for row, each in enumerate(shell):
        satellite = EarthSatellite.from_satrec(satrec(each), load.timescale(builtin=True))
        place = wgs84.geographic_position_of(satellite.at(epoch.skyfield(times_s)))
        assert np.abs(latitude[row] - place.latitude.degrees).max() < one_microdegree
        assert np.abs((longitude[row] - place.longitude.degrees + 180.0) % 360.0 - 180.0).max() < one_microdegree
        assert np.abs(altitude[row] - place.elevation.m).max() < one_millimetre


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.floats(-90.0, 90.0), st.floats(-180.0, 179.99), st.floats(-500.0, 9000.0))
def test_subpoints_undo_stations(latitude_deg, longitude_deg, elevation_m):
    epoch = Epoch(EPOCH)
    site = GroundStation(name="S", latitude_deg=latitude_deg, longitude_deg=longitude_deg, elevation_m=elevation_m)
    positions, _ = Stations([site], epoch).states([77.0])
    latitude, longitude, altitude = (float(each[0, 0]) for each in subpoints(positions, epoch, [77.0]))
    assert abs(latitude - latitude_deg) < 1e-9
    assert abs(altitude - elevation_m) < one_millimetre
    if abs(latitude_deg) < 89.99:
        assert abs((longitude - longitude_deg + 180.0) % 360.0 - 180.0) < one_microdegree


# The Sun crosses the equator northward on 2025 March 20, 09:01 UT (USNO, "Earth's Seasons"): then it stands
# on the pole's horizon, and overhead at longitude 44.75 + 1.85 E (12 h less 9 h 1 min, equation of time -7.4 min)
def test_the_sun_at_the_equinox():
    epoch = Epoch("2025-03-20T09:01:00Z")
    latitude, longitude = np.array([[90.0], [0.0]]), np.array([[0.0], [44.75 + 1.85]])
    pole, noon = sun_elevation_deg(latitude, longitude, epoch, 0.0)[:, 0]
    assert abs(pole) < one_arcminute_deg
    assert abs(noon - 90.0) < 3 * one_arcminute_deg


def test_the_suns_height_is_skyfields():
    skyfield_data = pytest.importorskip("skyfield_data")
    jpl = load_file(str(Path(skyfield_data.__file__).parent / "data" / "de421.bsp"))  # read directly: no network
    epoch, times_s = Epoch(EPOCH), np.arange(0.0, 86_400.0, 5000.0)
    for latitude, longitude in ((40.45, 116.86), (-33.9, 18.4), (67.86, 20.96)):
        observer = jpl["earth"] + wgs84.latlon(latitude, longitude)
        theirs = observer.at(epoch.skyfield(times_s)).observe(jpl["sun"]).apparent().altaz()[0].degrees
        shape = (1, times_s.size)
        ours = sun_elevation_deg(np.full(shape, latitude), np.full(shape, longitude), epoch, times_s)[0]
        assert np.abs(ours - theirs).max() < one_arcminute_deg
    jpl.close()
