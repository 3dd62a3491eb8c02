"""A scenario's `[[satellites.loads]]`: what satellites draw by their telemetry, in place of the idle power of a preset.

[[satellites.loads]]
file = "load.jsonl"       # written by orbitmesh convert, beside the scenario
satellites = ["SCS-01 A"] # whose; left out: of all
align = "start"           # its first sample at the scenario's epoch; "utc": each at its own instant
outside = "unmeasured"    # "refuse" a load that does not cover the run; "repeat" it end to end [guess]
modes = ["IDLE"]          # samples of other modes count as not measured

A measured load is all that a satellite draws without the work of the run, which is charged on top of it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Literal

import msgspec

from emulator.toml_text import Path as Field
from emulator.workload import named_records, offset_s, sha256_problems
from nodes.measured_load import MeasuredLoad
from workloads.errors import WorkloadError
from workloads.importing.records import LoadSample
from workloads.importing.telemetry import Load

if TYPE_CHECKING:
    from emulator.scenario import LoadedScenario

MOST_SAMPLES = 1_000_000  # of one load within a run: a sample a second for 11 days [guess]; some 20 MB of a trace
MOST_LISTED = 10


class SatelliteLoad(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A load and whose it is. `sha256`: no other content of the file; `max_gap_s`: ten usual intervals unless said."""

    file: str
    sha256: str = ""
    satellites: tuple[str, ...] = ()
    align: Literal["utc", "start"] = "utc"
    outside: Literal["unmeasured", "refuse", "repeat"] = "unmeasured"
    modes: tuple[str, ...] = ()
    max_gap_s: float | None = None

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        found = sha256_problems(self.sha256)
        if not self.file:
            found.append(("file", "is empty; name a load that orbitmesh convert wrote"))
        if self.outside == "repeat" and self.align == "utc":
            found.append(("outside", "is 'repeat', which has no instants of its own; it goes with align = 'start'"))
        if self.max_gap_s is not None and not 0.0 < self.max_gap_s < float("inf"):
            found.append(("max_gap_s", f"is {self.max_gap_s}; a finite number of seconds above 0"))
        return found


def measured_loads(
    loaded: "LoadedScenario", satellites: Sequence[str]
) -> tuple[list[MeasuredLoad], dict[str, int], list[str]]:
    """The loads in the time of the run, which of them each satellite has, and notes. Raises `ScenarioError`."""
    loads: list[MeasuredLoad] = []
    whose: dict[str, int] = {}
    notes: list[str] = []
    for number, wanted in enumerate(loaded.scenario.satellites.loads):
        at = ("satellites", "loads", number)
        unknown = [name for name in wanted.satellites if name not in satellites]
        if unknown:
            known = ", ".join(satellites[:MOST_LISTED])
            raise loaded.refuse([((*at, "satellites"), f"names {unknown[0][:80]!r}, which does not fly; {known} do")])
        own = wanted.satellites or satellites
        twice = [name for name in own if name in whose]
        if twice:
            raise loaded.refuse([((*at, "satellites"), f"{twice[0]} has a load already; each satellite has one")])
        whose |= dict.fromkeys(own, number)
        loads.append(_in_run(loaded, wanted, at))
        notes.append(_note(loads[-1], wanted, len(own), loaded.scenario.duration_s))
    return loads, whose, notes


