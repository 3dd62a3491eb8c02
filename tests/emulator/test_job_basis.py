"""A run says of every task how the time of its job is known, keeps that in its trace, and invents no energy."""

from typing import Any

import msgspec
import pytest

from emulator.core import Core
from emulator.orders import Run
from emulator.report import summarise
from emulator.schedulers import load
from emulator.table import bases
from nodes.processor import Processor
from workloads.calibration import Calibration, Timing
from workloads.tasks import ModelProfile


def model(name: str, ops: int, precision: str = "fp32") -> ModelProfile:
    return ModelProfile(
        name=name, sha256=name, macs=ops // 2, ops=ops, parameters=0, weight_bytes=0, activation_bytes=0,
        peak_activation_bytes=0, input_bytes=0, precision=precision,
    )  # fmt: skip


KNOWN, LIKE_IT, NARROW = model("known", 1000), model("like it", 2000), model("narrow", 1000, "int8")


def host(power_w: float | None = 30.0, idle_w: float | None = 10.0) -> Processor:
    """1e3 operations in 0.5 s as measured, at a peak of 1e4 a second."""
    timing = (Timing(batch=1, batch_s=0.5, samples=9),)
    made = Calibration(profile=KNOWN, precision="fp32", provider="CPU", threads=1, timings=timing, power_w=power_w)
    return Processor(
        name="host", peak_ops_per_s={"fp32": 1e4}, efficiency=1.0, memory_bytes_per_s=1e15, memory_bytes=1e6,
        idle_power_w=idle_w, calibrations=(made,),
    )  # fmt: skip


def played(lab: Any, processor: Processor, precision: str = "fp32") -> Any:
    """On A, measured, two scenes of the known model and one of another; on B, a preset, one of the known."""
    tasks = [
        msgspec.structs.replace(lab.task(name, 0.0, node), model=kind, inferences=1)
        for name, node, kind in (("1", "A", "known"), ("2", "A", "known"), ("3", "A", "like it"), ("4", "B", "known"))
    ]
    plain = msgspec.structs.replace(processor, calibrations=(), busy_power_w=25.0)
    world = lab.world(satellites="AB", stations="", specs={"A": {"processor": processor}, "B": {"processor": plain}})
    models = {each.name: each for each in (KNOWN, LIKE_IT)}
    settings = msgspec.structs.replace(world.settings, precision=precision)
    world = msgspec.structs.replace(world, models=models, settings=settings)
    return lab.run(world, lab.facts(world, tasks), load("onboard", lambda: 0.0))


def test_every_run_says_how_its_time_is_known(lab: Any) -> None:
    sim = played(lab, host())
    assert {order.task: (order.basis, order.finish_s - order.start_s) for order in sim.orders(Run)} == {
        "1": ("calibrated", 0.5), "2": ("calibrated", 0.5), "3": ("scaled", 1.0), "4": ("preset", 0.1),
    }  # fmt: skip
    row = summarise(sim.core, "onboard", "")
    assert row.job_basis == {"calibrated": 2, "preset": 1, "scaled": 1}
    assert bases([row])[0].startswith("times of jobs: onboard 2 calibrated, 1 preset, 1 scaled (")


def test_energy_is_that_of_the_power_measured_with_the_model(lab: Any) -> None:
    """A: 2 s at 30 W of its calibration less 10 W idle; B: 0.1 s at 25 W less 10 W."""
    row = summarise(played(lab, host()).core, "onboard", "")
    assert row.energy.orbit_compute_j == pytest.approx(2.0 * 20.0 + 0.1 * 15.0)
    assert row.joules_per_inference == pytest.approx((2.0 * 20.0 + 0.1 * 15.0) / 4)


@pytest.mark.parametrize(("power_w", "idle_w"), [(None, 10.0), (30.0, None), (None, None)])
def test_energy_is_absent_where_power_is_not_known(lab: Any, power_w: float | None, idle_w: float | None) -> None:
    row = summarise(played(lab, host(power_w, idle_w)).core, "onboard", "")
    assert (row.energy.orbit_compute_j, row.energy_j, row.joules_per_inference, row.joules_per_answer) == (None,) * 4
    assert row.energy.ground_compute_j == 0.0
    assert (row.energy.idle_j is None) == (idle_w is None)


def test_the_budget_is_that_of_the_precision_that_runs(lab: Any) -> None:
    """A processor with 1e3 int8 and 1e2 fp32 operations a second: a narrow model runs in int8 whatever is wanted."""
    cpu = msgspec.structs.replace(host(), peak_ops_per_s={"int8": 1e3, "fp32": 1e2}, calibrations=())
    world = lab.world(satellites="A", stations="", specs={"A": {"processor": cpu}})
    settings = msgspec.structs.replace(world.settings, precision="fp32")
    models = {each.name: each for each in (KNOWN, NARROW)}
    world = msgspec.structs.replace(world, models=models, settings=settings)
    tasks = [
        msgspec.structs.replace(lab.task(kind, 0.0, "A"), model=kind, inferences=1) for kind in ("known", "narrow")
    ]
    sim = lab.run(world, lab.facts(world, tasks), load("onboard", lambda: 0.0))
    assert {order.task: order.finish_s - order.start_s for order in sim.orders(Run)} == {"known": 10.0, "narrow": 1.0}
    assert sim.core.nodes["A"].budget.peak_ops_per_s == 1e3


def test_nothing_inferred_is_no_line(lab: Any) -> None:
    row = summarise(Core(lab.world(), lab.everywhere("A")), "nothing", "")
    assert row.job_basis == {}
    assert bases([row]) == []
