"""Builds the one contact plan of a run: laser links between satellites, radio downlinks to stations.

Visibility (`links/visibility.py`), then who gets a terminal (`links/schedule.py`), then delay, range and rate of
every stretch that is up (`links/knots.py`).
"""

from math import isfinite

import numpy as np

from links.contacts import ACQUIRING, NO_FREE_TERMINAL, NOT_CHOSEN, UPLINK, Contact, ContactPlan, Gap
from links.errors import LinkError
from links.geometry import horizon_m, ranges_m
from links.knots import Stretch, laser_contacts, radio_contacts
from links.network import FULL_PAIRS, Network, Sorted
from links.schedule import UP, antenna_schedule, laser_schedule
from links.tracks import Index, Track, sample_grid
from links.visibility import VISIBLE, Timeline, laser_timelines, radio_timelines

WANTED = (UP, ACQUIRING, NO_FREE_TERMINAL)
MAX_SAMPLES = 100_000_000  # pairs x instants of the sample grid that a plan is tried for: a minute or so


def build_plan(network: Network, duration_s: float) -> ContactPlan:
    """The contact plan from 0 to `duration_s`.

    Raises LinkError for a network that cannot be, a duration that is not positive, more pairs than can be searched,
    or a fixed pair that never sees each other: behind the Earth or too far apart all the time.
    """
    if not (isfinite(duration_s) and duration_s > 1e-6):
        raise LinkError(f"the plan's duration is {duration_s!r} s; it must be a positive number of seconds")
    duration_s = float(round(duration_s, 6))
    nodes = Sorted(network)
    grid_s = sample_grid(duration_s)
    samples = len(grid_s) * max(len(nodes.laser_pairs()), len(nodes.radio_pairs))
    if samples > MAX_SAMPLES:
        raise LinkError(
            f"{len(nodes.names)} satellites, topology {network.topology.kind!r} and {duration_s:g} s make {samples} "
            f"samples of pairs, more than {MAX_SAMPLES}; use '+grid', 'ring' or 'fixed', or a shorter time"
        )
    track = Track.of(network.satellites, nodes.order, grid_s)
    contacts, gaps = _lasers(nodes, track, duration_s)
    if network.sites is not None and nodes.site_names:
        sites = Track.of(network.sites, nodes.site_order, grid_s)
        radio, no_radio = _radios(nodes, track, sites, duration_s)
        contacts, gaps = contacts + radio + _uplinks(radio, network.uplink.bits_per_s), gaps + no_radio
    contacts.sort(key=lambda c: (c.start_s, c.a, c.b))
    gaps.sort(key=lambda g: (g.start_s, g.a, g.b))
    return ContactPlan(duration_s, tuple(contacts), tuple(gaps))


def _lasers(nodes: Sorted, track: Track, duration_s: float) -> tuple[list[Contact], list[Gap]]:
    pairs, network = nodes.laser_pairs(), nodes.network
    seen = laser_timelines(track, pairs, network.laser)
    number = {(a, b): at for at, (a, b) in enumerate(pairs.tolist())}
    chosen = [number[a, b] for a, b in nodes.candidates.tolist()]
    candidates_seen = [seen[at] for at in chosen]
    if network.topology.kind == "fixed":
        _refuse_impossible(nodes, track, candidates_seen)
    states = [[(t, NOT_CHOSEN if state == VISIBLE else state) for t, state in timeline] for timeline in seen]
    decided = laser_schedule(track, nodes.candidates, candidates_seen, network.topology, network.laser, nodes.plane)
    for at, timeline in zip(chosen, decided, strict=True):
        states[at] = timeline
    if len(nodes.names) > FULL_PAIRS and network.topology.kind not in ("+grid", "fixed"):
        wanted = [at for at, timeline in enumerate(states) if any(state in WANTED for _, state in timeline)]
        pairs, states = pairs[wanted], [states[at] for at in wanted]
    up, gaps = _split(states, pairs, nodes.names, nodes.names, duration_s)
    return laser_contacts(track, nodes.names, up, network.laser), gaps


def _radios(nodes: Sorted, track: Track, sites: Track, duration_s: float) -> tuple[list[Contact], list[Gap]]:
    pairs = nodes.radio_pairs
    seen = radio_timelines(track, sites, pairs, nodes.masks_rad)
    states = antenna_schedule(pairs, seen, nodes.antennas, len(nodes.names), duration_s)
    up, gaps = _split(states, pairs, nodes.names, nodes.site_names, duration_s)
    return radio_contacts(track, sites, nodes.names, nodes.site_names, up, nodes.network.downlink), gaps


def _uplinks(radio: list[Contact], bits_per_s: float) -> list[Contact]:
    """The same stretches seen from the station, at a constant rate; none where the rate is 0."""
    if bits_per_s <= 0.0:
        return []
    return [
        Contact(
            c.b, c.a, UPLINK, c.start_s, c.stop_s, c.step_s, c.delay_ba_s, c.slope_ba, c.delay_ab_s, c.slope_ab,
            c.range_m, (max(1.0, float(round(bits_per_s))),) * len(c.bits_per_s),
        )
        for c in radio
    ]  # fmt: skip


def _split(
    states: list[Timeline], pairs: Index, a_names: list[str], b_names: list[str], duration_s: float
) -> tuple[list[Stretch], list[Gap]]:
    """Timelines cut into stretches that are up and gaps; equal neighbours joined, nothing of no length."""
    up: list[Stretch] = []
    gaps: list[Gap] = []
    for (a, b), timeline in zip(pairs.tolist(), states, strict=True):
        pieces: list[tuple[float, float, str]] = []
        for at, (start_s, state) in enumerate(timeline):
            stop_s = min(timeline[at + 1][0], duration_s) if at + 1 < len(timeline) else duration_s
            if pieces and pieces[-1][2] == state and stop_s > start_s:
                pieces[-1] = (pieces[-1][0], stop_s, state)
            elif stop_s > start_s:
                pieces.append((start_s, stop_s, state))
        for start_s, stop_s, state in pieces:
            if state == UP:
                up.append((a, b, start_s, stop_s))
            else:
                gaps.append(Gap(a_names[a], b_names[b], start_s, stop_s, state))
    return up, gaps


def _refuse_impossible(nodes: Sorted, track: Track, seen: list[Timeline]) -> None:
    """Raises LinkError, naming range and horizon, for each fixed pair that is never in sight."""
    impossible = []
    laser = nodes.network.laser
    for (a, b), timeline in zip(nodes.candidates.tolist(), seen, strict=True):
        if any(state == VISIBLE for _, state in timeline):
            continue
        ranges = ranges_m(track.positions_m[a], track.positions_m[b])
        at = int(np.argmin(ranges))
        horizon = float(horizon_m(track.positions_m[a, at], track.positions_m[b, at], laser.grazing_altitude_m))
        impossible.append(
            f"{nodes.names[a]}-{nodes.names[b]} (closest {ranges[at] / 1e3:.1f} km at {track.grid_s[at]:g} s, "
            f"horizon {horizon / 1e3:.1f} km)"
        )
    if impossible:
        raise LinkError(
            f"topology pairs that never see each other within {track.grid_s[-1]:g} s: {', '.join(impossible)}; "
            f"a ray must pass {laser.grazing_altitude_m / 1e3:g} km up, over at most {laser.max_range_m / 1e3:g} km"
        )
