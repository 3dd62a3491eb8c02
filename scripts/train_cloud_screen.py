"""Train the shipped cloud-screening network on synthetic scenes and write it as ONNX; a development tool.

    pip install "orbitmesh[train]"
    python scripts/train_cloud_screen.py            # under four minutes on two cores

Rules: PyTorch only here; every seed is fixed; the ONNX graph is written by hand, so it holds no exporter's
leftovers. The bands' scaling lies in the graph: the model takes reflectance as `workloads/scenery/scenes.py` makes it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from workloads.scenery.scenes import BANDS, CLOUD, TILE_PX, TileBank

TRAIN_SEED = 7001  # tile banks that no scenario uses: scenarios count from 0
HELD_OUT_SEED = 9001
OPSET, IR_VERSION = 17, 8  # both understood by every onnxruntime since 1.12
TARGET = Path(__file__).resolve().parents[1] / "workloads" / "models" / "cloud-screen.onnx"


class CloudScreen(nn.Module):
    """Four bands in, one logit per pixel out: two steps down, two 3x3 blocks with a wide view, one step up."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(len(BANDS), 16, 3, stride=2, padding=1)
        self.down = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.wide1 = nn.Conv2d(32, 32, 3, padding=2, dilation=2)
        self.wide2 = nn.Conv2d(32, 32, 3, padding=4, dilation=4)
        self.merge = nn.Conv2d(48, 16, 3, padding=1)
        self.head = nn.Conv2d(16 + len(BANDS), 8, 3, padding=1)
        self.logit = nn.Conv2d(8, 1, 1)

    def forward(self, bands: torch.Tensor) -> torch.Tensor:
        x = (bands - 0.3) * 4.0
        half = functional.relu(self.stem(x))
        quarter = functional.relu(self.down(half))
        quarter = quarter + functional.relu(self.wide1(quarter))
        quarter = quarter + functional.relu(self.wide2(quarter))
        joined = torch.cat([half, functional.interpolate(quarter, scale_factor=2.0, mode="nearest")], dim=1)
        joined = functional.relu(self.merge(joined))
        full = torch.cat([x, functional.interpolate(joined, scale_factor=2.0, mode="nearest")], dim=1)
        logit: torch.Tensor = self.logit(functional.relu(self.head(full)))
        return logit


def tiles(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bands (count, 4, n, n) and truth (count, 1, n, n), 1.0 where cloud."""
    made = [TileBank(count, seed).tile(index) for index in range(count)]
    bands = np.stack([tile.bands for tile in made])
    truth = np.stack([tile.mask[None] == CLOUD for tile in made]).astype(np.float32)
    return torch.from_numpy(bands), torch.from_numpy(truth)


def train(count: int, epochs: int, seed: int) -> CloudScreen:
    """A network trained on `count` tiles of the training bank, flipped and turned at random."""
    torch.manual_seed(seed)
    network = CloudScreen()
    bands, truth = tiles(count, TRAIN_SEED)
    order = torch.Generator().manual_seed(seed)
    batch = 16
    steps = epochs * (count // batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-4)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for epoch in range(epochs):
        begun, total = time.perf_counter(), 0.0
        for chosen in torch.randperm(count, generator=order)[: count // batch * batch].split(batch):
            turns = int(torch.randint(4, (1,), generator=order))
            x, y = (torch.rot90(part[chosen], turns, (2, 3)) for part in (bands, truth))
            loss = functional.binary_cross_entropy_with_logits(network(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / (count // batch):.4f}, {time.perf_counter() - begun:.1f} s")
    return network.eval()


def scores(network: CloudScreen, count: int, cloudy_above: float) -> tuple[float, float]:
    """Pixel accuracy, and accuracy of the decision "more cloud than `cloudy_above`", on the held-out bank."""
    bands, truth = tiles(count, HELD_OUT_SEED)
    with torch.no_grad():
        probability = torch.cat([torch.sigmoid(network(part)) for part in bands.split(16)])
    pixels = ((probability > 0.5) == (truth > 0.5)).float().mean()
    decided = probability.mean((1, 2, 3)) > cloudy_above
    return float(pixels), float((decided == (truth.mean((1, 2, 3)) > cloudy_above)).float().mean())


def to_onnx(network: CloudScreen, properties: dict[str, str]) -> onnx.ModelProto:
    """The same network as an ONNX graph: `bands` (batch, 4, n, n) to `cloud_probability` (batch, 1, n, n)."""
    weights: list[TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, value: NDArray[np.float32]) -> str:
        weights.append(numpy_helper.from_array(value, name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conv(name: str, source: str, *, active: bool = True) -> str:
        layer: nn.Conv2d = getattr(network, name)
        parts = [constant(f"{name}.{part}", value.detach().numpy()) for part, value in layer.named_parameters()]
        kernel, stride, gap, pad = (
            [int(v) for v in (size if isinstance(size, tuple) else (size, size))]
            for size in (layer.kernel_size, layer.stride, layer.dilation, layer.padding)
        )
        out = node(
            "Conv", [source, *parts], f"{name}.out", kernel_shape=kernel, strides=stride, dilations=gap, pads=pad + pad
        )
        return node("Relu", [out], f"{name}.relu") if active else out

    def twice(source: str, name: str) -> str:
        return node(
            "Resize",
            [source, "", "twice"],
            name,
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    constant("twice", np.array([1, 1, 2, 2], np.float32))
    shifted = node("Sub", ["bands", constant("offset", np.array(0.3, np.float32))], "shifted")
    x = node("Mul", [shifted, constant("gain", np.array(4.0, np.float32))], "scaled")
    half = conv("stem", x)
    quarter = conv("down", half)
    quarter = node("Add", [quarter, conv("wide1", quarter)], "quarter1")
    quarter = node("Add", [quarter, conv("wide2", quarter)], "quarter2")
    joined = conv("merge", node("Concat", [half, twice(quarter, "up1")], "cat1", axis=1))
    logit = conv("logit", conv("head", node("Concat", [x, twice(joined, "up2")], "cat2", axis=1)), active=False)
    node("Sigmoid", [logit], "cloud_probability")
    shapes = {"bands": ["batch", len(BANDS), TILE_PX, TILE_PX], "cloud_probability": ["batch", 1, TILE_PX, TILE_PX]}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "cloud-screen", ends[:1], ends[1:], weights)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="orbitmesh",
        producer_version="",
    )
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train, score on held-out tiles, write."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--tiles", type=int, default=1500)
    ask.add_argument("--epochs", type=int, default=18)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=Path, default=TARGET)
    given = ask.parse_args()
    torch.set_num_threads(2)
    network = train(given.tiles, given.epochs, given.seed)
    pixel, decision = scores(network, 400, cloudy_above=0.7)
    print(f"held out: pixel accuracy {pixel:.4f}, clear or cloudy decided right {decision:.4f}")
    model = to_onnx(
        network,
        {
            "orbitmesh.role": "cloud-screen",
            "trained": "on synthetic scenes by scripts/train_cloud_screen.py",
            "seed": str(given.seed),
            "held_out_pixel_accuracy": f"{pixel:.4f}",
            "held_out_decision_accuracy": f"{decision:.4f}",
        },
    )
    given.out.write_bytes(model.SerializeToString(deterministic=True))
    print(f"wrote {given.out.name}: {given.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
