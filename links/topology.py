"""Which satellites are meant to be joined by laser, and who gets a terminal when there are too few.

    ring         each satellite with its two neighbours along its plane, closed; the order is that of the argument
                 of latitude at the instant, so it holds for satellites that are not evenly spaced
    nearest-k    each satellite with the `k` nearest that it sees; a link is wanted if either end wants it
    +grid        slot j with slot j+1 of the same plane and with slot j of the next plane, both closed (Hypatia)
    all-visible  every pair that sees each other
    fixed        the pairs listed

Satellites are numbered in the order of their names, pairs are (P, 2) with the smaller number first. Ties are broken
by that order, never by the order in which nodes were added.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from links.checks import Problem, one_of, within
from links.errors import LinkError
from links.tracks import Index
from links.trajectories import Array

Flags = NDArray[np.bool_]
KINDS = ("ring", "nearest-k", "+grid", "all-visible", "fixed")


class Topology(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The wanted laser links; `k` counts for `nearest-k` only, `pairs` (of names) for `fixed` only."""

    kind: str = "ring"
    k: int = 4
    pairs: tuple[tuple[str, str], ...] = ()

    def problems(self) -> list[Problem]:
        """Every (field, message) that cannot be; empty if all is well."""
        found = one_of("kind", self.kind, KINDS) + within("k", self.k, 1, 64, "neighbours")
        if self.kind == "fixed" and not self.pairs:
            found.append(("pairs", "is empty; a fixed topology needs at least one pair of names"))
        if self.kind != "fixed" and self.pairs:
            found.append(("pairs", f"is given, but the kind is {self.kind!r}; pairs go with 'fixed' only"))
        seen: set[tuple[str, ...]] = set()
        for at, (a, b) in enumerate(self.pairs):
            if a == b:
                found.append((f"pairs[{at}]", f"joins {a!r} to itself; a link needs two satellites"))
            elif tuple(sorted((a, b))) in seen:
                found.append((f"pairs[{at}]", f"lists {a!r} and {b!r} a second time; name each pair once"))
            seen.add(tuple(sorted((a, b))))
        return found


def all_pairs(count: int) -> Index:
    """Every pair (P, 2) of `count` nodes, in order."""
    return np.stack(np.triu_indices(count, 1), axis=1)


def candidate_pairs(topology: Topology, names: Sequence[str], plane: Sequence[int], slot: Sequence[int]) -> Index:
    """Pairs (P, 2), in order, that the topology may ever want; `names` sorted, `plane` and `slot` parallel to them.

    Raises LinkError for a fixed pair with an unknown name.
    """
    if topology.kind == "fixed":
        number = {name: at for at, name in enumerate(names)}
        unknown = sorted({name for pair in topology.pairs for name in pair if name not in number})
        if unknown:
            some = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise LinkError(f"topology pairs name {', '.join(map(repr, unknown))}; the satellites are {some}")
        found = {(min(number[a], number[b]), max(number[a], number[b])) for a, b in topology.pairs}
    elif topology.kind == "+grid":
        found = _grid_pairs(plane, slot)
    else:
        pairs = all_pairs(len(names))
        planes = np.asarray(plane)
        return pairs[planes[pairs[:, 0]] == planes[pairs[:, 1]]] if topology.kind == "ring" else pairs
    return np.array(sorted(found), dtype=np.intp).reshape(-1, 2)


def _grid_pairs(plane: Sequence[int], slot: Sequence[int]) -> set[tuple[int, int]]:
    """Pairs of the +grid: neighbours in the plane, and the same slot of the next plane; both closed, none to itself."""
    place = {(p, s): at for at, (p, s) in enumerate(zip(plane, slot, strict=True))}
    if len(place) != len(plane):
        raise LinkError(f"+grid needs one plane and slot per satellite; {len(plane) - len(place)} are taken twice")
    planes = sorted(set(plane))
    found: set[tuple[int, int]] = set()
    for i, p in enumerate(planes):
        slots = sorted(s for q, s in place if q == p)
        for j, s in enumerate(slots):
            here = place[p, s]
            beside = place.get((planes[(i + 1) % len(planes)], s), here)
            for there in (place[p, slots[(j + 1) % len(slots)]], beside):
                if here != there:
                    found.add((min(here, there), max(here, there)))
    return found


