"""Turns a scenario into the world that every scheduler of a comparison shares: orbits, contacts, captures, models.

Computed once per run and read by all; schedulers differ, the sky does not.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from emulator.connectivity import Connectivity, connectivity
from emulator.errors import ScenarioError
from emulator.events import Captured, ContactClosed, ContactOpened, Event, NodeFailed, NodeRecovered, SunRose, SunSet
from emulator.scenario import LoadedScenario
from emulator.world import SATELLITE, STATION, NodeSpec, Settings, World
from links.contacts import ContactPlan, plan_contacts
from links.errors import LinkError
from nodes.constellation import Satellites, satellites
from nodes.epoch import Epoch
from nodes.errors import NodeError
from nodes.orbit import Ephemeris
from nodes.processor import preset
from nodes.station import Stations
from nodes.sun import shadow_intervals, sun_positions
from nodes.track import subpoints, sun_elevation_deg
from workloads.errors import WorkloadError
from workloads.imaging import capture_times, captures
from workloads.inference import Runner
from workloads.tasks import Outcome, Task

Bar = Callable[[str, float], Callable[[float], None]]
