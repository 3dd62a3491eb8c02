"""Delay, range and rate along every stretch of a plan that is up, on uniform knots.

Steps are at most 60 s for lasers and 10 s for radios, and are halved, down to 1 s, where the Hermite interpolant
would miss the light time by more than 1e-8 s halfway between two knots. Everything is rounded as
`links/contacts.py` says.
"""

from collections.abc import Callable
from math import ceil

import numpy as np

from links.contacts import LASER, RADIO, Contact, Kind
from links.geometry import light_time_s, ranges_m
from links.laser import LaserTerminals
from links.radio import Downlink
from links.tracks import Index, Track
from links.trajectories import Array

Stretch = tuple[int, int, float, float]  # numbers of a and b, start_s, stop_s
States = tuple[Array, Array]  # positions and velocities (k, 3)

LASER_STEP_S = 60.0
RADIO_STEP_S = 10.0
LEAST_STEP_S = 1.0
DELAY_ERROR_S = 1e-8  # 3 m, a hundredth of what the 1 us of Hypatia's vectors asks for


def laser_contacts(track: Track, names: list[str], up: list[Stretch], laser: LaserTerminals) -> list[Contact]:
    """Contacts of stretches between satellites, in the order given."""

    def rate(range_m: Array) -> Array:
        return laser.rate_bits_per_s(np.minimum(range_m, laser.max_range_m))  # rounded times may end 1 cm too far

    return _contacts(track, track, names, names, up, LASER, LASER_STEP_S, rate)


def radio_contacts(
    satellites: Track, sites: Track, names: list[str], site_names: list[str], up: list[Stretch], downlink: Downlink
) -> list[Contact]:
    """Contacts of stretches from satellites to sites, in the order given."""
    rate = downlink.budget().rate_bits_per_s
    return _contacts(satellites, sites, names, site_names, up, RADIO, RADIO_STEP_S, rate)


def _contacts(
    a_track: Track, b_track: Track, a_names: list[str], b_names: list[str], up: list[Stretch],
    kind: Kind, step_s: float, rate: Callable[[Array], Array],
) -> list[Contact]:  # fmt: skip
    found: dict[int, Contact] = {}
    steps = {at: ceil((stop_s - start_s) / step_s) for at, (_, _, start_s, stop_s) in enumerate(up)}
    while steps:
        sampled = _sample(a_track, b_track, [(*up[at], n) for at, n in steps.items()])
        finer: dict[int, int] = {}
        first = 0
        for at, n in steps.items():
            a, b, start_s, stop_s = up[at]
            size_s = (stop_s - start_s) / n
            part = [values[first : first + 2 * n + 1] for values in sampled]
            first += 2 * n + 1
            if size_s > 2.0 * LEAST_STEP_S and _error_s(part, size_s) > DELAY_ERROR_S:
                finer[at] = 2 * n
                continue
            knots = [values[::2] for values in part]
            bits_per_s = np.maximum(np.round(rate(0.5 * (knots[4][1:] + knots[4][:-1]))), 1.0)
            rows = [tuple(values.tolist()) for values in (*knots, bits_per_s)]
            found[at] = Contact(a_names[a], b_names[b], kind, start_s, stop_s, size_s, *rows)
        steps = finer
    return [found[at] for at in range(len(up))]


def _sample(a_track: Track, b_track: Track, wanted: list[tuple[int, int, float, float, int]]) -> list[Array]:
    """Rounded delay and slope each way and range (K,) at the knots of all stretches and halfway between them."""
    counts = [2 * n + 1 for *_, n in wanted]
    a = np.repeat(np.array([w[0] for w in wanted], dtype=np.intp), counts)
    b = np.repeat(np.array([w[1] for w in wanted], dtype=np.intp), counts)
    times_s = np.concatenate(
        [start_s + np.arange(2 * n + 1) * ((stop_s - start_s) / (2 * n)) for *_, start_s, stop_s, n in wanted]
    )
    here, there = _states(a_track, a, times_s), _states(b_track, b, times_s)
    out = [*light_time_s(*here, *there), *light_time_s(*there, *here), ranges_m(here[0], there[0])]
    return [np.round(values, digits) for values, digits in zip(out, (10, 12, 10, 12, 3), strict=True)]


def _states(track: Track, nodes: Index, times_s: Array) -> States:
    return track.positions(nodes, times_s), track.velocities(nodes, times_s)


def _error_s(sampled: list[Array], step_s: float) -> float:
    """How far the cubics of delay through every other sample miss the samples between, at most, both ways."""
    worst_s = 0.0
    for delays_s, slopes in (sampled[0:2], sampled[2:4]):
        knots_s, bends = delays_s[::2], slopes[::2]
        middle_s = 0.5 * (knots_s[1:] + knots_s[:-1]) + 0.125 * step_s * (bends[:-1] - bends[1:])
        worst_s = max(worst_s, float(np.abs(middle_s - delays_s[1::2]).max()))
    return worst_s
