"""A calibration says where its parts disagree, and what the length of its Server run leaves open."""

import re

import pytest

from emulator.calibration.doubts import MOST_QUERIES, left_open, unsteady
from emulator.calibration.request import Wanted
from workloads.calibration import Timing
from workloads.measuring.loadgen import OFFLINE, SERVER, SINGLE_STREAM, Measured

TIMINGS = (Timing(batch=1, batch_s=0.010, samples=50), Timing(batch=4, batch_s=0.020, samples=50))  # 100 and 200/s


def run(scenario: str, figure: float, queries: int = 100) -> Measured:
    return Measured(scenario=scenario, figure=figure, queries=queries, samples=queries, duration_s=4.0)


@pytest.mark.parametrize(("samples_per_s", "said"), [(159.0, "-20 %"), (119.0, "-40 %"), (250.0, "+25 %")])
def test_offline_far_from_the_best_batch_shows_a_busy_host(samples_per_s: float, said: str) -> None:
    (found,) = unsteady(TIMINGS, [run(OFFLINE, samples_per_s)])
    assert said in found
    assert "busy or throttled" in found


def test_a_long_tail_beyond_the_median_shows_a_busy_host() -> None:
    (found,) = unsteady(TIMINGS, [run(SINGLE_STREAM, 0.0155)])
    assert "0.0155 s" in found
    assert "measure again on a quiet one" in found


def test_a_quiet_host_is_no_doubt() -> None:
    assert unsteady(TIMINGS, [run(SINGLE_STREAM, 0.0149), run(OFFLINE, 161.0), run(SERVER, 3.0)]) == ()
    assert unsteady(TIMINGS, []) == ()


def open_percent(duration_s: float) -> tuple[int, int]:
    """What is told of a subject of 10 ms with a bound of 50, least and greatest."""
    wanted = Wanted(latency_bound_s=0.05, duration_s=duration_s, seed=2)  # seed 1 has a rare burst: -24 % in 80 s
    (said,) = left_open(wanted, TIMINGS[:1], [run(SERVER, 56.0, int(56 * duration_s))])
    found = re.search(r"differs by ([+-]\d+) % to ([+-]\d+) % at", said)
    assert found is not None
    assert "--duration" in said
    return int(found[1]), int(found[2])


def test_a_short_server_run_says_what_it_leaves_open_and_a_longer_one_less() -> None:
    # M/D/1 over many seeds: standard deviation some 17 % for 4 s, 8 % for 40 s, 5 % for 80 s (docs/calibrate.md);
    # the extremes of 19 lie some 1.8 of them from the middle, rarely twice as far
    short, longer = open_percent(4.0), open_percent(80.0)
    assert -60 <= short[0] <= -15
    assert 15 <= short[1] <= 60
    assert -20 <= longer[0] <= -3
    assert 3 <= longer[1] <= 20
    assert open_percent(4.0) == short  # by the seed


def test_nothing_is_left_open_without_a_rate_or_after_a_long_run() -> None:
    wanted = Wanted()
    assert left_open(wanted, TIMINGS, []) == ()
    assert left_open(wanted, TIMINGS, [run(SERVER, 0.0, 0)]) == ()
    assert left_open(wanted, TIMINGS, [run(SERVER, 50.0, MOST_QUERIES + 1)]) == ()
