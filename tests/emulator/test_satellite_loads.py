"""What telemetry measured as what satellites draw: closed forms of its energy, what is unmeasured, what is refused."""

from pathlib import Path

import msgspec
import pytest

from emulator.assemble import Assembled, assemble
from emulator.core import Core
from emulator.errors import ScenarioError
from emulator.replay import replay
from emulator.report import Row
from emulator.run import run
from emulator.scenario import load, parse
from emulator.schedulers import load as load_scheduler
from emulator.table import baselines
from emulator.trace import Trace
from emulator.tracing.reporting import document, lines
from nodes.measured_load import MeasuredLoad
from workloads.importing.records import Imported, LoadSample, MissionTask, Record
from workloads.importing.task_file import write_records

EPOCH = "2025-10-03T16:00:00Z"  # of three-body
RUN_S = 120.0
FIRST = "SCS-01 A"


def samples(*pairs: tuple[float, float | None], mode: str | None = None) -> list[Record]:
    return [LoadSample(at_s=at_s, power_w=power_w, mode=mode) for at_s, power_w in pairs]


CONSTANT = samples(*((10.0 * n, 7.5) for n in range(13)))


def written(folder: Path, records: list[Record], epoch: str | None = EPOCH, name: str = "load.jsonl") -> None:
    made = Imported(form="columns", epoch=epoch, records=records, read=len(records))
    write_records(folder / name, made, "telemetry.csv", "")


def text(table: str = "", more: str = "") -> str:
    head = f'extends = "three-body"\nname = "own"\nduration_s = {RUN_S}\n{more}'
    return f'{head}[imaging]\ndistinct_tiles = 2\n[[satellites.loads]]\nfile = "load.jsonl"\n{table}\n'


def ready(folder: Path, records: list[Record], table: str = "", epoch: str | None = EPOCH) -> Assembled:
    written(folder, records, epoch)
    return assemble(parse(text(table), "own.toml", folder), ["onboard"])


def drawn(folder: Path, records: list[Record], table: str = "") -> Row:
    return run(ready(folder, records, table), "onboard", None).row


def test_a_power_that_adds_up_to_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"load\.jsonl:2: power_w is 1e\+308; a finite number, within 1e\+12 of 0"):
        ready(tmp_path, samples((0.0, 1e308), (RUN_S, 1e308)))


def test_a_load_too_short_to_be_repeated_is_refused(tmp_path: Path) -> None:
    for end_s in (1e-310, 1e-9):  # rounds that no number holds, and more than are taken
        with pytest.raises(ScenarioError, match=r"samples in the run; 1000000 at most"):
            ready(tmp_path, samples((0.0, 1.0), (end_s, 1.0)), 'align = "start"\noutside = "repeat"')


def test_a_constant_load_is_power_times_time_of_every_satellite(tmp_path: Path) -> None:
    row = drawn(tmp_path, CONSTANT)
    assert row.baseline.measured_j == pytest.approx(12 * 7.5 * RUN_S, rel=1e-12)
    assert (row.baseline.measured_s, row.baseline.unmeasured_s) == (12 * RUN_S, 0.0)
    assert row.baseline.basis["measured"] == 12


def test_a_ramp_of_one_satellite_leaves_the_others_their_idle_power(tmp_path: Path) -> None:
    without = run(assemble(parse(text().split("[[")[0], "own.toml", tmp_path), ["onboard"]), "onboard", None).row
    row = drawn(tmp_path, samples((0.0, 0.0), (RUN_S, 24.0)), f'satellites = ["{FIRST}"]')
    assert row.baseline.measured_j == pytest.approx(24.0 * RUN_S / 2)  # a triangle
    assert row.baseline.measured_s == RUN_S
    assert without.baseline.measured_j is None
    assert without.energy.idle_j is not None
    assert row.energy.idle_j is not None
    processors = sum(without.baseline.basis.values())
    assert without.baseline.modelled_j == without.energy.idle_j
    world = assemble(parse(text().split("[[")[0], "own.toml", tmp_path), ["onboard"]).world
    idle_w = [node.processor.idle_power_w for node in world.nodes if node.processor is not None and node.name != FIRST]
    assert len(idle_w) == processors - 1
    assert row.energy.idle_j == pytest.approx(RUN_S * sum(power_w for power_w in idle_w if power_w is not None))
    same = {"baseline", "energy"}
    assert {k: v for k, v in msgspec.to_builtins(row).items() if k not in same} == {
        k: v for k, v in msgspec.to_builtins(without).items() if k not in same
    }  # a load is charged; it changes nothing that happens
    assert row.energy_j == without.energy_j


