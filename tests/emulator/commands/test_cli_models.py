"""`orbitmesh models`: every model with its cost and accuracy, and one written as a file."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workloads.generated.architectures import PUBLISHED
from workloads.models import shipped_models

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_list_holds_every_model_and_generates_none(orbitmesh: Command, tmp_path: Path) -> None:
    listed = orbitmesh("models", "--json").document["models"]
    assert [each["name"] for each in listed] == [*shipped_models(), *PUBLISHED]
    for each in listed:
        assert each["parameters"] > 0
        assert each["macs"] > 0
        generated = each["name"] in PUBLISHED
        assert generated == ("untrained" in each["trained"]) == (each["size_bytes"] is None)
        assert ("synthetic" in each["trained"]) == bool(each["accuracy"]) == (not generated)
    assert not (tmp_path / "cache").exists()


def test_the_table_says_what_is_untrained_and_that_scenes_are_synthetic(orbitmesh: Command) -> None:
    code, out, err = orbitmesh("models")
    assert (code, err) == (0, "")
    assert "SYNTHETIC" in out
    assert "untrained" in out
    assert "one byte of a report" in " ".join(out.split())
    for name in (*shipped_models(), *PUBLISHED):
        assert f" {name} " in out


def test_a_model_that_ships_is_written_as_it_is(orbitmesh: Command, tmp_path: Path) -> None:
    target = tmp_path / "screen.onnx"
    told = orbitmesh("models", "--write", "cloud-screen", "--out", str(target), "--json").document
    assert target.read_bytes() == shipped_models()["cloud-screen"].read_bytes()
    assert told["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert told["size_bytes"] == target.stat().st_size


def test_an_architecture_is_written_with_the_seed_asked_for(orbitmesh: Command, tmp_path: Path) -> None:
    digests = []
    for seed in ("0", "1"):
        out = str(tmp_path / f"{seed}.onnx")
        digests.append(orbitmesh("models", "--write", "mobilenet-v2", "--seed", seed, "--out", out, "--json"))
    assert digests[0].document["sha256"] == PUBLISHED["mobilenet-v2"].sha256 != digests[1].document["sha256"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "m.onnx"), "--write NAME"),
        (("--write", "resnet51"), "resnet50"),
        (("--write", "cloud-screen", "--seed", "1"), "no seed to choose"),
        (("--write", "mobilenet-v2", "--seed", "-1"), "-1"),
        (("--write", "cloud-screen", "--out", "there.onnx"), "is there already"),
        (("--write", "cloud-screen", "--out", "no/where.onnx"), "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_refused(
    arguments: tuple[str, ...], said: str, orbitmesh: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.onnx").write_text("mine")
    done = orbitmesh("models", *arguments)
    assert done.code == 2
    assert said in done.err
    assert Path("there.onnx").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]
