"""The live engine on this machine: lateness, what idling costs, how soon it starts, what a node adds to an inference.

    python -m benchmarks.live_engine                 # everything, as a table
    python -m benchmarks.live_engine lateness idle   # some of it

Every part runs the product as users do: real processes, ipc, real sessions. Messages are bundles of 100 bytes stated
size, offered at random (Poisson) instants to neighbours in the evenly spaced ring of twelve, 1,000 a second in all.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from emulator.assemble import Assembled, assemble
from emulator.core import Core
from emulator.events import Bundle, Event, Offered
from emulator.live import control as say
from emulator.live.board import Board
from emulator.live.figures import LiveFigures
from emulator.live.launch import Launch
from emulator.live.options import LiveOptions
from emulator.live.worker import Worker
from emulator.recorder import Recorder
from emulator.scenario import parse
from emulator.schedulers import load as scheduler
from workloads.inference import Fresh, Products
from workloads.loading.opening import digest_of, open_model
from workloads.models import find_model
from workloads.scenery.scenes import TileBank
from workloads.scenery.shelf import Shelf, fill
from workloads.streams import exponentials, stream

RING = """
extends = "three-body-ring"
name = "ring-benchmark"
duration_s = {duration_s}
stations = []
[imaging]
scene_interval_s = 1e9
"""
HUNDRED = """
extends = "three-body-ring"
name = "hundred-benchmark"
duration_s = {duration_s}
stations = []
[satellites]
elements = []
[satellites.walker]
satellites = 100
planes = 10
phasing = 1
altitude_m = 500e3
inclination_deg = 97.4
prefix = "H "
[laser]
per_satellite = 4
[topology]
kind = "+grid"
[imaging]
scene_interval_s = 1e9
"""


def silent(title: str, total: float) -> Callable[[float], None]:
    """No progress bar."""
    return lambda value: None


def prepared(text: str, duration_s: float, per_s: float) -> Assembled:
    """A scenario without scenes, and bundles to neighbours, `per_s` a second in all."""
    assembled = assemble(parse(text.format(duration_s=duration_s), "benchmark", None), ["mesh"], infer=False)
    names = list(assembled.ephemeris.names)  # in the order of the ring
    offered: list[Event] = []
    if per_s > 0.0:
        gaps_s = exponentials(stream(1, "benchmark", "arrivals"), int(1.2 * per_s * duration_s) + 10, 1.0 / per_s)
        for number, at_s in enumerate(np.cumsum(gaps_s).tolist()):
            here = number * 7 % len(names)  # all in turn, none twice in a row
            bundle = Bundle(f"load/{number}", names[here], names[(here + 1) % len(names)], 100)
            if 0.5 <= at_s < duration_s - 0.5:
                offered.append(Offered(round(at_s, 6), bundle.source, bundle))
    assembled.facts += offered
    return assembled


def play(assembled: Assembled, options: LiveOptions, at_work: Callable[[Launch], None] | None = None) -> LiveFigures:
    """One run, its ledger checked; `at_work` runs beside it in a thread."""
    core = Core(assembled.world, scheduler("mesh", lambda: 0.0))
    launch = Launch(assembled, core, options, Board("benchmark", False))
    beside = threading.Thread(target=at_work, args=(launch,)) if at_work is not None else None
    if beside is not None:
        beside.start()
    figures = launch.play(Recorder(core), silent)
    if beside is not None:
        beside.join()
    return figures


def lateness(runs: int = 3, duration_s: float = 10.0, realtime: bool = False) -> dict[str, Any]:
    """p50 and p99 of how late 1,000 messages a second are released on twelve nodes at rate 1; medians over runs."""
    options = LiveOptions(rate=1.0, late_budget_s=1.0, realtime=realtime)
    if options.problems():
        return {"not_run": "; ".join(options.problems())}
    found = [play(prepared(RING, duration_s, 1000.0), options) for _ in range(runs)]
    late = [figures.late_s for figures in found]
    return {
        "p50_us": 1e6 * median(each.p50 or 0.0 for each in late),
        "p99_us": 1e6 * median(each.p99 or 0.0 for each in late),
        "max_us": 1e6 * median(each.max or 0.0 for each in late),
        "messages": sum(each.n for each in late),
        "all_p99_us": [round(1e6 * (each.p99 or 0.0)) for each in late],
    }


def idle(duration_s: float = 10.0) -> dict[str, Any]:
    """Processor time and private memory of twelve nodes with nothing to do, models loaded and used once."""
    seen: dict[str, Any] = {}

    def look(launch: Launch) -> None:
        while not launch.begun:
            time.sleep(0.01)
        pids = list(launch.crew.supervisor.pids.values())
        time.sleep(1.0)
        before_s = sum(_cpu_s(pid) for pid in pids)
        time.sleep(duration_s - 3.0)
        seen["core_percent"] = 100.0 * (sum(_cpu_s(pid) for pid in pids) - before_s) / (duration_s - 3.0)
        seen["private_mb"] = max(_private_bytes(pid) for pid in pids) / 1e6
        seen["nodes"] = len(pids)

    text = RING.replace("scene_interval_s = 1e9", "scene_interval_s = 5.0\nmin_sun_elevation_deg = -90.0")
    assembled = prepared(text, duration_s, 0.0)
    captured = sorted((e for e in assembled.facts if hasattr(e, "task")), key=lambda e: e.at_s)
    early = {e.node: e for e in reversed(captured)}  # one scene of each node, so that it has really inferred
    assembled.facts = [e for e in assembled.facts if not hasattr(e, "task")]
    assembled.facts += [type(e)(0.1, e.node, e.task) for e in early.values()]
    play(assembled, LiveOptions(rate=1.0, late_budget_s=10.0), look)
    return seen


def start(runs: int = 3) -> dict[str, Any]:
    """Wall seconds until twelve nodes with their models have delivered the first message."""
    found = [
        play(_with_models(prepared(RING, 2.0, 100.0)), LiveOptions(rate=1.0, late_budget_s=10.0)) for _ in range(runs)
    ]
    return {"first_delivery_s": median(each.first_delivery_s or 0.0 for each in found), "nodes": 12}


def hundred() -> dict[str, Any]:
    """A hundred nodes, 200 messages a second, at whatever rate this machine manages."""
    begun_s = time.perf_counter()
    figures = play(prepared(HUNDRED, 5.0, 200.0), LiveOptions(late_budget_s=0.05))
    return {
        "start_s": figures.start_s,
        "rate": figures.rate,
        "messages": figures.late_s.n,
        "p99_us": 1e6 * (figures.late_s.p99 or 0.0),
        "whole_s": time.perf_counter() - begun_s,
    }


def inference(rounds: int = 200) -> dict[str, Any]:
    """What a node's worker adds to bare `session.run` with the same model and tiles; medians of alternated runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bank = TileBank(8)
        fill(folder / "tiles.f32", bank, range(8), lambda done: None)
        path = find_model("cloud-screen")
        welcome = _welcome(path, folder / "tiles.f32")
        worker = Worker(welcome, folder)
        worker.start()
        fresh = Fresh({"cloud-screen": open_model(path)}, Shelf(folder / "tiles.f32", bank), Products())
        engine = fresh._engines["cloud-screen"]
        feeds = [{key: np.ascontiguousarray(bank.tile(n).bands[None]) for key in engine.inputs} for n in range(8)]
        bare_s, node_s = [], []
        for number in range(-20, rounds):
            begun_s = time.perf_counter()
            engine.session.run(None, feeds[number % 8])
            bare = time.perf_counter() - begun_s
            worker.submit(say.Infer("t", number + 20, "cloud-screen", number % 8, 1000, 0.0, 0.0))
            while not worker.done:
                time.sleep(0.0005)
            done = worker.done.popleft()
            if number >= 0:
                bare_s.append(bare)
                node_s.append(done.host_s or 0.0)  # None for what is only waited for
        worker.stop()
    ratios = [node / bare for node, bare in zip(node_s, bare_s, strict=True)]
    return {"bare_ms": 1e3 * median(bare_s), "node_ms": 1e3 * median(node_s), "ratio": median(ratios)}


