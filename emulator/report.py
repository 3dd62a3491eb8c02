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
from emulator.state import ENDED, NodeState
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
    """Joules above idle, by where they go; and what idling costs in all. None where a power is not known."""

    orbit_compute_j: float | None
    ground_compute_j: float | None
    laser_j: float
    radio_j: float
    idle_j: float | None


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


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values (the smallest that at least `share` of them do not exceed)."""
    return ordered[max(1, ceil(share * len(ordered))) - 1] if ordered else None


def kaplan_meier_median(answered_s: Sequence[float], unanswered_s: Sequence[float]) -> float | None:
    """The median time to an answer if some have none yet; both in seconds, the second how long they were watched.

    Source: E. L. Kaplan and P. Meier, Nonparametric estimation from incomplete observations, JASA 53 (1958).
    """
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
    return sorted(s.delivered_s - s.task.at_s for s in core.tasks.values() if s.how == "done")


def summarise(core: Core, name: str, digest: str) -> Row:
    """The figures of a run that has ended."""
    done = responses(core)
    unanswered = [s for s in core.tasks.values() if s.how not in ("done", "dropped")]
    energy = _energy(core)
    inferences = sum(s.task.inferences for s in core.work.values() if s.finished_s >= 0.0)
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
            p50_of_captured=kaplan_meier_median(done, [core.now_s - s.task.at_s for s in unanswered]),
        ),
        deadline_miss_ratio=_deadline_miss_ratio(core),
        urgent_deadline_miss_ratio=_deadline_miss_ratio(core, urgent_only=True),
        downlink_bytes=sum(a.received_bytes for (_, to), a in accounts if kinds[to] == STATION),
        raw_bytes=sum(s.task.raw_bytes for s in core.tasks.values()),
        isl_bytes=sum(a.received_bytes for (_, to), a in accounts if kinds[to] == SATELLITE),
        energy_j=energy_j,
        joules_per_inference=compute_j / inferences if compute_j is not None and inferences else None,
        joules_per_answer=energy_j / len(done) if energy_j is not None and done else None,
        ops=sum(n.budget.ops for n in core.nodes.values() if n.budget is not None),
        utilisation=_utilisation(core, SATELLITE),
        ground_utilisation=_utilisation(core, STATION),
        inferences=inferences,
        job_basis=_job_basis(core),
        energy=energy,
        reasons=_reasons(core),
        rejected=dict(sorted(core.consultation.rejections.items())),
        bundles=bundle_counts(core),
        events=core.events,
        digest=digest,
        stages=stage_rows(core),
    )


def _deadline_miss_ratio(core: Core, urgent_only: bool = False) -> float | None:
    """Share of tasks not answered by their deadline, of those whose deadline lies within the run.

    A scene that inference dropped (too cloudy to send) counts as answered when it was inferred; one that the
    scheduler dropped counts as missed. `None` if there are none.
    """
    due = missed = 0
    for state in core.tasks.values():
        if state.task.deadline_s > core.now_s or (urgent_only and state.task.priority <= 0):
            continue
        due += 1
        if state.how == "dropped" and state.finished_s >= 0.0:
            missed += state.finished_s > state.task.deadline_s
        else:
            missed += state.how != "done" or state.delivered_s > state.task.deadline_s
    return missed / due if due else None


def _energy(core: Core) -> Energy:
    def compute_j(kind: str) -> float | None:
        ours = [node for node in core.nodes.values() if node.kind == kind]
        return None if any(node.unmetered_s > 0.0 for node in ours) else fsum(node.work_j for node in ours)

    processors = [n.spec.processor for n in core.nodes.values() if n.spec.processor is not None]
    nodes: list[NodeState] = list(core.nodes.values())
    return Energy(
        orbit_compute_j=compute_j(SATELLITE),
        ground_compute_j=compute_j(STATION),
        laser_j=fsum(port.tx_s * node.spec.laser_power_w for node in nodes for port in node.ports.values()),
        radio_j=fsum(node.radio.tx_s * node.spec.radio_power_w for node in nodes),
        idle_j=_sum_known([None if p.idle_power_w is None else p.idle_power_w * core.now_s for p in processors]),
    )


def _sum_known(parts: Sequence[float | None]) -> float | None:
    """The sum; None if any part is not known."""
    known = [part for part in parts if part is not None]
    return fsum(known) if len(known) == len(parts) else None


def _job_basis(core: Core) -> dict[str, int]:
    """How many inferred tasks there are of each way of knowing their time."""
    found: dict[str, int] = {}
    for state in core.work.values():
        if state.finished_s >= 0.0 and state.job is not None:
            found[state.job.basis] = found.get(state.job.basis, 0) + 1
    return dict(sorted(found.items()))


def _utilisation(core: Core, kind: str) -> float:
    budgets = [n.budget for n in core.nodes.values() if n.kind == kind and n.budget is not None]
    if not budgets or core.now_s <= 0.0:
        return 0.0
    return fsum(b.busy_s for b in budgets) / (core.now_s * len(budgets))


def _reasons(core: Core) -> dict[str, int]:
    """How many tasks ended, or wait, for which reason."""
    found: dict[str, int] = {}
    for state in core.tasks.values():
        key = f"{state.how}: {state.reason}" if state.stage == ENDED else f"pending: {state.doing}"
        found[key] = found.get(key, 0) + 1
    return dict(sorted(found.items()))
