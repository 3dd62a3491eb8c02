"""The three plots of `compare`: PNG and SVG, whole, not blank, the same each time, and nothing else beside them."""

import importlib.util
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLOTS = ("insight", "bytes-and-operations", "orbit")
FILES = sorted(f"{name}.{suffix}" for name in PLOTS for suffix in ("png", "svg"))
SVG = "{http://www.w3.org/2000/svg}"

matplotlib = pytest.importorskip("matplotlib", reason="plots come with the extra 'plot'")


def test_six_files_that_show_something(orbitmesh: Callable[..., Any], quick: str, tmp_path: Path) -> None:
    import matplotlib.image

    done = orbitmesh("compare", quick, "--duration", "3600", "--out", "results", "--json")
    assert (done.code, done.err) == (0, "")
    folder = tmp_path / "results" / "short"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert sorted(done.document["plots"]) == [f"results/short/{name}" for name in FILES]
    for name in PLOTS:
        image = matplotlib.image.imread(folder / f"{name}.png")[..., :3]
        assert image.shape[0] > 400
        assert image.shape[1] > 600
        drawn = (image < 0.98).any(axis=2).mean()  # the share of pixels that are not white paper
        assert 0.01 < drawn < 0.9
        assert image.std() > 0.02
        root = ET.fromstring((folder / f"{name}.svg").read_text(encoding="utf-8"))
        assert root.tag == f"{SVG}svg"
        assert len(root.findall(f".//{SVG}path")) > 10
    first = {name: (folder / name).read_bytes() for name in FILES}
    orbitmesh("compare", quick, "--duration", "3600", "--out", "results")
    assert {name: (folder / name).read_bytes() for name in FILES} == first  # written over, and the same


def test_schedulers_that_answer_nothing_can_be_drawn(orbitmesh: Callable[..., Any], quick: str, tmp_path: Path) -> None:
    done = orbitmesh("compare", quick, "--duration", "30", "--policies", "bent-pipe")
    assert done.code == 0
    assert len(list((tmp_path / "orbitmesh-out" / "short").iterdir())) == 6
    assert "plots in orbitmesh-out/short: insight.png" in done.out


def test_names_are_drawn_as_they_are(orbitmesh: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text(
        'extends = "three-body-ring"\nname = "odd"\nduration_s = 60.0\npolicies = ["onboard"]\n'
        '[satellites.walker]\nprefix = "$\\\\frac{$ "\n[imaging]\ndistinct_tiles = 2\n'
    )
    done = orbitmesh("compare", "odd.toml")
    assert (done.code, done.err) == (0, "")


def test_no_matplotlib_no_plots_but_the_figures(
    orbitmesh: Callable[..., Any], quick: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    calibrate = ("--duration", "0.05", "--threads", "1", "--batch", "1", "--scenario", "SingleStream")
    for command, drawn in (
        (("compare", quick, "--policies", "onboard"), "plots"),
        (("inspect", "cloud-screen", "--plot", "p"), "plots"),
        (("upset", "cloud-screen", "--plot", "p", "--trials", "1", "--scenes", "1", "--rate", "0"), "plots"),
        (("calibrate", "cloud-screen", "--plot", "p", *calibrate), "files"),
    ):
        done = orbitmesh(*command, "--json")
        assert done.code == 0
        assert done.err == "orbitmesh: no plots: matplotlib is not installed; pip install 'orbitmesh[plot]'\n"
        assert done.document[drawn] == []
    assert [path.name for path in tmp_path.iterdir()] == ["quick.toml"]


def test_a_plot_that_fails_leaves_nothing(
    orbitmesh: Callable[..., Any], quick: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", broken)
    done = orbitmesh("compare", quick, "--policies", "onboard", "--json")
    assert (done.code, done.out) == (1, "")
    assert "orbitmesh: the run failed: " in done.err
    assert "No space left on device" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["quick.toml"]
