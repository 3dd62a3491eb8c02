"""What a run needs before its first event: orbits, contact plan, shadow, passes, and the scenario as a whole."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from benchmarks.measure import Baseline, Notes, in_turns, note
from emulator import scenario
from emulator.assemble import assemble
from emulator.sky import Sky, read_sky
from links.plan import build_plan
from nodes.elements import satrec
from nodes.passes import Pass, passes
from nodes.sun import illumination, shadow_intervals, sun_positions

DAY_S = 86_400.0
LEAST_SCENES = 30_000
skyfields_step_s = 0.5  # find_events stops when it knows an event to half a second (skyfield/sgp4lib.py)
plain_step_s = 1.0

Events = dict[tuple[str, str], list[tuple[float, int]]]  # (satellite, station) -> (at_s, 0 rise, 1 top, 2 set)


@pytest.fixture(scope="module")
def loaded() -> scenario.LoadedScenario:
    return scenario.load("three-body")


@pytest.fixture(scope="module")
def sky(loaded: scenario.LoadedScenario) -> Sky:
    return read_sky(loaded)


def test_contact_plan_of_a_day(benchmark: Any, sky: Sky) -> None:
    plan, _ = in_turns(benchmark, lambda: build_plan(sky.network, DAY_S), Notes("contact plan, three-body, 24 h"))
    covered_s: dict[tuple[str, str], float] = {}
    for item in (*plan.contacts, *plan.gaps):
        covered_s[item.a, item.b] = covered_s.get((item.a, item.b), 0.0) + item.stop_s - item.start_s
    assert len(covered_s) == 12 * 11 // 2 + 12 * len(sky.stations.names)
    assert list(covered_s.values()) == pytest.approx([DAY_S] * len(covered_s), rel=0.0, abs=1e-3)
    note(benchmark, values={"contacts and gaps": len(plan.contacts) + len(plan.gaps)})


def test_assembly_of_a_day(benchmark: Any, loaded: scenario.LoadedScenario) -> None:
    notes = Notes("scenario assembly, three-body, 24 h, every distinct inference included", rounds=3)
    assembled, _ = in_turns(benchmark, lambda: assemble(loaded, ["mesh"]), notes)
    scenes = sum(type(fact).__name__ == "Captured" for fact in assembled.facts)
    assert scenes > LEAST_SCENES
    assert 0 < assembled.runner.distinct_runs <= loaded.scenario.imaging.distinct_tiles
    note(benchmark, values={"scenes": scenes})


def skyfields_passes(sky: Sky, masks_deg: list[float]) -> Events:
    """A plain loop over satellites and stations with Skyfield's own search."""
    first, last = sky.epoch.skyfield(0.0), sky.epoch.skyfield(DAY_S)
    found: Events = {}
    for each in sky.elements:
        satellite = EarthSatellite.from_satrec(satrec(each), load.timescale(builtin=True))
        for station, mask_deg in zip(sky.stations.stations, masks_deg, strict=True):
            place = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.elevation_m)
            times, kinds = satellite.find_events(place, first, last, altitude_degrees=mask_deg)
            found[each.name, station.name] = list(zip((times - first) * DAY_S, kinds.tolist(), strict=True))
    return found


def events(found: list[Pass], satellite: str, station: str) -> list[tuple[float, int]]:
    mine = [p for p in found if (p.satellite, p.station) == (satellite, station)]
    ends = [(at_s, kind) for p in mine for at_s, kind in ((p.rise_s, 0), (p.culminate_s, 1), (p.set_s, 2)) if at_s]
    return sorted(ends)


def test_passes_of_a_day(benchmark: Any, loaded: scenario.LoadedScenario, sky: Sky) -> None:
    masks_deg = [station.min_elevation_deg for station in loaded.scenario.stations]
    found, skyfields = in_turns(
        benchmark,
        lambda: passes(sky.ephemeris, sky.stations, masks_deg, 0.0, DAY_S),
        Notes("passes, 12 satellites over 4 stations, 24 h"),
        baseline=Baseline("Skyfield find_events in a loop", lambda: skyfields_passes(sky, masks_deg)),
    )
    assert sum(len(each) for each in skyfields.values()) > 100
    for (satellite, station), theirs in skyfields.items():
        mine = events(found, satellite, station)
        assert [kind for _, kind in mine] == [kind for _, kind in theirs], (satellite, station)
        assert np.abs(np.subtract([t for t, _ in mine], [t for t, _ in theirs])).max() < skyfields_step_s
    note(benchmark, values={"passes": len(found)})


def plain_shadow(sky: Sky) -> list[list[float]]:
    """The first second of each change of light or shade, of every second of the day."""
    times_s = np.arange(0.0, DAY_S + plain_step_s, plain_step_s)
    sun = sun_positions(sky.epoch, times_s)
    found = []
    for row in range(len(sky.elements)):
        shaded = illumination(sky.ephemeris.only(row).positions(times_s)[0], sun) < 1.0
        found.append(times_s[1:][shaded[1:] != shaded[:-1]].tolist())
    return found


def test_shadow_of_a_day(benchmark: Any, sky: Sky) -> None:
    found, plain = in_turns(
        benchmark,
        lambda: shadow_intervals(sky.ephemeris, sky.epoch, 0.0, DAY_S),
        Notes("shadow, 12 satellites, 24 h"),
        baseline=Baseline("every second looked at", lambda: plain_shadow(sky)),
    )
    for shadow, changes_s in zip(found, plain, strict=True):
        mine_s = [t for span in shadow.penumbra for t in span if 0.0 < t < DAY_S]
        assert len(mine_s) == len(changes_s) > 28  # 15 orbits
        assert all(0.0 <= late - exact <= plain_step_s for exact, late in zip(mine_s, changes_s, strict=True))
        assert all(before < after for before, after in pairwise(mine_s))
    note(benchmark, values={"shadows": sum(len(shadow.penumbra) for shadow in found)})
