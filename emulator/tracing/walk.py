"""Walks through what a trace says of one task, and knows since when each part of it could have gone on.

What is an echo (of a message or run that had been lost, cancelled or withdrawn) changes nothing (`ends.py`).
"""

from collections.abc import Iterator
from typing import NamedTuple

from emulator.events import Captured, Delivered, Event, Finished, Missed, NodeFailed, Offered
from emulator.orders import Cancel, End, Order, Run, Send
from emulator.state import RESULT
from emulator.tracing.ends import ends_message, ends_run, loses_message, loses_run
from emulator.tracing.records import PENDING, Clouds
from emulator.tracing.waits import Left, Wait
from emulator.tracing.words import in_words, named
from emulator.world import World
from workloads.pipeline import CLOUDY, RAW, Graph

ECHO = " (an echo: it had been lost, cancelled or withdrawn)"


class Happening(NamedTuple):
    """A step as it is found, before the reasons of its wait are."""

    at_s: float
    said: Event | Order
    what: str  # in words
    node: str
    part: str
    wait: Wait | None


class Walk:
    """Goes through what a trace says of a task and knows since when each part of it could have gone on."""

    def __init__(self, world: World, task: str, decided_s: dict[str, list[float]]) -> None:
        self._graph = None if world.pipeline is None else Graph(world.pipeline, world.models)
        self._clouds = Clouds(world)
        self._task = task
        self._decided_s = decided_s  # by part
        self.how = PENDING
        self.reason: str | None = None
        self._begin_s = 0.0
        self._finished_s: dict[str, float] = {}  # by part
        self._again_s: dict[str, float] = {}  # when a part was cancelled, or what was sent for it was lost
        self._moved_s: dict[tuple[str, str], float] = {}  # (id, what) -> when it was there
        self._came_s: dict[tuple[str, str], float] = {}  # (what, node) -> when data came, under whatever id
        self._flying: dict[tuple[str, str], Send] = {}
        self._running: dict[str, Run] = {}
        self._idle: dict[str, tuple[float, str]] = {}  # part -> since when it lies where, neither sent nor run

    def take(self, event: Event, ours: list[Event | Order]) -> Iterator[Happening]:
        """What one line says of the task: its fact, if it is of the task, and orders."""
        if isinstance(event, NodeFailed):
            yield from self._failed(event)
        for said in ours:
            part = named(said)
            wait = self._wait(said, part, event) if isinstance(said, Send | Run) else None
            node, echo = getattr(said, "node", ""), self._is_echo(said, part)
            words = in_words(said, clouds=self._clouds) + (ECHO if echo else "")
            yield Happening(event.at_s, said, words, node, part, wait)
            if not echo:
                self._note(said, part, event.at_s)

    def _is_echo(self, said: Event | Order, part: str) -> bool:
        """Whether it tells of a message or run that is no more."""
        if isinstance(said, Delivered | Missed):
            return not ends_message(said, self._flying.get((part, said.what)))
        return isinstance(said, Finished | Cancel) and not ends_run(said, self._running.get(part))

    def _note(self, said: Event | Order, part: str, at_s: float) -> None:
        if isinstance(said, Captured | Offered):
            self._begin_s = at_s
            self._idle.update(dict.fromkeys(self._after(None), (at_s, said.node)))
        elif isinstance(said, Send):
            self._flying[part, said.what] = said
            self._idle.pop(part, None)
        elif isinstance(said, Run):
            self._running[part] = said
            self._idle.pop(part, None)
        elif isinstance(said, Missed):
            del self._flying[part, said.what]
        elif isinstance(said, Delivered):
            del self._flying[part, said.what]
            self._moved_s[part, said.what] = self._came_s[said.what, said.node] = at_s
            self._idle[part] = (at_s, said.node)
        elif isinstance(said, Finished):
            self._finished_s[part] = at_s
            del self._running[part]
            self._idle.update(dict.fromkeys(self._after(part, said.outcome.label), (at_s, said.node)))
        elif isinstance(said, Cancel):
            self._again_s[part] = at_s
            del self._running[part]
            self._idle[part] = (at_s, said.node)
        elif isinstance(said, End) and part == self._task:
            self.how, self.reason = said.how, said.reason or None
            self._flying.clear()  # what is still on its way is withdrawn: an echo when it comes
            self._running.clear()

    def _after(self, part: str | None, label: str = "") -> list[str]:
        """What waits once a part has run, or (None) once it was captured: stages whose turn it is, or its result."""
        graph = self._graph
        if graph is None:
            return [part or self._task]
        if part is None:
            return [f"{self._task}#{name}" for name in graph.roots]
        name = part[len(self._task) + 1 :]
        if name not in graph.stages or not graph.next[name] or graph.stages[name].exit == CLOUDY == label:
            return [part]
        ready = [each for each in graph.next[name] if all(self._has_run(before) for before in graph.stages[each].after)]
        return [f"{self._task}#{each}" for each in ready]

    def _has_run(self, stage: str) -> bool:
        return f"{self._task}#{stage}" in self._finished_s

    def left(self, until_s: float) -> list[Left]:
        """The parts that neither move nor run when the trace ends."""
        return [
            Left(part, node, since_s, until_s, part in self._finished_s, self._decided(part, since_s, until_s))
            for part, (since_s, node) in self._idle.items()
        ]

    def _decided(self, part: str, since_s: float, until_s: float) -> list[float]:
        return [at_s for at_s in self._decided_s.get(part, ()) if since_s <= at_s <= until_s]

    def _failed(self, event: NodeFailed) -> Iterator[Happening]:
        """What of it was lost with a node."""
        for (part, what), send in list(self._flying.items()):
            if loses_message(event, send):
                del self._flying[part, what]
                self._again_s[part] = self._moved_s[part, what] = event.at_s
                self._idle[part] = (event.at_s, send.node)
                text = f"{what} on the way from {send.node} lost: {event.node} failed"
                yield Happening(event.at_s, event, text, event.node, part, None)
        for part, run in list(self._running.items()):
            if loses_run(event, run):
                del self._running[part]
                yield Happening(event.at_s, event, f"run {run.run} lost: {event.node} failed", event.node, part, None)

    def _wait(self, said: Send | Run, part: str, fact: Event) -> Wait:
        since_s = [self._ready_s(part)]
        if isinstance(said, Run):
            since_s += [self._came_s.get((what, said.node), 0.0) for what in self._sources(part)]
            since_s.append(self._again_s.get(part, 0.0))
        elif said.what == RESULT:
            since_s += [self._finished_s.get(part, 0.0), self._moved_s.get((part, said.what), 0.0)]
        else:
            since_s += [self._moved_s.get((part, said.what), 0.0), self._again_s.get(part, 0.0)]
        latest_s = max(since_s)
        return Wait(part, said, latest_s, fact, self._decided(part, latest_s, said.start_s))

    def _ready_s(self, part: str) -> float:
        """When a part of it began to wait for a decision: at the begin, or when the last stage before it ended."""
        if self._graph is None or part == self._task:
            return self._begin_s
        name, before = part[len(self._task) + 1 :], self._graph.beyond
        ends_s = [
            at_s for other, at_s in self._finished_s.items() if name in before.get(other[len(self._task) + 1 :], ())
        ]
        return max(ends_s, default=self._begin_s)

    def _sources(self, part: str) -> tuple[str, ...]:
        return (RAW,) if self._graph is None else self._graph.sources.get(part[len(self._task) + 1 :], ())
