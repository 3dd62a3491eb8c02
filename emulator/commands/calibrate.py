"""Measure how fast this host runs models, into a processor file that scenarios can name.

Batch times and the four scenarios of MLPerf LoadGen: SingleStream (latency at 90 %), MultiStream (queries of eight,
latency at 99 %), Server (the highest Poisson rate that holds a latency bound), Offline (samples a second); the device's
roofs; energy where the host counts it. Some 40 s for each model; MLPerf's own durations with --rules mlperf."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from emulator import limits

if TYPE_CHECKING:
    from emulator.calibration.request import Wanted

EXAMPLES = """examples:
  orbitmesh calibrate cloud-screen --out this-host.toml
  orbitmesh calibrate cloud-screen light-resnet50 --threads 1 --batch 1,8
  orbitmesh calibrate model.onnx --provider cuda --scenario Offline --duration 60 --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add = parser.add_argument
    add("models", metavar="MODEL", nargs="+", help="an ONNX file, or the name of a model that ships")
    add("--provider", default="cpu", help="cpu, cuda, tensorrt, ...: onnxruntime's execution provider (cpu)")
    add("--precision", choices=["fp32", "fp16", "int8"], help="refuse models that would run in another")
    add("--batch", metavar="N,N", help="batches to time, besides 1 (1, 2, 4, ... while it pays and fits)")
    add("--threads", type=int, default=0, metavar="N", help="threads within an operator (all cores that it may use)")
    add("--scenario", metavar="NAME,NAME", help="SingleStream, MultiStream, Server, Offline (all four)")
    add("--duration", type=float, metavar="S", help="least seconds of a scenario (4; MLPerf: 600)")
    add("--queries", type=int, default=0, metavar="N", help="least queries of a scenario; Offline: samples")
    add("--rules", choices=["short", "mlperf"], default="short", help="MLPerf's least durations and counts, or these")
    add("--latency-bound", type=float, metavar="S", help="of Server, at 99 %% (0.1 [guess]; MLPerf's ResNet-50: 0.015)")
    add("--dim", action="append", default=[], metavar="NAME=N", help="the size of a free axis; may be repeated")
    limits.arguments(parser)
    add("--seed", type=int, default=1, help="of the Poisson arrivals (1)")
    add("--out", type=Path, metavar="FILE.toml", help="write the processor file")
    add("--plot", type=Path, metavar="DIR", help="latencies and throughput as PNG and SVG")


def carry_out(options: argparse.Namespace) -> None:
    """Measure, then write and print."""
    from emulator import console
    from emulator.calibration import plot as calibrate_plot
    from emulator.calibration import report as calibrate_report
    from emulator.calibration.measure import calibrate
    from emulator.errors import BadInput
    from emulator.plots import placed
    from emulator.processor_file import write

    wanted = _wanted(options)
    _check_out(options.out)
    written: list[Path] = []
    with placed(options.plot) as folder:
        with console.progress() as bar:
            report = calibrate(options.models, wanted, bar)
        if options.out is not None:
            try:
                write(report.processor, options.out)
            except OSError as error:
                raise BadInput(f"--out {options.out}: cannot be written: {error.strerror}") from error
            written.append(options.out)
        if folder is not None:
            written += calibrate_plot.draw(folder, report)
    if options.json:
        console.print_json(calibrate_report.document(report, written))
    else:
        calibrate_report.show(report, written)


def _wanted(options: argparse.Namespace) -> "Wanted":
    """The command line as a request. Raises `BadInput`."""
    from emulator.calibration.request import Wanted
    from emulator.errors import BadInput
    from emulator.inspection import dims

    if options.rules == "mlperf" and (options.duration is not None or options.queries):
        raise BadInput("--rules mlperf brings its own duration and queries; leave --duration and --queries out")
    given = {
        "provider": options.provider,
        "precision": options.precision or "",
        "threads": options.threads,
        "queries": options.queries,
        "mlperf": options.rules == "mlperf",
        "seed": options.seed,
        "batches": _numbers(options.batch, "--batch"),
        "dims": dims(options.dim),
        "limits": limits.limits(options),
    }
    if options.scenario is not None:
        given["scenarios"] = tuple(name.strip() for name in options.scenario.split(","))
    if options.duration is not None:
        given["duration_s"] = options.duration
    if options.latency_bound is not None:
        given["latency_bound_s"] = options.latency_bound
    return Wanted(**given)


def _numbers(text: str | None, option: str) -> tuple[int, ...]:
    from emulator.errors import BadInput

    try:
        return tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError as error:
        raise BadInput(f"{option} {text[:80] if text else ''!r}: whole numbers with commas, such as 1,8,32") from error


def _check_out(out: Path | None) -> None:
    """Refuse a file that cannot be written, before the work and not after it. Raises `BadInput`."""
    from emulator.errors import BadInput

    if out is None:
        return
    if out.suffix != ".toml":
        raise BadInput(f"--out {out}: a processor file ends in .toml")
    if out.exists():
        raise BadInput(f"--out {out}: is there already; remove it or name another")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: there is no folder {out.parent}; make it first")
