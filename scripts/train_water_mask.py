"""Train the shipped land and water segmentation on synthetic scenes and write it as ONNX; a development tool.

    pip install "orbitmesh[train]"
    python scripts/train_water_mask.py            # about three minutes on one core

What cloud hides is neither land nor water: it is left out of training and score.
"""

import argparse
from pathlib import Path

import torch
from finish import finish
from torch.nn import functional
from training import MODELS, PixelNet, fit, pixel_graph, stack, turned

from workloads.generated.graph_builder import BATCH
from workloads.scenery.samples import TRAIN_SEED, tiles
from workloads.scenery.scenes import BANDS, CLOUD, TILE_PX, WATER


def train(count: int, epochs: int, seed: int) -> PixelNet:
    """A network trained on `count` tiles."""
    torch.manual_seed(seed)
    network = PixelNet(len(BANDS), full=True)
    made = tiles(count, TRAIN_SEED)
    bands = stack([tile.bands for tile in made])
    water = stack([tile.mask[None] == WATER for tile in made])
    clear = stack([tile.mask[None] != CLOUD for tile in made])
    order = torch.Generator().manual_seed(seed)

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        x, y, seen = turned(order, bands[chosen], water[chosen], clear[chosen])
        each = functional.binary_cross_entropy_with_logits(network(x), y, reduction="none")
        return (each * seen).sum() / seen.sum().clamp(min=1.0)

    fit(network, loss_of, count, 16, epochs, seed)
    return network


def main() -> None:
    """Train, score on held-out tiles, write."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--tiles", type=int, default=900)
    ask.add_argument("--epochs", type=int, default=10)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=Path, default=MODELS / "water-mask.onnx")
    given = ask.parse_args()
    network = train(given.tiles, given.epochs, given.seed)
    graph = pixel_graph(network, "water-mask", {"bands": len(BANDS)}, "water_probability")
    outputs = {"water_probability": [BATCH, 1, TILE_PX, TILE_PX]}
    finish(graph, outputs, given.out, role="water-mask", script=Path(__file__).name, seed=given.seed)


if __name__ == "__main__":
    main()
