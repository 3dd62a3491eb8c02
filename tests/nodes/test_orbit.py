"""The ephemeris: near SGP4 everywhere, honest about its ends, and about satellites that SGP4 gives up."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4.api import SatrecArray

from links.trajectories import Trajectories
from nodes import hermite
from nodes.catalogue import read_elements
from nodes.elements import Elements, satrec
from nodes.epoch import Epoch
from nodes.errors import ElementsError, NodeError
from nodes.orbit import Ephemeris, age_warnings
from nodes.tle import read_tle
from nodes.walker import walker_delta

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
EPOCH = "2025-10-03T16:00:00Z"
# libraries.md: "Hermite between states: 0.018 / 0.053 / 0.34 / 5.4 m at 10 / 30 / 60 / 120 s"
hermite_error_m = {10.0: 0.03, 30.0: 0.08, 60.0: 0.4, 120.0: 6.0}  # with room for other orbits
ten_metres = 10.0  # facts.md gives ranges to 0.01 km


def twelve() -> list[Elements]:
    return walker_delta(12, 1, 0, 500e3, 97.4, EPOCH)


def sgp4_positions(elements: list[Elements], times_s: np.ndarray) -> np.ndarray:
    return 1000.0 * SatrecArray([satrec(each) for each in elements]).sgp4(*Epoch(EPOCH).jd_utc(times_s))[1]


@pytest.mark.parametrize("step_s", [10.0, 30.0, 60.0, 120.0])
def test_hermite_stays_near_sgp4(step_s):
    times_s = np.arange(0.0, 6000.0, 3.7)
    positions, _ = Ephemeris.propagate(twelve(), Epoch(EPOCH), 6000.0, step_s=step_s).states(times_s)
    off_m = np.linalg.norm(positions - sgp4_positions(twelve(), times_s), axis=-1)
    assert off_m.max() < hermite_error_m[step_s]


def test_the_grids_own_instants_are_sgp4_itself():
    ephemeris = Ephemeris.propagate(twelve(), Epoch(EPOCH), 600.0)
    assert np.abs(ephemeris.states(ephemeris.grid_s)[0] - sgp4_positions(twelve(), ephemeris.grid_s)).max() < 1e-6


def test_velocity_is_the_derivative_of_position():
    ephemeris: Trajectories = Ephemeris.propagate(twelve(), Epoch(EPOCH), 600.0)
    times_s = np.array([31.0, 250.0, 599.0])
    (before, _), (after, _) = ephemeris.states(times_s - 0.01), ephemeris.states(times_s + 0.01)
    assert np.abs((after - before) / 0.02 - ephemeris.states(times_s)[1]).max() < 1e-4


def test_one_instant_many_instants_and_one_satellite_agree():
    ephemeris = Ephemeris.propagate(twelve(), Epoch(EPOCH), 6000.0)
    times_s = np.linspace(0.0, 6000.0, 301)  # more than one block
    positions, velocities = ephemeris.states(times_s)
    assert positions.shape == velocities.shape == (12, 301, 3)
    assert np.array_equal(ephemeris.positions(times_s), positions)
    for index in (0, 150, 300):
        assert np.array_equal(ephemeris.states(times_s[index])[0][:, 0], positions[:, index])
    assert np.array_equal(ephemeris.only(7).states(times_s)[1][0], velocities[7])
    assert ephemeris.only(7).names == (ephemeris.names[7],)


@pytest.mark.parametrize("t_s", [-60.5, 6061.0, float("nan"), float("inf")])
def test_instants_outside_are_refused(t_s):
    ephemeris = Ephemeris.propagate(twelve(), Epoch(EPOCH), 6000.0)
    ephemeris.states([-60.0, 6060.0])  # the margin, for light time
    with pytest.raises(NodeError, match=r"covers -60 s to 6060 s after the epoch, asked for"):
        ephemeris.states([0.0, t_s])


@pytest.mark.parametrize(
    ("duration_s", "step_s"), [(float("nan"), 60.0), (-1.0, 60.0), (1.0, 0.0), (1.0, float("inf"))]
)
def test_a_grid_that_cannot_be_is_refused(duration_s, step_s):
    with pytest.raises(NodeError, match="must be a finite number of seconds"):
        Ephemeris.propagate(twelve(), Epoch(EPOCH), duration_s, step_s=step_s)


def test_a_grid_too_large_is_refused():
    with pytest.raises(NodeError, match="states, more than"):
        Ephemeris.propagate(twelve(), Epoch(EPOCH), 3e9)


# SGP4-VER.TLE in the sgp4 package: 28872 "Sub-orbital case - Decayed 2005-11-29 (perigee = -51km), lost in 50 minutes"
# (code 6), and 23599's file mate 33335 made to fail with code 3; epochs 2005-11-29 00:28:59 and 2006-06-25 11:12:14
LOST = """\
MINOTAUR R/B
1 28872U 05037B   05333.02012661  .25992681  00000-0  24476-3 0  1534
2 28872  96.4736 157.9986 0303955 244.0492 110.6523 16.46015938 10708
"""


def test_satellites_that_sgp4_gives_up_are_named_together():
    (lost,) = read_tle(LOST, "LOST")
    second = msgspec.structs.replace(lost, name="ITS SISTER")
    with pytest.raises(ElementsError) as caught:
        Ephemeris.propagate([lost, *twelve(), second], Epoch("2005-11-29T00:30:00Z"), 3600.0)
    heading, *lines = str(caught.value).splitlines()
    assert heading.startswith("SGP4 cannot propagate these satellites")
    assert [line.split(":")[0].strip() for line in lines] == ["MINOTAUR R/B", "ITS SISTER"]
    assert "code 6 (mrt is less than 1.0 which indicates the satellite has decayed) at 2005-11-29T01:" in lines[0]


def test_no_satellites_or_one_name_twice_are_refused():
    with pytest.raises(ElementsError, match="there are no satellites"):
        Ephemeris.propagate([], Epoch(EPOCH), 60.0)
    with pytest.raises(ElementsError, match="two satellites have one name: W0"):
        Ephemeris.propagate([*twelve(), twelve()[0]], Epoch(EPOCH), 60.0)


def test_unlike_epochs_are_normal():
    early, late = twelve()[0], msgspec.structs.replace(twelve()[0], name="late", epoch="2025-10-03T16:10:00Z")
    ephemeris = Ephemeris.propagate([early, late], Epoch(EPOCH), 6000.0)
    gone_s = np.linalg.norm(ephemeris.states([0.0])[0][0, 0] - ephemeris.states([600.0])[0][1, 0])
    assert gone_s < ten_metres  # the late one does ten minutes later what the early one does


def test_old_and_future_elements_warn_with_their_age():
    epoch = Epoch("2025-10-20T12:00:00Z")
    old, ahead = twelve()[0], msgspec.structs.replace(twelve()[1], epoch="2025-11-10T12:00:00Z")
    warnings = age_warnings([old, ahead], epoch, 86_400.0)
    assert "W0: elements of 2025-10-03T16:00:00Z are 17.8 days old at its end" in warnings[0]
    assert "W1: elements of 2025-11-10T12:00:00Z are 21.0 days ahead" in warnings[1]
    assert age_warnings([old, ahead], epoch, 86_400.0, limit_days=30.0) == []


coefficients = st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4)


@settings(derandomize=True, deadline=None)
@given(coefficients, st.floats(0.0, 1.0), st.floats(1.0, 100.0))
def test_hermite_reproduces_cubics(cubic, part, step_s):
    polynomial = np.polynomial.Polynomial(cubic)
    slope = polynomial.deriv()

    def state(t_s: float) -> hermite.State:
        return np.full((1, 3), polynomial(t_s)), np.full((1, 3), slope(t_s))

    at = np.array([part])
    scale = 1.0 + sum(abs(c) for c in cubic) * step_s**3
    position = hermite.position(state(0.0), state(step_s), step_s, at)[0, 0]
    velocity = hermite.velocity(state(0.0), state(step_s), step_s, at)[0, 0]
    assert abs(position - polynomial(part * step_s)) < 1e-13 * scale
    assert abs(velocity - slope(part * step_s)) < 1e-12 * scale


# facts.md: pair ranges at 2025-10-03 16:00:00 UTC, tolerance 0.01 km
RANGES_KM = {("K", "C"): 446.05, ("C", "A"): 632.90, ("H", "F"): 958.87, ("A", "E"): 1646.07}


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_twelve_real_satellites_are_where_they_are_known_to_be():
    ephemeris = Ephemeris.propagate(read_elements(SHARED / "scs01_2025-10-03.tle"), Epoch(EPOCH), 86_400.0)
    positions = dict(zip(ephemeris.names, ephemeris.states([0.0])[0][:, 0], strict=True))
    for (a, b), range_km in RANGES_KM.items():
        range_m = np.linalg.norm(positions[f"SCS-01 {a}"] - positions[f"SCS-01 {b}"])
        assert abs(range_m - 1000.0 * range_km) < ten_metres


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_twelve_real_satellites_stay_near_sgp4():
    real = read_elements(SHARED / "scs01_2025-10-03.tle")
    times_s = np.arange(0.0, 86_400.0, 17.3)
    positions, _ = Ephemeris.propagate(real, Epoch(EPOCH), 86_400.0).states(times_s)
    off_m = np.linalg.norm(positions - sgp4_positions(real, times_s), axis=-1)
    assert off_m.max() < hermite_error_m[60.0]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_a_large_real_catalogue_names_its_decaying_satellites():
    starlink = read_elements(SHARED / "starlink_2024-10-21.tle")
    with pytest.raises(ElementsError, match="SGP4 cannot propagate these satellites") as caught:
        Ephemeris.propagate(starlink, Epoch("2024-12-21T00:00:00Z"), 60.0)
    assert "STARLINK-" in str(caught.value)
