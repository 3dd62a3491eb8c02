"""A mission's list as a scenario's workload: who does what when, what a request costs, and what is refused."""

import hashlib
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from emulator.assemble import Assembled, assemble
from emulator.errors import ScenarioError
from emulator.events import Captured
from emulator.run import run
from emulator.scenario import load, parse
from emulator.token_work import padded, token_profile
from emulator.workload import Workload, read_workload, shipped_lists
from nodes.decoding import Request, decode
from nodes.processor import preset
from workloads.decoder import decoders
from workloads.importing.records import Imported, LoadSample, MissionTask, Record
from workloads.importing.sentinel_plan import read_plan
from workloads.importing.task_file import write_records
from workloads.tasks import Task

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PLAN = SHARED / "sentinel2a_acquisition_plan_2024-11-28.kml"
EPOCH = "2025-10-03T16:00:00Z"  # of three-body
SCENES = [
    MissionTask(id="1", at_s=0.0, duration_s=10.0, scenes=5, mode="NOBS"),
    MissionTask(id="2", at_s=100.0, duration_s=6.0, scenes=2, mode="VIC", timeliness="NRT"),
    MissionTask(id="3", at_s=700.0, duration_s=3.0, scenes=1, mode="NOBS", raw_bytes=5_000),
]
REQUESTS = [MissionTask(id=str(n), at_s=n / 10, prompt_tokens=64 * (n + 1), output_tokens=5) for n in range(24)]


def assembled(folder: Path, records: list[Record], workload: str = "", more: str = "", epoch: str = EPOCH) -> Assembled:
    made = Imported(form="columns", epoch=epoch or None, records=records, read=len(records))
    write_records(folder / "own.jsonl", made, "own.csv", "")
    head = f'extends = "three-body"\nname = "own"\nduration_s = 600.0\n{more}\n'
    text = f'{head}[workload]\nfile = "own.jsonl"\n{workload}\n'
    return assemble(parse(text + "[imaging]\ndistinct_tiles = 2\n", "own.toml", folder), ["onboard"])


def captured(ready: Assembled) -> list[Task]:
    return [fact.task for fact in ready.facts if isinstance(fact, Captured)]


def test_a_datatake_becomes_its_scenes_each_captured_as_it_ends(tmp_path: Path) -> None:
    tasks = captured(assembled(tmp_path, list(SCENES)))
    assert Counter(task.node for task in tasks) == {f"SCS-01 {letter}": 7 for letter in "ABCDEFGHJKLM"}
    own = [task for task in tasks if task.node == "SCS-01 A"]
    assert [task.at_s for task in own] == [2.0, 4.0, 6.0, 8.0, 10.0, 103.0, 106.0]  # the third lies outside of the run
    assert [task.priority for task in own] == [0, 0, 0, 0, 0, 1, 1]  # near real time is urgent
    assert own[5].deadline_s - own[5].at_s == 1800.0
    assert len({task.id for task in tasks}) == len(tasks)


def test_in_turn_each_task_is_done_once_and_modes_choose(tmp_path: Path) -> None:
    tasks = captured(assembled(tmp_path, list(SCENES), 'flown = "in-turn"\nmodes = ["NOBS"]'))
    assert [(task.node, task.id.split("/")[1]) for task in tasks] == [("SCS-01 A", "1")] * 5


def test_stagger_starts_each_satellite_later_and_changes_nothing_else(tmp_path: Path) -> None:
    tasks = captured(assembled(tmp_path, list(SCENES), "stagger_s = 7.5"))
    first, third = ([task for task in tasks if task.node == f"SCS-01 {letter}"] for letter in "AC")
    assert [b.at_s - a.at_s for a, b in zip(first, third, strict=True)] == [15.0] * 7


def test_utc_and_start_are_the_same_list_moved(tmp_path: Path) -> None:
    own = captured(assembled(tmp_path, list(SCENES[:1]), epoch="2025-10-03T16:01:00Z"))
    assert own[0].at_s == 62.0  # a minute after the epoch, and the first scene ends two seconds later
    moved = captured(assembled(tmp_path, list(SCENES[:1]), 'align = "start"', epoch="2024-01-01T00:00:00Z"))
    assert moved[0].at_s == 2.0


def test_a_longer_run_and_another_satellite_change_no_scene(tmp_path: Path) -> None:
    short = captured(assembled(tmp_path, list(SCENES)))
    text = (
        'extends = "three-body"\nduration_s = 1200.0\n[workload]\nfile = "own.jsonl"\n[imaging]\ndistinct_tiles = 2\n'
    )
    longer = captured(assemble(parse(text, "own.toml", tmp_path), ["onboard"]))
    assert [task for task in longer if task.at_s < 600.0] == short
    assert {task.raw_bytes for task in longer if task.at_s >= 600.0} == {5_000}


