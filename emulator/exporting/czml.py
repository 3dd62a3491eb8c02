"""A trace as CZML for Cesium: satellites and their orbits, stations, links while they are usable, tasks as points.

Instants are UTC; positions are metres, ICRF (`INERTIAL`, the default: orbits close) or Earth-fixed (`FIXED`), sampled
and joined by Lagrange polynomials of degree 5: within 2 cm of the ephemeris at 60 s. Tasks stand on the ground below
where they were captured, from capture to end. Nothing in the file is fetched from anywhere.
Source: CZML Guide, AnalyticalGraphicsInc/czml-writer.
"""

from html import escape
from math import pi, sqrt
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from emulator.errors import BadInput
from emulator.events import Captured
from emulator.exporting.czml_packets import Clock, Packet, label, point, put, reference, text
from emulator.exporting.frames import FRAMES, INERTIAL
from emulator.exporting.orbits import Orbits
from emulator.exporting.outputs import new_file
from emulator.trace import Trace
from emulator.tracing.records import Sink, TaskRecord
from emulator.tracing.spans import Span, without
from emulator.tracing.tables import synthetic
from emulator.tracing.telling import damage, tell
from links.contacts import LASER
from nodes.ephemerides.frames import from_teme
from nodes.track import subpoints

STEP_S = 60.0  # Lagrange of degree 5 is then within 2 cm at 500 km, near the ends of the run; 3 mm inside
DEGREE = 5
MU_M3_PER_S2 = 3.986004418e14  # WGS84: NIMA TR8350.2
MOST_TASKS = 1000  # points that a browser still moves smoothly [guess]
MULTIPLIER = 60.0  # simulated seconds a second when the page opens: an orbit in 95 s

SATELLITE, STATION = (255, 255, 255, 255), (120, 200, 255, 255)
LINKS = {LASER: (80, 255, 120, 160), "radio": (255, 190, 60, 200), "uplink": (200, 120, 255, 200)}
TASKS = {"done": (80, 255, 120, 255), "dropped": (160, 160, 160, 255), "lost": (255, 40, 40, 255)}
PENDING = (255, 220, 80, 255)


