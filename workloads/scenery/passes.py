"""Synthetic passes over the same place: one landscape under other light, cloud and noise, and what changed between.

Everything here is SYNTHETIC, made of the surfaces and the optics of `workloads/scenery/scenes.py`.
Rules: no file, no clock; all randomness comes in as an argument.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.scenery.scenes import (
    CLOUD,
    SURFACES,
    TILE_PX,
    Bands,
    Field,
    Mask,
    Surface,
    Tile,
    fractal,
    look,
    optical_depth,
    surface,
)

MEAN_CLOUD_FRACTION = 0.25  # of passes worth comparing: a screen has let them through [guess]
COVER_CONCENTRATION = 1.0  # sum of the two Beta parameters: mostly clear, some half covered [guess]
GREENNESS = 0.1  # largest share by which near-infrared differs between two passes: vegetation's season [guess]
REGISTRATION_PX = 1  # largest error of registration of two passes, pixels [guess]
UNCHANGED_SHARE = 0.4  # of pairs hold no change at all [guess]
LEAST_DIFFERENCE = 0.04  # mean difference of reflectance over the bands from which a pixel truly changed [guess]
# Charred ground after a fire: dark, its near-infrared gone; read off Pereira and Setzer 1993, IJRS 14(11) 2061 [guess]
BURNT = (0.04, 0.045, 0.05, 0.10)
CHANGES = {  # what a place turns into, and its reflectance in the four bands
    "burn": BURNT,
    "flood": SURFACES["silty water"],
    "building": SURFACES["roofs"],
    "clearing": SURFACES["soil"],
}


@dataclass(frozen=True)
class ChangePair:
    """Two registered passes, `before` and `after` (4, n, n), and `changed` (n, n) uint8, 1 where change can be seen.

    A pixel under cloud in either pass counts as unchanged: nothing can be seen there. `kinds` says what was put in.
    """

    before: Bands
    after: Bands
    changed: Mask
    kinds: tuple[str, ...]


def overpass(rng: np.random.Generator, ground: Surface, reflectance: Field | None = None) -> Tile:
    """One pass over `ground`, or over that ground with another `reflectance` (4, n, n): new light, cloud and noise."""
    seen = ground.reflectance if reflectance is None else reflectance
    size_px = seen.shape[-1]
    sun_cosine = float(np.cos(np.radians(rng.uniform(15.0, 65.0))))
    mean = MEAN_CLOUD_FRACTION * COVER_CONCENTRATION
    depth = optical_depth(rng, size_px, float(rng.beta(mean, COVER_CONCENTRATION - mean)))
    season = np.ones((4, 1, 1))
    season[3] += rng.uniform(-GREENNESS, GREENNESS)
    return look(rng, np.clip(seen * season, 0.0, 0.98), ground.water, depth, sun_cosine)


def shifted(tile: Tile, rows: int, columns: int) -> Tile:
    """The tile moved by whole pixels; fields are periodic, so what leaves on one side comes in on the other."""
    return Tile(np.roll(tile.bands, (rows, columns), (1, 2)), np.roll(tile.mask, (rows, columns), (0, 1)))


def same_place(rng: np.random.Generator, most_shift_px: int = 16, size_px: int = TILE_PX) -> tuple[Tile, Tile]:
    """Two passes over one landscape, the second shifted by up to `most_shift_px` each way: a query and its match."""
    ground = surface(rng, size_px)
    first, second = overpass(rng, ground), overpass(rng, ground)
    rows, columns = (int(each) for each in rng.integers(-most_shift_px, most_shift_px + 1, size=2))
    return first, shifted(second, rows, columns)


def change_pair(rng: np.random.Generator, size_px: int = TILE_PX) -> ChangePair:
    """Two passes over one landscape, with up to four changes between them, or none."""
    ground = surface(rng, size_px)
    later, kinds = ground.reflectance.copy(), []
    if rng.random() >= UNCHANGED_SHARE:
        for _ in range(int(rng.integers(1, 5))):
            kind = list(CHANGES)[int(rng.integers(len(CHANGES)))]
            where = _patch(rng, size_px, square=kind == "building")
            grain = 1 + 0.05 * fractal(rng, size_px, 1.5)
            later[:, where] = (np.array(CHANGES[kind])[:, None, None] * grain)[:, where]
            kinds.append(kind)
    before, after = overpass(rng, ground), overpass(rng, ground, np.clip(later, 0.0, 0.98))
    rows, columns = (int(each) for each in rng.integers(-REGISTRATION_PX, REGISTRATION_PX + 1, size=2))
    truly = np.abs(later - ground.reflectance).mean(axis=0) >= LEAST_DIFFERENCE
    clear = (before.mask != CLOUD) & (after.mask != CLOUD)
    moved = shifted(after, rows, columns)
    return ChangePair(before.bands, moved.bands, (truly & clear).astype(np.uint8), tuple(kinds))


def _patch(rng: np.random.Generator, size_px: int, *, square: bool) -> NDArray[np.bool_]:
    """Where a change lies, (n, n): a ragged blob, or a rectangle, 6 to 40 pixels across."""
    row, column = rng.uniform(0, size_px, size=2)
    across = np.exp(rng.uniform(np.log(6.0), np.log(40.0), size=2)) / 2
    places = np.arange(size_px)
    down, right = (np.abs(places - row)[:, None] / across[0], np.abs(places - column)[None, :] / across[1])
    if square:
        return np.asarray((down <= 1) & (right <= 1))
    return np.asarray(np.hypot(down, right) + 0.25 * fractal(rng, size_px, 2.5) <= 1)
