"""Joules are what counters say: folders as the kernel has them, a library that answers as NVML's reference says."""

import ctypes
from pathlib import Path
from typing import Any

import pytest

from workloads.measuring.energy import Nvml, counter, nvml, rapl


def zone(root: Path, number: str, name: str, energy_uj: int, range_uj: int = 262_143_328_850) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return folder


def test_packages_and_memory_are_added_and_cores_not_twice(tmp_path: Path) -> None:
    package, core = zone(tmp_path, "0", "package-0", 1_000_000), zone(tmp_path, "0:0", "core", 500_000)
    memory = zone(tmp_path, "0:1", "dram", 0)
    found = rapl(tmp_path).counter
    assert found is not None
    assert found.source == "RAPL: dram, package-0"
    before_j = found.read_j()
    for folder, now_uj in ((package, 4_000_000), (core, 9_000_000), (memory, 250_000)):
        (folder / "energy_uj").write_text(str(now_uj))
    assert found.read_j() - before_j == pytest.approx(3.25)


def test_a_counter_that_wraps_goes_on_rising(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0", 9_000_000, range_uj=10_000_000)
    found = rapl(tmp_path).counter
    assert found is not None
    (package / "energy_uj").write_text("2000000")
    assert found.read_j() == pytest.approx(3.0)
    (package / "energy_uj").write_text("1000000")
    assert found.read_j() == pytest.approx(12.0)


def test_no_counter_is_said_and_not_made_up(tmp_path: Path) -> None:
    assert rapl(tmp_path / "none") == (None, "this host shows no RAPL counter")
    zone(tmp_path, "0:0", "core", 5)
    assert rapl(tmp_path).counter is None
    broken = zone(tmp_path, "0", "package-0", 5)
    (broken / "energy_uj").write_text("nothing")
    found = rapl(tmp_path)
    assert found.counter is None
    assert "cannot be read" in found.why


def test_a_counter_that_only_root_may_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "0", "package-0", 5)
    real = Path.read_text

    def read_text(path: Path, *given: Any, **named: Any) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return real(path, *given, **named)

    monkeypatch.setattr(Path, "read_text", read_text)
    found = rapl(tmp_path)
    assert found.counter is None
    assert "only root may read it" in found.why


class Library:
    """Answers the calls of NVML that are used; `joules` None: nvmlDeviceGetTotalEnergyConsumption is not supported."""

    def __init__(self, joules: float | None) -> None:
        self.joules = joules

    def __getattr__(self, call: str) -> Any:
        def answer(*given: Any) -> int:
            if call == "nvmlDeviceGetTotalEnergyConsumption":
                if self.joules is None:
                    return 3  # NVML_ERROR_NOT_SUPPORTED
                given[-1]._obj.value = round(1e3 * self.joules)  # millijoules
            elif call in ("nvmlDeviceGetName", "nvmlSystemGetDriverVersion"):
                given[-2].value = b"GPU of a test" if call == "nvmlDeviceGetName" else b"555.1"
            elif call == "nvmlDeviceGetMemoryInfo":
                given[-1]._obj[0] = 24 * 2**30
            elif call.endswith("ClockInfo"):
                given[-1]._obj.value = 1500 if given[1].value == 1 else 5000  # MHz
            return 0

        return answer


def test_a_gpu_s_counter_is_read_in_joules() -> None:
    library = Library(1000.0)
    gpu = Nvml(library)
    assert (gpu.name, gpu.driver, gpu.memory_bytes()) == ("GPU of a test", "555.1", 24 * 2**30)
    assert gpu.clocks_hz() == {"sm_now": 1.5e9, "memory_now": 5e9, "sm_max": 1.5e9, "memory_max": 5e9}
    found = counter(gpu, on_gpu=True).counter
    assert found is not None
    before_j = found.read_j()
    library.joules = 1012.5
    assert found.read_j() - before_j == pytest.approx(12.5)


def test_a_gpu_without_a_counter_has_no_energy() -> None:
    assert counter(Nvml(Library(None)), on_gpu=True) == (None, "GPU of a test counts no joules")
    assert counter(None, on_gpu=True).counter is None


def test_a_host_without_a_driver_has_no_gpu() -> None:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        assert nvml() is None
    else:
        pytest.skip("there is an NVIDIA driver")
