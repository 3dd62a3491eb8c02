"""Whatever stands in a source: a WorkloadError that names it, or records that can be; never anything else."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.importing.columns import Column, ColumnMap, TimeColumn, csv_records
from workloads.importing.records import Imported
from workloads.importing.request_log import azure_log
from workloads.importing.sentinel_plan import plan_of
from workloads.importing.stac import stac_items
from workloads.importing.swf import swf_jobs
from workloads.importing.task_file import records_of

FIELDS = {
    "ID": "1-1", "Mode": "NOBS", "ObservationTimeStart": "2024-11-28T12:50:30.621", "Scenes": "20",
    "ObservationTimeStop": "2024-11-28T12:51:42.781", "ObservationDuration": "72160",
}  # fmt: skip
DATA = "".join(f'<Data name="{name}"><value>{value}</value></Data>' for name, value in FIELDS.items())
PLAN = f"<kml><Placemark><name>1-1</name><coordinates>1,2,0 3,4,0</coordinates>{DATA}</Placemark></kml>"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,48,10\n2023-11-16 18:17:04.03,31,8\n"
ITEM = {
    "type": "Feature", "stac_version": "1.0.0", "id": "a", "bbox": [1.0, 2.0, 3.0, 4.0],
    "assets": {"x": {"file:size": 1}},
    "properties": {"datetime": "2024-11-28T12:00:00Z", "eo:cloud_cover": 5},
}  # fmt: skip
SWF = "; UnixStartTime: 1000000000\n1 0 5 10 4 -1 -1 8 -1 -1 1 1 1 1 1 -1 -1 -1\n"
OWN = '{"schema":"orbitmesh-tasks/1","epoch":null,"columns":["id","at_s","scenes"],"rows":1}\n["a",0.5,2]\n'
MAP = ColumnMap(
    time=TimeColumn(column="t", unit="ms", epoch="2025-10-03T16:00:00Z"),
    columns={"raw_bytes": Column(column="size", unit="MB"), "latitude_deg": Column(column="lat", unit="deg")},
)
LOAD_MAP = ColumnMap(
    kind="load",
    time=TimeColumn(column="t"),
    columns={"current_a": Column(column="i", unit="mA"), "voltage_v": Column(column="u", unit="V"),
             "temperature_k": Column(column="T", unit="degC"), "mode": Column(column="m")},
)  # fmt: skip
TELEMETRY = "t,i,u,T,m\n2025-10-03T16:00:00Z,100,8.0,20.5,IDLE\n2025-10-03T16:00:01.5+00:00,250,7.9,,IMAGE\n"
OWN_LOAD = '{"schema":"orbitmesh-load/1","epoch":null,"columns":["at_s","power_w"],"rows":2}\n[0.5,2.0]\n[1.5,null]\n'
READERS: dict[str, tuple[str, Callable[[str, bool], Imported]]] = {
    "plan": (PLAN, lambda text, skip: plan_of(text.encode(), "source", skip_bad=skip)),
    "stac": (json.dumps(ITEM), lambda text, skip: stac_items(text, "source", skip_bad=skip)),
    "azure": (AZURE, lambda text, skip: azure_log(text, "source", skip_bad=skip)),
    "swf": (SWF, lambda text, skip: swf_jobs(text, "source", skip_bad=skip, ops_per_s=1e9)),
    "columns": ("t,size,lat\n0,1.5,3\n9,2,4\n", lambda text, skip: csv_records(text, "source", MAP, skip_bad=skip)),
    "tasks": (OWN, lambda text, skip: records_of(text, "source")),
    "telemetry": (TELEMETRY, lambda text, skip: csv_records(text, "source", LOAD_MAP, skip_bad=skip)),
    "load": (OWN_LOAD, lambda text, skip: records_of(text, "source")),
}
NASTY = [
    "",
    "\0",
    "9" * 30,
    "-1",
    "1e308",
    "nan",
    '"',
    "'",
    ",",
    "\n",
    "[",
    "{",
    "<",
    "&",
    "é",
    "2016-12-31 23:59:60",
    "\u2028",
]


def holds(read: Callable[[str, bool], Imported], text: str, skip_bad: bool) -> None:
    said = ""
    try:
        made = read(text, skip_bad)
    except WorkloadError as error:
        said = str(error)
    if said:
        assert "source" in said
        return
    assert len(made.records) + len(made.skipped) == made.read
    assert all(not record.problems() for record in made.records)
    assert [record.at_s for record in made.records] == sorted(record.at_s for record in made.records)


@pytest.mark.parametrize("name", READERS)
@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.data())
def test_a_source_with_a_piece_replaced(name: str, data: st.DataObject) -> None:
    text, read = READERS[name]
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 12)))
    piece = data.draw(st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8"), max_size=4))
    holds(read, text[:start] + piece + text[stop:], data.draw(st.booleans()))


@pytest.mark.parametrize("name", READERS)
def test_a_source_with_one_bit_of_any_byte_flipped(name: str) -> None:
    text, read = READERS[name]
    data = text.encode()
    for place in range(len(data)):
        for bit in range(place % 3, 7, 3):  # the eighth makes it no UTF-8, which files are refused for
            flipped = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            holds(read, flipped.decode("utf-8", "replace"), bool(place % 2))


@pytest.mark.parametrize("name", READERS)
def test_a_source_cut_anywhere(name: str) -> None:
    text, read = READERS[name]
    for cut in range(len(text)):
        holds(read, text[:cut], False)
        holds(read, text[:cut], True)
