"""Replay a trace: the recorded facts go into a fresh core, and every order must be the recorded one.

Neither orbits nor models are computed again, so the digest is the same on any machine. A trace of a scheduler of
your own needs --policy: nothing that a trace names is imported."""

import argparse
from pathlib import Path

EXAMPLES = """examples:
  orbitmesh replay mesh-run
  orbitmesh replay run7 --policy my_scheduler:Nearest --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that `run --out` left")
    text = "exact: same facts, same orders, same digest"
    parser.add_argument("--level", choices=["exact"], default="exact", help=text)
    parser.add_argument("--policy", help="replay with this scheduler; needed for module:Name")


def carry_out(options: argparse.Namespace) -> None:
    """Replay it."""
    from emulator import console
    from emulator.errors import ReplayMismatch, TraceError
    from emulator.replay import Replay, replay
    from emulator.run import uniform_source
    from emulator.schedulers import load
    from emulator.trace import Trace

    trace = Trace(options.folder)
    header = trace.header
    policy = options.policy or header.policy
    if ":" in policy and options.policy is None:
        raise TraceError(
            f"{options.folder} was run with a scheduler of its author's own, {policy}; nothing that a trace names is "
            f"imported: give it yourself with --policy {policy}"
        )
    with console.progress() as bar:
        advance = bar("replay", float(min(header.events, 1 << 53)))
        try:
            found, _ = replay(trace, load(policy, uniform_source(header.seed, policy)), advance)
        except ReplayMismatch as error:
            found = Replay(
                matches=False, digest="", recorded_digest=header.digest, events=header.events, mismatch=str(error)
            )
    if options.json:
        console.print_json(found)
    elif found.matches:
        console.out.print(f"matches: {found.events:,} facts, digest {found.digest}")
    if not found.matches:
        raise ReplayMismatch(found.mismatch)
