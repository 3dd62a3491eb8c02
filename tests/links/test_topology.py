"""Which links are wanted, and who gets a terminal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from links.errors import LinkError
from links.topology import Topology, all_pairs, candidate_pairs, grant, nearest, ring_neighbours


def test_the_ring_follows_the_argument_of_latitude_and_closes(circular) -> None:
    phases = {"A": 200.0, "B": 10.0, "C": 355.0, "D": 90.0, "E": 181.0}
    satellites = circular([(name, 500e3, 97.4, 30.0, phase) for name, phase in phases.items()])
    r_m, v_m_per_s = (states[:, 0] for states in satellites.states(np.array([1234.0])))
    found = {satellites.names[a] + satellites.names[b] for a, b in ring_neighbours(r_m, v_m_per_s, [0] * 5)}
    assert found == {"BD", "DE", "AE", "AC", "BC"}  # in order of phase: B D E A C, and round to B


def test_each_plane_has_a_ring_of_its_own_and_none_joins_itself(circular) -> None:
    planes = [("A", 0.0), ("B", 0.0), ("C", 60.0), ("D", 60.0), ("E", 60.0), ("F", 120.0)]
    satellites = circular([(name, 500e3, 53.0, raan, 50.0 * i) for i, (name, raan) in enumerate(planes)])
    r_m, v_m_per_s = (states[:, 0] for states in satellites.states(np.array([0.0])))
    assert ring_neighbours(r_m, v_m_per_s, [0, 0, 1, 1, 1, 2]) == {(0, 1), (2, 3), (3, 4), (2, 4)}


def test_an_equatorial_ring_has_an_order_too(ring) -> None:
    r_m, v_m_per_s = (states[:, 0] for states in ring(4, inclination_deg=0.0).states(np.array([77.0])))
    assert ring_neighbours(r_m, v_m_per_s, [0] * 4) == {(0, 1), (1, 2), (2, 3), (0, 3)}


@pytest.mark.parametrize(
    ("planes", "slots", "links"),
    [(34, 34, 2 * 34 * 34), (1, 12, 12), (12, 1, 12), (2, 2, 4), (1, 2, 1), (1, 1, 0), (2, 3, 9)],
)
def test_a_grid_wraps_and_never_joins_a_satellite_to_itself(planes: int, slots: int, links: int) -> None:
    place = [divmod(number, slots) for number in range(planes * slots)]
    names = [f"{p}-{s}" for p, s in place]
    pairs = candidate_pairs(Topology(kind="+grid"), names, [p for p, _ in place], [s for _, s in place])
    assert len(pairs) == len({tuple(pair) for pair in pairs.tolist()}) == links
    assert (pairs[:, 0] < pairs[:, 1]).all() if links else True


def test_a_grid_with_two_satellites_in_one_slot_is_refused() -> None:
    with pytest.raises(LinkError, match="taken twice"):
        candidate_pairs(Topology(kind="+grid"), ["A", "B"], [0, 0], [1, 1])


def test_nearest_takes_the_k_nearest_in_sight_of_either_end() -> None:
    pairs = all_pairs(4)  # 01 02 03 12 13 23
    lengths_m = np.array([1.0, 2.0, 9.0, 3.0, 8.0, 7.0])
    everything = np.ones(6, dtype=bool)
    assert nearest(pairs, everything, lengths_m, 1).tolist() == [True, True, False, False, False, True]
    unseen = np.array([True, True, True, True, True, False])  # 3 does not see 2: its nearest is 1
    assert nearest(pairs, unseen, lengths_m, 1).tolist() == [True, True, False, False, True, False]


def test_a_fixed_topology_names_its_problems() -> None:
    pairs = (("A", "B"), ("B", "A"), ("C", "C"))
    problems = dict(Topology(kind="fixed", pairs=pairs).problems())
    assert "second time" in problems["pairs[1]"]
    assert "to itself" in problems["pairs[2]"]
    assert [field for field, _ in Topology(kind="mesh", k=0).problems()] == ["kind", "k"]
    assert Topology(kind="fixed").problems()[0][0] == Topology(kind="ring", pairs=pairs[:1]).problems()[0][0] == "pairs"
    with pytest.raises(LinkError, match="'X', 'Y'; the satellites are A, B"):
        candidate_pairs(Topology(kind="fixed", pairs=(("X", "Y"),)), ["A", "B"], [0, 0], [0, 1])


@settings(derandomize=True, deadline=None)
@given(st.integers(2, 9), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_grants_never_exceed_terminals_keep_what_stands_and_leave_nothing_free(
    count: int, terminals: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    pairs = all_pairs(count)
    lengths_m = np.round(random.uniform(1.0, 5.0, len(pairs)))  # many ties
    before = grant(pairs, np.zeros(len(pairs), bool), random.random(len(pairs)) < 0.7, lengths_m, terminals, count)
    wanted = random.random(len(pairs)) < 0.7
    held = grant(pairs, before, wanted, lengths_m, terminals, count)
    used = np.bincount(pairs[held].ravel(), minlength=count)
    assert (used <= terminals).all()
    assert (held[before & wanted]).all()
    assert not held[~wanted].any()
    for a, b in pairs[wanted & ~held]:
        assert used[a] == terminals or used[b] == terminals
