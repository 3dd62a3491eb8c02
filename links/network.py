"""What links are made of in one run: who moves how, what they carry, and how they are meant to be joined.

`Network` is what the caller gives; `Sorted` is the same with its nodes in the order of their names and every number
checked, so that the order in which nodes were added changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np

from links.errors import LinkError
from links.laser import LaserTerminals
from links.radio import Downlink, Uplink
from links.topology import Topology, all_pairs, candidate_pairs
from links.tracks import Index
from links.trajectories import Array, Sites, Trajectories

MIN_ELEVATION_DEG = 10.0  # [guess] a usual mask, for sites that state none
FULL_PAIRS = 100  # satellites up to which every pair of them is listed in a plan or snapshot, with its reason

T = TypeVar("T")


@dataclass(frozen=True)
class Network:
    """All that decides about links.

    `plane` and `slot` are parallel to `satellites.names` (by default one plane, slots in the order given), `antennas`
    and `min_elevation_deg` to `sites.names` (by default one antenna, and a mask of 10 degrees).
    """

    satellites: Trajectories
    sites: Sites | None = None
    laser: LaserTerminals = field(default_factory=LaserTerminals)
    downlink: Downlink = field(default_factory=Downlink)
    uplink: Uplink = field(default_factory=Uplink)
    topology: Topology = field(default_factory=Topology)
    plane: Sequence[int] | None = None
    slot: Sequence[int] | None = None
    antennas: Sequence[int] | None = None
    min_elevation_deg: Sequence[float] | None = None


class Sorted:
    """A checked network by name: `names`, `plane`, `slot`, `site_names`, `antennas`, `masks_rad`, candidate pairs.

    `order` and `site_order` say which row of the trajectories each sorted node is. Raises LinkError for what cannot
    be: problems of the three specs, a name used twice, lists of another length, unknown names in a fixed topology.
    """

    def __init__(self, network: Network) -> None:
        sites = () if network.sites is None else tuple(network.sites.names)
        satellites = tuple(network.satellites.names)
        self.network = network
        self.order, self.site_order = _by_name(satellites), _by_name(sites)
        self.names = [satellites[i] for i in self.order]
        self.site_names = [sites[i] for i in self.site_order]
        _check(network, sorted(satellites + sites))
        self.plane = _pick("plane", network.plane, [0] * len(satellites), self.order)
        self.slot = _pick("slot", network.slot, list(range(len(satellites))), self.order)
        self.antennas = _pick("antennas", network.antennas, [1] * len(sites), self.site_order)
        masks_deg = [MIN_ELEVATION_DEG] * len(sites)
        masks_deg = _pick("min_elevation_deg", network.min_elevation_deg, masks_deg, self.site_order)
        self.masks_rad: Array = np.radians(np.array(masks_deg, dtype=np.float64))
        if any(antennas < 0 for antennas in self.antennas) or not bool((np.abs(self.masks_rad) <= np.pi / 2).all()):
            raise LinkError(
                f"antennas {self.antennas} or masks {masks_deg} deg of {self.site_names} cannot be; "
                "antennas are 0 or more, masks between -90 and 90 deg"
            )
        self.candidates = candidate_pairs(network.topology, self.names, self.plane, self.slot)
        self.radio_pairs: Index = np.indices((len(satellites), len(sites))).reshape(2, -1).T

    def laser_pairs(self) -> Index:
        """Pairs (P, 2) of satellites that are listed: all of them, or only the candidates of a large constellation."""
        return all_pairs(len(self.names)) if len(self.names) <= FULL_PAIRS else self.candidates


def _by_name(names: Sequence[str]) -> Index:
    return np.array(sorted(range(len(names)), key=lambda i: names[i]), dtype=np.intp)


def _check(network: Network, names: list[str]) -> None:
    specs = [(name, getattr(network, name)) for name in ("laser", "downlink", "uplink", "topology")]
    problems = [f"{what}.{where} {text}" for what, spec in specs for where, text in spec.problems()]
    if problems:
        raise LinkError("; ".join(problems))
    twice = sorted({a for a, b in pairwise(names) if a == b})
    if twice:
        raise LinkError(f"the name {', '.join(map(repr, twice))} is used by two nodes; give each its own")


def _pick(field_name: str, given: Sequence[T] | None, default: Sequence[T], order: Index) -> list[T]:
    values = default if given is None else given
    if len(values) != len(order):
        raise LinkError(f"{field_name} has {len(values)} entries for {len(order)} nodes; it needs one for each")
    return [values[i] for i in order]
