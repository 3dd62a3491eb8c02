"""The command `upset`: real sessions of flipped weights on held-out scenes, what it tells, and what it refuses."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emulator.cli import main
from emulator.radiation.scores import Course
from emulator.radiation.trials import HARMLESS, Study, one_flip_loss, plans
from workloads.loading.opening import open_model
from workloads.models import shipped_models
from workloads.providers import open_session
from workloads.scenery.scenes import CLOUD, TileBank

QUICK = ["--scenes", "3", "--trials", "2"]
SCREEN = shipped_models()["cloud-screen"]


def upset(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["upset", *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def study(scenes: int = 6, trials: int = 3) -> Study:
    return Study(open_model(SCREEN), scenes, 1, trials, lambda: None)


def test_the_score_before_is_that_of_the_unharmed_model_on_the_held_out_scenes() -> None:
    made, bank = study(), TileBank(6, 9001)
    session = open_session(open_model(SCREEN))
    tiles = [bank.tile(index) for index in range(6)]
    told = [session.run(None, {"bands": tile.bands[None]})[0][0, 0] > 0.5 for tile in tiles]
    right = np.mean([(each == (tile.mask == CLOUD)).mean() for each, tile in zip(told, tiles, strict=True)])
    assert made.before.scores["pixel_accuracy"] == pytest.approx(right, abs=1e-4)
    assert made.before.broken == 0.0
    assert made.row("none", 0).mean == pytest.approx(made.before.headline, abs=1e-4)


def test_high_exponent_bits_do_harm_and_the_last_bits_of_the_mantissa_none() -> None:
    made = study()
    low, high = made.row("low", 300, bits="0-3"), made.row("high", 300, bits="30")
    assert low.harmless == 1.0
    assert abs(low.mean - made.before.headline) < HARMLESS
    assert high.mean < made.before.headline - 0.3
    assert high.worst <= high.mean
    assert high.harmless == 0.0


def test_answers_that_are_no_numbers_count_as_wrong() -> None:
    made = study()
    weights = onnx.load(SCREEN)
    for tensor in weights.graph.initializer:
        if tensor.name == "logit.bias":
            tensor.CopyFrom(numpy_helper.from_array(np.full(1, np.nan, np.float32), tensor.name))
    broken = made.course.score(made.session(weights.SerializeToString()))
    assert broken.broken == 1.0
    assert broken.scores["pixel_accuracy"] == 0.0


def test_a_model_that_does_not_load_any_more_is_counted() -> None:
    made = study(trials=1)
    assert made._after(b"no model") is None
    row = made._summed("x", [1, 1], [None, made.before])
    assert (row.refused, row.worst, row.mean) == (0.5, 0.0, pytest.approx(made.before.headline / 2))


def test_more_trials_keep_the_first() -> None:
    few, many = study(trials=1).row("x", 50), study(trials=2)
    assert many.row("x", 50).worst <= few.worst
    assert study(trials=1).row("x", 50) == few


def test_a_model_without_truth_is_scored_by_what_stays_the_same(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8]) for name in "xy"]
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(np.arange(8, dtype="f4"), "w")])
    path = tmp_path / "load.onnx"
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    model = open_model(path)
    course = Course(model, 4)
    assert course.score(open_session(model)).scores == {"unchanged_answers": 1.0, "same_largest": 1.0}
    content = onnx.load(path)
    content.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.arange(8, dtype="f4")[::-1].copy(), "w"))
    other = open_session(dataclasses.replace(model, data=content.SerializeToString()))
    assert course.score(other).scores == {"unchanged_answers": 0.0, "same_largest": 0.0}


def test_the_document_says_all_and_is_the_same_again(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["cloud-screen", *QUICK, "--bits", "28-30", "--layer", "head.out", "--flips", "2"]
    made = upset(capsys, *asked)
    assert made["weight_bits"] == 32 * 32115
    assert [row["what"] for row in made["by_bit"]] == ["bit 28", "bit 29", "bit 30"]
    assert [row["flips"] for row in made["by_flips"]] == [2.0]
    assert made["plans"] == []  # part of the weights says nothing of all
    assert any("synthetic" in note for note in made["notes"])
    again = upset(capsys, *asked)
    for measured in ("costs", "satellite_scrub_s"):
        made.pop(measured), again.pop(measured)
    assert made == again


def test_a_rate_draws_the_flips_of_its_days(capsys: pytest.CaptureFixture[str]) -> None:
    made = upset(capsys, "cloud-screen", "--scenes", "2", "--trials", "12", "--rate", "1e-6", "--days", "20")
    (row,) = made["by_flips"]
    expected = 1e-6 * made["weight_bits"] * 20
    assert abs(row["flips"] - expected) < 4 * (expected / 12) ** 0.5
    assert upset(capsys, "cloud-screen", *QUICK, "--rate", "0")["by_flips"][0]["flips"] == 0.0


def test_plans_use_the_loss_of_each_position() -> None:
    made = study(scenes=2, trials=1)
    rows = made.by_bit(1, "29-30")
    drops = [made.before.headline - row.mean for row in rows]
    single = one_flip_loss(made, rows)
    assert single == pytest.approx(max(0.0, sum(drops) / 2))  # all weights are as wide
    from emulator.radiation.trials import costs

    ticks = iter(range(100))
    spent = costs(made, lambda: float(next(ticks)))
    assert (spent.scrub_s, spent.cold_start_s) == (1.0, 1.0)
    found = plans(made, spent, single, [])
    assert [plan.flips_per_day for plan in found] == [p.rate.per_bit_day * made.weights.bits for p in found]
    for plan in found:
        assert plan.best.score >= max(kept.score for kept in plan.kept) - 1e-9
        assert [kept.corrupted_share for kept in plan.kept] == sorted(kept.corrupted_share for kept in plan.kept)


def test_plots_are_drawn_as_png_and_svg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upset", "cloud-screen", "--scenes", "1", "--trials", "1", "--plot", str(tmp_path / "p")]) == 0
    shown = capsys.readouterr().out
    assert "by position of the bit" in shown
    assert "[guess]" in shown
    names = ["scrubbing.png", "scrubbing.svg", "upsets.png", "upsets.svg"]
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == names
    assert (tmp_path / "p" / "upsets.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none-such"], "no model 'none-such'"),
        (["cloud-screen", "--bits", "99"], "bits '99' cannot be: bits 0 to 31"),
        (["cloud-screen", "--bits", "30-23"], "bits '30-23' cannot be: bits 0 to 31"),
        (["cloud-screen", "--layer", "nowhere"], "the layers are"),
        (["cloud-screen", "--flips", "-1"], "--flips -1 cannot be"),
        (["cloud-screen", "--trials", "0"], "--trials 0 cannot be"),
        (["cloud-screen", "--plot", __file__], "cannot be written"),
        (["cloud-screen", "--rate", "nan"], "--rate nan cannot be"),
        (["cloud-screen", "--scenes", "1", "--trials", "1", "--flips", "9000000"], "there are 1027680 bits"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upset", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["water-mask", "vessels-int8", "change", "scene-embedding"])
def test_each_role_has_a_score_that_falls_when_all_exponents_are_hit(name: str) -> None:
    made = Study(open_model(shipped_models()[name]), 6, 1, 1, lambda: None)
    assert 0.4 < made.before.headline <= 1.0
    assert made.row("none", 0).mean == pytest.approx(made.before.headline, abs=1e-3)
    assert made.row("many", 2000, bits="" if name.endswith("int8") else "exponent").mean < made.before.headline / 2
