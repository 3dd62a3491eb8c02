"""STAC items and batch logs: what they become by hand, and each trap of their formats."""

import json
from typing import Any

import pytest

from workloads.errors import WorkloadError
from workloads.importing.records import Imported, MissionTask
from workloads.importing.stac import stac_items
from workloads.importing.swf import swf_jobs


def tasks(imported: Imported) -> list[MissionTask]:
    return [each for each in imported.records if isinstance(each, MissionTask)]


def item(name: str, when: str | None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "bbox": [170.0, -10.0, -170.0, 10.0], "geometry": None,
        "properties": {"datetime": when, "platform": "sentinel-2a"} | properties,
        "assets": {"B02": {"href": "b.tif", "file:size": 1000}, "B03": {"href": "c.tif", "file:size": 24}}, "links": [],
    }  # fmt: skip


ITEMS = [
    item("late", "2024-11-28T13:00:10+01:00", **{"eo:cloud_cover": 25}),
    item("early", None, start_datetime="2024-11-28T12:00:00.5Z", end_datetime="2024-11-28T12:00:04Z"),
]


def test_items_become_captures_in_order_of_time() -> None:
    early, late = tasks(stac_items(json.dumps({"type": "FeatureCollection", "features": ITEMS}), "items.json"))
    assert (early.id, early.at_s, early.duration_s) == ("early", 0.0, 3.5)
    assert (late.id, late.at_s, late.duration_s) == ("late", 9.5, None)
    assert (late.cloud_cover_ratio, early.cloud_cover_ratio) == (0.25, None)
    assert (late.raw_bytes, late.scenes, late.node) == (1024, 1, "sentinel-2a")
    assert (late.latitude_deg, abs(late.longitude_deg or 0.0)) == (0.0, 180.0)  # 170 E to 170 W, across the date line


def test_a_collection_and_an_item_a_line_are_the_same() -> None:
    lines = "\n".join(json.dumps(each) for each in ITEMS)
    both = json.dumps({"type": "FeatureCollection", "features": ITEMS}, indent=1)
    assert stac_items(lines, "a").records == stac_items(both, "b").records
    assert len(stac_items(json.dumps(ITEMS[0], indent=2), "c").records) == 1


def test_a_size_that_one_asset_lacks_makes_the_sum_missing() -> None:
    lacking = item("a", "2024-11-28T12:00:00Z")
    del lacking["assets"]["B03"]["file:size"]
    assert tasks(stac_items(json.dumps(lacking), "a"))[0].raw_bytes is None


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (item("x", "2024-11-28T12:00:00"), "names no time zone"),
        (item("x", None), "neither datetime nor start_datetime"),
        (item("late", "2024-11-28T12:00:00Z"), "was there before"),
        (item("x", "2024-11-28T12:00:00Z") | {"stac_version": "0.9.0"}, "of STAC '0.9.0'"),
        (item("x", "2024-11-28T12:00:00Z") | {"bbox": [0, 1]}, "bbox"),
        (item("x", "2024-11-28T12:00:00Z", **{"eo:cloud_cover": 250}), "cloud_cover_ratio is 2.5"),
        (item("x", None, start_datetime="2024-11-28T12:00:01Z", end_datetime="2024-11-28T12:00:00Z"), "lies before"),
        (item("x", "2024-11-28T12:00:00Z") | {"bbox": [10**400, 0.5, 1, 2]}, "bbox"),
        (item("x", "2024-11-28T12:00:00Z", **{"eo:cloud_cover": 10**400}), "eo:cloud_cover is no number"),
        ({"type": "Feature"}, "no STAC item"),
        ([], "no STAC item"),
    ],
)  # fmt: skip
def test_a_bad_item_stops_the_import_or_is_skipped_with_its_number(bad: Any, says: str) -> None:
    text = "\n".join(json.dumps(each) for each in [*ITEMS, bad])
    with pytest.raises(WorkloadError, match=rf"items:3: .*{says}"):
        stac_items(text, "items")
    left = stac_items(text, "items", skip_bad=True)
    assert ([row.line for row in left.skipped], left.read, len(left.records)) == ([3], 3, 2)


def test_what_is_no_json_or_too_deep_is_refused() -> None:
    for text in ("{", "[" * 100_000, '{"type":"FeatureCollection"}', '{"a":1}\n{'):
        with pytest.raises(WorkloadError, match=r"^items:"):
            stac_items(text, "items")
    deep = "\n".join([json.dumps(ITEMS[0]), "[" * 100_000])
    assert [(row.line, "too deeply" in row.reason) for row in stac_items(deep, "items", skip_bad=True).skipped] == [
        (2, True)
    ]


