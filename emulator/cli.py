"""The command `orbitmesh`: parses the line, runs one command, turns errors into exit codes.

Exit 0: good, also where who reads has had enough (`| head`); 1: the run failed; 2: bad input; 130: interrupted. Heavy
imports wait until a command needs them.
"""

import argparse
import os
import signal
import sys
from importlib import import_module
from types import FrameType

from emulator.guard import stranger

COMMANDS = {
    "compare": "the same workload in orbit, on the ground, and across the mesh",
    "run": "one scenario with one scheduler",
    "live": "the same on real processes, with links over ZeroMQ, and watch it",
    "node": "bring up nodes of a live run on this host",
    "links": "who sees whom at an instant, and why not",
    "passes": "when satellites pass over ground stations",
    "models": "the models that ship or can be generated, with their accuracy",
    "inspect": "what a model costs, and how long each processor would take",
    "processors": "what each processor can do, and how well that predicts MLPerf",
    "calibrate": "measure this host's CPU or GPU into a processor file",
    "upset": "flip bits in a model's weights, and what its answers are worth then",
    "replay": "replay a trace and check it against what was recorded",
    "convert": "mission plans, request logs and telemetry into tasks and loads of ours",
    "export": "a trace for Cesium, Perfetto, GIS or tables",
    "report": "what a recorded run came to",
    "diff": "where and why two recorded runs part",
    "trace": "the life of one task of a recorded run, hop by hop",
    "keygen": "the keys that hosts of one live run need to talk to each other",
}

EPILOG = """examples:
  orbitmesh compare
  orbitmesh run three-body --policy mesh --duration 3600 --out mesh-run
  orbitmesh live --duration 60
  orbitmesh links three-body --at 2025-10-03T16:00:00Z
  orbitmesh passes three-body
  orbitmesh models
  orbitmesh inspect cloud-screen
  orbitmesh processors
  orbitmesh calibrate cloud-screen --out this-host.toml
  orbitmesh upset cloud-screen
  orbitmesh replay mesh-run
  orbitmesh convert plan.kml plan.jsonl
  orbitmesh export mesh-run --to perfetto --out mesh-run.json
  orbitmesh report mesh-run
  orbitmesh keygen --out run.key
"""


class _Version(argparse.Action):
    """Asks for the version only where it is wanted: to find out what pip knows takes a fourth of all start-up."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from emulator.version import told_version

        print(f"orbitmesh {told_version()}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The whole command line; each command adds its own part."""
    top = argparse.ArgumentParser(
        prog="orbitmesh",
        description="On-orbit compute constellation emulator: processing in orbit and on the ground, compared.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        module = import_module(f"emulator.commands.{name}")
        part = commands.add_parser(
            name,
            help=purpose,
            description=module.__doc__,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        text = "print one JSON document on standard output, nothing else"
        part.add_argument("--json", action="store_true", help=text)
        module.arguments(part)
        part.set_defaults(carry_out=module.carry_out)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    in_the_way = stranger()
    if in_the_way:
        print(in_the_way, file=sys.stderr)
        return 2
    from emulator.errors import BAD_INPUT, RunFailed

    if arguments is None:  # the real command: being told to terminate cleans up, as an interrupt does
        signal.signal(signal.SIGTERM, _terminated)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup says otherwise
            signal.signal(signal.SIGHUP, _terminated)  # so does a terminal that is closed
        arguments = sys.argv[1:]
    garbled = [text for text in arguments if not text.isascii() and text != text.encode(errors="replace").decode()]
    if garbled:
        print(f"orbitmesh: argument {garbled[0]!r} is no UTF-8 text; rename what it names", file=sys.stderr)
        return 2
    options = parser().parse_args(arguments)
    try:
        options.carry_out(options)
        sys.stdout.flush()
    except BAD_INPUT as error:
        _tell(str(error))
        return 2
    except RunFailed as error:
        _tell(f"the run failed: {type(error).__name__}: {error}")
        return 1
    except ImportError as error:
        if not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):  # in the middle of a library
            raise
        print("orbitmesh: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _mute()
        return 0
    except OSError as error:  # a full disk, a file taken away meanwhile
        _mute()
        _tell(f"the run failed: {error}{_written(options) if error.filename is None else ''}")
        return 1
    except KeyboardInterrupt:
        print("orbitmesh: interrupted", file=sys.stderr)
        return 130
    return 0


def _written(options: argparse.Namespace) -> str:
    """Where a command writes, as a write that fails does not say to which file."""
    for name, shown in (("out", "--out"), ("target", "OUT"), ("parquet", "--parquet")):
        if getattr(options, name, None):
            return f" ({shown} {getattr(options, name)}, or standard output)"
    return ""


def _tell(text: str) -> None:
    """Say what went wrong; names from files are in it."""
    from emulator.console import printable

    print(f"orbitmesh: {printable(text)}", file=sys.stderr)


def _mute() -> None:
    """Lead standard output nowhere, so that flushing it at exit does not fail a second time."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
