"""A scenario's sum covers what the files that it names hold: one byte changed in any of them is another experiment."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from emulator.assemble import assemble
from emulator.errors import ScenarioError
from emulator.named_files import NamedFile
from emulator.processor_file import text as processor_text
from emulator.run import run
from emulator.scenario import load
from emulator.trace import Header, Trace
from nodes.element_files import write_elements
from nodes.ephemerides import tabulate, write_oem
from nodes.epoch import Epoch
from nodes.orbit import Ephemeris
from nodes.processor import preset
from nodes.walker import walker_delta
from workloads.importing.records import Imported, LoadSample, MissionTask
from workloads.importing.task_file import write_records
from workloads.models import shipped_models

EPOCH = "2025-10-03T16:00:00Z"
HEAD = f'extends = "three-body"\nname = "own"\nepoch = "{EPOCH}"\nduration_s = 60.0\n'
KINDS = {  # file to change -> what the scenario says
    "twelve.tle": '[satellites]\nfile = "twelve.tle"\n',
    "twelve.json": '[satellites]\nfile = "twelve.json"\n',
    "flown.oem": '[satellites]\nfile = "flown.oem"\n',
    "flown/second.oem": '[satellites]\nfile = "flown"\n',
    "chip.toml": '[satellites]\nprocessor = "chip.toml"\n',
    "ground.toml": '[[stations]]\nname = "K"\nlatitude_deg = 67.9\nlongitude_deg = 21.0\nprocessor = "ground.toml"\n',
    "plan.jsonl": '[workload]\nfile = "plan.jsonl"\n',
    "load.jsonl": '[[satellites.loads]]\nfile = "load.jsonl"\n',
    "mine.onnx": '[imaging]\nmodel = "mine"\n[models]\nmine = "mine.onnx"\n',
    "big.weights": '[imaging]\nmodel = "big"\n[models.big]\nfile = "big.onnx"\n',
    "stage.onnx": '[[pipeline.stages]]\nname = "s"\nmodel = "stage"\n[models]\nstage = "stage.onnx"\n',
    "base.toml": "",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("named")
    elements = walker_delta(2, 1, 0, 500e3, 97.4, EPOCH)
    write_elements(made / "twelve.json", elements, "json")
    numbered = [msgspec.structs.replace(each, norad_cat_id=n) for n, each in enumerate(elements, 1)]
    write_elements(made / "twelve.tle", numbered, "tle")
    tables = tabulate(Ephemeris.propagate(elements, Epoch(EPOCH), 60.0), Epoch(EPOCH))
    write_oem(made / "flown.oem", tables[:1], created=EPOCH)
    write_oem(made / "flown", tables, created=EPOCH)
    max((made / "flown").iterdir()).rename(made / "flown" / "second.oem")
    for name in ("chip.toml", "ground.toml"):
        (made / name).write_text(processor_text(preset("orin")) + "# 1\n")
    plan = [MissionTask(id="1", at_s=0.0, duration_s=10.0, scenes=2)]
    write_records(made / "plan.jsonl", Imported(form="columns", epoch=EPOCH, records=plan, read=1), "plan 1", "")
    drawn = [LoadSample(at_s=float(n), power_w=1.0) for n in range(60)]
    write_records(made / "load.jsonl", Imported(form="columns", epoch=EPOCH, records=drawn, read=60), "load 1", "")
    for name in ("mine.onnx", "stage.onnx"):
        (made / name).write_bytes(shipped_models()["cloud-screen"].read_bytes())
    weights(made)
    (made / "base.toml").write_text(HEAD + 'description = "1"\n')
    return made


def weights(folder: Path) -> None:
    """A model whose weights lie in a file beside it."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4, 128, 128]) for name in "xy"]
    scale = numpy_helper.from_array(np.full((1, 4, 128, 128), 2.0, np.float32), "w")
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, folder / "big.onnx", save_as_external_data=True, location="big.weights", size_threshold=0)


def sum_of(folder: Path, says: str) -> str:
    (folder / "own.toml").write_text((HEAD if says else 'extends = "base.toml"\n') + says)
    return load(str(folder / "own.toml")).sha256


def changed(data: bytes) -> bytes:
    """One byte another, where no reader minds: the last digit 1, or the last byte but one."""
    at = data.rfind(b"1")
    return data[:at] + b"2" + data[at + 1 :]


@pytest.mark.parametrize("name", KINDS)
def test_a_byte_of_any_named_file_makes_another_sum(folder: Path, name: str) -> None:
    before = sum_of(folder, KINDS[name])
    assert sum_of(folder, KINDS[name]) == before
    content = (folder / name).read_bytes()
    try:
        (folder / name).write_bytes(changed(content))
        assert sum_of(folder, KINDS[name]) != before
    finally:
        (folder / name).write_bytes(content)
    assert sum_of(folder, KINDS[name]) == before