def _in_run(loaded: "LoadedScenario", wanted: SatelliteLoad, at: Field) -> MeasuredLoad:
    """The load on the scenario's clock, cut to the run."""
    imported = named_records(loaded, at, wanted.file, wanted.sha256)
    samples = [each for each in imported.records if isinstance(each, LoadSample)]
    if len(samples) < len(imported.records) or not samples:
        raise loaded.refuse([((*at, "file"), "holds tasks or nothing; a load has samples of power over time")])
    modes = {each.mode for each in samples if each.mode is not None}
    unknown = [mode for mode in wanted.modes if mode not in modes]
    if unknown:
        there = ", ".join(sorted(modes)[:MOST_LISTED]) or "none at all"
        raise loaded.refuse(
            [((*at, "modes"), f"names {unknown[0][:80]!r}, a mode that no sample has; there is {there}")]
        )
    below = next((each for each in samples if (each.power_w or 0.0) < 0.0), None)
    if below is not None:
        text = f"has {below.power_w} W at {below.at_s} s; a load draws power: take what charges a battery out"
        raise loaded.refuse([((*at, "file"), text)])
    shift_s = offset_s(loaded, at, wanted.align, imported.epoch, samples[0].at_s)
    try:
        max_gap_s = Load(samples, wanted.max_gap_s).max_gap_s
    except WorkloadError as error:
        raise loaded.refuse([((*at, "file"), str(error))]) from error
    times_s = [each.at_s + shift_s for each in samples]
    powers_w = [None if wanted.modes and each.mode not in wanted.modes else each.power_w for each in samples]
    made = _cut(loaded, wanted, at, times_s, powers_w, max_gap_s)
    _refuse_uncovered(loaded, wanted, at, made, (times_s[0], times_s[-1]))
    return made


def _cut(
    loaded: "LoadedScenario", wanted: SatelliteLoad, at: Field, times_s: list[float], powers_w: list[float | None],
    max_gap_s: float,
) -> MeasuredLoad:  # fmt: skip
    """Repeated if that is wanted; samples of the run, and one on each side of it."""
    duration_s, span_s = loaded.scenario.duration_s, times_s[-1] - times_s[0]
    if wanted.outside == "repeat" and span_s <= 0.0:
        raise loaded.refuse([((*at, "outside"), "is 'repeat', but the load has no length: it has one instant")])
    rounds = ceil(min(duration_s / span_s, 1e15)) if wanted.outside == "repeat" else 1  # it may be infinite
    first, last = max(0, bisect_right(times_s, 0.0) - 1), bisect_left(times_s, duration_s) + 1
    count = rounds * len(times_s) if rounds > 1 else len(times_s[first:last])
    if count > MOST_SAMPLES:
        text = f"has {count} samples in the run; {MOST_SAMPLES} at most: thin it out, or shorten duration_s"
        raise loaded.refuse([((*at, "file"), text)])
    if rounds > 1:
        times_s = [time_s + n * span_s for n in range(rounds) for time_s in times_s]
        powers_w = powers_w * rounds
        first, last = 0, bisect_left(times_s, duration_s) + 1
    return MeasuredLoad(
        name=wanted.file, times_s=times_s[first:last], power_w=powers_w[first:last], max_gap_s=max_gap_s
    )


def _refuse_uncovered(
    loaded: "LoadedScenario", wanted: SatelliteLoad, at: Field, made: MeasuredLoad, span: tuple[float, float]
) -> None:
    """Refuse a load of which nothing lies in the run; with `outside = "refuse"`, one that leaves any of it out."""
    duration_s = loaded.scenario.duration_s
    _, measured_s = made.over(0.0, duration_s)
    spans = f"its samples lie from {span[0]:.6g} s to {span[1]:.6g} s of a run of {duration_s:g} s"
    if not measured_s > 0.0:
        text = f"measures nothing in the run: {spans}, gaps are more than {made.max_gap_s:g} s"
        raise loaded.refuse([((*at, "file"), f"{text}; align = 'start' puts the first of them at the epoch")])
    if wanted.outside == "refuse" and (span[0] > 0.0 or span[1] < duration_s):
        text = f"is 'refuse', and the load leaves {duration_s - measured_s:.6g} s of the run unmeasured: {spans}"
        raise loaded.refuse([((*at, "outside"), text)])


def _note(load: MeasuredLoad, wanted: SatelliteLoad, satellites: int, duration_s: float) -> str:
    """What a load adds up to, for the screen and the file."""
    energy_j, measured_s = load.over(0.0, duration_s)
    text = f"load: {satellites} satellite{'' if satellites == 1 else 's'} draw{'s' if satellites == 1 else ''} what "
    text += f"{load.name} measured, {energy_j / measured_s:.6g} W on average, in place of their processor's idle power"
    unmeasured_s = duration_s - measured_s
    text += f"; {unmeasured_s:.6g} of {duration_s:g} s are not measured, and nothing is counted there"
    return text + ("; repeated end to end [guess]" if wanted.outside == "repeat" else "")
