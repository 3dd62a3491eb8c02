"""Where everything of a scenario is: satellites, stations, and how they are meant to be joined.

Refuses, with the scenario's field, what only the whole can tell: elements that no orbit follows, names taken twice,
faults of nodes that are not there, links that geometry forbids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from emulator.layers import inside
from emulator.scenario import LoadedScenario, name_problem
from links.contacts import ContactPlan
from links.errors import LinkError
from links.network import Network
from links.plan import build_plan
from nodes.catalogue import read_elements
from nodes.elements import Elements
from nodes.ephemerides import TabulatedOrbit, digest, fly, is_ephemeris
from nodes.ephemerides import read as read_ephemerides
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.orbit import Ephemeris
from nodes.station import Stations

MOST_PROBLEMS = 20  # of one kind that a message lists
PLANES_APART_DEG = 1.0  # nodes this close count as one plane when elements do not say


@dataclass
class Sky:
    """Where everything is: satellites, stations, and how they are meant to be joined.

    Where a file of ephemerides says where satellites are, `elements` is empty, `orbits_sha256` is of the file, as no
    field of the scenario tells what it holds, and `notes` say that and what was left out of it.
    """

    epoch: Epoch
    elements: list[Elements]
    ephemeris: Ephemeris
    stations: Stations
    network: Network
    notes: list[str] = field(default_factory=list)
    orbits_sha256: str = ""


def read_sky(loaded: LoadedScenario) -> Sky:
    """Orbits and stations of a scenario. Raises `ScenarioError` naming the field, or ElementsError."""
    scenario = loaded.scenario
    epoch = Epoch(scenario.epoch)
    stations = Stations(scenario.stations, epoch)
    tables = _tables(loaded)
    elements = [] if tables else _elements(loaded)
    flying = [each.name for each in tables] or [each.name for each in elements]
    _refuse_names(loaded, flying, stations.names)
    ephemeris = _ephemeris(loaded, epoch, elements, tables)
    plane, slot = _planes(elements) if elements else _groups(flying, _raan_deg(ephemeris))
    network = Network(
        satellites=ephemeris,
        sites=stations if scenario.stations else None,
        laser=scenario.laser,
        downlink=scenario.downlink,
        uplink=scenario.uplink,
        topology=scenario.topology,
        plane=plane,
        slot=slot,
        antennas=[station.antennas for station in scenario.stations],
        min_elevation_deg=[station.min_elevation_deg for station in scenario.stations],
    )
    sky = Sky(epoch, elements, ephemeris, stations, network)
    return _with_notes(sky, loaded, tables) if tables else sky


def _with_notes(sky: Sky, loaded: LoadedScenario, tables: Sequence[TabulatedOrbit]) -> Sky:
    name = loaded.scenario.satellites.file or ""
    sky.orbits_sha256 = digest(_file(loaded, name))
    sky.notes.append(f"orbits from {name} (sha256 {sky.orbits_sha256[:16]}), interpolated as it states")
    sky.notes += [f"{each.name}: {note}" for each in tables for note in each.notes]
    return sky


def contacts(loaded: LoadedScenario, sky: Sky) -> ContactPlan:
    """The contact plan of the scenario. Raises `ScenarioError` naming the field for links that cannot be."""
    try:
        return build_plan(sky.network, loaded.scenario.duration_s)
    except LinkError as error:
        field = ("topology", "pairs") if loaded.scenario.topology.pairs else ("topology",)
        raise loaded.refuse([(field, str(error))]) from error


def _file(loaded: LoadedScenario, name: str) -> Path:
    if loaded.folder is None or not inside(loaded.folder, name):
        text = f"is {name!r}, which leads out of the scenario's folder; put the file inside it"
        raise loaded.refuse([(("satellites", "file"), text)])
    return loaded.folder / name


def _tables(loaded: LoadedScenario) -> list[TabulatedOrbit]:
    """The ephemerides of `satellites.file`; none where it holds elements, or there is no file."""
    name = loaded.scenario.satellites.file
    if name is None or not is_ephemeris(path := _file(loaded, name)):
        return []
    try:
        return read_ephemerides(path)
    except NodeError as error:
        raise loaded.refuse([(("satellites", "file"), str(error))]) from error


def _elements(loaded: LoadedScenario) -> list[Elements]:
    satellites = loaded.scenario.satellites
    if satellites.file is not None:
        try:
            return read_elements(_file(loaded, satellites.file))
        except NodeError as error:
            raise loaded.refuse([(("satellites", "file"), str(error))]) from error
    if satellites.walker is not None:
        return satellites.walker.elements(loaded.scenario.epoch)
    return list(satellites.elements)


def _ephemeris(
    loaded: LoadedScenario, epoch: Epoch, elements: Sequence[Elements], tables: Sequence[TabulatedOrbit]
) -> Ephemeris:
    duration_s, step_s = loaded.scenario.duration_s, loaded.scenario.ephemeris_step_s
    try:
        if tables:
            return fly(tables, epoch, duration_s, step_s)
        return Ephemeris.propagate(elements, epoch, duration_s, step_s)
    except NodeError as error:
        field = ("satellites", "file") if tables else ("satellites",)
        raise loaded.refuse([(field, str(error))]) from error


def _raan_deg(ephemeris: Ephemeris) -> list[float]:
    """The osculating right ascension of each ascending node (TEME) at the scenario's epoch."""
    positions, velocities = (each[:, 0] for each in ephemeris.states([0.0]))
    momentum = np.cross(positions, velocities)
    return [float(angle) for angle in np.degrees(np.arctan2(momentum[:, 0], -momentum[:, 1])) % 360.0]


