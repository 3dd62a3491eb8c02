"""A recorded run in another world: other orbits, other satellites, a calibrated processor; differences are listed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emulator.assemble import assemble
from emulator.cli import main
from emulator.events import Captured, Finished
from emulator.orders import Run
from emulator.processor_file import write
from emulator.run import run
from emulator.scenario import parse
from emulator.trace import Trace
from emulator.tracing.tables import rows
from nodes.processor import Processor
from workloads.calibration import Calibration, Timing

LIVE = 'extends = "three-body-live"\nname = "elsewhere"\nduration_s = 90.0\n[imaging]\ndistinct_tiles = 4\n'
TURNED = """[[satellites.elements]]
name = "SCS-01 {name}"
norad_cat_id = {number}
epoch = "2025-10-03T13:22:35.160960Z"
mean_motion_rev_per_day = 15.20846273
eccentricity = 0.0009484
inclination_deg = 97.3970
raan_deg = 349.5147
arg_of_perigee_deg = 177.9910
mean_anomaly_deg = {anomaly}
"""
BATCH_S = 0.5  # of 64 tiles, as the calibration has it
POWER_W, IDLE_W = 25.0, 5.0

Replayed = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("elsewhere") / "run"
    run(assemble(parse(LIVE, "elsewhere.toml", None), ["mesh"]), "round-robin", folder)  # much goes over lasers
    return Trace(folder)


@pytest.fixture
def replayed(
    recorded: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Replayed:
    """Runs `replay --json --out out` of the recorded run in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def replay(*options: str) -> dict[str, Any]:
        assert main(["replay", str(recorded.folder), "--json", "--out", "out", *options]) == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return replay


def elsewhere(*anomalies: tuple[str, float]) -> str:
    """The recorded scenario with these satellites only, the others' names given up."""
    given = [TURNED.format(name=name, number=70_000 + n, anomaly=a) for n, (name, a) in enumerate(anomalies)]
    return LIVE + "".join(given)


def test_decisions_for_other_orbits_are_forced_and_what_cannot_be_is_listed(
    recorded: Trace, replayed: Replayed, tmp_path: Path
) -> None:
    """Three satellites of twelve are left, a third of an orbit apart: no laser joins them, other scenes are taken."""
    there = (("A", 182.1), ("K", 302.1), ("L", 62.1))
    (tmp_path / "turned.toml").write_text(elsewhere(*there))
    found = replayed("--level", "decisions", "--scenario", "turned.toml")
    out = Trace(tmp_path / "out")
    decided = {row["task"]: row["to_node"] for row in rows(recorded, "decisions") if row["kind"] == "assign"}
    captured = {event.task.id for _, _, (event, _) in out.lines() if isinstance(event, Captured)}
    never = set(decided) - captured
    assert never
    assert found["decisions_left"] == len(never)
    assert set(found["left"]) <= never
    assert sum(found["left"].values()) == min(20, len(never))
    assert found["parted_s"] is not None
    assert found["differences"]["tasks_changed"] >= len(never)
    hops = [row for row in rows(out, "hops") if "SCS" in row["to_node"]]
    assert hops == []  # of the recorded laser links none exists here
    satellites = {f"SCS-01 {name}" for name, _ in there}
    for_others = {task: decided[task] for task in captured & set(decided) if decided[task] != task.partition("/")[0]}
    assert found["row"]["rejected"] == {
        "unknown_node": sum(node not in satellites for node in for_others.values()),
        "unreachable": sum(node in satellites for node in for_others.values()),
    }
    assert [each["name"] for each in out.header.elements] == ["SCS-01 A", "SCS-01 K", "SCS-01 L"]  # those that it flew
    assert out.header.scenario_sha256 != recorded.header.scenario_sha256
    tasks = found["row"]["tasks"]
    assert tasks["captured"] == len(captured) == sum(tasks[how] for how in ("done", "dropped", "lost", "pending"))


def test_another_epoch_is_told(replayed: Replayed, tmp_path: Path) -> None:
    (tmp_path / "later.toml").write_text('epoch = "2025-10-04T04:14:40Z"\n' + LIVE)
    found = replayed("--level", "decisions", "--scenario", "later.toml")
    assert not found["matches"]
    assert main(["replay", "out"]) == 0  # exactly, by the decisions in it: round-robin would have made others
    assert main(["replay", "out", "--policy", "round-robin"]) == 1
    assert any(
        "the epoch is 2025-10-04T04:14:40Z, the recorded run's was 2025-10-04T04:13:40Z" in n for n in found["notes"]
    )


