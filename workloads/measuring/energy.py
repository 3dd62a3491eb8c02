"""Energy counters that a host has: an NVIDIA GPU's (NVML) and the processor packages' (RAPL); none is no counter.

Rules: only counters of joules are read, and only what they say is told; no power is guessed and none integrated. A
counter tells of the whole GPU or package: all that runs on it, its idle power too.
Sources: NVML API reference, nvmlDeviceGetTotalEnergyConsumption; Linux, Documentation/power/powercap/powercap.rst.
"""

import ctypes
from pathlib import Path
from typing import Any, NamedTuple, Protocol

POWERCAP = Path("/sys/class/powercap")
COUNTED = ("package-", "dram")  # RAPL zones: a package holds its cores; memory is apart
MOST_ZONES = 64  # packages and memories of a host: far more than there are
NVML_NAMES = ("libnvidia-ml.so.1", "nvml.dll")
MILLI, MICRO = 1e-3, 1e-6


class Counter(Protocol):
    """Counts joules. `source` says of what."""

    source: str

    def read_j(self) -> float:
        """Joules counted so far; only differences mean something, and only within an hour."""
        ...


class Found(NamedTuple):
    """The counter for a device, or None and why."""

    counter: Counter | None
    why: str


class Rapl:
    """The processor packages and their memory, by the kernel's counters of microjoules, each wrapping at its range."""

    def __init__(self, zones: list[Path]) -> None:
        """Raises OSError for a zone that cannot be read, ValueError for one that holds no number."""
        self._zones = zones
        self._range_j = [MICRO * int((zone / "max_energy_range_uj").read_text()) for zone in zones]
        self._last_j = [self._one_j(zone) for zone in zones]
        self._sum_j = 0.0
        names = sorted((zone / "name").read_text().strip() for zone in zones)
        self.source = f"RAPL: {', '.join(names)}"

    def read_j(self) -> float:
        """Joules since it was made. A counter of 262 kJ wraps once in 20 min at 200 W: read it more often."""
        for place, zone in enumerate(self._zones):
            now_j = self._one_j(zone)
            gone_j = now_j - self._last_j[place]
            self._sum_j += gone_j if gone_j >= 0.0 else gone_j + self._range_j[place]
            self._last_j[place] = now_j
        return self._sum_j

    @staticmethod
    def _one_j(zone: Path) -> float:
        return MICRO * int((zone / "energy_uj").read_text())


def rapl(root: Path = POWERCAP) -> Found:
    """The host's packages. Reading them takes root since CVE-2020-8694."""
    zones = []
    for zone in sorted(root.glob("intel-rapl:*"))[:MOST_ZONES]:  # AMD's too have this name
        try:
            if (zone / "name").read_text().startswith(COUNTED):
                zones.append(zone)
        except OSError:
            continue  # gone meanwhile, or no zone
    if not zones:
        return Found(None, "this host shows no RAPL counter")
    try:
        return Found(Rapl(zones), "")
    except PermissionError:
        return Found(None, f"{root}: RAPL is there but only root may read it (chmod a+r energy_uj lets you)")
    except (OSError, ValueError) as error:
        return Found(None, f"{root}: RAPL is there but cannot be read: {error}")


class Nvml:
    """One GPU through NVIDIA's management library: its name, driver, memory, clocks, and joules if it counts them."""

    def __init__(self, library: Any, index: int = 0) -> None:
        """Raises OSError if the library does not start or has no such GPU."""
        self._library, self._device = library, ctypes.c_void_p()
        self._ask("nvmlInit_v2")
        self._ask("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(self._device))
        self.name = self._text("nvmlDeviceGetName", self._device)
        self.driver = self._text("nvmlSystemGetDriverVersion")
        self.source = f"NVML: {self.name}, GPU {index}"

    def read_j(self) -> float:
        """Joules since the driver was loaded. Raises OSError for a GPU without a counter (before Volta)."""
        found = ctypes.c_ulonglong()
        self._ask("nvmlDeviceGetTotalEnergyConsumption", self._device, ctypes.byref(found))
        return MILLI * found.value

    def memory_bytes(self) -> int:
        """All of its memory."""
        found = (ctypes.c_ulonglong * 3)()  # nvmlMemory_t: total, free, used
        self._ask("nvmlDeviceGetMemoryInfo", self._device, ctypes.byref(found))
        return int(found[0])

    def clocks_hz(self) -> dict[str, float]:
        """Its multiprocessors' and memory's clocks, now and at most."""
        clocks = {}
        for when, call in (("now", "nvmlDeviceGetClockInfo"), ("max", "nvmlDeviceGetMaxClockInfo")):
            for kind, number in (("sm", 1), ("memory", 2)):  # NVML_CLOCK_SM, NVML_CLOCK_MEM
                found = ctypes.c_uint()
                self._ask(call, self._device, ctypes.c_uint(number), ctypes.byref(found))
                clocks[f"{kind}_{when}"] = 1e6 * found.value
        return clocks

    def _text(self, call: str, *arguments: Any) -> str:
        found = ctypes.create_string_buffer(96)  # NVML_DEVICE_NAME_V2_BUFFER_SIZE; versions take 80
        self._ask(call, *arguments, found, ctypes.c_uint(len(found)))
        return found.value.decode(errors="replace")

    def _ask(self, call: str, *arguments: Any) -> None:
        code = getattr(self._library, call)(*arguments)
        if code != 0:
            raise OSError(f"{call} of NVIDIA's management library failed with code {code}")


def nvml(index: int = 0) -> Nvml | None:
    """GPU number `index`, or None where there is no driver or no such GPU."""
    for name in NVML_NAMES:
        try:
            return Nvml(ctypes.CDLL(name), index)
        except (OSError, AttributeError):  # not installed, no GPU, or too old
            continue
    return None


def counter(gpu: Nvml | None, on_gpu: bool) -> Found:
    """The counter of the device that computes: the GPU's, or the packages of the host."""
    if not on_gpu:
        return rapl()
    if gpu is None:
        return Found(None, "NVIDIA's management library is not there")
    try:
        gpu.read_j()
    except (OSError, AttributeError):
        return Found(None, f"{gpu.name} counts no joules")
    return Found(gpu, "")
