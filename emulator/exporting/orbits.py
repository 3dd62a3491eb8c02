"""Where a trace's satellites were: from the elements in its header, or from its scenario, which must be the same one.

A trace names no file to open: a scenario of your own is given by hand, and its sha256 must be the trace's.
"""

from dataclasses import dataclass
from math import ceil

import msgspec
import numpy as np
from numpy.typing import NDArray

from emulator.errors import BadInput, TraceError
from emulator.scenario import MOST_DURATION_S, load, shipped
from emulator.sky import read_sky
from emulator.trace import Trace
from emulator.world import SATELLITE, STATION
from nodes.elements import Elements
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.orbit import STEP_S, Ephemeris
from nodes.station import GroundStation, Stations

MOST_SAMPLES = 5_000_000  # of all satellites: 200 MB of text; more is no file that a globe opens [guess]
MOST_STEP_S = 600.0  # a tenth of a low orbit: polynomials of degree 5 between such states err by kilometres
LEAST_STEPS = 5  # six samples make a polynomial of degree 5, which CZML asks for


@dataclass(frozen=True)
class Orbits:
    """Satellites over the whole run, and stations, of one epoch."""

    epoch: Epoch
    ephemeris: Ephemeris
    stations: tuple[GroundStation, ...]
    duration_s: float

    def grid_s(self, step_s: float) -> NDArray[np.float64]:
        """Six or more instants from 0 to the end, at most `step_s` apart (T,). Raises `BadInput` for too many."""
        if not 0.0 < step_s <= MOST_STEP_S:
            raise BadInput(f"--step {step_s}: must be a number of seconds above 0, at most {MOST_STEP_S:g}")
        count = self.duration_s / step_s * len(self.ephemeris.names)
        if count > MOST_SAMPLES:
            text = (
                f"--step {step_s:g}: {len(self.ephemeris.names)} satellites over {self.duration_s:g} s are {count:.3g}"
            )
            raise BadInput(f"{text} samples, more than {MOST_SAMPLES:.3g}; take a longer step")
        return np.linspace(0.0, self.duration_s, max(LEAST_STEPS, ceil(self.duration_s / step_s)) + 1)


def read_orbits(trace: Trace, scenario: str | None = None) -> Orbits:
    """The orbits of a trace; `scenario` is a TOML file or a shipped name, where the trace does not hold elements.

    Raises `BadInput` for a scenario that is not the one that ran, `TraceError` for a header that cannot be.
    """
    duration_s = trace.world.settings.duration_s
    if not 0.0 < duration_s <= MOST_DURATION_S:
        raise TraceError(f"{trace.folder}: lasts {duration_s} s; above 0 and at most {MOST_DURATION_S} s")
    if scenario is None and trace.header.elements:
        return _of_header(trace, duration_s)
    return _of_scenario(trace, scenario, duration_s)


def _of_header(trace: Trace, duration_s: float) -> Orbits:
    table = trace.header.scenario_table or {}
    try:
        elements = msgspec.convert(trace.header.elements, list[Elements])
        stations = msgspec.convert(table.get("stations", []), tuple[GroundStation, ...])
        _refuse_others(trace, {each.name for each in elements}, {each.name for each in stations})
        step_s = msgspec.convert(table.get("ephemeris_step_s", STEP_S), float)
        epoch = Epoch(trace.header.epoch)
        Stations(stations, epoch)  # refuses what cannot be
        return Orbits(epoch, Ephemeris.propagate(elements, epoch, duration_s, step_s), stations, duration_s)
    except (msgspec.ValidationError, NodeError) as error:
        raise TraceError(f"{trace.folder}: header.json: orbits that cannot be: {error}") from error


def _of_scenario(trace: Trace, scenario: str | None, duration_s: float) -> Orbits:
    header = trace.header
    if scenario is None and header.scenario not in shipped():
        text = f"its header holds no elements, and its scenario, {header.scenario[:64]!r}, does not ship"
        raise BadInput(f"{trace.folder}: {text}; give the file with --scenario FILE")
    loaded = load(scenario if scenario is not None else header.scenario, seed=header.seed, duration_s=duration_s)
    if loaded.sha256 != header.scenario_sha256:
        text = f"scenario {loaded.scenario.name} with seed {header.seed} and {duration_s:g} s is not the one that ran"
        text += f" (sha256 {loaded.sha256[:12]}, the trace has {header.scenario_sha256[:12]})"
        raise BadInput(f"{text}; give the one that did with --scenario FILE")
    sky = read_sky(loaded)
    _refuse_others(trace, set(sky.ephemeris.names), set(sky.stations.names))
    return Orbits(sky.epoch, sky.ephemeris, tuple(loaded.scenario.stations), duration_s)


def _refuse_others(trace: Trace, satellites: set[str], stations: set[str]) -> None:
    """Raise `TraceError` unless the orbits are those of the world's nodes."""
    for kind, names in ((SATELLITE, satellites), (STATION, stations)):
        other = sorted(names ^ {node.name for node in trace.world.nodes if node.kind == kind})
        if other:
            text = f"{kind} {other[0][:64]!r} is in the world or among the orbits, not in both"
            raise TraceError(f"{trace.folder}: {text}")
