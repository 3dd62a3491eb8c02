"""Every pair of a scenario at one instant: connected or why not, how far, how long, how fast."""

import msgspec

from emulator.assemble import Bar, read_sky
from emulator.connectivity import Connectivity, connectivity
from emulator.errors import BadInput
from emulator.scenario import LoadedScenario
from links.contacts import LASER
from links.errors import LinkError
from links.plan import build_plan
from links.snapshot import LinkState, snapshot
from nodes.orbit import age_warnings


class LinksReport(msgspec.Struct, frozen=True, kw_only=True):
    """`links` are pairs of satellites, `downlinks` satellites with stations; ranges and delays are given for pairs
    that do not see each other too, as if nothing stood between."""

    scenario: str
    at: str
    links: list[LinkState]
    downlinks: list[LinkState]
    connectivity: Connectivity
    notes: list[str]


def pairs_at(loaded: LoadedScenario, utc: str, bar: Bar) -> LinksReport:
    """Build the contact plan, so that acquisition and free terminals are as they are in a run, and read it at `utc`."""
    scenario = loaded.scenario
    sky = read_sky(loaded)
    at_s = sky.epoch.seconds(utc)
    if not 0.0 <= at_s <= scenario.duration_s:
        raise BadInput(
            f"--at {utc} is outside the scenario {scenario.name}, {sky.epoch.iso(0.0)} to "
            f"{sky.epoch.iso(scenario.duration_s)}"
        )
    advance = bar("contacts", 1.0)
    try:
        plan = build_plan(sky.network, scenario.duration_s)
    except LinkError as error:
        raise loaded.refuse([(("topology",), str(error))]) from error
    advance(1.0)
    states = snapshot(sky.network, at_s, plan)
    return LinksReport(
        scenario=scenario.name,
        at=sky.epoch.iso(at_s),
        links=[state for state in states if state.kind == LASER],
        downlinks=[state for state in states if state.kind != LASER],
        connectivity=connectivity(plan, sky.ephemeris.names, at_s),
        notes=age_warnings(sky.elements, sky.epoch, scenario.duration_s),
    )
