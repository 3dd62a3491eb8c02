"""Every field of every table of a scenario, found in the schema itself, meets values that it cannot have."""

import re
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from emulator.errors import ScenarioError
from emulator.scenario import Scenario, parse

# a table by its header, and what must stand in it besides the field under test
ELEMENTS = {
    "name": '"X"', "epoch": '"2025-10-03T12:00:00Z"', "mean_motion_rev_per_day": "15.2", "eccentricity": "0.001",
    "inclination_deg": "97.4", "raan_deg": "349.5", "arg_of_perigee_deg": "178.0", "mean_anomaly_deg": "182.0",
}  # fmt: skip
TABLES: dict[str, dict[str, str]] = {
    "": {},
    "[satellites]": {},
    "[[satellites.elements]]": ELEMENTS,
    "[satellites.walker]": {"satellites": "12", "altitude_m": "500e3", "inclination_deg": "97.4"},
    "[[satellites.loads]]": {"file": '"load.jsonl"'},
    "[[stations]]": {"name": '"X"', "latitude_deg": "40.0", "longitude_deg": "116.0"},
    "[laser]": {},
    "[topology]": {},
    "[downlink]": {},
    "[uplink]": {},
    "[imaging]": {},
    "[products]": {},
    "[workload]": {"file": '"sentinel2a-2024-11-28"'},
    "[pipeline]": {"stages": '[{ name = "a", model = "cloud-screen" }]'},
    "[[pipeline.stages]]": {"name": '"a"', "model": '"cloud-screen"'},
    "[models.own]": {"file": '"own.onnx"'},
    "[[faults]]": {"node": '"SCS-01 A"', "at_s": "5.0"},
}
# for these -1 is a fair value: angles, heights, gains in dB, and the drag terms, which a catalogue may fit negative
SIGNED = {
    "latitude_deg", "longitude_deg", "elevation_m", "raan_deg", "arg_of_perigee_deg", "mean_anomaly_deg", "raan0_deg",
    "mean_anomaly0_deg", "bstar", "mean_motion_dot", "mean_motion_ddot", "min_sun_elevation_deg", "line_gain_db",
    "tx_gain_db", "rx_gain_db",
}  # fmt: skip


def struct_of(header: str) -> Any:
    """The Struct behind a table's header."""
    kind: Any = Scenario
    for name in filter(None, header.strip("[]").split(".")):
        kind = get_args(kind)[1] if get_origin(kind) is dict else get_type_hints(kind)[name]
        if get_origin(kind) is dict:
            continue
        parts = [each for each in get_args(kind) if each not in (NoneType, str)]
        kind = parts[0] if parts else kind
    return kind


def fields_of(*kinds: type) -> list[tuple[str, str]]:
    """(header, field) of all fields of these types, or of these or nothing."""
    found = []
    for header in TABLES:
        for name, hint in get_type_hints(struct_of(header)).items():
            if hint in kinds or (NoneType in get_args(hint) and set(get_args(hint)) - {NoneType} <= set(kinds)):
                found.append((header, name))
    return found


def text_with(header: str, field: str, value: str) -> tuple[str, int]:
    """A scenario in which `field` has `value`, and the line on which it stands."""
    body = {name: given for name, given in TABLES[header].items() if name != field}
    if (header, field) == ("[satellites.walker]", "mean_motion_rev_per_day"):
        del body["altitude_m"]  # one or the other
    lines = ['extends = "three-body"', *(["[satellites]", "elements = []"] if "walker" in header else [])]
    lines += [header] if header else []
    lines += [f"{name} = {given}" for name, given in body.items()]
    return "\n".join([*lines, f"{field} = {value}"]) + "\n", len(lines) + 1


def said_of(header: str, field: str, value: str) -> str:
    """What is said of the field, without its place, which is checked."""
    text, line = text_with(header, field, value)
    with pytest.raises(ScenarioError) as refusal:
        parse(text, "mine.toml", Path("here"))
    path = header.strip("[]") + ("[1]" if header.startswith("[[") else "")
    start = f"mine.toml:{line}: {path}.{field}: ".replace(": .", ": ")
    said = [each.removeprefix(start) for each in str(refusal.value).splitlines() if each.startswith(start)]
    assert said, refusal.value
    return said[0]


