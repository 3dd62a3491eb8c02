"""The models of MLPerf Inference as profiles, counted in closed form from their published architectures.

Nothing is read or run. Bytes are float32; activations are counted operator by operator, unfused, as
`workloads/counting/graph.py` counts them in a file.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from workloads.tasks import ModelProfile

FLOAT32_BYTES = 4
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # planes and blocks: He et al., arXiv:1512.03385, table 1
EXPANSION = 4  # of a bottleneck: the same
CLASSES = 264  # of OpenImages in MLPerf's RetinaNet: mlcommons/inference, vision/classification_and_detection
ANCHORS = 9  # of a place: Lin et al., arXiv:1708.02002
PYRAMID = 256  # channels of every level: the same
HEAD_CONVOLUTIONS = 4  # before the last of each head: the same
BERT_LAYERS, BERT_HIDDEN, BERT_FFN = 24, 1024, 4096  # BERT-Large: Devlin et al., arXiv:1810.04805
BERT_VOCABULARY, BERT_POSITIONS = 30_522, 512  # the same
SQUAD_PADDED = 384  # tokens: mlcommons/inference, language/bert
SQUAD_PADDING = 0.54  # of SQuAD v1.1 at 384 tokens: "Removing Padding ...", openreview.net/forum?id=3nzKUh9a4M
SQUAD_TOKENS = SQUAD_PADDED * (1.0 - SQUAD_PADDING)  # what submissions that pack sequences compute: 177


class Convolution(NamedTuple):
    """One convolution: channels, kernel side, groups, side of its input and of its output; `after` it, in passes."""

    channels_in: int
    channels_out: int
    kernel: int
    side_in: int
    side_out: int
    groups: int = 1
    after: int = 4  # reads and writes of its output by what follows: normalisation and activation, two each

    @property
    def parameters(self) -> int:
        """Weights of the kernel."""
        return self.channels_out * (self.channels_in // self.groups) * self.kernel**2

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.parameters * self.side_out**2

    @property
    def moved_bytes(self) -> int:
        """Bytes of activations read and written, with what follows."""
        out = self.channels_out * self.side_out**2
        return FLOAT32_BYTES * (self.channels_in * self.side_in**2 + (1 + self.after) * out)


def backbone(side: int, groups: int, group_width: int) -> Iterator[Convolution]:
    """The convolutions of a ResNet-50 v1.5 (groups 1, width 64) or ResNeXt-50 32x4d on an image of `side` pixels."""
    after_stem = -(-side // 2)
    yield Convolution(3, 64, 7, side, after_stem, after=6)  # and the pooling
    before, here, channels = after_stem, -(-after_stem // 2), 64
    before = here
    for planes, blocks in STAGES:
        width, wide = planes * group_width * groups // 64, planes * EXPANSION
        for block in range(blocks):
            if block == 0 and planes > 64:
                before, here = here, -(-here // 2)
            yield Convolution(channels, width, 1, before, before)
            yield Convolution(width, width, 3, before, here, groups)  # v1.5: the stride is here
            yield Convolution(width, wide, 1, here, here, after=7)  # and the sum with the shortcut
            if block == 0:
                yield Convolution(channels, wide, 1, before, here, after=2)
            channels, before = wide, here


def resnet_50(side: int = 224, groups: int = 1, group_width: int = 64) -> ModelProfile:
    """ResNet-50 v1.5, or ResNeXt-50 32x4d by groups 32 and width 4, with its classifier of 1,000."""
    layers = [*backbone(side, groups, group_width), Convolution(2048, 1000, 1, 1, 1, after=0)]
    return _profile(f"resnet-50 {side}", layers, side, 1)


def retinanet(side: int = 800) -> ModelProfile:
    """RetinaNet with a ResNeXt-50 32x4d backbone on OpenImages, as MLPerf runs it; suppression is not counted."""
    layers = list(backbone(side, 32, 4))
    sides = [-(-side // stride) for stride in (8, 16, 32, 64, 128)]
    for channels, level in zip((512, 1024, 2048), sides, strict=False):
        layers += [Convolution(channels, PYRAMID, 1, level, level, after=3)]
        layers += [Convolution(PYRAMID, PYRAMID, 3, level, level, after=0)]
    for above, level in pairwise(sides[2:]):
        layers.append(Convolution(PYRAMID, PYRAMID, 3, above, level, after=2))
    outputs = 0
    for level in sides:
        for last in (CLASSES * ANCHORS, 4 * ANCHORS):
            layers += [Convolution(PYRAMID, PYRAMID, 3, level, level, after=2)] * HEAD_CONVOLUTIONS
            layers.append(Convolution(PYRAMID, last, 3, level, level, after=2))
            outputs += last * level**2
    return _profile(f"retinanet {side}", layers, side, len(sides), outputs)


def bert_large(tokens: float = SQUAD_TOKENS) -> ModelProfile:
    """BERT-Large on a question of SQuAD v1.1 of that many tokens; 384 with padding, 177 on average without."""
    per_token = BERT_LAYERS * (4 * BERT_HIDDEN**2 + 2 * BERT_HIDDEN * BERT_FFN) + 2 * BERT_HIDDEN
    attention = BERT_LAYERS * 2 * BERT_HIDDEN * tokens  # scores and their use, a token
    macs = round((per_token + attention) * tokens)
    embeddings = (BERT_VOCABULARY + BERT_POSITIONS + 2) * BERT_HIDDEN
    parameters = per_token + embeddings + BERT_LAYERS * (9 * BERT_HIDDEN + BERT_FFN) + 2 * BERT_HIDDEN  # biases, norms
    # A layer reads and writes 22 hidden and 6 feed-forward vectors a token, and four score rows for each of 16 heads
    moved = BERT_LAYERS * tokens * (22 * BERT_HIDDEN + 6 * BERT_FFN + 4 * 16 * tokens) * FLOAT32_BYTES
    return ModelProfile(
        name=f"bert-large {tokens:.0f}",
        sha256="",
        macs=macs,
        ops=2 * macs,
        matmul_ops=2 * macs,
        parameters=parameters,
        weight_bytes=FLOAT32_BYTES * parameters,
        activation_bytes=round(moved),
        peak_activation_bytes=round(FLOAT32_BYTES * tokens * (2 * BERT_HIDDEN + 2 * BERT_FFN)),
        input_bytes=3 * 8 * round(tokens),
    )


def _profile(name: str, layers: list[Convolution], side: int, levels: int, outputs: int = 1000) -> ModelProfile:
    """Shared heads are stored once: layers beyond the first of `levels` add work and no parameters."""
    macs = sum(layer.macs for layer in layers)
    parameters = sum(layer.parameters for layer in layers)
    if levels > 1:
        head = layers[-2 * (HEAD_CONVOLUTIONS + 1) :]
        parameters -= (levels - 1) * sum(layer.parameters for layer in head)
    return ModelProfile(
        name=name,
        sha256="",
        macs=macs,
        ops=2 * macs,
        grouped_ops=2 * sum(layer.macs for layer in layers if layer.groups > 1),
        parameters=parameters,
        weight_bytes=FLOAT32_BYTES * parameters,
        activation_bytes=sum(layer.moved_bytes for layer in layers),
        peak_activation_bytes=max(layer.moved_bytes for layer in layers),
        input_bytes=FLOAT32_BYTES * 3 * side**2,
        output_bytes=FLOAT32_BYTES * outputs,
    )
