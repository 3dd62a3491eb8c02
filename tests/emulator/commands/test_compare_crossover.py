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
    resnet = by_name["light-resnet50"]
    assert resnet["inferences"] == ceil(TILES * 128**2 / 224**2)  # the same pixels in larger tiles
    assert resnet["ops_per_raw_byte"] == pytest.approx(RESNET50_OPS * resnet["inferences"] / 221_112_500, rel=0.02)
    assert resnet["product_bytes"] == 4000
    orbit, ground = resnet["at"]["orbit"], resnet["at"]["ground"]
    saved_s = (ground["insight_s"] - ground["job_s"]) - (orbit["insight_s"] - orbit["job_s"])
    even = saved_s / 221_112_500 / (orbit["job_s"] - ground["job_s"]) * resnet["ops"]
    assert resnet["at"]["break_even_ops_per_raw_byte"] == pytest.approx(even, rel=1e-9)
    assert resnet["at"]["wins"] == ("orbit" if resnet["ops_per_raw_byte"] < even else "ground")


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


def test_nothing_is_added_where_it_was_not_asked_for(orbitmesh: Callable[..., Any], quick: str) -> None:
    done = orbitmesh("compare", quick, "--policies", "onboard", "--json", "--no-plots")
    assert "crossover" not in done.document


def test_a_scenario_without_passes_or_scenes_says_so(orbitmesh: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "brief.toml").write_text(SCENARIO.replace("7200.0", "60.0"))
    done = orbitmesh("compare", "brief.toml", "--ground", "h100", "--no-plots")
    assert done.code == 0
    assert "no crossover: " in done.out
    assert orbitmesh("compare", "brief.toml", "--ground", "h100", "--json", "--no-plots").document["crossover"] is None


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
