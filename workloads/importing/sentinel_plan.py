"""Sentinel-2 acquisition plans (KML, ESA) as imaging tasks with their modes and planned stations.

`ObservationDuration` is in milliseconds, and each datatake's own start and stop must say the same. Times are UTC,
with a zone written in some files and none in others. Some datatakes name no station: theirs stays missing.
Source: Copernicus Sentinel acquisition plans, sentinels.copernicus.eu, "Sentinel-2 Acquisition Plans".
"""

from collections.abc import Sequence
from math import atan2, cos, degrees, hypot, isfinite, radians, sin
from pathlib import Path

import msgspec

from workloads.errors import WorkloadError
from workloads.importing.instants import NS, Instants, iso_utc
from workloads.importing.kml import Placemark, placemarks
from workloads.importing.records import Imported, MissionTask, Rows
from workloads.importing.source_file import read_bytes
from workloads.importing.units import decimal

MOST_BYTES = 128 << 20  # a plan of 16 days has 2 MB
NOMINAL = "NOBS"  # nominal observation; VIC, SUN and DARK-O are calibration: the plan's folders
ATTRIBUTION = "Copernicus Sentinel acquisition plan, ESA"
_ROUNDING_NS = 1_500_000  # the plan's times are whole milliseconds: start, stop and duration are each rounded


class PlanFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan adds up to. `span_s` is from the first start to the last stop of all datatakes.

    `imaging_s` and `scenes` are of nominal observations, `duty_cycle` is `imaging_s` over `span_s`.
    """

    datatakes: int
    nominal: int
    imaging_s: float
    scenes: int
    span_s: float
    duty_cycle: float
    all_modes_s: float
    all_modes_scenes: int


def read_plan(path: Path, *, skip_bad: bool = False) -> Imported:
    """All datatakes in order of time, counted from the first start. Raises WorkloadError."""
    return plan_of(read_bytes(path, MOST_BYTES), path.name[:200], skip_bad=skip_bad)


def plan_of(document: bytes, source: str, *, skip_bad: bool = False) -> Imported:
    """The same of a document at hand; `source` is what messages call it."""
    rows, instants = Rows(source, skip_bad), Instants()
    dated: list[tuple[int, int, MissionTask]] = []
    for mark in placemarks(document, source):
        rows.read += 1
        try:
            start_ns, task = _datatake(mark, instants)
        except WorkloadError as error:
            rows.bad(mark.line, str(error))
            continue
        if rows.check(mark.line, task, rising=False):
            dated.append((start_ns, mark.line, task))
    if not dated:
        raise WorkloadError(f"{source}: holds no datatake; an acquisition plan has one <Placemark> for each")
    dated.sort(key=lambda each: each[:2])
    first_ns = dated[0][0]
    return Imported(
        form="sentinel-plan",
        epoch=iso_utc(first_ns),
        records=[msgspec.structs.replace(task, at_s=(start_ns - first_ns) / NS) for start_ns, _, task in dated],
        read=rows.read,
        skipped=tuple(rows.skipped),
        attribution=ATTRIBUTION,
        notes=(
            "at_s is the start of a datatake; latitude and longitude are the middle of its polygon's corners",
            *(("instants without a time zone count as UTC",) if instants.zoned is False else ()),
        ),
    )


def plan_figures(records: Sequence[MissionTask]) -> PlanFigures:
    """The figures of a plan's datatakes, in any order. Raises WorkloadError where there is none."""
    taken = [each for each in records if each.duration_s is not None]
    if not taken:
        raise WorkloadError("no datatake has a duration: these are not the tasks of an acquisition plan")
    span_s = max(each.at_s + (each.duration_s or 0.0) for each in taken) - min(each.at_s for each in taken)
    nominal = [each for each in taken if each.mode == NOMINAL]
    imaging_s = sum(each.duration_s or 0.0 for each in nominal)
    return PlanFigures(
        datatakes=len(taken),
        nominal=len(nominal),
        imaging_s=round(imaging_s, 6),
        scenes=sum(each.scenes or 0 for each in nominal),
        span_s=round(span_s, 6),
        duty_cycle=imaging_s / span_s,
        all_modes_s=round(sum(each.duration_s or 0.0 for each in taken), 6),
        all_modes_scenes=sum(each.scenes or 0 for each in taken),
    )


