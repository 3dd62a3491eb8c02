"""Radio downlinks from a satellite to a ground station: a link budget in free space and a capped Shannon rate.

C = P G_line G_tx (c / (4 pi d f))^2 G_rx, N = k T B, and the rate is B log2(1 + C / (N gap)), never above the cap.
No atmosphere, no rain, no pointing loss beyond what `gap_db` holds. A preset is a whole budget; a scenario names one
and changes single fields of it.
"""

from math import pi

import msgspec
import numpy as np

from links.checks import Problem, one_of, within
from links.errors import LinkError
from links.geometry import LIGHT_M_PER_S
from links.trajectories import Array

BOLTZMANN_J_PER_K = 1.380649e-23  # definition of the kelvin, SI brochure 9th ed., 2.2
UNCAPPED_BITS_PER_S = 1e15  # larger than any radio: no cap


class LinkBudget(msgspec.Struct, frozen=True, kw_only=True):
    """All that the rate of a radio link depends on but its range."""

    tx_power_w: float  # radiated
    line_gain_db: float
    tx_gain_db: float
    rx_gain_db: float
    frequency_hz: float
    bandwidth_hz: float
    system_temperature_k: float
    gap_db: float  # what the modulation and the margin lose against Shannon
    max_bits_per_s: float
    power_w: float  # drawn from the bus while sending

    def carrier_to_noise(self, range_m: Array) -> Array:
        """Carrier over noise power (...), a plain ratio, at ranges (...) in metres."""
        gains_db = self.line_gain_db + self.tx_gain_db + self.rx_gain_db
        spread = LIGHT_M_PER_S / (4.0 * pi * self.frequency_hz * np.asarray(range_m, dtype=np.float64))
        carrier_w = self.tx_power_w * 10.0 ** (gains_db / 10.0) * spread * spread
        return np.asarray(carrier_w / (BOLTZMANN_J_PER_K * self.system_temperature_k * self.bandwidth_hz))

    def rate_bits_per_s(self, range_m: Array) -> Array:
        """Rate (...) in bit/s at ranges (...) in metres."""
        usable = self.carrier_to_noise(range_m) / 10.0 ** (self.gap_db / 10.0)
        return np.asarray(np.minimum(self.bandwidth_hz * np.log2(1.0 + usable), self.max_bits_per_s))


X_BAND_OEC = LinkBudget(  # Denby and Lucia, Orbital Edge Computing, ASPLOS 2020, artifact; power_w apart
    tx_power_w=2.0,
    line_gain_db=-1.0,
    tx_gain_db=6.0,
    rx_gain_db=44.1,
    frequency_hz=8.15e9,
    bandwidth_hz=20e6,
    system_temperature_k=144.64,
    gap_db=0.0,
    max_bits_per_s=UNCAPPED_BITS_PER_S,
    power_w=12.0,  # [guess] an amplifier of 25 % efficiency, and the modulator
)
X_BAND_1200 = LinkBudget(  # a modern downlink with adaptive coding: full rate out to some 1,550 km, slower beyond
    tx_power_w=8.0,  # [guess] a solid-state amplifier
    line_gain_db=-1.0,  # as above
    tx_gain_db=10.0,  # [guess] a shaped-beam or small steered antenna
    rx_gain_db=51.1,  # a 5.4 m dish [guess] of efficiency 0.6: 0.6 (pi D f / c)^2 at 8.2 GHz
    frequency_hz=8.2e9,  # within 8,025-8,400 MHz, Earth exploration-satellite, ITU Radio Regulations article 5
    bandwidth_hz=300e6,  # the symbol rate that fills those 375 MHz with a roll-off of 0.25
    system_temperature_k=144.64,  # as above
    gap_db=5.0,  # 2 dB from Shannon to DVB-S2 32APSK 4/5 (ETSI EN 302 307-1, table 13) and 3 dB margin [guess]
    max_bits_per_s=1.2e9,  # 4 bit per symbol, between DVB-S2 32APSK 4/5 (3.95) and 5/6 (4.12), same table
    power_w=40.0,  # [guess] an amplifier of 25 % efficiency, and the modulator
)


class Uplink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stations send up, to a satellite whose radio is at them: one constant rate; 0 for no uplink at all."""

    bits_per_s: float = 0.0  # the operator published none

    def problems(self) -> list[Problem]:
        """Every (field, message) that cannot be; empty if all is well."""
        return within("bits_per_s", self.bits_per_s, 0.0, UNCAPPED_BITS_PER_S, "bit/s")


class Downlink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The downlink transmitter of every satellite: a preset, and fields of the budget that differ (None: as is).

    Presets: `x-band-1200` (1.2 Gbit/s, DVB-S2-like) and `x-band-oec` (142.69 Mbit/s at 500 km, uncapped Shannon).
    """

    preset: str = "x-band-1200"
    tx_power_w: float | None = None
    line_gain_db: float | None = None
    tx_gain_db: float | None = None
    rx_gain_db: float | None = None
    frequency_hz: float | None = None
    bandwidth_hz: float | None = None
    system_temperature_k: float | None = None
    gap_db: float | None = None
    max_bits_per_s: float | None = None
    power_w: float | None = None

    def problems(self) -> list[Problem]:
        """Every (field, message) that cannot be; empty if all is well."""
        unknown = one_of("preset", self.preset, ("x-band-1200", "x-band-oec"))
        if unknown:
            return unknown
        budget = self.budget()
        found = within("tx_power_w", budget.tx_power_w, 0.0, 1e5, "W", open_below=True)
        found += within("line_gain_db", budget.line_gain_db, -60.0, 0.0, "dB")
        found += within("tx_gain_db", budget.tx_gain_db, -30.0, 80.0, "dB")
        found += within("rx_gain_db", budget.rx_gain_db, -30.0, 90.0, "dB")
        found += within("frequency_hz", budget.frequency_hz, 1e6, 1e12, "Hz")
        found += within("bandwidth_hz", budget.bandwidth_hz, 1.0, 1e11, "Hz")
        found += within("system_temperature_k", budget.system_temperature_k, 1.0, 1e5, "K")
        found += within("gap_db", budget.gap_db, 0.0, 60.0, "dB")
        found += within("max_bits_per_s", budget.max_bits_per_s, 1.0, UNCAPPED_BITS_PER_S, "bit/s")
        return found + within("power_w", budget.power_w, 0.0, 1e6, "W")

    def budget(self) -> LinkBudget:
        """The preset with the fields that differ. Raises LinkError if there is no such preset."""
        presets = {"x-band-1200": X_BAND_1200, "x-band-oec": X_BAND_OEC}
        if self.preset not in presets:
            raise LinkError(f"downlink preset {self.preset!r} is unknown; it must be one of {', '.join(presets)}")
        own = {name: getattr(self, name) for name in LinkBudget.__struct_fields__}
        changes = {name: value for name, value in own.items() if value is not None}
        return msgspec.structs.replace(presets[self.preset], **changes)

    def rate_bits_per_s(self, range_m: Array) -> Array:
        """Rate (...) in bit/s at ranges (...) in metres."""
        return self.budget().rate_bits_per_s(range_m)
