"""Who gets the terminals and antennas over time, from timelines of what geometry allows.

Lasers are decided on every multiple of `DECISION_S` and whenever a candidate pair comes into or out of sight (of more
than `EVENTFUL_PAIRS` candidates only on the multiples; a link out of sight is lost at once in any case): links that
are still seen and wanted are kept, then the wanted ones are granted nearest first (`links/topology.py`). A link chosen
at 0 counts as already acquired. Radios are decided whenever a satellite rises or sets: a contact once begun is
kept until the satellite sets; a free antenna takes the free satellite in view that stays longest. Ties go by name.
"""

from collections.abc import Sequence

import numpy as np

from links.contacts import ACQUIRING, NO_FREE_TERMINAL, NOT_CHOSEN
from links.geometry import ranges_m
from links.laser import LaserTerminals
from links.topology import Flags, Topology, grant, wanted_links
from links.tracks import Index, Track
from links.trajectories import Array
from links.visibility import VISIBLE, Timeline

UP = "up"
LINKED = "linked"
DECISION_S = 60.0
EVENTFUL_PAIRS = 10_000


def laser_schedule(
    track: Track, pairs: Index, seen: list[Timeline], topology: Topology, laser: LaserTerminals, plane: Sequence[int],
) -> list[Timeline]:  # fmt: skip
    """Per pair (P, 2) its states over time: `up`, `acquiring`, `no_free_terminal`, `not_chosen`, or why not seen."""
    states: list[Timeline] = [[] for _ in seen]
    changes = sorted((t, at, state) for at, timeline in enumerate(seen) for t, state in timeline)
    visible = np.zeros(len(pairs), dtype=np.bool_)
    linked = visible.copy()
    before = np.zeros(len(pairs), dtype=np.intp)
    done = 0
    stop_s = float(track.grid_s[-1])
    for now_s in _decision_times(seen, stop_s):
        while done < len(changes) and changes[done][0] <= now_s:
            changed_s, at, state = changes[done]
            visible[at] = state == VISIBLE
            linked[at] = linked[at] and visible[at]
            before[at] = 1 if visible[at] else 0
            states[at].append((changed_s, NOT_CHOSEN if visible[at] else state))
            done += 1
        if now_s == stop_s:  # only told what changed since the last decision
            break
        wanted, linked = _decide(track, pairs, visible, linked, now_s, topology, laser, plane)
        code = np.where(linked, 3, np.where(wanted, 2, np.where(visible, 1, 0)))
        for at in np.nonzero(code != before)[0].tolist():
            states[at].append((now_s, ("", NOT_CHOSEN, NO_FREE_TERMINAL, LINKED)[code[at]]))
        before = code
    return [_acquire(timeline, laser.acquisition_s) for timeline in states]


def _decision_times(seen: list[Timeline], stop_s: float) -> list[float]:
    times = {stop_s}.union((np.arange(int(np.ceil(stop_s / DECISION_S))) * DECISION_S).tolist())
    if len(seen) <= EVENTFUL_PAIRS:
        times.update(t for timeline in seen for t, _ in timeline if t < stop_s)
    return sorted(times)


def _decide(
    track: Track, pairs: Index, visible: Flags, linked: Flags, now_s: float,
    topology: Topology, laser: LaserTerminals, plane: Sequence[int],
) -> tuple[Flags, Flags]:  # fmt: skip
    nodes = np.arange(len(track.positions_m))
    now = np.full(len(nodes), now_s)
    positions, velocities = track.positions(nodes, now), track.velocities(nodes, now)
    rounded_m = rounded_ranges_m(positions, pairs)
    wanted = wanted_links(topology, pairs, visible, positions, velocities, rounded_m, plane)
    return wanted, grant(pairs, linked, wanted, rounded_m, laser.per_satellite, len(nodes))


def rounded_ranges_m(positions_m: Array, pairs: Index) -> Array:
    """Ranges (P,) in metres of pairs (P, 2) between positions (n, 3), rounded to 1e-3 m: what decisions compare."""
    return np.round(ranges_m(positions_m[pairs[:, 0]], positions_m[pairs[:, 1]]), 3)


def _acquire(timeline: Timeline, acquisition_s: float) -> Timeline:
    """Replace each `linked` stretch by `acquiring`, then `up`; one that begins at 0 is up at once."""
    found: Timeline = []
    for at, (start_s, state) in enumerate(timeline):
        if state != LINKED:
            found.append((start_s, state))
            continue
        up_s = start_s if start_s == 0.0 else round(start_s + acquisition_s, 6)
        if up_s > start_s:
            found.append((start_s, ACQUIRING))
        if at + 1 == len(timeline) or up_s < timeline[at + 1][0]:
            found.append((up_s, UP))
    return found


def antenna_schedule(
    pairs: Index, seen: list[Timeline], antennas: Sequence[int], satellites: int, stop_s: float
) -> list[Timeline]:
    """Per pair (P, 2) of satellite and site its states over time: `up`, `no_free_terminal` or `below_mask`.

    A free antenna takes the visible satellite that has had least antenna time so far, then the one that stays
    longest, and keeps it until it sets. It knows nothing of what there is to send.
    """
    states: list[Timeline] = [[] for _ in seen]
    free_antennas = list(antennas)
    busy = [False] * satellites
    served_s = [0.0] * satellites  # antenna time given to each so far
    sets_s: dict[int, float] = {}  # pairs in view, and until when
    serving: set[int] = set()
    events: dict[float, list[tuple[int, str, float]]] = {}
    for at, timeline in enumerate(seen):
        for i, (start_s, state) in enumerate(timeline):
            end_s = timeline[i + 1][0] if i + 1 < len(timeline) else stop_s
            events.setdefault(start_s, []).append((at, state, end_s))
    place = [(int(satellite), int(site)) for satellite, site in pairs]
    for now_s in sorted(events):
        waiting_before = set(sets_s) - serving
        for at, state, end_s in events[now_s]:
            if state == VISIBLE:
                sets_s[at] = end_s
                continue
            states[at].append((now_s, state))
            sets_s.pop(at, None)
            if at in serving:
                serving.discard(at)
                busy[place[at][0]] = False
                free_antennas[place[at][1]] += 1
        for at in sorted(set(sets_s) - serving, key=lambda at: (served_s[place[at][0]], -sets_s[at], at)):
            satellite, site = place[at]
            if not busy[satellite] and free_antennas[site] > 0:
                busy[satellite] = True
                served_s[satellite] += sets_s[at] - now_s
                free_antennas[site] -= 1
                serving.add(at)
                states[at].append((now_s, UP))
            elif at not in waiting_before:
                states[at].append((now_s, NO_FREE_TERMINAL))
    return states
