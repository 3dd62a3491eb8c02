"""Measures models on this host into a processor: roofs, batch times, LoadGen's four scenarios, energy where counted.

Rules: every model is opened, loaded and run once before anything is measured, so what can be refused is refused first;
figures come from this host's clock and counters, and what nobody counts is absent. Arrivals are drawn by the seed.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.calibration.doubts import left_open, unsteady
from emulator.calibration.processor import Roofs, processor
from emulator.calibration.request import Wanted
from emulator.clock import utc_now, wall_s
from emulator.errors import BadInput
from emulator.live.wait import Waiter
from nodes.processor import Processor
from workloads.calibration import Calibration, LoadResults, Timing
from workloads.measuring import ceilings, loadgen, prepared, server
from workloads.measuring.device import Device, describe, usable_cores
from workloads.measuring.energy import Counter, counter, nvml
from workloads.measuring.loadgen import OFFLINE, SCENARIOS, SERVER, Measured, Subject
from workloads.measuring.prepared import How, Prepared
from workloads.providers import NVIDIA
from workloads.scenery.scenes import TileBank
from workloads.streams import exponentials, stream

Bar = Callable[[str, float], Callable[[float], None]]

IDLE_S = 2.0  # seconds of doing nothing, for the power that it draws
READ_AGAIN_S = 30.0  # RAPL's counters wrap after 262 kJ, 10 min at 400 W
TILES = 8  # synthetic, of `workloads/scenery/scenes.py`: what models are fed with


class ModelResult(NamedTuple):
    """A model's calibration, the runs it was made of, and what to beware of."""

    calibration: Calibration
    runs: tuple[Measured, ...]
    nodes: dict[str, int]
    notes: tuple[str, ...]


class Report(NamedTuple):
    """Everything that was measured. `energy_source` names the counter, or says why there is none."""

    device: Device
    processor: Processor
    models: tuple[ModelResult, ...]
    energy_source: str
    measured: str
    notes: tuple[str, ...]


