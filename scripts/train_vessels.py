"""Train the shipped vessel detector on synthetic open water and write it as ONNX; a development tool.

    pip install "orbitmesh[train]"
    python scripts/train_vessels.py            # about three minutes on one core

A heat map of half the tile's height and width, trained as in Zhou et al. 2019, "Objects as Points", eq. 1.
"""

import argparse
from pathlib import Path

import torch
from finish import finish
from torch.nn import functional
from training import MODELS, PixelNet, fit, pixel_graph, stack, turned

from workloads.generated.graph_builder import BATCH
from workloads.scenery.samples import TRAIN_SEED, vessel_scenes
from workloads.scenery.scenes import BANDS, TILE_PX
from workloads.scenery.vessels import STRIDE_PX, heat_map

RARE = -4.0  # the first guess of the logit: few cells hold a vessel, and training starts from there


def focal(logit: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """The focal loss of Zhou et al. 2019, eq. 1: alpha 2, beta 4, by the number of vessels."""
    p = torch.sigmoid(logit)
    centre = heat > 0.999
    found = -((1 - p) ** 2) * functional.logsigmoid(logit)
    empty = -((1 - heat) ** 4) * p**2 * functional.logsigmoid(-logit)
    return torch.where(centre, found, empty).sum() / centre.sum().clamp(min=1)


def train(count: int, epochs: int, seed: int) -> PixelNet:
    """A network trained on `count` tiles of open water."""
    torch.manual_seed(seed)
    network = PixelNet(len(BANDS), full=False)
    torch.nn.init.constant_(network.logit.bias, RARE)
    made = vessel_scenes(count, TRAIN_SEED)
    bands, heat = stack([scene.bands for scene in made]), stack([heat_map(scene)[None] for scene in made])
    order = torch.Generator().manual_seed(seed)

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        x, y = turned(order, bands[chosen], heat[chosen])
        return focal(network(x), y)

    fit(network, loss_of, count, 16, epochs, seed)
    return network


def main() -> None:
    """Train, score on held-out scenes, write."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--scenes", type=int, default=1200)
    ask.add_argument("--epochs", type=int, default=12)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=Path, default=MODELS / "vessels.onnx")
    given = ask.parse_args()
    network = train(given.scenes, given.epochs, given.seed)
    graph = pixel_graph(network, "vessels", {"bands": len(BANDS)}, "vessel_probability")
    cells = TILE_PX // STRIDE_PX
    outputs = {"vessel_probability": [BATCH, 1, cells, cells]}
    finish(graph, outputs, given.out, role="vessels", script=Path(__file__).name, seed=given.seed)


if __name__ == "__main__":
    main()