def test_a_request_takes_as_long_as_the_decoder_on_that_processor_says() -> None:
    decoder = decoders()["llama-3.1-8b-like"]
    for name in ("tbc-744", "a100"):
        processor = preset(name)
        for prompt, output in ((64, 10), (2048, 28), (7424, 100)):
            precision = "int8"
            asked = Request(prompt=prompt, output=output, precision=precision)
            expected = decode(processor, decoder, asked)
            job = processor.job(token_profile(decoder, prompt, output), output, 1, precision)
            expected_s = expected.first_token_s + output * expected.step_s
            assert job.duration_s == pytest.approx(expected_s, rel=2e-3)  # the prompt reads its own cache here too
            ops = decoder.prefill_ops(prompt) + output * decoder.decode_ops(prompt + output / 2)
            assert job.ops == pytest.approx(ops, rel=1e-9)
            assert processor.peak(precision) * job.duration_s > job.ops


def test_prompts_come_in_whole_steps() -> None:
    assert [padded(tokens) for tokens in (0, 1, 64, 65, 7433)] == [64, 64, 64, 128, 7488]


def test_requests_are_answered_and_add_up(tmp_path: Path) -> None:
    more = "[satellites]\nbatch = 1"
    ready = assembled(tmp_path, list(REQUESTS), 'flown = "in-turn"', more)
    row = run(ready, "onboard", None).row
    assert row.tasks.captured == 24
    assert row.inferences == 24 * 5
    assert row.raw_bytes == sum(64 * (n + 1) * 4 for n in range(24))  # four bytes a token
    decoder = decoders()["llama-3.1-8b-like"]
    ops = sum(decoder.prefill_ops(64 * (n + 1)) + 5 * decoder.decode_ops(64 * (n + 1) + 2.5) for n in range(24))
    assert row.ops == pytest.approx(ops, rel=1e-9)
    assert any("modelled in closed form and not run" in note for note in ready.notes)
    assert not any("synthetic" in note for note in ready.notes)
    assert ready.infer(captured(ready)[0]).product_bytes == 20  # five tokens


def test_batch_jobs_ask_for_their_operations(tmp_path: Path) -> None:
    for size_bytes, end in ((4_000, "pending: returning"), (0, "dropped: answered")):  # no station is in reach at once
        more = f"[products]\nload_product_bytes = {size_bytes}"
        ready = assembled(tmp_path, [MissionTask(id="j", at_s=0.0, ops=3e12)], 'flown = "in-turn"', more)
        row = run(ready, "onboard", None).row
        assert (row.ops, row.reasons) == (3_000_000_000_000, {end: 1})
        assert ready.infer(captured(ready)[0]).product_bytes == size_bytes
        assert f"a batch job answers {size_bytes} bytes (products.load_product_bytes) [guess]" in ready.notes


REFUSED = [
    (SCENES, 'modes = ["DARK"]', "", EPOCH, r"own\.toml:7: workload\.modes: leaves none"),
    (SCENES, "", "", "", r"workload\.align: is 'utc', but the list has relative times only"),
    (
        SCENES,
        "",
        "",
        "2024-10-03T16:00:00Z",
        "has 96 scenes, which begin from 2024-10-03T16:00:00Z to 2024-10-03T16:11:40Z, and none within the run, .* "
        "align = 'start' puts the first at the epoch",
    ),
    ([MissionTask(id="x", at_s=0.0)], "", "", EPOCH, "task 'x' says nothing of its work"),
    (REQUESTS, "", "", EPOCH, r"satellites\.batch: is 64; 1 and no batch_across"),
    ([LoadSample(at_s=0.0, power_w=1.0)], "", "", EPOCH, "holds no tasks"),
    (SCENES, f'sha256 = "{"0" * 64}"', "", EPOCH, r"workload\.sha256: is 0000.*it was changed"),
    (SCENES, 'decoder = "gpt-9"', "", EPOCH, r"workload\.decoder: is 'gpt-9'; one of llama"),
    (SCENES, 'flown = "in-turn"\nstagger_s = 5.0', "", EPOCH, r"workload\.stagger_s: is 5\.0; it goes with"),
]


@pytest.mark.parametrize(("records", "workload", "more", "epoch", "says"), REFUSED)
def test_what_cannot_be_is_refused_with_its_field(
    tmp_path: Path, records: list[Record], workload: str, more: str, epoch: str, says: str
) -> None:
    with pytest.raises(ScenarioError, match=says):
        assembled(tmp_path, list(records), workload, more, epoch)