def test_a_gap_and_a_short_load_are_unmeasured_seconds_and_no_joules(tmp_path: Path) -> None:
    gappy = samples((0.0, 5.0), (10.0, 5.0), (20.0, 5.0), (80.0, 5.0), (90.0, 5.0))
    row = drawn(tmp_path, gappy, f'satellites = ["{FIRST}"]\nmax_gap_s = 15.0')
    assert row.baseline.measured_j == pytest.approx(5.0 * 30.0)  # 0 to 20 s and 80 to 90 s
    assert (row.baseline.measured_s, row.baseline.unmeasured_s) == (30.0, RUN_S - 30.0)
    assert "90 s unmeasured" in "".join(baselines([row]))


def test_samples_of_other_modes_are_unmeasured(tmp_path: Path) -> None:
    mixed = [*samples((0.0, 4.0), (10.0, 4.0), mode="IDLE"), *samples((20.0, 99.0), (30.0, 99.0), mode="IMAGE"),
             *samples((40.0, 4.0), (50.0, 4.0), mode="IDLE")]  # fmt: skip
    row = drawn(tmp_path, mixed, f'satellites = ["{FIRST}"]\nmodes = ["IDLE"]\nmax_gap_s = 60.0')
    assert row.baseline.measured_j == pytest.approx(4.0 * 20.0)
    assert row.baseline.unmeasured_s == RUN_S - 20.0


def test_utc_and_start_align_and_repeat_goes_on(tmp_path: Path) -> None:
    one = f'satellites = ["{FIRST}"]\n'
    later = ready(tmp_path, samples((0.0, 3.0), (10.0, 3.0)), one, epoch="2025-10-03T16:00:30Z")
    (load_,) = later.world.loads
    assert load_.times_s == [30.0, 40.0]
    moved = ready(tmp_path, samples((5.0, 3.0), (15.0, 3.0)), one + 'align = "start"', epoch=None)
    assert moved.world.loads[0].times_s == [0.0, 10.0]
    saw = ready(tmp_path, samples((0.0, 0.0), (50.0, 10.0)), one + 'align = "start"\noutside = "repeat"')
    energy_j, measured_s = saw.world.loads[0].over(0.0, RUN_S)
    # two whole ramps of 250 J, and 20 s of a third, up to 4 W: 40 J
    assert (energy_j, measured_s) == pytest.approx((540.0, RUN_S))
    assert any("repeated end to end [guess]" in note for note in saw.notes)


def test_only_what_lies_in_the_run_is_kept(tmp_path: Path) -> None:
    long = samples(*((float(n), 1.0) for n in range(-50, 500)))
    (kept,) = ready(tmp_path, long).world.loads
    assert (kept.times_s[0], kept.times_s[-1]) == (0.0, RUN_S)
    assert kept.over(0.0, RUN_S) == pytest.approx((RUN_S, RUN_S))