def test_decisions_about_satellites_that_are_not_there_are_all_left(
    recorded: Trace, replayed: Replayed, tmp_path: Path
) -> None:
    (tmp_path / "others.toml").write_text(elsewhere(("X", 182.1), ("Y", 186.0)))
    found = replayed("--level", "decisions", "--scenario", "others.toml")
    assigned = [row for row in rows(recorded, "decisions") if row["kind"] in ("assign", "downlink", "drop")]
    assert found["decisions_left"] == len(assigned) > 0
    assert found["row"]["tasks"]["pending"] == found["row"]["tasks"]["captured"]


@pytest.mark.parametrize("level", ["decisions", "inputs", "measured"])
def test_a_span_in_the_middle_has_the_recorded_captures_of_it(
    recorded: Trace, replayed: Replayed, tmp_path: Path, level: str
) -> None:
    found = replayed("--level", level, "--from", "30", "--to", "60")
    within = {e.task.id for _, _, (e, _) in recorded.lines() if isinstance(e, Captured) and 30.0 <= e.at_s <= 60.0}
    assert {row["task"] for row in rows(Trace(tmp_path / "out"), "tasks")} == within
    assert found["row"]["tasks"]["captured"] == len(within) > 0
    assert found["part_s"] == [30.0, 60.0]
    assert found["matches"] is (level == "decisions")  # the others begin their round anew


def calibrated(recorded: Trace, power_w: float | None = POWER_W) -> Processor:
    profile = recorded.world.models["cloud-screen"]
    timings = (Timing(batch=64, batch_s=BATCH_S, samples=100),)
    each = Calibration(
        profile=profile, precision="int8", provider="cpu", threads=1, timings=timings, power_w=power_w
    )  # fmt: skip
    return Processor(
        name="by-hand", peak_ops_per_s={"int8": 1e12}, memory_bytes_per_s=1e11, memory_bytes=1e10, idle_power_w=IDLE_W,
        busy_power_w=IDLE_W, calibrations=(each,),
    )  # fmt: skip


def test_times_and_power_of_a_calibration(recorded: Trace, replayed: Replayed, tmp_path: Path) -> None:
    """A scene has 4,313 tiles: 67 whole batches of 64, and one for the rest."""
    write(calibrated(recorded), tmp_path / "by-hand.toml")
    found = replayed("--level", "measured", "--processor", "by-hand.toml")
    out = Trace(tmp_path / "out")
    runs = [order for _, _, (_, orders) in out.lines() for order in orders if isinstance(order, Run)]
    ended = sum(isinstance(event, Finished) for _, _, (event, _) in out.lines())
    assert {round(order.finish_s - order.start_s, 9) for order in runs} == {68 * BATCH_S}
    assert (found["runs_measured"], found["runs_modelled"]) == (len(runs), 0)
    assert f"{len(runs)} from the processor's calibrations" in found["times_from"]
    assert found["power_from"] == "measured by the calibration of cloud-screen on by-hand"
    assert found["row"]["energy"]["orbit_compute_j"] == pytest.approx(ended * 68 * BATCH_S * (POWER_W - IDLE_W))
    assert ended > 0


def test_a_calibration_without_power_says_that_power_is_modelled(
    recorded: Trace, replayed: Replayed, tmp_path: Path
) -> None:
    write(calibrated(recorded, None), tmp_path / "by-hand.toml")
    found = replayed("--level", "measured", "--processor", "by-hand.toml")
    assert found["power_from"].startswith("modelled: ")


def test_a_processor_too_slow_for_the_recorded_times_is_a_named_error(
    recorded: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = msgspec.structs.replace(calibrated(recorded), name="slow", peak_ops_per_s={"int8": 1e9}, calibrations=())
    monkeypatch.chdir(tmp_path)
    write(slow, tmp_path / "slow.toml")
    command = [
        "replay",
        str(recorded.folder),
        "--level",
        "measured",
        "--measured",
        str(recorded.folder),
        "--out",
        "out",
    ]
    assert main([*command, "--processor", "slow.toml"]) == 2
    assert "whose processor 'slow' has a peak of 1e+09 ops/s in int8" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slow.toml"]
