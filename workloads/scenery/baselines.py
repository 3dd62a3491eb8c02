"""What a plain method without learning reaches on the same scenes as a model: thresholds, indices, band means.

Rules: each method is what an engineer would try first; its one threshold is the best on training scenes, and stands
here as a constant (`python -m benchmarks.model_accuracy --thresholds` finds them again).
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, label, uniform_filter

from workloads.errors import WorkloadError
from workloads.scenery import captions, samples
from workloads.scenery.evaluation import (
    HELD_OUT,
    Maps,
    Scores,
    change_scores,
    cloud_scores,
    report_scores,
    retrieval_scores,
    vessel_scores,
    water_scores,
)
from workloads.scenery.samples import HELD_OUT_SEED, TRAIN_SEED
from workloads.scenery.scenes import Bands

BLUE_CLOUD = 0.30  # reflectance of blue from which a pixel is cloud
NDWI_WATER = 0.20  # McFeeters 1996, IJRS 17(7) 1425, has water above zero; on these scenes much land lies there too
CHANGE_DISTANCE = 0.10  # mean difference of reflectance over the bands from which a pixel changed
BRIGHT_DEVIATIONS = 5.0  # standard deviations above its surroundings from which near-infrared is a vessel
SURROUNDINGS_PX = 31  # side of those surroundings: 310 m, as long as the largest vessels
LEAST_BLOB_PX, MOST_BLOB_PX = 3, 250  # of a vessel: not a whitecap, not a cloud; 350 m x 54 m have 190 pixels
WORDS_TRAINED = 400  # training scenes from which the commonest landscape is taken

METHODS = {
    "cloud-screen": "blue reflectance above a threshold",
    "water-mask": "NDWI above a threshold",
    "vessels": "near-infrared above its surroundings (CFAR)",
    "change": "change vector longer than a threshold",
    "embedding": "mean and deviation of the bands and of NDVI",
    "captions": "thresholds for cloud and water, the commonest land",
}


def baseline(role: str, count: int | None = None, seed: int = HELD_OUT_SEED) -> Scores:
    """The plain method's scores, named as `workloads.scenery.evaluation.evaluate` names them.

    Raises WorkloadError for a role that has none.
    """
    if role not in METHODS:
        raise WorkloadError(f"role {role!r} has no plain method: one of {', '.join(METHODS)}")
    number = count or HELD_OUT[role]
    if role in ("cloud-screen", "water-mask"):
        tiles = samples.tiles(number, seed)
        bands = np.stack([tile.bands for tile in tiles])
        if role == "cloud-screen":
            return cloud_scores((bands[:, :1] > BLUE_CLOUD).astype(np.float32), tiles)
        return water_scores((ndwi(bands)[:, None] > NDWI_WATER).astype(np.float32), tiles)
    if role == "vessels":
        scenes = samples.vessel_scenes(number, seed)
        return vessel_scores([bright_blobs(scene.bands, BRIGHT_DEVIATIONS) for scene in scenes], scenes)
    if role == "change":
        pairs = samples.change_pairs(number, seed)
        distance = np.stack([change_vector(pair.before, pair.after) for pair in pairs])
        return change_scores(distance, pairs, CHANGE_DISTANCE)
    if role == "embedding":
        both = samples.places(number, seed)
        return retrieval_scores(*(np.stack([statistics(each[side].bands) for each in both]) for side in (0, 1)))
    told = samples.reported(number, seed)
    land = commonest_land()
    return report_scores([plain_report(tile.bands, land) for tile, _ in told], [text for _, text in told])


def ndwi(bands: Maps) -> Maps:
    """(green - near-infrared) / (green + near-infrared) of (..., 4, n, n): McFeeters 1996, eq. 1."""
    green, infrared = bands[..., 1, :, :], bands[..., 3, :, :]
    return np.asarray((green - infrared) / np.maximum(green + infrared, 1e-6), dtype=np.float32)


def bright_blobs(bands: Bands, deviations: float) -> NDArray[np.float64]:
    """Centres (k, 2) in pixels of what is brighter than its surroundings by so many of their deviations."""
    infrared = bands[3].astype(np.float64)
    mean = uniform_filter(infrared, SURROUNDINGS_PX)
    spread = np.sqrt(np.maximum(uniform_filter(infrared**2, SURROUNDINGS_PX) - mean**2, 1e-8))
    blobs, count = label(infrared > mean + deviations * spread)
    sizes = np.bincount(blobs.ravel(), minlength=count + 1)
    kept = [number for number in range(1, count + 1) if LEAST_BLOB_PX <= sizes[number] <= MOST_BLOB_PX]
    return np.array(center_of_mass(np.ones_like(infrared), blobs, kept)).reshape(-1, 2)


def change_vector(before: Bands, after: Bands) -> Maps:
    """Mean absolute difference over the bands (n, n), once the later pass has the median and spread of the earlier.

    Pixels that are cloud by their blue in either pass count as unchanged, and are left out of median and spread.
    """
    clear = (before[0] <= BLUE_CLOUD) & (after[0] <= BLUE_CLOUD)
    if not clear.any():
        return np.zeros(clear.shape, np.float32)
    middle = [np.median(each[:, clear], axis=1) for each in (before, after)]
    spread = [np.abs(each[:, clear] - m[:, None]).mean(axis=1) for each, m in zip((before, after), middle, strict=True)]
    gain = spread[0] / np.maximum(spread[1], 1e-6)
    matched = (after - middle[1][:, None, None]) * gain[:, None, None] + middle[0][:, None, None]
    return np.asarray(np.abs(matched - before).mean(axis=0) * clear, dtype=np.float32)


def statistics(bands: Bands) -> Maps:
    """Median and spread of each band and of the vegetation index, (10,), each about 1."""
    ndvi = (bands[3] - bands[2]) / np.maximum(bands[3] + bands[2], 1e-6)
    layers = np.concatenate([bands, ndvi[None]])
    middle = np.median(layers, axis=(1, 2))
    spread = np.abs(layers - middle[:, None, None]).mean(axis=(1, 2))
    return np.concatenate([middle, spread]).astype(np.float32)


def plain_report(bands: Bands, land: str) -> str:
    """A report by thresholds: blue for cloud, NDWI for water, always the same land."""
    cloud = bands[0] > BLUE_CLOUD
    water = float((ndwi(bands)[~cloud] > NDWI_WATER).mean()) if not cloud.all() else 0.0
    return captions.sentence(float(cloud.mean()), land, water)


def commonest_land() -> str:
    """The landscape that training scenes show most often."""
    told = [captions.fields(text)["land"] for _, text in samples.reported(WORDS_TRAINED, TRAIN_SEED)]
    return Counter(land for land in told if land).most_common(1)[0][0]
