"""The command line of a live run: the same options for `run --engine live` and `live`, turned into `LiveOptions`.

Everything that cannot be is refused here, before anything is assembled.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.errors import BadInput
from emulator.live.rates import AUTO, LATE_BUDGET_S

if TYPE_CHECKING:
    from emulator.live.options import LiveOptions
    from links.faulty import Faults
    from links.keys import Keys


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of a live run; all default to None, so that it shows which were given."""
    live = parser.add_argument_group("live runs")
    live.add_argument("--rate", metavar="R|auto", help="emulated seconds per second; auto (default) finds the fastest")
    text = f"emulated lateness that p99 may have ({LATE_BUDGET_S:g}); over it the run fails"
    live.add_argument("--late-budget", type=float, metavar="S", help=text)
    text = "scenes and products as stated sizes (default), or as that many real bytes"
    live.add_argument("--payload", choices=["stated", "real"], help=text)
    live.add_argument("--transport", choices=["ipc", "tcp"], help="what links run over on this host (ipc)")
    live.add_argument("--provider", help="what runs the models: cpu (default), cuda, tensorrt")
    live.add_argument("--threads", type=int, help="threads of each node's model (1)")
    live.add_argument("--spin", type=float, metavar="S", help="seconds to spin before a release (measured at start)")
    text = "nodes go before ordinary programs of this host (Linux; root or CAP_SYS_NICE): a quarter of the lateness"
    live.add_argument("--realtime", action="store_true", default=None, help=text)
    text = "start a program on a node; it finds its node in ORBITMESH_NODE; may be repeated"
    live.add_argument("--app", action="append", metavar="NODE=COMMAND", help=text)
    text = "folder for the sockets of the nodes' applications, so that programs can come and go; shown at the start"
    live.add_argument("--sockets", type=Path, metavar="DIR", help=text)
    text = "links that go wrong on purpose: probabilities of drop, duplicate, reorder, delay, corrupt for each message"
    live.add_argument("--faults", metavar="drop=P,...", help=text)
    text = "folder of this host's energy counters, where a container has it elsewhere than in /sys/class/powercap"
    live.add_argument("--powercap", type=Path, metavar="DIR", help=text)
    live.add_argument("--listen", metavar="tcp://HOST:PORT", help="let nodes of other hosts join here")
    live.add_argument("--key", type=Path, metavar="FILE", help="keys of the run (orbitmesh keygen)")
    live.add_argument("--remote", metavar="NODE,NODE", help="nodes that are brought up on other hosts")
    live.add_argument("--join-timeout", type=float, metavar="S", help="seconds to wait for them (120)")


def given(options: argparse.Namespace) -> list[str]:
    """Options of live runs that were given."""
    names = [
        "rate",
        "late_budget",
        "payload",
        "transport",
        "provider",
        "threads",
        "spin",
        "realtime",
        "app",
        "sockets",
        "listen",
    ]
    names += ["powercap", "faults", "key", "remote", "join_timeout"]
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None]


def live_options(options: argparse.Namespace) -> "LiveOptions":
    """As the command line says. Raises `BadInput` with everything that cannot be."""
    from emulator.live.options import LiveOptions

    made = LiveOptions(
        rate=_rate(options.rate),
        late_budget_s=LATE_BUDGET_S if options.late_budget is None else options.late_budget,
        payload=options.payload or "stated",
        transport=options.transport or "ipc",
        provider=options.provider or "cpu",
        threads=1 if options.threads is None else options.threads,
        spin_s=options.spin,
        realtime=bool(options.realtime),
        listen=options.listen or "",
        keys=None if options.key is None else _keys(options.key),
        remote=tuple(name.strip() for name in (options.remote or "").split(",") if name.strip()),
        sockets=folder(options.sockets),
        powercap="" if options.powercap is None else str(options.powercap.absolute()),
        faults=None if options.faults is None else _faults(options.faults),
        applications=tuple(_application(text) for text in options.app or ()),
        join_s=120.0 if options.join_timeout is None else options.join_timeout,
    )
    problems = made.problems()
    if problems:
        raise BadInput("; ".join(problems))
    return made


def _rate(text: str | None) -> float | None:
    if text is None or text == AUTO:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise BadInput(f"--rate {text!r}: a number of emulated seconds per second, or auto") from error


def _faults(text: str) -> "Faults":
    from links.errors import LinkError
    from links.faulty import Faults

    kinds = ("drop", "duplicate", "reorder", "delay", "corrupt")
    wanted: dict[str, Any] = {}
    try:
        for part in text.split(","):
            name, _, share = part.partition("=")
            if name.strip() not in kinds or name.strip() in wanted:
                raise ValueError(f"{name.strip()!r} is none of {', '.join(kinds)}, or is there twice")
            wanted[name.strip()] = float(share)
        return Faults(**wanted)
    except (ValueError, LinkError) as error:
        raise BadInput(f"--faults {text!r}: {error}; write for instance drop=0.01,corrupt=0.01") from error


def _application(text: str) -> tuple[str, str]:
    node, separator, command = text.partition("=")
    if not separator or not node.strip() or not command.strip():
        raise BadInput(f"--app {text!r}: write NODE=COMMAND, for instance --app 'Sanya=python3 ground.py'")
    return node.strip(), command


def _keys(path: Path) -> "Keys":
    from links.keys import load  # late: it brings ZeroMQ along

    return load(str(path))


def folder(path: Path | None) -> str:
    """The absolute path of a folder for sockets, which is made if need be; "" for none. Raises `BadInput`."""
    if path is None:
        return ""
    from links.endpoints import ipc_endpoint
    from links.errors import LinkError

    try:
        ipc_endpoint(str(path.absolute()), "door")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except LinkError as error:
        raise BadInput(f"--sockets {path}: {error}") from error
    except OSError as error:
        raise BadInput(f"--sockets {path}: {error.strerror}; name a folder that can be made") from error
    return str(path.resolve())
