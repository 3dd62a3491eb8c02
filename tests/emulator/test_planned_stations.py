"""Stations of a mission's plan: raw data go down where the plan says, others anywhere, and both are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import virtual
from emulator.assemble import Assembled, assemble
from emulator.core import Core
from emulator.decisions import Decision, Drop
from emulator.errors import ScenarioError
from emulator.events import Delivered
from emulator.replay import replay
from emulator.run import run
from emulator.scenario import parse
from emulator.schedulers import load as load_scheduler
from emulator.trace import Trace
from emulator.tracing.life import life
from emulator.view import View
from workloads.importing.records import Imported, MissionTask, Record
from workloads.importing.sentinel_plan import read_plan
from workloads.importing.task_file import write_records

EPOCH = "2025-10-03T16:00:00Z"  # of three-body
PLAN = Path(__file__).parents[3] / "shared" / "data" / "sentinel2a_acquisition_plan_2024-11-28.kml"
SMALL = 10_000_000  # bytes of a scene: every pass takes all of them


def plan(*stations: tuple[str, ...] | None) -> list[Record]:
    return [
        MissionTask(id=str(n), at_s=10.0 * n, duration_s=4.0, scenes=2, station_names=names, raw_bytes=2 * SMALL)
        for n, names in enumerate(stations)
    ]


def ready(folder: Path, records: list[Record], workload: str) -> Assembled:
    write_records(folder / "own.jsonl", Imported(form="x", epoch=EPOCH, records=records, read=len(records)), "s", "")
    head = 'extends = "three-body"\nname = "own"\nduration_s = 21600.0\n[imaging]\ndistinct_tiles = 2\n'
    return assemble(parse(f'{head}[workload]\nfile = "own.jsonl"\n{workload}\n', "own.toml", folder), ["bent-pipe"])


def landed(trace: Trace) -> dict[tuple[str, str], set[str]]:
    """Of each satellite and datatake, the stations at which raw data of it came down."""
    stations = {node.name for node in trace.world.nodes if node.kind == "station"}
    found: dict[tuple[str, str], set[str]] = {}
    for _, _, (event, _) in trace.lines():
        if isinstance(event, Delivered) and event.node in stations:
            satellite, datatake, _ = event.task.split("/")
            found.setdefault((satellite, datatake), set()).add(event.node)
    return found


SATELLITES = [f"SCS-01 {letter}" for letter in "ABCDEFGHJKLM"]


def reasons(trace: Trace, task: str) -> list[str]:
    return [reason for step in life(trace, task).steps for reason in step.reasons]


TABLE = '[workload.station_names]\n"SGS_" = "Kiruna"\n'


def test_raw_data_go_down_at_the_planned_station_and_nowhere_else(tmp_path: Path) -> None:
    made = ready(tmp_path, plan(("SGS_",), ("Sanya", "Kashi"), None, ("EDRS-A",)), f'stations = "planned"\n{TABLE}')
    run(made, "bent-pipe", tmp_path / "run")
    trace = Trace(tmp_path / "run")
    passes = {(contact.a, contact.b) for contact in trace.world.plan.contacts}
    kept = other = 0
    for (satellite, datatake), where in landed(trace).items():
        planned = {"0": ["Kiruna"], "1": ["Sanya", "Kashi"]}.get(datatake, [])  # "SGS_" by the table
        first = next((name for name in planned if (satellite, name) in passes), None)
        if first is not None:
            assert where == {first}
            kept += 1
        else:
            other += len(where)
    assert kept >= 18  # of two datatakes of twelve satellites
    assert other >= 18
    anywhere = landed(trace)
    assert len({name for (_, datatake), names in anywhere.items() if datatake in "23" for name in names}) > 1
    (told,) = [note for note in made.notes if note.startswith("planned stations")]
    assert "raw data of 2 of 4 tasks" in told
    assert "1 name none, 1 none that is here" in told
    found, _ = replay(trace, load_scheduler("bent-pipe", lambda: 0.0))
    assert found.matches  # the plan stands in the trace's world
    others = [reason for n in range(2) for node in SATELLITES for reason in reasons(trace, f"{node}/{n}/0000")]
    assert any(reason.startswith("its plan names Kiruna, so contacts with ") for reason in others)
    assert not any("its plan names" in reason for node in SATELLITES for reason in reasons(trace, f"{node}/2/0000"))


def test_a_scheduler_sees_what_the_plan_says(tmp_path: Path) -> None:
    made = ready(tmp_path, plan(("SGS_",), None), f'stations = "planned"\n{TABLE}')
    seen: dict[str, tuple[str, ...]] = {}

    def looks(view: View) -> Iterator[Decision]:
        for task in view.waiting:
            seen[task.id.split("/")[1]] = task.stations
            yield Drop(task.id, "only looking")

    virtual.run(Core(made.world, looks), made.facts, 21600.0, made.infer)
    assert seen == {"0": ("Kiruna",), "1": ()}


def test_without_the_setting_the_plan_changes_nothing(tmp_path: Path) -> None:
    rows = []
    for records in (plan(("Sanya",), ("Sanya",)), plan(None, None)):
        made = ready(tmp_path, records, "")
        assert made.world.planned == {}
        rows.append(run(made, "bent-pipe", None).row)
    assert rows[0] == rows[1]


@pytest.mark.shared
@pytest.mark.skipif(not PLAN.exists(), reason="../shared/data is not there")
def test_the_real_plans_stations_are_counted(tmp_path: Path) -> None:
    real = read_plan(PLAN)
    stations = [each.station_names for each in real.records if isinstance(each, MissionTask)]
    write_records(tmp_path / "own.jsonl", real, "plan.kml", "")
    head = 'extends = "three-body"\nname = "own"\nduration_s = 600.0\n[imaging]\ndistinct_tiles = 2\n[workload]\n'
    table = 'file = "own.jsonl"\nalign = "start"\nflown = "in-turn"\nstations = "planned"\n' + TABLE
    made = assemble(parse(head + table, "own.toml", tmp_path), ["bent-pipe"])
    (told,) = [note for note in made.notes if note.startswith("planned stations")]
    svalbard, silent = sum("SGS_" in (names or ()) for names in stations), sum(names is None for names in stations)
    assert f"raw data of {svalbard} of 758 tasks" in told
    assert f"{silent} name none, {758 - svalbard - silent} none that is here" in told
    assert (svalbard, silent) == (476, 1)  # counted in the KML by hand: "SGS_" alone or among others; one empty
    assert set(made.world.planned.values()) == {("Kiruna",)}


@pytest.mark.parametrize("policy", ["bent-pipe", "onboard"])
def test_a_pipelines_raw_data_follow_the_plan_too(tmp_path: Path, policy: str) -> None:
    stages = (
        '[[pipeline.stages]]\nname = "a"\nmodel = "cloud-screen"\n'
        '[[pipeline.stages]]\nname = "b"\nmodel = "vessels"\nafter = ["a"]\n'
    )
    made = ready(tmp_path, plan(("SGS_",)), f'stations = "planned"\n{TABLE}{stages}')
    row = run(made, policy, tmp_path / "run").row
    assert row.tasks.captured == 24
    where = set().union(*landed(Trace(tmp_path / "run")).values())
    passes = {(contact.a, contact.b) for contact in made.world.plan.contacts}
    assert all((satellite, "Kiruna") in passes for satellite in made.ephemeris.names)
    assert (where == {"Kiruna"}) == (policy == "bent-pipe")  # what is inferred in orbit goes down anywhere


REFUSED = [
    (plan(("SGS_",)), 'stations = "planned"', r"own\.toml:8: workload\.stations: is 'planned', but .* \(SGS_\)"),
    (plan(None), 'stations = "planned"', r"stations: is 'planned', but the list's stations \(none\)"),
    (
        plan(("A",)),
        'stations = "planned"\n[workload.station_names]\n"A" = "Mars"',
        "leads to 'Mars', which is no station",
    ),
    (plan(("A",)), TABLE, r"station_names: goes with stations = 'planned'"),
    (plan(("A",)), 'stations = "nearest"', r"workload\.stations"),
]


@pytest.mark.parametrize(("records", "workload", "says"), REFUSED)
def test_stations_that_cannot_be_are_refused(
    tmp_path: Path, records: list[Record], workload: str, says: str
) -> None:  # fmt: skip
    with pytest.raises(ScenarioError, match=says):
        ready(tmp_path, records, workload)
