"""Run one scenario with one scheduler and print its row of figures; --out keeps the trace."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  orbitmesh run three-body --policy mesh
  orbitmesh run three-body --policy my_scheduler:Nearest --duration 7200
  orbitmesh run mine.toml --policy onboard --seed 7 --out run7 --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a TOML file, or the name of one that ships")
    parser.add_argument("--policy", required=True, help="a shipped scheduler, or module:Name")
    parser.add_argument("--seed", type=int, help="instead of the scenario's")
    parser.add_argument("--duration", type=float, metavar="S", help="simulated seconds, instead of the scenario's")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the trace in this new folder")
    parser.add_argument("--engine", choices=["virtual"], default="virtual", help="how orders are carried out")


def carry_out(options: argparse.Namespace) -> None:
    """Run it."""
    from emulator import console
    from emulator.assemble import assemble
    from emulator.run import run
    from emulator.scenario import load
    from emulator.table import rejections, rows_table
    from emulator.trace import refuse_taken

    loaded = load(options.scenario, seed=options.seed, duration_s=options.duration)
    if options.out is not None:
        refuse_taken(options.out)  # before the work, not after it
    with console.progress() as bar:
        assembled = assemble(loaded, [options.policy], bar)
        result = run(assembled, options.policy, options.out, bar)
    if options.json:
        document: dict[str, Any] = {"scenario": loaded.scenario.name, "seed": loaded.scenario.seed}
        document |= result.as_document()
        document["notes"] = assembled.notes
        console.print_json(document)
        return
    console.show(rows_table(loaded.scenario, [result.row]))
    console.notes(rejections([result.row]))
    console.notes(assembled.notes)
    console.out.print(f"digest {result.row.digest}")
    if result.trace is not None:
        console.out.print(f"trace  {result.trace}")
