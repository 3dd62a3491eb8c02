"""Counting a model: opening it, checking it, inferring every shape and counting, against onnx's own inference.

The baseline parses the same file and lets onnx infer shapes over the whole graph: it neither checks nor counts.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest

from benchmarks.measure import Baseline, Notes, Target, in_turns
from workloads.counting.graph import GraphCount, count
from workloads.loading.opening import open_model
from workloads.models import find_model

LIMIT_S = 0.5  # for ResNet-50


class Inspected:
    """One model file for both sides."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ours(self) -> GraphCount:
        return count(open_model(self.path))

    def plain(self) -> Any:
        return onnx.shape_inference.infer_shapes(onnx.load(self.path), data_prop=True)


@pytest.mark.parametrize(
    ("name", "published_gmacs", "targets"),
    [
        ("light-resnet50", 4.089, (Target("s", "<=", LIMIT_S),)),  # torchvision 0.2x, `_ops` of its ResNet50_Weights
        ("light-densenet121", 2.834, ()),  # the same of DenseNet121_Weights; 1,746 nodes
    ],
    ids=["resnet50", "densenet121"],
)
def test_inspection(benchmark: Any, name: str, published_gmacs: float, targets: tuple[Target, ...]) -> None:
    inspected = Inspected(find_model(name))
    baseline = Baseline("onnx.load and infer_shapes, nothing checked or counted", inspected.plain)
    counted, inferred = in_turns(benchmark, inspected.ours, Notes(f"inspection of {name}", targets), baseline=baseline)
    assert counted.macs / 1e9 == pytest.approx(published_gmacs, rel=0.02)
    assert counted.uncounted == ()
    assert len(inferred.graph.value_info) > 0


def test_inspect_command(benchmark: Any) -> None:
    command = [sys.executable, "-m", "emulator.cli", "inspect", "light-resnet50", "--json"]

    def whole() -> Any:
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    told, _ = in_turns(benchmark, whole, Notes("orbitmesh inspect light-resnet50, whole process"))
    assert told["macs"] / 1e9 == pytest.approx(4.089, rel=0.02)
