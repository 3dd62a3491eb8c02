"""Radio downlinks from a satellite to a ground station: a link budget in free space and a capped Shannon rate.

C = P G_line G_tx (c / (4 pi d f))^2 G_rx, N = k T B, and the rate is B log2(1 + C / (N gap)), never above the cap.
No atmosphere, no rain, no pointing loss beyond what `gap_db` holds.
"""

from math import inf, pi

import msgspec
import numpy as np

from links.checks import Problem, one_of, within
from links.errors import LinkError
from links.geometry import LIGHT_M_PER_S
from links.trajectories import Array

BOLTZMANN_J_PER_K = 1.380649e-23  # definition of the kelvin, SI brochure 9th ed., 2.2
PRESETS = ("x-band-oec", "x-band-1200", "custom")


class Downlink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One downlink transmitter as every satellite carries it, and the dish it speaks to; see `downlink()`.

    The defaults are the preset `x-band-1200`.
    """

    preset: str = "x-band-1200"
    min_elevation_deg: float = 10.0  # [guess] a usual mask; ground stations may set their own
    tx_power_w: float = 8.0  # [guess] radiated by a solid-state amplifier
    line_gain_db: float = -1.0  # Denby and Lucia, ASPLOS 2020, artifact
    tx_gain_db: float = 10.0  # [guess] a shaped-beam or small steered antenna
    rx_gain_db: float = 51.1  # a 5.4 m dish, efficiency 0.6: 0.6 (pi D f / c)^2 at 8.2 GHz
    frequency_hz: float = 8.2e9  # within 8,025-8,400 MHz, Earth exploration, ITU Radio Regulations article 5
    bandwidth_hz: float = 300e6  # symbol rate that fills 375 MHz with a roll-off of 0.25
    system_temperature_k: float = 144.64  # Denby and Lucia, ASPLOS 2020, artifact
    gap_db: float = 5.0  # 2 dB from Shannon to DVB-S2 32APSK 4/5 (ETSI EN 302 307-1 table 13); 3 dB margin [guess]
    max_bits_per_s: float = 1.2e9  # 4 bit per symbol, between DVB-S2 32APSK 4/5 (3.95) and 5/6 (4.12)
    power_w: float = 40.0  # [guess] drawn from the bus while sending: amplifier of 25 %, and the modulator

    def problems(self) -> list[Problem]:
        """Every (field, message) that cannot be; empty if all is well."""
        found = one_of("preset", self.preset, PRESETS)
        found += within("min_elevation_deg", self.min_elevation_deg, -5.0, 90.0, "deg")
        found += within("tx_power_w", self.tx_power_w, 0.0, 1e5, "W", open_below=True)
        found += within("line_gain_db", self.line_gain_db, -60.0, 0.0, "dB")
        found += within("tx_gain_db", self.tx_gain_db, -30.0, 80.0, "dB")
        found += within("rx_gain_db", self.rx_gain_db, -30.0, 90.0, "dB")
        found += within("frequency_hz", self.frequency_hz, 1e6, 1e12, "Hz")
        found += within("bandwidth_hz", self.bandwidth_hz, 1.0, 1e11, "Hz")
        found += within("system_temperature_k", self.system_temperature_k, 1.0, 1e5, "K")
        found += within("gap_db", self.gap_db, 0.0, 60.0, "dB")
        if self.max_bits_per_s != inf:
            found += within("max_bits_per_s", self.max_bits_per_s, 1.0, 1e15, "bit/s")
        return found + within("power_w", self.power_w, 0.0, 1e6, "W")

    def carrier_to_noise(self, range_m: Array) -> Array:
        """Carrier over noise power (...), a plain ratio, at ranges (...) in metres."""
        gains_db = self.line_gain_db + self.tx_gain_db + self.rx_gain_db
        spread = LIGHT_M_PER_S / (4.0 * pi * self.frequency_hz * np.asarray(range_m, dtype=np.float64))
        carrier_w = self.tx_power_w * 10.0 ** (gains_db / 10.0) * spread * spread
        return np.asarray(carrier_w / (BOLTZMANN_J_PER_K * self.system_temperature_k * self.bandwidth_hz))

    def rate_bits_per_s(self, range_m: Array) -> Array:
        """Rate (...) in bit/s at ranges (...) in metres."""
        usable = self.carrier_to_noise(range_m) / 10.0 ** (self.gap_db / 10.0)
        return np.minimum(self.bandwidth_hz * np.log2(1.0 + usable), self.max_bits_per_s)


def downlink(preset: str, **changes: float) -> Downlink:
    """A preset by name, with single fields changed.

    `x-band-1200`: a modern 1.2 Gbit/s X-band downlink with adaptive coding, capped at 1.2 Gbit/s out to some
    1,550 km and slower beyond. `x-band-oec`: the uncapped Shannon model of Orbital Edge Computing (Denby and Lucia,
    ASPLOS 2020, artifact), 142.69 Mbit/s at 500 km. Raises LinkError for another name.
    """
    if preset == "x-band-1200":
        return msgspec.structs.replace(Downlink(), **changes)
    if preset == "x-band-oec":
        # all of it from the ASPLOS 2020 artifact; power_w [guess]: 2 W radiated at 25 %, and the modulator
        oec = Downlink(
            preset=preset, tx_power_w=2.0, line_gain_db=-1.0, tx_gain_db=6.0, rx_gain_db=44.1, frequency_hz=8.15e9,
            bandwidth_hz=20e6, system_temperature_k=144.64, gap_db=0.0, max_bits_per_s=inf, power_w=12.0,
        )  # fmt: skip
        return msgspec.structs.replace(oec, **changes)
    raise LinkError(f"downlink preset {preset!r} is unknown; it must be one of {', '.join(PRESETS[:2])}")
