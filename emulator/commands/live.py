"""Run a scenario on real processes, links over ZeroMQ with the delay of the orbit, and watch it: a table of nodes,
links and lateness. The short form of `run --engine live`."""

import argparse

from emulator.commands import run
from emulator.live import arguments as live_arguments

EXAMPLES = """examples:
  orbitmesh live --duration 60
  orbitmesh live three-body-live --rate 1 --out live-run
  orbitmesh live three-body-live --app 'SCS-01 A=python3 satellite.py' --app 'Sanya=python3 ground.py'
  orbitmesh live three-body-live --listen tcp://10.0.0.1:7100 --key orbitmesh.key --remote Sanya,Miyun
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    text = "a TOML file, or the name of one that ships (three-body-live)"
    parser.add_argument("scenario", metavar="SCENARIO", nargs="?", default="three-body-live", help=text)
    parser.add_argument("--policy", default="mesh", help="a shipped scheduler, or module:Name (mesh)")
    run.common(parser)
    parser.add_argument("--no-table", action="store_true", help="no live table on standard error")
    live_arguments.add(parser)


def carry_out(options: argparse.Namespace) -> None:
    """Run it."""
    run.play(options, live=True, drawn=not options.no_table)
