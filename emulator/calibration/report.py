"""What a calibration says: one JSON document for machines, tables and notes for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from emulator import console
from emulator.calibration.measure import ModelResult, Report
from emulator.calibration.processor import SERVER_BOUND
from workloads.measuring.loadgen import MULTI_STREAM, OFFLINE, SCENARIOS, SERVER, SINGLE_STREAM, Measured, nearest_rank
from workloads.measuring.prepared import best

FIGURES = {  # what counts, by scenario
    SINGLE_STREAM: "latency_p90_s",
    MULTI_STREAM: "latency_p99_s",
    SERVER: "queries_per_s",
    OFFLINE: "samples_per_s",
}


def document(report: Report, written: Sequence[Path]) -> dict[str, Any]:
    """Everything, for `--json`."""
    processor = msgspec.to_builtins(report.processor)
    del processor["calibrations"]  # they stand under `models`
    return {
        "provider": report.models[0].calibration.provider,
        "device": report.device.name,
        "host": msgspec.to_builtins(report.device),
        "measured": report.measured,
        "energy_source": report.energy_source,
        "models": [_model(result) for result in report.models],
        "processor": processor,
        "files": [str(path) for path in written],
        "notes": list(report.notes),
    }


def _model(result: ModelResult) -> dict[str, Any]:
    each = result.calibration
    top = best(each.timings)
    return {
        "name": each.profile.name,
        "sha256": each.profile.sha256,
        "precision": each.precision,
        "threads": each.threads,
        "nodes": result.nodes,
        "ops": each.profile.ops,
        "ops_per_s": each.profile.ops * top.batch / top.batch_s,
        "batches": [msgspec.to_builtins(t) | {"samples_per_s": t.batch / t.batch_s} for t in each.timings],
        "scenarios": {run.scenario: _scenario(run, each.load.server_bound_s) for run in result.runs},
        "power_w": each.power_w,
        "joules_per_inference": each.joules_per_inference,
        "valid": each.valid,
        "notes": list(result.notes),
    }


def _scenario(run: Measured, bound_s: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {FIGURES[run.scenario]: run.figure}
    if run.scenario == SERVER:
        found["latency_bound_s"] = bound_s
    found |= {"queries": run.queries, "samples": run.samples, "duration_s": run.duration_s}
    if run.latencies_s:
        found["latency_s"] = {f"p{p}": nearest_rank(run.latencies_s, p) for p in (50, 90, 99, 100)}
    return found | {"valid": run.valid, "short": run.short}


def show(report: Report, written: Sequence[Path]) -> None:
    """Tables on standard output."""
    device = report.device
    console.out.print(f"{device.name}: {device.provider}, onnxruntime {device.onnxruntime}, {device.threads} threads")
    console.out.print(f"{device.host}{f', driver {device.driver}' if device.driver else ''}{_clocks(device.clocks_hz)}")
    peaks = ", ".join(
        f"{name} {console.scaled(rate, 'ops/s')}" for name, rate in report.processor.peak_ops_per_s.items()
    )
    console.out.print(
        f"roofs: {peaks}; memory {console.scaled(report.processor.memory_bytes_per_s, 'B/s')}; "
        f"a call {console.seconds(report.processor.launch_s)}"
    )
    console.show(_scenarios(report))
    console.show(_batches(report))
    console.notes([f"energy: {report.energy_source}"])
    console.notes(report.notes)
    for path in written:
        console.out.print(f"wrote {path}")


def _clocks(clocks_hz: dict[str, float]) -> str:
    return "".join(f", {name.replace('_', ' ')} {console.scaled(hz, 'Hz')}" for name, hz in clocks_hz.items())


def _scenarios(report: Report) -> Any:
    bound_s = next(
        (r.calibration.load.server_bound_s for r in report.models if r.calibration.load.server_bound_s), None
    )
    mark = " [guess]" if SERVER_BOUND in report.processor.guesses else ""
    server = "Server" if bound_s is None else f"Server, p99 <= {console.seconds(bound_s)}{mark}"
    left = ["model", "precision"]
    right = ["SingleStream p90", "MultiStream p99 of 8", server, "Offline", "power", "per inference", "rules"]
    made = console.table("LoadGen scenarios", left, right)
    for result in report.models:
        each = result.calibration
        load = each.load
        made.add_row(
            each.profile.name,
            each.precision,
            console.seconds(load.single_stream_p90_s),
            console.seconds(load.multi_stream_p99_s),
            _rate(load.server_queries_per_s),
            _rate(load.offline_samples_per_s),
            console.scaled(each.power_w, "W"),
            console.scaled(each.joules_per_inference, "J"),
            "kept" if each.valid else "short",
        )
    return made


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}/s"


def _batches(report: Report) -> Any:
    made = console.table("batches", ["model"], ["batch", "median", "calls", "samples/s", "ops/s", "of the roof"])
    for result in report.models:
        each = result.calibration
        peak = report.processor.peak_ops_per_s.get(each.precision)
        for timing in each.timings:
            rate = timing.batch / timing.batch_s
            made.add_row(
                each.profile.name if timing is each.timings[0] else "",
                f"{timing.batch}",
                console.seconds(timing.batch_s),
                f"{timing.samples:,}",
                f"{rate:,.4g}",
                console.scaled(rate * each.profile.ops, "ops/s"),
                console.percent(rate * each.profile.ops / peak if peak else None),
            )
    return made


__all__ = ["SCENARIOS", "document", "show"]
