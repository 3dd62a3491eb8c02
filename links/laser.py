"""Laser terminals between satellites: how many, how far, how soon and how fast.

The rate is full up to `full_rate_range_m`, then falls with the inverse square of the range (received power does),
down to a floor at which the link still holds; beyond `max_range_m` there is no link.
"""

import msgspec
import numpy as np

from links.checks import Problem, within
from links.geometry import GRAZING_ALTITUDE_M
from links.trajectories import Array


class LaserTerminals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The laser terminals that every satellite of a constellation carries; one terminal serves one link."""

    per_satellite: int = 4  # [guess]: the number on the Three-Body satellites was never published
    max_range_m: float = 5_400e3  # [press] Starlink's lasers hold 100 Gbit/s over 5,400 km
    acquisition_s: float = 15.0  # [press, vendor] link set-up 15 s
    bits_per_s: float = 100e9  # [press] "up to 100 Gbit/s" on the Three-Body satellites
    full_rate_range_m: float = 2_000e3  # [guess]: how far the full rate holds was never published
    floor_bits_per_s: float = 2.5e9  # SDA Optical Communications Terminal standard 3.1.0: 2.5 Gbit/s class
    grazing_altitude_m: float = GRAZING_ALTITUDE_M
    power_w: float = 80.0  # [guess], one terminal while it sends; terminals of this class draw some 50 to 150 W

    def problems(self) -> list[Problem]:
        """Every (field, message) that cannot be; empty if all is well."""
        found = within("per_satellite", self.per_satellite, 0, 64, "terminals")
        found += within("max_range_m", self.max_range_m, 0.0, 1e9, "m", open_below=True)
        found += within("acquisition_s", self.acquisition_s, 0.0, 86_400.0, "s")
        found += within("bits_per_s", self.bits_per_s, 1.0, 1e15, "bit/s")
        found += within("full_rate_range_m", self.full_rate_range_m, 0.0, 1e9, "m", open_below=True)
        found += within("floor_bits_per_s", self.floor_bits_per_s, 1.0, 1e15, "bit/s")
        found += within("grazing_altitude_m", self.grazing_altitude_m, 0.0, 2_000e3, "m")
        found += within("power_w", self.power_w, 0.0, 1e6, "W")
        if self.floor_bits_per_s > self.bits_per_s:
            text = f"is {self.floor_bits_per_s!r}; it must be at most bits_per_s, {self.bits_per_s!r} bit/s"
            found.append(("floor_bits_per_s", text))
        return found

    def rate_bits_per_s(self, range_m: Array) -> Array:
        """Rate (...) in bit/s at ranges (...) in metres; zero beyond `max_range_m`."""
        ratio = self.full_rate_range_m / np.maximum(range_m, self.full_rate_range_m)
        rate = np.maximum(self.bits_per_s * ratio * ratio, self.floor_bits_per_s)
        return np.where(range_m <= self.max_range_m, rate, 0.0)
