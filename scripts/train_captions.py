"""Train the shipped caption decoder, a small transformer, on synthetic reports and write it as ONNX.

    pip install "orbitmesh[train]"
    python scripts/train_captions.py            # about four minutes on one core; after train_scene_embedding.py

The scenes' features come from the shipped scene embedding, which stays as it is. Two layers, each attending to the
bytes so far and to the features (Vaswani et al. 2017, figure 1), normalised first; positions are learned.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from finish import finish
from torch import nn
from torch.nn import functional
from training import MODELS, fit, held

from workloads.generated.graph_builder import BATCH, GraphBuilder
from workloads.loading.opening import open_model
from workloads.scenery import captions
from workloads.scenery.evaluation import run
from workloads.scenery.samples import TRAIN_SEED, reported
from workloads.sessions import open_session

WIDTH, HEADS, LAYERS = 64, 4, 2
MASKED = -1e4  # added to the score of a byte that is yet to come


class Attention(nn.Module):
    """From `x` (batch, s, width) to `source` (batch, t, width), in HEADS heads."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: torch.Tensor, source: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        parts = [layer(fed) for layer, fed in ((self.query, x), (self.key, source), (self.value, source))]
        q, k, v = (part.unflatten(2, (HEADS, WIDTH // HEADS)).transpose(1, 2) for part in parts)
        score = q @ k.transpose(2, 3) * (WIDTH // HEADS) ** -0.5
        weight = torch.softmax(score if mask is None else score + mask, dim=-1)
        joined: torch.Tensor = self.out((weight @ v).transpose(1, 2).flatten(2))
        return joined


class Layer(nn.Module):
    """Attention to the bytes, attention to the features, and a step of its own for each byte."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.own, self.cross = Attention(), Attention()
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        normed = self.norm1(x)
        x = x + self.own(normed, normed, mask)
        x = x + self.cross(self.norm2(x), features)
        step: torch.Tensor = self.narrow(functional.relu(self.wide(self.norm3(x))))
        return x + step


class Decoder(nn.Module):
    """Features (batch, places, width) and tokens (batch, s) to logits of each next byte (batch, s, VOCABULARY)."""

    def __init__(self, spread: torch.Tensor) -> None:
        super().__init__()
        self.gain = nn.Parameter(1 / spread)  # features of about unit size, whatever the encoder's
        self.bytes = nn.Parameter(0.1 * torch.randn(captions.VOCABULARY, WIDTH))
        self.positions = nn.Parameter(0.1 * torch.randn(captions.MOST_BYTES, WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm, self.logits = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, captions.VOCABULARY)

    def forward(self, features: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        length = tokens.shape[1]
        x = self.bytes[tokens] + self.positions[:length]
        mask = torch.full((length, length), MASKED).triu(1)
        for layer in self.layers:
            x = layer(x, features * self.gain, mask)
        out: torch.Tensor = self.logits(self.norm(x))
        return out


def train(count: int, epochs: int, seed: int, encoder: Path) -> Decoder:
    """A decoder trained on `count` reported passes."""
    torch.manual_seed(seed)
    told = reported(count, TRAIN_SEED)
    seen = run(open_session(open_model(encoder)), [tile.bands for tile, _ in told], output="features")
    features = torch.from_numpy(seen)
    tokens = torch.from_numpy(np.stack([captions.tokens(text) for _, text in told]))
    longest = max(len(text) for _, text in told) + 1
    network = Decoder(features.std(dim=(0, 1)).clamp(min=1e-3))

    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        fed, following = tokens[chosen, :longest], tokens[chosen, 1 : longest + 1].clone()
        over = (following == captions.END).cumsum(1) > 1  # behind the first END nothing is asked
        logits = network(features[chosen], fed)
        return functional.cross_entropy(logits.transpose(1, 2), following.masked_fill(over, -100))

    fit(network, loss_of, count, 32, epochs, seed)
    return network


def attention(graph: GraphBuilder, name: str, part: Attention, x: str, source: str, mask: str = "") -> str:
    """`Attention` as nodes."""
    split = graph.whole(0, -1, HEADS, WIDTH // HEADS)

    def side(which: str, fed: str, perm: list[int]) -> str:
        return graph.node(
            "Transpose", [graph.node("Reshape", [linear(graph, f"{name}.{which}", part, which, fed), split])], perm=perm
        )

    q, k, v = side("query", x, [0, 2, 1, 3]), side("key", source, [0, 2, 3, 1]), side("value", source, [0, 2, 1, 3])
    score = graph.node("Mul", [graph.node("MatMul", [q, k]), graph.number((WIDTH // HEADS) ** -0.5)])
    weight = graph.node("Softmax", [graph.node("Add", [score, mask]) if mask else score], axis=-1)
    joined = graph.node("Transpose", [graph.node("MatMul", [weight, v])], perm=[0, 2, 1, 3])
    return linear(graph, f"{name}.out", part, "out", graph.node("Reshape", [joined, graph.whole(0, -1, WIDTH)]))


def linear(graph: GraphBuilder, name: str, owner: nn.Module, which: str, source: str) -> str:
    """A linear layer as MatMul and Add."""
    layer: nn.Linear = getattr(owner, which)
    weight = graph.weight(f"{name}.weight", layer.weight.detach().numpy().T)
    bias = graph.weight(f"{name}.bias", layer.bias.detach().numpy())
    return graph.node("Add", [graph.node("MatMul", [source, weight]), bias])


def norm(graph: GraphBuilder, name: str, layer: nn.LayerNorm, source: str) -> str:
    """A layer normalisation."""
    return graph.node("LayerNormalization", [source, *held(graph, name, layer)], axis=-1, epsilon=layer.eps)


def to_graph(network: Decoder, places: int) -> GraphBuilder:
    """`features` (batch, places, width) and `tokens` (batch, sequence) to `logits` (batch, sequence, VOCABULARY)."""
    graph = GraphBuilder("captions")
    given, said = (
        graph.input("features", [BATCH, places, WIDTH]),
        graph.input("tokens", [BATCH, "sequence"], whole=True),
    )
    features = graph.node("Mul", [given, graph.weight("gain", network.gain.detach().numpy())])
    length = graph.node("Shape", [said], "length", start=1, end=2)
    both = graph.node("Concat", [length, length], axis=0)
    to_come = graph.node("Expand", [graph.number(MASKED), both], "to_come")
    shown = graph.node("Trilu", [to_come, graph.weight("above", np.array(1, np.int64))], "shown", upper=1)
    positions = graph.weight("positions", network.positions.detach().numpy())
    placed = graph.node("Slice", [positions, graph.whole(0), length, graph.whole(0)], "placed")
    x = graph.node("Gather", [graph.weight("bytes", network.bytes.detach().numpy()), said], axis=0)
    x = graph.node("Add", [x, placed])
    for number, layer in enumerate(network.layers):
        name = f"layer{number}"
        normed = norm(graph, f"{name}.norm1", layer.norm1, x)
        x = graph.node("Add", [x, attention(graph, f"{name}.own", layer.own, normed, normed, shown)])
        normed = norm(graph, f"{name}.norm2", layer.norm2, x)
        x = graph.node("Add", [x, attention(graph, f"{name}.cross", layer.cross, normed, features)])
        wide = linear(graph, f"{name}.wide", layer, "wide", norm(graph, f"{name}.norm3", layer.norm3, x))
        x = graph.node("Add", [x, linear(graph, f"{name}.narrow", layer, "narrow", graph.node("Relu", [wide]))])
    last = linear(graph, "logits", network, "logits", norm(graph, "norm", network.norm, x))
    graph.node("Identity", [last], "logits")
    return graph


def main() -> None:
    """Train, score on held-out passes, write."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--scenes", type=int, default=4000)
    ask.add_argument("--epochs", type=int, default=12)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--encoder", type=Path, default=MODELS / "scene-embedding.onnx")
    ask.add_argument("--out", type=Path, default=MODELS / "captions.onnx")
    given = ask.parse_args()
    network = train(given.scenes, given.epochs, given.seed, given.encoder)
    encoder = open_model(given.encoder)
    places = encoder.tensors.shapes["features"][1]
    finish(
        to_graph(network, places),
        {"logits": [BATCH, "sequence", captions.VOCABULARY]},
        given.out,
        role="captions",
        script=Path(__file__).name,
        seed=given.seed,
        encoder=open_session(encoder),
    )


if __name__ == "__main__":
    main()
