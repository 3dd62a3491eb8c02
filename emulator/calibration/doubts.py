"""Where a calibration's parts do not agree with one another, or tell little: said on screen and in the file.

Rules: batches, SingleStream and Offline time the same calls, one after another, so on a quiet host they agree. Nothing
is measured or changed here.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from emulator.calibration.request import Wanted
from workloads.calibration import Timing
from workloads.measuring.loadgen import OFFLINE, SERVER, SINGLE_STREAM, Measured
from workloads.measuring.prepared import best, serving
from workloads.measuring.server import Rehearsed, gaps_needed, server, spread
from workloads.streams import exponentials, stream

MOST_APART = 0.2  # [guess] of Offline's rate against the best batch's
MOST_TAIL = 1.5  # [guess] of SingleStream's latency at 90 % against the median of a batch of 1
DRAWS = 19  # of arrivals: the next falls between the least and the greatest with probability 18/20
MOST_QUERIES = 20_000  # a longer run leaves a few per cent open (docs/calibrate.md), and its rehearsal takes long
BUSY = "this host was busy or throttled meanwhile; measure again on a quiet one"


def unsteady(timings: Sequence[Timing], runs: Sequence[Measured]) -> tuple[str, ...]:
    """What shows that the host was not the same all the while; empty if nothing does."""
    figures = {run.scenario: run.figure for run in runs}
    return tuple(_unsteady(timings, figures))


def _unsteady(timings: Sequence[Timing], figures: dict[str, float]) -> Iterator[str]:
    top, one = best(timings), timings[0]
    offline, batches = figures.get(OFFLINE), top.batch / top.batch_s
    if offline is not None and abs(offline / batches - 1.0) > MOST_APART:
        apart = f"{offline / batches - 1.0:+.0%}".replace("%", " %")
        yield f"Offline gave {offline:.4g} samples/s, the best batch {batches:.4g} ({apart}): {BUSY}"
    tail_s = figures.get(SINGLE_STREAM)
    if tail_s is not None and one.batch == 1 and tail_s > MOST_TAIL * one.batch_s:
        times = f"{tail_s / one.batch_s:.2g} times the median of a batch of 1, {one.batch_s:.3g} s"
        yield f"SingleStream's latency at 90 % is {tail_s:.3g} s, {times}: {BUSY}"


def left_open(wanted: Wanted, timings: Sequence[Timing], runs: Sequence[Measured]) -> tuple[str, ...]:
    """What the length of the Server run leaves open, from the same search on other arrivals on a virtual clock.

    Every call takes its batch's median there, so a host's own unsteadiness comes on top. Empty without a rate, and for
    a run of more than `MOST_QUERIES`.
    """
    run = next((run for run in runs if run.scenario == SERVER), None)
    if run is None or run.figure == 0.0 or run.queries > MOST_QUERIES:
        return ()
    rule, bound_s, top = wanted.rule(SERVER), wanted.bound_s, best(timings)
    most_per_s = top.batch / top.batch_s
    chosen = serving(timings, bound_s)
    batch_s = {timing.batch: timing.batch_s for timing in timings if timing.batch in chosen}
    count = gaps_needed(rule, bound_s, most_per_s)
    low, high = spread(
        lambda gaps: server(Rehearsed(batch_s).subject(), rule, bound_s, most_per_s, gaps).figure,
        (np.array(exponentials(stream(wanted.seed, "rehearse", f"{n}"), count, 1.0)) for n in range(DRAWS)),
    )
    shares = " to ".join(f"{100.0 * share:+.0f} %" for share in (low, high))
    return (
        f"Server: over other arrivals (--seed) its rate differs by {shares} at {run.queries:,} queries ({DRAWS} draws "
        "on a virtual clock, each call its batch's median; what the host does comes on top); a longer --duration "
        "leaves less open",
    )
