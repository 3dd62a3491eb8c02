"""`orbitmesh convert`: what it says of the real files, what it leaves behind, and what it refuses."""

import errno
import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workloads.importing.task_file import read_records

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
PLAN = SHARED / "sentinel2a_acquisition_plan_2024-11-28.kml"
LOG = SHARED / "azure_llm_code_2023-11.csv"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"
TELEMETRY = "t,I,U\n0,1.0,10\n10,3.0,10\n20,3.0,10\n"
MAP = """kind = "load"
[time]
column = "t"
unit = "s"
epoch = "2025-10-03T16:00:00Z"
[columns.current_a]
column = "I"
unit = "A"
[columns.voltage_v]
column = "U"
unit = "V"
"""
Command = Callable[..., Any]


@pytest.fixture
def catalogue(tmp_path: Path) -> str:
    """The twelve satellites as TLE."""
    from emulator.scenario import load
    from nodes.element_files import elements_text

    elements = load("three-body").scenario.satellites.elements
    (tmp_path / "twelve.tle").write_text(elements_text(elements, "tle")[0])
    return "twelve.tle"


@pytest.mark.shared
@pytest.mark.skipif(not PLAN.exists(), reason="../shared/data is not there")
def test_the_real_plan_is_counted(orbitmesh: Command, tmp_path: Path) -> None:
    said = orbitmesh("convert", str(PLAN), "plan.jsonl", "--json").document
    assert (said["read"], said["written"], said["skipped"]) == (758, 758, [])
    assert said["figures"]["nominal"] == 721
    assert said["figures"]["scenes"] == 55_909
    assert round(said["figures"]["duty_cycle"], 3) == 0.145
    assert "Copernicus Sentinel" in said["attribution"]
    shown = orbitmesh("convert", "plan.jsonl", "plan.csv")
    assert shown.code == 0
    assert len((tmp_path / "plan.csv").read_text().splitlines()) == 759


@pytest.mark.shared
@pytest.mark.skipif(not LOG.exists(), reason="../shared/data is not there")
def test_azures_real_log_is_counted(orbitmesh: Command) -> None:
    said = orbitmesh("convert", str(LOG), "requests.jsonl", "--json").document
    assert (said["form"], said["read"], said["written"]) == ("azure-llm", 8819, 8819)
    assert said["figures"]["interarrival_cv"] == pytest.approx(13.0, abs=0.5)


