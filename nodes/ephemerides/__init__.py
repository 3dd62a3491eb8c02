"""Ephemeris files as orbits: CCSDS OEM in both notations and STK `.e`, with the interpolation they state."""

from nodes.ephemerides.interpolation import Interpolation
from nodes.ephemerides.reading import digest, is_ephemeris, read
from nodes.ephemerides.tables import Segment, TabulatedOrbit, fly
from nodes.ephemerides.writing import tabulate, write_oem

__all__ = [
    "Interpolation",
    "Segment",
    "TabulatedOrbit",
    "digest",
    "fly",
    "is_ephemeris",
    "read",
    "tabulate",
    "write_oem",
]