def _datatake(mark: Placemark, instants: Instants) -> tuple[int, MissionTask]:
    data = mark.data
    if mark.twice:
        raise WorkloadError(f"{mark.twice} stands there twice, with different values")
    start_ns = instants.read(_value(data, "ObservationTimeStart"))
    stop_ns = instants.read(_value(data, "ObservationTimeStop"))
    for name, text, other_ns in (("begin", mark.begin, start_ns), ("end", mark.end, stop_ns)):
        if text and instants.read(text) != other_ns:
            raise WorkloadError(f"<{name}> is {text[:40]}, but the observation's own time is {iso_utc(other_ns)}")
    duration_ns = _duration_ns(_value(data, "ObservationDuration"), stop_ns - start_ns)
    latitude_deg, longitude_deg = _middle(mark.coordinates)
    stations = tuple(part.strip() for part in data.get("Station", "").split("/") if part.strip())
    return start_ns, MissionTask(
        id=data.get("ID") or mark.name,
        at_s=0.0,
        duration_s=duration_ns / NS,
        scenes=_whole(data, "Scenes"),
        mode=_value(data, "Mode"),
        timeliness=data.get("Timeliness") or None,
        station_names=stations or None,
        orbit_absolute=_whole(data, "OrbitAbsolute"),
        orbit_relative=_whole(data, "OrbitRelative"),
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
    )


def _duration_ns(text: str, elapsed_ns: int) -> int:
    """The duration, in milliseconds as written; its start and stop must agree."""
    try:
        written_ns = decimal(text) * 1e6
    except ValueError:
        raise WorkloadError(f"ObservationDuration {text[:40]!r} is no number of milliseconds") from None
    if elapsed_ns <= 0:
        raise WorkloadError(f"the observation stops {-elapsed_ns / NS:g} s before it starts, or at once")
    if not isfinite(written_ns) or abs(written_ns - elapsed_ns) > _ROUNDING_NS:
        text = f"ObservationDuration is {text[:40]} ms, but from start to stop it is {elapsed_ns / 1e6:g} ms"
        raise WorkloadError(text)
    return elapsed_ns


def _value(data: dict[str, str], name: str) -> str:
    if not data.get(name):
        raise WorkloadError(f"has no {name}")
    return data[name]


def _whole(data: dict[str, str], name: str) -> int | None:
    text = data.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise WorkloadError(f"{name} {text[:40]!r} is no whole number")
    return int(text) if text else None


def _middle(coordinates: str) -> tuple[float | None, float | None]:
    """Latitude and longitude of the mean direction of a ring's corners, right across the date line and the poles."""
    x = y = z = 0.0
    corners = dict.fromkeys(coordinates.split())  # the first corner stands there again at the end
    for corner in corners:
        try:
            longitude_rad, latitude_rad = (radians(decimal(part)) for part in corner.split(",")[:2])
        except ValueError:
            raise WorkloadError(f"the polygon's corner {corner[:40]!r} is no longitude,latitude") from None
        if not (abs(latitude_rad) <= radians(90.0) and abs(longitude_rad) <= radians(360.0)):
            raise WorkloadError(f"the polygon's corner {corner[:40]!r} lies nowhere on Earth")
        x += cos(latitude_rad) * cos(longitude_rad)
        y += cos(latitude_rad) * sin(longitude_rad)
        z += sin(latitude_rad)
    if not corners:
        return None, None
    return round(degrees(atan2(z, hypot(x, y))), 4), round(degrees(atan2(y, x)), 4)
