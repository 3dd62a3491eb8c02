"""What computes: its name, driver, threads, clocks and memory, as the system tells them; what it does not is left out.

Rules: reads files of the kernel and asks the GPU's library; starts no program, changes nothing.
"""

import os
import platform
import sys
from pathlib import Path

import msgspec

from workloads import runtime
from workloads.measuring.energy import Nvml
from workloads.providers import NVIDIA, PROVIDERS

CPUINFO = Path("/proc/cpuinfo")
CPUFREQ = Path("/sys/devices/system/cpu/cpu0/cpufreq")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
UNLIMITED = 2**60  # a cgroup without a limit shows a number near 2**63
MOST_CHARACTERS = 1 << 16  # of a file of the kernel's that is read
LAST_CACHE_BYTES = 32 << 20  # where the system does not tell [guess]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """The device of a calibration. `clocks_hz` holds what is known of "now", "max" and so on; `memory_bytes` is None
    where nobody tells."""

    name: str
    provider: str
    onnxruntime: str
    host: str  # the processor that feeds it, and the system
    cores: int
    threads: int
    driver: str = ""
    clocks_hz: dict[str, float] = {}
    memory_bytes: int | None = None


def describe(provider: str, threads: int, gpu: Nvml | None) -> Device:
    """The device that `provider` computes on, with `threads` of the host."""
    host = cpu_name()
    on_gpu = provider in NVIDIA and gpu is not None
    return Device(
        name=gpu.name if on_gpu and gpu is not None else host,
        provider=PROVIDERS[provider],
        onnxruntime=runtime.onnxruntime().__version__,
        host=f"{host}, {platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}",
        cores=usable_cores(),
        threads=threads,
        driver=gpu.driver if on_gpu and gpu is not None else "",
        clocks_hz=_gpu_clocks_hz(gpu) if on_gpu and gpu is not None else cpu_clocks_hz(),
        memory_bytes=gpu.memory_bytes() if on_gpu and gpu is not None else host_memory_bytes(),
    )


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name."""
    for line in _text(cpuinfo).splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware") and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()


def cpu_clocks_hz(cpufreq: Path = CPUFREQ, cpuinfo: Path = CPUINFO) -> dict[str, float]:
    """Clocks of the first core: "now", "min", "max" by cpufreq; "now" by /proc/cpuinfo where a guest has no cpufreq."""
    named = (("now", "scaling_cur_freq"), ("min", "cpuinfo_min_freq"), ("max", "cpuinfo_max_freq"))
    found = {name: 1e3 * float(text) for name, file in named if (text := _text(cpufreq / file).strip()).isdigit()}
    if found:
        return found  # cpufreq tells kilohertz
    for line in _text(cpuinfo).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "cpu MHz":
            return {"now": 1e6 * float(value)}
    return {}


def host_memory_bytes(limits: tuple[Path, ...] = CGROUP_LIMITS) -> int | None:
    """The host's memory, or what this process's group may have of it."""
    if not hasattr(os, "sysconf") or sys.platform == "win32":
        return None
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in limits:
        text = _text(limit).strip()
        if text.isdigit() and int(text) < UNLIMITED:
            found = min(found, int(text))
    return found


def last_cache_bytes(caches: Path = CACHES) -> int:
    """The largest cache of the first core."""
    sizes = [0]
    for file in caches.glob("index*/size"):
        text = _text(file).strip()
        number, unit = (text[:-1], text[-1:]) if text[-1:] in ("K", "M") else (text, "")
        if number.isdigit():
            sizes.append(int(number) << {"": 0, "K": 10, "M": 20}[unit])
    return max(sizes) or LAST_CACHE_BYTES


def _gpu_clocks_hz(gpu: Nvml) -> dict[str, float]:
    try:
        return gpu.clocks_hz()
    except OSError:  # a GPU that does not tell
        return {}


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(MOST_CHARACTERS)
    except OSError:  # not on this system
        return ""
