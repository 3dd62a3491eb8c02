"""The models that ship: what they say of themselves, and that they reach it again on held-out synthetic scenes."""

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workloads.cards import ModelCard, card
from workloads.loading.opening import open_model
from workloads.models import model_names, shipped_models
from workloads.scenery import captions, samples
from workloads.scenery.baselines import METHODS, baseline
from workloads.scenery.evaluation import HELD_OUT, evaluate
from workloads.scenery.samples import HELD_OUT_SEED
from workloads.sessions import open_session

MEGABYTE = 1_000_000
SMALL = {"cloud-screen": 40, "water-mask": 40, "vessels": 40, "change": 40, "embedding": 40, "captions": 40}
# A score of one scene lies in 0..1, so with mean p its variance is p(1 - p) at most. The mean of k scenes lies within
# four standard deviations of p: 4 sqrt(p (1 - p) / k)
SIGMAS = 4.0
# What INT8 may lose of the headline of the float model, both as written in their properties
MOST_LOSS = 0.03
# How far apart the two may be on one small sample: they see the same scenes, so only their own difference counts
MOST_APART = 0.08
ROLES = {"cloud-screen", "water-mask", "vessels", "change", "embedding", "captions"}

PATHS = shipped_models()
INTS = [name for name in PATHS if name.endswith("-int8")]
FLOATS = [name for name in PATHS if name not in INTS]


def session(name: str) -> Any:
    return open_session(open_model(PATHS[name]), threads=1)


def measured(name: str, count: int) -> dict[str, float]:
    told = card(name, PATHS[name])
    suffix = "-int8" if name in INTS else ""
    encoder = session("scene-embedding" + suffix) if told.role == "captions" else None
    return evaluate(told.role, session(name), count, encoder=encoder)


@pytest.fixture(scope="module")
def cards() -> dict[str, ModelCard]:
    return {name: card(name, path) for name, path in PATHS.items()}


@pytest.fixture(scope="module")
def small_scores() -> dict[str, dict[str, float]]:
    return {name: measured(name, SMALL[card(name, PATHS[name]).role]) for name in PATHS}


def test_each_role_ships_as_float_and_as_int8(cards: dict[str, ModelCard]) -> None:
    assert {cards[name].role for name in FLOATS} == {cards[name].role for name in INTS} == ROLES
    assert sorted(INTS) == sorted(f"{name}-int8" for name in FLOATS)


def test_all_models_together_are_under_twenty_megabytes() -> None:
    assert sum(path.stat().st_size for path in PATHS.values()) < 20 * MEGABYTE


@pytest.mark.parametrize("name", PATHS)
def test_a_model_says_its_role_its_training_and_its_accuracy(name: str, cards: dict[str, ModelCard]) -> None:
    told = cards[name]
    said = open_model(PATHS[name]).properties
    assert "synthetic" in told.trained
    script = told.trained.rsplit(" ", 1)[-1]
    assert (Path(__file__).parents[2] / script).is_file()
    assert said["seed"].isdigit()
    assert told.accuracy
    assert all(0.0 <= score <= 1.0 for score in told.accuracy.values())
    if name != "cloud-screen":  # older than the plain methods; its int8 says what they reach
        assert told.held_out_scenes == HELD_OUT[told.role]
        assert told.baseline_method == METHODS[told.role]
        assert set(told.baseline) == set(told.accuracy)
    assert told.precision == ("int8" if name in INTS else "fp32")
    assert ("quantised" in said) == (name in INTS)


@pytest.mark.parametrize("name", PATHS)
def test_a_model_was_written_without_leftovers(name: str) -> None:
    model = open_model(PATHS[name]).proto
    assert model.producer_name == "orbitmesh"
    assert (model.ir_version, {each.domain: each.version for each in model.opset_import}) == (8, {"": 17})
    assert not model.graph.value_info
    assert not model.graph.doc_string
    read = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= read