def ring_neighbours(positions_m: Array, velocities_m_per_s: Array, plane: Sequence[int]) -> set[tuple[int, int]]:
    """Neighbours along each plane by argument of latitude, closed, from states (n, 3) at one instant.

    The angle is measured in the mean orbital plane of the satellites of a plane, from its ascending node, and rounded
    to 1e-9 rad so that last bits decide nothing.
    """
    found: set[tuple[int, int]] = set()
    planes = np.asarray(plane)
    for p in sorted(set(plane)):
        members = np.nonzero(planes == p)[0]
        normal = np.cross(positions_m[members], velocities_m_per_s[members]).sum(axis=0)
        normal = normal / max(float(np.linalg.norm(normal)), 1e-300)
        node = np.array([-normal[1], normal[0], 0.0])
        if float(np.linalg.norm(node)) < 1e-6:  # equatorial: no node, count from the x axis
            node = np.array([1.0, 0.0, 0.0])
        node = node / np.linalg.norm(node)
        ahead = positions_m[members] @ np.cross(normal, node)
        latitude = np.round(np.arctan2(ahead, positions_m[members] @ node), 9)
        order = members[np.argsort(latitude, kind="stable")].tolist()
        for a, b in zip(order, order[1:] + order[:1], strict=True):
            if a != b:
                found.add((min(a, b), max(a, b)))
    return found


def wanted_links(
    topology: Topology, pairs: Index, visible: Flags, positions_m: Array, velocities_m_per_s: Array,
    ranges_m: Array, plane: Sequence[int],
) -> Flags:  # fmt: skip
    """Which candidate pairs (P,) the topology wants at one instant, from states (n, 3) and ranges (P,) in metres."""
    if topology.kind == "ring":
        ring = ring_neighbours(positions_m, velocities_m_per_s, plane)
        return np.array([pair in ring for pair in map(tuple, pairs.tolist())], dtype=np.bool_) & visible
    if topology.kind == "nearest-k":
        return nearest(pairs, visible, ranges_m, topology.k)
    return visible.copy()


def nearest(pairs: Index, visible: Flags, ranges_m: Array, k: int) -> Flags:
    """Which pairs (P,) are among the `k` nearest visible ones of either end; ties by order of names."""
    seen = np.nonzero(visible)[0]
    ends = np.concatenate([pairs[seen, 0], pairs[seen, 1]])
    others = np.concatenate([pairs[seen, 1], pairs[seen, 0]])
    both = np.concatenate([seen, seen])
    order = np.lexsort((others, ranges_m[both], ends))
    sorted_ends = ends[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_ends, sorted_ends)
    wanted = np.zeros(len(pairs), dtype=np.bool_)
    wanted[both[order[rank < k]]] = True
    return wanted


def grant(pairs: Index, linked: Flags, wanted: Flags, ranges_m: Array, terminals: int, nodes: int) -> Flags:
    """Which pairs (P,) hold a link now: those linked and still wanted, then the wanted ones, nearest first.

    A link takes one terminal of each end; a pair is granted only while both ends have one free.
    """
    kept = linked & wanted
    used = np.bincount(pairs[kept].ravel(), minlength=nodes)
    fresh = np.nonzero(wanted & ~linked)[0]
    free = used < terminals
    fresh = fresh[free[pairs[fresh, 0]] & free[pairs[fresh, 1]]]
    for at in fresh[np.argsort(ranges_m[fresh], kind="stable")].tolist():
        a, b = pairs[at]
        if used[a] < terminals and used[b] < terminals:
            used[a] += 1
            used[b] += 1
            kept[at] = True
    return kept
