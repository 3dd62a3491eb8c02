"""The columns of a trace's tables: names with units, kinds, and what each cell says; one set for every reader of them.

Instants (`_s`) are seconds after the scenario's epoch. Missing is missing, never 0 or -1.
"""

from typing import NamedTuple

TEXT, INT, FLOAT = "text", "int", "float"


class Column(NamedTuple):
    """A column: its name with unit, what its cells are (`text`, `int`, `float`), what it says."""

    name: str
    kind: str
    says: str


TASKS = (
    Column("task", TEXT, "name of the task (a scene)"),
    Column("node", TEXT, "satellite that captured it"),
    Column("model", TEXT, "that it asks for"),
    Column("priority", INT, "larger is more urgent"),
    Column("raw_bytes", INT, "size of the scene"),
    Column("inferences", INT, "tiles it is cut into, each one run of the model"),
    Column("deadline_s", FLOAT, "by when it should be answered; missing if it has no deadline"),
    Column("captured_s", FLOAT, "it was taken"),
    Column("sent_s", FLOAT, "its first message, raw, of a stage, or result, began to leave"),
    Column("result_sent_s", FLOAT, "its result first began to leave"),
    Column("started_s", FLOAT, "its first run began, whatever became of that run"),
    Column("finished_s", FLOAT, "its last run that finished ended"),
    Column("delivered_s", FLOAT, "the whole answer was on the ground; missing unless it is done"),
    Column("ended_s", FLOAT, "it was done, dropped or lost"),
    Column("how", TEXT, "done, dropped, lost, or pending when the trace ends"),
    Column("reason", TEXT, "why it ended so; of tasks that are done, the label; missing while pending"),
    Column("runs", INT, "how often it was started on a processor, all its stages counted"),
    Column("ran_on", TEXT, "node of its last run that finished"),
    Column("label", TEXT, "what inference said, in that run"),
    Column("cloud_fraction", FLOAT, "0 to 1, as a cloud screen said; missing where none did"),
    Column("product_bytes", INT, "size of the answer"),
)
BUNDLES = (
    Column("bundle", TEXT, "name of the bundle: data that an application sent to another"),
    Column("node", TEXT, "it was offered on"),
    Column("target", TEXT, "node of the application it is for"),
    Column("priority", INT, "larger is more urgent"),
    Column("size_bytes", INT, "carried"),
    Column("offered_s", FLOAT, "its application handed it over"),
    Column("sent_s", FLOAT, "it first began to leave"),
    Column("delivered_s", FLOAT, "it was at its target"),
    Column("ended_s", FLOAT, "it was done or lost"),
    Column("how", TEXT, "done, lost, or pending when the trace ends"),
    Column("reason", TEXT, "why it was lost"),
)
HOPS = (
    Column("task", TEXT, "task, stage of a task (task#stage), or bundle"),
    Column("what", TEXT, "raw, result, bundle, or the stage whose output it is"),
    Column("from_node", TEXT, "sender on this hop"),
    Column("to_node", TEXT, "receiver on this hop"),
    Column("contact", INT, "number in contacts"),
    Column("size_bytes", INT, "carried"),
    Column("start_s", FLOAT, "its first bit left"),
    Column("free_s", FLOAT, "its last bit left, or would have: the transmitter is free"),
    Column("due_s", FLOAT, "its last bit was due: one light time after free_s"),
    Column("delivered_s", FLOAT, "its last bit was there; missing if it was lost or withdrawn"),
    Column("ended_s", FLOAT, "it was delivered, lost or withdrawn"),
    Column("how", TEXT, "delivered, lost, withdrawn (its task had ended), or in flight when the trace ends"),
)
RUNS = (
    Column("task", TEXT, "task, or stage of a task (task#stage)"),
    Column("run", INT, "number of the run"),
    Column("node", TEXT, "that ran it"),
    Column("start_s", FLOAT, "it began"),
    Column("due_s", FLOAT, "it should have ended"),
    Column("finished_s", FLOAT, "it was finished; missing if it was cancelled or lost"),
    Column("ended_s", FLOAT, "it was finished, cancelled or lost with its node"),
    Column("how", TEXT, "finished, cancelled, lost, or running when the trace ends"),
    Column("basis", TEXT, "how its time is known: calibrated, scaled or preset"),
    Column("label", TEXT, "what inference said"),
    Column("cloud_fraction", FLOAT, "0 to 1, as a cloud screen said; missing where none did"),
    Column("product_bytes", INT, "size of the answer"),
)
CONTACTS = (
    Column("contact", INT, "number"),
    Column("a", TEXT, "laser: the smaller name; radio: the satellite; uplink: the station"),
    Column("b", TEXT, "the other end"),
    Column("kind", TEXT, "laser, radio (down) or uplink"),
    Column("start_s", FLOAT, "usable from, acquisition over"),
    Column("stop_s", FLOAT, "usable until"),
    Column("min_range_m", FLOAT, "at the knots of the contact; missing where the plan states none"),
    Column("max_range_m", FLOAT, "at the knots of the contact; missing where the plan states none"),
    Column("min_delay_s", FLOAT, "one-way light time from a to b, at the knots"),
    Column("max_delay_s", FLOAT, "one-way light time from a to b, at the knots"),
    Column("min_bits_per_s", FLOAT, "least rate"),
    Column("max_bits_per_s", FLOAT, "best rate"),
    Column("capacity_bytes", FLOAT, "what it could carry one way: the rate summed over its time, over 8"),
)
FACTS = (
    Column("line", INT, "of the log, from 1"),
    Column("at_s", FLOAT, "it happened"),
    Column("kind", TEXT, "of fact"),
    Column("node", TEXT, "where; missing for the run's own"),
    Column("task", TEXT, "task, stage of a task, or bundle; missing where it is about none"),
    Column("orders", INT, "that it led to"),
)
DECISIONS = (
    Column("at_s", FLOAT, "the scheduler was asked"),
    Column("trigger", TEXT, "why it was asked"),
    Column("kind", TEXT, "assign, downlink, drop, preempt, wake, or ? for what was no decision"),
    Column("task", TEXT, "that it is about"),
    Column("to_node", TEXT, "assign: the node; downlink: the station, missing for any"),
    Column("reason", TEXT, "drop: why"),
    Column("wake_s", FLOAT, "wake: when it wants to be asked again"),
)
TABLES: dict[str, tuple[Column, ...]] = {
    "tasks": TASKS, "hops": HOPS, "runs": RUNS, "bundles": BUNDLES, "contacts": CONTACTS, "facts": FACTS,
    "decisions": DECISIONS,
}  # fmt: skip
