"""What the length of a Server run leaves open: the rate found over many arrivals of a subject of known service time.

No model and no real clock: `workloads/measuring/server.py` on a virtual clock, one query at a time, 10 ms each, whose
true rate follows from the closed form of M/D/1 (Crommelin 1932). Run as `python -m benchmarks.server_spread`; a
minute. `docs/calibrate.md` holds the table.
"""

from math import exp, factorial

import numpy as np

from workloads.measuring.loadgen import Rule
from workloads.measuring.server import Rehearsed, gaps_needed, server
from workloads.streams import exponentials, stream

SERVICE_S = 0.010
BOUNDS = (2, 5, 10)  # in service times
RUNS = ((4.0, 200), (40.0, 100), (600.0, 30))  # seconds, and how many arrivals are drawn
QUERIES = 50  # as in a short run


def true_rate_per_s(bound_s: float) -> float:
    """Where 99 % wait at most the bound less one service: P(W <= t) of M/D/1."""
    wait_s = bound_s - SERVICE_S
    low, high = 0.0, 1.0 / SERVICE_S
    for _ in range(50):
        rate = 0.5 * (low + high)
        terms = [(k * SERVICE_S - wait_s) * rate for k in range(int(wait_s / SERVICE_S + 1e-9) + 1)]
        within = (1.0 - rate * SERVICE_S) * sum(x**k / factorial(k) * exp(-x) for k, x in enumerate(terms))
        low, high = (rate, high) if within >= 0.99 else (low, rate)
    return low


def main() -> None:
    """Print a Markdown table."""
    print("| bound, service times | run, s | queries | true, 1/s | mean | standard deviation | 5 to 95 % |")
    print("|---|---|---|---|---|---|---|")
    for bound in BOUNDS:
        bound_s = bound * SERVICE_S
        true = true_rate_per_s(bound_s)
        for least_s, seeds in RUNS:
            rule = Rule(least_s=least_s, least_queries=QUERIES)
            count = gaps_needed(rule, bound_s, 1.0 / SERVICE_S)
            found = []
            for seed in range(seeds):
                gaps = np.array(exponentials(stream(seed, "spread"), count, 1.0))
                found.append(server(Rehearsed({1: SERVICE_S}).subject(), rule, bound_s, 1.0 / SERVICE_S, gaps).figure)
            rates = np.array(found) / true - 1.0
            low, high = 100.0 * np.quantile(rates, [0.05, 0.95])
            print(
                f"| {bound} | {least_s:g} | {least_s * true:,.0f} | {true:.1f} | {100.0 * rates.mean():+.1f} % | "
                f"{100.0 * rates.std():.1f} % | {low:+.0f} % to {high:+.0f} % |"
            )


if __name__ == "__main__":
    main()
