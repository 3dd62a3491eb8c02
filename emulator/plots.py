"""Three plots for people who would rather look: when insight arrives, what it costs, and who sees whom.

matplotlib is imported only here and only when plots are asked for. Files are written whole or not at all.
"""

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.console import scaled, seconds
from emulator.folders import made
from links.geometry import EARTH_RADIUS_M
from workloads.whole_file import whole

if TYPE_CHECKING:
    from emulator.assemble import Assembled
    from emulator.run import Result

COLOURS = ("#b5532a", "#2a6fb5", "#2f8f5b", "#7a4fa3", "#8a8a2a", "#555555")
SHORTEST_S = 0.01  # the left edge of the time axis; nothing is answered sooner
TICKS = ((0.01, "10 ms"), (0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"),
         (3600.0, "1 h"), (21600.0, "6 h"), (86400.0, "1 d"), (864000.0, "10 d"))  # fmt: skip
SYNTHETIC = "synthetic scenes; power and efficiency of the satellites are guesses, see docs"


def available() -> bool:
    """Whether matplotlib is installed; says so on standard error if it is not."""
    if importlib.util.find_spec("matplotlib") is not None:
        return True
    print("orbitmesh: no plots: matplotlib is not installed; pip install 'orbitmesh[plot]'", file=sys.stderr)
    return False


@contextmanager
def placed(folder: Path | None, option: str = "--plot") -> Iterator[Path | None]:
    """The folder for plots, made and tried before the work that they show; None if none is asked for or can be drawn.

    Raises `BadInput`, naming `option`, for a folder that cannot be written.
    """
    if folder is None or not available():
        yield None
        return
    with made(folder, option) as there:
        yield there


def draw(folder: Path, assembled: "Assembled", results: "Sequence[Result]") -> list[Path]:
    """Draw all three as PNG and SVG; returns the files."""
    figures = {
        "insight": _insight(assembled, results),
        "bytes-and-operations": _totals(assembled, results),
        "orbit": _orbit(assembled),
    }
    return [path for name, figure in figures.items() for path in save(folder, name, figure)]


def save(folder: Path, name: str, figure: Any) -> list[Path]:
    """Write a figure as PNG and SVG, each whole or not at all; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "orbitmesh"  # the same figure gives the same file
    written = []
    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        path = folder / f"{name}.{suffix}"
        with whole(path) as partial:
            figure.savefig(partial, format=suffix, dpi=150, metadata=metadata)
        written.append(path)
    return written


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _when(assembled: "Assembled") -> str:
    scenario = assembled.loaded.scenario
    return f"{scenario.name}, {seconds(scenario.duration_s)} from {scenario.epoch}"


def _insight(assembled: "Assembled", results: "Sequence[Result]") -> Any:
    """Share of captured scenes whose answer is on the ground, against time since capture."""
    figure = _figure(7.0, 4.2)
    axes = figure.add_subplot()
    scenario = assembled.loaded.scenario
    for colour, result in zip(COLOURS * len(results), results, strict=False):
        captured = max(1, result.row.tasks.captured)
        times_s = np.maximum(np.array(result.responses_s), SHORTEST_S)
        share = np.arange(1, len(times_s) + 1) / captured
        label = f"{result.row.name} ({100 * len(times_s) / captured:.1f} % answered)"
        axes.step(times_s, share, where="post", color=colour, label=label)
    axes.set_xscale("log")
    axes.set_xlim(SHORTEST_S, max(2 * scenario.duration_s, 1.0))
    shown = [(at_s, text) for at_s, text in TICKS if SHORTEST_S <= at_s <= 2 * scenario.duration_s]
    axes.set_xticks([at_s for at_s, _ in shown], [text for _, text in shown])
    axes.minorticks_off()
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("time from capture to insight on the ground")
    axes.set_ylabel("share of captured scenes")
    axes.set_title(_when(assembled), fontsize=10)
    axes.grid(True, alpha=0.25)
    figure.legend(loc="outside lower center", ncols=min(3, len(results)), fontsize=8)
    axes.text(0.01, 0.98, SYNTHETIC, transform=axes.transAxes, va="top", fontsize=7, color="0.4")
    return figure


def _totals(assembled: "Assembled", results: "Sequence[Result]") -> Any:
    """Bytes down and operations, a bar each per scheduler, with the numbers and the share answered written on."""
    figure = _figure(8.0, 4.0)
    figure.suptitle(_when(assembled), fontsize=10)
    rows = [result.row for result in results]
    names = [f"{row.name}\n{100 * row.tasks.done / max(1, row.tasks.captured):.0f} % answered" for row in rows]
    panels = (
        ("bytes received on the ground", "B", [float(row.downlink_bytes) for row in rows]),
        ("operations done", "op", [float(row.ops) for row in rows]),
    )
    for place, (title, unit, values) in enumerate(panels, 1):
        axes = figure.add_subplot(1, 2, place)
        bars = axes.bar(names, values, color=[COLOURS[i % len(COLOURS)] for i in range(len(names))])
        axes.bar_label(bars, [scaled(value, unit) for value in values], fontsize=8)
        axes.set_yticks([])  # bars from zero, with their values on them
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.margins(y=0.15)
        axes.set_title(title, fontsize=10)
        axes.tick_params(axis="x", labelsize=7, rotation=20 if len(names) > 3 else 0)
    figure.supxlabel(SYNTHETIC, fontsize=7, color="0.4")
    return figure


def _orbit(assembled: "Assembled") -> Any:
    """The satellites projected on the mean orbital plane, seen from its pole, at the scenario's start."""
    names = assembled.ephemeris.names
    positions, velocities = assembled.ephemeris.states(np.array([0.0]))
    where = positions[:, 0, :]
    normals = np.cross(where, velocities[:, 0, :])
    pole = normals.sum(axis=0)
    pole /= np.linalg.norm(pole)
    towards_node = np.cross([0.0, 0.0, 1.0], pole)
    if np.linalg.norm(towards_node) < 1e-9:
        towards_node = np.array([1.0, 0.0, 0.0])
    first = towards_node / np.linalg.norm(towards_node)
    second = np.cross(pole, first)
    x, y = where @ first / 1e6, where @ second / 1e6
    sun = assembled.sun_direction(0.0)
    figure = _figure(6.4, 6.6)
    axes = figure.add_subplot()
    _draw_earth(axes, np.array([sun @ first, sun @ second]))
    found = assembled.connectivity()
    index = {name: place for place, name in enumerate(names)}
    for a, b in found.seen:
        i, j = index[a], index[b]
        axes.plot([x[i], x[j]], [y[i], y[j]], color="#2a6fb5", linewidth=0.8, alpha=0.55, zorder=2)
    axes.scatter(x, y, s=26, color="#b5532a", zorder=3)
    if len(names) <= 40:
        for i, name in enumerate(names):
            axes.annotate(
                name.removeprefix("SCS-01 "),
                (x[i], y[i]),
                xytext=(1.06 * x[i], 1.06 * y[i]),
                ha="center",
                va="center",
                fontsize=8,
                parse_math=False,
            )
    axes.set_aspect("equal")
    axes.set_xlabel(
        "towards the ascending node of the mean plane, 1000 km\nlines: sees each other; dark: away from the Sun"
    )
    axes.set_ylabel("90° ahead along the orbit, 1000 km")
    axes.set_title(
        f"{assembled.loaded.scenario.name} at {assembled.loaded.scenario.epoch}: {found.short()}", fontsize=9
    )
    return figure


def _draw_earth(axes: Any, sun: Any) -> None:
    """The Earth's disc, its night side shaded, and the height below which a ray is lost in the air."""
    from matplotlib.patches import Circle, Wedge

    radius = EARTH_RADIUS_M / 1e6
    axes.add_patch(Circle((0, 0), radius, facecolor="#dfe8ef", edgecolor="#8aa0b0", zorder=1))
    length = float(np.hypot(*sun))
    if length > 1e-9:
        night = float(np.degrees(np.arctan2(-sun[1], -sun[0])))
        axes.add_patch(Wedge((0, 0), radius, night - 90, night + 90, facecolor="#a9b8c4", zorder=1))