def _welcome(path: Path, tiles: Path) -> say.Welcome:
    return say.Welcome(
        node="A", epoch=1, run=b"", scenario="", scenario_sha256="", epoch_utc="", nodes=["A"], ear="", door="",
        models=[say.Model("cloud-screen", digest_of(path), str(path))], products=Products(), tiles=8,
        tiles_path=str(tiles), spin_s=0.0, held_bytes=0,
    )  # fmt: skip


def _with_models(assembled: Assembled) -> Assembled:
    """The same, with a scene at the very end, so that nodes load their models."""
    extra = prepared(
        RING.replace("scene_interval_s = 1e9", "scene_interval_s = 1.9\nmin_sun_elevation_deg = -90.0"), 2.0, 0.0
    )
    assembled.facts += [e for e in extra.facts if hasattr(e, "task")][:1]
    return assembled


def _cpu_s(pid: int) -> float:
    """Processor seconds of a process, from /proc (proc(5): utime and stime in clock ticks of 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def _private_bytes(pid: int) -> int:
    """Memory that a process shares with no other, from /proc."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "lateness": lateness,
    "lateness_realtime": partial(lateness, realtime=True),
    "idle": idle,
    "start": start,
    "inference": inference,
    "hundred": hundred,
}


def main(wanted: Sequence[str]) -> int:
    """Print what was measured."""
    for name in wanted or PARTS:
        print(
            name,
            {key: round(value, 3) if isinstance(value, float) else value for key, value in PARTS[name]().items()},
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
