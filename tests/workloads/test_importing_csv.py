"""Request logs and any other CSV: Azure's real log, units by hand, and each trap of a table."""

from pathlib import Path

import pytest

from workloads.errors import WorkloadError
from workloads.importing.columns import Column, ColumnMap, TimeColumn, csv_records
from workloads.importing.records import Imported, LoadSample, MissionTask
from workloads.importing.request_log import AZURE_ATTRIBUTION, azure_log, burstiness, is_azure
from workloads.importing.source_file import read_bytes, read_text
from workloads.importing.task_file import write_records
from workloads.importing.units import to_si

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
LOG = SHARED / "azure_llm_code_2023-11.csv"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
AZURE += "2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8"  # the log's own first lines
MAP = ColumnMap(
    time=TimeColumn(column="t", unit="ms", epoch="2025-10-03T16:00:00Z"),
    columns={"raw_bytes": Column(column="size", unit="MB"), "id": Column(column="name")},
)


def tasks(imported: Imported) -> list[MissionTask]:
    return [each for each in imported.records if isinstance(each, MissionTask)]


@pytest.mark.shared
@pytest.mark.skipif(not LOG.exists(), reason="../shared/data is not there")
def test_azures_log_has_every_request_and_is_as_bursty_as_known() -> None:
    text = read_text(LOG)
    assert is_azure(text)
    assert not text.endswith("\n")
    log = azure_log(text, LOG.name)
    made = tasks(log)
    assert (log.read, len(made), log.skipped) == (8819, 8819, ())  # its lines without the header: wc -l
    assert (made[-1].prompt_tokens, made[-1].output_tokens) == (549, 173)  # the last line, which has no end
    assert burstiness(log.records) == pytest.approx(13.0, abs=0.5)
    assert log.epoch == "2023-11-16T18:17:03.97996Z"
    assert made[-1].at_s == pytest.approx(57 * 60 + 15.9480560, abs=1e-6)  # 18:17:03.9799600 to 19:14:19.9280160
    assert "CC-BY 4.0" in log.attribution
    assert "Splitwise" in AZURE_ATTRIBUTION


def test_no_line_end_at_the_end_and_seven_digits_lose_nothing() -> None:
    with_end, without = azure_log(AZURE + "\r\n\r\n", "log.csv"), azure_log(AZURE, "log.csv")
    assert with_end == without
    assert [each.at_s for each in tasks(without)] == [0.0, pytest.approx(0.052, abs=1e-12)]
    assert [each.id for each in tasks(without)] == ["000001", "000002"]


def test_burstiness_is_0_for_a_metronome_and_1_for_two_gaps_of_0_and_2() -> None:
    def at(*times_s: float) -> list[MissionTask]:
        return [MissionTask(id=str(n), at_s=at_s) for n, at_s in enumerate(times_s)]

    assert burstiness(at(0.0, 1.0, 2.0, 3.0)) == 0.0
    assert burstiness(at(0.0, 0.0, 2.0)) == pytest.approx(1.0)  # mean 1, deviation 1
    with pytest.raises(WorkloadError, match="have no burstiness"):
        burstiness(at(1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2023-11-16 18:17:03.0000000,10,5", "time goes backwards, by 1.03196 s"),
        ("2023-11-16 18:17:09.0000000Z,10,5", "names its time zone"),
        ("1700158629,10,5", "no instant"),
        ("2023-11-16 18:17:09.0000000,ten,5", "prompt_tokens: 'ten' is no number"),
        ("2023-11-16 18:17:09.0000000,1.5,5", "no whole number"),
        ("2023-11-16 18:17:09.0000000,-3,5", "prompt_tokens is -3"),
        ("2023-11-16 18:17:09.0000000,inf,5", "not finite"),
        ("2023-11-16 18:17:09.0000000,10", "has 2 columns where the header has 3"),
        ("2023-11-16 18:17:09.0000000,10,5,6", "has 4 columns"),
        ('"2023-11-16 18:17:09"x,10,5', "no CSV"),
    ],
)
def test_a_bad_row_stops_the_import_or_is_skipped_counted_and_listed(row: str, says: str) -> None:
    text = f"{AZURE}\r\n{row}\r\n2023-11-16 18:17:10.0000000,1,2\r\n"
    with pytest.raises(WorkloadError, match=rf"log\.csv:4: .*{says}.*--skip-bad"):
        azure_log(text, "log.csv")
    log = azure_log(text, "log.csv", skip_bad=True)
    assert (log.read, len(log.records)) == (4, 3)
    assert [skipped.line for skipped in log.skipped] == [4]
    assert tasks(log)[-1].at_s == pytest.approx(6.02004)


