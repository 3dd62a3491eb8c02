"""What a live run says of itself at the end, for people."""

from emulator import console
from emulator.live.abroad import HostClock
from emulator.live.figures import LiveFigures
from emulator.report import Row


def live_lines(row: Row, live: LiveFigures) -> list[str]:
    """A line each on lateness, pace, transport, and what went wrong."""
    late, milli = live.late_s, 1e3
    lines = []
    if late.n and late.p50 is not None and late.p99 is not None and late.max is not None:
        lines.append(
            f"late: p50 {late.p50 * milli:.3f} ms, p99 {late.p99 * milli:.3f} ms, max {late.max * milli:.3f} ms of "
            f"{late.n:,} deliveries and completions, in emulated time; budget {live.late_budget_s * milli:g} ms at p99"
        )
    lines.append(
        f"pace: {live.rate:.3g} emulated seconds per second, {len(live.rates)} rates; {live.overruns} overruns (the "
        f"host took longer to infer than the modelled processor), {live.restarts} restarts"
    )
    if live.held_by:
        lines.append(f"pace held by {live.held_by}")
    if live.runs_waited:
        lines.append(f"runs: {live.runs_inferred:,} inferred, {live.runs_waited:,} waited for (no model to run)")
    lines.append(live.energy.line)
    if row.bundles.offered:
        bundles = row.bundles
        lines.append(
            f"applications: {bundles.offered} messages offered, {bundles.done} delivered, {bundles.lost} lost, "
            f"{bundles.pending} on their way at the end"
        )
    sent = sum(counts.get("sent", 0) for counts in live.nodes.values())
    sent_bytes = sum(counts.get("sent_bytes", 0) for counts in live.nodes.values())
    lines.append(
        f"wire: {sent:,} messages, {console.scaled(float(sent_bytes), 'B')} really sent, {live.resent} sent again; "
        f"from order to report {live.floor_s * milli:.3f} ms at p99; processes up in {live.start_s:.1f} s"
    )
    if live.offsets:
        worst = max(live.offsets.values(), key=lambda clock: clock.worst_s)
        hosts = "; ".join(f"{name} on {clock.host} {_offset(clock)}" for name, clock in live.offsets.items())
        lines.append(f"clocks of other hosts, known to {worst.worst_s * milli:.3f} ms or better: {hosts}")
    return lines + live.incidents


def _offset(clock: HostClock) -> str:
    return f"{clock.offset_s:+.6f} s (within {clock.uncertainty_s * 1e3:.3f} ms)"