def test_the_page_on_scenarios_names_every_field_and_the_number_that_leaving_it_out_gives() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/scenarios.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    numbers = 0
    for header in TABLES.keys() - {"[[satellites.elements]]", "[pipeline]"}:
        title = f"| `{header.replace('.own', '')}`" if header else "| `"
        row = "\n".join(line for line in rows if line.startswith(title))
        for field in msgspec.structs.fields(struct_of(header)):
            alone, as_table = rf"`{field.name}`", rf"`\[+([a-z]+\.)?{field.name}[].]"
            assert re.search(alone, row) or re.search(as_table, page), (header, field.name)
            told = re.search(rf"`{field.name}` \(([^()]*)", row)
            if told and type(field.default) in (int, float):
                stated = re.findall(r"\d[\d,]*(?:\.\d+)?(?:e\d+)?", told[1])
                assert field.default in [float(each.replace(",", "")) for each in stated], (header, field.name)
                numbers += 1
    assert numbers > 20


def test_the_tables_here_are_those_of_the_schema() -> None:
    found: set[Any] = set()

    def visit(kind: Any) -> None:
        if hasattr(kind, "__struct_fields__"):
            found.add(kind)
            for hint in get_type_hints(kind).values():
                visit(hint)
        for part in get_args(kind):
            visit(part)

    visit(Scenario)
    assert found == {struct_of(header) for header in TABLES}
    assert all(kind.__struct_config__.forbid_unknown_fields and kind.__struct_config__.frozen for kind in found)
    assert all(issubclass(kind, msgspec.Struct) for kind in found)


@pytest.mark.parametrize("header", TABLES)
def test_the_scenario_around_the_fields_is_fine(header: str) -> None:
    description = "description" if header == "" else next(iter(TABLES[header]), None)
    if description is None:
        parse(f'extends = "three-body"\n{header}\n', "mine.toml", Path("here"))
    else:
        text, _ = text_with(header, description, TABLES[header].get(description, '"x"'))
        parse(text, "mine.toml", Path("here"))


@pytest.mark.parametrize(("header", "field"), fields_of(float, int))
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_are_finite(header: str, field: str, value: str) -> None:
    assert said_of(header, field, value).startswith(f"is {value}; ")


@pytest.mark.parametrize(("header", "field"), [each for each in fields_of(float, int) if each[1] not in SIGNED])
def test_what_cannot_be_negative_is_not(header: str, field: str) -> None:
    assert "is -1" in said_of(header, field, "-1")


@pytest.mark.parametrize(("header", "field"), fields_of(float, int))
def test_a_number_with_its_unit_behind_is_no_number(header: str, field: str) -> None:
    said = said_of(header, field, '"500 km"')
    assert said.startswith("is '500 km'; it must be a bare ")
    assert said.endswith(("whole number", "number, in the unit that the field's name ends with"))


@pytest.mark.parametrize(("header", "field"), fields_of(str))
def test_text_is_not_a_number(header: str, field: str) -> None:
    assert said_of(header, field, "5") == "is 5; it must be text, in quotes"


@pytest.mark.parametrize(("header", "field"), fields_of(bool))
def test_true_or_false_is_nothing_else(header: str, field: str) -> None:
    assert said_of(header, field, "1") == "is 1; it must be true or false"


@pytest.mark.parametrize(("header", "field"), [each for each in fields_of(float) if each[1].endswith("_m")])
def test_another_unit_is_an_unknown_field_and_the_right_one_is_named(header: str, field: str) -> None:
    said = said_of(header, field.removesuffix("_m") + "_km", "500")
    assert said.startswith(f"there is no field '{field.removesuffix('_m')}_km' here; did you mean '{field}'?")
    assert "numbers are SI" in said