def test_a_value_that_is_not_there_is_missing_and_not_0() -> None:
    log = azure_log("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,,7\n", "log.csv")
    assert (tasks(log)[0].prompt_tokens, tasks(log)[0].output_tokens) == (None, 7)


def test_a_column_map_turns_units_into_si() -> None:
    made = csv_records("name,t,size\na,0,1.5\nb,2500,0.000001\n", "mine.csv", MAP)
    assert [(each.id, each.at_s, each.raw_bytes) for each in tasks(made)] == [("a", 0.0, 1_500_000), ("b", 2.5, 1)]
    assert made.epoch == "2025-10-03T16:00:00Z"


@pytest.mark.parametrize(
    ("unit", "text", "seconds"),
    [
        ("us", "1759507200000001", 1759507200.000001), ("ns", "7", 7e-9), ("s", "0.5", 0.5), ("min", "1.5", 90.0),
        ("h", "2", 7200.0),
    ],
)  # fmt: skip
def test_times_in_numbers_keep_their_digits(unit: str, text: str, seconds: float) -> None:
    using = ColumnMap(time=TimeColumn(column="t", unit=unit, epoch="1980-01-06T00:00:00Z"))
    assert tasks(csv_records(f"t\n{text}\n", "t.csv", using))[0].at_s == pytest.approx(seconds, rel=1e-15)


def test_unix_time_counts_from_the_first_row_so_that_no_leap_second_since_1970_lies_in_it() -> None:
    using = ColumnMap(time=TimeColumn(column="t", unit="ms", epoch="1970-01-01T00:00:00Z"))
    made = csv_records("t\n1759507200000\n1759507210500\n", "t.csv", using)  # `date -u -d @1759507200`
    assert (made.epoch, [each.at_s for each in tasks(made)]) == ("2025-10-03T16:00:00Z", [0.0, 10.5])


def test_numbers_without_an_epoch_give_a_list_without_one() -> None:
    made = csv_records("t\n100\n250\n", "t.csv", ColumnMap(time=TimeColumn(column="t", unit="s")))
    assert made.epoch is None
    assert [each.at_s for each in tasks(made)] == [0.0, 150.0]


def test_duplicate_ids_are_refused_with_both_lines() -> None:
    with pytest.raises(WorkloadError, match=r"mine\.csv:4: id 'a' was there before, on line 2"):
        csv_records("name,t,size\na,0,1\nb,1,1\na,2,1\n", "mine.csv", MAP)


@pytest.mark.parametrize(
    ("time", "columns", "says"),
    [
        ({"column": "t", "unit": "fortnight"}, {}, "time.unit is 'fortnight', unknown; one of"),
        ({"column": "t"}, {"raw_bytes": ("size", "blocks")}, "raw_bytes.unit is 'blocks', unknown for raw_bytes"),
        ({"column": "t"}, {"raw_bytes": ("size", "")}, "raw_bytes.unit is '', unknown"),
        ({"column": "t"}, {"voltage_v": ("u", "V")}, "no field of kind 'tasks'"),
        ({"column": "t"}, {"colour": ("c", "")}, "no field of kind"),
        ({"column": "t"}, {"mode": ("m", "V")}, "mode is text, and has no unit"),
        ({"column": "t", "epoch": "2025-01-01T00:00:00Z"}, {}, "goes with a unit"),
        ({"column": "t", "unit": "s", "epoch": "noon"}, {}, "no instant"),
    ],
)
def test_a_map_that_cannot_be_is_refused(time: dict[str, str], columns: dict[str, tuple[str, str]], says: str) -> None:
    made = {field: Column(column=name, unit=unit) for field, (name, unit) in columns.items()}
    with pytest.raises(WorkloadError, match=says):
        csv_records("t,size\n1,2\n", "mine.csv", ColumnMap(time=TimeColumn(**time), columns=made))


