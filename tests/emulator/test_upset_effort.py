"""How many trials of bit flips a model gets unless asked otherwise, and how long they will take."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.radiation.effort import MOST_OPS, SCENES, TRIALS, Counter, effort
from workloads.counting.graph import profile
from workloads.models import shipped_models

KINDS = 7 + 32 + 20  # numbers, positions, and more layers than those that ship have


@pytest.mark.parametrize("name", shipped_models())
def test_models_that_ship_get_the_usual_numbers(name: str) -> None:
    found = effort(profile(shipped_models()[name]).ops, KINDS, None, None)
    assert (found.trials, found.scenes, found.cut, found.notes()) == (TRIALS, SCENES, False, [])


def test_a_large_model_gets_fewer_and_it_is_said() -> None:
    """ResNet-50: 8.2e9 operations x 146 kinds = 1.2e12 for one trial on one scene: 4 of those are below 5e12."""
    found = effort(8_200_000_000, 146, None, None)
    assert (found.trials, found.scenes, found.total) == (1, 4, 146)
    assert found.notes() == [
        "a large model: 1 trial of each kind on 4 scenes, usually 8 on 32; --trials, --scenes for more"
    ]


def test_what_is_asked_for_is_done() -> None:
    assert effort(10**12, 146, 8, 32)[1:] == (8, 32, False)
    assert effort(10**12, 146, 3, None)[1:] == (3, 1, True)
    assert effort(10**12, 146, None, 5)[1:] == (1, 5, True)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 10**13), st.integers(1, 1000))
def test_the_work_is_bounded_unless_one_trial_of_one_scene_exceeds_it(ops: int, kinds: int) -> None:
    found = effort(ops, kinds, None, None)
    assert 1 <= found.trials <= TRIALS
    assert 1 <= found.scenes <= SCENES
    assert ops * found.total * found.scenes <= max(MOST_OPS, ops * kinds)


@pytest.mark.parametrize(("first_s", "said"), [(2.0, [24.0]), (0.5, [])])
def test_after_the_first_trial_it_says_how_long_all_take_if_that_is_long(first_s: float, said: list[float]) -> None:
    told: list[float] = []
    shown: list[float] = []
    times = iter([100.0, 100.0 + first_s])
    counter = Counter(lambda: next(times), told.append)
    counter.begin(12, shown.append)
    for _ in range(3):
        counter()
    assert (told, shown) == (said, [1.0, 2.0, 3.0])
