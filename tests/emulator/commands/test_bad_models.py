"""ONNX files that are none, reach outside their folder, or ask for too much: through `inspect` and a scenario."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

Refused = Callable[..., str]


def model(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto] | None = None) -> onnx.ModelProto:
    """A model from x (1, 4, 128, 128) to y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 128, 128])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], constants or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def greedy() -> onnx.ModelProto:
    """Expands x to 2^40 numbers."""
    shape = numpy_helper.from_array(np.array([2**26, 4, 128, 128], dtype=np.int64), "shape")
    return model([helper.make_node("Expand", ["x", "shape"], ["y"])], [shape])


def reaching(place: str) -> onnx.ModelProto:
    """Keeps its weights in the file `place`."""
    weights = numpy_helper.from_array(np.ones((1, 4, 1, 1), dtype=np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", place
    return model([helper.make_node("Mul", ["x", "w"], ["y"])], [weights])


BAD = {
    "empty.onnx": (b"", "the file is empty"),
    "text.onnx": (b"not a model at all", "not an ONNX file"),
    "zeros.onnx": (bytes(100), "not an ONNX file"),
    "cut.onnx": (greedy().SerializeToString()[:-20], "not an ONNX file"),
    "greedy.onnx": (greedy().SerializeToString(), "bytes of memory; the limit is 4294967296"),
    "up.onnx": (reaching("../weights.bin").SerializeToString(), "keeps its data in '../weights.bin'"),
    "root.onnx": (reaching("/etc/hostname").SerializeToString(), "keeps its data in '/etc/hostname'"),
    "gone.onnx": (reaching("gone.bin").SerializeToString(), "keeps its data in 'gone.bin'"),
    "link.onnx": (reaching("link.bin").SerializeToString(), "keeps its data in 'link.bin'"),
}
# Listed as not counted, but never run
OWN = model([*[helper.make_node("Launch", ["x"], [f"t{i}"], domain="mine", name=f"launch{i}") for i in range(3)],
             helper.make_node("Relu", ["t0"], ["y"])])  # fmt: skip


@pytest.fixture(params=BAD)
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A bad model's name, in `tmp_path/models`, and what has to be said of it."""
    data, part = BAD[request.param]
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link.bin").symlink_to(tmp_path / "weights.bin")
    (tmp_path / "models" / request.param).write_bytes(data)
    return request.param, part


def test_inspect_refuses_it_by_name(bad: tuple[str, str], refused: Refused) -> None:
    name, part = bad
    said = refused("inspect", f"models/{name}", "--json")
    assert f"models/{name}: " in said
    assert part in said


def test_a_scenario_that_runs_it_is_refused_with_its_line(
    bad: tuple[str, str], refused: Refused, scenario: Callable[..., str]
) -> None:
    name, part = bad
    mine = scenario(f'[imaging]\nmodel = "screen"\n[models]\nscreen = "models/{name}"\n')
    said = refused("run", mine, "--policy", "onboard", "--out", "kept")
    assert "mine.toml:7: models.screen: " in said
    assert part in said


def test_an_operator_of_an_unknown_domain_is_listed_but_never_run(
    orbitmesh: Callable[..., Any], refused: Refused, scenario: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "own.onnx").write_bytes(OWN.SerializeToString())
    told = orbitmesh("inspect", "own.onnx", "--json").document
    assert not told["complete"]
    assert [(each["operator"], each["name"]) for each in told["uncounted"]] == [
        ("mine::Launch", f"launch{i}") for i in range(3)
    ]
    assert (told["by_type"]["mine::Launch"]["uncounted"], told["by_type"]["Relu"]["nodes"]) == (3, 1)
    mine = scenario('[imaging]\nmodel = "screen"\n[models]\nscreen = "own.onnx"\n')
    said = refused("run", mine, "--policy", "onboard")
    assert "node 'launch0' asks for operator 'Launch' of domain 'mine'" in said


def test_a_model_by_a_path_is_a_field_of_its_own_table(
    refused: Refused, scenario: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "here.onnx").write_bytes(greedy().SerializeToString())
    said = refused("run", scenario('[imaging]\nmodel = "here.onnx"\n'), "--policy", "onboard")
    assert "mine.toml:5: imaging.model: is 'here.onnx'; one of cloud-screen" in said
    assert "a file under [models]" in said


def test_a_model_of_a_users_own_runs(
    orbitmesh: Callable[..., Any], scenario: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    relu = model([helper.make_node("Relu", ["x"], ["y"])])
    (tmp_path / "models" / "relu.onnx").write_bytes(relu.SerializeToString())
    mine = scenario('[imaging]\nmodel = "relu"\ndistinct_tiles = 4\n[models]\nrelu = "models/relu.onnx"\n')
    done = orbitmesh("run", mine, "--policy", "onboard", "--json")
    assert done.code == 0
    assert "model relu: models/relu.onnx" in done.document["notes"]
