"""Every pair at one instant, decided afresh or as the plan has it."""

import msgspec
import pytest

from links.errors import LinkError
from links.geometry import LIGHT_M_PER_S
from links.laser import LaserTerminals
from links.network import Network
from links.plan import build_plan
from links.snapshot import LinkState, snapshot
from links.topology import Topology

seven_metres_a_millisecond = 2.6e-5  # v / c: the receiver moves while the light is on its way


def test_a_snapshot_of_the_start_is_the_start_of_the_plan(uneven, stations) -> None:
    for kind in ("ring", "nearest-k", "+grid", "all-visible"):
        network = Network(uneven, stations, topology=Topology(kind=kind, k=1), laser=LaserTerminals(per_satellite=2))
        plan = build_plan(network, 3000.0)
        fresh = [(link.a, link.b, link.up, link.reason) for link in snapshot(network, 0.0) if link.kind == "laser"]
        assert fresh == [(a, b, *plan.status(a, b, 0.0)) for a, b, *_ in fresh]


def test_a_snapshot_with_a_plan_says_what_the_plan_says(uneven, stations) -> None:
    network = Network(uneven, stations, topology=Topology(kind="nearest-k", k=1))
    plan = build_plan(network, 6000.0)
    for t_s in (0.0, 777.7, 6000.0):
        links = snapshot(network, t_s, plan)
        assert len(links) == 21 + 28
        for link in links:
            assert (link.up, link.reason) == plan.status(link.a, link.b, t_s)
            assert link.visible == (link.reason not in ("blocked", "too_far", "below_mask"))
            assert (link.bits_per_s > 0.0) == link.visible
            assert link.delay_s == pytest.approx(link.range_m / LIGHT_M_PER_S, abs=1e-10)
            assert link.light_time_s == pytest.approx(link.delay_s, rel=3 * seven_metres_a_millisecond)


def test_one_antenna_takes_one_satellite_and_one_satellite_one_antenna(ring, turning) -> None:
    network = Network(ring(90), turning([("X", 60.0, 0.0), ("Y", 60.1, 0.0)]))
    for t_s in range(0, 3000, 600):
        radio = [link for link in snapshot(network, float(t_s)) if link.kind == "radio"]
        up = [link for link in radio if link.up]
        assert len(up) == len({link.a for link in up}) == len({link.b for link in up}) == 2
        assert all(link.visible for link in up)
        assert {link.reason for link in radio if not link.up} == {"below_mask", "no_free_terminal"}


def test_a_snapshot_can_be_written_as_json(uneven, stations) -> None:
    links = snapshot(Network(uneven, stations), 10.0)
    assert msgspec.json.decode(msgspec.json.encode(links), type=tuple[LinkState, ...]) == links


def test_an_instant_that_is_none_is_refused(ring) -> None:
    with pytest.raises(LinkError, match="nan"):
        snapshot(Network(ring(3)), float("nan"))
