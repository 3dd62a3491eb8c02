"""What a live run really drew, as far as its hosts count joules: per run of a model on its node, idle, and in all.

Rules: what nobody counts is absent, with the reason; no power is guessed. A counter tells of a whole processor package
or GPU, whatever else runs on it: runs that overlap on one host are each charged with all of it, and only `host_j`
counts every joule once. The modelled energy of the satellites, in the row of figures, is another thing and stays apart.
"""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import msgspec

from workloads.measuring.energy import POWERCAP, Counter, Found, counter, nvml, rapl
from workloads.providers import NVIDIA

READ_S = 60.0  # wall seconds between readings: a counter of 262 kJ wraps in 60 s at 4.4 kW, more than a host draws
IDLE_S = 1.0  # wall seconds of doing nothing before time begins: a thousand updates of RAPL's counter


class Works(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one model on one node: `host_s` wall seconds of inference, `energy_j` counted meanwhile.

    `counted` of the `runs` were counted, in `counted_s` of the `host_s`; `energy_j` is None where none was.
    """

    node: str
    model: str
    runs: int
    host_s: float
    counted: int
    counted_s: float
    energy_j: float | None

    @property
    def power_w(self) -> float | None:
        """Mean watts while it ran; None where nobody counted."""
        return self.energy_j / self.counted_s if self.energy_j is not None and self.counted_s > 0.0 else None


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Measured joules of a live run. `counters` says what counted on each node, `uncounted` why nothing did.

    `idle_power_w` is the coordinator's host before time began, with all nodes up and idle; `host_j` what that host
    drew during the run, every joule once. Each None where nobody counted. Of the nodes on other hosts, `remote`, both
    say nothing.
    """

    counters: dict[str, str] = {}
    uncounted: dict[str, str] = {}
    remote: list[str] = []
    idle_power_w: float | None = None
    host_j: float | None = None
    works: list[Works] = []

    @property
    def line(self) -> str:
        """For people: what was measured, or why nothing."""
        counted = sum(each.counted for each in self.works)
        if not counted:
            why = sorted(set(self.uncounted.values())) if self.works else ["no model was run"]
            return f"energy of the hosts: not measured, because {'; '.join(why) or 'nobody said what counts'}"
        energy_j = sum(each.energy_j or 0.0 for each in self.works)
        counted_s = sum(each.counted_s for each in self.works)
        idle = "unknown" if self.idle_power_w is None else f"{self.idle_power_w:.4g} W"
        in_all = "" if self.host_j is None else f"; {self.host_j:.4g} J in all during the run"
        return (
            f"energy of the hosts, measured ({'; '.join(sorted(set(self.counters.values())))}): "
            f"{energy_j / counted_s:.4g} W while inferring, mean of {counted:,} runs, idle {idle}{in_all}; whole "
            "packages or GPUs, whatever ran on them, and not the modelled satellites"
        )


class Meter:
    """Adds up what nodes report."""

    def __init__(self, remote: Sequence[str] = ()) -> None:
        """`remote`: nodes on other hosts than the coordinator's."""
        self.remote = sorted(remote)
        self._works: dict[tuple[str, str], Works] = {}
        self.counters: dict[str, str] = {}
        self.uncounted: dict[str, str] = {}
        self.idle_power_w: float | None = None
        self.host_j: float | None = None

    def loaded(self, node: str, source: str, why: str) -> None:
        """A node says what counts joules there, or why nothing does."""
        self.counters.pop(node, None)
        self.uncounted.pop(node, None)
        if source:
            self.counters[node] = source
        elif why:
            self.uncounted[node] = why

    def ran(self, node: str, model: str, host_s: float, energy_j: float | None) -> None:
        """A run of a model took so long, and drew so much; a node's joules that cannot be count as not counted."""
        if energy_j is not None and not (isfinite(energy_j) and energy_j >= 0.0):
            energy_j = None
        old = self._works.get((node, model))
        if old is None:
            old = Works(node=node, model=model, runs=0, host_s=0.0, counted=0, counted_s=0.0, energy_j=None)
        new = msgspec.structs.replace(old, runs=old.runs + 1, host_s=old.host_s + host_s)
        if energy_j is not None:
            whole_j = energy_j + (old.energy_j or 0.0)
            new = msgspec.structs.replace(
                new, counted=old.counted + 1, counted_s=old.counted_s + host_s, energy_j=whole_j
            )
        self._works[node, model] = new

    def energy(self) -> Energy:
        """All of it."""
        return Energy(
            counters=dict(sorted(self.counters.items())),
            uncounted=dict(sorted(self.uncounted.items())),
            remote=self.remote,
            idle_power_w=self.idle_power_w,
            host_j=self.host_j,
            works=[works for _, works in sorted(self._works.items())],
        )


def find_counter(provider: str, powercap: str = "") -> Found:
    """The counter of the device that runs models on this host: the GPU's, or the processor packages'.

    `powercap` is the folder of the kernel's counters, where that is not Linux's own (a container's mount).
    """
    if provider in NVIDIA:
        return counter(nvml(), True)
    return rapl(Path(powercap) if powercap else POWERCAP)


def read_j(found: Found) -> float | None:
    """Joules so far; None where nothing counts, or can be read."""
    known: Counter | None = found.counter
    if known is None:
        return None
    try:
        return known.read_j()
    except (OSError, ValueError):
        return None  # the nodes that compute say why
