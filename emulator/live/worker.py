"""A node's processor: one thread that runs ONNX models for real, one inference at a time, beside the node's loop.

It answers every order, with an outcome or with what went wrong; nothing is remembered from one run to the next.
onnxruntime lets go of the interpreter while it computes, so releases of messages are not held up; the thread also
yields the processor to all loops of this host where the system can say so. Where the host counts joules, each
inference's are read off around it.
"""

import os
import queue
import sys
import threading
from collections import deque
from pathlib import Path

import msgspec

from emulator.clock import wall_s
from emulator.live.control import Hold, Infer, Welcome
from emulator.live.metering import find_counter
from emulator.live.model_transfer import opened
from emulator.live.priority import step_back
from workloads.measuring.energy import Found
from workloads.tasks import Outcome

SWITCH_S = 50e-6  # until Python takes turns: at its default of 5 ms releases are 4.5 ms late at p50 beside Python code


class Done(msgspec.Struct, frozen=True):
    """What became of an order: an outcome, or a problem; `host_s` wall seconds of inference and `energy_j` of the
    host's counter meanwhile, None where nothing was run, or counted."""

    order: Infer | Hold
    outcome: Outcome | None
    problem: str = ""
    host_s: float | None = None
    energy_j: float | None = None


class Worker:
    """Loads the models in the background, then runs what it is given; `fd` becomes readable when something is done.

    `loaded_s` is the cold start in wall seconds once the models are in memory; `broken` says why they are not.
    `metered` is the host's counter of joules, or why there is none.
    """

    def __init__(self, welcome: Welcome, folder: Path) -> None:
        self.fd, self._wake = os.pipe()
        os.set_blocking(self.fd, False)
        self.done: deque[Done] = deque()
        self.loaded_s: float | None = None
        self.broken = ""
        self.metered = Found(None, "")
        self._orders: queue.SimpleQueue[Infer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(welcome, folder), name="inference", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def submit(self, order: Infer) -> None:
        """Run it after what was ordered before."""
        self._orders.put(order)

    def clear(self) -> None:
        """Take notice of the wake-ups."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            return

    def stop(self) -> None:
        """End after the run that is under way."""
        self._orders.put(None)
        self._thread.join(timeout=5.0)
        if not self._thread.is_alive():
            os.close(self._wake)
            os.close(self.fd)

    def _work(self, welcome: Welcome, folder: Path) -> None:
        step_back()
        sys.setswitchinterval(SWITCH_S)
        started_s = wall_s()
        try:
            runner = _runner(welcome, folder)
            self.metered = find_counter(welcome.provider, welcome.powercap)
        except Exception as error:  # whatever it was, the coordinator must hear it, or it waits for ever
            self.broken = f"{type(error).__name__}: {error}"
            self._tell()
            return
        self.loaded_s = wall_s() - started_s
        self._tell()
        while (order := self._orders.get()) is not None:
            begun_j, begun_s = self._read_j(), wall_s()
            try:
                outcome, problem = runner.outcome(order.model, order.tile, order.raw_bytes), ""
            except Exception as error:  # as above
                outcome, problem = None, f"{type(error).__name__}: {error}"
            host_s = wall_s() - begun_s
            ended_j = self._read_j()
            energy_j = None if begun_j is None or ended_j is None else ended_j - begun_j
            self.done.append(Done(order, outcome, problem, host_s, energy_j))
            self._tell()

    def _read_j(self) -> float | None:
        """What the counter says; one that fails once is not asked again."""
        if self.metered.counter is None:
            return None
        try:
            return self.metered.counter.read_j()
        except (OSError, ValueError) as error:
            self.metered = Found(None, f"{self.metered.counter.source} could not be read any more: {error}")
            return None

    def _tell(self) -> None:
        os.write(self._wake, b".")


def _runner(welcome: Welcome, folder: Path):  # type: ignore[no-untyped-def]  # imported late: it costs 40 MB
    from workloads.inference import Fresh
    from workloads.scenery.scenes import TileBank
    from workloads.scenery.shelf import Made, Shelf

    bank = TileBank(welcome.tiles)
    shelf = Path(welcome.tiles_path)
    tiles = Shelf(shelf, bank) if welcome.tiles_path and shelf.is_file() else Made(bank)
    models = opened(welcome.models, folder)
    return Fresh(models, tiles, welcome.products, provider=welcome.provider, threads=welcome.threads)
