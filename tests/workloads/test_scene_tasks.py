"""Vessels, passes, reports and their scores: closed forms, hand-made cases, and invariants on synthetic scenes."""

from math import atan, degrees

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.scenery import captions, samples
from workloads.scenery.evaluation import (
    change_scores,
    cloud_scores,
    evaluate,
    report_scores,
    retrieval_scores,
    vessel_scores,
    water_scores,
)
from workloads.scenery.passes import ChangePair, change_pair, same_place, shifted
from workloads.scenery.scenes import CLOUD, WATER, Tile
from workloads.scenery.vessels import KELVIN_DEG, MATCH_M, PIXEL_M, VesselScene, heat_map, match, peaks, vessel_scene

seeds = st.integers(0, 10_000)


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@settings(derandomize=True, deadline=None, max_examples=20)
@given(seed=seeds)
def test_a_perfect_heat_map_finds_every_vessel(seed: int) -> None:
    scene = vessel_scene(rng(seed))
    found = peaks(heat_map(scene), 0.99)
    apart = [np.abs(a - b).max() for i, a in enumerate(scene.centres_px) for b in scene.centres_px[:i]]
    if all(each >= 8 for each in apart):  # nearer ones share cells
        assert len(found) == len(scene.centres_px) == match(found, scene.centres_px)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(seed=seeds)
def test_scenes_are_reflectances_and_repeat(seed: int) -> None:
    scene, pair = vessel_scene(rng(seed)), change_pair(rng(seed))
    assert np.array_equal(scene.bands, vessel_scene(rng(seed)).bands)
    for bands in (scene.bands, pair.before, pair.after):
        assert bands.shape == (4, 128, 128)
        assert bands.dtype == np.float32
        assert 0.0 <= bands.min() <= bands.max() <= 1.6
    assert set(np.unique(pair.changed)) <= {0, 1}
    assert pair.kinds or not pair.changed.any()


def test_a_wake_opens_by_kelvins_angle() -> None:
    assert pytest.approx(degrees(atan(1 / 8**0.5)), abs=0.01) == KELVIN_DEG  # arcsin(1/3) = arctan(1/sqrt 8)


def test_equal_neighbours_are_one_peak() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[3:5, 3:5] = 0.9
    assert len(peaks(heat, 0.5)) == 1
    assert len(peaks(heat, 0.95)) == 0


def test_a_detection_matches_one_vessel_only_and_within_reach() -> None:
    centres = np.array([[10.0, 10.0], [12.0, 10.0]])
    assert match(np.array([[10.0, 10.0], [10.0, 10.0]]), centres) == 2  # the second takes the neighbour
    assert match(np.array([[10.0, 10.0]] * 3), centres) == 2
    edge_px = MATCH_M / PIXEL_M
    assert match(np.array([[0.0, edge_px]]), np.zeros((1, 2))) == 1
    assert match(np.array([[0.0, edge_px + 0.1]]), np.zeros((1, 2))) == 0


def test_vessel_scores_count_hits_misses_and_false_alarms() -> None:
    scene = VesselScene(np.zeros((4, 128, 128), np.float32), np.array([[10.0, 10.0], [90.0, 90.0]]), np.ones(2))
    found = np.array([[10.0, 11.0, 0.9], [50.0, 50.0, 0.8], [51.0, 70.0, 0.7]])
    assert vessel_scores([found], [scene]) == pytest.approx({"precision": 1 / 3, "recall": 1 / 2, "f1": 2 / 5})


def test_water_and_cloud_scores_of_a_hand_made_tile() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[0], mask[1] = WATER, CLOUD
    tile = Tile(np.zeros((4, 4, 4), np.float32), mask)
    told = np.zeros((1, 1, 4, 4), np.float32)
    told[..., :2, :] = told[..., 2, :2] = 1.0  # all water found, two pixels too many, the cloud does not count
    assert water_scores(told, [tile]) == pytest.approx({"water_iou": 4 / 6, "pixel_accuracy": 10 / 12})
    assert cloud_scores(told, [tile]) == pytest.approx({"pixel_accuracy": 10 / 16, "decision_accuracy": 1.0})


