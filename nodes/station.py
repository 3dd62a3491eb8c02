"""Ground stations: what a scenario says of them, and where they are in TEME as the Earth turns.

Earth-fixed to TEME is a turn by GMST-82 at UT1, as Skyfield does without a table of the pole's motion (up to 15 m).
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nodes.epoch import DAY_S, Epoch
from nodes.errors import NodeError
from nodes.track import EARTH_RADIUS_M, ECCENTRICITY_SQUARED

Array = NDArray[np.float64]

EARTH_TURN_RAD_PER_S = 2.0 * np.pi * 1.00273790935 / DAY_S  # rate of GMST-82: AIAA 2006-6753, appendix C
MAX_ANTENNAS = 1000  # more is a mistake [guess]


class GroundStation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ground station: WGS84 geodetic place, elevation mask, antennas (each serves one satellite at a time).

    `elevation_m` is above the ellipsoid. `processor` names a preset of `nodes/processor.py` or a TOML file in the
    scenario's folder; `source` says where the coordinates are from.
    """

    name: str
    latitude_deg: float
    longitude_deg: float
    elevation_m: float = 0.0
    min_elevation_deg: float = 10.0
    antennas: int = 1
    processor: str = "a100"
    source: str = ""

    def problems(self) -> list[tuple[str, str]]:
        """All (field, message) pairs that keep this from being a station; empty if it is one."""
        rules = (
            ("name", "a name", bool(self.name.strip())),
            ("latitude_deg", "from -90 to 90 degrees, north positive", -90.0 <= self.latitude_deg <= 90.0),
            ("longitude_deg", "from -180 to 360 degrees, east positive", -180.0 <= self.longitude_deg <= 360.0),
            ("elevation_m", "from -500 to 9000 metres above the ellipsoid", -500.0 <= self.elevation_m <= 9000.0),
            ("min_elevation_deg", "from 0 to below 90 degrees", 0.0 <= self.min_elevation_deg < 90.0),
            ("antennas", f"from 1 to {MAX_ANTENNAS}", 1 <= self.antennas <= MAX_ANTENNAS),
            ("processor", "the name of a processor preset or of a TOML file", bool(self.processor.strip())),
        )
        return [(field, f"is {getattr(self, field)!r}; must be {rule}") for field, rule, good in rules if not good]


class Stations:
    """m ground stations as `links.trajectories.Sites`: states and geodetic zeniths in TEME of date.

    Raises NodeError with every problem of every station, and for two of one name.
    """

    def __init__(self, stations: Sequence[GroundStation], epoch: Epoch) -> None:
        found = [f"{each.name or '(no name)'}: {field} {text}" for each in stations for field, text in each.problems()]
        names = [each.name for each in stations]
        found += [f"{name}: two stations have this name" for name in sorted({n for n in names if names.count(n) > 1})]
        if found:
            raise NodeError("ground stations that cannot be:\n  " + "\n  ".join(found))
        self.stations = tuple(stations)
        self._epoch = epoch
        latitude = np.radians([each.latitude_deg for each in stations])
        self._longitude = np.radians([each.longitude_deg for each in stations])
        height_m = np.array([each.elevation_m for each in stations], np.float64)
        curvature_m = EARTH_RADIUS_M / np.sqrt(1.0 - ECCENTRICITY_SQUARED * np.sin(latitude) ** 2)
        self._across_m = (curvature_m + height_m) * np.cos(latitude)
        self._up_m = (curvature_m * (1.0 - ECCENTRICITY_SQUARED) + height_m) * np.sin(latitude)
        self._cosine, self._sine = np.cos(latitude), np.sin(latitude)

    @property
    def names(self) -> tuple[str, ...]:
        """The stations' names, in the order of the arrays."""
        return tuple(each.name for each in self.stations)

    def states(self, times_s: ArrayLike) -> tuple[Array, Array]:
        """Positions (m, T, 3) in metres and velocities (m, T, 3) in m/s, TEME, at `times_s` (T,)."""
        cosine, sine = self._turned(times_s)
        across, up = self._across_m[:, np.newaxis], np.broadcast_to(self._up_m[:, np.newaxis], cosine.shape)
        positions = np.stack((across * cosine, across * sine, up), axis=-1)
        turning = EARTH_TURN_RAD_PER_S * across
        return positions, np.stack((-turning * sine, turning * cosine, np.zeros_like(sine)), axis=-1)

    def zeniths(self, times_s: ArrayLike) -> Array:
        """Unit vectors (m, T, 3) along the geodetic normal (WGS84), TEME, at `times_s` (T,)."""
        cosine, sine = self._turned(times_s)
        level, up = self._cosine[:, np.newaxis], np.broadcast_to(self._sine[:, np.newaxis], cosine.shape)
        return np.stack((level * cosine, level * sine, up), axis=-1)

    def _turned(self, times_s: ArrayLike) -> tuple[Array, Array]:
        angle = self._longitude[:, np.newaxis] + self._epoch.gmst82_rad(np.atleast_1d(times_s))
        return np.cos(angle), np.sin(angle)
