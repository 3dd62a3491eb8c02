"""Train the shipped scene embedding on pairs of synthetic passes and write it as ONNX; a development tool.

    pip install "orbitmesh[train]"
    python scripts/train_scene_embedding.py            # about four minutes on one core

Two passes over one landscape are to lie close, passes over others far (InfoNCE, van den Oord et al. 2018, eq. 4). The
features before the pooling are a second output, which captions are told from: so they are also trained to say how
cloudy the pass is, what land and how much water it shows, by heads that are left out of the model.
"""

import argparse
from pathlib import Path

import torch
from finish import finish
from torch import nn
from torch.nn import functional
from training import GAIN, MODELS, OFFSET, conv, fit, held, scaled, stack, turned

from workloads.generated.graph_builder import BATCH, GraphBuilder
from workloads.scenery import captions
from workloads.scenery.samples import TRAIN_SEED, places, reported
from workloads.scenery.scenes import BANDS, LANDSCAPES, TILE_PX

CHANNELS = 64  # of the features, and of the embedding
PLACES = (TILE_PX // 16) ** 2  # cells of the features: four steps down
EARLY = 48  # channels of the early step
TINY = 1e-6  # keeps the slope of a square root finite
TEMPERATURE = 0.1  # of the softmax over the others of the batch: Chen et al. 2020, table 5
UNSAID = -100  # a field that the report does not give: torch leaves it out of the loss
COVERS = [name for name, _ in captions.COVERS] + [captions.OVERCAST]
WATERS = [name for name, _ in captions.WATERS] + [captions.OPEN_WATER]
LANDS = [f"{first} and {second}" for first, second, _ in LANDSCAPES]


class Encoder(nn.Module):
    """Four steps down to 8 x 8 places of features; their means and spreads, with those of an early step, which knows
    finer texture, projected to the unit sphere, are the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(len(BANDS), 16, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(16, EARLY, 3, stride=2, padding=1)
        self.down3 = nn.Conv2d(EARLY, CHANNELS, 3, stride=2, padding=1)
        self.down4 = nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1)
        self.last = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.project = nn.Linear(2 * (EARLY + CHANNELS), CHANNELS)
        self.heads = nn.ModuleDict({field: nn.Linear(CHANNELS, 8) for field in captions.FIELDS})

    def forward(self, bands: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedding of length 1 and mean features, (batch, channels) each."""
        x = functional.relu(self.down1((bands - OFFSET) * GAIN))
        early = functional.relu(self.down2(x))
        x = functional.relu(self.down4(functional.relu(self.down3(early))))
        late = x + functional.relu(self.last(x))
        pooled = [part for each in (early, late) for part in (each.mean((2, 3)), spread(each))]
        return functional.normalize(self.project(torch.cat(pooled, dim=1))), late.mean((2, 3))


def spread(x: torch.Tensor) -> torch.Tensor:
    """Root mean square over places, (batch, channels)."""
    return (x.square().mean((2, 3)) + TINY).sqrt()


def labels(texts: list[str]) -> dict[str, torch.Tensor]:
    """The number of each report's word in each field."""
    words = {"cover": COVERS, "land": LANDS, "water": WATERS}
    said = [captions.fields(text) for text in texts]
    return {f: torch.tensor([w.index(s[f]) if s[f] else UNSAID for s in said]) for f, w in words.items()}


def train(count: int, epochs: int, seed: int) -> Encoder:
    """An encoder trained on `count` places passed over twice, and as many reported passes."""
    torch.manual_seed(seed)
    network = Encoder()
    both = places(count, TRAIN_SEED)
    first, second = (stack([pair[side].bands for pair in both]) for side in (0, 1))
    told = reported(count, TRAIN_SEED)
    single, classes = stack([tile.bands for tile, _ in told]), labels([text for _, text in told])
    order = torch.Generator().manual_seed(seed)

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        a, b, c = turned(order, first[chosen], second[chosen], single[chosen])
        (one, _), (two, _), (_, mean) = network(a), network(b), network(c)
        likeness, own = one @ two.T / TEMPERATURE, torch.arange(len(chosen))
        loss = functional.cross_entropy(likeness, own) + functional.cross_entropy(likeness.T, own)
        for field, head in network.heads.items():
            loss = loss + 0.3 * functional.cross_entropy(head(mean), classes[field][chosen])
        return loss

    fit(network, loss_of, count, 32, epochs, seed)
    return network


def to_graph(network: Encoder) -> GraphBuilder:
    """`bands` to `embedding` (batch, 64) and `features` (batch, 64 places, 64)."""
    graph = GraphBuilder("scene-embedding")
    x = scaled(graph, graph.input("bands", [BATCH, len(BANDS), TILE_PX, TILE_PX]))
    early = conv(graph, network, "down2", conv(graph, network, "down1", x))
    x = conv(graph, network, "down4", conv(graph, network, "down3", early))
    late = graph.node("Add", [x, conv(graph, network, "last", x)])
    pooled = [part for each in (early, late) for part in pool(graph, each)]
    joined = graph.node("Concat", pooled, "pooled", axis=1)
    pointed = graph.node("Gemm", [joined, *held(graph, "project", network.project)], "projected", transB=1)
    flat = graph.node("Reshape", [late, graph.whole(0, CHANNELS, PLACES)])
    graph.node("Transpose", [flat], "features", perm=[0, 2, 1])
    length = graph.node("ReduceL2", [pointed], "length", axes=[1], keepdims=1)
    graph.node("Div", [pointed, length], "embedding")
    return graph


def pool(graph: GraphBuilder, source: str) -> tuple[str, str]:
    """Mean and root mean square over places, as nodes."""
    mean = graph.node("ReduceMean", [source], axes=[2, 3], keepdims=0)
    square = graph.node("ReduceMean", [graph.node("Mul", [source, source])], axes=[2, 3], keepdims=0)
    return mean, graph.node("Sqrt", [graph.node("Add", [square, graph.number(TINY)])])


def main() -> None:
    """Train, score on held-out places, write."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--places", type=int, default=1024)
    ask.add_argument("--epochs", type=int, default=24)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=Path, default=MODELS / "scene-embedding.onnx")
    given = ask.parse_args()
    network = train(given.places, given.epochs, given.seed)
    outputs = {"embedding": [BATCH, CHANNELS], "features": [BATCH, PLACES, CHANNELS]}
    finish(to_graph(network), outputs, given.out, role="embedding", script=Path(__file__).name, seed=given.seed)


if __name__ == "__main__":
    main()
