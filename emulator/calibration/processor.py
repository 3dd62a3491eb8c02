"""A measured device as a processor that a scenario can name: its roofs, and the share of them that models reach.

Rules: every figure was measured, or is named in `guesses`; power that nobody counted is absent.
"""

from math import inf
from statistics import median
from typing import NamedTuple

from nodes.processor import Processor
from workloads.calibration import Calibration
from workloads.measuring.device import Device
from workloads.measuring.prepared import How

SERVER_BOUND = "calibrations.load.server_bound_s"  # its name among the guesses


class Roofs(NamedTuple):
    """What the device does at best, as measured."""

    ops_per_s: dict[str, float]
    memory_bytes_per_s: float
    launch_s: float


def processor(
    device: Device, how: How, roofs: Roofs, calibrations: tuple[Calibration, ...], idle_w: float | None, measured: str,
    bound_guessed: bool = False,
) -> Processor:  # fmt: skip
    """The device as a processor that a scenario can name: measured roofs, the share of them that models reach.

    `bound_guessed`: nobody gave Server's latency bound.
    """
    reached = [
        (each.precision, max(each.profile.ops * t.batch / t.batch_s for t in each.timings)) for each in calibrations
    ]
    peaks = dict(roofs.ops_per_s)
    for precision, ops_per_s in reached:
        if ops_per_s > 0.0:
            peaks[precision] = max(peaks.get(precision, 0.0), ops_per_s)
    shares = [ops_per_s / peaks[precision] for precision, ops_per_s in reached if ops_per_s > 0.0]
    powers = [each.power_w for each in calibrations if each.power_w is not None]
    busy_w = max(powers) if powers else None
    kept = idle_w is not None and idle_w <= min(powers, default=inf)  # a counter of a shared host may say otherwise
    served = any(each.load.server_bound_s is not None for each in calibrations)
    guesses = ["traffic_share", *(["memory_bytes"] if device.memory_bytes is None else [])]
    guesses += [SERVER_BOUND] if bound_guessed and served else []
    return Processor(
        name=f"{'-'.join(device.name.lower().split())}-{how.provider}-{how.threads}",
        peak_ops_per_s=peaks, efficiency=min(1.0, median(shares)) if shares else 1.0,
        memory_bytes_per_s=roofs.memory_bytes_per_s,
        memory_bytes=float(device.memory_bytes if device.memory_bytes is not None else how.limits.memory_bytes),
        launch_s=roofs.launch_s, idle_power_w=idle_w if kept else None, busy_power_w=busy_w, calibrations=calibrations,
        source=(
            f"orbitmesh calibrate, {measured}: {device.host}; {device.name}, {how.provider}, onnxruntime "
            f"{device.onnxruntime}, {how.threads} threads. Peaks: the best of one large matrix product and the models; "
            "efficiency: the median model's share of it; memory: one large copy; launch: a call of an empty model"
        ),
        guesses=tuple(guesses),
    )  # fmt: skip
