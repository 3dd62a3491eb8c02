"""Synthetic vessels with wakes on open water, found again as the peaks of a heat map.

Everything here is SYNTHETIC: hulls are smooth boxes, wakes two fading arms and a bright streak, on the water and
under the optics of `workloads/scenery/scenes.py`. A pixel is 10 m, as Sentinel-2's (ESA user handbook).
Rules: no file, no clock; all randomness comes in as an argument.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from workloads.scenery.scenes import CLOUD, GLINT_SHARE, TILE_PX, Bands, Field, fractal, look, mix, optical_depth

PIXEL_M = 10.0  # ESA Sentinel-2 user handbook: blue, green, red and near-infrared
MATCH_M = 50.0  # a detection this near a vessel's centre is that vessel: half a large ship's length [guess]
LENGTHS_M = (30.0, 350.0)  # from a trawler to a container ship [guess]
LENGTH_TO_BEAM = 6.5  # of merchant ships: Schneekluth and Bertram 1998, Ship Design, chapter 1: 6 to 7
KELVIN_DEG = 19.47  # half angle of a ship's wake in deep water, arcsin(1/3): Kelvin 1887
HULL_REFLECTANCE = (0.10, 0.45)  # paint, rust, deck cargo [guess]
MOORED_SHARE = 0.3  # of vessels make no way, so no wake [guess]
MOST_VESSELS = 6  # on one tile [guess]
EMPTY_SHARE = 0.25  # of tiles hold no vessel [guess]
CLOUDY_SHARE = 0.5  # of tiles have small clouds, which look like vessels [guess]
STRIDE_PX = 2  # pixels to a cell of the heat map
PEAK_CELLS = 3  # a peak is the largest of its cell's 3 x 3 neighbours (Zhou et al. 2019, "Objects as Points")
WHITECAPS_PER_TILE = 12  # mean number of bright single pixels [guess]


@dataclass(frozen=True)
class VesselScene:
    """Open water: `bands` (4, n, n), the clear vessels' centres (k, 2) as (row, column) in pixels, lengths (k,)."""

    bands: Bands
    centres_px: Field
    lengths_m: Field


def vessel_scene(rng: np.random.Generator, size_px: int = TILE_PX) -> VesselScene:
    """One tile of open water with up to MOST_VESSELS vessels; those whose centre lies under cloud are no truth."""
    sea = mix("clear water", "silty water", fractal(rng, size_px, 3.2) + rng.normal(0.0, 1.0))
    sea = sea + rng.uniform(0.001, 0.006) * fractal(rng, size_px, 1.2)
    if rng.random() < GLINT_SHARE:
        sea = sea + rng.uniform(0.02, 0.2) * (1 + 0.15 * fractal(rng, size_px, 1.5))
    for row, column in rng.integers(0, size_px, size=(int(rng.poisson(WHITECAPS_PER_TILE)), 2)):
        sea[:, row, column] += rng.uniform(0.01, 0.06)
    count = 0 if rng.random() < EMPTY_SHARE else int(rng.integers(1, MOST_VESSELS + 1))
    centres = rng.uniform(4, size_px - 5, size=(count, 2))
    lengths_m = np.exp(rng.uniform(np.log(LENGTHS_M[0]), np.log(LENGTHS_M[1]), size=count))
    for centre, length_m in zip(centres, lengths_m, strict=True):
        sea = _sail(rng, sea, centre, length_m / PIXEL_M)
    cover = rng.uniform(0.0, 0.25) if rng.random() < CLOUDY_SHARE else 0.0
    depth = optical_depth(rng, size_px, cover) if cover else np.zeros((size_px, size_px))
    sun_cosine = float(np.cos(np.radians(rng.uniform(15.0, 65.0))))
    tile = look(rng, np.clip(sea, 0.0, 0.98), np.ones((size_px, size_px), bool), depth, sun_cosine)
    rows, columns = np.rint(centres).astype(int).T if count else (np.zeros(0, int), np.zeros(0, int))
    clear = tile.mask[rows, columns] != CLOUD
    return VesselScene(tile.bands, centres[clear], lengths_m[clear])


