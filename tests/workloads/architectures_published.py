"""Published architectures as ONNX graphs without weights of their own, to count against published figures.

Rules: the layers are those of the named source, no more; batch 1; large weights are made by ConstantOfShape, so the
files stay small, as in onnx's own "light" models. BatchNormalization is kept, as in the published parameter counts.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SMALL = 20_000  # elements of a weight that is written out


class Net:
    """Collects the nodes of a graph; every method returns the name of the tensor that it makes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.held: list[Any] = []

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.held)}"
        if prod(shape) <= SMALL:
            self.held.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
            return name
        self.held.append(numpy_helper.from_array(np.array(shape), f"{name}.shape"))
        return self.node("ConstantOfShape", f"{name}.shape")

    def whole(self, *values: int) -> str:
        name = f"w{len(self.held)}"
        self.held.append(numpy_helper.from_array(np.array(values), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, x: str, parts: int, axis: int) -> list[str]:
        names = [f"t{len(self.nodes)}.{part}" for part in range(parts)]
        self.nodes.append(helper.make_node("Split", [x], names, axis=axis))
        return names

    def conv(self, x: str, given: int, made: int, kernel: int = 1, *, stride: int = 1, pad: int | None = None,
             group: int = 1, bias: bool = True) -> str:  # fmt: skip
        weights = [self.weight(made, given // group, kernel, kernel), *([self.weight(made)] if bias else [])]
        pads = [kernel // 2 if pad is None else pad] * 4
        return self.node("Conv", x, *weights, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group)

    def norm(self, x: str, channels: int) -> str:
        return self.node("BatchNormalization", x, *(self.weight(channels) for _ in range(4)))

    def unit(self, x: str, given: int, made: int, kernel: int = 1, *, act: str = "Relu", **more: Any) -> str:
        """Convolution without bias, normalisation, activation: "" none, "Silu" x times its sigmoid."""
        return self.act(self.norm(self.conv(x, given, made, kernel, bias=False, **more), made), act)

    def act(self, x: str, kind: str) -> str:
        if kind == "Silu":
            return self.node("Mul", x, self.node("Sigmoid", x))
        return self.node(kind, x) if kind else x

    def pool(
        self, x: str, kernel: int = 3, stride: int = 2, pad: int = 0, *, kind: str = "MaxPool", ceil: int = 0
    ) -> str:
        size = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.node(kind, x, ceil_mode=ceil, **size)

    def linear(self, x: str, given: int, made: int) -> str:
        """A dense layer on rows."""
        return self.node("Gemm", x, self.weight(made, given), self.weight(made), transB=1)

    def dense(self, x: str, given: int, made: int) -> str:
        """A dense layer on tokens (batch, tokens, size), as exporters write it."""
        return self.node("Add", self.node("MatMul", x, self.weight(given, made)), self.weight(made))

    def layer_norm(self, x: str, size: int) -> str:
        return self.node("LayerNormalization", x, self.weight(size), self.weight(size))

    def head(self, x: str, channels: int, classes: int = 1000) -> str:
        return self.linear(self.node("Flatten", self.node("GlobalAveragePool", x)), channels, classes)

    def attention(self, x: str, tokens: int, size: int, heads: int) -> str:
        """Self-attention written out in matrix products."""
        apart, back = self.whole(1, tokens, heads, size // heads), self.whole(1, tokens, size)
        parts = [self.node("Reshape", self.dense(x, size, size), apart) for _ in range(3)]
        query, value = (self.node("Transpose", parts[place], perm=[0, 2, 1, 3]) for place in (0, 2))
        key = self.node("Transpose", parts[1], perm=[0, 2, 3, 1])
        shares = self.node("Softmax", self.node("MatMul", query, key))
        mixed = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self.dense(self.node("Reshape", mixed, back), size, size)

    def feed_forward(self, x: str, size: int, wide: int) -> str:
        return self.dense(self.node("Erf", self.dense(x, size, wide)), wide, size)

    def model(self, last: str, axes: Sequence[int], kind: int = TensorProto.FLOAT) -> Any:
        x = helper.make_tensor_value_info("x", kind, list(axes))
        y = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "published", [x], [y], self.held)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


IMAGE = (1, 3, 224, 224)


def alexnet() -> Any:
    """torchvision: "One weird trick", arXiv 1404.5997."""
    net, x = Net(), "x"
    for given, made, kernel, stride, pad, pooled in (
        (3, 64, 11, 4, 2, True), (64, 192, 5, 1, 2, True), (192, 384, 3, 1, 1, False), (384, 256, 3, 1, 1, False),
        (256, 256, 3, 1, 1, True),
    ):  # fmt: skip
        x = net.act(net.conv(x, given, made, kernel, stride=stride, pad=pad), "Relu")
        x = net.pool(x) if pooled else x
    x = net.node("Flatten", x)
    for given, made in ((9216, 4096), (4096, 4096), (4096, 1000)):
        x = net.linear(x, given, made)
    return net.model(x, IMAGE)


def vgg16() -> Any:
    """Configuration D, arXiv 1409.1556."""
    net, x, given = Net(), "x", 3
    for made, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            x, given = net.act(net.conv(x, given, made, 3), "Relu"), made
        x = net.pool(x, 2)
    x = net.node("Flatten", x)
    for given, made in ((25088, 4096), (4096, 4096), (4096, 1000)):
        x = net.linear(x, given, made)
    return net.model(x, IMAGE)


def _shortcut(net: Net, x: str, given: int, made: int, stride: int) -> str:
    return x if given == made and stride == 1 else net.unit(x, given, made, 1, stride=stride, act="")


def resnet(layers: Sequence[int], *, bottleneck: bool, group: int = 1, width: int = 64) -> Any:
    """arXiv 1512.03385, stride in the 3 x 3 (v1.5) as torchvision; ResNeXt (arXiv 1611.05431) by groups."""
    net = Net()
    x, given = net.pool(net.unit("x", 3, 64, 7, stride=2), pad=1), 64
    for stage, times in enumerate(layers):
        for place in range(times):
            stride, inner = 2 if stage and not place else 1, width * group * 2**stage
            made = 64 * 2**stage * (4 if bottleneck else 1)
            if bottleneck:
                y = net.unit(net.unit(x, given, inner), inner, inner, 3, stride=stride, group=group)
                y = net.unit(y, inner, made, act="")
            else:
                y = net.unit(net.unit(x, given, made, 3, stride=stride), made, made, 3, act="")
            x, given = net.act(net.node("Add", y, _shortcut(net, x, given, made, stride)), "Relu"), made
    return net.model(net.head(x, given), IMAGE)


def mobilenet_v1() -> Any:
    """arXiv 1704.04861, table 1, width 1.0."""
    net = Net()
    x, given = net.unit("x", 3, 32, 3, stride=2), 32
    pairs = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    for made, stride in pairs:
        x = net.unit(net.unit(x, given, given, 3, stride=stride, group=given), given, made)
        given = made
    return net.model(net.head(x, given), IMAGE)


def _inverted(net: Net, x: str, given: int, made: int, expand: int, kernel: int, stride: int, squeeze: bool) -> str:
    """An inverted residual; with `squeeze` as EfficientNet has it."""
    wide, act = given * expand, "Silu" if squeeze else "Clip"
    y = net.unit(x, given, wide, act=act) if expand > 1 else x
    y = net.unit(y, wide, wide, kernel, stride=stride, group=wide, act=act)
    if squeeze:
        gate = net.act(net.conv(net.node("GlobalAveragePool", y), wide, given // 4), "Silu")
        y = net.node("Mul", y, net.node("Sigmoid", net.conv(gate, given // 4, wide)))
    y = net.unit(y, wide, made, act="")
    return net.node("Add", x, y) if stride == 1 and given == made else y


def mobilenet_v2() -> Any:
    """arXiv 1801.04381, table 2, width 1.0."""
    net = Net()
    x, given = net.unit("x", 3, 32, 3, stride=2, act="Clip"), 32
    for expand, made, times, first in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for place in range(times):
            x = _inverted(net, x, given, made, expand, 3, 1 if place else first, False)
            given = made
    return net.model(net.head(net.unit(x, given, 1280, act="Clip"), 1280), IMAGE)


def efficientnet_b0() -> Any:
    """arXiv 1905.11946, table 1."""
    net = Net()
    x, given = net.unit("x", 3, 32, 3, stride=2, act="Silu"), 32
    for expand, kernel, first, made, times in (
        (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ):  # fmt: skip
        for place in range(times):
            x = _inverted(net, x, given, made, expand, kernel, 1 if place else first, True)
            given = made
    return net.model(net.head(net.unit(x, given, 1280, act="Silu"), 1280), IMAGE)


def squeezenet(version: str) -> Any:
    """arXiv 1602.07360; 1.1 from the authors' repository, as torchvision has both."""
    net, old = Net(), version == "1.0"
    x, given = net.act(net.conv("x", 3, 96 if old else 64, 7 if old else 3, stride=2, pad=0), "Relu"), 96 if old else 64
    pools = (0, 3, 7) if old else (0, 2, 4)
    for place, (squeeze, made) in enumerate(((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256),
                                            (64, 256))):  # fmt: skip
        x = net.pool(x, ceil=1) if place in pools else x
        s = net.act(net.conv(x, given, squeeze), "Relu")
        x = net.node("Concat", net.conv(s, squeeze, made), net.conv(s, squeeze, made, 3), axis=1)
        x, given = net.act(x, "Relu"), 2 * made
    return net.model(net.node("GlobalAveragePool", net.conv(x, given, 1000)), IMAGE)


def shufflenet_v2() -> Any:
    """arXiv 1807.11164, width 1.0."""
    net = Net()
    x, given, side = net.pool(net.unit("x", 3, 24, 3, stride=2), pad=1), 24, 56
    for made, times in ((116, 4), (232, 8), (464, 4)):
        half = made // 2
        for place in range(times):
            stride, narrow = (1, half) if place else (2, given)
            left, right = net.split(x, 2, 1) if place else (x, x)
            if not place:
                side //= 2
                left = net.unit(net.unit(left, given, given, 3, stride=2, group=given, act=""), given, half)
            right = net.unit(right, narrow, half)
            right = net.unit(net.unit(right, half, half, 3, stride=stride, group=half, act=""), half, half)
            joined = net.node("Reshape", net.node("Concat", left, right, axis=1), net.whole(1, 2, half, side, side))
            mixed = net.node("Transpose", joined, perm=[0, 2, 1, 3, 4])
            x, given = net.node("Reshape", mixed, net.whole(1, made, side, side)), made
    return net.model(net.head(net.unit(x, given, 1024), 1024), IMAGE)


def googlenet() -> Any:
    """arXiv 1409.4842 as torchvision has it: normalised, 3 x 3 where the paper has 5 x 5, no auxiliary heads."""
    net = Net()
    x = net.pool(net.unit("x", 3, 64, 7, stride=2), ceil=1)
    x, given = net.pool(net.unit(net.unit(x, 64, 64), 64, 192, 3), ceil=1), 192
    for a, b, c, d, e, f, pooled in (
        (64, 96, 128, 16, 32, 32, 0), (128, 128, 192, 32, 96, 64, 3), (192, 96, 208, 16, 48, 64, 0),
        (160, 112, 224, 24, 64, 64, 0), (128, 128, 256, 24, 64, 64, 0), (112, 144, 288, 32, 64, 64, 0),
        (256, 160, 320, 32, 128, 128, 2), (256, 160, 320, 32, 128, 128, 0), (384, 192, 384, 48, 128, 128, 0),
    ):  # fmt: skip
        branches = (
            net.unit(x, given, a),
            net.unit(net.unit(x, given, b), b, c, 3),
            net.unit(net.unit(x, given, d), d, e, 3),
            net.unit(net.pool(x, 3, 1, 1), given, f),
        )
        x, given = net.node("Concat", *branches, axis=1), a + c + e + f
        x = net.pool(x, pooled, 2, ceil=1) if pooled else x
    return net.model(net.head(x, given), IMAGE)


def densenet121() -> Any:
    """arXiv 1608.06993: growth 32, bottlenecks of 128."""
    net = Net()
    x, given = net.pool(net.unit("x", 3, 64, 7, stride=2), pad=1), 64
    for block, times in enumerate((6, 12, 24, 16)):
        for _ in range(times):
            y = net.unit(net.act(net.norm(x, given), "Relu"), given, 128)
            x, given = net.node("Concat", x, net.conv(y, 128, 32, 3, bias=False), axis=1), given + 32
        if block < 3:
            x = net.conv(net.act(net.norm(x, given), "Relu"), given, given // 2, bias=False)
            x, given = net.pool(x, 2, kind="AveragePool"), given // 2
    return net.model(net.head(net.act(net.norm(x, given), "Relu"), given), IMAGE)


def convnext_tiny() -> Any:
    """arXiv 2201.03545: depths 3, 3, 9, 3."""
    net, x, given = Net(), "x", 3
    for stage, (made, times) in enumerate(((96, 3), (192, 3), (384, 9), (768, 3))):
        kernel = 2 if stage else 4
        x = net.node("Transpose", x, perm=[0, 2, 3, 1]) if stage else x
        x = net.node("Transpose", net.layer_norm(x, given), perm=[0, 3, 1, 2]) if stage else x
        x = net.conv(x, given, made, kernel, stride=kernel, pad=0)
        if not stage:
            x = net.layer_norm(net.node("Transpose", x, perm=[0, 2, 3, 1]), made)
            x = net.node("Transpose", x, perm=[0, 3, 1, 2])
        for _ in range(times):
            y = net.node("Transpose", net.conv(x, made, made, 7, group=made), perm=[0, 2, 3, 1])
            y = net.node("Mul", net.feed_forward(net.layer_norm(y, made), made, 4 * made), net.weight(made))
            x = net.node("Add", x, net.node("Transpose", y, perm=[0, 3, 1, 2]))
        given = made
    x = net.layer_norm(net.node("Flatten", net.node("GlobalAveragePool", x)), given)
    return net.model(net.linear(x, given, 1000), IMAGE)


def vit_b_16() -> Any:
    """arXiv 2010.11929, table 1, patches of 16."""
    net = Net()
    patches = net.node("Reshape", net.conv("x", 3, 768, 16, stride=16, pad=0), net.whole(1, 768, 196))
    tokens = net.node("Transpose", patches, perm=[0, 2, 1])
    x = net.node("Add", net.node("Concat", net.weight(1, 1, 768), tokens, axis=1), net.weight(1, 197, 768))
    for _ in range(12):
        x = net.node("Add", x, net.attention(net.layer_norm(x, 768), 197, 768, 12))
        x = net.node("Add", x, net.feed_forward(net.layer_norm(x, 768), 768, 3072))
    first = net.node("Gather", net.layer_norm(x, 768), net.whole(0), axis=1)
    return net.model(net.linear(net.node("Flatten", first), 768, 1000), IMAGE)


def bert_base(tokens: int = 128) -> Any:
    """arXiv 1810.04805: embeddings, twelve layers and the pooler."""
    net = Net()
    x = net.node("Add", net.node("Gather", net.weight(30522, 768), "x"), net.node("Gather", net.weight(2, 768), "x"))
    places = net.node("Slice", net.weight(512, 768), net.whole(0), net.whole(tokens))
    x = net.layer_norm(net.node("Add", x, places), 768)
    for _ in range(12):
        x = net.layer_norm(net.node("Add", x, net.attention(x, tokens, 768, 12)), 768)
        x = net.layer_norm(net.node("Add", x, net.feed_forward(x, 768, 3072)), 768)
    first = net.node("Flatten", net.node("Gather", x, net.whole(0), axis=1))
    return net.model(net.linear(first, 768, 768), (1, tokens), TensorProto.INT64)


BUILDERS: dict[str, Callable[[], Any]] = {
    "alexnet": alexnet,
    "vgg16": vgg16,
    "resnet18": lambda: resnet((2, 2, 2, 2), bottleneck=False),
    "resnet34": lambda: resnet((3, 4, 6, 3), bottleneck=False),
    "resnet50": lambda: resnet((3, 4, 6, 3), bottleneck=True),
    "resnet101": lambda: resnet((3, 4, 23, 3), bottleneck=True),
    "resnet152": lambda: resnet((3, 8, 36, 3), bottleneck=True),
    "resnext50_32x4d": lambda: resnet((3, 4, 6, 3), bottleneck=True, group=32, width=4),
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "efficientnet_b0": efficientnet_b0,
    "squeezenet1_0": lambda: squeezenet("1.0"),
    "squeezenet1_1": lambda: squeezenet("1.1"),
    "shufflenet_v2_x1_0": shufflenet_v2,
    "googlenet": googlenet,
    "densenet121": densenet121,
    "convnext_tiny": convnext_tiny,
    "vit_b_16": vit_b_16,
    "bert_base": bert_base,
}
