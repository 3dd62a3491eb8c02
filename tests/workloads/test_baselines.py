"""The plain methods beside the models: each threshold is the best of its neighbours on training scenes."""

from collections.abc import Callable

import numpy as np
import pytest

from workloads.scenery import samples
from workloads.scenery.baselines import BLUE_CLOUD, NDWI_WATER, ndwi
from workloads.scenery.evaluation import Maps, Scores, cloud_scores, water_scores
from workloads.scenery.samples import TRAIN_SEED
from workloads.scenery.scenes import Tile

Scored = Callable[[Maps, list[Tile]], Scores]
SCENES = 200  # as many as benchmarks/model_accuracy.py scans


@pytest.fixture(scope="module")
def tiles() -> list[Tile]:
    return samples.tiles(SCENES, TRAIN_SEED)


@pytest.mark.parametrize(
    ("index", "score", "threshold", "step"),
    [
        (lambda bands: bands[:, :1], cloud_scores, BLUE_CLOUD, 0.04),
        (lambda bands: ndwi(bands)[:, None], water_scores, NDWI_WATER, 0.05),
    ],
    ids=["cloud", "water"],
)
def test_no_threshold_beside_it_is_better(
    index: Callable[[Maps], Maps], score: Scored, threshold: float, step: float, tiles: list[Tile]
) -> None:
    found = index(np.stack([tile.bands for tile in tiles]))
    steps = [threshold + number * step for number in range(-4, 5)]
    heads = [next(iter(score((found > each).astype(np.float32), tiles).values())) for each in steps]
    assert int(np.argmax(heads)) == 4
