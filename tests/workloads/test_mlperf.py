"""MLPerf's models, counted in closed form, have the operations and parameters that others published."""

import pytest

from workloads.mlperf import SQUAD_TOKENS, backbone, bert_large, resnet_50, retinanet
from workloads.tasks import ModelProfile

TWO_PERCENT = 0.02
HALF_A_PERCENT = 0.005

# name, multiply-accumulates, parameters, source
PUBLISHED = [
    (resnet_50(), 4.09e9, 25.557e6),  # torchvision, resnet50: GFLOPS 4.09
    (resnet_50(224, 32, 4), 4.23e9, 25.029e6),  # torchvision, resnext50_32x4d: GFLOPS 4.23
    (bert_large(384), 246.93e9 / 2, 333.96e6),  # OpenVINO model zoo, bert-large-...-squad: GOps 246.93, MParams 333.96
]


@pytest.mark.parametrize(("profile", "macs", "parameters"), PUBLISHED, ids=lambda each: getattr(each, "name", ""))
def test_counts_are_the_published_ones(profile: ModelProfile, macs: float, parameters: float) -> None:
    assert profile.macs == pytest.approx(macs, rel=HALF_A_PERCENT)
    assert profile.parameters == pytest.approx(parameters, rel=HALF_A_PERCENT)
    assert profile.ops == 2 * profile.macs
    assert profile.problems() == []


def test_activations_are_those_counted_in_a_file() -> None:
    """323.6 MB: every float32 read and written by the operators of onnx's light_resnet50, unfused."""
    assert resnet_50().activation_bytes == pytest.approx(323.6e6, rel=TWO_PERCENT)


def test_the_detector_is_its_backbone_a_pyramid_and_two_heads_on_every_level() -> None:
    """By hand, at 800 pixels: levels of 100, 50, 25, 13 and 7, so 13,343 places; 256 channels; 9 anchors.

    Heads: 13,343 x 9 x 256 x (8 x 256 + 9 x (264 + 4)). Pyramid: laterals of 512, 1,024 and 2,048 channels, a
    3 x 3 on each, and two further levels.
    """
    heads = 13_343 * 9 * 256 * (8 * 256 + 9 * (264 + 4))
    pyramid = 256 * (100**2 * 512 + 50**2 * 1024 + 25**2 * 2048)
    pyramid += 9 * 256 * 256 * (100**2 + 50**2 + 25**2 + 13**2 + 7**2)
    trunk = sum(layer.macs for layer in backbone(800, 32, 4))
    assert trunk == pytest.approx(4.23e9 * (800 / 224) ** 2, rel=HALF_A_PERCENT)  # it is convolutions only
    assert retinanet().macs == trunk + pyramid + heads


def test_padding_is_not_computed() -> None:
    """54 % of SQuAD's tokens at 384 are padding, so 176.6 are left; attention grows with the square."""
    assert pytest.approx(176.64) == SQUAD_TOKENS
    assert bert_large().macs / bert_large(384).macs == pytest.approx(0.46, rel=0.04)
    assert bert_large().matmul_ops == bert_large().ops


def test_only_the_backbone_is_grouped() -> None:
    """32 groups of 4, 8, 16 and 32 channels, on 200, 100, 50 and 25 pixels: 3, 4, 6 and 3 blocks."""
    macs = sum(
        blocks * side**2 * 9 * 32 * width**2
        for blocks, side, width in ((3, 200, 4), (4, 100, 8), (6, 50, 16), (3, 25, 32))
    )
    assert retinanet().grouped_ops == 2 * macs
    assert resnet_50().grouped_ops == 0
