"""Models that a scenario brings along: both forms, sha256, and what is refused before anything runs."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from emulator.assemble import assemble
from emulator.cli import main
from emulator.errors import ScenarioError
from emulator.model_files import ModelFile, model_file
from emulator.scenario import load
from workloads.loading.trial import trial
from workloads.models import shipped_models

SHORT = 'extends = "three-body"\nname = "own"\nduration_s = 120.0\n[imaging]\nmodel = "mine"\n'


def scenario(folder: Path, models: str) -> str:
    path = folder / "own.toml"
    path.write_text(SHORT + models)
    return str(path)


def copied(folder: Path) -> str:
    """The model that ships, by somebody else's name; returns its sha256 as sha256sum gives it."""
    content = shipped_models()["cloud-screen"].read_bytes()
    (folder / "mine.onnx").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def bomb(folder: Path) -> None:
    """Counting sees half a megabyte; its kernel asks for sixteen GiB of workspace."""
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 256, 256])]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    kernel = numpy_helper.from_array(np.zeros((1, 1, 256, 256), np.float32), "k")
    graph = helper.make_graph([helper.make_node("ConvTranspose", ["x", "k"], ["y"])], "g", ends[:1], ends[1:], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "mine.onnx").write_bytes(model.SerializeToString())


def test_both_forms_name_a_file(tmp_path: Path) -> None:
    digest = copied(tmp_path)
    short = load(scenario(tmp_path, '[models]\nmine = "mine.onnx"\n')).scenario
    assert model_file(short.models, "mine") == ModelFile(file="mine.onnx")
    long = load(scenario(tmp_path, f'[models.mine]\nfile = "mine.onnx"\nsha256 = "{digest}"\n'))
    assert model_file(long.scenario.models, "mine") == ModelFile(file="mine.onnx", sha256=digest)
    assembled = assemble(long, ["mesh"])
    assert assembled.world.models["mine"].sha256 == digest
    assert any("mine.onnx" in note for note in assembled.notes)


def test_another_content_than_the_one_meant_is_refused_by_both_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest, meant = copied(tmp_path), "0123456789abcdef" * 4
    name = scenario(tmp_path, f'[models.mine]\nfile = "mine.onnx"\nsha256 = "{meant}"\n')
    assert main(["run", name, "--policy", "mesh"]) == 2
    said = capsys.readouterr().err
    assert f"has sha256 {digest}, not {meant}" in said
    assert "own.toml:6: models.mine" in said


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ('[models.mine]\nfile = "mine.onnx"\nsha256 = "abc"\n', r"own\.toml:8: models\.mine\.sha256: is 'abc'; 64 hex"),
        ('[models.mine]\nfile = "../mine.onnx"\n', r"models\.mine: is '\.\./mine\.onnx', which leads out"),
        ('[models.mine]\nsha256 = "abc"\n', r"models\.mine\.file: is missing"),
        ('[models.mine]\nfile = "mine.onnx"\nsha = "abc"\n', r"no field 'sha' here; did you mean 'sha256'\?"),
        ("[models]\nmine = 3\n", r"models\.mine: is 3; it must be text, in quotes"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(models: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=said):
        load(scenario(tmp_path, models))


def test_a_stranger_s_model_is_tried_before_it_runs(tmp_path: Path) -> None:
    bomb(tmp_path)
    seen: list[Any] = []

    def bar(title: str, total: float) -> Any:
        seen.append(title)
        return lambda value: None

    with pytest.raises(
        ScenarioError, match=r"own\.toml:7: models\.mine: .*apart, asked for more than 4294967296 bytes"
    ):
        assemble(load(scenario(tmp_path, '[models]\nmine = "mine.onnx"\n')), ["mesh"], bar)
    assert any("apart" in title for title in seen)


def test_a_refused_model_is_tried_once_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trial may take a minute of processor time: nobody shall pay for it twice."""
    bomb(tmp_path)
    tried: list[str] = []

    def counting(path: Path, *given: Any, **how: Any) -> Any:
        tried.append(Path(path).name)
        return trial(path, *given, **how)

    monkeypatch.setattr("workloads.loading.trial.trial", counting)
    stages = """
[models]
mine = "mine.onnx"
[[pipeline.stages]]
name = "screen"
model = "cloud-screen"
passes = "clear"
[[pipeline.stages]]
name = "look"
model = "mine"
after = ["screen"]
"""
    path = scenario(tmp_path, stages)
    Path(path).write_text(Path(path).read_text().replace('[imaging]\nmodel = "mine"\n', ""))
    with pytest.raises(ScenarioError, match=r"own\.toml:6: models\.mine: .*apart, asked for more than"):
        assemble(load(path), ["mesh"])
    assert tried == ["mine.onnx"]


def test_the_costs_are_those_of_the_content_that_runs(tmp_path: Path) -> None:
    """Whoever changes the file after its trial changes nothing in this run."""
    digest = copied(tmp_path)

    def bar(title: str, total: float) -> Any:
        def advance(value: float) -> None:
            if "apart" in title:
                (tmp_path / "mine.onnx").write_bytes(shipped_models()["water-mask"].read_bytes())

        return advance

    assembled = assemble(load(scenario(tmp_path, '[models]\nmine = "mine.onnx"\n')), ["mesh"], bar)
    assert (tmp_path / "mine.onnx").read_bytes() == shipped_models()["water-mask"].read_bytes()
    assert assembled.world.models["mine"].sha256 == digest
