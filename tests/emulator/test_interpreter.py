"""Garbage is looked for less often inside, and as before after it, whatever happens."""

import gc

import pytest

from emulator.interpreter import CONTAINERS, seldom


def test_it_is_as_before_afterwards_even_after_an_error() -> None:
    before = gc.get_threshold()
    with seldom():
        assert gc.get_threshold() == (CONTAINERS, *before[1:])
    assert gc.get_threshold() == before
    with pytest.raises(KeyError), seldom():
        raise KeyError
    assert gc.get_threshold() == before


def test_who_switched_it_off_or_wants_it_even_less_often_has_his_way() -> None:
    before = gc.get_threshold()
    try:
        for threshold in (0, CONTAINERS * 2):
            gc.set_threshold(threshold, 10, 10)
            with seldom():
                assert gc.get_threshold() == (threshold, 10, 10)
            assert gc.get_threshold() == (threshold, 10, 10)
    finally:
        gc.set_threshold(*before)


def test_cycles_of_a_scheduler_go_all_the_same() -> None:
    gone = []

    class Knot:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            gone.append(1)

    with seldom():
        for _ in range(CONTAINERS + 1000):
            Knot()
    assert gone
