"""Bring up nodes of a live run on this host: join the coordinator of another one.

The coordinator was started with --listen, --key and --remote; this host needs the same key file and the same version of
orbitmesh, nothing else: scenario and models come over the wire. docs/many-hosts.md tells it all."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh node --join tcp://10.0.0.1:7100 --key orbitmesh.key
  orbitmesh node --join tcp://10.0.0.1:7100 --key orbitmesh.key --name Sanya --listen tcp://10.0.0.2:0
  orbitmesh node --join tcp://10.0.0.1:7100 --key orbitmesh.key --count 4
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--join", required=True, metavar="ENDPOINT", help="where the coordinator listens")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the run's key file (orbitmesh keygen)")
    parser.add_argument("--name", default="", metavar="NODE", help="which node to be (any that is awaited)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="how many nodes to bring up here (1)")
    text = "where other nodes reach this host (found by itself); a port other than 0 is the first of --count"
    parser.add_argument("--listen", default="", metavar="tcp://HOST:0", help=text)
    text = "folder for the sockets of the nodes' applications (a private one); shown at the start"
    parser.add_argument("--sockets", type=Path, metavar="DIR", help=text)
    text = "go before ordinary programs of this host (Linux; root or CAP_SYS_NICE)"
    parser.add_argument("--realtime", action="store_true", help=text)


def carry_out(options: argparse.Namespace) -> None:
    """Join, serve, and come back when the run is over."""
    from emulator.live.arguments import folder
    from emulator.live.outpost import join

    sockets = folder(options.sockets)
    outcomes = join(options.join, options.key, options.name, options.count, options.listen, sockets, options.realtime)
    if options.json:
        from emulator import console

        console.print_json({"nodes": outcomes})
