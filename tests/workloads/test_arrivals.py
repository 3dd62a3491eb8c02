"""Poisson arrivals: whole microseconds, nobody's draws shifted by a longer run, bad specs named."""

import pytest

from workloads.arrivals import NEVER_S, UNIT_WORK, Poisson, poisson
from workloads.errors import WorkloadError


def test_a_longer_run_only_adds_at_the_end() -> None:
    spec = Poisson(node="A", rate_per_s=10.0)
    short, long = (poisson(spec, duration_s, 3) for duration_s in (100.0, 300.0))
    assert 900 < len(short) < 1100
    assert long[: len(short)] == short
    assert all(task.at_s < 100.0 for task in short)
    assert [task.at_s for task in long] == sorted(task.at_s for task in long)


def test_nodes_have_draws_of_their_own() -> None:
    here, there = (poisson(Poisson(node=node, rate_per_s=1.0), 50.0, 3) for node in "AB")
    assert [task.at_s for task in here[:5]] != [task.at_s for task in there[:5]]


def test_service_does_not_shift_arrivals() -> None:
    drawn = poisson(Poisson(node="A", rate_per_s=1.0), 50.0, 3)
    fixed = poisson(Poisson(node="A", rate_per_s=1.0, service="fixed", mean_units=5), 50.0, 3)
    assert [task.at_s for task in drawn] == [task.at_s for task in fixed]
    assert {task.inferences for task in fixed} == {5}
    assert len({task.inferences for task in drawn}) == len(drawn)
    assert drawn[0].deadline_s == drawn[0].at_s + NEVER_S
    assert drawn[0].model == UNIT_WORK.name


def test_every_problem_is_reported() -> None:
    bad = Poisson(node="", rate_per_s=0.0, mean_units=0, raw_bytes=-1, deadline_s=float("nan"), model="")
    assert {field for field, _ in bad.problems()} == set(Poisson.__struct_fields__) - {"service"}
    with pytest.raises(WorkloadError, match=r"poisson\.rate_per_s is 0\.0"):
        poisson(bad, 1.0, 1)
    with pytest.raises(WorkloadError, match="duration_s is inf"):
        poisson(Poisson(node="A", rate_per_s=1.0), float("inf"), 1)
