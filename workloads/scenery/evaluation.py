"""How well a model answers on held-out synthetic scenes, by its role, through an onnxruntime session of the very file.

Figures are 0..1, more is better, the first is the headline. What a plain method reaches on the same scenes is in
`workloads/scenery/baselines.py`. No clock, no file; the scenes are `workloads/scenery/samples.py`'s, of a seed nobody
trains with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.errors import WorkloadError
from workloads.scenery import captions, samples, vessels
from workloads.scenery.passes import ChangePair
from workloads.scenery.samples import HELD_OUT_SEED
from workloads.scenery.scenes import CLOUD, WATER, Bands, Field, Tile

BATCH = 16
CLOUDY_ABOVE = 0.7  # the decision that scenarios take by default: workloads/inference.py, Products
VESSEL_ABOVE = 0.35  # score from which a peak is a vessel: balances precision and recall on training scenes
CHANGED_PX = 20  # fewer changed pixels are no change of a scene: 2,000 m2 at 10 m [guess]
HELD_OUT = {"cloud-screen": 400, "water-mask": 400, "vessels": 400, "change": 400, "embedding": 256, "captions": 400}

Scores = dict[str, float]
Maps = NDArray[np.float32]


def evaluate(
    role: str, session: Any, count: int | None = None, seed: int = HELD_OUT_SEED, encoder: Any = None
) -> Scores:
    """Score a model of `role` on `count` scenes (HELD_OUT's unless given); captions need the `encoder` of features.

    Raises WorkloadError for a role that has no score.
    """
    if role not in HELD_OUT:
        raise WorkloadError(f"role {role!r} has no accuracy: one of {', '.join(HELD_OUT)}")
    number = count or HELD_OUT[role]
    if role in ("cloud-screen", "water-mask"):
        tiles = samples.tiles(number, seed)
        answers = run(session, [tile.bands for tile in tiles])
        return cloud_scores(answers, tiles) if role == "cloud-screen" else water_scores(answers, tiles)
    if role == "vessels":
        scenes = samples.vessel_scenes(number, seed)
        answers = run(session, [scene.bands for scene in scenes])
        return vessel_scores([vessels.peaks(each[0], VESSEL_ABOVE) for each in answers], scenes)
    if role == "change":
        pairs = samples.change_pairs(number, seed)
        return change_scores(run(session, [pair.before for pair in pairs], [pair.after for pair in pairs])[:, 0], pairs)
    if role == "embedding":
        both = samples.places(number, seed)
        return retrieval_scores(*(run(session, [each[side].bands for each in both]) for side in (0, 1)))
    if encoder is None:
        raise WorkloadError("captions are told from features: give the session of a scene embedding as encoder")
    told = samples.reported(number, seed)
    features = run(encoder, [tile.bands for tile, _ in told], output="features")
    said = [text for part in parts(features) for text in captions.decode(session, part)]
    return report_scores(said, [text for _, text in told])


def run(session: Any, *images: Sequence[Bands], output: str | None = None) -> Maps:
    """The answers, (count, ...), of a model to images fed to its inputs in order; its first output unless named."""
    names = [value.name for value in session.get_inputs()]
    wanted = [output or session.get_outputs()[0].name]
    stacked = [parts(np.stack(each)) for each in images]
    answers = [session.run(wanted, dict(zip(names, fed, strict=True)))[0] for fed in zip(*stacked, strict=True)]
    return np.concatenate(answers)


def parts(array: Maps) -> list[Maps]:
    """The array in batches."""
    return [array[start : start + BATCH] for start in range(0, len(array), BATCH)]


def cloud_scores(probability: Maps, tiles: Sequence[Tile]) -> Scores:
    """Pixels decided right, and tiles decided right: more cloud than CLOUDY_ABOVE or not."""
    truth = np.stack([tile.mask[None] == CLOUD for tile in tiles])
    decided = (probability.mean(axis=(1, 2, 3)) > CLOUDY_ABOVE) == (truth.mean(axis=(1, 2, 3)) > CLOUDY_ABOVE)
    right = (probability > 0.5) == truth
    return {"pixel_accuracy": float(right.mean()), "decision_accuracy": float(decided.mean())}


def water_scores(probability: Maps, tiles: Sequence[Tile]) -> Scores:
    """Intersection over union of water, and pixels decided right, both where no cloud hides the ground."""
    masks = np.stack([tile.mask[None] for tile in tiles])
    clear, water, told = masks != CLOUD, masks == WATER, probability > 0.5
    both, either = (water & told).sum(), ((water | told) & clear).sum()
    return {
        "water_iou": float(both / max(1, either)),
        "pixel_accuracy": float(((water == told) & clear).sum() / clear.sum()),
    }


def vessel_scores(found: Sequence[Field], scenes: Sequence[vessels.VesselScene]) -> Scores:
    """F1, precision and recall of detections within `vessels.MATCH_M`, one to one, over all scenes."""
    hits = sum(vessels.match(each, scene.centres_px) for each, scene in zip(found, scenes, strict=True))
    told, there = sum(map(len, found)), sum(len(scene.centres_px) for scene in scenes)
    precision, recall = hits / max(1, told), hits / max(1, there)
    f1 = 2 * hits / max(1, told + there)
    return {"f1": f1, "precision": precision, "recall": recall}


def change_scores(score: Maps, pairs: Sequence[ChangePair], above: float = 0.5) -> Scores:
    """F1 of changed pixels, and the chance that a changed scene scores above an unchanged one (area under the ROC).

    A scene's score is the mean of its CHANGED_PX highest pixels; pairs with fewer changed pixels, but some, are left
    out of the second.
    """
    truth = np.stack([pair.changed == 1 for pair in pairs])
    told = score > above
    f1 = 2 * (told & truth).sum() / max(1, told.sum() + truth.sum())
    highest = np.sort(score.reshape(len(score), -1), axis=1)[:, -CHANGED_PX:].mean(axis=1)
    changed = truth.sum(axis=(1, 2))
    yes, no = highest[changed >= CHANGED_PX], highest[changed == 0]
    above_others = (yes[:, None] > no[None]).mean() + 0.5 * (yes[:, None] == no[None]).mean()
    return {"pixel_f1": float(f1), "scene_auc": float(above_others)}


def retrieval_scores(queries: Maps, gallery: Maps) -> Scores:
    """Query i is to find gallery item i, by cosine: share found first, and mean of 1 over the rank.

    With one match to each query the mean average precision is the mean reciprocal rank.
    """
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, gallery))
    likeness = a @ b.T
    rank = (likeness >= np.diag(likeness)[:, None]).sum(axis=1)  # its own place; what is as near comes before it
    return {"recall_at_1": float((rank == 1).mean()), "mean_average_precision": float((1 / rank).mean())}


def report_scores(said: Sequence[str], true: Sequence[str]) -> Scores:
    """Fields told right, over all fields of all reports, and reports right to the letter."""
    pairs = [(captions.fields(a), captions.fields(b)) for a, b in zip(said, true, strict=True)]
    right = [mine[field] == truth[field] for mine, truth in pairs for field in captions.FIELDS]
    exact = [a == b for a, b in zip(said, true, strict=True)]
    return {"field_accuracy": float(np.mean(right)), "exact_match": float(np.mean(exact))}
