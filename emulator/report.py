"""What a run comes to: one row of figures per scheduler, computed from the state of the core at the end.

Energy is what the work costs above idle where hardware would idle anyway: busy processors at busy minus idle
power, transmitters while they send. What idling costs for the whole run is reported beside it, not mixed in.
Where a processor's power is not known, what depends on it is None: energy is never invented.
"""

from collections.abc import Sequence
from math import ceil, fsum

import msgspec

from emulator.core import Core
from emulator.ledger import BundleCounts, Counts, bundle_counts, counts
from emulator.stage_report import StageRow, stage_rows
from emulator.state import NodeState
from emulator.tally import Tally
from emulator.world import SATELLITE, STATION


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from capture until the answer is on the ground, over tasks that are done; `None` if none is.

    `p50_of_captured` is the median over all that were captured and not dropped, by Kaplan and Meier's estimator: a
    scene without an answer counts for as long as it was under observation. `None` where it is not reached.
    """

    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None
    max: float | None
    p50_of_captured: float | None


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Joules above idle, by where they go; and what idling costs in all, without nodes whose load was measured (they
    are in `Baseline`). None where a power is not known."""

    orbit_compute_j: float | None
    ground_compute_j: float | None
    laser_j: float
    radio_j: float
    idle_j: float | None


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What nodes with a processor draw without the work of the run, by how it is known, in all of them together.

    `basis` counts nodes: `measured` by telemetry, `modelled` as the processor's idle power, `unknown`. `measured_j` is
    over the `measured_s` of which telemetry knows the power (None: no node has any); of `unmeasured_s` nobody knows.
    """

    basis: dict[str, int] = {}
    modelled_j: float | None = None
    measured_j: float | None = None
    measured_s: float = 0.0
    unmeasured_s: float = 0.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One scheduler's figures. Bytes and operations are totals of the run; `utilisation` is the mean share of
    time that the satellites' processors were busy, `ground_utilisation` the same on the ground. `job_basis` counts the
    tasks that were inferred by how the time of their job is known (`nodes/job_time.py`)."""

    name: str
    tasks: Counts
    response_s: Response
    deadline_miss_ratio: float | None
    urgent_deadline_miss_ratio: float | None
    downlink_bytes: int
    raw_bytes: int
    isl_bytes: int
    energy_j: float | None
    joules_per_inference: float | None
    joules_per_answer: float | None
    ops: int
    utilisation: float
    ground_utilisation: float
    inferences: int
    job_basis: dict[str, int]
    energy: Energy
    reasons: dict[str, int]
    rejected: dict[str, int]
    bundles: BundleCounts
    events: int
    digest: str
    stages: list[StageRow]  # of the pipeline; empty without one
    baseline: Baseline = Baseline()


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values (the smallest that at least `share` of them do not exceed)."""
    return ordered[max(1, ceil(share * len(ordered))) - 1] if ordered else None


def kaplan_meier_median(answered_s: Sequence[float], unanswered_s: Sequence[float]) -> float | None:
    """The median time to an answer if some have none yet; both in seconds, the second how long they were watched.

    Source: E. L. Kaplan and P. Meier, Nonparametric estimation from incomplete observations, JASA 53 (1958).
    """
    if not unanswered_s:
        return quantile(sorted(answered_s), 0.5)
    at_risk = len(answered_s) + len(unanswered_s)
    surviving = 1.0
    for time_s, watched in sorted([(s, 0) for s in answered_s] + [(s, 1) for s in unanswered_s]):
        if not watched:
            surviving *= 1.0 - 1.0 / at_risk
            if surviving <= 0.5:
                return time_s
        at_risk -= 1
    return None


def responses(core: Core) -> list[float]:
    """Seconds from capture to insight of every task that is done, sorted."""
    return sorted([s.delivered_s - s.task.at_s for s in core.tasks.values() if s.how == "done"])


def summarise(core: Core, name: str, digest: str) -> Row:
    """The figures of a run that has ended."""
    tally = Tally(core)
    done = responses(core)
    energy = _energy(core)
    inferences, job_basis = _inferred(core)
    compute_j = _sum_known((energy.orbit_compute_j, energy.ground_compute_j))
    energy_j = _sum_known((compute_j, energy.laser_j, energy.radio_j))
    accounts = core.transport.accounts.items()
    kinds = {name: node.kind for name, node in core.nodes.items()}
    return Row(
        name=name,
        tasks=counts(core),
        response_s=Response(
            p50=quantile(done, 0.50),
            p95=quantile(done, 0.95),
            p99=quantile(done, 0.99),
            mean=fsum(done) / len(done) if done else None,
            max=done[-1] if done else None,
            p50_of_captured=kaplan_meier_median(done, tally.unanswered_s),
        ),
        deadline_miss_ratio=tally.missed / tally.due if tally.due else None,
        urgent_deadline_miss_ratio=tally.urgent_missed / tally.urgent_due if tally.urgent_due else None,
        downlink_bytes=sum(a.received_bytes for (_, to), a in accounts if kinds[to] == STATION),
        raw_bytes=tally.raw_bytes,
        isl_bytes=sum(a.received_bytes for (_, to), a in accounts if kinds[to] == SATELLITE),
        energy_j=energy_j,
        joules_per_inference=compute_j / inferences if compute_j is not None and inferences else None,
        joules_per_answer=energy_j / len(done) if energy_j is not None and done else None,
        ops=sum(n.budget.ops for n in core.nodes.values() if n.budget is not None),
        utilisation=_utilisation(core, SATELLITE),
        ground_utilisation=_utilisation(core, STATION),
        inferences=inferences,
        job_basis=job_basis,
        energy=energy,
        reasons=dict(sorted((f"{how}: {reason}", count) for (how, reason), count in tally.reasons.items())),
        rejected=dict(sorted(core.consultation.rejections.items())),
        bundles=bundle_counts(core),
        events=core.events,
        digest=digest,
        stages=stage_rows(core),
        baseline=_baseline(core),
    )


def _energy(core: Core) -> Energy:
    def compute_j(kind: str) -> float | None:
        ours = [node for node in core.nodes.values() if node.kind == kind]
        return None if any(node.unmetered_s > 0.0 for node in ours) else fsum(node.work_j for node in ours)

    nodes: list[NodeState] = list(core.nodes.values())
    return Energy(
        orbit_compute_j=compute_j(SATELLITE),
        ground_compute_j=compute_j(STATION),
        laser_j=fsum(port.tx_s * node.spec.laser_power_w for node in nodes for port in node.ports.values()),
        radio_j=fsum(node.radio.tx_s * node.spec.radio_power_w for node in nodes),
        idle_j=_idle_j(core),
    )


def _idle_j(core: Core) -> float | None:
    """What processors idle for, of nodes without a measured load; None where one's idle power is not known."""
    specs = [node.spec for node in core.nodes.values() if node.spec.load is None]
    idle_w = [spec.processor.idle_power_w for spec in specs if spec.processor is not None]
    return _sum_known([None if power_w is None else power_w * core.now_s for power_w in idle_w])


