"""Rasterise Natural Earth's land polygons into the small mask that `workloads/land.py` reads.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python scripts/make_land_mask.py package/land-50m.json workloads/land-0.1deg.npz

Natural Earth 1:50m land is in the public domain; `world-atlas` (ISC) repacks it as TopoJSON, in which rings
run across the antimeridian unbroken and Antarctica's coast goes once round the pole. So every ring is
unwrapped to continuous longitudes, a ring round the pole is closed along the pole, and each ring is filled by
even-odd scan lines through the middle of the cells and folded back modulo 360 degrees. Rings are combined by
exclusive or, so an inner ring (the Caspian Sea) is a hole.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELL_DEG = 0.1
ROWS, COLUMNS = 1800, 3600  # row 0 starts at the south pole, column 0 at longitude -180


def decode_arcs(topology: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Arcs as (points, 2) longitude and latitude in degrees: sums of deltas, scaled (TopoJSON 1.0, 2.1.3)."""
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    return [np.cumsum(np.array(arc, dtype=np.int64), axis=0) * scale + translate for arc in topology["arcs"]]


def rings_of(topology: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Every ring of the land object as (points, 2) degrees, its last point the first again."""
    arcs = decode_arcs(topology)
    rings = []
    for geometry in topology["objects"]["land"]["geometries"]:
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        for ring in (ring for polygon in polygons for ring in polygon):
            parts = [arcs[index] if index >= 0 else arcs[~index][::-1] for index in ring]  # ~i is arc i backwards
            rings.append(np.concatenate([parts[0], *(part[1:] for part in parts[1:])]))
    return rings


def unwrap(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ring with continuous longitudes; one that goes round a pole is closed along that pole."""
    steps = np.diff(ring[:, 0])
    turns = -360.0 * np.round(steps / 360.0)
    longitude = ring[:, 0] + np.concatenate([[0.0], np.cumsum(turns)])
    unwrapped = np.column_stack([longitude, ring[:, 1]])
    if abs(longitude[-1] - longitude[0]) > 180.0:
        pole_deg = np.copysign(90.0, ring[:, 1].mean())
        ends = [[longitude[-1], pole_deg], [longitude[0], pole_deg], unwrapped[0]]
        unwrapped = np.concatenate([unwrapped, np.array(ends)])
    return unwrapped


def toggle(mask: NDArray[np.bool_], ring: NDArray[np.float64]) -> None:
    """Flip the cells whose middle lies inside `ring`, by the even-odd rule, in place."""
    (west, south), (east, north) = ring[:-1].T, ring[1:].T
    first = max(0, int(np.floor((ring[:, 1].min() + 90.0) / CELL_DEG)))
    last = min(ROWS - 1, int(np.floor((ring[:, 1].max() + 90.0) / CELL_DEG)))
    for row in range(first, last + 1):
        latitude = -90.0 + (row + 0.5) * CELL_DEG
        hit = (south <= latitude) != (north <= latitude)
        slope = (latitude - south[hit]) / (north[hit] - south[hit])
        crossings = np.sort(west[hit] + slope * (east[hit] - west[hit]))
        edges = np.ceil((crossings + 180.0) / CELL_DEG - 0.5).astype(np.int64)  # first cell middle east of each
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            mask[row, np.arange(start, stop) % COLUMNS] ^= True


def main() -> None:
    """Read TopoJSON, write the packed mask, and print what went in and what came out."""
    parser = argparse.ArgumentParser(description="Rasterise world-atlas land into a 0.1 degree mask.")
    parser.add_argument("topojson", type=Path, help="land-50m.json of the npm package world-atlas 2.0.2")
    parser.add_argument("out", type=Path, help="the mask to write, .npz")
    arguments = parser.parse_args()
    content = arguments.topojson.read_bytes()
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    rings = rings_of(json.loads(content))
    for ring in rings:
        toggle(mask, unwrap(ring))
    np.savez_compressed(arguments.out, packed=np.packbits(mask, axis=1))
    area = np.cos(np.radians(-90.0 + (np.arange(ROWS) + 0.5) * CELL_DEG))
    share = (mask.mean(axis=1) * area).sum() / area.sum()
    print(f"read {len(rings)} rings of sha256 {hashlib.sha256(content).hexdigest()}")
    print(f"wrote {arguments.out.stat().st_size} bytes; land is {share:.4f} of the globe by area")


if __name__ == "__main__":
    main()
