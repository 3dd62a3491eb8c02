"""Three published convolutional networks, layer by layer: ResNet-50 v1.5, MobileNetV2 1.0, and the first U-Net.

Rules: exactly the published layers; names of weights are torchvision's where it has the network.
"""

from workloads.generated.graph_builder import BATCH, GraphBuilder
from workloads.generated.seeded_layers import SeededLayers

# He et al. 2016, table 1, 50-layer: blocks, width of the 3x3 convolutions, stride of the first block
STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
WIDENING = 4  # a bottleneck's output over its width
# Sandler et al. 2018, table 2: expansion, channels, repeats, stride of the first
BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
LEVELS = (64, 128, 256, 512, 1024)  # Ronneberger et al. 2015, figure 1: channels going down
U_NET_PX = (568, 280, 136, 64, 28)  # the same: side of the image at the end of each level


def resnet50(seed: int) -> GraphBuilder:
    """`image` (batch, 3, 224, 224) to `scores` (batch, 1000); version 1.5: a block's stride is in its 3x3."""
    net = SeededLayers("resnet50", seed)
    x = net.conv(net.graph.input("image", [BATCH, 3, 224, 224]), "conv1", 3, 64, 7, stride=2, pad=3)
    x = net.relu(net.batch_norm(x, "bn1", 64))
    x = net.graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    fed = 64
    for stage, (blocks, width, first_stride) in enumerate(STAGES, 1):
        for block in range(blocks):
            x = _bottleneck(net, x, f"layer{stage}.{block}", fed, width, first_stride if block == 0 else 1)
            fed = width * WIDENING
    _classify(net, x, "fc", fed)
    return net.graph


def _bottleneck(net: SeededLayers, x: str, name: str, fed: int, width: int, stride: int) -> str:
    made, start = width * WIDENING, x
    x = net.relu(net.batch_norm(net.conv(x, f"{name}.conv1", fed, width, 1), f"{name}.bn1", width))
    x = net.conv(x, f"{name}.conv2", width, width, 3, stride=stride, pad=1)
    x = net.relu(net.batch_norm(x, f"{name}.bn2", width))
    x = net.batch_norm(net.conv(x, f"{name}.conv3", width, made, 1), f"{name}.bn3", made)
    if fed != made:
        start = net.conv(start, f"{name}.downsample.0", fed, made, 1, stride=stride)
        start = net.batch_norm(start, f"{name}.downsample.1", made)
    return net.relu(net.graph.node("Add", [x, start]))


def mobilenet_v2(seed: int) -> GraphBuilder:
    """`image` (batch, 3, 224, 224) to `scores` (batch, 1000); width 1.0."""
    net = SeededLayers("mobilenet-v2", seed)
    x = net.conv(net.graph.input("image", [BATCH, 3, 224, 224]), "features.0.0", 3, 32, 3, stride=2, pad=1)
    x, fed, number = _relu6(net, net.batch_norm(x, "features.0.1", 32)), 32, 0
    for expansion, made, repeats, first_stride in BOTTLENECKS:
        for repeat in range(repeats):
            number += 1
            stride = first_stride if repeat == 0 else 1
            out = _inverted(net, x, f"features.{number}", fed, made, expansion, stride)
            x = net.graph.node("Add", [x, out]) if stride == 1 and fed == made else out
            fed = made
    x = net.batch_norm(net.conv(x, "features.18.0", fed, 1280, 1), "features.18.1", 1280)
    _classify(net, _relu6(net, x), "classifier.1", 1280)
    return net.graph


def _inverted(net: SeededLayers, x: str, name: str, fed: int, made: int, expansion: int, stride: int) -> str:
    wide = fed * expansion
    if expansion > 1:
        x = net.conv(x, f"{name}.expand", fed, wide, 1)
        x = _relu6(net, net.batch_norm(x, f"{name}.expand.norm", wide))
    x = net.conv(x, f"{name}.depthwise", wide, wide, 3, stride=stride, pad=1, group=wide)
    x = _relu6(net, net.batch_norm(x, f"{name}.depthwise.norm", wide))
    return net.batch_norm(net.conv(x, f"{name}.project", wide, made, 1), f"{name}.project.norm", made)


def _relu6(net: SeededLayers, x: str) -> str:
    return net.graph.node("Clip", [x, net.graph.number(0.0), net.graph.number(6.0)])


def _classify(net: SeededLayers, x: str, name: str, fed: int) -> None:
    x = net.graph.node("Flatten", [net.graph.node("GlobalAveragePool", [x])])
    net.graph.node("Identity", [net.dense(x, name, fed, 1000)], "scores")


def u_net(seed: int) -> GraphBuilder:
    """`image` (batch, 1, 572, 572) to `scores` (batch, 2, 388, 388): nothing is padded, skips are cropped."""
    net = SeededLayers("u-net", seed)
    x, fed, skips = net.graph.input("image", [BATCH, 1, 572, 572]), 1, []
    for level, width in enumerate(LEVELS):
        if level:
            x = net.graph.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
        x, fed = _double(net, x, f"down{level}", fed, width), width
        skips.append(x)
    side = U_NET_PX[-1]
    for level in reversed(range(len(LEVELS) - 1)):
        width = LEVELS[level]
        weights = [net.drawn(f"up{level}.weight", (fed, width, 2, 2), fed), net.filled(f"up{level}.bias", width, 0.0)]
        x = net.graph.node("ConvTranspose", [x, *weights], f"up{level}.out", kernel_shape=[2, 2], strides=[2, 2])
        side *= 2
        edge = (U_NET_PX[level] - side) // 2
        window = [net.graph.whole(edge, edge), net.graph.whole(edge + side, edge + side), net.graph.whole(2, 3)]
        cropped = net.graph.node("Slice", [skips[level], *window])
        x = _double(net, net.graph.node("Concat", [cropped, x], axis=1), f"merge{level}", 2 * width, width)
        fed, side = width, side - 4
    net.graph.node("Identity", [net.conv(x, "classes", fed, 2, 1, bias=1)], "scores")
    return net.graph


def _double(net: SeededLayers, x: str, name: str, fed: int, made: int) -> str:
    x = net.relu(net.conv(x, f"{name}.conv1", fed, made, 3, bias=1))
    return net.relu(net.conv(x, f"{name}.conv2", made, made, 3, bias=1))
