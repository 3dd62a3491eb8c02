"""The scenes that satellites take along their true ground tracks, and why there are none where there are none."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from emulator.model_uses import model_uses
from emulator.scenario import Scenario
from emulator.sky import Sky
from nodes.track import subpoints, sun_elevation_deg
from workloads.imaging import Imaging, capture_times, captures
from workloads.land import is_land
from workloads.tasks import Task

Array = NDArray[np.float64]


def scene_tasks(scenario: Scenario, sky: Sky) -> list[Task]:
    """The scenes of every satellite: over land, with the Sun high enough."""
    imaging = msgspec.structs.replace(scenario.imaging, model=model_uses(scenario)[0][1])
    tasks: list[Task] = []
    for name, times_s, lat_deg, lon_deg, height_deg in _candidates(scenario, imaging, sky):
        tasks += captures(imaging, name, times_s, lat_deg, lon_deg, height_deg, scenario.seed)
    return tasks


def nothing_captured(scenario: Scenario, sky: Sky) -> str:
    """Why no scene was, in words, with what would change it."""
    imaging, candidates, over_land = scenario.imaging, 0, 0
    highest_deg = -90.0
    for _, times_s, lat_deg, lon_deg, height_deg in _candidates(scenario, imaging, sky):
        land = is_land(lat_deg, lon_deg)
        candidates, over_land = candidates + len(times_s), over_land + int(land.sum())
        highest_deg = max([highest_deg, *height_deg[land].tolist()])
    if not candidates:
        why = f"duration_s = {scenario.duration_s:g} ends before imaging.scene_interval_s has passed once"
        return f"no scene was captured: {why}; a longer run has some"
    if not over_land:
        why = f"at none of {candidates:,} instants was a satellite over land; a longer run, or another epoch, has some"
        return f"no scene was captured: {why}"
    return (
        f"no scene was captured: of {candidates:,} instants {over_land:,} were over land, and there the Sun stood at "
        f"{highest_deg:.1f} degrees at most, below imaging.min_sun_elevation_deg = {imaging.min_sun_elevation_deg:g}: "
        "a longer run, another epoch, or a lower limit"
    )


def _candidates(
    scenario: Scenario, imaging: Imaging, sky: Sky
) -> Iterator[tuple[str, Array, Array, Array, Array]]:  # fmt: skip
    """Of each satellite: name, instants at which it could take a scene, latitude, longitude, height of the Sun."""
    for row, name in enumerate(sky.ephemeris.names):
        times_s = capture_times(imaging, name, scenario.duration_s, scenario.seed)
        positions = sky.ephemeris.only(row).positions(times_s)
        lat_deg, lon_deg, _ = subpoints(positions, sky.epoch, times_s)
        height_deg = sun_elevation_deg(lat_deg, lon_deg, sky.epoch, times_s)
        yield name, times_s, lat_deg[0], lon_deg[0], height_deg[0]