def _sail(rng: np.random.Generator, sea: Field, centre: Field, length_px: float) -> Field:
    """The sea (4, n, n) with one vessel on it: its hull over the water, its wake added astern."""
    heading = rng.uniform(0, 2 * np.pi)
    rows, columns = np.indices(sea.shape[1:]) - centre[:, None, None]
    ahead, abeam = (
        columns * np.cos(heading) + rows * np.sin(heading),
        rows * np.cos(heading) - columns * np.sin(heading),
    )
    if rng.random() >= MOORED_SHARE:
        astern = np.maximum(-ahead - length_px / 2, 0.0)
        reach = length_px * rng.uniform(3.0, 12.0)
        fading = np.where(ahead < -length_px / 2, np.exp(-astern / reach), 0.0)
        streak = np.exp(-((abeam / (1 + 0.03 * astern)) ** 2))
        arms = np.exp(-((np.abs(abeam) - astern * np.tan(np.radians(KELVIN_DEG))) ** 2) / 2)
        sea = sea + fading * (rng.uniform(0.02, 0.08) * streak + rng.uniform(0.0, 0.03) * arms)
    beam_px = max(length_px / LENGTH_TO_BEAM, 1.0)  # narrower hulls fill a part of their pixels, as drawn below
    covered = np.clip(0.5 + length_px / 2 - np.abs(ahead), 0, 1) * np.clip(0.5 + beam_px / 2 - np.abs(abeam), 0, 1)
    hull = rng.uniform(*HULL_REFLECTANCE) * rng.uniform(0.8, 1.2, size=(4, 1, 1))
    return np.asarray(sea * (1 - covered) + hull * covered)


def heat_map(scene: VesselScene) -> NDArray[np.float32]:
    """What a detector is trained towards, (n / 2, n / 2): 1 in the cell of each centre, a Gaussian around it."""
    cells = scene.bands.shape[-1] // STRIDE_PX
    places = np.arange(cells)
    heat = np.zeros((cells, cells))
    for row, column in np.minimum(scene.centres_px // STRIDE_PX, cells - 1):
        near = np.exp(-((places - row)[:, None] ** 2 + (places - column)[None, :] ** 2) / 2)
        heat = np.maximum(heat, near)
    return heat.astype(np.float32)


def peaks(heat: NDArray[np.float32], threshold: float) -> Field:
    """The detections of a heat map (m, m), best first: (k, 3) of row and column in pixels, and score.

    A peak is the largest of its neighbourhood; of equal neighbours, which int8 makes, the first counts.
    """
    highest = (heat == maximum_filter(heat, PEAK_CELLS)) & (heat >= threshold)
    rows, columns = np.nonzero(highest)
    found: list[tuple[int, int]] = []
    for place in np.argsort(-heat[rows, columns], kind="stable"):
        row, column = int(rows[place]), int(columns[place])
        if all(max(abs(row - r), abs(column - c)) >= PEAK_CELLS // 2 + 1 for r, c in found):
            found.append((row, column))
    centre = STRIDE_PX / 2 - 0.5
    return np.array([(r * STRIDE_PX + centre, c * STRIDE_PX + centre, heat[r, c]) for r, c in found]).reshape(-1, 3)


def match(detections_px: Field, centres_px: Field, match_m: float = MATCH_M) -> int:
    """How many detections (k, 2 or 3), best first, find a vessel of their own within `match_m`."""
    left = [np.asarray(centre) for centre in centres_px]
    hits = 0
    for row, column in detections_px[:, :2]:
        distances_m = [float(np.hypot(*(centre - (row, column)))) * PIXEL_M for centre in left]
        if distances_m and min(distances_m) <= match_m:
            left.pop(int(np.argmin(distances_m)))
            hits += 1
    return hits
