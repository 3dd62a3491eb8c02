"""What a processor draws: measured operating points, from which the power at a reached rate follows.

Work per joule is not constant: at a lower clock the same chip does more of it for a joule. So a processor may state
several modes, each a rate that was reached and what was drawn at it. Plain sums and quotients, the same everywhere.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf

import msgspec


class PowerMode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operating point: `ops_per_s` reached in `precision` at full load, and the power drawn there, in watts."""

    name: str
    ops_per_s: float
    power_w: float
    precision: str = "int8"
    source: str = ""

    @property
    def ops_per_j(self) -> float:
        """Operations a joule at this point."""
        return self.ops_per_s / self.power_w


def mode_problems(modes: Sequence[PowerMode], peaks: dict[str, float]) -> list[tuple[str, str]]:
    """Every (field, message) that keeps these from being the modes of a processor with these peaks (ops/s)."""
    found = []
    for number, mode in enumerate(modes):
        field = f"power_modes[{number}]"
        if not mode.name.strip():
            found.append((f"{field}.name", "is empty; name the mode, as in `satellites.power_mode`"))
        if not 0.0 < mode.power_w < inf:
            found.append((f"{field}.power_w", f"is {mode.power_w}; watts, finite and above 0"))
        peak = peaks.get(mode.precision)
        if peak is None:
            text = f"is {mode.precision!r}, in which peak_ops_per_s has no rate; it has {', '.join(peaks)}"
            found.append((f"{field}.precision", text))
        elif not 0.0 < mode.ops_per_s <= peak:
            text = f"is {mode.ops_per_s}; above 0 and at most peak_ops_per_s.{mode.precision} = {peak}"
            found.append((f"{field}.ops_per_s", text))
    for number, (lower, upper) in enumerate(pairwise(modes), 1):
        if not (lower.ops_per_s < upper.ops_per_s and lower.power_w <= upper.power_w):
            text = f"is not above that of {lower.name!r}; list modes from the slowest to the quickest, powers rising"
            found.append((f"power_modes[{number}]", text))
        if lower.precision != upper.precision:
            found.append((f"power_modes[{number}].precision", "differs from the one before; measure all in one"))
    if len({mode.name for mode in modes}) < len(modes):
        found.append(("power_modes", "has two of one name; give each its own"))
    return found


def power_at_w(modes: Sequence[PowerMode], ops_per_s: float) -> float:
    """Watts drawn at a reached rate: on the straight line between the two modes around it.

    Below the first mode and above the last it is theirs: nothing was measured there, and nothing is extrapolated.
    """
    if ops_per_s <= modes[0].ops_per_s:
        return modes[0].power_w
    for lower, upper in pairwise(modes):
        if ops_per_s <= upper.ops_per_s:
            share = (ops_per_s - lower.ops_per_s) / (upper.ops_per_s - lower.ops_per_s)
            return lower.power_w + share * (upper.power_w - lower.power_w)
    return modes[-1].power_w
