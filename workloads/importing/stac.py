"""STAC items as captures: when, where, by whom, how cloudy, how many bytes.

One item, a FeatureCollection of items, or one item a line. Items come in no order. An item's time is `datetime`,
always with a zone (RFC 3339); where that is null, `start_datetime`. Source: STAC specification 1.0.0 and 1.1.0,
item-spec; file extension 2.1.0 (`file:size`); EO extension (`eo:cloud_cover`, per cent).
"""

from typing import Any

import msgspec

from workloads.errors import WorkloadError
from workloads.importing.instants import NS, iso_utc, utc_ns
from workloads.importing.json_names import named_twice
from workloads.importing.records import Imported, MissionTask, Rows

MOST_ITEMS = 5_000_000
MOST_NUMBER = 1e15  # of a degree, a height in metres, a per cent: far beyond any


def stac_items(text: str, source: str, *, skip_bad: bool = False) -> Imported:
    """The captures that items tell of, in order of time, counted from the first. Raises WorkloadError."""
    rows = Rows(source, skip_bad)
    dated: list[tuple[int, MissionTask]] = []
    for line, item in _items(text, source, rows):
        rows.read += 1
        if rows.read > MOST_ITEMS:
            raise WorkloadError(f"{source}: has more than {MOST_ITEMS} items; split it")
        try:
            start_ns, task = _capture(item)
        except WorkloadError as error:
            rows.bad(line, str(error))
            continue
        if rows.check(line, task, rising=False):
            dated.append((start_ns, task))
    if not dated:
        raise WorkloadError(f"{source}: holds no STAC item")
    dated.sort(key=lambda each: (each[0], each[1].id))
    first_ns = dated[0][0]
    return Imported(
        form="stac",
        epoch=iso_utc(first_ns),
        records=[msgspec.structs.replace(task, at_s=(start_ns - first_ns) / NS) for start_ns, task in dated],
        read=rows.read,
        skipped=tuple(rows.skipped),
        notes=("raw_bytes is the sum of file:size over an item's assets: products, not what the sensor took",)
        if any(task.raw_bytes is not None for _, task in dated)
        else (),
    )


def _items(text: str, source: str, rows: Rows) -> list[tuple[int, Any]]:
    """(line, item) of each; items of a collection have their number for a line."""
    try:
        document = _decoded(text)
    except msgspec.DecodeError as error:
        if "\n" not in text.strip():
            raise WorkloadError(f"{source}: is no JSON: {error}") from error
        found = []
        for line, row in enumerate(text.split("\n"), 1):
            if row.strip():
                try:
                    found.append((line, _decoded(row)))
                except msgspec.DecodeError as problem:
                    if not found:  # not even the first line is: no list of items, but a broken document
                        raise WorkloadError(f"{source}: is no JSON: {error}") from problem
                    rows.read += 1
                    rows.bad(line, f"is no JSON: {problem}")
        return found
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list):
            raise WorkloadError(f"{source}: is a FeatureCollection without a list of features")
        return list(enumerate(features, 1))
    return [(1, document)]


def _decoded(text: str) -> Any:
    try:
        item = msgspec.json.decode(text)
        if twice := named_twice(text):
            raise msgspec.DecodeError(f"{twice[:60]!r} stands in one object twice; which one counts?")
        return item
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply to be a STAC item") from error


def _capture(item: Any) -> tuple[int, MissionTask]:
    if not isinstance(item, dict) or item.get("type") != "Feature" or not isinstance(item.get("stac_version"), str):
        raise WorkloadError("is no STAC item: a Feature with a stac_version")
    if not item["stac_version"].startswith("1."):
        raise WorkloadError(f"is of STAC {item['stac_version'][:20]!r}; 1.0 and 1.1 are read")
    properties, name = item.get("properties"), item.get("id")
    if not isinstance(properties, dict) or not isinstance(name, str):
        raise WorkloadError("has no properties, or no id that is text")
    start_ns, duration_s = _times(properties)
    latitude_deg, longitude_deg = _middle(item.get("bbox"))
    cloud = _number(properties, "eo:cloud_cover")
    platform = properties.get("platform")
    return start_ns, MissionTask(
        id=name,
        at_s=0.0,
        duration_s=duration_s,
        scenes=1,
        node=platform if isinstance(platform, str) else None,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        cloud_cover_ratio=None if cloud is None else cloud / 100.0,
        raw_bytes=_size_bytes(item.get("assets")),
    )


def _times(properties: dict[str, Any]) -> tuple[int, float | None]:
    """The instant in nanoseconds, and seconds from start to end where both are there."""
    at: dict[str, int] = {}
    for key in ("datetime", "start_datetime", "end_datetime"):
        text = properties.get(key)
        if text is None:
            continue
        at[key], zoned = utc_ns(str(text))
        if not zoned:
            raise WorkloadError(f"{key} {str(text)[:40]!r} names no time zone, which RFC 3339 demands")
    start_ns = at.get("datetime", at.get("start_datetime"))
    if start_ns is None:
        raise WorkloadError("has neither datetime nor start_datetime")
    if "start_datetime" not in at or "end_datetime" not in at:
        return start_ns, None
    if at["end_datetime"] < at["start_datetime"]:
        raise WorkloadError("end_datetime lies before start_datetime")
    return start_ns, (at["end_datetime"] - at["start_datetime"]) / NS


def _middle(bbox: Any) -> tuple[float | None, float | None]:
    """Latitude and longitude; west above east crosses the date line, and there may be heights: RFC 7946, section 5."""
    if bbox is None:
        return None, None
    if not isinstance(bbox, list) or len(bbox) not in (4, 6) or not all(_is_number(n) for n in bbox):
        raise WorkloadError("bbox is no list of 4 or 6 numbers")
    west, south, east, north = bbox[0], bbox[1], bbox[len(bbox) // 2], bbox[len(bbox) // 2 + 1]
    middle_deg = (west + east) / 2.0 + (180.0 if west > east else 0.0)
    return (south + north) / 2.0, middle_deg - 360.0 if middle_deg > 180.0 else middle_deg


def _size_bytes(assets: Any) -> int | None:
    """The sum of the assets' sizes where all have one; None if any has none."""
    if not isinstance(assets, dict) or not assets:
        return None
    sizes: list[int] = []
    for asset in assets.values():
        size = asset.get("file:size") if isinstance(asset, dict) else None
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            return None
        sizes.append(size)
    return sum(sizes)


def _number(table: dict[str, Any], key: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if not _is_number(value):
        raise WorkloadError(f"{key} is no number, or none that can be")
    return float(value)


def _is_number(value: Any) -> bool:
    """JSON's whole numbers may be larger than any float."""
    return type(value) in (int, float) and abs(value) < MOST_NUMBER