def test_bad_rows_are_skipped_only_on_request_and_listed(
    orbitmesh: Command, refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text(AZURE + "never,1,2\n2023-11-16 18:17:05,1,2\nnow,1\n")
    assert "log.csv:3: 'never' is no instant" in refused("convert", "log.csv", "out.jsonl")
    said = orbitmesh("convert", "log.csv", "out.jsonl", "--skip-bad", "--json").document
    assert (said["read"], said["written"]) == (4, 2)
    assert [row["line"] for row in said["skipped"]] == [3, 5]
    assert all(row["reason"] for row in said["skipped"])
    shown = orbitmesh("convert", "log.csv", "again.jsonl", "--skip-bad")
    assert "skipped line 3: 'never' is no instant" in shown.out


def test_a_full_disk_is_a_failed_run_that_leaves_nothing(
    orbitmesh: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "log.csv").write_text(AZURE)
    monkeypatch.setattr(os, "fsync", full)
    outcome = orbitmesh("convert", "log.csv", "out.jsonl")
    assert (outcome.code, outcome.out) == (1, "")
    assert "No space left on device" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_telemetry_is_integrated(orbitmesh: Command, tmp_path: Path) -> None:
    (tmp_path / "tm.csv").write_text(TELEMETRY)
    (tmp_path / "map.toml").write_text(MAP)
    said = orbitmesh("convert", "tm.csv", "load.jsonl", "--columns", "map.toml", "--json").document
    assert said["figures"]["energy_j"] == 10 * (10 + 30) / 2 + 10 * 30  # by hand: a ramp, then level
    assert (said["figures"]["mean_power_w"], said["figures"]["max_power_w"]) == (25.0, 30.0)
    assert said["epoch"] == "2025-10-03T16:00:00Z"


def test_the_same_source_gives_the_same_bytes(orbitmesh: Command, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(AZURE)
    for name in ("a.jsonl", "b.jsonl"):
        assert orbitmesh("convert", "log.csv", name).code == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no.csv", "out.jsonl"), "no.csv: there is no such file"),
        (("log.csv", "log.csv"), "is there already"),
        (("log.csv", "none/out.jsonl"), "its folder is not there"),
        (("log.csv", "out.xlsx"), "of tasks and loads its name ends in one of .jsonl, .csv"),
        (("log.csv", "out.jsonl", "--from", "excel"), "--from is 'excel'; one of sentinel-plan"),
        (("log.csv", "out.jsonl", "--from", "stac"), "is no JSON"),
        (("tm.csv", "out.jsonl"), "say --from"),
        (("tm.csv", "out.jsonl", "--columns", "bad.toml"), "columns.current_a.unit is 'amps', unknown for current_a"),
        (("tm.csv", "out.jsonl", "--columns", "worse.toml"), "--columns worse.toml: "),
        (("tm.csv", "out.jsonl", "--columns", "no.toml"), "--columns no.toml: there is no such file"),
        (("log.csv", "out.jsonl", "--columns", "bad.toml", "--from", "swf"), "goes with --from columns"),
        (("leap.csv", "out.jsonl"), "a leap second lies between"),
        (("old.csv", "out.jsonl"), "lies outside 1957-10-04"),
        (("bomb.kml", "out.jsonl"), "declares a document type or entities"),
        (("bomb.zip", "out.jsonl"), "is a zip archive; unpack it first"),
        (("latin.csv", "out.jsonl"), "no utf-8"),
        (("log.csv", "out.jsonl", "--ops-per-s", "-1"), "--ops-per-s is -1.0"),
        (("log.csv", "out.jsonl", "--ops-per-s", "1e9"), "--ops-per-s is of a batch log's machine (swf), and this is"),
        (("log.csv", "out.jsonl", "--step", "5"), "--start, --stop and --step are for orbits"),
        (
            ("gps.csv", "out.jsonl", "--columns", "gps.toml"),
            "nothing says whether the numbers count it; name their time.scale",
        ),
        (("cut.jsonl", "out.csv"), "it was cut off"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_left(
    orbitmesh: Command, refused: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    header = AZURE.partition("\n")[0]
    texts = {
        "log.csv": AZURE,
        "tm.csv": TELEMETRY,
        "bad.toml": MAP.replace('"A"', '"amps"'),
        "worse.toml": "[time",
        "leap.csv": f"{header}\n2016-12-31 23:59:59,1,1\n2017-01-01 00:00:01,1,1\n",  # IERS Bulletin C 52
        "gps.csv": "t\n1400000000\n",
        "gps.toml": 'kind = "load"\n[time]\ncolumn = "t"\nunit = "s"\nepoch = "1980-01-06T00:00:00Z"\n',
        "old.csv": f"{header}\n1901-01-01 00:00:00,1,1\n",
        "bomb.kml": '<!DOCTYPE kml [<!ENTITY a "aaaa">]><kml>&a;</kml>',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bomb.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "latin.csv").write_bytes(AZURE.encode() + "\nZürich,1,1\n".encode("latin-1"))
    orbitmesh("convert", "log.csv", "whole.jsonl")
    whole = (tmp_path / "whole.jsonl").read_text()
    (tmp_path / "cut.jsonl").write_text(whole.rstrip().rpartition("\n")[0] + "\n")
    assert says in refused("convert", *arguments)


def test_satellites_go_through_every_form_and_come_back_to_the_byte(
    orbitmesh: Command, tmp_path: Path, catalogue: str
) -> None:
    way = [catalogue, "a.csv", "b.json", "c.xml", "back.tle"]
    for source, target in pairwise(way):
        said = orbitmesh("convert", source, target, "--json").document
        assert (said["form"], said["read"], said["written"], said["skipped"]) == ("elements", 12, 12, [])
    assert (tmp_path / "back.tle").read_bytes() == (tmp_path / catalogue).read_bytes()


def test_elements_become_an_ephemeris_of_a_span(orbitmesh: Command, tmp_path: Path, catalogue: str) -> None:
    span = ("--start", "2025-10-03T16:00:00Z", "--stop", "2025-10-03T16:10:00Z", "--step", "60")
    said = orbitmesh("convert", catalogue, "fleet.oem", *span, "--json").document
    assert said["figures"]["satellites"] == 12
    assert said["figures"]["states"] >= 12 * 11  # ten minutes of minutes, both ends, and a margin
    again = orbitmesh("convert", "fleet.oem", "fleet.xml", "--json").document
    assert (again["form"], again["figures"]) == ("ephemeris", said["figures"])
    assert len(list((tmp_path / "fleet.xml").iterdir())) == 12  # an OEM has one object


def test_a_step_that_would_change_nothing_is_refused(
    orbitmesh: Command, refused: Callable[..., str], catalogue: str
) -> None:
    span = ("--start", "2025-10-03T16:00:00Z", "--stop", "2025-10-03T16:10:00Z")
    orbitmesh("convert", catalogue, "fleet.oem", *span)
    assert "has no span" in refused("convert", catalogue, "fleet.json", "--step", "30")
    assert "give --start UTC and --stop UTC" in refused("convert", "fleet.oem", "finer.oem", "--step", "30")
    finer = orbitmesh("convert", "fleet.oem", "finer.oem", *span, "--step", "30", "--json").document
    assert finer["figures"]["states"] >= 12 * 21  # ten minutes of half minutes, both ends


def test_a_full_disk_is_told_with_the_file_and_leaves_nothing(
    orbitmesh: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "log.csv").write_text(AZURE)
    monkeypatch.setattr("emulator.converting.write_records", full)
    done = orbitmesh("convert", "log.csv", "out.jsonl", "--json")
    assert (done.code, done.out) == (1, "")
    assert "No space left on device (OUT out.jsonl, or standard output)" in done.err


def test_a_bad_element_set_is_skipped_only_on_request(orbitmesh: Command, tmp_path: Path, catalogue: str) -> None:
    lines = (tmp_path / catalogue).read_text().splitlines()
    lines[4] = lines[4][:-1] + str((int(lines[4][-1]) + 1) % 10)  # its checksum
    (tmp_path / "bad.tle").write_text("\n".join(lines))
    assert orbitmesh("convert", "bad.tle", "out.csv").code == 2
    assert not (tmp_path / "out.csv").exists()
    said = orbitmesh("convert", "bad.tle", "out.csv", "--skip-bad", "--json").document
    assert (said["read"], said["written"], len(said["skipped"])) == (12, 11, 1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("twelve.tle", "out.oem"), "give --start UTC and --stop UTC"),
        (("twelve.tle", "out.oem", "--start", "noon", "--stop", "2025-10-03T16:00:00Z"), "--start 'noon'"),
        (
            ("twelve.tle", "out.oem", "--start", "2025-10-03T16:00:00Z", "--stop", "2025-10-03T15:00:00Z"),
            "is not after",
        ),
        (("twelve.tle", "out.bin"), "say --to {tle,"),
        (("twelve.tle", "out.tle", "--to", "kepler"), "--to is 'kepler'; one of tle"),
        (("twelve.tle", "no.jsonl"), "say --to"),
    ],
)
def test_orbits_that_cannot_be_are_refused(
    refused: Callable[..., str], catalogue: str, arguments: tuple[str, ...], says: str
) -> None:
    assert says in refused("convert", *arguments)


def test_an_ephemeris_never_becomes_elements(
    orbitmesh: Command, refused: Callable[..., str], catalogue: str
) -> None:  # fmt: skip
    span = ("--start", "2025-10-03T16:00:00Z", "--stop", "2025-10-03T16:10:00Z")
    orbitmesh("convert", catalogue, "fleet.oem", *span)
    assert "never elements" in refused("convert", "fleet.oem", "fleet.tle")


def test_elements_of_another_year_than_the_span_are_said(orbitmesh: Command, catalogue: str) -> None:
    span = ("--start", "2026-10-03T16:00:00Z", "--stop", "2026-10-03T16:10:00Z")
    notes = orbitmesh("convert", catalogue, "fleet.oem", *span, "--json").document["notes"]
    assert len([note for note in notes if "days old at its end" in note]) == 12
    near = ("--start", "2025-10-03T16:00:00Z", "--stop", "2025-10-03T16:10:00Z")
    assert len(orbitmesh("convert", catalogue, "near.oem", *near, "--json").document["notes"]) == 1  # synthetic


def test_a_folder_of_ephemerides_has_a_sum_of_its_own(orbitmesh: Command, tmp_path: Path, catalogue: str) -> None:
    span = ("--start", "2025-10-03T16:00:00Z", "--stop", "2025-10-03T16:10:00Z")
    orbitmesh("convert", catalogue, "fleet.oem", *span)
    sums = [orbitmesh("convert", "fleet.oem", "one.xml", "--json").document["source_sha256"]]
    first = min((tmp_path / "fleet.oem").iterdir())
    first.write_text(first.read_text().replace("ORBITMESH", "ORBITMESS", 1))
    sums.append(orbitmesh("convert", "fleet.oem", "two.xml", "--json").document["source_sha256"])
    assert len(set(sums)) == 2
    assert all(len(each) == 64 for each in sums)


BUILT_TO_HARM = {"digits": "a = " + "9" * 5000, "key": "a" + ".a" * 20_000 + " = 1", "lists": "a = " + "[" * 20_000}


@pytest.mark.parametrize("kind", BUILT_TO_HARM)
def test_a_column_map_that_is_built_to_harm_is_refused_at_once(
    refused: Callable[..., str], tmp_path: Path, kind: str
) -> None:  # fmt: skip
    (tmp_path / "tm.csv").write_text(TELEMETRY)
    (tmp_path / "map.toml").write_text(BUILT_TO_HARM[kind])
    assert "--columns map.toml" in refused("convert", "tm.csv", "out.jsonl", "--columns", "map.toml")


@pytest.mark.parametrize("name", ["plan.kml", "log.csv", "twelve.tle"])
def test_a_pipe_is_refused_and_not_waited_for(refused: Callable[..., str], tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert f"{name}: there is no such file" in refused("convert", name, "out.jsonl")


def test_a_folder_of_orbits_is_told_to_be_one(orbitmesh: Command, catalogue: str, tmp_path: Path) -> None:
    span = ("--start", "2025-10-03T16:00:00Z", "--stop", "2025-10-03T16:10:00Z")
    told = orbitmesh("convert", catalogue, "fleet.oem", *span).out
    assert len(list((tmp_path / "fleet.oem").iterdir())) == 12
    assert "written to the new folder fleet.oem: 12 files, one for each satellite" in told
    assert orbitmesh("convert", catalogue, "fleet.xml").out.endswith("written to fleet.xml\n")


def test_a_source_that_is_no_source_is_at_fault_not_the_target(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "orbitmesh: empty: 0 files of .oem, .xml, .e" in refused("convert", "empty", "out.jsonl")
    (tmp_path / "cut.kml").write_text('<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>')
    assert "was it cut?" in refused("convert", "cut.kml", "out.jsonl")


@pytest.mark.parametrize(
    ("scale", "time", "first", "second"),
    [  # 2025-10-03T16:00:00Z is 1,759,507,200 s of Unix time; GPS is 18 s and TAI 37 s ahead of UTC, TT 32.184 s of TAI
        ("GPS", 'unit = "s"\nepoch = "1980-01-06T00:00:00"', "1443542418", "1443542420.5"),
        ("TAI", 'unit = "ms"\nepoch = "1970-01-01T00:00:00"', "1759507237000", "1759507239500"),
        ("GPS", "", "2025-10-03T16:00:18", "2025-10-03T16:00:20.5"),
        ("TT", "", "2025-10-03 16:01:09.184", "2025-10-03 16:01:11.684"),
    ],
)
def test_instants_of_a_scale_without_leap_seconds_become_utc(
    orbitmesh: Command, tmp_path: Path, scale: str, time: str, first: str, second: str
) -> None:
    (tmp_path / "log.csv").write_text(f"t\n{first}\n{second}\n")
    (tmp_path / "map.toml").write_text(f'[time]\ncolumn = "t"\nscale = "{scale}"\n{time}\n')
    done = orbitmesh("convert", "log.csv", "out.jsonl", "--columns", "map.toml", "--json")
    assert done.code == 0, done.err
    assert f"{scale} became UTC by the table of leap seconds" in json.loads(done.out)["notes"]
    made = read_records(tmp_path / "out.jsonl")
    assert made.epoch == "2025-10-03T16:00:00Z"
    assert [each.at_s for each in made.records] == [0.0, 2.5]


def test_a_leap_second_within_a_scale_that_has_none_is_a_second(orbitmesh: Command, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("t\n2017-01-01T00:00:16\n2017-01-01T00:00:17.5\n2017-01-01T00:00:18\n")
    (tmp_path / "map.toml").write_text('[time]\ncolumn = "t"\nscale = "GPS"\n')
    assert orbitmesh("convert", "log.csv", "out.jsonl", "--columns", "map.toml").code == 0
    made = read_records(tmp_path / "out.jsonl")
    assert made.epoch == "2016-12-31T23:59:59Z"  # then comes 23:59:60, at 00:00:17 of GPS
    assert [each.at_s for each in made.records] == [0.0, 1.5, 2.0]