@pytest.mark.parametrize("name", ["../own.jsonl", "/etc/passwd"])
def test_a_list_outside_of_the_scenarios_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScenarioError, match="leads out of the scenario's folder"):
        parse(f'extends = "three-body"\n[workload]\nfile = "{name}"\n', "own.toml", tmp_path)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    loaded = parse('extends = "three-body"\n[workload]\nfile = "no.jsonl"\n', "own.toml", tmp_path)
    with pytest.raises(ScenarioError, match=r"own\.toml:3: workload\.file: no\.jsonl: there is no such file"):
        assemble(loaded, ["onboard"])


def test_a_live_run_is_given_the_same_requests_as_a_virtual_one() -> None:
    live, virtual = (assemble(load("azure-llm-replay", duration_s=60.0), ["onboard"], infer=i) for i in (False, True))
    assert captured(live) == captured(virtual)
    assert live.world == virtual.world


def test_the_lists_that_ship() -> None:
    assert shipped_lists() == ["azure-llm-code-2023-11-16", "sentinel2a-2024-11-28"]


def test_the_plan_is_flown_by_all_twelve() -> None:
    ready = assemble(load("sentinel2-replay", duration_s=7200.0), ["onboard"])
    tasks = captured(ready)
    per_satellite = Counter(task.node for task in tasks)
    # by the plan: 20 + 113 scenes, 8 + 15 from 5704.434 s on, and of 49285-4 those that end before 7200 s, (7200 -
    # 6429.348) / 3.608 = 213.6; its 33 scenes of mode VIC are a calibration
    assert per_satellite["SCS-01 A"] == 20 + 113 + 8 + 15 + 213
    assert len(per_satellite) == 12
    assert any("Copernicus Sentinel" in note for note in ready.notes)
    first_s = {node: min(task.at_s for task in tasks if task.node == node) for node in per_satellite}
    assert first_s["SCS-01 M"] - first_s["SCS-01 A"] == pytest.approx(11 * 503.497)


def test_azures_ten_minutes_are_answered_on_board() -> None:
    ready = assemble(load("azure-llm-replay", duration_s=900.0), ["onboard"])
    tasks = captured(ready)
    assert len(tasks) == 1482  # lines of the log within ten minutes of its first: 781 and 701
    assert max(Counter(task.node for task in tasks).values()) - min(Counter(task.node for task in tasks).values()) <= 1
    assert any("CC-BY 4.0" in note and "Splitwise" in note for note in ready.notes)
    row = run(ready, "onboard", None).row
    assert row.inferences == sum(task.inferences for task in tasks)


@pytest.mark.shared
@pytest.mark.skipif(not PLAN.exists(), reason="../shared/data is not there")
def test_the_plan_that_ships_is_the_real_one() -> None:
    loaded = load("sentinel2-replay")
    real = read_plan(PLAN)
    ours = read_workload(loaded, Workload(file="sentinel2a-2024-11-28"))
    kept = ("id", "at_s", "duration_s", "scenes", "mode", "timeliness")
    assert [[getattr(each, name) for name in kept] for each in ours.records] == [
        [getattr(each, name) for name in kept] for each in real.records
    ]
    assert ours.epoch == real.epoch


def test_the_scenario_knows_its_list_by_its_sha256(tmp_path: Path) -> None:
    assembled(tmp_path, list(SCENES))
    digest = hashlib.sha256((tmp_path / "own.jsonl").read_bytes()).hexdigest()
    assert len(captured(assembled(tmp_path, list(SCENES), f'sha256 = "{digest}"'))) == 84
    changed = [msgspec.structs.replace(SCENES[0], scenes=4), *SCENES[1:]]
    with pytest.raises(ScenarioError, match="it was changed"):
        assembled(tmp_path, list(changed), f'sha256 = "{digest}"')


def test_a_task_named_as_a_scene_of_another_is_refused_before_the_run(tmp_path: Path) -> None:
    """Scenes of A are A/0000, A/0001, ...: a request of that id would be captured twice on every satellite."""
    scene = MissionTask(id="A", at_s=0.0, duration_s=4.0, scenes=2)
    batch = "[satellites]\nbatch = 1\nbatch_across = false"
    for number, twice in (("0001", True), ("0002", False), ("1", False)):
        request = MissionTask(id=f"A/{number}", at_s=1.0, ops=1e9)
        if twice:
            with pytest.raises(
                ScenarioError, match=r"own\.toml:\d+: workload\.file: makes two tasks '.*/A/0001' of 'S"
            ):
                assembled(tmp_path, [scene, request], "", batch)
        else:
            ids = [task.id for task in captured(assembled(tmp_path, [scene, request], "", batch))]
            assert len(ids) == len(set(ids)) == 12 * 3
