"""Turn a mission's plan, catalogue, request log or telemetry into tasks or a measured load; orbits into other forms."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh convert sentinel2a_plan.kml plan.jsonl
  orbitmesh convert AzureLLMInferenceTrace_code.csv requests.jsonl --json
  orbitmesh convert items.geojson captures.jsonl
  orbitmesh convert cluster.swf jobs.jsonl --ops-per-s 1e9 --skip-bad
  orbitmesh convert telemetry.csv load.jsonl --columns telemetry.toml
  orbitmesh convert plan.jsonl plan.csv
  orbitmesh convert satellites.tle satellites.xml
  orbitmesh convert satellites.tle orbits.oem --start 2025-10-03T16:00:00Z --stop 2025-10-04T16:00:00Z

A scenario takes the tasks with
  [workload]
  file = "plan.jsonl"
and the load with
  [[satellites.loads]]
  file = "load.jsonl"
docs/formats-workloads.md says what each format becomes, and how a column map looks.
"""
MOST_SHOWN = 20  # rows left out, on the screen; --json has them all


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("source", metavar="IN", help="KML plan, STAC, CSV, SWF, tasks of ours; TLE, OMM, OEM, STK .e")
    parser.add_argument(
        "target", metavar="OUT", help="a new file: .jsonl (what scenarios read), .csv; a form of orbits"
    )
    parser.add_argument(
        "--from",
        dest="form",
        default="",
        metavar="FORM",
        help="sentinel-plan, stac, azure-llm, swf, columns, tasks, orbits",
    )
    forms = "of orbits: tle, omm-csv, omm-json, omm-xml, oem, oem-xml"
    parser.add_argument("--to", default="", metavar="FORM", help=forms)
    parser.add_argument("--start", metavar="UTC", help="of the ephemeris that elements become")
    parser.add_argument("--stop", metavar="UTC", help="of the ephemeris that elements become")
    parser.add_argument("--step", type=float, metavar="S", help="between its states (60)")
    parser.add_argument(
        "--columns", default="", metavar="MAP.toml", help="which column of a CSV is what, in which unit"
    )
    parser.add_argument("--encoding", default="utf-8", metavar="NAME", help="of a text file (utf-8); XML says its own")
    parser.add_argument("--ops-per-s", type=float, metavar="RATE", help="of one processor of a batch log's machine")
    parser.add_argument("--skip-bad", action="store_true", help="leave bad rows out, count and list them")


def carry_out(options: argparse.Namespace) -> None:
    """Convert it, and say what was read, written and left out."""
    from emulator import console
    from emulator.cells import cell
    from emulator.converting import Conversion, convert
    from emulator.converting_orbits import Span

    done = convert(
        Conversion(
            source=options.source,
            target=options.target,
            form=options.form,
            columns=options.columns,
            encoding=options.encoding,
            ops_per_s=options.ops_per_s,
            skip_bad=options.skip_bad,
            to=options.to,
            span=Span(start=options.start, stop=options.stop, step_s=options.step),
        )
    )
    if options.json:
        console.print_json(done)
        return
    table = console.table(f"{done.form}", ["what"], ["value"])
    table.add_row("read", f"{done.read:,}")
    table.add_row("written", f"{done.written:,}")
    table.add_row("skipped", f"{len(done.skipped):,}")
    table.add_row("epoch", done.epoch or "-")
    for name, value in done.figures.items():
        table.add_row(name, cell(name, value))
    console.show(table)
    for row in done.skipped[:MOST_SHOWN]:
        console.out.print(f"skipped line {row.line}: {row.reason}")
    if len(done.skipped) > MOST_SHOWN:
        console.out.print(f"... and {len(done.skipped) - MOST_SHOWN} more; --json lists them all")
    console.notes([*([f"source: {done.attribution}"] if done.attribution else []), *done.notes])
    files = sum(1 for each in Path(done.out).iterdir()) if Path(done.out).is_dir() else 0
    what = f"the new folder {done.out}: {files:,} files, one for each satellite" if files else done.out
    console.out.print(f"written to {what}")