def _planes(elements: Sequence[Elements]) -> tuple[list[int], list[int]]:
    """Plane and slot of each satellite: as its elements say, or one plane for nodes that lie close together."""
    if all(each.plane is not None and each.slot is not None for each in elements):
        return [int(each.plane or 0) for each in elements], [int(each.slot or 0) for each in elements]
    return _groups([each.name for each in elements], [each.raan_deg for each in elements])


def _groups(names: Sequence[str], raan_deg: Sequence[float]) -> tuple[list[int], list[int]]:
    """One plane for nodes that lie close together; slots by name."""
    order = sorted(range(len(names)), key=lambda i: (raan_deg[i], names[i]))
    plane = [0] * len(names)
    number = 0
    for before, after in pairwise(order):
        gap_deg = raan_deg[after] - raan_deg[before]
        number += gap_deg > PLANES_APART_DEG
        plane[after] = number
    if number and (raan_deg[order[0]] + 360.0 - raan_deg[order[-1]]) <= PLANES_APART_DEG:
        plane = [0 if p == number else p for p in plane]  # the last group runs on across 0 degrees
    slot = [0] * len(names)
    taken: dict[int, int] = {}
    for i in sorted(range(len(names)), key=lambda i: names[i]):
        slot[i] = taken.get(plane[i], 0)
        taken[plane[i]] = slot[i] + 1
    return plane, slot


def _refuse_names(loaded: LoadedScenario, flying: Sequence[str], stations: Sequence[str]) -> None:
    """Refuse names that cannot be shown or are taken twice, and faults of nodes that are not there."""
    bad = [f"satellite {name[:200]!r}: {text}" for name in flying if (text := name_problem(name))]
    bad += [f"{name}: a satellite cannot have a station's name" for name in sorted(set(flying) & set(stations))]
    if bad:
        raise loaded.refuse([(("satellites",), text) for text in bad[:MOST_PROBLEMS]])
    _refuse_unknown_faults(loaded, {*flying, *stations})


def _refuse_unknown_faults(loaded: LoadedScenario, names: set[str]) -> None:
    known = ", ".join(sorted(names)[:MOST_PROBLEMS])
    unknown = [
        (("faults", index, "node"), f"is {fault.node!r}, which is no node; there are {known}")
        for index, fault in enumerate(loaded.scenario.faults)
        if fault.node not in names
    ]
    if unknown:
        raise loaded.refuse(list(unknown))
