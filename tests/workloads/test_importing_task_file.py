"""Our own files: what is written is read back, and no file that was cut or changed is taken for a whole one."""

import csv
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.importing.records import Imported, LoadSample, MissionTask, Record
from workloads.importing.task_file import read_records, records_of, write_records

TASKS = [
    MissionTask(id="a", at_s=0.0, scenes=2, duration_s=7.2, mode="NOBS", station_names=("X", "Y")),
    MissionTask(id="b", at_s=1.5, scenes=2, mode="NOBS", priority=3),
    MissionTask(id="c", at_s=1.5, scenes=2, mode="NOBS", ops=1e12),
]


def listed(records: list[Record]) -> Imported:
    return Imported(form="columns", epoch="2025-01-01T00:00:00Z", records=records, read=len(records), notes=("n",))


def text_of(tmp_path: Path, records: list[Record]) -> str:
    path = tmp_path / "t.jsonl"
    write_records(path, listed(records), "s.csv", "00")
    return path.read_text(encoding="utf-8")


def test_what_is_written_is_read_back_the_same_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write_records(path, listed(list(TASKS)), "s.csv", "00")
    back = read_records(path)
    assert list(back.records) == TASKS
    assert (back.epoch, back.form, back.notes) == ("2025-01-01T00:00:00Z", "columns", ("n",))
    assert [each.name for each in tmp_path.iterdir()] == ["t.jsonl"]


def test_the_same_records_give_the_same_bytes_and_what_is_alike_stands_once(tmp_path: Path) -> None:
    text = text_of(tmp_path, list(TASKS))
    assert text == text_of(tmp_path, list(TASKS))
    assert text.count("NOBS") == 1
    assert "latitude_deg" not in text
    assert '["b",1.5,null' in text


Values = st.builds(
    MissionTask,
    id=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8),
    at_s=st.floats(0.0, 1e9),
    scenes=st.none() | st.integers(0, 1 << 40),
    ops=st.none() | st.floats(0.0, 1e30),
    station_names=st.none() | st.lists(st.sampled_from(["SGS_", "Ü/x", ""]), max_size=3).map(tuple),
    latitude_deg=st.none() | st.floats(-90.0, 90.0),
)
Lists = st.lists(Values, min_size=1, max_size=6, unique_by=lambda each: each.id)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(Lists)
def test_any_list_of_tasks_comes_back(tmp_path_factory: pytest.TempPathFactory, made: list[MissionTask]) -> None:
    ordered = sorted(made, key=lambda each: each.at_s)
    assert list(records_of(text_of(tmp_path_factory.mktemp("any"), list(ordered)), "t").records) == ordered


def test_a_load_comes_back_with_its_missing_values(tmp_path: Path) -> None:
    samples: list[Record] = [LoadSample(at_s=0.0, power_w=1.0), LoadSample(at_s=1.0), LoadSample(at_s=2.0, power_w=2.0)]
    assert list(records_of(text_of(tmp_path, samples), "t").records) == samples


def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    text = text_of(tmp_path, list(TASKS))
    for cut in range(len(text) - 1):  # without its last line end it is whole
        with pytest.raises(WorkloadError, match=r"^t:|^t: "):
            records_of(text[:cut], "t")
    assert list(records_of(text[:-1], "t").records) == TASKS


def test_a_file_with_any_byte_changed_is_refused_or_other_than_it_was_in_that_byte_only(tmp_path: Path) -> None:
    text = text_of(tmp_path, list(TASKS))
    for place in range(len(text)):
        try:
            read = records_of(text[:place] + "}" + text[place + 1 :], "t")
        except WorkloadError:
            continue
        assert len(read.records) == len(TASKS)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("orbitmesh-tasks/1", "orbitmesh-tasks/9", "schema 'orbitmesh-tasks/9' is unknown here"),
        ('"columns":["id"', '"columns":["colour"', "columns colour; known"),
        ('"columns":["id"', '"columns":["at_s"', "stand there twice"),
        ('["c",1.5', '["c",0.5', "t:4: time goes backwards, by 1 s"),
        ('["c"', '["a"', "t:4: id 'a' was there before, on line 2"),
        ('["a",0.0', '["a",-1.5', "t:2: at_s is -1.5"),
        ('["c",1.5', '["c","x"', "Expected `float`"),
        ('["c",1.5', '["c",1.5,7', "no list of"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = text_of(tmp_path, list(TASKS))
    assert old in text
    with pytest.raises(WorkloadError, match=says):
        records_of(text.replace(old, new), "t")


def test_a_csv_has_units_in_its_header_and_empty_cells_for_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_records(path, listed(list(TASKS)), "s.csv", "00")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["at_s"] for row in rows] == ["0.0", "1.5", "1.5"]
    assert [row["duration_s"] for row in rows] == ["7.2", "", ""]
    assert rows[0]["station_names"] == "X/Y"
    assert {row["mode"] for row in rows} == {"NOBS"}


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    broken = msgspec.structs.replace(TASKS[0], mode="\udcff")  # no UTF-8
    with pytest.raises(ValueError, match=r"surrogates|utf"):
        write_records(path, listed([broken]), "s", "0")
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_beside_it_are_left_alone(tmp_path: Path) -> None:
    for name in ("t.jsonl.partial", ".t.jsonl.partial"):
        (tmp_path / name).write_text("mine")
    write_records(tmp_path / "t.jsonl", listed(TASKS), "s", "0")
    assert [(tmp_path / name).read_text() for name in ("t.jsonl.partial", ".t.jsonl.partial")] == ["mine", "mine"]
    assert len(list(tmp_path.iterdir())) == 3
