"""Labelled synthetic scenes for each role of a model, by seed: to train with, to quantise with, to score on.

Rules: scene `i` draws only from its own stream, so more of them keep the first. The three seeds are used by nothing
else: scenarios count theirs from 0.
"""

from workloads.scenery.captions import report
from workloads.scenery.passes import ChangePair, change_pair, overpass, same_place
from workloads.scenery.scenes import Tile, TileBank, surface
from workloads.scenery.vessels import VesselScene, vessel_scene
from workloads.streams import stream

TRAIN_SEED = 7001
CALIBRATION_SEED = 8001  # for the ranges of quantised activations
HELD_OUT_SEED = 9001


def tiles(count: int, seed: int) -> list[Tile]:
    """Tiles as scenarios have them, for cloud and water."""
    bank = TileBank(count, seed)
    return [bank.tile(index) for index in range(count)]


def vessel_scenes(count: int, seed: int) -> list[VesselScene]:
    """Open water with and without vessels."""
    return [vessel_scene(stream(seed, "vessels", str(index))) for index in range(count)]


def change_pairs(count: int, seed: int) -> list[ChangePair]:
    """Two passes each, with and without change."""
    return [change_pair(stream(seed, "change", str(index))) for index in range(count)]


def places(count: int, seed: int) -> list[tuple[Tile, Tile]]:
    """Distinct landscapes, each passed over twice."""
    return [same_place(stream(seed, "places", str(index))) for index in range(count)]


def reported(count: int, seed: int) -> list[tuple[Tile, str]]:
    """Passes and what is true of them in words."""
    made = []
    for index in range(count):
        rng = stream(seed, "reports", str(index))
        ground = surface(rng)
        tile = overpass(rng, ground)
        made.append((tile, report(tile, ground.landscape)))
    return made
