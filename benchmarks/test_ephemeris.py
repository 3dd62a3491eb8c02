"""The ephemeris of a large shell over a day, against bare SGP4 on the same grid."""

from typing import Any

import numpy as np
from sgp4.api import SatrecArray

from benchmarks.measure import Baseline, Notes, Target, in_turns, note
from nodes.elements import satrec
from nodes.epoch import Epoch
from nodes.orbit import Ephemeris
from nodes.walker import walker_delta

EPOCH = "2025-10-03T16:00:00Z"
SATELLITES, MINUTES = 1584, 1440
nanometre = 1e-9  # only the last point of the grid is read from the far end of its cell, with a rounding


def test_ephemeris_of_a_shell_over_a_day(benchmark: Any) -> None:
    epoch = Epoch(EPOCH)
    shell = walker_delta(SATELLITES, 72, 39, 550e3, 53.0, EPOCH)  # Starlink shell 1, FCC SAT-MOD-20200417-00037
    times_s = np.arange(MINUTES) * 60.0
    bare = SatrecArray([satrec(each) for each in shell])
    pair = epoch.jd_utc(times_s)
    ephemeris, (errors, positions_km, velocities_km) = in_turns(
        benchmark,
        lambda: Ephemeris.propagate(shell, epoch, times_s[-1], margin_s=0.0),
        Notes("ephemeris, 1,584 satellites x 1,440 minutes", (Target("ratio", "<=", 2.0),), rounds=3),
        baseline=Baseline("bare SatrecArray.sgp4", lambda: bare.sgp4(*pair)),
    )
    assert not errors.any()
    assert len(ephemeris.grid_s) == MINUTES
    for first in range(0, MINUTES, 120):
        some = slice(first, first + 120)
        positions_m, velocities_m_per_s = ephemeris.states(times_s[some])
        np.testing.assert_allclose(positions_m, 1000.0 * positions_km[:, some], rtol=0.0, atol=nanometre)
        np.testing.assert_allclose(velocities_m_per_s, 1000.0 * velocities_km[:, some], rtol=0.0, atol=nanometre)
    note(benchmark, amounts={"states": SATELLITES * MINUTES})
