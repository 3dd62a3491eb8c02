"""A pipeline in a scenario file: read, refused, run on real orbits with real models, and reported stage by stage."""

import json
from pathlib import Path

import pytest

from emulator.assemble import assemble
from emulator.cli import main
from emulator.errors import ScenarioError
from emulator.run import run
from emulator.scenario import parse

MINE = """extends = "three-body-cascade"
name = "mine"
duration_s = 900.0
epoch = "2025-10-04T04:13:40Z"
[imaging]
distinct_tiles = 6
"""
TILES = 4313


def refused(stages: str) -> str:
    with pytest.raises(ScenarioError) as refusal:
        assemble(parse('extends = "three-body"\nduration_s = 60.0\n' + stages, "mine.toml", Path("here")), ["mesh"])
    return str(refusal.value)


def stage(**fields: str) -> str:
    return "[[pipeline.stages]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


LOAD = '"light-squeezenet"'
SCREEN = stage(name='"a"', model='"cloud-screen"')


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (stage(name='"a"', model='"nothing"'), "mine.toml:5: pipeline.stages[1].model: is 'nothing'; one of"),
        (SCREEN + stage(name='"a"', model='"cloud-screen"'), "mine.toml:7: pipeline.stages[2].name: is 'a', which"),
        (stage(name='"a"', model=LOAD, passes='"clear"'), "mine.toml:6: pipeline.stages[1].passes: needs a cloud"),
        (stage(name='"a"', model=LOAD, exit='"cloudy"'), "mine.toml:6: pipeline.stages[1].exit: needs a cloud"),
        (stage(name='"a"', model='"cloud-screen"', takes='"nothing"'), "must be one of 'tiles', 'outputs', 'both'"),
        ("[pipeline]\nstages = []\n", "mine.toml:4: pipeline.stages: has 0 stages; give 1 to 32"),
        (SCREEN + stage(name='"b"', model='"cloud-screen"', after='["c"]'), "there are: a"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_line(stages: str, said: str) -> None:
    assert said in refused(stages)


def test_the_figures_of_stages_are_those_of_the_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = assemble(parse(MINE, "mine.toml", None), ["onboard"])
    fractions = {n: made.runner.outcome("cloud-screen", n).cloud_fraction for n in range(6)}
    tiles = [fact.task.tile for fact in made.facts if hasattr(fact, "task")]
    row = run(made, "onboard", None).row
    screen, classify = row.stages
    assert len(tiles) > 1000
    assert screen.inferences + screen.skipped_inferences == len(tiles) * TILES == screen.inferences
    clear = [int(TILES * (1.0 - fractions[tile]) + 0.5) for tile in tiles if fractions[tile] <= 0.7]
    assert 0 < classify.in_orbit == len(clear) < len(tiles)
    assert classify.inferences == sum(clear)
    assert classify.skipped_inferences == len(tiles) * TILES - sum(clear)
    assert screen.ops + classify.ops == row.ops
    assert classify.input_bytes == sum(-(-221_112_500 * n // TILES) for n in clear)
    assert screen.moved_bytes == classify.moved_bytes == screen.on_ground == 0
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(MINE)
    assert main(["run", "mine.toml", "--policy", "onboard", "--out", "trace", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["digest"] == row.digest
    assert [each["inferences"] for each in told["stages"]] == [screen.inferences, classify.inferences]
    assert main(["replay", "trace", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["matches"] is True


def test_compare_shows_every_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(MINE)
    assert main(["compare", "mine.toml", "--duration", "120", "--no-plots"]) == 0
    shown = capsys.readouterr().out
    for text in ("stages of the pipeline", "screen", "classify", "skipped", "saved", "moved", "the cascade saved"):
        assert text in shown


def test_a_stage_that_is_a_load_is_known_to_be_silent() -> None:
    ready = assemble(parse(MINE, "mine.toml", Path("here")), ["mesh"], infer=False)
    assert ready.world.silent == ("light-squeezenet",)  # cloud-screen, before it, says how much cloud there is
