"""Puts a live run together: tiles on a shelf, processes, links, pace; runs it; counts what came of it; leaves nothing.

The run's figures come from the core as in the virtual engine; here is what only real processes have: lateness, rate,
overruns, restarts, and the count of letters, which must add up.
"""

import gc
import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from math import inf
from pathlib import Path

from emulator import console
from emulator.assemble import Assembled, Bar
from emulator.clock import wall_s
from emulator.core import Core
from emulator.errors import BadInput, RunFailed
from emulator.events import Captured
from emulator.live import control as say
from emulator.live.answers import Answers
from emulator.live.board import Board
from emulator.live.crew import Crew, counted
from emulator.live.engine import Engine
from emulator.live.figures import LiveFigures, check_letters
from emulator.live.floor import measure_floor
from emulator.live.governor import Governor
from emulator.live.host_room import make_room
from emulator.live.lateness import Lateness
from emulator.live.metering import IDLE_S, READ_S, find_counter, read_j
from emulator.live.model_transfer import by_path, by_wire
from emulator.live.muster import muster
from emulator.live.options import LiveOptions
from emulator.live.programs import Programs
from emulator.live.rates import Closest, refusal
from emulator.live.roster import Member
from emulator.live.wait import choose_spin
from emulator.recorder import Door
from emulator.report import quantile
from links.endpoints import check_free, ipc_endpoint, private_folder
from links.envelope import Limits
from workloads.measuring.energy import Found
from workloads.runtime import onnxruntime
from workloads.scenery.shelf import fill
from workloads.sessions import PROVIDERS

CROWDED_SPIN_S = 200e-6  # twelve nodes on two cores, one series: p99 440 to 500 us; 640 with 400 us, 740 with 50 us
GOES = 3  # of measuring, where the first says that light would be overtaken
PROBES = 200  # messages by which transport is measured: a fifth of a second
HELD_BYTES = 256 << 20  # of applications' data on one node; more is refused to who offers it [guess]
KEEP_S = 1.0  # wall seconds between times at which the trace is put to disk: what a kill may cost [guess]
MOST_NOTES = 50  # of what went wrong with nodes, kept for the result


