"""The table that `compare` and `run` print: a column per scheduler, a line per figure, units in every cell."""

from collections.abc import Callable, Sequence

from rich.table import Table

from emulator.console import percent, scaled, seconds, table
from emulator.decisions import CODES
from emulator.report import Row
from emulator.scenario import Scenario
from emulator.world import World

BASES = "calibrated: this model was measured there; scaled: from a similar one; preset: by roofline"
_LINES: tuple[tuple[str, Callable[[Row], str]], ...] = (  # of scenes
    ("scenes captured", lambda r: f"{r.tasks.captured:,}"),
    ("  answered on the ground", lambda r: f"{r.tasks.done:,}"),
    ("  dropped on purpose", lambda r: f"{r.tasks.dropped:,}"),
    ("  lost", lambda r: f"{r.tasks.lost:,}"),
    ("  pending at the end", lambda r: f"{r.tasks.pending:,}"),
    ("capture to insight, p50 of answered", lambda r: seconds(r.response_s.p50)),
    ("capture to insight, p95 of answered", lambda r: seconds(r.response_s.p95)),
    ("capture to insight, p99 of answered", lambda r: seconds(r.response_s.p99)),
    ("  median of all captured (Kaplan-Meier)", lambda r: seconds(r.response_s.p50_of_captured)),
    ("deadlines missed", lambda r: percent(r.deadline_miss_ratio)),
    ("  of urgent scenes", lambda r: percent(r.urgent_deadline_miss_ratio)),
    ("raw data captured", lambda r: scaled(r.raw_bytes, "B")),
    ("sent down", lambda r: scaled(r.downlink_bytes, "B")),
    ("sent over lasers", lambda r: scaled(r.isl_bytes, "B")),
    ("operations", lambda r: scaled(float(r.ops), "op")),
    ("satellites' processors busy", lambda r: percent(r.utilisation)),
    ("stations' processors busy", lambda r: percent(r.ground_utilisation)),
    ("energy above idle", lambda r: scaled(r.energy_j, "J")),
    ("  per answered scene", lambda r: scaled(r.joules_per_answer, "J")),
    ("compute energy per inference", lambda r: scaled_small(r.joules_per_inference)),
)


def tasks_are(world: World) -> str:
    """`scenes`, or `tasks` where some are requests or batch jobs, which no model from a file answers."""
    return "scenes" if all(profile.sha256 for profile in world.models.values()) else "tasks"


def figure_lines(tasks: str = "scenes") -> list[tuple[str, Callable[[Row], str]]]:
    """Name and cell of every line of the table, by what the tasks are."""
    return [(name.replace("scenes", tasks).replace("scene", tasks[:-1]), cell) for name, cell in _LINES]


def rejections(rows: Sequence[Row]) -> list[str]:
    """A line for every code with which decisions came back, and what it means."""
    return [
        f"{row.name}: {count:,} decisions rejected, {code}: {CODES.get(code, '')}"
        for row in rows
        for code, count in row.rejected.items()
    ]


def bases(rows: Sequence[Row]) -> list[str]:
    """A line that says how the times of jobs are known, by scheduler where they differ; none without any."""
    inferred = [row for row in rows if row.job_basis]
    if not inferred:
        return []
    if len({tuple(row.job_basis) for row in inferred}) == 1 and len(inferred[0].job_basis) == 1:
        return [f"times of jobs: all {next(iter(inferred[0].job_basis))} ({BASES})"]
    told = [f"{row.name} " + ", ".join(f"{n:,} {basis}" for basis, n in row.job_basis.items()) for row in inferred]
    return [f"times of jobs: {'; '.join(told)} ({BASES})"]


def baselines(rows: Sequence[Row]) -> list[str]:
    """A line that says what satellites draw by their telemetry, without the work of the run; none without any."""
    drawn = next((row.baseline for row in rows if row.baseline.measured_j is not None), None)
    if drawn is None:
        return []
    nodes = ", ".join(f"{count} {how}" for how, count in drawn.basis.items())
    text = f"baseline of nodes: {nodes}; measured: {scaled(drawn.measured_j, 'J')} in {drawn.measured_s:,.0f} s, and"
    text += f" {drawn.unmeasured_s:,.0f} s unmeasured, in all; modelled: {scaled(drawn.modelled_j, 'J')} (not above)"
    return [text]


def scaled_small(joules: float | None) -> str:
    """Joules, or millijoules below one."""
    if joules is None:
        return "-"
    return f"{joules:.3g} J" if joules >= 1.0 else f"{1e3 * joules:.3g} mJ"


def rows_table(scenario: Scenario, rows: Sequence[Row], tasks: str = "scenes") -> Table:
    """All rows side by side; `tasks`: what `tasks_are`."""
    title = f"{scenario.name}: {seconds(scenario.duration_s)} from {scenario.epoch}"
    made = table(title, [""], [row.name for row in rows])
    for name, cell in figure_lines(tasks):
        made.add_row(name, *(cell(row) for row in rows))
    return made
