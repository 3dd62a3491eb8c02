"""One topology step of a constellation against plain Dijkstra over the same links."""

import itertools

import numpy as np
import pytest

from links.geometry import LIGHT_M_PER_S
from links.mesh import Mesh
from links.routing import least_delay
from links.topology import Topology, candidate_pairs


def step(circular, turning, planes: int, slots: int):
    place = [divmod(number, slots) for number in range(planes * slots)]
    names = [f"{p:02d}-{s:02d}" for p, s in place]
    shell = circular([
        (name, 550e3, 53.0, 360.0 * p / planes, 360.0 * (s + 0.5 * (p % 2)) / slots)
        for name, (p, s) in zip(names, place, strict=True)
    ])  # fmt: skip
    sites = turning([("P", 48.9, 2.3), ("Q", 40.7, -74.0), ("R", -33.9, 151.2), ("S", 89.0, 0.0)])
    pairs = candidate_pairs(Topology(kind="+grid"), names, [p for p, _ in place], [s for _, s in place])
    mesh = Mesh(pairs, len(names), max_range_m=5_400e3)
    at = np.array([321.0])
    positions_m = shell.states(at)[0][:, 0]
    link_m, usable = mesh.links(positions_m)
    ground_m, in_view = mesh.overhead(positions_m, sites.states(at)[0][:, 0], sites.zeniths(at)[:, 0], np.radians(25.0))
    return mesh, link_m, usable, ground_m, in_view


@pytest.mark.parametrize(("planes", "slots"), [(20, 20), (6, 11), (1, 12)])
def test_ways_are_as_short_as_plain_dijkstra_finds_them(circular, turning, planes: int, slots: int) -> None:
    mesh, link_m, usable, ground_m, in_view = step(circular, turning, planes, slots)
    ways = mesh.ways(link_m, usable, ground_m, in_view)
    total_s, last = mesh.between(ways, ground_m, in_view)
    for source in range(4):
        adjacency: dict[str, dict[str, float]] = {str(i): {} for i in range(mesh.count)}
        for (a, b), length_m in zip(mesh.pairs[usable].tolist(), link_m[usable] / LIGHT_M_PER_S, strict=True):
            adjacency[str(a)][str(b)] = adjacency[str(b)][str(a)] = float(length_m)
        adjacency["up"] = {str(s): float(ground_m[source, s] / LIGHT_M_PER_S) for s in np.nonzero(in_view[source])[0]}
        delays, _ = least_delay(adjacency, "up")
        expected = [delays.get(str(i), np.inf) for i in range(mesh.count)]
        np.testing.assert_allclose(ways.delays_s[source], expected, rtol=1e-12)
        for target in range(4):
            path = mesh.path(ways, source, int(last[source, target]))
            if np.isfinite(total_s[source, target]):
                way_m = ground_m[source, path[0]] + ground_m[target, path[-1]]
                lengths = {tuple(pair): length for pair, length in zip(mesh.pairs.tolist(), link_m, strict=True)}
                way_m += sum(lengths[min(a, b), max(a, b)] for a, b in itertools.pairwise(path))
                assert total_s[source, target] == pytest.approx(way_m / LIGHT_M_PER_S, rel=1e-12)


def test_a_station_that_sees_nobody_has_no_way(circular, turning) -> None:
    mesh, link_m, usable, ground_m, in_view = step(circular, turning, 20, 20)
    assert not in_view[3].any()
    ways = mesh.ways(link_m, usable, ground_m, in_view)
    total_s, last = mesh.between(ways, ground_m, in_view)
    assert np.isinf(ways.delays_s[3]).all()
    assert np.isinf(total_s[3]).all()
    assert mesh.path(ways, 3, int(last[3, 0])) == []
    assert np.isfinite(total_s[:3, :3]).all()
