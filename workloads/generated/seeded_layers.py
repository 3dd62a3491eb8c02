"""The layers that published architectures are made of, with seeded random weights, written straight into an ONNX graph.

Rules: each tensor draws from its own stream, by exact products only, so the bytes are the same on every host. Weights
are uniform with the variance of He et al. 2015, eq. 10, so that activations neither vanish nor overflow.
"""

from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from workloads.generated.graph_builder import GraphBuilder
from workloads.streams import stream

NORM_EPSILON = 1e-5  # of batch normalisation: torch.nn.BatchNorm2d's default, which torchvision keeps


def seeded(seed: int, name: str, shape: tuple[int, ...], fan_in: int) -> NDArray[np.float32]:
    """Uniform float32 numbers in +-sqrt(6 / fan_in), from the raw words of the stream of that `name`."""
    count = prod(shape)
    words = np.asarray(stream(seed, "weights", name).bit_generator.random_raw(-(-count // 2)), dtype="<u8")
    halves = words.view("<i4")[:count].astype(np.float32)
    return (halves * np.float32(sqrt(6.0 / fan_in) / 2.0**31)).reshape(shape)


class SeededLayers:
    """A graph under way and the seed of its weights; methods return the name of the tensor they make."""

    def __init__(self, name: str, seed: int) -> None:
        self.graph, self.seed = GraphBuilder(name), seed

    def drawn(self, name: str, shape: tuple[int, ...], fan_in: int) -> str:
        """A weight of random numbers."""
        return self.graph.weight(name, seeded(self.seed, f"{self.graph.name}/{name}", shape, fan_in))

    def filled(self, name: str, size: int, value: float) -> str:
        """A weight (size,) of one number: biases, scales and shifts as they are before training."""
        return self.graph.weight(name, np.full(size, value, np.float32))

    def conv(self, x: str, name: str, fed: int, made: int, kernel: int, **more: int) -> str:
        """A square convolution; `more` is stride, pad, group, and bias 1 for one."""
        each = fed // more.get("group", 1)
        weights = [self.drawn(f"{name}.weight", (made, each, kernel, kernel), each * kernel * kernel)]
        if more.pop("bias", 0):
            weights.append(self.filled(f"{name}.bias", made, 0.0))
        return self.graph.conv(x, weights, kernel, **more)

    def batch_norm(self, x: str, name: str, channels: int) -> str:
        """Batch normalisation with scale and shift, and the running statistics of before training."""
        values = (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0))
        weights = [self.filled(f"{name}.{part}", channels, value) for part, value in values]
        return self.graph.node("BatchNormalization", [x, *weights], f"{name}.out", epsilon=NORM_EPSILON)

    def layer_norm(self, x: str, name: str, width: int, epsilon: float) -> str:
        """Layer normalisation over the last axis."""
        weights = [self.filled(f"{name}.weight", width, 1.0), self.filled(f"{name}.bias", width, 0.0)]
        return self.graph.node("LayerNormalization", [x, *weights], f"{name}.out", axis=-1, epsilon=epsilon)

    def dense(self, x: str, name: str, fed: int, made: int) -> str:
        """A fully connected layer over the last axis."""
        product = self.graph.node("MatMul", [x, self.drawn(f"{name}.weight", (fed, made), fed)])
        return self.graph.node("Add", [product, self.filled(f"{name}.bias", made, 0.0)], f"{name}.out")

    def relu(self, x: str) -> str:
        """Rectified linear."""
        return self.graph.node("Relu", [x])
