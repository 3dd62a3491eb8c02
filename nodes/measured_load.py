"""What a satellite drew without the work of the run, as its telemetry measured it, in the time of the run.

Plain numbers that a trace can hold. Between samples power is a straight line; across a gap, beside a sample without
power, before the first and after the last nothing is known, and nothing is counted: `workloads/importing/telemetry.py`.
"""

import msgspec

from workloads.importing.telemetry import integrated


class MeasuredLoad(msgspec.Struct, frozen=True, kw_only=True):
    """Samples: `times_s` after the scenario's epoch, rising; `power_w`, None where a sample has none that counts.

    Samples that lie further apart than `max_gap_s` have a gap between them.
    """

    name: str
    times_s: list[float]
    power_w: list[float | None]
    max_gap_s: float

    def over(self, from_s: float, to_s: float) -> tuple[float, float]:
        """Joules that were measured between two instants, and the seconds of which power is known."""
        return integrated(self.times_s, self.power_w, self.max_gap_s, from_s, to_s)
