"""What a trace comes to: its header, its figures, its ledger, in one document and as lines of a table."""

from collections import Counter
from math import inf
from typing import Any

import msgspec

from emulator.console import scaled
from emulator.errors import TraceError
from emulator.events import Event
from emulator.live.figures import LiveFigures
from emulator.orders import Order
from emulator.report import Row
from emulator.table import figure_lines, tasks_are
from emulator.tracing.reader import Trace
from emulator.tracing.records import BundleRecord, Sink, TaskRecord
from emulator.tracing.tables import synthetic
from emulator.tracing.telling import damage, tell


def document(trace: Trace) -> dict[str, Any]:
    """Everything as plain tables; `figures` is None for a trace that was never closed. Raises `TraceError`."""
    header: dict[str, Any] = msgspec.to_builtins(trace.header)
    notes = []
    if trace.closed:
        _refuse_damage(trace)
    for name in ("scenario_table", "elements"):  # in full in header.json; here they would drown the rest
        header.pop(name)
    assumed = header.pop("notes")  # which are shown below the others
    footer = trace.footer()
    told: dict[str, Any] = {"folder": str(trace.folder), "closed": trace.closed, "header": header}
    told["ledger"] = None if footer is None else msgspec.to_builtins(footer)
    told["figures"] = trace.summary() if trace.closed else None
    listed = (trace.header.scenario_table or {}).get("workload") is not None
    told["tasks_are"] = tasks_are(trace.world) if listed else "scenes"
    told["live"] = trace.live() if trace.closed else None
    if not trace.closed:
        told["so_far"] = _so_far(trace)
        notes.append(trace.missing or "the run was killed before its end; every block that was written is there")
        again = "`orbitmesh run SCENARIO --policy P --out DIR --resume`"
        live = "it was a live run, which cannot be taken up: what it met happens only once"
        notes.append(live if trace.header.engine == "live" else f"go on with it: {again}")
    elif footer is None:
        notes.append(f"schema {trace.header.schema} kept no ledger and no decisions")
    if trace.header.replay_of:
        notes.append("a replay: " + ", ".join(f"{name} {value[:80]}" for name, value in trace.header.replay_of.items()))
    notes.append(synthetic(trace))
    if header["sources"]:
        notes += [f"{name}: {text}" for name, text in header["sources"].items()]
    told["notes"] = notes + _assumed(trace, assumed, told["live"])
    return told


def _assumed(trace: Trace, noted: list[str], live: Any) -> list[str]:
    """What the run itself said it assumes, also of what only a live run has; a replay has the notes of its inputs."""
    of = "given to this replay: " if trace.header.replay_of else ""
    more = live.get("notes") if isinstance(live, dict) else None
    return [f"{of}{note}" for note in noted] + [str(note) for note in (more if isinstance(more, list) else [])]


def _refuse_damage(trace: Trace) -> None:
    """Raise `TraceError` where anything is damaged, of logs by the sums of their blocks: none is unpacked."""
    for _ in trace.chunks(from_s=inf):
        pass
    trace.check_beside()


def lines(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and cell of every line of the table. Raises `TraceError` where the figures are none."""
    header = told["header"]
    found = [
        ("scenario", f"{header['scenario']}, seed {header['seed']}"),
        ("epoch, UTC", header["epoch"]),
        ("engine", f"{header['engine']}, orbitmesh {header['orbitmesh']}, {header['created_utc']}"),
    ]
    row = figures(told)
    if row is None:
        return found + [(name.replace("_", " "), _cell(value)) for name, value in told["so_far"].items()]
    found += [(name, cell(row)) for name, cell in figure_lines(told["tasks_are"])]
    found += [(f"  {reason}", f"{count:,}") for reason, count in row.reasons.items()]
    if row.bundles.offered:
        ends = ", ".join(f"{getattr(row.bundles, how):,} {how}" for how in ("done", "lost", "pending"))
        found.append(("messages of applications", f"{row.bundles.offered:,}: {ends}"))
    if row.baseline.measured_j is not None:
        drawn = row.baseline
        text = f"{scaled(drawn.measured_j, 'J')} in {drawn.measured_s:,.0f} s, {drawn.unmeasured_s:,.0f} s unmeasured"
        found.append(("measured load of satellites", text))
    found += [("facts", f"{row.events:,}"), ("digest", row.digest[:16] + "...")]
    return found


def figures(told: dict[str, Any]) -> Row | None:
    """The row of figures; None for a trace that was never closed. Raises `TraceError` where they are none."""
    try:
        return None if told["figures"] is None else msgspec.convert(told["figures"], Row)
    except msgspec.ValidationError as error:
        raise TraceError(f"{told['folder']}/summary.json: {error}") from error


def live_figures(told: dict[str, Any]) -> LiveFigures | None:
    """What only a live run has; None for other runs, and where another version counted other things."""
    try:
        return None if told["live"] is None else msgspec.convert(told["live"], LiveFigures)
    except msgspec.ValidationError as error:
        told["notes"].append(f"live.json is of another version ({error}): --json has it as it is")
        return None


def _cell(value: object) -> str:
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


class _Ledger(Sink):
    """Counts what has become of tasks and bundles."""

    def __init__(self) -> None:
        self.tasks: Counter[str] = Counter()
        self.bundles: Counter[str] = Counter()
        self.facts = 0
        self.last_s: float | None = None

    def task(self, task: TaskRecord) -> None:
        self.tasks[task.how] += 1

    def bundle(self, bundle: BundleRecord) -> None:
        self.bundles[bundle.how] += 1

    def line(self, number: int, event: Event, _orders: list[Order]) -> None:
        """One more line."""
        self.facts, self.last_s = number, event.at_s


def _so_far(trace: Trace) -> dict[str, Any]:
    """What a log says as far as it goes; `last_s` is None where it holds no line."""
    ledger = _Ledger()
    with damage(trace):
        tell(trace, ledger, ledger.line)
    found = {"facts": ledger.facts, "last_s": ledger.last_s, "captured": ledger.tasks.total()}
    offered = {"bundles": ledger.bundles.total()} if ledger.bundles else {}
    return found | dict(ledger.tasks) | offered | {f"bundles {how}": count for how, count in ledger.bundles.items()}
