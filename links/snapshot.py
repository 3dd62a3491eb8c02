"""Every pair at a single instant: connected or why not, in sight or not, how far, how long and how fast."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from links.contacts import LASER, NO_FREE_TERMINAL, NOT_CHOSEN, RADIO, Contact, ContactPlan
from links.errors import LinkError
from links.geometry import EARTH_RADIUS_M, LIGHT_M_PER_S, light_time_s, ranges_m, ray_height_m, sin_elevation
from links.network import Network, Sorted
from links.schedule import UP
from links.topology import Flags, grant, wanted_links
from links.tracks import Index
from links.trajectories import Array
from links.visibility import BELOW_MASK, BLOCKED, TOO_FAR


class LinkState(msgspec.Struct, frozen=True):
    """One pair at one instant. `delay_s` is `range_m` at the speed of light, both ends where they are at the instant;
    `light_time_s` is what a message from a meets, b having moved on when it arrives (0.14 us apart at most in low
    orbit). All three are given for pairs out of sight too, as if nothing stood between.
    """

    a: str
    b: str
    kind: str
    up: bool
    reason: str  # "" if up
    visible: bool
    range_m: float
    delay_s: float
    light_time_s: float
    bits_per_s: float  # 0 unless visible


def snapshot(network: Network, t_s: float, plan: ContactPlan | None = None) -> tuple[LinkState, ...]:
    """Every listed pair at `t_s`, satellites first, by name.

    With a plan, its contacts and gaps say what is up; without, the topology is decided afresh at `t_s` as if every
    terminal and antenna were free and every link acquired (antennas then take the nearest satellite).
    Raises LinkError for a network that cannot be or an instant that the plan does not cover.
    """
    if not np.isfinite(t_s):
        raise LinkError(f"the instant is {t_s!r} s; it must be a finite number of seconds since the epoch")
    nodes = Sorted(network)
    times = np.array([t_s])
    positions, velocities = (states[nodes.order, 0] for states in network.satellites.states(times))
    found = _lasers(nodes, positions, velocities)
    if network.sites is not None and nodes.site_names:
        site_states = [states[nodes.site_order, 0] for states in network.sites.states(times)]
        zeniths = network.sites.zeniths(times)[nodes.site_order, 0]
        found += _radios(nodes, positions, velocities, site_states[0], site_states[1], zeniths)
    return tuple(found if plan is None else _as_planned(found, plan, t_s))


def _as_planned(found: list[LinkState], plan: ContactPlan, t_s: float) -> list[LinkState]:
    listed = plan.at(t_s)
    planned = []
    for link in found:
        item = listed.get((link.a, link.b))
        up = isinstance(item, Contact)
        reason = "" if isinstance(item, Contact) else (NOT_CHOSEN if item is None else item.reason)
        planned.append(msgspec.structs.replace(link, up=up, reason=reason))
    return planned


def _lasers(nodes: Sorted, positions_m: Array, velocities_m_per_s: Array) -> list[LinkState]:
    network, pairs = nodes.network, nodes.laser_pairs()
    a, b = pairs.T
    range_m = np.round(ranges_m(positions_m[a], positions_m[b]), 3)
    clear = ray_height_m(positions_m[a], positions_m[b]) >= EARTH_RADIUS_M + network.laser.grazing_altitude_m
    visible = clear & (range_m <= network.laser.max_range_m)
    candidate = np.isin(pairs @ [len(nodes.names), 1], nodes.candidates @ [len(nodes.names), 1])
    wanted = candidate & wanted_links(
        network.topology, pairs, visible & candidate, positions_m, velocities_m_per_s, range_m, nodes.plane
    )
    up = grant(pairs, np.zeros_like(wanted), wanted, range_m, network.laser.per_satellite, len(nodes.names))
    why = np.select([up, wanted, visible, clear], [UP, NO_FREE_TERMINAL, NOT_CHOSEN, TOO_FAR], BLOCKED)
    light_s, _ = light_time_s(positions_m[a], velocities_m_per_s[a], positions_m[b], velocities_m_per_s[b])
    rate = np.where(visible, network.laser.rate_bits_per_s(range_m), 0.0)
    return _states(nodes.names, nodes.names, pairs, LASER, why, visible, (range_m, light_s, rate))


def _radios(
    nodes: Sorted, positions_m: Array, velocities_m_per_s: Array,
    site_m: Array, site_m_per_s: Array, zeniths: Array,
) -> list[LinkState]:  # fmt: skip
    pairs = nodes.radio_pairs
    a, b = pairs.T
    range_m = np.round(ranges_m(positions_m[a], site_m[b]), 3)
    visible = sin_elevation(site_m[b], zeniths[b], positions_m[a]) >= np.sin(nodes.masks_rad)[b]
    free = list(nodes.antennas)
    busy: set[int] = set()
    why = np.where(visible, NO_FREE_TERMINAL, BELOW_MASK)
    order = np.argsort(range_m, kind="stable")
    for at in order[visible[order]].tolist():
        if int(a[at]) not in busy and free[b[at]] > 0:
            busy.add(int(a[at]))
            free[b[at]] -= 1
            why[at] = UP
    light_s, _ = light_time_s(positions_m[a], velocities_m_per_s[a], site_m[b], site_m_per_s[b])
    rate = np.where(visible, nodes.network.downlink.rate_bits_per_s(range_m), 0.0)
    return _states(nodes.names, nodes.site_names, pairs, RADIO, why, visible, (range_m, light_s, rate))


def _states(
    a_names: list[str], b_names: list[str], pairs: Index, kind: str, why: NDArray[np.str_], visible: Flags,
    numbers: tuple[Array, Array, Array],
) -> list[LinkState]:  # fmt: skip
    range_m, light_s, rate = numbers
    columns = (range_m, np.round(range_m / LIGHT_M_PER_S, 10), np.round(light_s, 10), np.round(rate))
    states = zip(pairs.tolist(), why.tolist(), visible.tolist(), *(c.tolist() for c in columns), strict=True)
    return [
        LinkState(a_names[a], b_names[b], kind, reason == UP, "" if reason == UP else reason, *rest)
        for (a, b), reason, *rest in states
    ]
