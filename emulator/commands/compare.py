"""Compare processing on the ground, in orbit and across the mesh: the same scenes, links and hardware.

Prints one column per scheduler and leaves three plots (PNG and SVG): time from capture to insight, bytes and
operations, and the orbit seen from its pole with who sees whom."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.scenario import LoadedScenario

EXAMPLES = """examples:
  orbitmesh compare
  orbitmesh compare three-body-ring --duration 21600
  orbitmesh compare --policies bent-pipe,mesh,my_scheduler:Nearest --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    text = "a TOML file, or the name of one that ships (three-body)"
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?", default="three-body", help=text)
    parser.add_argument("--policies", help="comma-separated schedulers instead of the scenario's")
    parser.add_argument("--seed", type=int, help="instead of the scenario's")
    parser.add_argument("--duration", type=float, metavar="S", help="simulated seconds, instead of the scenario's")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("orbitmesh-out"), help="folder for the plots (orbitmesh-out)"
    )
    parser.add_argument("--no-plots", action="store_true", help="print the figures only")


def carry_out(options: argparse.Namespace) -> None:
    """Run every scheduler on the same assembled world."""
    from emulator.folders import made
    from emulator.plots import available
    from emulator.scenario import load

    loaded = load(options.scenario, seed=options.seed, duration_s=options.duration)
    policies = _policies(loaded, options.policies)
    if options.no_plots or not available():
        _compare(options, loaded, policies, None)
        return
    with made(options.out / loaded.scenario.name) as folder:
        _compare(options, loaded, policies, folder)


def _policies(loaded: "LoadedScenario", given: str | None) -> list[str]:
    """The schedulers of the scenario, or those on the command line; each is known. Raises `BadInput`."""
    from emulator.errors import BadInput, SchedulerError
    from emulator.schedulers import load

    names = list(loaded.scenario.policies) if given is None else [name.strip() for name in given.split(",")]
    for index, name in enumerate(names):
        try:
            load(name, lambda: 0.0)
        except SchedulerError as error:
            if given is None:
                raise loaded.refuse([(("policies", index), str(error))]) from error
            raise SchedulerError(f"--policies {given}: {error}") from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"--policies {given}: {', '.join(twice)} is there twice; name each scheduler once")
    return names


def _compare(options: argparse.Namespace, loaded: "LoadedScenario", policies: list[str], folder: Path | None) -> None:
    from emulator import console
    from emulator.assemble import assemble
    from emulator.run import run
    from emulator.table import rejections, rows_table

    scenario = loaded.scenario
    written: list[str] = []
    with console.progress() as bar:
        assembled = assemble(loaded, policies, bar)
        results = [run(assembled, policy, None, bar) for policy in policies]
        if folder is not None:
            from emulator.plots import draw

            advance = bar("plots", 1.0)
            written = [str(path) for path in draw(folder, assembled, results)]
            advance(1.0)
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
    console.show(rows_table(scenario, [result.row for result in results]))
    console.notes(rejections([result.row for result in results]))
    console.out.print(assembled.connectivity().sentence())
    console.notes(assembled.notes)
    if written:
        console.out.print(f"plots in {folder}: " + ", ".join(Path(p).name for p in written))
