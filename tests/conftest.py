"""Small live runs by hand: satellites A, B, C and station G as real processes, in a world of round numbers.

Light takes a quarter of a second over every link, far more than a busy host needs to pass a message on, so that no
run is refused for its rate and every wait is long against the host's hiccups. The virtual engine runs the same world.
"""

import dataclasses
import os
import select
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.clock import wall_s

LIGHT_S = 0.25
LASER_BITS_PER_S = 8e6  # a megabyte a second
RADIO_BITS_PER_S = 8e6
MEGABYTE = 1_000_000
for _name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR"):
    os.environ.pop(_name, None)  # how a terminal is to be written to, which rich reads when it is imported
PATIENT = {"rate": 1.0, "late_budget_s": 3600.0, "spin_s": 0.0}  # lateness is for benchmarks to judge, never for tests


@pytest.fixture(scope="session", autouse=True)
def _somewhere_for_caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Generated models are kept between runs; where there is no home that can be written to, for this one."""
    if not os.access(os.path.expanduser("~"), os.W_OK):
        os.environ.setdefault("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def _own_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A scheduler that one test wrote, imported by its name, is not that of the next test in this process."""
    before = set(sys.modules)
    path = [*sys.path]
    yield
    sys.path[:] = path
    folder = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


class Played:
    """A run that has ended: its core, every fact with its orders, and what only a live run has."""

    def __init__(self, core: Any, lines: list[Any], figures: Any, digest: str) -> None:
        self.core, self.lines, self.figures, self.digest = core, lines, figures, digest

    def facts(self, kind: type) -> list[Any]:
        return [fact for fact, _ in self.lines if type(fact) is kind]

    def orders(self, kind: type) -> list[Any]:
        return [order for _, orders in self.lines for order in orders if type(order) is kind]

    @property
    def placements(self) -> dict[tuple[str, int], str]:
        """Node of every run, by the task and its count of runs."""
        from emulator.orders import Run

        found: dict[tuple[str, int], str] = {}
        for order in self.orders(Run):
            found[order.task, sum(task == order.task for task, _ in found)] = order.node
        return found

    @property
    def hops(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """The way of every message, hop by hop."""
        from emulator.orders import Send

        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for order in self.orders(Send):
            found.setdefault((order.task, order.what), []).append((order.node, order.to))
        return found

    @property
    def fates(self) -> dict[str, tuple[str, str]]:
        """How each task and bundle ended, and why."""
        from emulator.orders import End

        return {order.task: (order.how, order.reason) for order in self.orders(End)}

    @property
    def ended_s(self) -> dict[str, float]:
        """When."""
        from emulator.orders import End

        return {order.task: fact.at_s for fact, orders in self.lines for order in orders if type(order) is End}


class Chaos:
    """Stands where the live table is drawn: called some twenty times a second on the coordinator's own thread."""

    def __init__(self, *acts: Callable[[Any], bool]) -> None:
        self.acts = list(acts)  # each is tried until it says that it is done, then the next one
        self.engine: Any = None

    def show(self, engine: Any, incidents: list[str]) -> None:
        self.engine = engine
        while self.acts and self.acts[0](engine):
            self.acts.pop(0)

    def close(self) -> None:
        """As the board."""


class Stage:
    """Makes and plays worlds out of few words."""

    Chaos = Chaos
    light_s, megabyte, patient = LIGHT_S, MEGABYTE, PATIENT

    def children(self, pid: int) -> list[int]:
        """Processes that were started by a process and live; Python's own tracker of shared resources is none."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            fields = _stat(path)
            if fields and fields[1] == str(pid) and fields[0] != "Z" and b"resource_tracker" not in _command(path):
                found.append(int(path.parent.name))
        return sorted(found)

    def alive(self, pids: Iterable[int]) -> list[int]:
        """Those that have not ended."""
        return [pid for pid in pids if (_stat(Path(f"/proc/{pid}/stat")) or ["Z"])[0] != "Z"]

    def pause(self, pause_s: float) -> None:
        """Do nothing; no answer to the question when something will be true."""
        select.select((), (), (), pause_s)

    def until(self, done: Callable[[], Any], limit_s: float = 60.0) -> Any:
        """Wait for something to become true; the limit is for what never does."""
        end_s = wall_s() + limit_s
        while not (found := done()):
            assert wall_s() < end_s, "it never came"
            self.pause(0.01)
        return found

    def scenario(self, satellites: Iterable[str] = "ABC", stations: Iterable[str] = "G", **fields: Any) -> str:
        """A scenario file: satellites and stations of the one that ships, in its order called A to L and G to J."""
        base = tomllib.loads((files("emulator.scenarios") / "three-body.toml").read_text(encoding="utf-8"))
        lines = ['extends = "three-body-live"', 'name = "stage"']
        lines += [f"{name} = {value!r}" for name, value in fields.items()]
        for name in satellites:
            element = base["satellites"]["elements"][ord(name) - ord("A")]
            lines += ["[[satellites.elements]]", *_lines(element | {"name": name})]
        for name in stations:
            lines += ["[[stations]]", *_lines(base["stations"][ord(name) - ord("G")] | {"name": name})]
        return "\n".join(lines) + "\n"

    def task(self, name: str, at_s: float, node: str = "A", work_s: float = 0.25, raw_bytes: int = MEGABYTE) -> Any:
        """A scene whose inference takes `work_s` on any satellite."""
        from workloads.arrivals import NEVER_S
        from workloads.tasks import Task

        return Task(name, at_s, node, raw_bytes, "cloud-screen", max(1, round(work_s * 1000)), 0, NEVER_S, 0)

    def laser(self, a: str, b: str, start_s: float = 0.0, stop_s: float = 1000.0) -> Any:
        from links.contacts import constant_contact

        return constant_contact(a, b, start_s, stop_s, LIGHT_S, LASER_BITS_PER_S)

    def radio(self, a: str, b: str = "G", start_s: float = 0.0, stop_s: float = 1000.0) -> Any:
        from links.contacts import constant_contact

        return constant_contact(a, b, start_s, stop_s, LIGHT_S, RADIO_BITS_PER_S, "radio")

    def build(self, contacts: Iterable[Any], tasks: Iterable[Any], faults: Iterable[Any] = (), duration_s: float = 3.0,
              satellites: Iterable[str] = "ABC", stations: Iterable[str] = "G", more: str = "") -> Any:  # fmt: skip
        """An assembled world with these contacts, captures and faults only; `more`: tables of a scenario."""
        from emulator.assemble import assemble
        from emulator.events import Captured, ContactClosed, ContactOpened
        from emulator.scenario import parse
        from links.contacts import ContactPlan
        from nodes.processor import Processor

        text = self.scenario(satellites, stations, duration_s=duration_s) + more
        made = assemble(parse(text, "stage.toml", None), ["mesh"], infer=False)
        model = made.world.models["cloud-screen"]
        slow = Processor(
            name="slow", peak_ops_per_s={"int8": model.ops * 1000.0}, efficiency=1.0, memory_bytes_per_s=1e15,
            memory_bytes=1e12, idle_power_w=10.0, busy_power_w=20.0,
        )  # fmt: skip
        ordered = tuple(
            msgspec.structs.replace(c, stop_s=min(c.stop_s, duration_s))
            for c in sorted(contacts, key=lambda c: (c.start_s, c.a, c.b))
        )
        world = msgspec.structs.replace(
            made.world,
            nodes=[msgspec.structs.replace(node, processor=slow) for node in made.world.nodes],
            plan=ContactPlan(duration_s, ordered, ()),
            settings=msgspec.structs.replace(made.world.settings, batch=1),
        )
        facts = [Captured(task.at_s, task.node, task) for task in tasks]
        facts += [ContactOpened(contact.start_s, contact.a, n) for n, contact in enumerate(ordered)]
        facts += [ContactClosed(c.stop_s, c.a, n) for n, c in enumerate(ordered) if c.stop_s < duration_s]
        return dataclasses.replace(made, world=world, facts=[*facts, *faults])

    def virtual(self, made: Any, decide: Any) -> Played:
        """Run it on the virtual engine."""
        from emulator import virtual

        core, lines, recorder = _recorded(made.world, decide)
        duration_s, pipeline = made.world.settings.duration_s, made.world.pipeline
        virtual.run(_Both(recorder, lines), made.facts, duration_s, made.infer, None, pipeline)
        return Played(core, lines, None, recorder.digest())

    def live(self, made: Any, decide: Any, *acts: Callable[[Any], bool], **options: Any) -> Played:
        """Run it on real processes; `acts` is what befalls them."""
        from emulator.assemble import silent
        from emulator.live.launch import Launch
        from emulator.live.options import LiveOptions

        core, lines, recorder = _recorded(made.world, decide)
        board: Any = Chaos(*acts)
        launch = Launch(made, core, LiveOptions(**PATIENT | options), board)
        figures = launch.play(_Both(recorder, lines), silent)
        return Played(core, lines, figures, recorder.digest())

    def played(self, lines: list[Any]) -> Played:
        """A run of which a trace is left."""
        return Played(None, lines, None, "")

    def ended(self, scenes: int) -> Callable[[Any], bool]:
        """The act that waits for as many scenes to be done, dropped or lost."""
        return lambda engine: sum(engine.core.ended.values()) == scenes

    def over(self, engine: Any) -> bool:
        """The last act: the run ends now, so that none has to last as long as a busy host might need."""
        from emulator.events import Ended

        if engine.now_s <= 0.0 or engine._heap[0][0] < engine.now_s:
            return False  # it has not begun, or is about to handle something
        engine.duration_s = engine.now_s
        engine._push(Ended(engine.duration_s))
        return True

    def hangs(self, engine: Any) -> list[Any]:
        """What the core believes to be under way or running and nobody will ever report, and the reverse."""
        from emulator.events import Delivered, Finished, Missed

        reported = [entry[4] for entry in engine._heap]  # too late for the run, which is over
        messages = {(e.task, e.what) for e in reported if isinstance(e, Delivered | Missed)} | set(
            engine.leases.messages
        )
        runs = {e.run for e in reported if isinstance(e, Finished)} | set(engine.leases.runs)
        nodes = engine.core.nodes.values()
        found: list[Any] = sorted(messages ^ set(engine.core.transport.in_flight))
        running = [state for node in nodes for state in node.batch or [node.running] if state is not None]
        found += sorted(runs ^ {state.run for state in running})
        return found + [n for n in engine.leases.by_contact.values() if n < 0]

    def replayed(self, made: Any, decide: Any, played: Played) -> str:
        """The digest of a fresh core that is told the same facts."""
        _, _, recorder = _recorded(made.world, decide)
        for fact, _ in played.lines:
            recorder.handle(fact)
        return str(recorder.digest())


class _Both:
    """Records, and keeps what was recorded at hand."""

    def __init__(self, recorder: Any, lines: list[Any]) -> None:
        self._recorder, self._lines = recorder, lines

    def handle(self, event: Any) -> Any:
        orders = self._recorder.handle(event)
        self._lines.append((event, orders))
        return orders


def _recorded(world: Any, decide: Any) -> tuple[Any, list[Any], Any]:
    from emulator.core import Core
    from emulator.recorder import Recorder

    core = Core(world, decide)
    return core, [], Recorder(core)


def _stat(path: Path) -> list[str]:
    """State, parent and so on of a process; empty if it is gone."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _command(path: Path) -> bytes:
    """The command line of a process; empty if it is gone."""
    try:
        return path.with_name("cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in table.items()]


@pytest.fixture(scope="session")
def stage() -> Stage:
    return Stage()
