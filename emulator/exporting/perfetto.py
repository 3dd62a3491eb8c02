"""A trace as Chrome trace JSON, which Perfetto's UI and chrome://tracing open: who was busy with what, and when.

Nodes are processes; their processor, each transmitter (`to X`), each receiver (`from X`) and the Earth's shadow are
tracks; the process `links` has a track for each pair that meets. A task's slices are joined by flow arrows. Written as
it is read: memory grows with what is under way. Simulated instants from the scenario's epoch, in microseconds.
Source of the format: Trace Event Format, Google, 2016 ("JSON Object Format", complete, instant, flow, metadata).
"""

from os import PathLike
from pathlib import Path
from typing import IO, Any

import msgspec

from emulator.errors import TraceError
from emulator.events import Captured, ContactClosed, ContactOpened, Event, NodeFailed, NodeRecovered, SunRose, SunSet
from emulator.exporting.chrome_events import ChromeEvents
from emulator.exporting.outputs import new_file
from emulator.exporting.tracks import Track, Tracks, nanoseconds
from emulator.orders import Order
from emulator.state import BUNDLE
from emulator.trace import Trace
from emulator.tracing.records import BundleRecord, HopRecord, RunRecord, Sink, TaskRecord
from emulator.tracing.tables import about_trace
from emulator.tracing.telling import damage, tell
from emulator.world import STATION
from links.contacts import RADIO
from links.transfer import delay_s

PROCESSOR, CAMERA, SENDING, RECEIVING, SHADOW, OUTAGE = range(6)  # rows of a process, from the top
LINKS = "links"


