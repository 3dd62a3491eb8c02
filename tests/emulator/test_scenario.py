"""Reading scenarios that are fine: what is laid over what, and what the command line replaces."""

from pathlib import Path

import pytest

from emulator.errors import ScenarioError
from emulator.scenario import load, name_problem, parse


def test_tables_are_merged_and_everything_else_is_replaced() -> None:
    text = 'extends = "three-body"\nname = "mine"\n[laser]\nper_satellite = 3\n[[stations]]\nname = "Here"\n'
    scenario = parse(text + "latitude_deg = 1\nlongitude_deg = 2\n", "mine.toml", None).scenario
    base = load("three-body").scenario
    assert scenario.name == "mine"
    assert scenario.laser.per_satellite == 3
    assert scenario.laser.max_range_m == base.laser.max_range_m == 5400e3
    assert [station.name for station in scenario.stations] == ["Here"]
    assert scenario.satellites == base.satellites


def test_a_scenario_named_without_its_ending_is_pointed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('extends = "three-body"\n')
    with pytest.raises(ScenarioError, match=r"mine: no such file and no shipped scenario; did you mean mine\.toml\?"):
        load("mine")


def test_a_scenario_may_extend_a_file_in_its_folder_that_extends_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "base.toml").write_text('extends = "three-body"\nname = "base"\nseed = 9\n')
    (tmp_path / "top.toml").write_text('extends = "deep/base.toml"\nname = "top"\n')
    loaded = load(str(tmp_path / "top.toml"))
    assert (loaded.scenario.name, loaded.scenario.seed) == ("top", 9)
    assert loaded.folder == tmp_path.resolve()
    assert [Path(layer.source).name for layer in loaded.layers] == ["top.toml", "base.toml", "three-body.toml"]
    monkeypatch.chdir(tmp_path)
    assert load("top.toml").sha256 == loaded.sha256


def test_eight_scenarios_may_extend_one_another_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "0.toml").write_text('extends = "three-body"\nname = "zero"\n')
    for number in range(1, 9):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number - 1}.toml"\nseed = {number}\n')
    assert load(str(tmp_path / "7.toml")).scenario.seed == 7
    with pytest.raises(ScenarioError, match=r"leads back or too far: at most 8 scenarios"):
        load(str(tmp_path / "8.toml"))


def test_the_command_line_replaces_fields() -> None:
    scenario = load("three-body", seed=5, duration_s=60.0).scenario
    assert (scenario.seed, scenario.duration_s) == (5, 60.0)
    assert load("three-body", seed=None, duration_s=None).scenario == load("three-body").scenario


def test_layout_does_not_matter(tmp_path: Path) -> None:
    plain = 'extends = "three-body"\nname = "mine"\n[laser]\nper_satellite = 3\npower_w = 50.0\n'
    other = '\ufeff# a comment\r\nname="mine"\r\nlaser = { power_w = 5e1, "per_satellite" = 3 }\r\n'
    other += "extends = 'three-body'\r\n"
    (tmp_path / "plain.toml").write_text(plain, encoding="utf-8")
    (tmp_path / "other.toml").write_bytes(other.encode("utf-8"))
    assert load(str(tmp_path / "plain.toml")).sha256 == load(str(tmp_path / "other.toml")).sha256


@pytest.mark.parametrize("name", ["A", "SCS-01 A", "卫星 1", "Ñandú", "[red]", "a/b", "x" * 64])
def test_names_that_can_be(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "\u202e", "x" * 65])
def test_names_that_cannot_be(name: str) -> None:
    assert name_problem(name).endswith("a name is 1 to 64 characters that can be printed")


def test_a_child_takes_its_files_name_and_brings_its_own_satellites(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "three-body"\n[satellites]\nfile = "x.tle"\n')
    scenario = load(str(tmp_path / "mine.toml")).scenario
    assert (scenario.name, scenario.satellites.file, scenario.satellites.elements) == ("mine", "x.tle", [])
    assert len(scenario.stations) == 4


def test_no_node_has_the_name_of_every_radio() -> None:
    assert "radio" in name_problem("radio")
    assert name_problem("Radio 1") == ""


def test_a_refused_field_that_is_inherited_from_what_ships_is_to_be_set_in_ones_own() -> None:
    text = 'extends = "three-body"\nname = "mine"\n'
    refusal = str(parse(text, "mine.toml", None).refuse([(("satellites", "batch"), "is 64; no")]))
    hint = "(inherited from three-body.toml, which ships: set satellites.batch in mine.toml)"
    assert refusal.startswith("three-body.toml:")
    assert refusal.endswith(f": satellites.batch: is 64; no {hint}")
    own = parse(text + "[satellites]\nbatch = 64\n", "mine.toml", None)
    assert str(own.refuse([(("satellites", "batch"), "is 64; no")])) == "mine.toml:4: satellites.batch: is 64; no"
    assert "inherited" not in str(load("three-body").refuse([(("satellites", "batch"), "is 64; no")]))
