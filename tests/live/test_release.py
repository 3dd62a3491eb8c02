"""What is held comes out at its instant, in a stable order, once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.live.release import ReleaseError, Releases


def test_nothing_is_due_when_nothing_is_held() -> None:
    held: Releases[str] = Releases()
    assert held.next_due_s() is None
    assert held.pop_due(1e9) == []


def test_things_come_out_at_their_instant_and_not_before() -> None:
    held: Releases[str] = Releases()
    held.push(2.0, "b")
    held.push(1.0, "a")
    assert held.next_due_s() == 1.0
    assert held.pop_due(0.999) == []
    assert held.pop_due(1.0) == [(1.0, "a")]
    assert len(held) == 1
    assert held.pop_due(5.0) == [(2.0, "b")]


def test_equal_instants_keep_the_order_of_arrival_and_items_are_never_compared() -> None:
    held: Releases[object] = Releases()
    items = [object() for _ in range(50)]  # these have no order of their own
    for item in items:
        held.push(1.0, item)
    assert [item for _, item in held.pop_due(1.0)] == items


@pytest.mark.parametrize("due_s", [float("nan"), float("inf"), float("-inf")])
def test_an_instant_that_is_no_number_is_refused(due_s: float) -> None:
    held: Releases[str] = Releases()
    with pytest.raises(ReleaseError, match="finite"):
        held.push(due_s, "a")
    assert len(held) == 0


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0.0, 10.0)), st.lists(st.floats(0.0, 10.0)))
def test_every_item_comes_out_once_in_order(due_s: list[float], looks_s: list[float]) -> None:
    held: Releases[int] = Releases()
    for number, at_s in enumerate(due_s):
        held.push(at_s, number)
    out = []
    for now_s in (*sorted(looks_s), 10.0):
        popped = held.pop_due(now_s)
        assert all(at_s <= now_s for at_s, _ in popped)
        out += popped
    assert out == sorted((at_s, number) for number, at_s in enumerate(due_s))
