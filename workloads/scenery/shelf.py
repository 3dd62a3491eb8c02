"""A shelf of tiles in one file that many processes read: made once, mapped into memory, never copied.

float32 reflectance, little-endian, (count, 4, n, n), in the order of `workloads.scenery.scenes.BANDS`; tiles that were
not asked for are holes in the file. Nothing of it is executed.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from workloads.errors import WorkloadError
from workloads.scenery.scenes import BANDS, Bands, TileBank


class Tiles(Protocol):
    """Whatever gives the reflectances of a tile by its number."""

    size_px: int

    def bands(self, index: int) -> Bands:
        """Reflectance (4, n, n), float32."""
        ...


def fill(path: Path, bank: TileBank, numbers: Iterable[int], progress: Callable[[int], None]) -> None:
    """Write the tiles `numbers` of a bank; `progress` hears how many are done. Raises OSError where there is no room.

    Written, not mapped: a page of a mapped file that finds no room on the disk ends the process by SIGBUS.
    """
    row_bytes = 4 * len(BANDS) * bank.size_px**2
    with path.open("wb") as file:
        file.truncate(len(bank) * row_bytes)
        for done, number in enumerate(numbers, 1):
            file.seek(number * row_bytes)
            file.write(bank.tile(number).bands.astype("<f4").tobytes())
            progress(done)


class Shelf:
    """Reads what `fill` wrote. Raises WorkloadError for a file of another size."""

    def __init__(self, path: Path, bank: TileBank) -> None:
        self.size_px = bank.size_px
        shape = (len(bank), len(BANDS), bank.size_px, bank.size_px)
        size_bytes = 4 * int(np.prod(shape))
        if path.stat().st_size != size_bytes:
            raise WorkloadError(f"{path.name} has {path.stat().st_size} bytes; {len(bank)} tiles have {size_bytes}")
        self._rows: Bands = np.asarray(np.memmap(path, dtype="<f4", mode="r", shape=shape))  # plain arrays are quicker

    def bands(self, index: int) -> Bands:
        """Reflectance (4, n, n), float32; a view into the file."""
        if not 0 <= index < len(self._rows):
            raise WorkloadError(f"tile {index} is not on a shelf of {len(self._rows)}")
        row: Bands = self._rows[index]
        return row


class Made:
    """Tiles of a bank made when asked for, the last one kept: where there is no shelf, on another host."""

    def __init__(self, bank: TileBank) -> None:
        self.bank, self.size_px = bank, bank.size_px
        self._last: tuple[int, Bands] | None = None

    def bands(self, index: int) -> Bands:
        """Reflectance (4, n, n), float32."""
        if self._last is None or self._last[0] != index:
            self._last = (index, self.bank.tile(index).bands)
        return self._last[1]
