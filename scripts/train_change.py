"""Train the shipped change detector on pairs of synthetic passes and write it as ONNX; a development tool.

pip install "orbitmesh[train]"
python scripts/train_change.py            # about four minutes on one core
"""

import argparse
from pathlib import Path

import torch
from finish import finish
from torch.nn import functional
from training import MODELS, PixelNet, fit, pixel_graph, stack, turned

from workloads.generated.graph_builder import BATCH
from workloads.scenery.samples import TRAIN_SEED, change_pairs
from workloads.scenery.scenes import BANDS, TILE_PX


def train(count: int, epochs: int, seed: int) -> PixelNet:
    """A network trained on `count` pairs of passes."""
    torch.manual_seed(seed)
    network = PixelNet(2 * len(BANDS), full=True)
    made = change_pairs(count, TRAIN_SEED)
    both = torch.cat([stack([pair.before for pair in made]), stack([pair.after for pair in made])], dim=1)
    changed = stack([pair.changed[None] for pair in made])
    order = torch.Generator().manual_seed(seed)

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        x, y = turned(order, both[chosen], changed[chosen])
        logit = network(x)
        overlap = (torch.sigmoid(logit) * y).sum() / (torch.sigmoid(logit) + y).sum().clamp(min=1.0)
        return functional.binary_cross_entropy_with_logits(logit, y) + 0.5 * (1 - 2 * overlap)

    fit(network, loss_of, count, 16, epochs, seed)
    return network


def main() -> None:
    """Train, score on held-out pairs, write."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--pairs", type=int, default=960)
    ask.add_argument("--epochs", type=int, default=10)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=Path, default=MODELS / "change.onnx")
    given = ask.parse_args()
    network = train(given.pairs, given.epochs, given.seed)
    inputs = {"before": len(BANDS), "after": len(BANDS)}
    graph = pixel_graph(network, "change", inputs, "change_probability")
    outputs = {"change_probability": [BATCH, 1, TILE_PX, TILE_PX]}
    finish(graph, outputs, given.out, role="change", script=Path(__file__).name, seed=given.seed)


if __name__ == "__main__":
    main()