def test_change_scores_of_a_hand_made_pair() -> None:
    changed = np.zeros((8, 8), np.uint8)
    changed[:4] = 1
    quiet = np.zeros((4, 8, 8), np.float32)
    pairs = [ChangePair(quiet, quiet, mask, ()) for mask in (changed, 0 * changed)]
    score = np.stack([np.where(changed[:, ::-1] == 1, 0.9, 0.1), np.full((8, 8), 0.2)])
    score[0, :2] = 0.0
    assert change_scores(score, pairs) == pytest.approx({"pixel_f1": 2 * 16 / (16 + 32), "scene_auc": 1.0})


def test_retrieval_scores_of_hand_made_vectors() -> None:
    gallery = np.eye(4, dtype=np.float32)
    queries = gallery.copy()
    queries[0] = [0.5, 1.0, 0.0, 0.0]  # its own comes second
    expected = {"recall_at_1": 0.75, "mean_average_precision": (3 + 0.5) / 4}
    assert retrieval_scores(3.0 * queries, gallery) == pytest.approx(expected)


def test_report_scores_count_fields_and_whole_reports() -> None:
    true = ["overcast", "clear sky, sand and bright sand, no water"]
    said = ["overcast", "clear sky, sand and bright sand, some water"]
    assert report_scores(said, true) == pytest.approx({"field_accuracy": 5 / 6, "exact_match": 1 / 2})


@settings(derandomize=True, deadline=None, max_examples=50)
@given(cloud=st.floats(0, 1), water=st.floats(0, 1))
def test_a_report_gives_its_fields_back_and_fits_the_decoder(cloud: float, water: float) -> None:
    text = captions.sentence(cloud, "forest and crops", water)
    fields = captions.fields(text)
    assert ", ".join(part for part in fields.values() if part) == text
    assert (fields["cover"] == captions.OVERCAST) == (cloud >= 15 / 16)
    if fields["land"]:
        assert fields["land"] == "forest and crops"
    row = captions.tokens(text)
    assert row.shape == (captions.MOST_BYTES + 1,)
    assert bytes(row[1 : len(text) + 1].tolist()).decode() == text


def test_cloud_words_are_oktas() -> None:
    said = [captions.sentence(oktas / 8, "x", 0.0).split(", ")[0] for oktas in range(9)]
    few, scattered, broken = ["few clouds"] * 2, ["scattered cloud"] * 2, ["broken cloud"] * 3
    assert said == ["clear sky", *few, *scattered, *broken, "overcast"]


def test_text_that_the_decoder_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        captions.tokens("x" * 64)


def test_a_pass_shifted_back_is_the_same() -> None:
    first, _ = same_place(rng(3))
    there = shifted(shifted(first, 5, -7), -5, 7)
    assert np.array_equal(there.bands, first.bands)
    assert np.array_equal(there.mask, first.mask)


def test_two_passes_show_one_ground() -> None:
    """Without cloud, water stays where it is, moved by the shift; light differs."""
    same = 0
    for seed in range(30):
        first, second = same_place(rng(seed), most_shift_px=0)
        clear = (first.mask != CLOUD) & (second.mask != CLOUD)
        assert np.array_equal(first.mask[clear], second.mask[clear])
        same += np.array_equal(first.bands, second.bands)
    assert same == 0


def test_more_scenes_keep_the_first() -> None:
    few, many = samples.vessel_scenes(2, 5), samples.vessel_scenes(3, 5)
    assert all(np.array_equal(a.bands, b.bands) for a, b in zip(few, many, strict=False))
    assert not np.array_equal(many[0].bands, samples.vessel_scenes(1, 6)[0].bands)


def test_roles_without_a_score_and_captions_without_features_are_refused() -> None:
    with pytest.raises(WorkloadError, match=r"'load'.*cloud-screen"):
        evaluate("load", None)
    with pytest.raises(WorkloadError, match="scene embedding"):
        evaluate("captions", None)
