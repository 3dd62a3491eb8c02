"""Two figures of bit flips: what they do to a model's score by number, bit and layer; what scrubbing keeps of it.

matplotlib is imported only when figures are asked for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emulator.plots import COLOURS, save
from emulator.radiation.trials import Plan, Row

SYNTHETIC = "held-out synthetic scenes; whiskers reach to the worst trial"


def draw(
    folder: Path, title: str, before: float, by_flips: Sequence[Row], by_bit: Sequence[Row], by_layer: Sequence[Row],
    plans: Sequence[Plan],
) -> list[Path]:  # fmt: skip
    """Draw both as PNG and SVG; returns the files."""
    files = []
    if by_flips or by_bit or by_layer:
        files += save(folder, "upsets", _harm(title, before, by_flips, by_bit, by_layer))
    if plans:
        files += save(folder, "scrubbing", _scrubbing(title, plans))
    return files


def _harm(title: str, before: float, by_flips: Sequence[Row], by_bit: Sequence[Row], by_layer: Sequence[Row]) -> Any:
    panels = [("flips at once", by_flips), ("position of the bit", by_bit), ("layer", by_layer)]
    panels = [(name, rows) for name, rows in panels if rows]
    figure = _figure(4.2 * len(panels), 3.8)
    figure.suptitle(title, fontsize=10)
    for place, (name, rows) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place)
        means = np.array([row.mean for row in rows])
        worst = means - np.array([row.worst for row in rows])
        across = np.arange(len(rows))
        axes.axhline(before, color="0.5", linewidth=0.8, linestyle="--")
        axes.errorbar(across, means, yerr=[worst, np.zeros(len(rows))], fmt="o", markersize=3, color=COLOURS[place])
        labels = [f"{row.flips:g}" if rows is by_flips else row.what.removeprefix("bit ") for row in rows]
        step = max(1, len(rows) // 16)
        axes.set_xticks(across[::step], labels[::step], fontsize=7, rotation=60 if rows is by_layer else 0)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel(name)
        axes.grid(True, alpha=0.25)
        if place == 1:
            axes.set_ylabel(next(iter(rows[0].scores)).replace("_", " "))
    figure.supxlabel(SYNTHETIC, fontsize=7, color="0.4")
    return figure


def _figure(width: float, height: float) -> Any:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "orbitmesh"  # the same figure gives the same file
    return Figure(figsize=(width, height), layout="constrained")


def _scrubbing(title: str, plans: Sequence[Plan]) -> Any:
    """The part of the score that is lost, against the interval between scrubs."""
    figure = _figure(6.4, 4.0)
    axes = figure.add_subplot()
    for colour, plan in zip(COLOURS * len(plans), plans, strict=False):
        whole = max(kept.score_while_answering for kept in plan.curve)
        lost = [max(whole - kept.score, 1e-12) for kept in plan.curve]
        label = f"{plan.rate.name}: {plan.rate.per_bit_day:.3g} per bit and day [{plan.rate.mark}]"
        axes.plot([kept.interval_s for kept in plan.curve], lost, color=colour, label=label)
        axes.plot(plan.best.interval_s, max(whole - plan.best.score, 1e-12), "o", color=colour, markersize=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("seconds between scrubs; dots: the best")
    axes.set_ylabel("score lost, time without answers included")
    axes.set_title(title, fontsize=10)
    axes.grid(True, alpha=0.25)
    axes.legend(fontsize=7)
    return figure
