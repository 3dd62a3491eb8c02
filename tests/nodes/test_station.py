"""Ground stations: the same places as Skyfield's in TEME, and every problem of one that cannot be."""

import numpy as np
import pytest
from skyfield.api import wgs84
from skyfield.sgp4lib import TEME

from links.trajectories import Sites
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.station import GroundStation, Stations

KIRUNA = GroundStation(name="Kiruna", latitude_deg=67.85712518, longitude_deg=20.96434169, elevation_m=402.2)
QUITO = GroundStation(name="Quito", latitude_deg=-0.18, longitude_deg=281.53, elevation_m=2850.0)
one_millimetre = 1e-3
one_millimetre_per_s = 1e-3


def test_states_and_zeniths_are_skyfields():
    epoch, times_s = Epoch("2025-10-03T16:00:00Z"), np.linspace(0.0, 86_400.0, 25)
    sites: Sites = Stations([KIRUNA, QUITO], epoch)
    positions, velocities = sites.states(times_s)
    zeniths = sites.zeniths(times_s)
    time = epoch.skyfield(times_s)
    to_teme = TEME.rotation_at(time)
    for row, station in enumerate((KIRUNA, QUITO)):
        place = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.elevation_m)
        above = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.elevation_m + 1000.0)
        theirs = np.einsum("ijt,jt->ti", to_teme, place.at(time).xyz.m)
        speed = np.einsum("ijt,jt->ti", to_teme, place.at(time).velocity.m_per_s)
        up = np.einsum("ijt,jt->ti", to_teme, (above.at(time) - place.at(time)).xyz.m) / 1000.0
        assert np.abs(positions[row] - theirs).max() < one_millimetre
        assert np.abs(velocities[row] - speed).max() < one_millimetre_per_s
        assert np.abs(zeniths[row] - up).max() < 1e-9


def test_velocity_is_the_derivative_of_position():
    sites = Stations([KIRUNA, QUITO], Epoch("2025-10-03T16:00:00Z"))
    (before, _), (after, _) = sites.states([999.0]), sites.states([1001.0])
    assert np.abs((after - before) / 2.0 - sites.states([1000.0])[1]).max() < 1e-5


def test_every_problem_is_listed_with_its_value():
    bad = GroundStation(
        name="", latitude_deg=91.0, longitude_deg=float("nan"), elevation_m=1e6, min_elevation_deg=90.0, antennas=0,
        processor="",
    )  # fmt: skip
    assert [field for field, _ in bad.problems()] == [
        "name", "latitude_deg", "longitude_deg", "elevation_m", "min_elevation_deg", "antennas", "processor",
    ]  # fmt: skip
    assert KIRUNA.problems() == QUITO.problems() == []
    with pytest.raises(NodeError, match=r"\(no name\): latitude_deg is 91.0; must be from -90 to 90"):
        Stations([KIRUNA, bad], Epoch("2025-10-03T16:00:00Z"))
    with pytest.raises(NodeError, match="Kiruna: two stations have this name"):
        Stations([KIRUNA, KIRUNA], Epoch("2025-10-03T16:00:00Z"))


def test_no_stations_are_no_arrays():
    sites = Stations([], Epoch("2025-10-03T16:00:00Z"))
    assert sites.names == ()
    assert sites.states([0.0, 1.0])[0].shape == (0, 2, 3)
