"""The units that a column may come in, and what makes them SI.

Prefixes are decimal, `KiB` and its like binary: IEC 80000-13. An unknown unit is refused, never taken as SI.
"""

from math import isfinite

from workloads.errors import WorkloadError

_TIME = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_BYTES |= {"bit": 0.125, "kbit": 125.0, "Mbit": 125e3, "Gbit": 125e6}
_OPS = {"op": 1.0, "kop": 1e3, "Mop": 1e6, "Gop": 1e9, "Top": 1e12, "MAC": 2.0, "MMAC": 2e6, "GMAC": 2e9, "TMAC": 2e12}
_COUNT = {"1": 1.0}
_TEXT: dict[str, float] = {}

UNITS: dict[str, dict[str, float]] = {  # of each field of ours: unit -> factor to SI
    "duration_s": _TIME, "deadline_s": _TIME, "run_s": _TIME, "wait_s": _TIME,
    "raw_bytes": _BYTES, "ops": _OPS,
    "scenes": _COUNT, "prompt_tokens": _COUNT, "output_tokens": _COUNT, "processors": _COUNT, "priority": _COUNT,
    "orbit_absolute": _COUNT, "orbit_relative": _COUNT,
    "latitude_deg": {"deg": 1.0}, "longitude_deg": {"deg": 1.0}, "cloud_cover_ratio": {"1": 1.0, "%": 0.01},
    "power_w": {"mW": 1e-3, "W": 1.0, "kW": 1e3}, "current_a": {"uA": 1e-6, "mA": 1e-3, "A": 1.0},
    "voltage_v": {"mV": 1e-3, "V": 1.0}, "temperature_k": {"K": 1.0, "degC": 1.0, "degF": 5.0 / 9.0},
    "id": _TEXT, "mode": _TEXT, "station_names": _TEXT, "node": _TEXT, "timeliness": _TEXT,
}  # fmt: skip
INSTANTS: dict[str, float] = {
    "us": 1e3,
    "ms": 1e6,
    "s": 1e9,
    "ns": 1.0,
    "min": 60e9,
    "h": 3600e9,
    "d": 86_400e9,
}  # to ns
_ZEROS_K = {"degC": 273.15, "degF": 459.67 * 5.0 / 9.0}  # ITS-90: 0 degC is 273.15 K; 0 degF is 459.67 Rankine
WHOLE = (
    "raw_bytes",
    "scenes",
    "prompt_tokens",
    "output_tokens",
    "processors",
    "priority",
    "orbit_absolute",
    "orbit_relative",
)


def unit_problem(field: str, unit: str) -> str:
    """What keeps a unit from being one of a field; empty if nothing does."""
    known = UNITS[field]
    if unit in known or (not known and not unit) or (known == _COUNT and not unit):
        return ""
    if not known:
        return f"is {unit[:40]!r}; {field} is text, and has no unit"
    return f"is {unit[:40]!r}, unknown for {field}; one of {', '.join(known)}"


def decimal(text: str) -> float:
    """A number as files write it, maybe not finite. Raises ValueError also for `1_0` and other scripts' digits."""
    if "_" in text or not text.isascii():  # which Python alone would take
        raise ValueError(f"{text[:40]!r} is no decimal number")
    return float(text)


def to_si(field: str, unit: str, text: str) -> float | int:
    """A number of a column in the unit of our field. Raises WorkloadError for what is no finite number.

    Fields that are counted (`WHOLE`) are rounded to the next whole number if they come in another unit, and must
    be whole in their own.
    """
    try:
        value = decimal(text)
    except ValueError:
        raise WorkloadError(f"{field}: {text[:40]!r} is no number") from None
    if not isfinite(value):
        raise WorkloadError(f"{field}: {text[:40]!r} is not finite")
    scale = UNITS[field].get(unit or "1", 1.0)
    si = value * scale + _ZEROS_K.get(unit, 0.0)
    if not isfinite(si):
        raise WorkloadError(f"{field}: {text[:40]!r} {unit} is more than a number can hold")
    if field not in WHOLE:
        return si
    if scale == 1.0 and si != int(si):
        raise WorkloadError(f"{field}: {text[:40]!r} is no whole number")
    return round(si)