@pytest.mark.parametrize("name", PATHS)
def test_images_are_four_bands_at_any_batch(name: str, cards: dict[str, ModelCard]) -> None:
    told = cards[name]
    assert all(axes[0] == "batch" for axes in (*told.inputs.values(), *told.outputs.values()))
    if told.role == "captions":
        assert set(told.inputs) == {"features", "tokens"}
    else:
        names = {"before", "after"} if told.role == "change" else {"bands"}
        assert told.inputs == dict.fromkeys(names, ("batch", 4, 128, 128))


@pytest.mark.parametrize("name", PATHS)
def test_the_stated_accuracy_is_reached_on_a_small_sample(
    name: str, cards: dict[str, ModelCard], small_scores: dict[str, dict[str, float]]
) -> None:
    for key, share in cards[name].accuracy.items():
        tolerance = SIGMAS * sqrt(share * (1 - share) / SMALL[cards[name].role])
        found = small_scores[name][key]
        assert found > share - tolerance
        if cards[name].role != "embedding":  # among fewer, the right place is found more easily
            assert found < share + tolerance


@pytest.mark.parametrize("name", FLOATS)
def test_int8_loses_little(name: str, cards: dict[str, ModelCard], small_scores: dict[str, dict[str, float]]) -> None:
    head = next(iter(cards[name].accuracy))
    assert cards[f"{name}-int8"].accuracy[head] > cards[name].accuracy[head] - MOST_LOSS
    assert small_scores[f"{name}-int8"][head] > small_scores[name][head] - MOST_APART


@pytest.mark.parametrize("name", [name for name in PATHS if name != "cloud-screen"])
def test_a_model_is_better_than_the_plain_method(name: str, cards: dict[str, ModelCard]) -> None:
    head = next(iter(cards[name].accuracy))
    assert cards[name].accuracy[head] > cards[name].baseline[head]


def test_a_model_is_better_than_the_plain_method_on_the_same_small_sample(
    small_scores: dict[str, dict[str, float]],
) -> None:
    for name in ("cloud-screen", "water-mask"):
        plain = baseline(name, SMALL[name])
        assert all(small_scores[name][key] > score for key, score in plain.items())


@pytest.mark.parametrize("name", FLOATS)
def test_the_batch_changes_no_answer(name: str) -> None:
    ready = session(name)
    rng = np.random.default_rng(5)
    fed = {}
    for value in ready.get_inputs():
        axes = [4 if axis == "batch" else 7 if axis == "sequence" else axis for axis in value.shape]
        whole = value.type == "tensor(int64)"
        fed[value.name] = rng.integers(32, 127, axes) if whole else rng.random(axes, dtype=np.float32)
    (together,) = ready.run([ready.get_outputs()[0].name], fed)
    alone = [ready.run([ready.get_outputs()[0].name], {k: v[i : i + 1] for k, v in fed.items()})[0] for i in range(4)]
    np.testing.assert_allclose(np.concatenate(alone), together, atol=2e-4)


class Speller:
    """A session that spells `text` byte by byte whatever it is given, and counts how often it is run."""

    def __init__(self, text: str) -> None:
        self.text, self.runs = text, 0

    def run(self, _: list[str], fed: dict[str, Any]) -> list[Any]:
        self.runs += 1
        said = fed["tokens"].shape[1] - 1
        logits = np.zeros((len(fed["tokens"]), said + 1, captions.VOCABULARY), np.float32)
        logits[:, -1, ord(self.text[said]) if said < len(self.text) else captions.END] = 1.0
        return [logits]


def test_a_report_takes_an_inference_for_each_byte_and_one_for_its_end() -> None:
    reports = [text for _, text in samples.reported(100, HELD_OUT_SEED)]
    speller = Speller(reports[0])
    assert captions.decode(speller, np.zeros((3, 64, 64), np.float32)) == [reports[0]] * 3
    assert speller.runs == len(reports[0]) + 1
    assert "some 40," in captions.ONE_BYTE
    assert np.mean([len(text) + 1 for text in reports]) == pytest.approx(40, rel=0.1)


def test_the_default_model_comes_first() -> None:
    assert model_names()[0] == next(iter(PATHS)) == "cloud-screen"
