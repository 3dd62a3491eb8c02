"""Run one scenario with one scheduler and print its row of figures; --out keeps the trace.

The virtual engine jumps from event to event; the live engine runs one process per satellite and station, with ZeroMQ
between them, in real or stretched time (`orbitmesh live` is its short form, with a live table)."""

import argparse
import os
from pathlib import Path
from typing import Any

from emulator.live import arguments as live_arguments

EXAMPLES = """examples:
  orbitmesh run three-body --policy mesh
  orbitmesh run three-body --policy my_scheduler:Nearest --duration 7200
  orbitmesh run mine.toml --policy onboard --seed 7 --out run7 --json
  orbitmesh run three-body --policy mesh --out long --resume
  orbitmesh run three-body-live --policy mesh --engine live --rate 1 --duration 60
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a TOML file, or the name of one that ships")
    parser.add_argument("--policy", required=True, help="a shipped scheduler, or module:Name")
    common(parser)
    text = "with --out: go on where a killed run into DIR stopped, and keep what is there if interrupted again"
    parser.add_argument("--resume", action="store_true", help=text)
    parser.add_argument("--engine", choices=["virtual", "live"], default="virtual", help="how orders are carried out")
    live_arguments.add(parser)


def common(parser: argparse.ArgumentParser) -> None:
    """Arguments of every run."""
    parser.add_argument("--seed", type=int, help="instead of the scenario's")
    parser.add_argument("--duration", type=float, metavar="S", help="simulated seconds, instead of the scenario's")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the trace in this new folder")


def carry_out(options: argparse.Namespace) -> None:
    """Run it."""
    from emulator.errors import BadInput
    from emulator.tracing.writer import partial_of

    superfluous = live_arguments.given(options)
    if options.engine == "virtual" and superfluous:
        raise BadInput(f"only live runs take {', '.join(superfluous)}: add --engine live")
    if options.resume and options.out is None:
        raise BadInput("--resume goes on with the trace of an interrupted run: name it with --out DIR")
    if options.resume and options.engine == "live":
        left = partial_of(options.out)
        found = f". What the killed run left in {left} opens in report, trace and replay; move it away, or remove it,"
        raise BadInput(
            "--resume is for the virtual engine: the world of a live run went on meanwhile"
            f"{found + ' and' if os.path.isdir(left) else ';'} run anew"
        )
    if options.resume and os.path.isfile(options.out / "header.json"):
        raise BadInput(f"--resume: the run in {options.out} is finished, and nothing is left to do: report shows it")
    play(options, live=options.engine == "live", drawn=False, resume=options.resume)


def play(options: argparse.Namespace, live: bool, drawn: bool, resume: bool = False) -> None:
    """Run on either engine, and show what came of it. Raises `RunFailed` for a live run that was too late."""
    from emulator import console
    from emulator.assemble import assemble
    from emulator.errors import RunFailed
    from emulator.live.summary import live_lines
    from emulator.run import run
    from emulator.scenario import load
    from emulator.stage_report import saving_lines, stages_table
    from emulator.table import baselines, bases, rejections, rows_table, tasks_are
    from emulator.trace import refuse_taken

    how = live_arguments.live_options(options) if live else None
    loaded = load(options.scenario, seed=options.seed, duration_s=options.duration)
    if options.out is not None:
        refuse_taken(options.out, resume)  # before the work, not after it
    with console.progress(shown=not drawn) as bar:
        assembled = assemble(loaded, [options.policy], bar, infer=not live)
        result = run(assembled, options.policy, options.out, bar, how, drawn, resume)
    notes = assembled.notes + ([] if result.live is None else result.live.notes)
    if result.resumed_events is not None:
        notes.append(f"resumed after {result.resumed_events:,} facts that the interrupted run had left")
    if options.json:
        document: dict[str, Any] = {"scenario": loaded.scenario.name, "seed": loaded.scenario.seed}
        document |= result.as_document()
        document["notes"] = notes
        console.print_json(document)
    else:
        console.show(rows_table(loaded.scenario, [result.row], tasks_are(assembled.world)))
        if loaded.scenario.pipeline is not None:
            console.show(stages_table([result.row]))
            console.notes(saving_lines([result.row]))
        if result.live is not None:
            console.notes(live_lines(result.row, result.live))
        console.notes(rejections([result.row]) + bases([result.row]) + baselines([result.row]))
        console.notes(notes)
        console.out.print(f"digest {result.row.digest}")
        if result.trace is not None:
            console.out.print(f"trace  {result.trace}")
    if result.live is not None and result.live.too_late:
        raise RunFailed(result.live.too_late)
