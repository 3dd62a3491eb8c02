"""What a live run has beyond a virtual one, as `live.json` and `--json` hold it: lateness, pace, letters, energy.

Seconds of lateness are emulated ones, all others say which. The count of letters must add up.
"""

import msgspec

from emulator.errors import LedgerMismatch
from emulator.live.abroad import HostClock
from emulator.live.lateness import LatenessSummary
from emulator.live.metering import Energy


class LiveFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a live run has beyond a virtual one. Lateness in emulated seconds, `floor_s` in wall seconds."""

    late_s: LatenessSummary  # of all deliveries and completions
    late_deliveries_s: LatenessSummary
    late_completions_s: LatenessSummary
    late_facts_s: LatenessSummary  # from a fact's own instant until the core was told: what the coordinator adds
    rate: float  # mean: emulated seconds per wall second
    rates: list[tuple[float, float]]  # (emulated instant, rate from then on)
    late_budget_s: float
    auto: bool  # the rate was chosen here, and may have changed
    held_by: str = ""  # what kept that rate from being faster most of the time
    overruns: int
    runs_inferred: int  # runs that a model really did
    runs_waited: int  # runs that have no model here (requests, batch jobs): waited for, for their computed time
    energy: Energy  # measured, where hosts count; the modelled energy is in the row of figures
    restarts: int
    resent: int
    missed: int  # messages given up after several tries
    stale: int
    floor_s: float  # what a message needs from order to report on this host, p99
    start_s: float  # wall seconds from the first process to the beginning of time
    first_delivery_s: float | None  # wall seconds from the first process to the first delivery
    wall_s: float
    payload: str
    provider: str
    refused: dict[str, int]
    offsets: dict[str, HostClock]  # of nodes on other hosts, in wall seconds
    nodes: dict[str, dict[str, int]]
    incidents: list[str]

    @property
    def notes(self) -> list[str]:
        """What is assumed, for the screen and the file."""
        stated = "stated sizes, not as bytes; messages of applications as their bytes"
        how = "that many real bytes, all zero" if self.payload == "real" else stated
        notes = [f"scenes and products travelled as {how}"]
        if self.runs_waited:
            notes.append(
                f"{self.runs_waited:,} runs were waited for, not run: requests and batch jobs have no model file; "
                "their nodes were busy for the computed time, and no host did the work"
            )
        return notes

    @property
    def advice(self) -> str:
        """What makes a run less late."""
        if self.auto and self.overruns and self.held_by.startswith("inference"):
            return f"the pace was held by {self.held_by}: a smaller model, a modelled processor nearer to this host"
        return "a calmer host, a longer run" if self.auto else "a slower --rate, --rate auto"

    @property
    def too_late(self) -> str:
        """Why the run is no good, "" if it is."""
        p99 = self.late_s.p99
        if p99 is None or p99 <= self.late_budget_s:
            return ""
        return (
            f"lateness is over the budget: p99 {p99 * 1e3:.3f} ms of {self.late_budget_s * 1e3:g} ms (p50 "
            f"{(self.late_s.p50 or 0.0) * 1e3:.3f} ms, {self.late_s.n} deliveries and completions, {self.overruns} "
            f"overruns); {self.advice}, or a larger --late-budget"
        )


def check_letters(figures: LiveFigures, under_way: int) -> None:
    """Every letter that was sent was received, or is under way; for runs in which no process died with its counts."""
    total = {name: sum(counts.get(name, 0) for counts in figures.nodes.values()) for name in ("sent", "received")}
    missing = total["sent"] - total["received"]
    if (
        not 0
        <= missing
        <= under_way + figures.missed + sum(counts.get("waiting", 0) for counts in figures.nodes.values())
    ):
        raise LedgerMismatch(
            f"nodes sent {total['sent']} letters and received {total['received']}; {under_way} were under way"
        )
