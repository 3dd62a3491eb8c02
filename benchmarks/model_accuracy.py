"""Measures the accuracy of every shipped model on held-out scenes again, and prints the table of docs/models.md.

    python -m benchmarks.model_accuracy                # two minutes on one core
    python -m benchmarks.model_accuracy --thresholds   # what the plain methods' constants were chosen from

Exits with 1 where a model reaches less than its properties say, by more than DRIFT.
"""

import argparse
import sys
from collections.abc import Callable, Iterable

import numpy as np

from workloads.cards import ModelCard, cards
from workloads.loading.opening import open_model
from workloads.models import find_model
from workloads.scenery import samples, vessels
from workloads.scenery.baselines import METHODS, baseline, bright_blobs, change_vector, ndwi
from workloads.scenery.evaluation import (
    Scores,
    change_scores,
    cloud_scores,
    evaluate,
    run,
    vessel_scores,
    water_scores,
)
from workloads.scenery.samples import TRAIN_SEED
from workloads.sessions import open_session

DRIFT = 0.01  # kernels of other hosts round otherwise, and decide some pixels otherwise
SCENES = 200  # training scenes that thresholds are chosen on


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--thresholds", action="store_true", help="the scores of the plain methods over their thresholds")
    if ask.parse_args().thresholds:
        thresholds()
        return
    short = 0
    plain: dict[str, Scores] = {}
    print("| model | role | parameters | file | score | held out | plain method |")
    print("|---|---|--:|--:|---|--:|--:|")
    for each in [made for made in cards() if made.role in METHODS]:
        measured = evaluate(each.role, session(each.name), encoder=encoder(each))
        beside = plain[each.role] = plain.get(each.role) or baseline(each.role)
        for number, (name, score) in enumerate(measured.items()):
            first = (
                f"{each.name} | {each.role} | {each.parameters:,} | {each.size_bytes:,} B" if number == 0 else " | | |"
            )
            print(f"| {first} | {name.replace('_', ' ')} | {score:.4f} | {beside[name]:.4f} |", flush=True)
            short += score < each.accuracy[name] - DRIFT
    sys.exit(1 if short else 0)


def session(name: str) -> object:
    """A session of a shipped model on the CPU."""
    return open_session(open_model(find_model(name)))


def encoder(each: ModelCard) -> object:
    """Where captions come from: features of the embedding in the same precision."""
    return session("scene-embedding" + "-int8" * each.name.endswith("-int8")) if each.role == "captions" else None


def thresholds() -> None:
    """The headline of each method that has a threshold, over thresholds, on training scenes."""
    tiles = samples.tiles(SCENES, TRAIN_SEED)
    bands = np.stack([tile.bands for tile in tiles])
    show(
        "BLUE_CLOUD", np.arange(0.10, 0.42, 0.04), lambda t: cloud_scores((bands[:, :1] > t).astype(np.float32), tiles)
    )
    index = ndwi(bands)[:, None]
    show("NDWI_WATER", np.arange(0.0, 0.41, 0.05), lambda t: water_scores((index > t).astype(np.float32), tiles))
    pairs = samples.change_pairs(SCENES, TRAIN_SEED)
    distance = np.stack([change_vector(pair.before, pair.after) for pair in pairs])
    show("CHANGE_DISTANCE", np.arange(0.02, 0.21, 0.02), lambda t: change_scores(distance, pairs, t))
    scenes = samples.vessel_scenes(SCENES, TRAIN_SEED)
    show(
        "BRIGHT_DEVIATIONS",
        np.arange(2.0, 10.0, 1.0),
        lambda t: vessel_scores([bright_blobs(scene.bands, t) for scene in scenes], scenes),
    )
    heat = run(session("vessels"), [scene.bands for scene in scenes])
    show(
        "VESSEL_ABOVE (the model's)",
        np.arange(0.2, 0.61, 0.05),
        lambda t: vessel_scores([vessels.peaks(each[0], t) for each in heat], scenes),
    )


def show(name: str, values: Iterable[float], score: Callable[[float], Scores]) -> None:
    print(name)
    for value in values:
        print(f"  {value:.2f}: " + ", ".join(f"{key} {found:.4f}" for key, found in score(float(value)).items()))


if __name__ == "__main__":
    main()
