"""The line from wall to emulated seconds: joins, inverses, never a jump."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.live import pace as module
from emulator.live.pace import JOIN_S, KEPT, SLEW, Pace, PaceError, Segment

nanosecond = 1e-9

walls = st.floats(0.0, 1e6)
rates = st.floats(1e-3, 1e4)
changes = st.lists(st.tuples(st.floats(0.0, 100.0), rates), max_size=8)


def built(start_wall_s: float, rate: float, after: list[tuple[float, float]], offset_s: float = 0.0) -> Pace:
    """A line with a change `gap_s` after the one before, for each (gap_s, rate)."""
    pace = Pace(Segment(start_wall_s, 0.0, rate), offset_s)
    for gap_s, next_rate in after:
        pace.change(pace.joining(pace.segments[-1].wall_s + gap_s, next_rate))
    return pace


def test_runs_at_its_rate_and_before_its_start_too() -> None:
    pace = Pace(Segment(100.0, 10.0, 2.0))
    assert pace.emulated(103.0) == 16.0
    assert pace.wall(16.0) == 103.0
    assert pace.emulated(98.0) == 6.0
    assert pace.wall(6.0) == 98.0


def test_a_change_takes_effect_at_its_instant_which_may_lie_ahead() -> None:
    pace = Pace(Segment(100.0, 0.0, 2.0))
    pace.change(Segment(110.0, 20.0, 0.5))
    assert pace.emulated(105.0) == 10.0
    assert pace.rate(105.0) == 2.0
    assert pace.emulated(112.0) == 21.0
    assert pace.rate(110.0) == 0.5
    assert pace.wall(10.0) == 105.0
    assert pace.wall(21.0) == 112.0


@pytest.mark.parametrize("jump_s", [1e-6, -1e-6, 1.0, -1.0])
def test_a_jump_is_refused_and_changes_nothing(jump_s: float) -> None:
    pace = Pace(Segment(100.0, 0.0, 1.0))
    with pytest.raises(PaceError, match="jump"):
        pace.change(Segment(110.0, 10.0 + jump_s, 2.0))
    assert pace.segments == (Segment(100.0, 0.0, 1.0),)
    assert pace.emulated(120.0) == 20.0


def test_a_change_before_the_last_one_is_refused() -> None:
    pace = Pace(Segment(100.0, 0.0, 1.0))
    pace.change(Segment(110.0, 10.0, 2.0))
    with pytest.raises(PaceError, match="in order"):
        pace.change(Segment(109.0, 9.0, 3.0))


def test_a_join_within_tolerance_does_not_step_back() -> None:
    below = Pace(Segment(0.0, 0.0, 1.0))
    below.change(Segment(10.0, 10.0 - JOIN_S / 2, 2.0))
    assert below.emulated(10.0 - 1e-12) <= below.emulated(10.0)
    assert below.wall(10.0 - JOIN_S) <= below.wall(10.0)


@pytest.mark.parametrize(
    "bad", [(0.0, 0.0, 0.0), (0.0, 0.0, -1.0), (float("nan"), 0.0, 1.0), (0.0, float("inf"), 1.0), (0, 0, float("nan"))]
)
def test_a_segment_that_cannot_be_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(PaceError, match="rate above 0"):
        Segment(*bad)


def test_a_segment_crosses_the_wire_and_a_bad_one_is_a_validation_error() -> None:
    segment = Segment(100.25, 3.5, 0.125)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(segment), type=Segment) == segment
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode((0.0, 0.0, -1.0)), type=Segment)


def test_memory_is_bounded_and_what_is_forgotten_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 4)
    assert KEPT > 4
    pace = built(0.0, 1.0, [(1.0, 2.0), (1.0, 1.0)] * 5)
    assert len(pace.segments) == 4
    assert pace.emulated(10.0) == 15.0
    with pytest.raises(PaceError, match="older"):
        pace.emulated(1.0)
    with pytest.raises(PaceError, match="older"):
        pace.wall(1.0)


def test_another_host_agrees_and_takes_the_same_changes() -> None:
    here, there = (Pace(Segment(100.0, 0.0, 1.0), offset_s) for offset_s in (0.0, 5_000.0))
    for pace in (here, there):
        pace.change(Segment(110.0, 10.0, 2.0))
        pace.change(Segment(120.0, 30.0, 0.5))
    for wall_s in (99.0, 105.0, 115.0, 125.0):
        assert there.emulated(wall_s + 5_000.0) == here.emulated(wall_s)
        assert there.rate(wall_s + 5_000.0) == here.rate(wall_s)
    assert here.wall(31.0) == 122.0
    assert there.wall(31.0) == 5_122.0


def test_an_offset_that_is_no_number_is_refused() -> None:
    with pytest.raises(PaceError, match="offset"):
        Pace(Segment(0.0, 0.0, 1.0), float("nan"))
    with pytest.raises(PaceError, match="offset"):
        Pace(Segment(0.0, 0.0, 1.0)).lead(1.0, float("inf"))


@pytest.mark.parametrize("error_s", [1e-3, -1e-3])
def test_an_offset_measured_anew_is_made_for_by_bending(error_s: float) -> None:
    pace = Pace(Segment(0.0, 0.0, 1.0), offset_s=7.0)
    pace.lead(107.0, 7.0 + error_s)
    assert pace.emulated(107.0) == 100.0  # no jump
    lasts_s = 1e-3 / SLEW
    assert lasts_s == 2.0
    assert pace.emulated(108.0) == pytest.approx(101.0 - error_s / 2, abs=nanosecond)
    assert pace.emulated(107.0 + lasts_s) == pytest.approx(102.0 - error_s, abs=nanosecond)
    assert pace.emulated(207.0) == pytest.approx(200.0 - error_s, abs=nanosecond)
    for emulated_s in (100.5, 101.5, 102.5, 200.0):
        assert pace.emulated(pace.wall(emulated_s)) == pytest.approx(emulated_s, abs=nanosecond)


@settings(derandomize=True, deadline=None)
@given(
    st.floats(-1e7, 1e7),
    st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(-0.1, 0.1)), min_size=1, max_size=8),
    st.lists(st.floats(0.0, 1.0), max_size=8),
)
def test_time_never_goes_back_however_often_the_offset_is_measured(
    offset_s: float, measured: list[tuple[float, float]], looks: list[float]
) -> None:
    pace, wall_s, seen_s = Pace(Segment(0.0, 0.0, 1.0), offset_s), 1000.0, []
    for after_s, error_s in measured:
        for share in sorted(looks):
            seen_s.append((wall_s + share * after_s, pace.emulated(wall_s + share * after_s)))
        wall_s += after_s
        before_s = pace.emulated(wall_s)
        pace.lead(wall_s, offset_s + error_s)
        assert pace.emulated(wall_s) == before_s
        seen_s.append((wall_s, before_s))
    rounding_s = 4 * 2.0**-52 * (abs(offset_s) + wall_s)
    for (from_wall_s, from_s), (to_wall_s, to_s) in pairwise(seen_s):
        lasted_s = to_wall_s - from_wall_s
        assert to_s >= from_s
        assert abs(to_s - from_s - lasted_s) <= SLEW * lasted_s + rounding_s
        assert pace.wall(to_s) >= pace.wall(from_s)


@settings(derandomize=True, deadline=None)
@given(walls, rates, changes, st.floats(-200.0, 1_000.0))
def test_wall_and_emulated_undo_each_other(start_s: float, rate: float, after: list, beyond_s: float) -> None:  # type: ignore[type-arg]
    pace = built(start_s, rate, after)
    wall_s = start_s + beyond_s
    slowest = min(segment.rate for segment in pace.segments)
    # one unit in the last place of the larger of both instants, seen through the slowest segment
    rounding_s = 4 * 2.0**-52 * (wall_s + 1.0 + abs(pace.emulated(wall_s)) / slowest)
    assert pace.wall(pace.emulated(wall_s)) == pytest.approx(wall_s, rel=0.0, abs=rounding_s)


@settings(derandomize=True, deadline=None)
@given(walls, rates, changes, st.lists(st.floats(-200.0, 1_000.0), min_size=2, max_size=12))
def test_time_never_goes_back(start_s: float, rate: float, after: list, at: list[float]) -> None:  # type: ignore[type-arg]
    pace = built(start_s, rate, after)
    joins_s = [segment.wall_s - start_s for segment in pace.segments]
    walls_s = sorted(start_s + s for s in (*at, *joins_s, *(s - nanosecond for s in joins_s)))
    emulated_s = [pace.emulated(s) for s in walls_s]
    assert emulated_s == sorted(emulated_s)
    back_s = [pace.wall(s) for s in emulated_s]
    assert back_s == sorted(back_s)
