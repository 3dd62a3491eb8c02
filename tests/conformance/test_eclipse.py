"""Eclipse with a sharp edge, as Skyfield knows it, and the share of shadow of the twelve real satellites."""

from pathlib import Path

import numpy as np
import pytest

from nodes.catalogue import read_elements
from nodes.epoch import Epoch
from nodes.orbit import Ephemeris
from nodes.sun import illumination, in_sharp_shadow, shadow_intervals, sun_positions
from nodes.tle import read_tle

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
# Skyfield's test_earth_satellites.py, test_is_sunlit: the ISS from 2018-07-03 00:00 UTC, every ten minutes
ISS = """\
1 25544U 98067A   18184.80969102  .00001614  00000-0  31745-4 0  9993
2 25544  51.6414 295.8524 0003435 262.6267 204.2868 15.54005638121106
"""
SUNLIT = [True, False, False, False, True, True]


def test_the_iss_is_sunlit_when_skyfield_says_so():
    epoch = Epoch("2018-07-03T00:00:00Z")
    times_s = 600.0 * np.arange(6)
    positions, _ = Ephemeris.propagate(read_tle(ISS, "ISS"), epoch, 3600.0).states(times_s)
    sun = sun_positions(epoch, times_s)
    assert [not dark for dark in in_sharp_shadow(positions, sun)[0]] == SUNLIT
    assert [bool(part > 0.5) for part in illumination(positions, sun)[0]] == SUNLIT


# facts.md, recomputed from the elements with SGP4: "beta about 21 deg, in shadow 36.6 % of the time on 2025-10-03"
share_in_shadow = 0.366
share_tolerance = 0.003  # the sphere with a sharp edge of that count against a flattened Earth with penumbra
beta_deg = 21.0
beta_tolerance_deg = 1.0


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_twelve_are_in_shadow_as_long_as_known():
    epoch = Epoch("2025-10-03T00:00:00Z")
    ephemeris = Ephemeris.propagate(read_elements(SHARED / "scs01_2025-10-03.tle"), epoch, 86_400.0)
    shadows = shadow_intervals(ephemeris, epoch, 0.0, 86_400.0)
    dark_s = [sum(stop - start for start, stop in shadow.penumbra) for shadow in shadows]
    assert abs(np.mean(dark_s) / 86_400.0 - share_in_shadow) < share_tolerance
    positions, velocities = ephemeris.states([43_200.0])
    normal = np.cross(positions[:, 0], velocities[:, 0])
    sun = sun_positions(epoch, [43_200.0])[0]
    sine = normal @ sun / np.linalg.norm(normal, axis=1) / np.linalg.norm(sun)
    assert np.abs(np.degrees(np.arcsin(sine)) - beta_deg).max() < beta_tolerance_deg