@pytest.mark.parametrize(
    ("header", "says"),
    [("name,t", "'size', wanted for raw_bytes, is not there"), ("name,t,size,size", "is there twice")],
)
def test_a_header_without_a_column_or_with_it_twice_is_refused(header: str, says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        csv_records(f"{header}\na,1,2\n", "mine.csv", MAP)


def test_telemetry_becomes_a_load_in_si_with_power_from_current_and_voltage() -> None:
    using = ColumnMap(
        kind="load",
        delimiter=";",
        time=TimeColumn(column="UTC"),
        columns={
            "current_a": Column(column="I", unit="mA"),
            "voltage_v": Column(column="U", unit="V"),
            "temperature_k": Column(column="T", unit="degC"),
            "mode": Column(column="mode"),
        },
    )
    text = "UTC;I;U;T;mode\n2025-01-01T00:00:00Z;1500;8;20;safe\n2025-01-01T00:00:10Z;;8;-40;image\n"
    first, second = csv_records(text, "tm.csv", using).records
    assert isinstance(first, LoadSample)
    assert isinstance(second, LoadSample)
    assert (first.power_w, first.current_a, first.temperature_k, first.mode) == (12.0, 1.5, 293.15, "safe")
    assert (second.power_w, second.current_a, second.at_s) == (None, None, 10.0)
    assert second.temperature_k == pytest.approx(233.15)  # -40 degC is also -40 degF
    with pytest.raises(WorkloadError, match=r"tm\.csv:2: temperature_k is .*absolute zero"):
        csv_records(text.replace(";20;", ";-300;"), "tm.csv", using)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04rest", "zip archive; unpack it first"),
        (b"\x1f\x8brest", "gzip archive"),
        (b"", "is empty"),
        (b"a" * 101, "more than 100 bytes"),
    ],
)
def test_archives_and_large_files_are_refused_before_they_are_opened(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(data)
    with pytest.raises(WorkloadError, match=says):
        read_bytes(path, 100)


def test_a_file_in_another_encoding_is_refused_with_its_line_and_read_when_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("name,t\nZürich,1\n".encode("latin-1"))
    with pytest.raises(WorkloadError, match=r"log\.csv:2: byte 8 is 0xfc, no utf-8"):
        read_text(path)
    assert "Zürich" in read_text(path, "latin-1")
    with pytest.raises(WorkloadError, match="'klingon' is unknown"):
        read_text(path, "klingon")
    for no_text in ("idna", "hex", "undefined"):
        with pytest.raises(WorkloadError, match="encoding"):
            read_text(path, no_text)
    path.write_text("t\n1\n", encoding="utf-16")
    with pytest.raises(WorkloadError, match="give --encoding utf-16"):
        read_text(path)
    path.write_bytes(b"\xef\xbb\xbft\n1\n")
    assert read_text(path) == "t\n1\n"


@pytest.mark.parametrize("text", ["1_0", "\u0661\u0665", "0x10", "1,5", "10 W"])
def test_numbers_that_only_python_would_take_are_refused(text: str) -> None:
    with pytest.raises(WorkloadError, match=r"power_w: .* is no number"):
        to_si("power_w", "W", text)


@pytest.mark.parametrize(("field", "unit"), [("raw_bytes", "GB"), ("ops", "Top"), ("run_s", "d")])
def test_a_number_that_its_unit_makes_infinite_is_refused(field: str, unit: str) -> None:
    with pytest.raises(WorkloadError, match=rf"{field}: '1e308' {unit} is more than a number can hold"):
        to_si(field, unit, "1e308")


@pytest.mark.parametrize("stray_cell", ['"4', '"4" ', '"'])
@pytest.mark.parametrize("closed_after", [3, 50, 400, None])
def test_a_stray_quote_costs_its_own_row_and_no_other(stray_cell: str, closed_after: int | None) -> None:
    rows = [f"{n},{n + 1},name-{n}" for n in range(500)]
    rows[4] = f"4,{stray_cell},name-4"
    bad = [6]  # the header is line 1
    if closed_after is not None:
        rows[4 + closed_after] = f'{4 + closed_after},7",name-{4 + closed_after}'
        bad.append(6 + closed_after)
    text = "\r\n".join(["t,size,name", *rows])
    imported = csv_records(text, "log.csv", MAP, skip_bad=True)
    assert [each.line for each in imported.skipped] == bad
    assert imported.read == 500
    kept = [n for n in range(500) if n + 2 not in bad]
    assert [(each.id, each.raw_bytes) for each in tasks(imported)] == [(f"name-{n}", (n + 1) * 10**6) for n in kept]
    with pytest.raises(WorkloadError, match=r"log\.csv:6: .*(quote|no CSV)"):
        csv_records(text, "log.csv", MAP)


def test_a_remark_over_several_lines_is_one_row_and_rows_after_it_keep_their_lines() -> None:
    text = 't,size,remark,name\n0,1,"two\nlines, and ""more""",a\n1,x,"again\r\ntwo",b\n2,3,,c\n'
    imported = csv_records(text, "log.csv", MAP, skip_bad=True)
    assert [each.id for each in tasks(imported)] == ["a", "c"]
    assert [(each.line, each.reason) for each in imported.skipped] == [(4, "raw_bytes: 'x' is no number")]


@pytest.mark.parametrize(
    ("epoch", "unit", "count"),
    [
        ("1858-11-17T00:00:00Z", "d", "60000.5"),  # Modified Julian Date of 2023-02-25 12:00: USNO's converter
        ("1899-12-30T00:00:00Z", "d", "44982.5"),  # the same as a spreadsheet has it
        ("1900-01-01T00:00:00Z", "s", "3886315200"),  # NTP: RFC 868's 2208988800 s before Unix time
        ("1970-01-01T00:00:00Z", "s", "1677326400"),
    ],
)
def test_calendars_counts_are_the_instants_that_calendars_have(epoch: str, unit: str, count: str) -> None:
    using = ColumnMap(kind="load", time=TimeColumn(column="t", unit=unit, epoch=epoch))
    imported = csv_records(f"t\n{count}\n{float(count) + 1.0}\n", "load.csv", using)
    assert imported.epoch == "2023-02-25T12:00:00Z"
    assert [each.at_s for each in imported.records] == [0.0, 86_400.0 if unit == "d" else 1.0]


@pytest.mark.parametrize(
    ("time", "says"),
    [
        ({"scale": "gps"}, "time.scale is 'gps', unknown; one of UTC, GPS, TAI, TT"),
        ({"scale": "GPS", "unit": "s"}, "time.scale is GPS, of numbers whose zero is unknown; give their epoch"),
        ({"scale": "TAI", "unit": "s", "epoch": "1970-01-01T00:00:00Z"}, "with a time zone; in TAI it is written"),
        (
            {"scale": "GPS"},
            r"t\.csv:2: '2025-10-03T16:00:00Z' names a time zone, and the map says that instants are GPS",
        ),
    ],
)
def test_a_time_scale_that_cannot_be_is_refused(time: dict[str, str], says: str) -> None:
    with pytest.raises(WorkloadError, match=says):
        csv_records("t\n2025-10-03T16:00:00Z\n", "t.csv", ColumnMap(time=TimeColumn(column="t", **time)))


def test_an_epoch_of_another_scale_is_not_written(tmp_path: Path) -> None:
    made = csv_records("t\n2025-10-03T16:00:18\n", "t.csv", ColumnMap(time=TimeColumn(column="t", scale="GPS")))
    assert (made.epoch, made.scale) == ("2025-10-03T16:00:18Z", "GPS")
    with pytest.raises(WorkloadError, match="its epoch is GPS; a task file's is UTC"):
        write_records(tmp_path / "out.jsonl", made, "t.csv", "")
    assert list(tmp_path.iterdir()) == []