JOB = "{n} {submit} {wait} {run} {procs} -1 -1 8 -1 -1 1 1 1 1 1 -1 -1 -1"
HEAD = "; Version: 2.2\n; UnixStartTime: 1000000000\n;\n"


def job(n: int, submit: int, wait: int = 5, run: int = 10, procs: int = 4) -> str:
    return JOB.format(n=n, submit=submit, wait=wait, run=run, procs=procs)


def test_jobs_come_with_what_the_log_measured_and_minus_one_is_missing() -> None:
    log = swf_jobs(f"{HEAD}{job(1, 0)}\n{job(2, 7, wait=-1, run=-1, procs=-1)}", "log.swf", ops_per_s=1e9)
    first, second = tasks(log)
    assert log.epoch == "2001-09-09T01:46:40Z"  # 1e9 s of Unix time
    assert (first.id, first.at_s, first.wait_s, first.run_s, first.processors) == ("1", 0.0, 5.0, 10.0, 4)
    assert first.ops == 10 * 4 * 1e9
    assert (second.at_s, second.wait_s, second.run_s, second.ops) == (7.0, None, None, None)
    assert second.processors == 8  # those asked for, where none are logged as given
    assert tasks(swf_jobs(HEAD + job(1, 0), "log.swf"))[0].ops is None
    assert swf_jobs(job(1, 0), "log.swf").epoch is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (job(3, 6), "time goes backwards, by 1 s"),
        (job(1, 9), "id '1' was there before, on line 4"),
        ("3 9 5", "has 3 fields; a job has 18"),
        (job(3, 9).replace("9", "nine", 1), "field 2 is 'nine'"),
        (job(3, -1), "no job number or no submit time"),
        (job(3, 9, run=-7), "field 4 is -7"),
        (job(3, 9).replace(" 10 ", " inf "), "field 4 is inf"),
    ],
)
def test_a_bad_job_stops_the_import_or_is_skipped_with_its_line(row: str, says: str) -> None:
    text = f"{HEAD}{job(1, 0)}\n{job(2, 7)}\n{row}\n{job(4, 20)}\n"
    with pytest.raises(WorkloadError, match=rf"log\.swf:6: .*{says}"):
        swf_jobs(text, "log.swf")
    log = swf_jobs(text, "log.swf", skip_bad=True)
    assert ([each.line for each in log.skipped], [each.id for each in tasks(log)]) == ([6], ["1", "2", "4"])


def test_more_bad_rows_than_a_log_can_have_are_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workloads.importing.records.MOST_SKIPPED", 20)
    with pytest.raises(WorkloadError, match=r"jobs\.swf:21: more than 20 bad rows; it is of another format"):
        swf_jobs("x\n" * 100, "jobs.swf", skip_bad=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "; UnixStartTime: 1000000000\n; UnixStartTime: 1100000000\n",
            "log.swf:2: UnixStartTime is 1100000000, and 1000",
        ),
        ("; UnixStartTime: -5\n", "log.swf:1: UnixStartTime is '-5'; whole seconds"),
        ("; UnixStartTime: 1000000000 Sun\n", "log.swf:1: UnixStartTime is '1000000000 Sun'"),
        (job(1, 0).replace("1 ", "1.5 ", 1) + "\n", "log.swf:1: field 1 is 1.5; a job's number is a whole one"),
        (job(10**17 + 1, 0) + "\n", "log.swf:1: field 1 is 100000000000000001; a job's number"),
    ],
)
def test_a_log_has_one_zero_and_jobs_have_whole_numbers(text: str, told: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        swf_jobs(text + job(2, 3), "log.swf")
    assert told in str(caught.value)


def test_a_name_that_an_item_has_twice_is_no_value_to_choose_from() -> None:
    good, twice = json.dumps(ITEMS[0]), json.dumps(ITEMS[1]).replace('"datetime"', '"datetime": "x", "datetime"')
    with pytest.raises(WorkloadError, match="'datetime' stands in one object twice"):
        stac_items(twice, "items.json")
    imported = stac_items(f"{good}\n{twice}\n", "items.ndjson", skip_bad=True)
    assert ([each.id for each in tasks(imported)], [each.line for each in imported.skipped]) == (["late"], [2])
