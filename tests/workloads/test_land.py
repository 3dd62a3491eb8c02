"""The land mask against an atlas, and the script that makes it against shapes that one can fill by hand."""

import csv
import importlib.util
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.land import is_land

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"

# Places well away from any coast, latitude and longitude in degrees, from Wikipedia's infoboxes.
LAND = {
    "Madrid": (40.417, -3.703),
    "Moscow": (55.756, 37.617),
    "Ulaanbaatar": (47.921, 106.906),
    "Alice Springs": (-23.700, 133.881),
    "Brasilia": (-15.794, -47.883),
    "Denver": (39.739, -104.985),
    "Kinshasa": (-4.325, 15.322),
    "Vostok Station": (-78.464, 106.837),
    "Iultin, just east of the antimeridian": (67.867, -178.750),
    "Bilibino, west of it": (68.050, 166.450),
    "the South Pole": (-90.0, 0.0),
}
SEA = {
    "Point Nemo": (-48.877, -123.393),
    "Null Island": (0.0, 0.0),
    "the North Pole": (90.0, 0.0),
    "Challenger Deep": (11.373, 142.592),
    "Caspian Sea": (42.0, 50.5),
    "Black Sea": (43.0, 34.0),
    "Ionian Sea": (36.0, 18.5),
    "Hudson Bay": (60.0, -86.0),
    "Bering Sea, on the antimeridian": (58.0, 180.0),
    "Southern Ocean": (-60.0, -100.0),
}

# Land 148.94 of 510.07 million square kilometres: CIA World Factbook, "World, Area".
LAND_SHARE = 148.94 / 510.07
ONE_HUNDREDTH = 0.01
COAST_DEG = 0.1  # one cell: some harbours lie in a cell that is mostly water
MOST_BYTES = 120_000


@pytest.mark.parametrize("place", LAND)
def test_land(place: str) -> None:
    assert is_land(*LAND[place])


@pytest.mark.parametrize("place", SEA)
def test_sea(place: str) -> None:
    assert not is_land(*SEA[place])


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data is absent")
def test_a_hundred_cities_stand_on_land_or_within_a_cell_of_it() -> None:
    with (SHARED / "cities_top100.csv").open(newline="", encoding="utf-8") as file:
        rows = [(float(row[2]), float(row[3])) for row in csv.reader(file)]
    latitudes, longitudes = np.array(rows).T
    shifts = np.array([-COAST_DEG, 0.0, COAST_DEG])
    around = is_land(latitudes[:, None, None] + shifts[:, None], longitudes[:, None, None] + shifts)
    assert len(rows) == 100
    assert around.any(axis=(1, 2)).all()
    assert around[:, 1, 1].mean() > 0.9


def test_share_of_the_globe() -> None:
    latitude = np.arange(-89.95, 90.0, 0.1)
    land = is_land(latitude[:, None], np.arange(-179.95, 180.0, 0.1))
    area = np.cos(np.radians(latitude))
    assert (land.mean(axis=1) * area).sum() / area.sum() == pytest.approx(LAND_SHARE, abs=ONE_HUNDREDTH)


@settings(derandomize=True, deadline=None)
@given(row=st.integers(0, 1799), column=st.integers(0, 3599), turns=st.integers(-3, 3))
def test_longitude_wraps(row: int, column: int, turns: int) -> None:
    latitude, longitude = -89.95 + row * 0.1, -179.95 + column * 0.1
    assert is_land(latitude, longitude) == is_land(latitude, longitude + 360.0 * turns)


def test_shapes_broadcast() -> None:
    assert is_land(np.zeros((4, 1)), np.zeros(3)).shape == (4, 3)
    assert is_land([], []).shape == (0,)


@pytest.mark.parametrize(("lat_deg", "lon_deg"), [(90.1, 0.0), (float("nan"), 0.0), (0.0, float("inf"))])
def test_no_such_place(lat_deg: float, lon_deg: float) -> None:
    with pytest.raises(WorkloadError, match="index 1; latitudes run from -90 to 90"):
        is_land([0.0, lat_deg], [0.0, lon_deg])


def test_mask_is_small() -> None:
    assert len(files("workloads").joinpath("land-0.1deg.npz").read_bytes()) < MOST_BYTES


def make_land_mask() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_land_mask", ROOT / "scripts" / "make_land_mask.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("ring", "cells"),
    [
        ([(10, 0), (12, 0), (12, 1), (10, 1), (10, 0)], 20 * 10),
        ([(179, 0), (-179, 0), (-179, 1), (179, 1), (179, 0)], 20 * 10),  # across the antimeridian
        ([(-180, -89), (-60, -89), (60, -89), (180, -89)], 3600 * 10),  # once round the South Pole
    ],
)
def test_the_script_fills_what_a_hand_would(ring: list[tuple[int, int]], cells: int) -> None:
    script = make_land_mask()
    mask = np.zeros((script.ROWS, script.COLUMNS), dtype=bool)
    script.toggle(mask, script.unwrap(np.array(ring, dtype=np.float64)))
    assert mask.sum() == cells
    script.toggle(mask, script.unwrap(np.array(ring[::-1], dtype=np.float64)))
    assert mask.sum() == 0  # a ring inside a ring is a hole, whichever way either runs
