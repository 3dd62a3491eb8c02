"""Ground tracks as GeoJSON (RFC 7946): a MultiLineString for each satellite, a Point for each station.

WGS84 longitude, latitude, height above the ellipsoid in metres. Lines are cut where they cross the antimeridian, with
an end at 180 and a begin at -180 degrees of the same latitude (RFC 7946, 3.1.9). A position has no room for its time:
`properties.times_utc` holds one list for each line, one UTC instant for each position.
"""

from os import PathLike
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from emulator.exporting.frames import Array, iso
from emulator.exporting.orbits import Orbits
from emulator.exporting.outputs import new_file
from emulator.trace import Trace
from emulator.tracing.tables import about_trace
from nodes.station import GroundStation
from nodes.track import subpoints

STEP_S = 30.0  # 2 degrees of an orbit at 500 km: a straight line is within 2 km of the track, 7 km near a pole
DEGREE_DIGITS = 6  # 0.1 m on the ground

Point = tuple[float, float, float, float]  # longitude and latitude in degrees, height in m, instant in s


def export_geojson(
    trace: Trace, out: str | PathLike[str], orbits: Orbits, step_s: float = STEP_S
) -> dict[str, int]:  # fmt: skip
    """Write the new file `out`. Returns how many `tracks`, `lines` and `stations` it holds.

    Raises `BadInput` for a step that cannot be and a name that is taken, OSError.
    """
    times_s = orbits.grid_s(step_s)
    lines = 0
    with new_file(Path(out)) as stream:
        stream.write('{"type":"FeatureCollection","orbitmesh":')
        stream.write(msgspec.json.encode(about_trace(trace)).decode())
        stream.write(',\n"features":[\n')
        for row, name in enumerate(orbits.ephemeris.names):
            positions = orbits.ephemeris.only(row).positions(times_s)
            lat_deg, lon_deg, height_m = (part[0] for part in subpoints(positions, orbits.epoch, times_s))
            cut = cut_lines(lon_deg, lat_deg, height_m, times_s)
            lines += len(cut)
            separator = ",\n" if row else ""
            stream.write(separator + msgspec.json.encode(_track(name, cut, orbits)).decode())
        for station in orbits.stations:
            stream.write(",\n" + msgspec.json.encode(_station(station)).decode())
        stream.write("\n]}\n")
    return {"tracks": len(orbits.ephemeris.names), "lines": lines, "stations": len(orbits.stations)}


def cut_lines(lon_deg: Array, lat_deg: Array, height_m: Array, times_s: Array) -> list[list[Point]]:
    """A track (T,) as lines that stay within -180 to 180 degrees, two points at least in each.

    Between two points the shorter way round is meant; where it crosses the antimeridian, latitude, height and instant
    are interpolated linearly, so that the cut line lies where the whole one did.
    """
    lines: list[list[Point]] = [[]]
    before: Point | None = None
    columns = (lon_deg, lat_deg, height_m, times_s)
    for point in zip(*(column.tolist() for column in columns), strict=True):
        here: Point = point
        if before is not None and abs(here[0] - before[0]) > 180.0:
            edge = 180.0 if here[0] < before[0] else -180.0  # eastward: leaves at 180, comes in at -180
            part = (edge - before[0]) / (here[0] + 2.0 * edge - before[0])
            lat, height, at_s = (b + part * (h - b) for b, h in zip(before[1:], here[1:], strict=True))
            if part > 0.0:
                lines[-1].append((edge, lat, height, at_s))
            lines.append([(-edge, lat, height, at_s)] if part < 1.0 else [])
        lines[-1].append(here)
        before = here
    return [line for line in lines if len(line) > 1]


def _track(name: str, lines: list[list[Point]], orbits: Orbits) -> dict[str, Any]:
    instants = iso(orbits.epoch, np.array([point[3] for line in lines for point in line]))
    texts = iter(instants)
    return {
        "type": "Feature",
        "id": f"satellite/{name}",
        "geometry": {"type": "MultiLineString", "coordinates": [[_position(p) for p in line] for line in lines]},
        "properties": {
            "satellite": name,
            "start_utc": instants[0],
            "stop_utc": instants[-1],
            "times_utc": [[next(texts) for _ in line] for line in lines],
        },
    }


def _position(point: Point) -> tuple[float, float, float]:
    return round(point[0], DEGREE_DIGITS), round(point[1], DEGREE_DIGITS), round(point[2], 1)


def _station(station: GroundStation) -> dict[str, Any]:
    lon_deg = (station.longitude_deg + 180.0) % 360.0 - 180.0
    return {
        "type": "Feature",
        "id": f"station/{station.name}",
        "geometry": {"type": "Point", "coordinates": [lon_deg, station.latitude_deg, station.elevation_m]},
        "properties": {
            "station": station.name,
            "min_elevation_deg": station.min_elevation_deg,
            "antennas": station.antennas,
            "source": station.source,
        },
    }
