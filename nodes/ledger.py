"""Proof that a node never computes faster than it can: a ledger of its runs.

A node runs one job at a time, so runs do not overlap. Work is charged at the peak rate from the moment that it
could begin; if it could not have ended by the time it did, the budget is broken. That holds over every span at
once, not only over each run: operations are at most budget times time, to within one `RESOLUTION_S` in all.
"""

from math import inf

from nodes.errors import NodeError

RESOLUTION_S = 1e-6  # tasks come at whole microseconds; rounded sums of 1e6 runs in a row stay below this at 1e5 s


class OpsLedger:
    """The runs of one node, entered in the order of their start; raises at the first that breaks the budget.

    `node` is a name for messages, `peak_ops_per_s` the budget. Totals: `runs`, `ops`, `busy_s`.
    """

    def __init__(self, node: str, peak_ops_per_s: float) -> None:
        if not 0.0 < peak_ops_per_s < inf:
            raise NodeError(f"node {node!r}: a budget of {peak_ops_per_s} ops/s cannot be; it must be above 0, finite")
        self.node = node
        self.peak_ops_per_s = peak_ops_per_s
        self.runs = 0
        self.ops = 0
        self.busy_s = 0.0
        self._free_s = -inf  # when the last run stopped
        self._earliest_s = -inf  # when all work so far could have ended at the peak rate

    def record(self, start_s: float, stop_s: float, ops: int, peak_ops_per_s: float | None = None) -> None:
        """Enter a run of `ops` operations from `start_s` to `stop_s`; the cost does not grow with the runs.

        `peak_ops_per_s` is that of the precision that ran, where it is below the node's. Raises NodeError, and enters
        nothing, for a run that ends before it starts, overlaps the one before it, or has more operations than the
        peak allows by its end.
        """
        peak_ops_per_s = self.peak_ops_per_s if peak_ops_per_s is None else min(peak_ops_per_s, self.peak_ops_per_s)
        if not (-inf < start_s <= stop_s < inf) or ops < 0:
            raise NodeError(f"node {self.node!r}: a run from {start_s} s to {stop_s} s of {ops} operations cannot be")
        if start_s < self._free_s:
            raise NodeError(
                f"node {self.node!r} does two things at once: a run starts at {start_s} s, "
                f"but the one before it ends at {self._free_s} s"
            )
        earliest_s = max(start_s, self._earliest_s) + ops / peak_ops_per_s
        if earliest_s > stop_s + RESOLUTION_S:
            raise NodeError(
                f"node {self.node!r} beats its budget of {peak_ops_per_s} ops/s: {ops} operations "
                f"begun at {start_s} s cannot end before {earliest_s} s, but did at {stop_s} s"
            )
        self.runs += 1
        self.ops += ops
        self.busy_s += stop_s - start_s
        self._free_s = stop_s
        self._earliest_s = earliest_s

    def utilisation(self, span_s: float) -> float:
        """Share of the peak that was used over `span_s` seconds, 0 to 1; 0 for an empty span."""
        return self.ops / (self.peak_ops_per_s * span_s) if span_s > 0.0 else 0.0
