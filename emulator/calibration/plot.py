"""A plot of a calibration: how long queries took, and what larger batches bring. matplotlib is imported only here."""

from pathlib import Path
from typing import Any

import numpy as np

from emulator.calibration.measure import Report
from emulator.plots import COLOURS, save
from workloads.measuring.loadgen import MULTI_STREAM, SERVER, SINGLE_STREAM

LINES = {SINGLE_STREAM: "-", MULTI_STREAM: "--", SERVER: ":"}


def draw(folder: Path, report: Report) -> list[Path]:
    """Draw it as PNG and SVG, each whole or not at all; returns the files."""
    return save(folder, "calibration", _figure(report))


def _figure(report: Report) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for colour, result in zip(COLOURS * len(report.models), report.models, strict=False):
        name = result.calibration.profile.name
        for run in result.runs:
            if run.latencies_s:
                times_s = np.sort(run.latencies_s)
                share = np.arange(1, len(times_s) + 1) / len(times_s)
                left.step(
                    times_s, share, LINES[run.scenario], where="post", color=colour, label=f"{name}, {run.scenario}"
                )
        batches = [timing.batch for timing in result.calibration.timings]
        rates = [timing.batch / timing.batch_s for timing in result.calibration.timings]
        right.plot(batches, rates, "o-", color=colour, label=f"{name}, {result.calibration.precision}")
    left.set(xscale="log", xlabel="latency of a query, s", ylabel="share of queries", ylim=(0.0, 1.02))
    right.set(xlabel="batch", ylabel="samples/s", yscale="log")
    right.set_xscale("log", base=2)
    for axes in (left, right):
        axes.grid(True, alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    device = report.device
    figure.suptitle(f"{device.name}, {device.provider}, {device.threads} threads, {report.measured}", fontsize=10)
    return figure