class Launch:
    """One live run, from its first process to its last."""

    def __init__(self, assembled: Assembled, core: Core, options: LiveOptions, board: Board) -> None:
        self.assembled, self.core, self.options, self.board = assembled, core, options, board
        self.incidents: list[str] = []
        self._sent: list[say.Model] = []  # to nodes on other hosts; opened once for all of them
        self._deciding = False  # a scheduler's code may run now, and only now
        self.begun = False  # emulated time runs, or has run
        self._rounds = 0
        self._run = secrets.token_bytes(16)
        waited = assembled.mission.models if assembled.mission is not None else {}
        given = [event.task for event in assembled.facts if isinstance(event, Captured)]
        self._scenes = [task for task in given if task.model not in waited]  # what models run on
        self._infers = bool(self._scenes)
        self._spin_s = self._spin() if options.spin_s is None else options.spin_s
        problems = options.problems() + self._name_problems() + self._provider_problems() + self._size_problems()
        if problems:
            raise BadInput("; ".join(problems))

    def _spin(self) -> float:
        """As long as this host oversleeps; less where more nodes than cores would only spin each other away."""
        crowded = len(self.assembled.world.nodes) > (os.cpu_count() or 1)
        return min(choose_spin(), CROWDED_SPIN_S) if crowded else choose_spin()

    @property
    def handled(self) -> int:
        """For the watchdog: grows while the run goes on, and whenever it is not the scheduler that takes so long."""
        if not self._deciding:
            self._rounds += 1
        return self._rounds

    def _name_problems(self) -> list[str]:
        known = [node.name for node in self.assembled.world.nodes]
        named = [("--remote", name) for name in self.options.remote]
        named += [("--app", name) for name, _ in self.options.applications]
        return [
            f"{option} {name!r}: there is no such node; there are {', '.join(known[:20])}"
            for option, name in named
            if name not in known
        ]

    def _size_problems(self) -> list[str]:
        """Scenes and products that are too large to travel as real bytes."""
        if self.options.payload != "real":
            return []
        products = self.assembled.loaded.scenario.products
        tasks = [event.task.raw_bytes for event in self.assembled.facts if isinstance(event, Captured)]
        graph = self.core.stages.graph
        whole = [event.task for event in self.assembled.facts if isinstance(event, Captured)] if graph.stages else []
        tasks += [graph.size_bytes(name, task.inferences, task) for task in whole for name in graph.stages]
        largest = max([*tasks, products.product_bytes, products.summary_bytes, products.load_product_bytes])
        most = Limits().message_bytes - Limits().header_bytes
        return [f"--payload real: a message of {largest} bytes; {most} at most travel in one"] if largest > most else []

    def _provider_problems(self) -> list[str]:
        """What this host's nodes cannot run their models with; those of others say so themselves."""
        wanted = PROVIDERS.get(self.options.provider, "")
        if self.options.provider == "cpu" or not self._infers or len(self.options.remote) == len(self._members()):
            return []
        there = onnxruntime().get_available_providers()
        if wanted in there:
            return []
        has = ", ".join(name for name, known in PROVIDERS.items() if known in there)
        return [f"--provider {self.options.provider}: it is not there: this onnxruntime has {has}"]

    def play(self, door: Door, bar: Bar, keep: Callable[[], object] | None = None) -> LiveFigures:
        """Run it; `keep` puts to disk what was recorded so far. Raises BadInput for what cannot be and RunFailed for
        what went wrong."""
        started_s = kept_s = wall_s()
        members = self._members()
        make_room(len(members), sum(not member.remote for member in members), self._infers)
        for member in members if self.options.sockets else ():
            if not member.remote:
                check_free(self._door(member))
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(private_folder()))
            crew = self.crew = Crew(members, self.options, self._folder, self._welcome, self._note)
            stack.callback(self._remove_doors)
            stack.callback(crew.close)
            if self.options.remote:
                console.err.print(_invitation(crew.roster.endpoint, self.options), soft_wrap=True)
            self._fill_shelf(bar)
            advance = bar("nodes", float(len(crew.members)))
            muster(crew, advance)
            counter = self._idle(crew)
            closest = Closest(self.assembled.world.plan.contacts, self.core.settings.duration_s)
            floor_s = self._floor_s(crew, closest)
            engine = self._engine(door, crew, closest, floor_s)
            start_s = wall_s() - started_s
            self._tell_doors(crew)
            programs = stack.enter_context(Programs(self.options.applications, crew.members))
            gc.collect()
            gc.freeze()  # a collection that walks through a day of facts would take longer than light needs
            stack.callback(gc.unfreeze)
            advance = bar("live", engine.duration_s)
            begun_s = wall_s()

            def watch(engine: Engine) -> None:
                nonlocal kept_s
                self._rounds += 1
                if keep is not None and wall_s() > kept_s + KEEP_S:
                    keep()
                    kept_s = wall_s()
                programs.look(engine.now_s, self._note)
                self.board.show(engine, self.incidents)
                advance(engine.now_s)

            self._run_counted(engine, watch, counter)
            lasted_s = wall_s() - begun_s
            crew.finish()
            first_s = None if engine.first_s is None else engine.first_s - started_s
            figures = self._figures(engine, crew, floor_s, (start_s, first_s, lasted_s))
        if not crew.cut_off:
            check_letters(figures, len(engine.leases.messages))
        return figures

    def _tell_doors(self, crew: Crew) -> None:
        """Where applications find the nodes of this host; others say so there."""
        if self.options.sockets:
            for member in (member for member in crew.members.values() if not member.remote):
                console.err.print(f"{member.name}: applications connect to {member.door}", soft_wrap=True)

    def _run_counted(self, engine: Engine, watch: Callable[[Engine], None], counter: Found) -> None:
        """Let time run, and count what this host draws meanwhile."""
        self._deciding = self.begun = True
        begun_j, read_s = read_j(counter), wall_s()

        def look(engine: Engine) -> None:
            nonlocal read_s
            if wall_s() > read_s + READ_S:
                read_j(counter)
                read_s = wall_s()
            watch(engine)

        try:
            engine.run(look)
        finally:
            self._deciding = False
        ended_j = read_j(counter)
        if begun_j is not None and ended_j is not None:
            self.crew.meter.host_j = ended_j - begun_j

    def _remove_doors(self) -> None:
        """A socket that nobody listens at any more would keep programs waiting; those of another run are not ours."""
        for member in self.crew.members.values() if self.options.sockets else ():
            if member.door and not member.remote:
                Path(member.door.removeprefix("ipc://")).unlink(missing_ok=True)

    def _members(self) -> list[Member]:
        remote = set(self.options.remote)
        return [Member(node.name, node.kind, node.name in remote) for node in self.assembled.world.nodes]

    def _engine(self, door: Door, crew: Crew, closest: Closest, floor_s: float) -> Engine:
        duration_s = self.core.settings.duration_s
        problem = refusal(closest, duration_s, self.options.rate, floor_s) if self.options.rate is not None else ""
        if problem:
            raise BadInput(problem)
        unsure_s = crew.abroad.unsure_s
        governor = Governor(closest, floor_s, self.options.late_budget_s, self.options.rate, unsure_s)
        answers = Answers(self.assembled, self.core)
        return Engine(door, crew, answers, governor, self.options, self.assembled.facts, duration_s)

    def _floor_s(self, crew: Crew, closest: Closest) -> float:
        """p99 of what a message takes; the least of up to three goes where it is more than the rate allows.

        Nodes have just started, and a host has rough moments; what it can do in a calm one is what it can do.
        """
        duration_s, rate = self.core.settings.duration_s, self.options.rate
        best_s = inf
        for _ in range(GOES):
            samples = measure_floor(crew, max(PROBES, 2 * len(crew.members)))
            best_s = min(best_s, quantile(samples, 0.99) or inf)
            if not refusal(closest, duration_s, 1.0 if rate is None else rate, best_s):
                break
        return best_s

    def _idle(self, crew: Crew) -> Found:
        """This host's counter of joules, and with it what the host draws while all nodes are up and none works."""
        near = [member for member in crew.members.values() if not member.remote]
        if not (near and self._infers):
            return Found(None, "")
        counter = find_counter(self.options.provider, self.options.powercap)
        begun_j, begun_s = read_j(counter), wall_s()
        while begun_j is not None and wall_s() < begun_s + IDLE_S:
            crew.wait(begun_s + IDLE_S)
            crew.hear()
        ended_j = read_j(counter)
        if begun_j is not None and ended_j is not None:
            crew.meter.idle_power_w = (ended_j - begun_j) / (wall_s() - begun_s)
        return counter

    def _fill_shelf(self, bar: Bar) -> None:
        """Make the tiles that will be looked at, in a file that all nodes of this host read."""
        if not self._infers:
            return
        tiles = sorted({task.tile for task in self._scenes})
        advance = bar("tiles", float(len(tiles)))
        try:
            fill(self._folder / "tiles.f32", self.assembled.runner.bank, tiles, lambda done: advance(float(done)))
        except OSError as error:
            why = f"{error.strerror}; make room, or set TMPDIR to another folder"
            raise RunFailed(f"{len(tiles)} tiles cannot be written to {self._folder}: {why}") from error

    def _welcome(self, member: Member) -> say.Welcome:
        scenario = self.assembled.loaded.scenario
        far = member.remote
        return say.Welcome(
            node=member.name,
            epoch=member.epoch,
            run=self._run,
            scenario=scenario.name,
            scenario_sha256=self.assembled.loaded.sha256,
            epoch_utc=scenario.epoch,
            nodes=[node.name for node in self.assembled.world.nodes],
            ear=self._ear(member),
            door="" if far else self._door(member),
            models=self._models(far),
            products=scenario.products,
            tiles=scenario.imaging.distinct_tiles,
            tiles_path="" if far else str(self._folder / "tiles.f32"),
            provider=self.options.provider,
            threads=self.options.threads,
            spin_s=self._spin_s,
            held_bytes=HELD_BYTES,
            faults=self.options.faults,
            seed=scenario.seed,
            powercap="" if far else self.options.powercap,
        )

    def _door(self, member: Member) -> str:
        return ipc_endpoint(self.options.sockets or str(self._folder), f"door {member.name}")

    def _models(self, far: bool) -> list[say.Model]:
        if not self._infers:
            return []
        if not far:
            return by_path(self.assembled.runner)
        self._sent = self._sent or by_wire(self.assembled.runner)
        return self._sent

    def _ear(self, member: Member) -> str:
        """Where a node is to listen: a new name for every process, so that nothing meant for a dead one reaches it."""
        if self.options.listen:
            return "" if member.remote else f"tcp://{self.options.host()}:*"
        if self.options.transport == "tcp":
            return "tcp://127.0.0.1:*"
        return ipc_endpoint(str(self._folder), f"ear {member.name} {member.epoch}")

    def _note(self, line: str) -> None:
        if len(self.incidents) < MOST_NOTES:
            self.incidents.append(line)

    def _figures(
        self, engine: Engine, crew: Crew, floor_s: float, times_s: tuple[float, float | None, float]
    ) -> LiveFigures:
        late = Lateness()
        late.merge(engine.late)
        late.merge(engine.late_runs)
        energy = crew.meter.energy()
        return LiveFigures(
            late_s=late.summary(),
            late_deliveries_s=engine.late.summary(),
            late_completions_s=engine.late_runs.summary(),
            late_facts_s=engine.late_facts.summary(),
            rate=engine.duration_s / max(times_s[2], 1e-9),
            rates=engine.rates,
            late_budget_s=self.options.late_budget_s,
            auto=self.options.rate is None,
            held_by=engine.governor.held_by,
            overruns=engine.overruns,
            runs_inferred=sum(works.runs for works in energy.works),
            runs_waited=engine.waited,
            energy=energy,
            restarts=engine.restarts,
            resent=engine.leases.renewed,
            missed=engine.missed,
            stale=engine.stale,
            floor_s=floor_s,
            start_s=times_s[0],
            first_delivery_s=times_s[1],
            wall_s=times_s[2],
            payload=self.options.payload,
            provider=self.options.provider,
            refused=crew.refused,
            offsets=crew.abroad.clocks,
            nodes=counted(crew.members),
            incidents=self.incidents,
        )


def _invitation(endpoint: str, options: LiveOptions) -> str:
    """What to do on other hosts."""
    key = " --key FILE" if options.keys is not None else ""
    awaited = ", ".join(options.remote)
    return f"on other hosts run `orbitmesh node --join {endpoint}{key}`; awaited there: {awaited}"
