"""Tasks, messages, runs and contacts of a trace as tables, in CSV or Parquet: units in every column's name.

Instants are seconds after the scenario's epoch, which `export.json` (and each Parquet file's metadata) gives in UTC.
Missing is missing: an empty cell in CSV, null in Parquet; never 0 or -1.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from emulator.errors import BadInput
from emulator.exporting.outputs import new_folder
from emulator.exporting.story import Hop, Life, Sink, Story, Work, damage, tell
from emulator.trace import Trace
from emulator.version import installed_version
from links.contacts import Contact
from workloads.arrivals import NEVER_S

Cells = tuple[Any, ...]

SYNTHETIC = "what scenes show is synthetic: procedural tiles stand for them (docs/model.md)"


class Column(NamedTuple):
    """A column: its name with unit, what its cells are (`text`, `int`, `float`), what it says."""

    name: str
    kind: str
    says: str


TASKS = (
    Column("task", "text", "name of the task (a scene)"),
    Column("node", "text", "satellite that captured it"),
    Column("model", "text", "that it asks for"),
    Column("priority", "int", "larger is more urgent"),
    Column("raw_bytes", "int", "size of the scene"),
    Column("inferences", "int", "tiles it is cut into, each one run of the model"),
    Column("deadline_s", "float", "by when it should be answered; missing if it has no deadline"),
    Column("captured_s", "float", "it was taken"),
    Column("sent_s", "float", "its first message, raw or result, began to leave"),
    Column("result_sent_s", "float", "its result began to leave"),
    Column("started_s", "float", "inference began: the first run of it that was finished"),
    Column("finished_s", "float", "inference ended: the last run of it"),
    Column("delivered_s", "float", "the answer was on the ground"),
    Column("ended_s", "float", "it was done, dropped or lost"),
    Column("how", "text", "done, dropped, lost or pending"),
    Column("reason", "text", "why it ended so; of tasks that are done, the label"),
    Column("ran_on", "text", "node of the last run that finished"),
    Column("label", "text", "what inference said"),
    Column("cloud_fraction", "float", "0 to 1, as inference said"),
    Column("product_bytes", "int", "size of the answer"),
)
MESSAGES = (
    Column("task", "text", "task, stage of a task (task#stage), or bundle"),
    Column("what", "text", "raw, result, bundle, or a stage's data"),
    Column("from_node", "text", "sender on this hop"),
    Column("to_node", "text", "receiver on this hop"),
    Column("contact", "int", "number in contacts"),
    Column("size_bytes", "int", "carried"),
    Column("start_s", "float", "its first bit left"),
    Column("free_s", "float", "its last bit left, or would have: the transmitter is free"),
    Column("due_s", "float", "its last bit was due: one light time after free_s"),
    Column("delivered_s", "float", "its last bit was there"),
    Column("ended_s", "float", "it was delivered, lost or withdrawn"),
    Column("how", "text", "delivered, lost, withdrawn (its task had ended) or in flight"),
)
RUNS = (
    Column("task", "text", "task, or stage of a task (task#stage)"),
    Column("run", "int", "number of the run"),
    Column("node", "text", "that ran it"),
    Column("start_s", "float", "it began"),
    Column("due_s", "float", "it should have ended"),
    Column("finished_s", "float", "it was finished"),
    Column("ended_s", "float", "it was finished, cancelled or lost with its node"),
    Column("how", "text", "finished, cancelled, lost or running"),
    Column("basis", "text", "how its time is known: calibrated, scaled or preset"),
    Column("label", "text", "what inference said"),
    Column("cloud_fraction", "float", "0 to 1, as inference said"),
    Column("product_bytes", "int", "size of the answer"),
)
CONTACTS = (
    Column("contact", "int", "number"),
    Column("a", "text", "laser: the smaller name; radio: the satellite; uplink: the station"),
    Column("b", "text", "the other end"),
    Column("kind", "text", "laser, radio (down) or uplink"),
    Column("start_s", "float", "usable from, acquisition over"),
    Column("stop_s", "float", "usable until"),
    Column("min_range_m", "float", "at the knots of the contact; missing where the plan states none"),
    Column("max_range_m", "float", "at the knots of the contact; missing where the plan states none"),
    Column("min_delay_s", "float", "one-way light time from a to b, at the knots"),
    Column("max_delay_s", "float", "one-way light time from a to b, at the knots"),
    Column("min_bits_per_s", "float", "least rate"),
    Column("max_bits_per_s", "float", "best rate"),
    Column("capacity_bytes", "float", "what it could carry one way: the rate summed over its time, over 8"),
)
SCHEMAS = {"tasks": TASKS, "messages": MESSAGES, "runs": RUNS, "contacts": CONTACTS}


class Tables(Sink):
    """All rows of a trace, in the order in which tasks were captured, messages sent and runs started."""

    def __init__(self, trace: Trace) -> None:
        self._hops: list[Hop] = []
        self._works: list[Work] = []
        self._lives: list[Life] = []
        self.story: Story = tell(trace, self)
        self._hops.sort(key=lambda hop: (hop.order.start_s, hop.order.task, hop.order.what))
        self._works.sort(key=lambda work: (work.order.start_s, work.order.run))
        self._lives.sort(key=lambda life: (life.task.at_s, life.task.id))
        self._contacts = trace.world.plan.contacts

    def hop(self, hop: Hop) -> None:
        self._hops.append(hop)

    def work(self, work: Work) -> None:
        self._works.append(work)

    def task(self, life: Life) -> None:
        self._lives.append(life)

    def rows(self, table: str) -> Iterator[Cells]:
        """The cells of `tasks`, `messages`, `runs` or `contacts`, as `SCHEMAS` names them; None where missing."""
        if table == "tasks":
            yield from map(_task_cells, self._lives)
        elif table == "messages":
            yield from map(_hop_cells, self._hops)
        elif table == "runs":
            yield from map(_work_cells, self._works)
        else:
            yield from (_contact_cells(number, contact) for number, contact in enumerate(self._contacts))


def export_csv(trace: Trace, out: Path) -> dict[str, int]:
    """Write `tasks.csv`, `messages.csv`, `runs.csv`, `contacts.csv` and `export.json` into the new folder `out`.

    Returns the number of rows of each. RFC 4180 with line feeds; numbers in their shortest form that reads back the
    same. Raises `TraceError`, `BadInput` (a name that is taken), OSError.
    """
    return _export(trace, out, _write_csv)


def export_parquet(trace: Trace, out: Path) -> dict[str, int]:
    """As `export_csv`, in Parquet (zstd). Raises `BadInput`, naming the extra, where pyarrow is not installed."""
    from emulator.exporting.parquet import write_parquet

    return _export(trace, out, write_parquet)


Writer = Callable[[Path, Sequence[Column], Iterator[Cells], dict[str, str]], int]


def _export(trace: Trace, out: Path, write: Writer) -> dict[str, int]:
    about = about_trace(trace)
    with damage(trace), new_folder(out) as folder:
        tables = Tables(trace)
        written = {name: write(folder / name, columns, tables.rows(name), about) for name, columns in SCHEMAS.items()}
        columns = {name: {each.name: each.says for each in found} for name, found in SCHEMAS.items()}
        document = {**about, "rows": written, "columns": columns}
        (folder / "export.json").write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return written


def about_trace(trace: Trace) -> dict[str, str]:
    """What every export says of the run it came from."""
    header = trace.header
    return {
        "orbitmesh": installed_version(),
        "scenario": header.scenario,
        "scenario_sha256": header.scenario_sha256,
        "policy": header.policy,
        "engine": header.engine,
        "seed": str(header.seed),
        "epoch_utc": header.epoch,
        "digest": header.digest,
        "instants": "seconds after epoch_utc, leap seconds counted",
        "synthetic": SYNTHETIC,
    }


def _write_csv(path: Path, columns: Sequence[Column], rows: Iterator[Cells], about: dict[str, str]) -> int:
    """Through the csv module, which writes None as nothing and numbers so that they read back the same."""
    count = 0
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow([column.name for column in columns])
        for cells in rows:
            writer.writerow(cells)
            count += 1
    return count


def _task_cells(life: Life) -> Cells:
    task, outcome = life.task, life.outcome
    deadline_s = task.deadline_s if task.deadline_s < NEVER_S else None
    reason = life.reason if life.ended_s is not None else None
    said = (None, None, None) if outcome is None else (outcome.label, outcome.cloud_fraction, outcome.product_bytes)
    return (
        task.id, task.node, task.model, task.priority, task.raw_bytes, task.inferences, deadline_s, task.at_s,
        life.sent_s, life.result_sent_s, life.started_s, life.finished_s, life.delivered_s, life.ended_s, life.how,
        reason, life.ran_on, *said,
    )  # fmt: skip


def _hop_cells(hop: Hop) -> Cells:
    order = hop.order
    return (
        order.task, order.what, order.node, order.to, order.contact, order.size_bytes, order.start_s, order.free_s,
        order.deliver_s, hop.delivered_s, hop.ended_s, hop.how,
    )  # fmt: skip


def _work_cells(work: Work) -> Cells:
    order, outcome = work.order, work.outcome
    finished_s = work.ended_s if outcome is not None else None
    said = (None, None, None) if outcome is None else (outcome.label, outcome.cloud_fraction, outcome.product_bytes)
    return (
        order.task, order.run, order.node, order.start_s, order.finish_s, finished_s, work.ended_s, work.how,
        order.basis, *said,
    )  # fmt: skip


def _contact_cells(number: int, contact: Contact) -> Cells:
    ranges_m = [None, None] if not any(contact.range_m) else [min(contact.range_m), max(contact.range_m)]
    ends_s = [min(contact.start_s + k * contact.step_s, contact.stop_s) for k in range(len(contact.bits_per_s) + 1)]
    bits = sum(rate * (ends_s[k + 1] - ends_s[k]) for k, rate in enumerate(contact.bits_per_s))
    return (
        number, contact.a, contact.b, contact.kind, contact.start_s, contact.stop_s, *ranges_m,
        min(contact.delay_ab_s), max(contact.delay_ab_s), min(contact.bits_per_s), max(contact.bits_per_s), bits / 8.0,
    )  # fmt: skip


def no_pyarrow(error: ImportError) -> BadInput:
    """What to do where pyarrow is missing."""
    text = "Parquet needs pyarrow, which is not installed: pip install 'orbitmesh[parquet]', or take --to csv"
    return BadInput(f"{text} ({error})")
