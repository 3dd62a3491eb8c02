"""Generated architectures: published sizes, the same bytes from a seed, a cache that holds."""

import hashlib
import os
from math import prod
from pathlib import Path

import numpy as np
import pytest

from workloads.counting.graph import profile
from workloads.errors import ModelError
from workloads.generated.architectures import PUBLISHED, cache_folder, cached, generate, write
from workloads.generated.graph_builder import GraphBuilder
from workloads.generated.seeded_layers import seeded
from workloads.loading.opening import open_model
from workloads.models import find_model, model_names, shipped_models
from workloads.sessions import open_session

two_percent = 0.02

# torchvision 0.20 documentation, "Table of all available classification weights": num_params, GFLOPS (there: MACs)
TORCHVISION = {
    "resnet50": (25_557_032, 4.09e9),
    "mobilenet-v2": (3_504_872, 0.30e9),
    "vit-b-16": (86_567_656, 17.56e9),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_and_macs_are_the_published_ones(name: str) -> None:
    counted = profile(find_model(name), name)
    assert counted.parameters == TORCHVISION[name][0] == PUBLISHED[name].parameters
    assert counted.macs == pytest.approx(TORCHVISION[name][1], rel=two_percent)
    assert counted.macs == pytest.approx(PUBLISHED[name].macs, rel=two_percent)
    assert counted.input_bytes == 3 * 224 * 224 * 4


def test_the_u_net_has_the_sizes_of_its_figure() -> None:
    """Ronneberger et al. 2015, figure 1: 3x3 unpadded convolutions in pairs, 2x2 up-convolutions, 1x1 at the end."""
    side, fed, macs, parameters = 572, 1, 0, 0

    def pair(width: int, first: int) -> None:
        nonlocal side, macs, parameters
        for channels in (first, width):
            side -= 2
            macs += side**2 * width * channels * 9
            parameters += width * (channels * 9 + 1)

    for width in (64, 128, 256, 512, 1024):
        side = side // 2 if width > 64 else side
        pair(width, fed)
        fed = width
    assert side == 28
    for width in (512, 256, 128, 64):
        side *= 2
        macs += side**2 * width * fed  # with stride 2, each pixel sees one of the four taps
        parameters += width * (fed * 4 + 1)
        pair(width, 2 * width)
        fed = width
    assert side == 388
    assert (macs + side**2 * 2 * 64, parameters + 2 * 65) == (PUBLISHED["u-net"].macs, PUBLISHED["u-net"].parameters)
    counted = profile(find_model("u-net"))
    assert (counted.macs, counted.parameters) == (PUBLISHED["u-net"].macs, PUBLISHED["u-net"].parameters)


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (generate("mobilenet-v2", seed).SerializeToString(deterministic=True) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert len(first) == len(other)


def test_a_generated_file_is_known_by_its_digest() -> None:
    """Made on another run than the table's: other bytes mean that VERSION has to rise, and the table with it."""
    path = find_model("mobilenet-v2")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == PUBLISHED["mobilenet-v2"].sha256


def test_weights_are_the_raw_words_of_their_stream() -> None:
    """numpy promises a bit generator's words for ever, and little-endian halves of them are the weights."""
    source = np.random.PCG64(np.random.SeedSequence(int.from_bytes(hashlib.sha256(b"3\0weights\0a/b").digest(), "big")))
    words = [int(word) for word in source.random_raw(2)]
    halves = [half - 2**32 if half >= 2**31 else half for word in words for half in (word % 2**32, word >> 32)]
    expected = [half / 2**31 * (6 / 24) ** 0.5 for half in halves[:3]]
    drawn = seeded(3, "a/b", (3, 1), 24)
    assert drawn.shape == (3, 1)
    np.testing.assert_allclose(drawn[:, 0], expected, rtol=1e-6)


def test_a_generated_model_runs_at_any_batch_and_answers_finite_numbers() -> None:
    session = open_session(open_model(find_model("mobilenet-v2")), threads=1)
    for batch in (1, 3):
        (scores,) = session.run(None, {"image": np.full((batch, 3, 224, 224), 0.5, np.float32)})
        assert scores.shape == (batch, 1000)
        assert np.isfinite(scores).all()
        assert scores.std() > 0.01


def test_it_says_that_it_is_untrained() -> None:
    said = {entry.key: entry.value for entry in generate("mobilenet-v2").metadata_props}
    assert said["trained"].startswith("untrained")
    assert "orbitmesh.role" not in said


def test_a_cached_architecture_is_made_once(own_cache: Path) -> None:
    path = cached("mobilenet-v2")
    assert path.is_relative_to(own_cache)
    made_ns = path.stat().st_mtime_ns
    assert find_model("mobilenet-v2") == path
    assert path.stat().st_mtime_ns == made_ns
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # no partial is left


def test_another_s_content_in_the_cache_is_made_anew() -> None:
    path = cache_folder() / "v1" / "mobilenet-v2.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(shipped_models()["water-mask"].read_bytes())
    assert find_model("mobilenet-v2") == path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == PUBLISHED["mobilenet-v2"].sha256
    assert profile(path).parameters == TORCHVISION["mobilenet-v2"][0]


def test_links_in_the_cache_are_replaced_and_what_they_lead_to_stays(own_cache: Path) -> None:
    """A partial of a foreseeable name could be such a link as well: it is made where nothing was, or not at all."""
    path, elsewhere = cache_folder() / "v1" / "mobilenet-v2.onnx", own_cache / "precious"
    path.parent.mkdir(parents=True)
    elsewhere.write_bytes(b"precious")
    path.symlink_to(elsewhere)
    path.with_name(f"{path.name}.{os.getpid()}.partial").symlink_to(elsewhere)
    assert cached("mobilenet-v2") == path
    assert not path.is_symlink()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == PUBLISHED["mobilenet-v2"].sha256
    assert elsewhere.read_bytes() == b"precious"


def test_a_cache_that_cannot_be_written_says_what_to_do(own_cache: Path) -> None:
    (own_cache / "orbitmesh").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"XDG_CACHE_HOME.*--write mobilenet-v2"):
        cached("mobilenet-v2")


def test_a_place_that_cannot_be_written_is_refused_and_nothing_left(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        write("mobilenet-v2", tmp_path / "nowhere" / "m.onnx")
    assert not (tmp_path / "nowhere").exists()


def test_unknown_names_and_weights_named_twice_are_refused() -> None:
    with pytest.raises(ModelError, match=r"'resnet51'.*resnet50"):
        generate("resnet51")
    graph = GraphBuilder("twice")
    graph.weight("w", np.zeros(1, np.float32))
    with pytest.raises(ModelError, match="'w' is there already"):
        graph.weight("w", np.ones(1, np.float32))
    assert set(PUBLISHED) <= set(model_names())


def test_scalars_stay_scalars() -> None:
    graph = GraphBuilder("scalars")
    x = graph.input("x", ["batch", 2])
    graph.node("Mul", [x, graph.number(2.0)], "y")
    (held,) = graph.model({"y": ["batch", 2]}, {}).graph.initializer
    assert prod(held.dims) == 1
    assert not held.dims
