"""Operation and parameter counts against the published ones."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from workloads.counting.graph import profile
from workloads.models import light_models

two_percent = 0.02

# torchvision 0.20 documentation, "Table of all available classification weights", and the weights' `num_params`:
#   weight                             params      GFLOPS (multiply-accumulates)
#   AlexNet_Weights.IMAGENET1K_V1      61,100,840  0.71   (not used: the Caffe original differs, with groups)
#   DenseNet121_Weights.IMAGENET1K_V1   7,978,856  2.83
#   MobileNet_V2_Weights.IMAGENET1K_V1  3,504,872  0.30
#   ResNet50_Weights.IMAGENET1K_V1     25,557,032  4.09
#   SqueezeNet1_1_Weights.IMAGENET1K_V1 1,235,496  0.35
#   VGG19_Weights.IMAGENET1K_V1       143,667,240  19.63
PUBLISHED = {
    "light-densenet121": (2.83e9, None),  # the Caffe original holds scale and shift twice
    "light-resnet50": (4.09e9, 25_557_032),
    "light-squeezenet": (0.35e9, 1_235_496),
    "light-vgg19": (19.63e9, 143_667_240),
}
MOBILENET_V2 = (0.30e9, 3_504_872)

# Sandler et al. 2018, "MobileNetV2", table 2: expansion, channels, repeats, stride of each bottleneck
BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_of_the_light_models_are_the_published_ones(name: str) -> None:
    macs, parameters = PUBLISHED[name]
    counted = profile(light_models()[name], name)
    assert counted.macs == pytest.approx(macs, rel=two_percent)
    assert counted.ops == 2 * counted.macs
    if parameters is not None:
        assert counted.parameters == parameters


def test_counts_of_mobilenet_v2_are_the_published_ones(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet-v2.onnx"
    path.write_bytes(mobilenet_v2().SerializeToString())
    counted = profile(path)
    assert counted.macs == pytest.approx(MOBILENET_V2[0], rel=two_percent)
    assert counted.parameters == MOBILENET_V2[1]
    assert counted.input_bytes == 3 * 224 * 224 * 4


def mobilenet_v2() -> onnx.ModelProto:
    """MobileNetV2 1.0 at 224, its weights made by ConstantOfShape so that the file stays small."""
    nodes: list[onnx.NodeProto] = []
    shapes: list[onnx.TensorProto] = []

    def weight(*shape: int) -> str:
        name = f"w{len(shapes)}"
        shapes.append(helper.make_tensor(f"{name}.shape", TensorProto.INT64, [len(shape)], shape))
        nodes.append(helper.make_node("ConstantOfShape", [f"{name}.shape"], [name]))
        return name

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"t{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    def conv(x: str, fed: int, made: int, kernel: int = 1, stride: int = 1, group: int = 1) -> str:
        pad = kernel // 2
        x = node(
            "Conv", x, weight(made, fed // group, kernel, kernel), group=group, strides=[stride] * 2, pads=[pad] * 4
        )
        return node("BatchNormalization", x, weight(made), weight(made), weight(made), weight(made))

    x, channels = node("Relu", conv("image", 3, 32, 3, 2)), 32
    for expansion, made, repeats, first_stride in BOTTLENECKS:
        for repeat in range(repeats):
            stride, wide, start = first_stride if repeat == 0 else 1, channels * expansion, x
            if expansion > 1:
                x = node("Relu", conv(x, channels, wide))
            x = conv(node("Relu", conv(x, wide, wide, 3, stride, group=wide)), wide, made)
            if stride == 1 and channels == made:
                x = node("Add", start, x)
            channels = made
    x = node("Relu", conv(x, channels, 1280))
    x = node("Gemm", node("Flatten", node("GlobalAveragePool", x)), weight(1280, 1000), weight(1000))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 224, 224])
    scores = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", 1000])
    graph = helper.make_graph(nodes, "mobilenet-v2", [image], [scores], shapes)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