REFUSED: list[tuple[list[Record], str, str | None, str]] = [
    (CONSTANT, 'modes = ["SAFE"]', EPOCH, r"modes: names 'SAFE', a mode that no sample has; there is none at all"),
    (samples((0.0, 1.0), (9.0, 1.0), mode="X"), 'modes = ["Y"]', EPOCH, r"loads\[1\]\.modes: names 'Y'.*there is X"),
    (CONSTANT, 'satellites = ["SCS-01 Z"]', EPOCH, r"loads\[1\]\.satellites: names 'SCS-01 Z', which does not fly"),
    (CONSTANT, "", "2024-10-03T16:00:00Z", r"loads\[1\]\.file: measures nothing in the run: its samples lie from -3"),
    (CONSTANT, "", None, r"loads\[1\]\.align: is 'utc', but the list has relative times only"),
    (CONSTANT, "max_gap_s = 5.0", EPOCH, r"file: measures nothing in the run: .*gaps are more than 5 s"),
    (samples((0.0, None), (9.0, None)), "", EPOCH, "measures nothing in the run"),
    (CONSTANT[:5], 'outside = "refuse"', EPOCH, r"outside: is 'refuse', and the load leaves 80 s of the run"),
    (CONSTANT, 'outside = "repeat"', EPOCH, r"outside: is 'repeat', which has no instants"),
    (CONSTANT[:1], 'align = "start"\noutside = "repeat"', EPOCH, "the load has no length"),
    (samples((0.0, 1.0), (9.0, -1.0)), "", EPOCH, r"file: has -1\.0 W at 9\.0 s; a load draws power"),
    ([MissionTask(id="a", at_s=0.0, scenes=1)], "", EPOCH, "holds tasks or nothing; a load has samples"),
    (CONSTANT, f'sha256 = "{"0" * 64}"', EPOCH, r"loads\[1\]\.sha256: is 0000.*it was changed"),
    (CONSTANT, "max_gap_s = 0.0", EPOCH, r"max_gap_s: is 0\.0; a finite number of seconds above 0"),
    (CONSTANT, '[[satellites.loads]]\nfile = "load.jsonl"', EPOCH, "SCS-01 A has a load already; each"),
    (CONSTANT, '[[satellites.loads]]\nfile = "../load.jsonl"', EPOCH, "leads out of the scenario's folder"),
    (CONSTANT, '[[satellites.loads]]\nfile = "no.jsonl"\nsatellites = []', EPOCH, "SCS-01 A has a load already"),
]  # fmt: skip


@pytest.mark.parametrize(("records", "table", "epoch", "says"), REFUSED)
def test_loads_that_cannot_be_are_refused_with_their_field(
    tmp_path: Path, records: list[Record], table: str, epoch: str | None, says: str
) -> None:
    with pytest.raises(ScenarioError, match=says):
        ready(tmp_path, records, table, epoch)


def test_a_file_that_is_not_there_and_a_shipped_scenario_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r"own\.toml:7: satellites\.loads\[1\]\.file: load\.jsonl: there is no such"
    ):
        assemble(parse(text(), "own.toml", tmp_path), ["onboard"])
    with pytest.raises(ScenarioError, match="a shipped scenario cannot name files"):
        parse(text(), "own.toml", None)


def test_too_many_samples_in_a_run_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.satellite_loads.MOST_SAMPLES", 12)
    with pytest.raises(ScenarioError, match="has 13 samples in the run; 12 at most"):
        ready(tmp_path, CONSTANT)
    with pytest.raises(ScenarioError, match="has 60000 samples in the run"):  # and is not built first
        ready(tmp_path, samples((0.0, 1.0), (0.004, 1.0)), 'align = "start"\noutside = "repeat"')


def test_a_trace_keeps_the_load_and_its_replay_charges_the_same(tmp_path: Path) -> None:
    written(tmp_path, CONSTANT)
    (tmp_path / "own.toml").write_text(text())
    made = assemble(load(str(tmp_path / "own.toml")), ["onboard"])
    row = run(made, "onboard", tmp_path / "run").row
    trace = Trace(tmp_path / "run")
    assert trace.world.loads == made.world.loads
    assert {each.name for each in trace.header.files} == {"load.jsonl"}
    found, core = replay(trace, load_scheduler("onboard", lambda: 0.0))
    assert found.matches
    assert isinstance(core, Core)
    assert core.world.loads == made.world.loads
    told = dict(lines(document(trace)))
    assert told["measured load of satellites"].endswith(f"in {12 * RUN_S:,.0f} s, 0 s unmeasured")
    assert trace.summary()["baseline"]["measured_j"] == row.baseline.measured_j


def test_the_power_between_samples_is_a_line_and_energy_does_not_depend_on_where_it_is_cut() -> None:
    kept = MeasuredLoad(name="x", times_s=[0.0, 4.0, 6.0], power_w=[2.0, 6.0, None], max_gap_s=10.0)
    whole = kept.over(0.0, 10.0)
    assert whole == pytest.approx((16.0, 4.0))  # 4 s at 4 W on average; beside a missing one nothing
    parts = [kept.over(0.0, 1.5), kept.over(1.5, 10.0)]
    assert sum(energy_j for energy_j, _ in parts) == pytest.approx(16.0)
