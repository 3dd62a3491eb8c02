"""Where land is: a 0.1 degree mask of the globe, made by `scripts/make_land_mask.py` from Natural Earth 1:50m.

Source: Natural Earth land polygons, version of the npm package world-atlas 2.0.2, public domain. A cell is land
if its middle is: islands smaller than about 11 km may be missing, and a coast is right to half a cell
(6 km at the equator). Lakes count as land, the Caspian Sea does not.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workloads.errors import WorkloadError

CELLS_PER_DEG = 10  # as in scripts/make_land_mask.py
ROWS, COLUMNS = 1800, 3600  # row 0 starts at the south pole, column 0 at longitude -180


def is_land(lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.bool_]:
    """Whether places are land; the two arguments broadcast, and so is the answer shaped.

    `lat_deg` is geodetic, north positive, -90 to 90; `lon_deg` is east positive, of any number of turns.
    Raises WorkloadError for a latitude beyond the poles, and for one or the other that is not finite.
    Source: Natural Earth 1:50m land, see above.
    """
    latitude, longitude = np.broadcast_arrays(np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64))
    good = (np.abs(latitude) <= 90.0) & np.isfinite(longitude)
    if not good.all():
        first = np.flatnonzero(~good.ravel())[0]
        raise WorkloadError(
            f"no such place: lat_deg {latitude.ravel()[first]}, lon_deg {longitude.ravel()[first]} at index {first}; "
            "latitudes run from -90 to 90 degrees and both must be finite"
        )
    row = np.minimum(((latitude + 90.0) * CELLS_PER_DEG).astype(np.intp), ROWS - 1)
    column = np.floor(((longitude + 180.0) % 360.0) * CELLS_PER_DEG).astype(np.intp) % COLUMNS
    octets = _packed()[row, column >> 3]
    land: NDArray[np.bool_] = (octets >> (7 - (column & 7)).astype(np.uint8)) & 1 == 1
    return land


@cache
def _packed() -> NDArray[np.uint8]:
    """The mask as shipped, eight columns to the octet, (1800, 450); read once, 0.8 MB."""
    with (
        files("workloads").joinpath("land-0.1deg.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        packed: NDArray[np.uint8] = archive["packed"]
    packed.setflags(write=False)
    return packed
