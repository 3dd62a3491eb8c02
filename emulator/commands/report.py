"""Print the summary of a recorded run: what ran, what came of it, and the ledger that proves it adds up.

A trace that was cut off is told as far as it goes, with what is missing. --parquet writes its tables for analysis."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  orbitmesh report mesh-run
  orbitmesh report mesh-run --json
  orbitmesh report mesh-run --parquet mesh-run/tables
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that `run --out` left")
    text = "write the tables of the trace as Parquet files into this new folder (extra `parquet`)"
    parser.add_argument("--parquet", metavar="FOLDER", type=Path, help=text)


def carry_out(options: argparse.Namespace) -> None:
    """Print it."""
    from emulator import console
    from emulator.live.summary import live_lines
    from emulator.stage_report import saving_lines, stages_table
    from emulator.table import bases, rejections
    from emulator.trace import Trace
    from emulator.tracing.reporting import document, figures, lines, live_figures

    trace = Trace(options.folder)
    told: dict[str, Any] = document(trace)
    if options.parquet is not None:
        told["tables"] = _save(trace, options.parquet)
    if options.json:
        console.print_json(told)
        return
    made = console.table(f"{options.folder}", [""], [told["header"]["policy"]])
    for name, cell in lines(told):
        made.add_row(name, cell)
    console.show(made)
    row, live = figures(told), live_figures(told)
    if row is not None and row.stages:
        console.show(stages_table([row]))
        console.notes(saving_lines([row]))
    if row is not None:
        console.notes(([] if live is None else live_lines(row, live)) + rejections([row]) + bases([row]))
    console.notes(told["notes"])
    for name, count in told.get("tables", {}).items():
        console.out.print(f"{options.parquet / name}.parquet: {count:,} rows")


def _save(trace: Any, folder: Path) -> dict[str, int]:
    from emulator import console
    from emulator.errors import BadInput
    from emulator.folders import made, there
    from emulator.tracing.columnar import library, save

    library("pyarrow")
    if there(folder, "--parquet") and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"--parquet {folder} is there and not an empty folder to fill; name a new one")
    with made(folder, "--parquet"), console.progress() as bar:
        bar("Parquet", None)
        return save(trace, folder)
