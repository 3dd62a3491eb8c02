"""Where everything of a scenario is: satellites, stations, and how they are meant to be joined.

Refuses, with the scenario's field, what only the whole can tell: elements that no orbit follows, names taken twice,
faults of nodes that are not there, links that geometry forbids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from emulator.layers import inside
from emulator.scenario import LoadedScenario, name_problem
from links.contacts import ContactPlan
from links.errors import LinkError
from links.network import Network
from links.plan import build_plan
from nodes.catalogue import read_elements
from nodes.elements import Elements
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.orbit import Ephemeris
from nodes.station import Stations

MOST_PROBLEMS = 20  # of one kind that a message lists
PLANES_APART_DEG = 1.0  # nodes this close count as one plane when elements do not say


@dataclass
class Sky:
    """Where everything is: satellites, stations, and how they are meant to be joined."""

    epoch: Epoch
    elements: list[Elements]
    ephemeris: Ephemeris
    stations: Stations
    network: Network


def read_sky(loaded: LoadedScenario) -> Sky:
    """Orbits and stations of a scenario. Raises `ScenarioError` naming the field, or ElementsError."""
    scenario = loaded.scenario
    epoch = Epoch(scenario.epoch)
    elements = _elements(loaded)
    stations = Stations(scenario.stations, epoch)
    bad = [f"satellite {each.name[:200]!r}: {text}" for each in elements if (text := name_problem(each.name))]
    shared = sorted({each.name for each in elements} & set(stations.names))
    bad += [f"{name}: a satellite cannot have a station's name" for name in shared]
    if bad:
        raise loaded.refuse([(("satellites",), text) for text in bad[:MOST_PROBLEMS]])
    _refuse_unknown_faults(loaded, {each.name for each in elements} | set(stations.names))
    try:
        ephemeris = Ephemeris.propagate(elements, epoch, scenario.duration_s, scenario.ephemeris_step_s)
    except NodeError as error:
        raise loaded.refuse([(("satellites",), str(error))]) from error
    plane, slot = _planes(elements)
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
    return Sky(epoch, elements, ephemeris, stations, network)


def contacts(loaded: LoadedScenario, sky: Sky) -> ContactPlan:
    """The contact plan of the scenario. Raises `ScenarioError` naming the field for links that cannot be."""
    try:
        return build_plan(sky.network, loaded.scenario.duration_s)
    except LinkError as error:
        field = ("topology", "pairs") if loaded.scenario.topology.pairs else ("topology",)
        raise loaded.refuse([(field, str(error))]) from error


def _elements(loaded: LoadedScenario) -> list[Elements]:
    satellites = loaded.scenario.satellites
    if satellites.file is not None:
        if loaded.folder is None or not inside(loaded.folder, satellites.file):
            text = f"is {satellites.file!r}, which leads out of the scenario's folder; put the file inside it"
            raise loaded.refuse([(("satellites", "file"), text)])
        try:
            return read_elements(loaded.folder / satellites.file)
        except NodeError as error:
            raise loaded.refuse([(("satellites", "file"), str(error))]) from error
    if satellites.walker is not None:
        return satellites.walker.elements(loaded.scenario.epoch)
    return list(satellites.elements)


def _planes(elements: Sequence[Elements]) -> tuple[list[int], list[int]]:
    """Plane and slot of each satellite: as its elements say, or one plane for nodes that lie close together."""
    if all(each.plane is not None and each.slot is not None for each in elements):
        return [int(each.plane or 0) for each in elements], [int(each.slot or 0) for each in elements]
    order = sorted(range(len(elements)), key=lambda i: (elements[i].raan_deg, elements[i].name))
    plane = [0] * len(elements)
    number = 0
    for before, after in pairwise(order):
        gap_deg = elements[after].raan_deg - elements[before].raan_deg
        number += gap_deg > PLANES_APART_DEG
        plane[after] = number
    if number and (elements[order[0]].raan_deg + 360.0 - elements[order[-1]].raan_deg) <= PLANES_APART_DEG:
        plane = [0 if p == number else p for p in plane]  # the last group runs on across 0 degrees
    slot = [0] * len(elements)
    taken: dict[int, int] = {}
    for i in sorted(range(len(elements)), key=lambda i: elements[i].name):
        slot[i] = taken.get(plane[i], 0)
        taken[plane[i]] = slot[i] + 1
    return plane, slot


def _refuse_unknown_faults(loaded: LoadedScenario, names: set[str]) -> None:
    known = ", ".join(sorted(names)[:MOST_PROBLEMS])
    unknown = [
        (("faults", index, "node"), f"is {fault.node!r}, which is no node; there are {known}")
        for index, fault in enumerate(loaded.scenario.faults)
        if fault.node not in names
    ]
    if unknown:
        raise loaded.refuse(list(unknown))
