"""What the training scripts share: a small network with one answer per pixel, the training loop, the way into ONNX.

Rules: PyTorch only under scripts/; one thread, so that runs on one host repeat; every seed is an argument.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workloads.generated.graph_builder import BATCH, GraphBuilder
from workloads.scenery.scenes import TILE_PX

MODELS = Path(__file__).resolve().parents[1] / "workloads" / "models"
OFFSET, GAIN = 0.3, 4.0  # reflectance to about -1..1, inside the model


class PixelNet(nn.Module):
    """Channels in, one logit per pixel out: two steps down, two 3x3 blocks with a wide view, one or two steps up.

    With `full` the answer is as large as the input, else half as high and wide.
    """

    def __init__(self, channels: int, *, full: bool) -> None:
        super().__init__()
        self.channels, self.full = channels, full
        self.stem = nn.Conv2d(channels, 16, 3, stride=2, padding=1)
        self.down = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.wide1 = nn.Conv2d(32, 32, 3, padding=2, dilation=2)
        self.wide2 = nn.Conv2d(32, 32, 3, padding=4, dilation=4)
        self.merge = nn.Conv2d(48, 16, 3, padding=1)
        if full:
            self.head = nn.Conv2d(16 + channels, 8, 3, padding=1)
        self.logit = nn.Conv2d(8 if full else 16, 1, 1)

    def forward(self, bands: torch.Tensor) -> torch.Tensor:
        x = (bands - OFFSET) * GAIN
        half = functional.relu(self.stem(x))
        quarter = functional.relu(self.down(half))
        quarter = quarter + functional.relu(self.wide1(quarter))
        quarter = quarter + functional.relu(self.wide2(quarter))
        joined = torch.cat([half, functional.interpolate(quarter, scale_factor=2.0, mode="nearest")], dim=1)
        joined = functional.relu(self.merge(joined))
        if self.full:
            full = torch.cat([x, functional.interpolate(joined, scale_factor=2.0, mode="nearest")], dim=1)
            joined = functional.relu(self.head(full))
        logit: torch.Tensor = self.logit(joined)
        return logit


def fit(
    network: nn.Module, loss_of: Callable[[torch.Tensor], torch.Tensor], count: int, batch: int, epochs: int, seed: int
) -> None:
    """Train: `loss_of` takes the numbers of a batch's samples, out of `count`; one line is printed per epoch."""
    torch.set_num_threads(1)
    order = torch.Generator().manual_seed(seed)
    each = count // batch
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-4)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * each)
    for epoch in range(epochs):
        begun, total = time.perf_counter(), 0.0
        for chosen in torch.randperm(count, generator=order)[: each * batch].split(batch):
            loss = loss_of(chosen)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            rate.step()
            total += loss.item()
        took_s = time.perf_counter() - begun
        print(f"epoch {epoch + 1}/{epochs}: loss {total / each:.4f}, {took_s:.1f} s", flush=True)
    network.eval()


def turned(order: torch.Generator, *images: torch.Tensor) -> list[torch.Tensor]:
    """The images (batch, channels, n, n), all turned and mirrored alike, by chance."""
    turns, mirrored = int(torch.randint(4, (1,), generator=order)), bool(torch.randint(2, (1,), generator=order))
    rotated = [torch.rot90(image, turns, (2, 3)) for image in images]
    return [image.flip(3) if mirrored else image for image in rotated]


def held(graph: GraphBuilder, name: str, layer: nn.Module) -> list[str]:
    """The layer's weights as constants of the graph, `name.weight` and `name.bias`."""
    return [graph.weight(f"{name}.{part}", value.detach().numpy()) for part, value in layer.named_parameters()]


def conv(graph: GraphBuilder, network: nn.Module, name: str, source: str, *, active: bool = True) -> str:
    """The network's convolution `name` as nodes, with Relu where `active`."""
    layer: nn.Conv2d = getattr(network, name)
    kernel, stride, pad, dilation = (
        int(side[0])
        for side in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        if not isinstance(side, str)
    )
    made = graph.conv(source, held(graph, name, layer), kernel, stride=stride, pad=pad, dilation=dilation)
    return graph.node("Relu", [made], f"{name}.relu") if active else made


def scaled(graph: GraphBuilder, source: str) -> str:
    """Reflectance as the networks take it."""
    return graph.node("Mul", [graph.node("Sub", [source, graph.number(OFFSET)]), graph.number(GAIN)])


def pixel_graph(network: PixelNet, name: str, inputs: Mapping[str, int], output: str) -> GraphBuilder:
    """A trained PixelNet as a graph from `inputs`, name to channels, to the probability `output`."""
    graph = GraphBuilder(name)
    given = [graph.input(each, [BATCH, channels, TILE_PX, TILE_PX]) for each, channels in inputs.items()]
    x = scaled(graph, given[0] if len(given) == 1 else graph.node("Concat", given, "inputs", axis=1))
    half = conv(graph, network, "stem", x)
    quarter = conv(graph, network, "down", half)
    quarter = graph.node("Add", [quarter, conv(graph, network, "wide1", quarter)])
    quarter = graph.node("Add", [quarter, conv(graph, network, "wide2", quarter)])
    joined = conv(graph, network, "merge", graph.node("Concat", [half, graph.twice(quarter)], axis=1))
    if network.full:
        joined = conv(graph, network, "head", graph.node("Concat", [x, graph.twice(joined)], axis=1))
    graph.node("Sigmoid", [conv(graph, network, "logit", joined, active=False)], output)
    return graph


def stack(arrays: list[np.ndarray]) -> torch.Tensor:
    """Equal arrays as one float32 tensor, the first axis theirs."""
    return torch.from_numpy(np.stack(arrays).astype(np.float32))
