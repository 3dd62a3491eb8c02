"""Prints how far cubic Hermite interpolation lies from SGP4 itself, and what propagation costs, for the choice of step.

Run it from the repository's root: `python -m benchmarks.evidence_ephemeris`. The satellites are twelve like the
Three-Body ones (500 km, 97.4 deg, eccentricity 0.001), from elements written here, so it needs no file.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
from sgp4.api import SatrecArray

from nodes.elements import Elements, satrec
from nodes.epoch import Epoch
from nodes.orbit import Ephemeris
from nodes.walker import walker_delta

EPOCH = "2025-10-03T16:00:00Z"
DAY_S = 86_400.0


def main() -> None:
    epoch = Epoch(EPOCH)
    twelve = [
        Elements(
            name=f"S{i}",
            epoch=EPOCH,
            mean_motion_rev_per_day=15.21,
            eccentricity=0.001,
            inclination_deg=97.4,
            raan_deg=349.5,
            arg_of_perigee_deg=127.0,
            mean_anomaly_deg=30.0 * i,
            bstar=1.4e-3,
        )
        for i in range(12)
    ]
    times_s = np.arange(0.0, DAY_S, 7.3)  # 7.3: falls everywhere between the knots of every step below
    _, positions_km, velocities_km = SatrecArray([satrec(each) for each in twelve]).sgp4(*epoch.jd_utc(times_s))
    print("step_s  largest position error  largest velocity error")
    for step_s in (10.0, 30.0, 60.0, 120.0):
        positions, velocities = Ephemeris.propagate(twelve, epoch, DAY_S, step_s=step_s).states(times_s)
        off_m = np.linalg.norm(positions - 1000.0 * positions_km, axis=-1).max()
        off_m_per_s = np.linalg.norm(velocities - 1000.0 * velocities_km, axis=-1).max()
        print(f"{step_s:6g}  {off_m:18.4f} m  {off_m_per_s:18.5f} m/s")
    _speed(epoch)


def _speed(epoch: Epoch) -> None:
    shell = walker_delta(1584, 72, 39, 550e3, 53.0, EPOCH)
    bare = SatrecArray([satrec(each) for each in shell])
    pair = epoch.jd_utc(np.arange(1440) * 60.0)
    bare_s = _best_s(lambda: bare.sgp4(*pair))
    ours_s = _best_s(lambda: Ephemeris.propagate(shell, epoch, 1439 * 60.0, margin_s=0.0))
    print(
        f"1584 satellites x 1440 minutes: SatrecArray {bare_s:.2f} s, Ephemeris {ours_s:.2f} s: {ours_s / bare_s:.2f}x"
    )


def _best_s(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        start_s = perf_counter()
        work()
        seconds.append(perf_counter() - start_s)
    return min(seconds)


if __name__ == "__main__":
    main()
