"""One ephemeris per run: all satellites propagated once with SGP4, then read at any instant by cubic Hermite.

Frame: TEME of date (true equator, mean equinox), what SGP4 yields; ranges between satellites need no other.
A 60 s grid is within 0.4 m of SGP4 at 500 km (`benchmarks/evidence_ephemeris.py` measures it).
No file, no network, no clock.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sgp4.api import SGP4_ERRORS, SatrecArray

from nodes import hermite
from nodes.elements import Elements, require_orbits, satrec
from nodes.epoch import Epoch
from nodes.errors import ElementsError, NodeError

Array = NDArray[np.float64]

M_PER_KM = 1000.0
DAY_S = 86_400.0
STEP_S = 60.0  # within 0.4 m at 500 km: benchmarks/evidence_ephemeris.py
MARGIN_S = 60.0  # light crosses 18 million km in it: lookups past the end for light time stay inside
BLOCK = 128  # instants interpolated at a time
MAX_STATES = 200_000_000  # 9.6 GB of positions and velocities; more is a mistake in the scenario
AGE_LIMIT_DAYS = 14.0  # "generally only accurate for a week or two around the epoch": Skyfield, EarthSatellite


class Ephemeris:
    """Positions and velocities of n satellites, TEME of date, on a uniform grid that covers the scenario and a margin.

    Fulfils `links.trajectories.Trajectories`. Build it with `Ephemeris.propagate`. `start_s` and `stop_s` are the
    first and last instants that can be asked for.
    """

    def __init__(self, names: Sequence[str], start_s: float, step_s: float, states: hermite.State) -> None:
        """`states` are positions and velocities, each (n, K, 3), in m and m/s at `start_s + k * step_s`, K >= 2."""
        self._names = tuple(names)
        self._positions, self._velocities = states
        self.start_s, self.step_s = start_s, step_s
        self.stop_s = start_s + (self._positions.shape[1] - 1) * step_s

    @classmethod
    def propagate(
        cls,
        elements: Sequence[Elements],
        epoch: Epoch,
        duration_s: float,
        step_s: float = STEP_S,
        margin_s: float = MARGIN_S,
    ) -> "Ephemeris":
        """Propagate with SGP4 from `margin_s` before the epoch to at least `margin_s` after `duration_s`.

        Raises NodeError for a duration, step or margin that cannot be, and ElementsError for no satellites, two of
        one name, elements that are no orbit, and satellites that SGP4 gives up or that decay: one error names all.
        """
        _require_grid(len(elements), duration_s, step_s, margin_s)
        names = [each.name for each in elements]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if not elements or twice:
            what = f"two satellites have one name: {', '.join(twice)}" if twice else "there are no satellites"
            raise ElementsError(f"{what}; give each satellite one name of its own")
        require_orbits(elements)
        before = int(np.ceil(margin_s / step_s))
        steps = max(1, int(np.ceil((duration_s + margin_s) / step_s - 1e-9)))
        times_s: Array = np.arange(-before, steps + 1, dtype=np.float64) * step_s
        errors, positions, velocities = SatrecArray([satrec(each) for each in elements]).sgp4(*epoch.jd_utc(times_s))
        if errors.any():
            raise ElementsError(_failures(names, errors, times_s, epoch))
        positions *= M_PER_KM
        velocities *= M_PER_KM
        return cls(names, float(times_s[0]), step_s, (positions, velocities))

    @property
    def names(self) -> tuple[str, ...]:
        """The satellites' names, in the order of the arrays."""
        return self._names

    @property
    def grid_s(self) -> Array:
        """The instants of the grid (K,), in seconds since the epoch."""
        return self.start_s + np.arange(self._positions.shape[1], dtype=np.float64) * self.step_s

    def states(self, times_s: ArrayLike) -> hermite.State:
        """Positions (n, T, 3) in metres and velocities (n, T, 3) in m/s, TEME, at `times_s` (T,).

        Cubic Hermite and its derivative. Raises NodeError for an instant outside `start_s` to `stop_s`.
        """
        times = np.atleast_1d(np.asarray(times_s, np.float64))
        if times.size <= BLOCK:
            start, stop, part = self._cells(times)
            return hermite.position(start, stop, self.step_s, part), hermite.velocity(start, stop, self.step_s, part)
        found = np.empty((2, len(self._names), times.size, 3))
        for first in range(0, times.size, BLOCK):  # in blocks, so that intermediate arrays stay small
            found[:, :, first : first + BLOCK] = self.states(times[first : first + BLOCK])
        return found[0], found[1]

    def positions(self, times_s: ArrayLike) -> Array:
        """Positions (n, T, 3) as `states`, for about half its cost."""
        start, stop, part = self._cells(np.atleast_1d(np.asarray(times_s, np.float64)))
        return hermite.position(start, stop, self.step_s, part)

    def only(self, row: int) -> "Ephemeris":
        """The ephemeris of one satellite alone, sharing the grid."""
        one = self._positions[row : row + 1], self._velocities[row : row + 1]
        return Ephemeris(self._names[row : row + 1], self.start_s, self.step_s, one)

    def _cells(self, times: Array) -> tuple[hermite.State, hermite.State, Array]:
        good = (times >= self.start_s) & (times <= self.stop_s)  # False for NaN
        if not good.all():
            raise NodeError(
                f"the ephemeris covers {self.start_s:g} s to {self.stop_s:g} s after the epoch, asked for "
                f"{times[~good][0]:g} s; propagate for longer or with a larger margin"
            )
        grid = (times - self.start_s) / self.step_s
        cell = np.minimum(grid.astype(np.intp), self._positions.shape[1] - 2)
        start = self._positions[:, cell], self._velocities[:, cell]
        stop = self._positions[:, cell + 1], self._velocities[:, cell + 1]
        return start, stop, grid - cell


