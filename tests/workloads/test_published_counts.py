"""Operation and parameter counts of well-known architectures against the figures that others published."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from workloads.counting.graph import count
from workloads.loading.opening import open_model
from workloads.models import light_models


def _builders() -> Any:
    """The module beside this one: test files are no package."""
    spec = spec_from_file_location("architectures_published", Path(__file__).with_name("architectures_published.py"))
    if spec is None or spec.loader is None:
        raise ImportError("architectures_published.py is not beside this file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.BUILDERS


BUILDERS = _builders()


class Published(NamedTuple):
    """Multiply-accumulates in units of 1e9, parameters, and how many digits of them were published."""

    gmacs: float
    parameters: float
    exact: bool = True


# torchvision 0.2x, `_ops` (multiply-accumulates, though called GFLOPS) and `num_params` of torchvision/models/*.py;
# mobilenet_v1: arXiv 1704.04861, table 8: 569 million mult-adds, 4.2 million parameters;
# bert_base at 128 tokens: MobileBERT (arXiv 2004.02984), table 4: 22.5e9 operations, two to a multiply-accumulate,
# and transformers' BertModel: 109,482,240 parameters
PUBLISHED = {
    "alexnet": Published(0.714, 61_100_840),
    "vgg16": Published(15.470, 138_357_544),
    "resnet18": Published(1.814, 11_689_512),
    "resnet34": Published(3.664, 21_797_672),
    "resnet50": Published(4.089, 25_557_032),
    "resnet101": Published(7.801, 44_549_160),
    "resnet152": Published(11.514, 60_192_808),
    "resnext50_32x4d": Published(4.230, 25_028_904),
    "mobilenet_v1": Published(0.569, 4.2e6, exact=False),
    "mobilenet_v2": Published(0.301, 3_504_872),
    "efficientnet_b0": Published(0.386, 5_288_548),
    "squeezenet1_0": Published(0.819, 1_248_424),
    "squeezenet1_1": Published(0.349, 1_235_496),
    "shufflenet_v2_x1_0": Published(0.145, 2_278_604),
    "googlenet": Published(1.498, 6_624_904),
    "densenet121": Published(2.834, 7_978_856),
    "convnext_tiny": Published(4.456, 28_589_128),
    "vit_b_16": Published(17.564, 86_567_656),
    "bert_base": Published(22.5 / 2, 109_482_240),
}
two_percent = 0.02


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_architecture_counts_as_published(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(BUILDERS[name]().SerializeToString())
    counted = count(open_model(path))
    published = PUBLISHED[name]
    assert counted.uncounted == ()
    assert counted.macs / 1e9 == pytest.approx(published.gmacs, rel=two_percent)
    if published.exact:
        assert counted.parameters == published.parameters
    else:
        assert counted.parameters == pytest.approx(published.parameters, rel=two_percent)


# The files in the onnx package come from the Caffe model zoo; these three are the same networks as torchvision's
LIGHT = {
    "light-resnet50": Published(4.089, 25_557_032),  # as torchvision's: stride in the 3 x 3
    "light-vgg19": Published(19.632, 143_667_240),
    "light-squeezenet": Published(0.349, 1_235_496),  # version 1.1
}


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_model_counts_as_published(name: str) -> None:
    counted = count(open_model(light_models()[name]))
    assert counted.macs / 1e9 == pytest.approx(LIGHT[name].gmacs, rel=two_percent)
    assert counted.parameters == LIGHT[name].parameters