class Shown(Sink):
    """Every k-th task by capture of `expected`, at most `most`; only these are kept. `count` counts all."""

    def __init__(self, expected: int, most: int) -> None:
        self.tasks: list[TaskRecord] = []
        self.count = 0
        self._every = max(1, -(-expected // most)) if most > 0 else 0

    def task(self, task: TaskRecord) -> None:
        self.count += 1
        if self._every and task.number % self._every == 0:
            self.tasks.append(task)


def _captures(trace: Trace) -> int:
    """How many tasks there are: the ledger knows, where there is one."""
    footer = trace.footer()
    if footer is not None:
        return footer.tasks.captured
    return sum(isinstance(event, Captured) for _, _, (event, _) in trace.lines())


def export_czml(
    trace: Trace,
    out: str | PathLike[str],
    orbits: Orbits,
    frame: str = INERTIAL,
    step_s: float = STEP_S,
    most_tasks: int = MOST_TASKS,
) -> dict[str, int]:
    """Write the new file `out`. Returns how many satellites, stations, links, tasks and tasks shown there are.

    Of more than `most_tasks` tasks every k-th is shown. Raises `TraceError`, `BadInput`, OSError.
    """
    if frame not in FRAMES:
        raise BadInput(f"frame is {frame!r}; one of {', '.join(FRAMES)}")
    times_s = orbits.grid_s(step_s)
    shown = Shown(_captures(trace), most_tasks)
    story = tell(trace, shown)
    shown.tasks.sort(key=lambda task: task.number)
    outages: dict[str, list[Span]] = {}
    for node, from_s, to_s in story.outages:
        outages.setdefault(node, []).append((from_s, orbits.duration_s if to_s is None else to_s))
    with new_file(Path(out)) as stream:
        clock = Clock(orbits)
        stream.write("[\n" + text(_document(trace, clock)))
        satellites = _satellites(stream, orbits, clock, frame, times_s, outages)
        _stations(stream, orbits, clock, outages)
        with damage(trace):
            links = _links(stream, trace, clock, outages)
            tasks_shown = _tasks(stream, orbits, clock, shown.tasks)
        stream.write("\n]\n")
    counts = {"satellites": satellites, "stations": len(orbits.stations), "links": links}
    return counts | {"tasks_shown": tasks_shown, "tasks": shown.count}


def _document(trace: Trace, clock: Clock) -> Packet:
    header = trace.header
    return {
        "id": "document",
        "name": f"{header.scenario}, {header.policy}",
        "version": "1.0",
        "description": f"orbitmesh, digest {escape(header.digest)}; {synthetic(trace)}; tasks [every k-th is shown]",
        "clock": {
            "interval": clock.whole,
            "currentTime": clock.start,
            "multiplier": MULTIPLIER,
            "range": "LOOP_STOP",
            "step": "SYSTEM_CLOCK_MULTIPLIER",
        },
    }


def _satellites(
    stream: IO[str],
    orbits: Orbits,
    clock: Clock,
    frame: str,
    times_s: np.ndarray[Any, np.dtype[np.float64]],
    outages: dict[str, list[Span]],
) -> int:
    """A packet for each satellite: where it is, the orbit half a turn before and behind, its name."""
    for row, name in enumerate(orbits.ephemeris.names):
        positions, velocities = (part[0] for part in orbits.ephemeris.only(row).states(times_s))
        turned, _ = from_teme(FRAMES[frame], orbits.epoch, times_s, (positions, velocities))
        # instants are not rounded: a millisecond is 7.6 m of a low orbit
        samples = np.column_stack((times_s, np.round(turned, 3)))
        half_s = period_s(positions[0], velocities[0]) / 2.0
        color = {"solidColor": {"color": {"rgba": [*SATELLITE[:3], 90]}}}
        packet = {
            "id": f"satellite/{name}",
            "name": name,
            "availability": clock.whole,
            "position": {
                "epoch": clock.start,
                "referenceFrame": frame,
                "interpolationAlgorithm": "LAGRANGE",
                "interpolationDegree": DEGREE,
                "cartesian": samples.ravel().tolist(),
            },
            "point": point(SATELLITE, 7, outages.get(name, []), clock),
            "label": label(name),
            "path": {"leadTime": half_s, "trailTime": half_s, "width": 1, "resolution": 120, "material": color},
        }
        put(stream, packet)
    return len(orbits.ephemeris.names)


def _stations(stream: IO[str], orbits: Orbits, clock: Clock, outages: dict[str, list[Span]]) -> None:
    """A packet for each station."""
    for station in orbits.stations:
        place = [station.longitude_deg, station.latitude_deg, station.elevation_m]
        packet = {
            "id": f"station/{station.name}",
            "name": station.name,
            "availability": clock.whole,
            "position": {"cartographicDegrees": place},
            "point": point(STATION, 8, outages.get(station.name, []), clock),
            "label": label(station.name),
        }
        put(stream, packet)


def period_s(position: Any, velocity: Any) -> float:
    """The time of one turn from a state, in m and m/s, by the vis-viva equation."""
    axis_m = 1.0 / (2.0 / sqrt(position @ position) - (velocity @ velocity) / MU_M3_PER_S2)
    return 2.0 * pi * sqrt(axis_m**3 / MU_M3_PER_S2)


def _links(stream: IO[str], trace: Trace, clock: Clock, outages: dict[str, list[Span]]) -> int:
    """A line for each pair and kind that ever meets, there while both ends are up and the contact lasts."""
    kinds = {node.name: node.kind for node in trace.world.nodes}
    spans: dict[tuple[str, str, str], list[Span]] = {}
    for contact in trace.world.plan.contacts:
        spans.setdefault((contact.kind, contact.a, contact.b), []).append((contact.start_s, contact.stop_s))
    count = 0
    for (kind, a, b), met in sorted(spans.items()):
        intervals = clock.intervals(without(met, outages.get(a, []) + outages.get(b, [])))
        if not intervals:
            continue
        ends = [f"{reference(f'{kinds[node]}/{node}')}#position" for node in (a, b)]
        color = {"solidColor": {"color": {"rgba": LINKS[kind]}}}
        line = {"positions": {"references": ends}, "arcType": "NONE", "width": 1.5, "material": color}
        packet = {"id": f"{kind}/{a}/{b}", "name": f"{kind} {a} - {b}", "availability": intervals, "polyline": line}
        put(stream, packet)
        count += 1
    return count


def _tasks(stream: IO[str], orbits: Orbits, clock: Clock, shown: list[TaskRecord]) -> int:
    """A point on the ground for each task, below the satellite that captured it, until its end; how many there are.

    One that ends when it begins, such as a capture of a node that has failed, has no time to be shown in.
    """
    count = 0
    rows = {name: row for row, name in enumerate(orbits.ephemeris.names)}
    for record in shown:
        task = record.task
        at_s = np.array([task.at_s])
        place = orbits.ephemeris.only(rows[task.node]).positions(at_s)
        lat_deg, lon_deg, _ = subpoints(place, orbits.epoch, at_s)
        stop_s = clock.duration_s if record.ended_s is None else record.ended_s
        there = clock.intervals([(task.at_s, stop_s)])
        if not there:
            continue
        instants = {
            "captured": task.at_s, "sent": record.sent_s, "started": record.started_s, "finished": record.finished_s,
            "delivered": record.delivered_s,
        }  # fmt: skip
        told = "".join(f"<tr><td>{k}</td><td>{v:.3f} s</td></tr>" for k, v in instants.items() if v is not None)
        ended = escape(f"{record.how} {record.reason or ''}".strip())
        packet = {
            "id": f"task/{task.id}",
            "name": task.id,
            "availability": there,
            "description": f"<p>{escape(task.node)}: {ended}</p><table>{told}</table>",
            "position": {"cartographicDegrees": [float(lon_deg[0, 0]), float(lat_deg[0, 0]), 0.0]},
            "point": {"pixelSize": 4, "color": {"rgba": TASKS.get(record.how, PENDING)}},
        }
        put(stream, packet)
        count += 1
    return count
