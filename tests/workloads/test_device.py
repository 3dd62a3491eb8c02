"""The device as the system tells it, from files as the kernel writes them; and roofs from what was measured."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from workloads.measuring import ceilings
from workloads.measuring.device import (
    cpu_clocks_hz,
    cpu_name,
    describe,
    host_memory_bytes,
    last_cache_bytes,
    usable_cores,
)

CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 9354 32-Core Processor
cpu MHz\t\t: 3245.124
cache size\t: 1024 KB
"""


def test_the_processor_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert cpu_name(tmp_path / "cpuinfo") == "AMD EPYC 9354 32-Core Processor"
    assert cpu_name(tmp_path / "none") == (platform.processor() or platform.machine())


def test_clocks_come_from_cpufreq_else_from_cpuinfo_else_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert cpu_clocks_hz(tmp_path / "none", tmp_path / "cpuinfo") == {"now": pytest.approx(3.245124e9)}
    for name, text in (
        ("scaling_cur_freq", "2100000"),
        ("cpuinfo_max_freq", "3800000\n"),
        ("cpuinfo_min_freq", "<unknown>"),
    ):
        (tmp_path / name).write_text(text)
    assert cpu_clocks_hz(tmp_path, tmp_path / "cpuinfo") == {"now": 2.1e9, "max": 3.8e9}
    assert cpu_clocks_hz(tmp_path / "none", tmp_path / "none") == {}


def test_a_group_s_limit_of_memory_is_the_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert host_memory_bytes((tmp_path / "memory.max",)) == 2**30
    (tmp_path / "memory.max").write_text("max\n")
    whole = host_memory_bytes(())
    assert host_memory_bytes((tmp_path / "memory.max",)) == whole
    assert whole is None or whole > 2**28


def test_the_last_cache_is_the_largest(tmp_path: Path) -> None:
    for index, size in enumerate(("32K", "1024K", "32M", "junk")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size + "\n")
    assert last_cache_bytes(tmp_path) == 32 << 20
    assert last_cache_bytes(tmp_path / "none") > 0


def test_this_host_is_described() -> None:
    found = describe("cpu", 1, None)
    assert found.provider == "CPUExecutionProvider"
    assert 1 <= found.cores <= 4096
    assert usable_cores() == found.cores
    assert found.name in found.host


def seconds(step_s: float) -> Callable[[], float]:
    """A clock on which every second reading is `step_s` later."""
    readings = [0]

    def read() -> float:
        readings[0] += 1
        return (readings[0] // 2) * step_s

    return read


def test_roofs_are_operations_and_bytes_over_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "SIDE", {"cpu": 64})
    monkeypatch.setattr(ceilings, "LEAST_COPY_BYTES", 2**20)
    monkeypatch.setattr(ceilings, "last_cache_bytes", lambda: 2**16)
    for precision in ("fp32", "int8"):
        found = ceilings.peak_ops_per_s(precision, "cpu", 1, seconds(0.5), tmp_path)
        assert found == pytest.approx(2 * 64**3 / 0.5)  # one multiply-accumulate is two operations
    assert ceilings.memory_bytes_per_s("cpu", 1, seconds(0.25), tmp_path) == pytest.approx(2 * 2**20 / 0.25)
    assert ceilings.launch_s("cpu", 1, seconds(0.1), tmp_path) == pytest.approx(0.001)