def calibrate(names: Sequence[str], wanted: Wanted, bar: Bar) -> Report:
    """Measure the models on this host. Raises BadInput, ModelError."""
    problems = wanted.problems()
    if problems:
        raise BadInput("\n".join(f"--{field} {message}" for field, message in problems))
    how = How(
        provider=wanted.provider, precision=wanted.precision, threads=wanted.threads or usable_cores(),
        batches=wanted.batches, dims=wanted.dims, limits=wanted.limits,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, Waiter() as waiter:
        bench = Bench(wanted, how, bar, waiter)
        models = bench.prepare(names)
        idle_w = bench.idle_power_w()
        roofs = bench.roofs({model.ran for model in models}, Path(folder))
        results = tuple(bench.model(model) for model in models)
    calibrations = tuple(result.calibration for result in results)
    guessed = wanted.latency_bound_s is None
    made = processor(bench.device, how, roofs, calibrations, idle_w, bench.measured, guessed)
    return Report(bench.device, made, results, bench.energy_source, bench.measured, _notes(wanted, results))


class Bench:
    """One provider of this host, its counter of energy, and the order in which things are measured on it."""

    def __init__(self, wanted: Wanted, how: How, bar: Bar, waiter: Waiter) -> None:
        self.wanted, self.how, self._bar, self._waiter = wanted, how, bar, waiter
        self._counter: Counter | None = None
        self.measured = utc_now()

    def prepare(self, names: Sequence[str]) -> list[Prepared]:
        """All models, each run once. Raises ModelError before anything is measured."""
        bank = TileBank(TILES)
        tiles = [bank.tile(number).bands for number in range(TILES)]
        heard = self._bar("opening models", len(names))
        models = []
        for number, name in enumerate(names):
            models.append(prepared.prepare(name, self.how, tiles))
            heard(number + 1)
        twice = [model.name for model in models if [m.model.sha256 for m in models].count(model.model.sha256) > 1]
        if twice:
            raise BadInput(f"{' and '.join(twice)} are one model; name it once")
        free = frozenset[str]().union(*(prepared.free_axes(model.model) for model in models))
        for name in set(self.wanted.dims) - free:
            raise BadInput(f"--dim {name}: no such free axis; there are {', '.join(sorted(free)) or 'none'}")
        for name in frozenset[str]().union(*(prepared.batch_axes(model.model) for model in models)):
            if self.wanted.dims.get(name, 1) != 1:
                raise BadInput(f"--dim {name}: is the first axis, the batch, whose sizes --batch gives")
        gpu = nvml() if self.how.provider in NVIDIA else None
        self.device = describe(self.how.provider, self.how.threads, gpu)
        self._counter, why = counter(gpu, self.how.provider in NVIDIA)
        self.energy_source = self._counter.source if self._counter is not None else f"none: {why}"
        return models

    def idle_power_w(self) -> float | None:
        """Mean watts while nothing is asked of the device; None where nobody counts."""
        if self._counter is None:
            return None
        heard = self._bar("idle power", IDLE_S)
        begun_j, begun_s = self._counter.read_j(), wall_s()
        self._waiter.wait(begun_s + IDLE_S)
        power_w = (self._counter.read_j() - begun_j) / (wall_s() - begun_s)
        heard(IDLE_S)
        return power_w

    def roofs(self, precisions: set[str], folder: Path) -> Roofs:
        """The device's roofs in fp32 and in the precisions of the models."""
        provider, threads = self.how.provider, self.how.threads
        wanted = sorted({"fp32", *precisions} | ({"fp16"} if provider in NVIDIA else {"int8"}))
        heard = self._bar("roofs", len(wanted) + 2)
        peaks = {}
        for number, precision in enumerate(wanted):
            found = ceilings.peak_ops_per_s(precision, provider, threads, wall_s, folder)
            if found is not None:
                peaks[precision] = found
            heard(number + 1)
        memory = ceilings.memory_bytes_per_s(provider, threads, wall_s, folder)
        heard(len(wanted) + 1)
        return Roofs(peaks, memory, ceilings.launch_s(provider, threads, wall_s, folder))

    def model(self, model: Prepared) -> ModelResult:
        """Batches first, then the scenarios asked for."""
        wanted = self.wanted
        heard = self._bar(f"{model.profile.name}: batches", 1.0)
        timings = prepared.timings(model, self.how, wanted.duration_s, wall_s, heard)
        runs = []
        for scenario in (name for name in SCENARIOS if name in wanted.scenarios):
            heard = self._bar(f"{model.profile.name}: {scenario}", 1.0)
            runs.append(self._scenario(model, scenario, timings, heard))
            heard(1.0)
        for timing in timings:
            model.bound.check(timing.batch)
            model.bound.forget(timing.batch)
        doubts = unsteady(timings, runs)
        notes = (*model.notes, *(run.note for run in runs if run.note), *doubts, *left_open(wanted, timings, runs))
        made = self._calibration(model, timings, runs, doubts)
        return ModelResult(made, tuple(runs), model.nodes, notes)

    def _scenario(
        self, model: Prepared, scenario: str, timings: Sequence[Timing], heard: Callable[[float], None]
    ) -> Measured:
        rule, best = self.wanted.rule(scenario), prepared.best(timings)
        batches = tuple(timing.batch for timing in timings)
        counted_j = self._counter.read_j if self._counter is not None else None
        subject = Subject(model.bound.run, batches, wall_s, self._wait, self._awake(heard), counted_j)
        if scenario == OFFLINE:
            return loadgen.offline(subject, rule, best.batch, best.batch / best.batch_s)
        if scenario == SERVER:
            bound_s = self.wanted.bound_s
            most_per_s = best.batch / best.batch_s
            source = stream(self.wanted.seed, "calibrate", SERVER)
            gaps = np.array(exponentials(source, server.gaps_needed(rule, bound_s, most_per_s), 1.0))
            serving = subject._replace(batches=prepared.serving(timings, bound_s))
            return server.server(serving, rule, bound_s, most_per_s, gaps)
        return (loadgen.single_stream if scenario == loadgen.SINGLE_STREAM else loadgen.multi_stream)(subject, rule)

    def _wait(self, at_s: float) -> None:
        self._waiter.wait(at_s)

    def _awake(self, heard: Callable[[float], None]) -> Callable[[float], None]:
        """Passes the progress on, and reads the counter now and then, before it wraps."""
        last_s = [wall_s()]

        def both(share: float) -> None:
            heard(share)
            if self._counter is not None and wall_s() - last_s[0] > READ_AGAIN_S:
                self._counter.read_j()
                last_s[0] = wall_s()

        return both

    def _calibration(
        self, model: Prepared, timings: tuple[Timing, ...], runs: Sequence[Measured], doubts: Sequence[str]
    ) -> Calibration:
        by_name = {run.scenario: run for run in runs}
        figures = {name: run.figure for name, run in by_name.items()}
        load = LoadResults(
            single_stream_p90_s=figures.get(loadgen.SINGLE_STREAM),
            multi_stream_p99_s=figures.get(loadgen.MULTI_STREAM),
            server_queries_per_s=figures.get(SERVER),
            server_bound_s=self.wanted.bound_s if SERVER in figures else None,
            offline_samples_per_s=figures.get(OFFLINE),
        )
        whole = by_name.get(OFFLINE)
        power_w = joules = None
        if whole is not None and whole.energy_j is not None:
            power_w, joules = whole.energy_j / whole.duration_s, whole.energy_j / whole.samples
        return Calibration(
            profile=model.profile, precision=model.ran, provider=self.how.provider, threads=self.how.threads,
            timings=timings, load=load, power_w=power_w, joules_per_inference=joules,
            measured="; ".join(
                [f"{self.measured}, onnxruntime {self.device.onnxruntime} on {self.device.name}", *doubts]
            ),
            valid=len(by_name) == len(SCENARIOS) and all(run.valid for run in runs),
        )  # fmt: skip


def _notes(wanted: Wanted, results: Sequence[ModelResult]) -> tuple[str, ...]:
    found = [f"{result.calibration.profile.name}: {note}" for result in results for note in result.notes]
    if not all(result.calibration.valid for result in results):
        found.append(
            "short: MLPerf's rules ask for 600 s a scenario, 662 queries (MultiStream), up to 24,576 samples "
            "(Offline); its older ones, without early stopping, for 1,024 queries (SingleStream), 270,336 "
            "(MultiStream, Server). --rules mlperf keeps the older ones. These are no MLPerf results either way"
        )
    return tuple(found)
