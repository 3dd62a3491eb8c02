"""Passes over ground stations, of a scenario or of a file of elements, as UTC instants with milliseconds."""

import msgspec

from emulator.errors import BadInput
from emulator.instants import epoch_of, instant_s
from emulator.scenario import load
from emulator.sky import read_sky
from links.trajectories import Sites, Trajectories
from nodes.catalogue import read_elements
from nodes.ephemerides import fly, is_ephemeris, read
from nodes.epoch import Epoch
from nodes.orbit import STEP_S, Ephemeris, age_warnings
from nodes.passes import passes
from nodes.station import GroundStation, Stations

MOST_DURATION_S = 366 * 86400.0


class PassRow(msgspec.Struct, frozen=True):
    """One pass; `rise` or `set` is null where the window cuts it."""

    satellite: str
    station: str
    rise: str | None
    culminate: str
    set: str | None
    max_elevation_deg: float


class PassReport(msgspec.Struct, frozen=True):
    """All passes in the window, in order, and what to beware of."""

    start: str
    stop: str
    passes: list[PassRow]
    notes: list[str]


def of_scenario(name: str, mask_deg: float | None, start: str | None, stop: str | None) -> PassReport:
    """Passes over the scenario's stations, within its duration or the part of it between `start` and `stop`."""
    loaded = load(name)
    scenario = loaded.scenario
    epoch = Epoch(scenario.epoch)
    start_s = 0.0 if start is None else instant_s(epoch, "--start", start)
    stop_s = scenario.duration_s if stop is None else instant_s(epoch, "--stop", stop)
    _check_mask(mask_deg)
    if not 0.0 <= start_s < stop_s <= scenario.duration_s:
        raise BadInput(
            f"--start {start or epoch.iso(0.0)} --stop {stop or epoch.iso(scenario.duration_s)}: not one after the "
            f"other within the scenario, {epoch.iso(0.0)} to {epoch.iso(scenario.duration_s)}"
        )
    sky = read_sky(loaded)
    masks = [s.min_elevation_deg if mask_deg is None else mask_deg for s in scenario.stations]
    notes = sky.notes + age_warnings(sky.elements, epoch, scenario.duration_s)
    return _report(epoch, sky.ephemeris, sky.stations, masks, (start_s, stop_s), notes)


def of_elements(path: str, site: str, mask_deg: float, start: str, stop: str) -> PassReport:
    """Passes of every satellite of a TLE, OMM, OEM or STK file over one site, `LAT,LON,ALT_M`."""
    _check_mask(mask_deg)
    station = _site(site, mask_deg)
    epoch = epoch_of("--start", start)
    duration_s = instant_s(epoch, "--stop", stop)
    if not 0.0 < duration_s <= MOST_DURATION_S:
        raise BadInput(f"--stop {stop}: must come after --start {start}, by at most 366 days")
    if is_ephemeris(path):
        tables = read(path)
        ephemeris = fly(tables, epoch, duration_s, STEP_S)
        notes = [f"{each.name}: {note}" for each in tables for note in each.notes]
    else:
        elements = read_elements(path)
        ephemeris = Ephemeris.propagate(elements, epoch, duration_s)
        notes = age_warnings(elements, epoch, duration_s)
    return _report(epoch, ephemeris, Stations([station], epoch), [mask_deg], (0.0, duration_s), notes)


def _site(text: str, mask_deg: float) -> GroundStation:
    try:
        latitude, longitude, height = (float(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"--site {text}: give LAT,LON,ALT_M, such as 40.45,116.86,90") from None
    station = GroundStation(
        name="site", latitude_deg=latitude, longitude_deg=longitude, elevation_m=height, min_elevation_deg=mask_deg
    )
    problems = [f"--site {text}: {field} {message}" for field, message in station.problems()]
    if problems:
        raise BadInput("\n".join(problems))
    return station


def _check_mask(mask_deg: float | None) -> None:
    if mask_deg is not None and not 0.0 <= mask_deg < 90.0:
        raise BadInput(f"--min-elevation {mask_deg}: must be from 0 to below 90 degrees")


def _report(
    epoch: Epoch, moving: Trajectories, sites: Sites, masks: list[float], window: tuple[float, float], notes: list[str]
) -> PassReport:
    found = passes(moving, sites, masks, *window)
    rows = [
        PassRow(
            p.satellite,
            p.station,
            None if p.rise_s is None else epoch.iso(p.rise_s),
            epoch.iso(p.culminate_s),
            None if p.set_s is None else epoch.iso(p.set_s),
            round(p.max_elevation_deg, 4),
        )
        for p in found
    ]
    return PassReport(epoch.iso(window[0]), epoch.iso(window[1]), rows, notes)
