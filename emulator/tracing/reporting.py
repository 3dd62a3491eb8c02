"""What a trace comes to: its header, its figures, its ledger, in one document and as lines of a table."""

from typing import Any

import msgspec

from emulator.errors import TraceError
from emulator.report import Row
from emulator.table import LINES
from emulator.tracing.reader import Trace
from emulator.tracing.tables import rows


def document(trace: Trace) -> dict[str, Any]:
    """Everything as plain tables; `figures` is None for a trace that was never closed. Raises `TraceError`."""
    header: dict[str, Any] = msgspec.to_builtins(trace.header)
    notes = []
    for name in ("scenario_table", "elements"):  # in full in header.json; here they would drown the rest
        header.pop(name)
    footer = trace.footer()
    told: dict[str, Any] = {"folder": str(trace.folder), "closed": trace.closed, "header": header}
    told["ledger"] = None if footer is None else msgspec.to_builtins(footer)
    told["figures"] = trace.summary() if trace.closed else None
    if not trace.closed:
        told["so_far"] = _so_far(trace)
        notes.append(trace.missing or "the run was killed before its end; every block that was written is there")
        notes.append("go on with it: `orbitmesh run SCENARIO --policy P --out DIR --resume`")
    elif footer is None:
        notes.append(f"schema {trace.header.schema} kept no ledger and no decisions")
    if header["sources"]:
        notes += [f"{name}: {text}" for name, text in header["sources"].items()]
    told["notes"] = notes
    return told


def lines(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and cell of every line of the table. Raises `TraceError` where the figures are none."""
    header = told["header"]
    found = [
        ("scenario", f"{header['scenario']}, seed {header['seed']}"),
        ("epoch, UTC", header["epoch"]),
        ("engine", f"{header['engine']}, orbitmesh {header['orbitmesh']}, {header['created_utc']}"),
    ]
    if told["figures"] is None:
        return found + [(name.replace("_", " "), f"{value}") for name, value in told["so_far"].items()]
    try:
        row = msgspec.convert(told["figures"], Row)
    except msgspec.ValidationError as error:
        raise TraceError(f"{told['folder']}/summary.json: {error}") from error
    found += [(name, cell(row)) for name, cell in LINES]
    found += [(f"  {reason}", f"{count:,}") for reason, count in row.reasons.items()]
    found += [("facts", f"{row.events:,}"), ("digest", row.digest[:16] + "...")]
    return found


def _so_far(trace: Trace) -> dict[str, Any]:
    tasks = rows(trace, "tasks")
    ended: dict[str, int] = {}
    for each in tasks:
        ended[each["how"] or "pending"] = ended.get(each["how"] or "pending", 0) + 1
    last_s = facts = 0.0
    for number, _, (event, _) in trace.lines():
        facts, last_s = number, event.at_s
    return {"facts": int(facts), "last_s": last_s, "captured": len(tasks)} | ended
