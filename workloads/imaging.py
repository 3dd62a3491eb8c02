"""Imaging: each satellite takes scenes of land in daylight along its true ground track, drawn before the run.

Candidates come at a fixed cadence from a random phase. The caller knows the orbit and says where each is and
how high the Sun stands; those over land in daylight become tasks. Every candidate has its own draws, so what
is filtered away never shifts what remains, and a satellite's scenes depend on no other's.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from workloads.errors import WorkloadError
from workloads.land import is_land
from workloads.streams import choices, stream, uniforms
from workloads.tasks import Task

Array = NDArray[np.float64]

TICKS_PER_S = 1e6  # task instants are whole microseconds, so that no digit depends on how it was rounded
NORMAL, URGENT = 0, 1  # priorities


def tiles_per_scene(swath_m: float, along_track_m: float, pixel_m: float, tile_pixels: int) -> int:
    """Square tiles that cover one scene, those at its edges counted whole."""
    across, along = (-int(-side_m // (pixel_m * tile_pixels)) for side_m in (swath_m, along_track_m))
    return across * along


class Imaging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is imaged and what is asked of each scene; the defaults are Sentinel-2's.

    Deadlines count from the capture. `tile` numbers, 0 to `distinct_tiles` - 1, name the synthetic contents of
    scenes, and so bound how many different inferences a run makes.
    """

    scene_interval_s: float = 3.61  # 201,719.672 s of imaging, 55,909 scenes: Sentinel-2A's plan of 2024-11-28, ESA
    raw_bytes: int = 221_112_500  # 490 Mbit/s x 3.61 s / 8, the rate of the MultiSpectral Instrument [press, computed]
    model: str = "cloud-screen"
    inferences: int = 4313  # 227 x 19 tiles of the 128 pixels that cloud-screen takes: 290 km x 24 km, 10 m pixels
    min_sun_elevation_deg: float = 10.0  # [guess] a lower Sun leaves shadows longer than 5.7 times the height
    deadline_s: float = 10_800.0  # [guess] three hours, the slow end of near-real-time products
    urgent_share: float = 0.05  # [guess] fires, floods, wrecks
    urgent_deadline_s: float = 1_800.0  # [guess] half an hour
    distinct_tiles: int = 256  # [guess] enough for a fine clear-sky share, few enough to run every one

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be, as (field, message); empty if the spec can be."""
        found = []
        for field in ("scene_interval_s", "deadline_s", "urgent_deadline_s"):
            if not 1.0 / TICKS_PER_S <= (value := getattr(self, field)) < float("inf"):
                found.append((field, f"is {value}; it must be a finite number of seconds, 1e-6 or more"))
        for field in ("raw_bytes", "inferences", "distinct_tiles"):
            if not 1 <= (count := getattr(self, field)) < 2**53:
                found.append((field, f"is {count}; it must be a whole number from 1 to 2**53"))
        if not -90.0 <= self.min_sun_elevation_deg <= 90.0:
            found.append(
                ("min_sun_elevation_deg", f"is {self.min_sun_elevation_deg}; it must be from -90 to 90 degrees")
            )
        if not 0.0 <= self.urgent_share <= 1.0:
            found.append(("urgent_share", f"is {self.urgent_share}; it must be a share from 0 to 1"))
        if not self.model:
            found.append(("model", "is empty; it must name a model"))
        return found


def capture_times(spec: Imaging, satellite: str, duration_s: float, seed: int) -> Array:
    """Instants at which `satellite` could take a scene, (candidates,), seconds since the scenario's epoch.

    One every `scene_interval_s` from a phase drawn for this satellite, whole microseconds, below `duration_s`.
    Raises WorkloadError for a duration that is negative or not finite, or a spec that cannot be.
    """
    _check(spec)
    if not 0.0 <= duration_s < float("inf"):
        raise WorkloadError(f"duration_s is {duration_s}; a run lasts a finite number of seconds, 0 or more")
    phase_s = uniforms(stream(seed, "imaging-phase", satellite), 1)[0] * spec.scene_interval_s
    count = int(duration_s / spec.scene_interval_s) + 1
    times_s = np.rint((phase_s + np.arange(count) * spec.scene_interval_s) * TICKS_PER_S) / TICKS_PER_S
    return np.asarray(times_s[times_s < duration_s], dtype=np.float64)


def captures(
    spec: Imaging,
    satellite: str,
    times_s: Array,
    lat_deg: Array,
    lon_deg: Array,
    sun_elevation_deg: Array,
    seed: int,
) -> list[Task]:
    """The scenes that `satellite` takes, in order of time: the candidates over land with the Sun high enough.

    The four arrays are (candidates,): `times_s` all of `capture_times`, and at each the geodetic subpoint
    (WGS84, degrees) and the Sun's elevation there (degrees). A task's number is its candidate's.
    Raises WorkloadError if the arrays differ in length, hold what is not finite, or the spec cannot be.
    """
    _check(spec)
    lengths = {array.shape for array in (times_s, lat_deg, lon_deg, sun_elevation_deg)}
    if len(lengths) != 1 or times_s.ndim != 1:
        raise WorkloadError(f"captures of {satellite!r}: the four arrays must be alike and flat, not {sorted(lengths)}")
    if not (np.isfinite(times_s).all() and np.isfinite(sun_elevation_deg).all()):
        raise WorkloadError(f"captures of {satellite!r}: times_s or sun_elevation_deg holds what is not finite")
    tiles = choices(stream(seed, "imaging-tile", satellite), len(times_s), spec.distinct_tiles)
    urgent = uniforms(stream(seed, "imaging-urgent", satellite), len(times_s)) < spec.urgent_share
    taken = is_land(lat_deg, lon_deg) & (sun_elevation_deg >= spec.min_sun_elevation_deg)
    return [
        Task(
            id=f"{satellite}/{k:05d}",
            at_s=float(times_s[k]),
            node=satellite,
            raw_bytes=spec.raw_bytes,
            model=spec.model,
            inferences=spec.inferences,
            tile=int(tiles[k]),
            deadline_s=float(times_s[k]) + (spec.urgent_deadline_s if urgent[k] else spec.deadline_s),
            priority=URGENT if urgent[k] else NORMAL,
        )
        for k in np.flatnonzero(taken).tolist()
    ]


def _check(spec: Imaging) -> None:
    for field, message in spec.problems():
        raise WorkloadError(f"imaging.{field} {message}")
