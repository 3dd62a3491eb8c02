"""Export a trace to other programs: Cesium (CZML), Perfetto (Chrome trace JSON), GIS (GeoJSON), tables (CSV, Parquet).

czml, perfetto, geojson and omm (.csv, .json, .xml or .tle) make one file; oem a folder with a file for each satellite;
csv and parquet a folder of tables (tasks, hops, runs, bundles, contacts, facts, decisions), with units in every
column's name and what is missing left empty. Nothing that is there already is overwritten."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  orbitmesh export mesh-run --to perfetto --out mesh-run.json
  orbitmesh export mesh-run --to czml --out mesh-run.czml
  orbitmesh export mesh-run --to czml --frame fixed --tasks 200 --out tracks.czml
  orbitmesh export mesh-run --to geojson --step 60 --out tracks.geojson
  orbitmesh export mesh-run --to parquet --out mesh-run-tables
  orbitmesh export mesh-run --to oem --out mesh-run-orbits
  orbitmesh export mesh-run --to omm --out satellites.json
"""
FRAMES = {"inertial": "INERTIAL", "fixed": "FIXED"}
ORBITS = ("czml", "geojson", "oem")  # need to know where satellites were
FITS = {"step": ("czml", "geojson"), "frame": ("czml", "oem"), "tasks": ("czml",), "scenario": ORBITS}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that `run --out` left")
    parser.add_argument("--to", required=True, choices=["czml", "perfetto", "geojson", "csv", "parquet", "oem", "omm"])
    parser.add_argument("--out", required=True, type=Path, metavar="PATH", help="a new file, or a new folder")
    text = "of older traces without elements in them: the scenario that ran"
    parser.add_argument("--scenario", metavar="SCENARIO", help=text)
    parser.add_argument("--step", type=float, metavar="S", help="between positions: czml 60 s, geojson 30 s")
    parser.add_argument("--frame", choices=sorted(FRAMES), help="czml, oem: inertial (ICRF, the default) or fixed")
    parser.add_argument("--tasks", type=int, metavar="N", help="czml: show at most so many (1000)")


def carry_out(options: argparse.Namespace) -> None:
    """Write it."""
    from emulator import console
    from emulator.errors import BadInput
    from emulator.exporting.outputs import refuse_taken
    from emulator.trace import Trace
    from emulator.tracing.tables import synthetic

    for name, formats in FITS.items():
        if getattr(options, name) is not None and options.to not in formats:
            raise BadInput(f"--{name} goes with --to {' or '.join(formats)}, not with {options.to}")
    if options.tasks is not None and options.tasks < 0:
        raise BadInput(f"--tasks {options.tasks}: 0 or more")
    refuse_taken(options.out)  # before the work, not after it
    trace = Trace(options.folder)
    with console.progress() as bar:
        bar(f"export to {options.to}", None)
        written = _export(trace, options)
    notes = [synthetic(trace)]
    if not trace.closed:
        notes.append(f"the run was cut off, and so is what is written here: {trace.missing or 'its log is whole'}")
    if options.to == "czml" and written["tasks_shown"] < written["tasks"]:
        notes.append(f"{written['tasks_shown']:,} of {written['tasks']:,} tasks are shown; --tasks N shows more")
    if options.json:
        document = {"format": options.to, "out": str(options.out), "written": written, "notes": notes}
        console.print_json(document)
        return
    console.out.print(
        f"{options.out}: " + ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in written.items())
    )
    console.notes(notes)


def _export(trace: Any, options: argparse.Namespace) -> dict[str, int]:
    if options.to == "perfetto":
        from emulator.exporting.perfetto import export_perfetto

        return export_perfetto(trace, options.out)
    if options.to == "omm":
        from emulator.exporting.ephemerides import export_omm

        return export_omm(trace, options.out)
    if options.to in ORBITS:
        from emulator.exporting import czml, geojson
        from emulator.exporting.orbits import read_orbits

        orbits = read_orbits(trace, options.scenario)
        if options.to == "oem":
            from emulator.exporting.ephemerides import export_oem

            return export_oem(options.out, orbits, FRAMES[options.frame or "inertial"])
        if options.to == "geojson":
            step_s = geojson.STEP_S if options.step is None else options.step
            return geojson.export_geojson(trace, options.out, orbits, step_s)
        step_s = czml.STEP_S if options.step is None else options.step
        most_tasks = czml.MOST_TASKS if options.tasks is None else options.tasks
        frame = FRAMES[options.frame or "inertial"]
        return czml.export_czml(trace, options.out, orbits, frame, step_s, most_tasks)
    from emulator.exporting.tables import export_csv, export_parquet

    return export_csv(trace, options.out) if options.to == "csv" else export_parquet(trace, options.out)
