"""Joules of runs: what the host's counter rose by while a model ran, on real files; absent where nothing counts."""

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import main
from emulator.errors import BadInput
from emulator.live import control as say
from emulator.live import worker as working
from emulator.live.launch import Launch
from emulator.live.metering import Energy, Meter, Works, find_counter, read_j
from emulator.live.model_transfer import refuse_paths
from emulator.live.worker import Done, Worker
from workloads.inference import Products
from workloads.measuring.energy import nvml
from workloads.tasks import Outcome

CLEAR = Outcome("clear", 0.0, 10)


@pytest.fixture
def energy_uj(tmp_path: Path) -> Path:
    """The file that counts, of a package with its cores beside it, as Linux shows them."""
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core")):
        (tmp_path / zone).mkdir()
        for file, value in (("name", name), ("energy_uj", "1000000"), ("max_energy_range_uj", "262143328850")):
            (tmp_path / zone / file).write_text(f"{value}\n")
    return tmp_path / "intel-rapl:0" / "energy_uj"


def welcome(powercap: Path | str) -> say.Welcome:
    return say.Welcome(
        node="A", epoch=1, run=b"", scenario="", scenario_sha256="", epoch_utc="", nodes=["A"], ear="", door="",
        models=[], products=Products(), tiles=1, spin_s=0.0, held_bytes=0, powercap=str(powercap),
    )  # fmt: skip


def done(
    stage: Any, monkeypatch: pytest.MonkeyPatch, powercap: Path, runs: list[Callable[[], Outcome]]
) -> tuple[Worker, list[Done]]:
    """What a node's worker says of runs that do this."""
    left = iter(runs)
    runner = types.SimpleNamespace(outcome=lambda *given: next(left)())
    monkeypatch.setattr(working, "_runner", lambda welcome, folder: runner)
    monkeypatch.setattr(working, "step_back", lambda: None)
    worker = Worker(welcome(powercap), powercap)
    worker.start()
    for number in range(len(runs)):
        worker.submit(say.Infer(f"t{number}", number, "m", 0, 0, 0.0, 1.0))
    stage.until(lambda: len(worker.done) == len(runs) or worker.broken)
    worker.stop()
    assert not worker.broken
    return worker, list(worker.done)


def drawing(energy_uj: Path, value: str) -> Callable[[], Outcome]:
    """A run after which the counter says this."""

    def outcome() -> Outcome:
        energy_uj.write_text(value)
        return CLEAR

    return outcome


def test_a_run_is_charged_with_what_the_counter_rose_by_meanwhile(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, energy_uj: Path
) -> None:
    runs = [drawing(energy_uj, "3500000"), drawing(energy_uj, "3500000"), drawing(energy_uj, "4000000")]
    worker, found = done(stage, monkeypatch, tmp_path, runs)
    assert worker.metered.counter is not None
    assert worker.metered.counter.source == "RAPL: package-0"
    assert [each.energy_j for each in found] == [pytest.approx(2.5), pytest.approx(0.0), pytest.approx(0.5)]
    assert all(each.host_s is not None and each.host_s > 0.0 for each in found)


def test_a_counter_that_fails_is_asked_no_more_and_its_runs_have_no_joules(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, energy_uj: Path
) -> None:
    runs = [drawing(energy_uj, "no number"), drawing(energy_uj, "4000000")]
    worker, found = done(stage, monkeypatch, tmp_path, runs)
    assert [each.energy_j for each in found] == [None, None]
    assert [each.outcome for each in found] == [CLEAR, CLEAR]
    assert worker.metered.counter is None
    assert "RAPL: package-0 could not be read any more" in worker.metered.why


def test_a_host_that_counts_nothing_says_so(stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worker, found = done(stage, monkeypatch, tmp_path, [lambda: CLEAR])
    assert found[0].energy_j is None
    assert worker.metered == (None, "this host shows no RAPL counter")
    assert read_j(find_counter("cpu", str(tmp_path))) is None


def test_runs_are_added_up_by_node_and_model_and_those_not_counted_apart() -> None:
    meter = Meter()
    meter.loaded("A", "RAPL: package-0", "")
    meter.loaded("B", "", "no counter")
    meter.ran("A", "m", 0.5, 10.0)
    meter.ran("A", "m", 1.5, 30.0)
    meter.ran("A", "m", 4.0, None)
    meter.ran("B", "m", 0.25, float("nan"))  # of another host, whatever it says
    meter.ran("B", "m", 0.75, -1.0)
    a, b = meter.energy().works
    assert a == Works(node="A", model="m", runs=3, host_s=6.0, counted=2, counted_s=2.0, energy_j=40.0)
    assert a.power_w == 20.0
    assert b == Works(node="B", model="m", runs=2, host_s=1.0, counted=0, counted_s=0.0, energy_j=None)
    assert b.power_w is None
    assert meter.energy().counters == {"A": "RAPL: package-0"}
    assert meter.energy().uncounted == {"B": "no counter"}
    assert "measured (RAPL: package-0): 20 W while inferring, mean of 2 runs, idle unknown" in meter.energy().line


def test_nothing_counted_is_said_with_the_reason() -> None:
    assert Energy().line == "energy of the hosts: not measured, because no model was run"
    meter = Meter()
    meter.loaded("A", "", "this host shows no RAPL counter")
    meter.ran("A", "m", 1.0, None)
    assert meter.energy().line == "energy of the hosts: not measured, because this host shows no RAPL counter"
    assert meter.energy().works[0].energy_j is None  # missing is missing


def test_no_other_host_is_told_which_files_to_read() -> None:
    with pytest.raises(BadInput, match=r"names files for this host to open .*powercap.* do not join it"):
        refuse_paths(welcome("/somewhere/powercap"))


def test_a_folder_of_counters_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "three-body-live", "--no-table", "--powercap", "no-such-folder"]) == 2
    assert "no-such-folder: there is no such folder; Linux has /sys/class/powercap" in capsys.readouterr().err


def test_only_live_runs_take_a_folder_of_counters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "three-body", "--policy", "mesh", "--powercap", "."]) == 2
    assert "only live runs take --powercap: add --engine live" in capsys.readouterr().err


@pytest.mark.gpu
def test_a_gpu_counts_joules_that_never_fall() -> None:
    gpu = nvml()
    if gpu is None:
        pytest.skip("no NVIDIA GPU or driver here")
    found = find_counter("cuda")
    if found.counter is None:
        pytest.skip(found.why)
    before_j, after_j = read_j(found), read_j(found)
    assert before_j is not None
    assert after_j is not None
    assert after_j >= before_j > 0.0
    assert found.counter.source.startswith(f"NVML: {gpu.name}")


def test_a_counter_that_wraps_several_times_in_a_run_loses_no_joule(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, energy_uj: Path
) -> None:
    (energy_uj.parent / "max_energy_range_uj").write_text("3000000")  # 3 J, of which 2 J are drawn a minute
    now_s = 0.0
    monkeypatch.setattr("emulator.live.launch.wall_s", lambda: now_s)
    watched = []

    class Minutes:
        def run(self, watch: Callable[[Any], None]) -> None:
            nonlocal now_s
            for minute in range(1, 6):
                now_s = 61.0 * minute
                energy_uj.write_text(str((1_000_000 + 2_000_000 * minute) % 3_000_000))
                watch(self)

    launch = types.SimpleNamespace(crew=types.SimpleNamespace(meter=Meter()))
    Launch._run_counted(launch, Minutes(), watched.append, find_counter("cpu", str(tmp_path)))  # type: ignore[arg-type]
    assert launch.crew.meter.host_j == pytest.approx(10.0)
    assert len(watched) == 5
