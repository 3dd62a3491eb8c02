"""`compare --ground` and `--orbit`: measured or shipped processors instead of the scenario's, and the crossover."""

import hashlib
from collections.abc import Callable
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from workloads.models import light_models, shipped_models

SCENARIO = """extends = "three-body"
name = "short"
duration_s = 7200.0
policies = ["bent-pipe", "onboard"]
[imaging]
distinct_tiles = 2
"""
BATCH_8_S, BATCH_64_S, TILES = 0.016, 0.096, 4313  # two and one and a half milliseconds an inference
RESNET50_OPS = 8.178e9  # 4.089 G multiply-accumulates at 224 x 224, two operations each


def host(precision: str = "int8") -> str:
    """A processor file with a calibration of cloud-screen, in round numbers."""
    path = shipped_models()["cloud-screen"]
    profile = {
        "name": "cloud-screen", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "macs": 77_987_840,
        "ops": 155_975_680, "parameters": 30_000, "weight_bytes": 120_000, "activation_bytes": 20_000_000,
        "peak_activation_bytes": 4_000_000, "input_bytes": 262_144,
    }  # fmt: skip
    lines = [
        "[processor]", 'name = "host"', "peak_ops_per_s = {int8 = 1e12, fp32 = 0.5e12}", "memory_bytes_per_s = 20e9",
        "memory_bytes = 8e9", "[[processor.calibrations]]", f'precision = "{precision}"', 'provider = "cpu"',
        "threads = 1",
        f"timings = [{{batch = 8, batch_s = {BATCH_8_S}, samples = 9}}, "
        f"{{batch = 64, batch_s = {BATCH_64_S}, samples = 9}}]",
        "[processor.calibrations.profile]",
        *(f"{key} = {value!r}".replace("'", '"') for key, value in profile.items()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


@pytest.fixture
def short(tmp_path: Path) -> str:
    (tmp_path / "short.toml").write_text(SCENARIO)
    return "short.toml"


@pytest.mark.parametrize("precision", ["int8", "fp32"])  # the scenario wants int8: a measured model stays as measured
def test_a_calibration_of_this_host_is_what_stations_compute_with(
    orbitmesh: Callable[..., Any], short: str, tmp_path: Path, precision: str
) -> None:
    (tmp_path / "host.toml").write_text(host(precision))
    done = orbitmesh("compare", short, "--ground", "host.toml", "--json", "--no-plots")
    assert (done.code, done.err) == (0, "")
    found = done.document["crossover"]
    assert (found["ground"], found["orbit"]) == ("host x 4", "tbc-744 x 12")
    own = found["models"][0]
    ground = own["at"]["ground"]
    assert (own["name"], ground["basis"], own["at"]["orbit"]["basis"]) == ("cloud-screen", "calibrated", "preset")
    whole, rest = divmod(TILES, 64)
    rest_s = BATCH_8_S + (rest - 8) / (64 - 8) * (BATCH_64_S - BATCH_8_S)
    assert ground["job_s"] == pytest.approx(whole * BATCH_64_S + rest_s, rel=1e-12)
    assert own["at"]["wins"] == "orbit"  # six seconds against milliseconds
    assert own["ground_wins_from_bits_per_s"] is None
    assert own["at"]["break_even_ops_per_raw_byte"] is None
    assert {model["at"]["ground"]["basis"] for model in found["models"][1:]} == {"scaled"}
    bent_pipe = done.document["policies"][0]  # what the emulator itself ran with
    busy_s = bent_pipe["ground_utilisation"] * 4 * 7200.0
    assert bent_pipe["tasks"]["done"] > 0
    assert busy_s >= bent_pipe["tasks"]["done"] * ground["job_s"]


def test_every_model_is_there_with_what_it_asks_of_a_scene(orbitmesh: Callable[..., Any], short: str) -> None:
    done = orbitmesh("compare", short, "--ground", "h100", "--orbit", "orin", "--json", "--no-plots")
    found = done.document["crossover"]
    assert (found["ground"], found["orbit"]) == ("h100 x 4", "orin x 12")
    by_name = {model["name"]: model for model in found["models"]}
    told = " ".join(found["notes"])
    assert all(name in by_name or name in told for name in shipped_models() | light_models())
    assert not {"captions", "captions-int8"} & set(by_name)  # an inference is one byte of their answer
    assert sum("one byte of a report" in note for note in found["notes"]) == 2
    resnet = by_name["light-resnet50"]
    assert resnet["inferences"] == ceil(TILES * 128**2 / 224**2)  # the same pixels in larger tiles
    assert resnet["ops_per_raw_byte"] == pytest.approx(RESNET50_OPS * resnet["inferences"] / 221_112_500, rel=0.02)
    assert resnet["product_bytes"] == 4000
    orbit, ground = resnet["at"]["orbit"], resnet["at"]["ground"]
    saved_s = (ground["insight_s"] - ground["job_s"]) - (orbit["insight_s"] - orbit["job_s"])
    even = saved_s / 221_112_500 / (orbit["job_s"] - ground["job_s"]) * resnet["ops"]
    assert resnet["at"]["break_even_ops_per_raw_byte"] == pytest.approx(even, rel=1e-9)
    assert resnet["at"]["wins"] == ("orbit" if resnet["ops_per_raw_byte"] < even else "ground")


def test_a_generated_architecture_is_the_scenarios_own_model(
    orbitmesh: Callable[..., Any], short: str, tmp_path: Path
) -> None:
    (tmp_path / short).write_text(SCENARIO + 'model = "mobilenet-v2"\n')
    done = orbitmesh("compare", short, "--ground", "h100", "--policies", "onboard", "--json", "--no-plots")
    own = done.document["crossover"]["models"][0]
    assert (done.document["crossover"]["model"], own["name"]) == ("mobilenet-v2", "mobilenet-v2")
    assert own["ops"] == pytest.approx(2 * 0.3008e9 * TILES, rel=0.01)  # torchvision's multiply-accumulates, each tile
    fewer = ceil(TILES * 128**2 / 224**2)
    assert f"mobilenet-v2 runs {TILES:,} times a scene" in " ".join(done.document["crossover"]["notes"])
    assert f"would cover the 128 x 128 tiles of the others with {fewer:,}" in " ".join(
        done.document["crossover"]["notes"]
    )
    runs = {model["name"]: model["inferences"] for model in done.document["crossover"]["models"]}
    assert (runs["cloud-screen"], runs["light-resnet50"]) == (TILES, fewer)  # whatever the scenario's own model takes


def test_satellites_without_contact_are_named(orbitmesh: Callable[..., Any], short: str) -> None:
    options = ("--ground", "h100", "--policies", "onboard", "--duration", "1200", "--json", "--no-plots")
    found = orbitmesh("compare", short, *options).document["crossover"]
    passes = orbitmesh("passes", "three-body", "--json").document["passes"]
    seen = {each["satellite"] for each in passes if (each["rise"] or "") < "2025-10-03T16:20:00Z"}
    assert seen == {"SCS-01 B"}  # so the others have none in the first twenty minutes
    (told,) = [note for note in found["notes"] if "no contact" in note]
    assert told.startswith("11 of 12 satellites have no contact with a station in the run: SCS-01 A, SCS-01 C, ")
    assert not seen & set(told.split(": ")[1].split(";")[0].split(", "))


def test_a_pipeline_is_told_not_to_be_in_it(orbitmesh: Callable[..., Any], short: str, tmp_path: Path) -> None:
    (tmp_path / short).write_text(SCENARIO + '[[pipeline.stages]]\nname = "screen"\nmodel = "cloud-screen"\n')
    done = orbitmesh("compare", short, "--ground", "h100", "--policies", "onboard", "--no-plots")
    assert "of single models, not of the scenario's pipeline" in " ".join(done.out.split())


def test_models_that_only_the_processors_know_are_in_it_once(
    orbitmesh: Callable[..., Any], short: str, tmp_path: Path
) -> None:
    before, measured = host().split("[[processor.calibrations]]")

    def of(name: str, sha256: str, input_bytes: int) -> str:
        lines = []
        for line in measured.split("\n"):
            line = f'sha256 = "{sha256}"' if line.startswith("sha256") else line
            line = f'name = "{name}"' if line.startswith("name") else line
            lines.append(f"input_bytes = {input_bytes}" if line.startswith("input_bytes") else line)
        return "[[processor.calibrations]]" + "\n".join(lines)

    shipped = "[[processor.calibrations]]" + measured
    large, same_name, no_image = (
        of("model.onnx", "a" * 64, 602_112),
        of("vessels", "b" * 64, 262_144),
        of("x", "c" * 64, 8),
    )
    (tmp_path / "host.toml").write_text(before + shipped + large + same_name)
    (tmp_path / "orbit.toml").write_text(before + large + no_image)
    done = orbitmesh("compare", short, "--ground", "host.toml", "--orbit", "orbit.toml", "--json", "--no-plots")
    assert (done.code, done.err) == (0, "")
    models = done.document["crossover"]["models"]
    names = [model["name"] for model in models]
    assert len(set(names)) == len(names)
    only = {model["name"]: model for model in models if model["from_calibration"]}
    assert set(only) == {"model.onnx", "vessels bbbbbbbb", "x"}
    assert only["model.onnx"]["inferences"] == ceil(TILES * 128**2 / 224**2)  # 602,112 = 224 x 224 x 3 x 4 bytes
    assert only["vessels bbbbbbbb"]["inferences"] == only["x"]["inferences"] == TILES
    at = only["model.onnx"]["at"]
    assert (at["ground"]["basis"], at["orbit"]["basis"]) == ("calibrated", "calibrated")
    assert (only["x"]["at"]["ground"]["basis"], only["x"]["at"]["orbit"]["basis"]) == ("scaled", "calibrated")
    told = orbitmesh("compare", short, "--ground", "host.toml", "--policies", "onboard", "--no-plots").out
    assert "model.onnx +" in told
    assert "+ known from a processor's calibration alone" in " ".join(told.split())


def test_sweeps_go_from_the_orbit_to_the_ground(orbitmesh: Callable[..., Any], short: str) -> None:
    done = orbitmesh("compare", short, "--ground", "h100", "--json", "--no-plots")
    found = done.document["crossover"]
    rates = [each["at"]["bits_per_s"] for each in found["by_rate"]]
    assert (rates[0], rates[-1]) == pytest.approx((10e6, 100e9))
    won = [set(each["ground_wins"]) for each in found["by_rate"]]
    assert all(fewer <= more for fewer, more in pairwise(won))
    for model in found["models"]:
        turns = model["ground_wins_from_bits_per_s"]
        for rate, names in zip(rates, won, strict=True):
            assert (model["name"] in names) == (turns is not None and rate >= turns)
    times = [each["at"]["contact_s_per_day"] for each in found["by_contact_time"]]
    assert (times[0], times[-1]) == pytest.approx((300.0, 86400.0))
    carried = [each["at"]["ground"]["carried"] for each in found["by_contact_time"]]
    assert carried == sorted(carried)
    assert carried[-1] == 1.0
    own = found["models"][0]["at"]
    share = found["downlink_bytes_per_day"] / found["raw_bytes_per_day"]
    assert own["ground"]["carried"] <= share + 1e-9  # less, where one satellite has contact to spare


def test_people_get_a_table_and_a_plot(
    orbitmesh: Callable[..., Any], short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.plots.draw", lambda *_: [])  # the other plots have tests of their own
    done = orbitmesh("compare", short, "--ground", "h100", "--policies", "onboard")
    assert (done.code, done.err) == (0, "")
    assert "orbit or ground, for a scene of 221 MB: tbc-744 x 12 or h100 x 4" in done.out
    assert "cloud-screen *" in done.out
    assert "models that the ground wins, by mean rate in contact: none from 10 Mbit/s" in done.out
    folder = tmp_path / "orbitmesh-out" / "short"
    assert sorted(path.name for path in folder.iterdir()) == ["crossover.png", "crossover.svg"]
    image = matplotlib.image.imread(folder / "crossover.png")[..., :3]
    assert 0.01 < (image < 0.98).any(axis=2).mean() < 0.9
    assert (folder / "crossover.svg").read_text(encoding="utf-8").count("<path") > 50


def test_a_long_name_does_not_cut_the_legend_off(
    orbitmesh: Callable[..., Any], short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.plots.draw", lambda *_: [])
    (tmp_path / "host.toml").write_text(host().replace('name = "host"', 'name = "the-server-under-the-desk"', 1))
    assert orbitmesh("compare", short, "--ground", "host.toml", "--policies", "onboard").code == 0
    image = matplotlib.image.imread(tmp_path / "orbitmesh-out" / "short" / "crossover.png")[..., :3]
    assert (image[:, [0, -1]] > 0.98).all()


def test_nothing_is_added_where_it_was_not_asked_for(orbitmesh: Callable[..., Any], quick: str) -> None:
    done = orbitmesh("compare", quick, "--policies", "onboard", "--json", "--no-plots")
    assert "crossover" not in done.document


@pytest.mark.parametrize("duration_s", ["60.0", "600.0"])  # no scene yet; scenes, but only others have a pass
def test_a_scenario_without_passes_or_scenes_says_so(
    orbitmesh: Callable[..., Any], tmp_path: Path, duration_s: str
) -> None:
    (tmp_path / "brief.toml").write_text(SCENARIO.replace("7200.0", duration_s))
    done = orbitmesh("compare", "brief.toml", "--ground", "h100", "--no-plots")
    assert done.code == 0
    assert "no crossover: " in done.out
    document = orbitmesh("compare", "brief.toml", "--ground", "h100", "--json", "--no-plots").document
    assert document["crossover"] is None
    (why,) = [note for note in document["notes"] if note.startswith("no crossover: ")]
    assert why in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("a1000", "did you mean 'a100'?"),
        ("gone.toml", "gone.toml: cannot be read"),
        ("bad.toml", "bad.toml:2: processor.name"),
        ("torn.toml", "is not TOML"),
        ("", "there is no processor ''"),
    ],
)
@pytest.mark.parametrize("option", ["--ground", "--orbit"])
def test_processors_that_cannot_be_are_refused(
    refused: Callable[..., str], short: str, tmp_path: Path, option: str, given: str, told: str
) -> None:
    (tmp_path / "bad.toml").write_text(host().replace('name = "host"', 'name = ""', 1))
    (tmp_path / "torn.toml").write_text("[processor")
    message = refused("compare", short, option, given)
    assert option in message
    assert told in message


def test_the_share_that_is_answered_is_that_of_the_run_itself(
    orbitmesh: Callable[..., Any], short: str, tmp_path: Path
) -> None:
    """Some stations have more passes than they can infer: what they do not get done is in no other station's queue."""
    (tmp_path / "host.toml").write_text(host().replace("0.016", "0.032").replace("0.096", "0.192"))  # 13 s a scene
    found = orbitmesh("compare", short, "--ground", "host.toml", "--policies", "bent-pipe", "--json", "--no-plots")
    tasks, crossover = found.document["policies"][0]["tasks"], found.document["crossover"]
    assert 0 < tasks["done"] < tasks["captured"]
    assert crossover["loaded_ground_answered"] * tasks["captured"] == pytest.approx(tasks["done"], rel=0.02)
    assert crossover["models"][0]["at"]["ground"]["limit"] == "compute"
