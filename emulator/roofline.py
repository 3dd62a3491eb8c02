"""A roofline plot: operations per second against operations per byte, one roof a processor, the model's points on it.

Roofline: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009. A roof is what this model's mix of operators
reaches, the dotted line the maker's label; points below their roof are held down by the launch of the work.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emulator.console import scaled
from emulator.inspection import Operating, operating
from emulator.plots import save
from nodes.processor import Processor
from workloads.tasks import ModelProfile

COLOURS = ("#b5532a", "#d9a066", "#2a6fb5", "#2f8f5b", "#7a4fa3", "#8a8a2a", "#555555", "#c0408a", "#2aa5a5", "#333333")
MARGIN = 8.0  # how far the axes reach beyond what is drawn, as a factor


def draw(
    folder: Path, profile: ModelProfile, processors: Sequence[Processor], batch: int, precision: str, remark: str = ""
) -> list[Path]:
    """Write `roofline.png` and `roofline.svg` into `folder`; returns them, none for a model that computes nothing.

    `remark` stands under the title. Raises NodeError as `Processor.job` does, OSError.
    """
    points = {
        (number, count): operating(processor, profile, count, precision)
        for number, processor in enumerate(processors)
        for count in (1, batch)
    }
    found = {place: point for place, point in points.items() if point is not None}
    if not found:
        return []
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "orbitmesh"  # the same figure gives the same file
    figure = Figure(figsize=(8.4, 5.6), layout="constrained")
    axes = figure.add_subplot()
    lowest = min(point.ops_per_byte for point in found.values()) / MARGIN
    ridges = [point.roof_ops_per_s / processors[place[0]].memory_bytes_per_s for place, point in found.items()]
    highest = max(*ridges, *(point.ops_per_byte for point in found.values())) * MARGIN
    for number, processor in enumerate(processors):
        mine = [(count, found[number, count]) for count in dict.fromkeys((1, batch)) if (number, count) in found]
        if mine:
            _processor(axes, processor, mine, COLOURS[number % len(COLOURS)], (lowest, highest), precision, profile)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(lowest, highest)
    axes.set_xlabel("operations per byte moved to or from memory")
    axes.set_ylabel("operations per second")
    axes.grid(True, which="major", alpha=0.25)
    title = f"{profile.name}: {scaled(profile.ops, 'op')} an inference, circle: batch 1, square: batch {batch}"
    axes.set_title(f"{title}\n{remark}" if remark else title, fontsize=9, parse_math=False)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    remark = "dotted: the label's rate; how much of the activations reaches memory is a [guess]"
    axes.text(0.01, 0.98, remark, transform=axes.transAxes, va="top", fontsize=7, color="0.4")
    return save(folder, "roofline", figure)


def _processor(
    axes: Any,
    processor: Processor,
    points: Sequence[tuple[int, Operating]],
    colour: str,
    reach: tuple[float, float],
    precision: str,
    profile: ModelProfile,
) -> None:
    """One roof, its label's rate, and the model's points on it, joined."""
    ceiling = points[-1][1].roof_ops_per_s
    peak = processor.peak(processor.precision_of(profile, precision))
    x = np.geomspace(*reach, 200)
    slope = x * processor.memory_bytes_per_s
    guessed = " [guess]" if "efficiency" in processor.guesses else ""
    axes.plot(x, np.minimum(slope, ceiling), color=colour, linewidth=1.4, label=f"{processor.name}{guessed}")
    axes.plot(x, np.minimum(slope, peak), color=colour, linewidth=0.7, linestyle=":", alpha=0.7)
    where = [point.ops_per_byte for _, point in points]
    axes.plot(where, [point.ops_per_s for _, point in points], color=colour, linewidth=0.6, alpha=0.6)
    for (count, point), marker in zip(points, "os", strict=False):
        axes.plot(point.ops_per_byte, point.ops_per_s, marker if count > 1 or marker == "o" else "o", color=colour)
