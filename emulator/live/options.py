"""How a live run is to be: its rate, its budget of lateness, what travels as real bytes, and who may join from where.

Checked in full before any process is started.
"""

import os
from math import isfinite

import msgspec

from emulator.live.priority import realtime_refused
from emulator.live.rates import LATE_BUDGET_S, LEAST_RATE, MOST_RATE
from links.endpoints import ANY, host_of, is_loopback, parse, resolved
from links.errors import LinkError
from links.faulty import Faults
from links.keys import Keys
from workloads.sessions import PROVIDERS


class LiveOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a live run has beyond a virtual one. `rate` None: find it."""

    rate: float | None = None
    late_budget_s: float = LATE_BUDGET_S
    payload: str = "stated"  # or "real": scenes and products travel as that many zeros
    transport: str = "ipc"  # or "tcp", over the loopback; ignored with `listen`
    provider: str = "cpu"
    threads: int = 1
    spin_s: float | None = None  # None: measured
    realtime: bool = False  # whether the nodes of this host go before its ordinary programs
    listen: str = ""  # tcp endpoint for nodes on other hosts
    keys: Keys | None = None
    remote: tuple[str, ...] = ()  # nodes that are brought up elsewhere
    sockets: str = ""  # folder for the applications' sockets; "": a private one
    applications: tuple[tuple[str, str], ...] = ()  # (node, command line) of programs to start
    faults: Faults | None = None  # that links have on purpose
    join_s: float = 120.0  # wall seconds to wait for nodes of other hosts
    powercap: str = ""  # folder of this host's energy counters; "": where Linux has it
    silent_s: float = 15.0  # wall seconds without a sign of life after which a node is taken for dead: fifteen beats
    most_deaths: int = 5  # of one node in a run, the scenario's faults not counted, before the run is given up [guess]

    def problems(self) -> list[str]:
        """Everything that cannot be, by the option that says it."""
        found = []
        if self.rate is not None and not (isfinite(self.rate) and LEAST_RATE <= self.rate <= MOST_RATE):
            found.append(f"--rate {self.rate}: emulated seconds per second, {LEAST_RATE:g} to {MOST_RATE:g}, or auto")
        if not (isfinite(self.late_budget_s) and 0.0 < self.late_budget_s <= 3600.0):
            found.append(f"--late-budget {self.late_budget_s}: emulated seconds above 0, up to 3600")
        if self.payload not in ("stated", "real"):
            found.append(f"--payload {self.payload!r}: stated or real")
        if self.transport not in ("ipc", "tcp"):
            found.append(f"--transport {self.transport!r}: ipc or tcp")
        if self.provider not in PROVIDERS:
            found.append(f"--provider {self.provider!r}: one of {', '.join(PROVIDERS)}")
        if not 1 <= self.threads <= 256:
            found.append(f"--threads {self.threads}: 1 to 256 for each node's model")
        if self.spin_s is not None and not 0.0 <= self.spin_s <= 0.01:
            found.append(f"--spin {self.spin_s}: wall seconds, 0 to 0.01")
        refused = realtime_refused() if self.realtime else ""
        if refused:
            found.append(f"--realtime: {refused}")
        if not (isfinite(self.join_s) and 0.0 < self.join_s <= 86_400.0):
            found.append(f"--join-timeout {self.join_s}: wall seconds above 0, up to 86400")
        if self.powercap and not os.path.isdir(self.powercap):
            found.append(f"--powercap {self.powercap[:200]}: there is no such folder; Linux has /sys/class/powercap")
        return found + self._joining_problems()

    def _joining_problems(self) -> list[str]:
        found = []
        if self.listen:
            try:
                where = parse(self.listen)
                if where.transport != "tcp":
                    found.append(f"--listen {self.listen}: other hosts need tcp://HOST:PORT")
                elif not is_loopback(self.listen) and self.keys is None:
                    found.append(
                        f"--listen {self.listen} can be reached from other hosts: give --key FILE, "
                        "which `orbitmesh keygen` makes"
                    )
                if where.where in ANY:
                    found.append(f"--listen {self.listen}: name one address of this host by which others reach it")
            except LinkError as error:
                found.append(f"--listen: {error}")
        elif self.remote:
            found.append("--remote: nodes of other hosts need an endpoint to join: give --listen tcp://HOST:PORT")
        far = [node for node, _ in self.applications if node in self.remote]
        if far:
            found.append(
                f"--app {far[0]!r}: that node is brought up on another host; start its program there, with the "
                "endpoint that `orbitmesh node` prints in ORBITMESH_NODE"
            )
        return found

    def host(self) -> str:
        """The address, as endpoints write it, that this host's sockets are bound to when it listens for others."""
        return host_of(str(resolved(self.listen)))