class ChromeTrace(Sink):
    """Turns what has happened into events, written to `stream`."""

    def __init__(self, trace: Trace, stream: IO[str]) -> None:
        self._contacts = trace.world.plan.contacts
        self._end_ns = nanoseconds(trace.world.settings.duration_s)
        self._tracks = Tracks()
        self.events = ChromeEvents(stream, self._tracks)
        self._nodes = {node.name: self._tracks.process(node.name, node.kind) for node in trace.world.nodes}
        self._radios = {node.name for node in trace.world.nodes if node.kind != STATION}
        self._links = self._tracks.process(LINKS)
        self._open: dict[int, float] = {}  # contact -> since
        self._dark = {node.name: 0.0 for node in trace.world.nodes if node.kind != STATION and not node.sunlit}
        self._down: dict[str, float] = {}

    # what ended

    def hop(self, hop: HopRecord) -> None:
        """A message is a slice at its sender, while it is serialised, and one at its receiver, one light time on."""
        order = hop.order
        contact = self._contacts[order.contact]
        gone_s = order.free_s if hop.ended_s is None else min(order.free_s, hop.ended_s)
        radio = contact.kind == RADIO and order.node in self._radios
        says = {
            "task": order.task, "to": order.to, "size_bytes": order.size_bytes, "contact": order.contact,
            "how": hop.how, "light_time_s": order.deliver_s - order.free_s,
        }  # fmt: skip
        sending = self._track(order.node, "to the ground" if radio else f"to {order.to}", SENDING)
        flow = hop.owner if order.what != BUNDLE else _flow_of_bundle(order.task)
        self.events.slice(sending, order.what, order.start_s, gone_s, says, flow=flow)
        if hop.delivered_s is not None:
            first_bit_s = order.start_s + delay_s(contact, contact.a == order.node, order.start_s)
            says = {"task": order.task, "from": order.node, "size_bytes": order.size_bytes, "due_s": order.deliver_s}
            receiving = self._track(order.to, f"from {order.node}", RECEIVING)
            self.events.slice(receiving, order.what, first_bit_s, hop.delivered_s, says, flow=flow)

    def run(self, run: RunRecord) -> None:
        """A run is a slice of its processor."""
        order, outcome = run.order, run.outcome
        stop_s = order.finish_s if run.ended_s is None else run.ended_s
        says: dict[str, Any] = {"task": order.task, "run": order.run, "basis": order.basis, "how": run.how}
        if outcome is not None:
            cloud = {} if run.cloud_fraction is None else {"cloud_fraction": run.cloud_fraction}
            says |= {"label": outcome.label} | cloud
        track = self._track(order.node, "processor", PROCESSOR)
        name = order.task[len(run.owner) + 1 :] or "inference"  # of a pipeline: the stage
        self.events.slice(track, name, order.start_s, stop_s, says, flow=run.owner)

    def task(self, task: TaskRecord) -> None:
        """The slices of a task become one flow, in the order of time."""
        self.events.draw(task.task.id)

    def bundle(self, bundle: BundleRecord) -> None:
        """Those of a bundle too."""
        self.events.draw(_flow_of_bundle(bundle.bundle.id))

    # what happens

    def see(self, _number: int, event: Event, _orders: list[Order]) -> None:
        """What the sky does, faults, and captures."""
        if isinstance(event, Captured):
            task = event.task
            says = {"task": task.id, "raw_bytes": task.raw_bytes, "priority": task.priority, "synthetic": True}
            self.events.instant(self._track(event.node, "camera", CAMERA), "captured", event.at_s, says)
        elif isinstance(event, ContactOpened):
            self._open[event.contact] = event.at_s
        elif isinstance(event, ContactClosed):
            self._contact(event.contact, event.at_s)
        elif isinstance(event, SunSet):
            self._dark.setdefault(event.node, event.at_s)
        elif isinstance(event, SunRose):
            self._span(self._dark, event.node, event.at_s, "shadow", SHADOW)
        elif isinstance(event, NodeFailed):
            self._down.setdefault(event.node, event.at_s)
        elif isinstance(event, NodeRecovered):
            self._span(self._down, event.node, event.at_s, "failed", OUTAGE)

    def finish(self) -> None:
        """What still lasts ends with the run, and says so."""
        end_s = self._end_ns / 1e9
        for number in sorted(self._open):
            self._contact(number, end_s)
        for since, name, rank in ((self._dark, "shadow", SHADOW), (self._down, "failed", OUTAGE)):
            for node in sorted(since):
                self._span(since, node, end_s, name, rank)
        self.events.flush()

    def _contact(self, number: int, stop_s: float) -> None:
        since_s = self._open.pop(number, None)
        if since_s is None:
            return
        contact = self._contacts[number]
        says = {"contact": number, "max_bits_per_s": max(contact.bits_per_s), "kind": contact.kind}
        if any(contact.range_m):
            says |= {"min_range_m": min(contact.range_m), "max_range_m": max(contact.range_m)}
        name = f"{contact.a} - {contact.b}" if contact.kind != "uplink" else f"{contact.b} - {contact.a}, up"
        self.events.slice(self._tracks.track(self._links, name, 0), contact.kind, since_s, stop_s, says)

    def _span(self, since: dict[str, float], node: str, stop_s: float, name: str, rank: int) -> None:
        start_s = since.pop(node, None)
        if start_s is not None:
            self.events.slice(self._track(node, name, rank), name, start_s, stop_s, {})

    def _track(self, node: str, name: str, rank: int) -> Track:
        return self._tracks.track(self._nodes[node], name, rank)


def export_perfetto(trace: Trace, out: str | PathLike[str]) -> dict[str, int]:
    """Write the new file `out` (.json). Returns `{"events": n}`: how many trace events it holds.

    Raises `TraceError` for a trace that contradicts itself, `BadInput` for a name that is taken, OSError.
    """
    with new_file(Path(out)) as stream, damage(trace):
        stream.write('{"displayTimeUnit":"ms","otherData":')
        stream.write(msgspec.json.encode(about_trace(trace)).decode())
        stream.write(',\n"traceEvents":[\n')
        chrome = ChromeTrace(trace, stream)
        tell(trace, chrome, chrome.see)
        chrome.finish()
        stream.write("\n]}\n")
    if not chrome.events.count:
        raise TraceError(f"{trace.folder}: a world without nodes")
    return {"events": chrome.events.count}


def _flow_of_bundle(name: str) -> str:
    """Names of bundles may be those of tasks."""
    return f"bundle {name}"