def test_the_sum_is_of_the_form_and_of_a_line_for_each_file(folder: Path) -> None:
    sum_of(folder, KINDS["plan.jsonl"] + KINDS["chip.toml"])
    loaded = load(str(folder / "own.toml"))
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in ("chip.toml", "plan.jsonl")
    ]
    form = msgspec.json.encode(loaded.scenario, order="sorted").decode()
    assert loaded.sha256 == hashlib.sha256("\n".join([form, *lines]).encode()).hexdigest()
    assert [each.name for each in loaded.files] == ["chip.toml", "plan.jsonl"]


def test_a_scenario_without_files_has_the_sum_of_its_form_and_a_list_that_ships_counts() -> None:
    plain = load("three-body")
    assert plain.files == ()
    assert plain.sha256 == hashlib.sha256(msgspec.json.encode(plain.scenario, order="sorted")).hexdigest()
    (shipped,) = load("sentinel2-replay").files
    there = Path(__file__).parents[2] / "emulator" / "scenarios" / "sentinel2a-2024-11-28.jsonl"
    assert shipped == NamedFile(name="sentinel2a-2024-11-28", sha256=hashlib.sha256(there.read_bytes()).hexdigest())


def test_a_renamed_file_is_another_experiment_only_in_its_name(folder: Path) -> None:
    one = sum_of(folder, KINDS["plan.jsonl"])
    (folder / "other.jsonl").write_bytes((folder / "plan.jsonl").read_bytes())
    other = sum_of(folder, '[workload]\nfile = "other.jsonl"\n')
    assert one != other


@pytest.mark.parametrize("kind", ["twelve.tle", "plan.jsonl", "load.jsonl", "mine.onnx"])
def test_a_file_that_is_gone_and_a_pipe_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ScenarioError, match=rf"own\.toml:\d+: .*'{kind}' cannot be read: "):
        sum_of(tmp_path, KINDS[kind])
    os.mkfifo(tmp_path / kind)  # nobody writes into it: reading would never end
    with pytest.raises(ScenarioError, match=f"'{kind}' cannot be read: "):
        sum_of(tmp_path, KINDS[kind])
    with pytest.raises(ScenarioError):
        assemble(load(str(tmp_path / "own.toml")), ["onboard"])


def test_a_trace_keeps_names_and_sums_and_a_header_without_them_still_opens(folder: Path, tmp_path: Path) -> None:
    sum_of(folder, KINDS["twelve.json"] + "[imaging]\ndistinct_tiles = 2\n")
    loaded = load(str(folder / "own.toml"))
    run(assemble(loaded, ["onboard"]), "onboard", tmp_path / "run")
    header = Trace(tmp_path / "run").header
    digest = hashlib.sha256((folder / "twelve.json").read_bytes()).hexdigest()
    assert header.files == [NamedFile(name="twelve.json", sha256=digest)]
    assert header.scenario_sha256 == loaded.sha256
    old = json.loads((tmp_path / "run" / "header.json").read_bytes())
    for name in ("files", "sums", "decisions", "header_sha256"):  # as before there were any
        del old[name]
    assert msgspec.convert(old, Header).files == []
    (tmp_path / "run" / "header.json").write_text(json.dumps(old))
    assert Trace(tmp_path / "run").header.files == []


def test_a_processor_from_the_command_line_is_another_experiment() -> None:
    plain = load("three-body")
    sums = {plain.sha256}
    for changed in ({"orbit": preset("orin")}, {"ground": preset("orin")}, {"orbit": preset("l4")}):
        other = replace(plain, **changed)  # type: ignore[arg-type]
        assert [each.name for each in other.files] == [f"--{next(iter(changed))}"]
        sums.add(other.sha256)
    assert len(sums) == 4


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("base.toml", "big.weights")])
def test_a_file_that_changes_while_it_is_in_use_is_refused_and_not_summed_up_as_another(
    folder: Path, name: str
) -> None:
    """The header would have the sum of what nobody read."""
    (folder / "own.toml").write_text(HEAD + KINDS[name])
    loaded = load(str(folder / "own.toml"))
    content = (folder / name).read_bytes()
    try:
        (folder / name).write_bytes(changed(content))
        os.utime(folder / name, ns=(1, 1))  # whatever the clock of the file system ticks in
        with pytest.raises(ScenarioError, match=r"own\.toml:\d+: .*cannot be read: it was changed while it was in use"):
            _ = loaded.sha256
    finally:
        (folder / name).write_bytes(content)
    assert load(str(folder / "own.toml")).sha256


@pytest.mark.parametrize(
    ("name", "most_bytes"), [("plan.jsonl", 256 << 20), ("load.jsonl", 256 << 20), ("chip.toml", 4 << 20)]
)
def test_no_file_is_summed_up_that_is_too_large_to_be_read(
    folder: Path, tmp_path: Path, name: str, most_bytes: int
) -> None:
    (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "own.toml").write_text(HEAD + KINDS[name])
    loaded = load(str(tmp_path / "own.toml"))
    os.truncate(tmp_path / name, most_bytes + 1)  # a hole: nothing lies on the disk
    with pytest.raises(ScenarioError, match=f"has more than {most_bytes} bytes"):
        _ = loaded.files
