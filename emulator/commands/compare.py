"""Compare processing on the ground, in orbit and across the mesh: the same scenes, links and hardware.

Prints one row per scheduler and leaves three plots (PNG and SVG): time from capture to insight, bytes and
operations, and the orbit seen from its pole with who sees whom."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh compare
  orbitmesh compare three-body-ring --duration 21600
  orbitmesh compare --policies bent-pipe,mesh,my_scheduler:Nearest --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "scenario", metavar="SCENARIO", nargs="?", default="three-body", help="a TOML file or a shipped name (three-body)"
    )
    parser.add_argument("--policies", help="comma-separated schedulers instead of the scenario's")
    parser.add_argument("--seed", type=int, help="instead of the scenario's")
    parser.add_argument("--duration", type=float, metavar="S", help="simulated seconds, instead of the scenario's")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("orbitmesh-out"), help="folder for the plots (orbitmesh-out)"
    )
    parser.add_argument("--no-plots", action="store_true", help="print the figures only")


def carry_out(options: argparse.Namespace) -> None:
    """Run every scheduler on the same assembled world."""
    from emulator import console
    from emulator.assemble import assemble
    from emulator.run import run
    from emulator.scenario import load
    from emulator.table import rows_table

    loaded = load(options.scenario, seed=options.seed, duration_s=options.duration)
    scenario = loaded.scenario
    policies = [p.strip() for p in options.policies.split(",")] if options.policies else list(scenario.policies)
    folder = None if options.no_plots else options.out / scenario.name
    if folder is not None:
        from emulator.plots import prepare

        folder = prepare(folder)
    with console.progress(options.json) as bar:
        assembled = assemble(loaded, policies, bar)
        results = [run(assembled, policy, None, bar) for policy in policies]
    written: list[str] = []
    if folder is not None:
        from emulator.plots import draw

        written = [str(path) for path in draw(folder, assembled, results)]
    if options.json:
        console.print_json(
            {
                "scenario": scenario.name,
                "seeds": [scenario.seed],
                "duration_s": scenario.duration_s,
                "policies": [result.row for result in results],
                "links": assembled.connectivity(),
                "notes": assembled.notes,
                "plots": written,
            }
        )
        return
    console.out.print(rows_table(scenario, [result.row for result in results]))
    console.out.print(assembled.connectivity().sentence(), highlight=False)
    for note in assembled.notes:
        console.out.print(f"[dim]- {note}[/dim]", highlight=False)
    if written:
        console.out.print(f"plots in {folder}: " + ", ".join(Path(p).name for p in written), highlight=False)
