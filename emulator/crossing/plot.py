"""The crossover as a plot (PNG and SVG): time to insight against operations per raw byte, orbit and ground.

Lines: the scenario's model run more or less often on a scene, at the rate its operations reach. Points: every model
with its own time. Above: all of the time; below: what is left without the wait for a pass, where both ways differ.
"""

from pathlib import Path
from typing import Any

import numpy as np

from emulator.console import scaled, seconds
from emulator.crossing.analysis import ModelPoint
from emulator.crossing.report import Crossover
from emulator.plots import COLOURS, SYNTHETIC, save

ORBIT, GROUND = COLOURS[1], COLOURS[0]
SAMPLES = 200  # of a line
FLAT = 3.0  # where the times differ by less than this factor, their axis is linear
CLOSE = 1.12  # models closer than this factor on the axis have their names one above the other
MARGIN = 3.0  # the axis goes as many times beyond the models and the break-even on either side


def draw(folder: Path, found: Crossover, title: str) -> list[Path]:
    """Draw it; returns the files."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 7.0), layout="constrained")
    whole, beyond = figure.subplots(2, 1, sharex=True)
    x = _axis(found)
    for axes, without_s in ((whole, 0.0), (beyond, found.wait_s)):
        _lines(axes, found, x, without_s)
        _points(axes, found, without_s)
        axes.set_xscale("log")
        low, high = axes.get_ylim()
        if without_s or high > FLAT * max(low, 1e-9):
            axes.set_yscale("log")
        else:
            axes.ticklabel_format(axis="y", useOffset=False)
        axes.grid(True, alpha=0.25)
    whole.set_ylabel("time to insight, s")
    beyond.set_ylabel(f"the same without the mean wait\nfor a pass ({seconds(found.wait_s)}), s")
    beyond.set_xlabel(f"operations per raw byte, of a scene of {scaled(found.raw_bytes, 'B')}")
    whole.set_title(title, fontsize=10)
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1, fontsize=8)
    beyond.text(0.99, 0.02, SYNTHETIC, transform=beyond.transAxes, ha="right", fontsize=7, color="0.4")
    beyond.margins(y=0.7)  # room for the names above
    return save(folder, "crossover", figure)


def _axis(found: Crossover) -> Any:
    """Operations per raw byte (SAMPLES,) from below the lightest model to beyond the heaviest and the break-even."""
    marks = [model.ops_per_raw_byte for model in found.models if model.ops_per_raw_byte > 0.0]
    marks += [found.own.at.break_even_ops_per_raw_byte or 0.0]
    there = [mark for mark in marks if mark > 0.0] or [1.0]
    return np.geomspace(min(there) / MARGIN, max(there) * MARGIN, SAMPLES)


def _lines(axes: Any, found: Crossover, x: Any, without_s: float) -> None:
    """Both ways of the scenario's model, and where they cross."""
    own = found.own
    for way, colour, name in ((own.at.orbit, ORBIT, "orbit"), (own.at.ground, GROUND, "ground")):
        if way.insight_s is None or way.job_s is None or not own.ops:
            continue
        y = line_s(own, name, x) - without_s
        label = f"{name}: {getattr(found, name)}, {scaled(own.ops / way.job_s, 'op/s')} on {own.name} ({way.basis})"
        axes.plot(x, y, color=colour, linewidth=1.3, label=label)
    even = own.at.break_even_ops_per_raw_byte
    if even:
        axes.axvline(even, color="0.35", linewidth=1.0, linestyle="--", label=f"break-even: {even:,.0f} op/B")


def line_s(model: ModelPoint, way: str, x: Any) -> Any:
    """Seconds to insight at `x` operations per raw byte (n,), at the rate that the model's operations reach."""
    own = model.at.orbit if way == "orbit" else model.at.ground
    job_s, insight_s = own.job_s or 0.0, own.insight_s or 0.0
    return insight_s - job_s + x / model.ops_per_raw_byte * job_s


def _points(axes: Any, found: Crossover, without_s: float) -> None:
    """Every model both ways, named at the slower one."""
    names = {model.name for model in found.models}
    before, lift = 0.0, 5
    for model in sorted(found.models, key=lambda each: each.ops_per_raw_byte):
        x = model.ops_per_raw_byte
        both = [(model.at.orbit.insight_s, ORBIT), (model.at.ground.insight_s, GROUND)]
        placed = [(s - without_s, colour) for s, colour in both if s is not None and s > without_s]
        if x <= 0.0 or not placed:
            continue
        for y, colour in placed:
            axes.scatter([x], [y], s=18, color=colour, zorder=3)
        twin = model.name.endswith("-int8") and model.name.removesuffix("-int8") in names  # in the same place
        if without_s and not twin:
            lift = lift + 32 if x < CLOSE * before else 5
            before = x
            name = axes.annotate(model.name, (x, max(y for y, _ in placed)), xytext=(0, lift), fontsize=6, rotation=60,
                                 textcoords="offset points", ha="left", va="bottom", parse_math=False)  # fmt: skip
            name.set_in_layout(False)  # else names piled on each other squeeze both plots