def _baseline(core: Core) -> Baseline:
    basis = dict.fromkeys(("measured", "modelled", "unknown"), 0)
    drawn = [load.over(0.0, core.now_s) for load in core.world.loads]
    own: list[tuple[float, float]] = []
    for spec in (node.spec for node in core.nodes.values()):
        if spec.load is not None:
            basis["measured"] += 1
            own.append(drawn[spec.load])
        elif spec.processor is not None:
            basis["unknown" if spec.processor.idle_power_w is None else "modelled"] += 1
    measured_s = fsum(span_s for _, span_s in own)
    return Baseline(
        basis={how: count for how, count in basis.items() if count},
        modelled_j=_idle_j(core) if basis["modelled"] else None,
        measured_j=fsum(energy_j for energy_j, _ in own) if own else None,
        measured_s=measured_s,
        unmeasured_s=max(0.0, core.now_s * len(own) - measured_s),
    )


def _sum_known(parts: Sequence[float | None]) -> float | None:
    """The sum; None if any part is not known."""
    known = [part for part in parts if part is not None]
    return fsum(known) if len(known) == len(parts) else None


def _inferred(core: Core) -> tuple[int, dict[str, int]]:
    """How many inferences there were, and how many tasks of each way of knowing their time."""
    inferences, basis = 0, dict[str, int]()
    for state in core.work.values():
        if state.finished_s >= 0.0:
            inferences += state.task.inferences
            if state.job is not None:
                basis[state.job.basis] = basis.get(state.job.basis, 0) + 1
    return inferences, dict(sorted(basis.items()))


def _utilisation(core: Core, kind: str) -> float:
    budgets = [n.budget for n in core.nodes.values() if n.kind == kind and n.budget is not None]
    if not budgets or core.now_s <= 0.0:
        return 0.0
    return fsum(b.busy_s for b in budgets) / (core.now_s * len(budgets))
