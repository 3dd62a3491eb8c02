"""ViT-B/16, layer by layer: Dosovitskiy et al. 2021, table 1 (Base), patches of 16, 224 x 224, as torchvision has it.

Rules: exactly the published layers; names of weights are torchvision's.
"""

from math import sqrt

from workloads.generated.graph_builder import BATCH, GraphBuilder
from workloads.generated.seeded_layers import SeededLayers

# Dosovitskiy et al. 2021, table 1, ViT-Base
LAYERS, WIDTH, HEADS, HIDDEN = 12, 768, 12, 3072
PATCH_PX, IMAGE_PX = 16, 224
PATCHES = (IMAGE_PX // PATCH_PX) ** 2
NORM_EPSILON = 1e-6  # torchvision, vision_transformer.py


def vit_b_16(seed: int) -> GraphBuilder:
    """`image` (batch, 3, 224, 224) to `scores` (batch, 1000)."""
    net = SeededLayers("vit-b-16", seed)
    graph = net.graph
    image = graph.input("image", [BATCH, 3, IMAGE_PX, IMAGE_PX])
    x = net.conv(image, "conv_proj", 3, WIDTH, PATCH_PX, stride=PATCH_PX, bias=1)
    x = graph.node("Transpose", [graph.node("Reshape", [x, graph.whole(0, WIDTH, PATCHES)])], perm=[0, 2, 1])
    batch = graph.node("Shape", [image], start=0, end=1)
    shape = graph.node("Concat", [batch, graph.whole(1, WIDTH)], axis=0)
    token = graph.node("Expand", [net.drawn("class_token", (1, 1, WIDTH), WIDTH), shape])
    x = graph.node("Concat", [token, x], axis=1)
    x = graph.node("Add", [x, net.drawn("encoder.pos_embedding", (1, PATCHES + 1, WIDTH), WIDTH)])
    for number in range(LAYERS):
        x = _layer(net, x, f"encoder.layers.{number}")
    first = graph.node("Gather", [net.layer_norm(x, "encoder.ln", WIDTH, NORM_EPSILON), graph.whole(0)], axis=1)
    scores = net.dense(graph.node("Squeeze", [first, graph.whole(1)]), "heads.head", WIDTH, 1000)
    graph.node("Identity", [scores], "scores")
    return graph


def _layer(net: SeededLayers, x: str, name: str) -> str:
    x = net.graph.node("Add", [x, _attention(net, net.layer_norm(x, f"{name}.ln_1", WIDTH, NORM_EPSILON), name)])
    step = net.dense(net.layer_norm(x, f"{name}.ln_2", WIDTH, NORM_EPSILON), f"{name}.mlp.0", WIDTH, HIDDEN)
    return net.graph.node("Add", [x, net.dense(_gelu(net, step), f"{name}.mlp.3", HIDDEN, WIDTH)])


def _attention(net: SeededLayers, x: str, name: str) -> str:
    """Self-attention in HEADS heads; the head's index is the second axis."""
    graph, each = net.graph, WIDTH // HEADS
    joined = net.dense(x, f"{name}.self_attention.in_proj", WIDTH, 3 * WIDTH)
    sides = []
    for part, perm in enumerate(([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])):  # query, key turned, value
        ends = (graph.whole(part * WIDTH), graph.whole((part + 1) * WIDTH), graph.whole(2))
        split = graph.node("Reshape", [graph.node("Slice", [joined, *ends]), graph.whole(0, -1, HEADS, each)])
        sides.append(graph.node("Transpose", [split], perm=perm))
    score = graph.node("Mul", [graph.node("MatMul", sides[:2]), graph.number(1 / sqrt(each))])
    mixed = graph.node("MatMul", [graph.node("Softmax", [score], axis=-1), sides[2]])
    merged = graph.node("Reshape", [graph.node("Transpose", [mixed], perm=[0, 2, 1, 3]), graph.whole(0, -1, WIDTH)])
    return net.dense(merged, f"{name}.self_attention.out_proj", WIDTH, WIDTH)


def _gelu(net: SeededLayers, x: str) -> str:
    """x/2 (1 + erf(x / sqrt 2)): Hendrycks and Gimpel 2016, eq. 2."""
    graph = net.graph
    spread = graph.node("Erf", [graph.node("Div", [x, graph.number(sqrt(2.0))])])
    product = graph.node("Mul", [x, graph.node("Add", [spread, graph.number(1.0)])])
    return graph.node("Mul", [product, graph.number(0.5)])
