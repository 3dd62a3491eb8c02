"""Contact-graph routing: the tutorial plan and the diamond of ../shared/vectors.md."""

from links.contacts import constant_contact
from links.routing import earliest_arrival, routes

# vectors.md: nodes 1..5, one-way light time 1 s, rate 1, both directions:
# 1-2 [0,60], 2-3 [0,60], 1-3 [0,60], 3-4 [0,30], 1-5 [10,20], 4-5 [0,10] [30,40] [50,60]
TUTORIAL = [
    constant_contact(a, b, float(start), float(stop), delay_s=1.0, bits_per_s=1.0)
    for a, b, start, stop in [
        ("1", "2", 0, 60), ("2", "3", 0, 60), ("1", "3", 0, 60), ("3", "4", 0, 30),
        ("1", "5", 10, 20), ("4", "5", 0, 10), ("4", "5", 30, 40), ("4", "5", 50, 60),
    ]
]  # fmt: skip

# vectors.md: rate 1000: 1-2 [10,20], 1-3 [40,50], 2-4 [20,30], 3-4 [70,80]; light time 0
DIAMOND = [
    constant_contact(a, b, float(start), float(stop), delay_s=0.0, bits_per_s=1000.0)
    for a, b, start, stop in [("1", "2", 10, 20), ("1", "3", 40, 50), ("2", "4", 20, 30), ("3", "4", 70, 80)]
]


def test_the_tutorial_plan_has_exactly_seven_routes() -> None:
    # vectors.md: exactly seven routes with best delivery times 3, 4, 11, 31, 31, 51, 51
    found = list(routes(TUTORIAL, "1", "5", 0.0))
    assert [route.arrival_s for route in found] == [3.0, 4.0, 11.0, 31.0, 31.0, 51.0, 51.0]
    assert [route.hops for route in found[:3]] == [("3", "4", "5"), ("2", "3", "4", "5"), ("5",)]
    assert len({route.contacts for route in found}) == 7


def test_the_earliest_of_them_is_found_alone() -> None:
    found = earliest_arrival(TUTORIAL, "1", "5", 0.0)
    assert found is not None
    assert (found.arrival_s, found.hops) == (3.0, ("3", "4", "5"))


def test_the_diamond_has_two_routes_of_ten_thousand_bits() -> None:
    # vectors.md: two routes, one leaving by 20 and one arriving at 70, capacity 10000 each
    first, second = routes(DIAMOND, "1", "4", 0.0)
    assert first.leave_by_s == 20.0
    assert second.arrival_s == 70.0
    assert (first.capacity_bits, second.capacity_bits) == (10000.0, 10000.0)
