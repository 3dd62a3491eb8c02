"""Compare processing on the ground, in orbit and across the mesh: the same scenes, links and hardware.

Prints one column per scheduler and leaves three plots (PNG and SVG): time from capture to insight, bytes and
operations, and the orbit seen from its pole with who sees whom. With --ground or --orbit, also where the crossover
between orbit and ground lies: by model, by downlink rate, by contact time."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.assemble import Assembled, Bar
    from emulator.crossing.report import Crossover
    from emulator.scenario import LoadedScenario
    from nodes.processor import Processor

EXAMPLES = """examples:
  orbitmesh compare
  orbitmesh compare three-body-ring --duration 21600
  orbitmesh compare --policies bent-pipe,mesh,my_scheduler:Nearest --json
  orbitmesh compare --ground h100
  orbitmesh compare --ground here.toml --orbit orin
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    text = "a TOML file, or the name of one that ships (three-body)"
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?", default="three-body", help=text)
    parser.add_argument("--policies", help="comma-separated schedulers instead of the scenario's")
    parser.add_argument(
        "--ground", metavar="PROCESSOR", help="a processor file (orbitmesh calibrate) or preset for every station"
    )
    parser.add_argument("--orbit", metavar="PROCESSOR", help="the same for every satellite")
    parser.add_argument("--seed", type=int, help="instead of the scenario's")
    parser.add_argument("--duration", type=float, metavar="S", help="simulated seconds, instead of the scenario's")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("orbitmesh-out"), help="folder for the plots (orbitmesh-out)"
    )
    parser.add_argument("--no-plots", action="store_true", help="print the figures only")


def carry_out(options: argparse.Namespace) -> None:
    """Run every scheduler on the same assembled world."""
    from emulator.plots import placed
    from emulator.scenario import load

    orbit, ground = _processor("--orbit", options.orbit), _processor("--ground", options.ground)
    loaded = load(options.scenario, seed=options.seed, duration_s=options.duration)
    loaded = replace(loaded, orbit=orbit, ground=ground)
    policies = _policies(loaded, options.policies)
    with placed(None if options.no_plots else options.out / loaded.scenario.name, "--out") as folder:
        _compare(options, loaded, policies, folder)


def _processor(option: str, name: str | None) -> "Processor | None":
    """The processor of an option, a file or a preset; None if the option was not given. Raises `BadInput`."""
    from emulator.errors import BadInput, ProcessorError
    from emulator.processor_file import is_file, read
    from nodes.errors import NodeError
    from nodes.processor import preset

    if name is None:
        return None
    try:
        return read(Path(name)) if is_file(name) else preset(name)
    except (NodeError, ProcessorError) as error:
        kind = "" if is_file(name) else "; or give the path of a processor file, NAME.toml"
        raise BadInput(f"{option} {name[:200]}: {error}{kind}") from error


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
    from emulator.stage_report import saving_lines, stages_table
    from emulator.table import baselines, bases, rejections, rows_table, tasks_are

    scenario = loaded.scenario
    written: list[str] = []
    with console.progress() as bar:
        assembled = assemble(loaded, policies, bar)
        results = [run(assembled, policy, None, bar) for policy in policies]
        found = _crossover(options, assembled, bar)
        if folder is not None:
            from emulator.plots import draw

            advance = bar("plots", 1.0)
            written = [str(path) for path in draw(folder, assembled, results)]
            if found is not None and not isinstance(found, str):
                from emulator.crossing.plot import draw as draw_crossover

                written += [str(path) for path in draw_crossover(folder, found, scenario.name)]
            advance(1.0)
    if options.json:
        console.print_json(
            {
                "scenario": scenario.name,
                "seeds": [scenario.seed],
                "duration_s": scenario.duration_s,
                "policies": [result.row for result in results],
                "links": assembled.connectivity(),
                "notes": [*assembled.notes, *([found] if isinstance(found, str) else [])],
                "plots": written,
            }
            | ({} if found is None else {"crossover": None if isinstance(found, str) else found})
        )
        return
    rows = [result.row for result in results]
    console.show(rows_table(scenario, rows, tasks_are(assembled.world)))
    if scenario.pipeline is not None:
        console.show(stages_table(rows))
        console.notes(saving_lines(rows))
    console.notes(rejections(rows) + bases(rows) + baselines(rows))
    _show(found)
    console.out.print(assembled.connectivity().sentence())
    console.notes(assembled.notes)
    if written:
        console.out.print(f"plots in {folder}: " + ", ".join(Path(p).name for p in written))


def _crossover(options: argparse.Namespace, assembled: "Assembled", bar: "Bar") -> "Crossover | str | None":
    """The crossover if it was asked for, or why there is none."""
    if options.ground is None and options.orbit is None:
        return None
    from emulator.crossing.report import crossover

    advance = bar("crossover", 1.0)
    found = crossover(assembled)
    advance(1.0)
    return found


def _show(found: "Crossover | str | None") -> None:
    from emulator import console
    from emulator.crossing.report import crossover_table, lines

    if isinstance(found, str):
        console.notes([found])
    elif found is not None:
        console.show(crossover_table(found))
        console.notes([*lines(found), *found.notes])