def age_warnings(
    elements: Sequence[Elements], epoch: Epoch, duration_s: float, limit_days: float = AGE_LIMIT_DAYS
) -> list[str]:
    """A text for each satellite whose elements are more than `limit_days` from some instant of the scenario."""
    found = []
    for each in elements:
        made_s = epoch.seconds(each.epoch)
        old_days, early_days = (duration_s - made_s) / DAY_S, made_s / DAY_S
        if max(old_days, early_days) > limit_days:
            age = f"{old_days:.1f} days old at its end" if old_days >= early_days else f"{early_days:.1f} days ahead"
            found.append(
                f"{each.name}: elements of {each.epoch} are {age} (scenario from {epoch.utc}, limit {limit_days:g} "
                "days); SGP4 drifts by kilometres a day then, take elements nearer to the date"
            )
    return found


def _require_grid(satellites: int, duration_s: float, step_s: float, margin_s: float) -> None:
    for name, value, good in (
        ("duration_s", duration_s, 0.0 <= duration_s < np.inf),
        ("step_s", step_s, 0.0 < step_s < np.inf),
        ("margin_s", margin_s, 0.0 <= margin_s < np.inf),
    ):
        if not good:
            raise NodeError(f"{name} is {value}; must be a finite number of seconds, and a step more than 0")
    states = satellites * (duration_s + 2.0 * margin_s) / step_s
    if states > MAX_STATES:
        raise NodeError(
            f"{satellites} satellites for {duration_s:g} s every {step_s:g} s are {states:.3g} states, more than "
            f"{MAX_STATES:.3g}; shorten the duration or lengthen the step"
        )


def _failures(names: Sequence[str], errors: NDArray[np.uint8], times_s: Array, epoch: Epoch) -> str:
    lines = ["SGP4 cannot propagate these satellites; leave them out or take other elements:"]
    for row in np.flatnonzero(errors.any(axis=1)).tolist():
        first = int(np.argmax(errors[row] != 0))
        code = int(errors[row, first])
        lines.append(f"  {names[row]}: code {code} ({SGP4_ERRORS[code]}) at {epoch.iso(float(times_s[first]))}")
    return "\n".join(lines)
