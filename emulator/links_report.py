"""Every pair of a scenario at one instant: connected or why not, how far, how long, how fast."""

from collections.abc import Callable

import msgspec

from emulator.connectivity import Connectivity, connectivity
from emulator.errors import BadInput
from emulator.instants import instant_s
from emulator.scenario import LoadedScenario
from emulator.sky import contacts, read_sky
from links.contacts import LASER
from links.snapshot import LinkState, snapshot
from nodes.epoch import Epoch
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


def pairs_at(loaded: LoadedScenario, utc: str, bar: Callable[[str, float], Callable[[float], None]]) -> LinksReport:
    """Build the contact plan, so that acquisition and free terminals are as they are in a run, and read it at `utc`."""
    scenario = loaded.scenario
    at_s = instant_s(Epoch(scenario.epoch), "--at", utc)
    sky = read_sky(loaded)
    if not 0.0 <= at_s <= scenario.duration_s:
        raise BadInput(
            f"--at {utc} is outside the scenario {scenario.name}, {sky.epoch.iso(0.0)} to "
            f"{sky.epoch.iso(scenario.duration_s)}"
        )
    advance = bar("contacts", 1.0)
    plan = contacts(loaded, sky)
    advance(1.0)
    states = snapshot(sky.network, at_s, plan)
    return LinksReport(
        scenario=scenario.name,
        at=sky.epoch.iso(at_s),
        links=[state for state in states if state.kind == LASER],
        downlinks=[state for state in states if state.kind != LASER],
        connectivity=connectivity(plan, sky.ephemeris.names, at_s),
        notes=sky.notes + age_warnings(sky.elements, sky.epoch, scenario.duration_s),
    )
