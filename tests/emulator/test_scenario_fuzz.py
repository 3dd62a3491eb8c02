"""Whatever is typed into a scenario, reading it ends in a scenario or in one of our errors, and never in another."""

import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.assemble import assemble
from emulator.errors import BAD_INPUT
from emulator.layers import Layer, lines_of, place
from emulator.scenario import parse, shipped
from emulator.toml_text import Path as Field

SHIPPED = [(files("emulator.scenarios") / f"{name}.toml").read_text(encoding="utf-8") for name in shipped()]
WHOLE = "\n".join([*SHIPPED, "[[faults]]", 'node = "SCS-01 A"', "at_s = 60.0", "[models]", 'm = "m.onnx"'])
VALUES = (
    "0", "-1", "1", "1e300", "-1e300", "1e-300", "inf", "-inf", "nan", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "0x" + "f" * 5000, '""', '"x"', '"../x"', '"/"', '"\\u0000"', '"' + "x" * 5000 + '"', "true",
    "[]", "[[]]", "[1, [2]]", "{}", "{ a = 1 }", "2025-10-03T16:00:00Z", "2025-10-03", "16:00:00", "[nan, inf]",
    '[["a", "b"]]',
)  # fmt: skip
NAMES = ("name", "extends", "satellites", "stations", "walker", "pairs", "a.b", '"a b"', "kind", "k", "x_m", "''", "-")

TABLES = """ephemeris_step_s = 60.0
decision_s = 0.0
[satellites]
storage_bytes = 1e12
batch = 8
[laser]
per_satellite = 4
max_range_m = 5000e3
acquisition_s = 15.0
bits_per_s = 1e11
full_rate_range_m = 1e6
floor_bits_per_s = 1e9
grazing_altitude_m = 80e3
power_w = 80.0
[topology]
kind = "nearest-k"
k = 4
[downlink]
tx_power_w = 8.0
frequency_hz = 8.2e9
bandwidth_hz = 3e8
gap_db = 5.0
max_bits_per_s = 1.2e9
[imaging]
scene_interval_s = 10.0
raw_bytes = 1000000
inferences = 10
min_sun_elevation_deg = 10.0
deadline_s = 100.0
urgent_share = 0.05
distinct_tiles = 4
[products]
cloudy_above = 0.7
product_bytes = 1000
product_bytes_per_raw_byte = 0.5
[[faults]]
node = "SCS-01 A"
at_s = 30.0
recovers_s = 40.0
"""

lines = st.integers(0, 10_000)
edit = st.one_of(
    st.tuples(st.just("drop"), lines, st.just("")),
    st.tuples(st.just("double"), lines, st.just("")),
    st.tuples(st.just("swap"), lines, lines),
    st.tuples(st.just("value"), lines, st.sampled_from(VALUES)),
    st.tuples(st.just("name"), lines, st.sampled_from(NAMES)),
    st.tuples(st.just("insert"), lines, st.text(max_size=40)),
    st.tuples(
        st.just("table"), lines, st.sampled_from(("[laser]", "[[stations]]", "[satellites.walker]", "[x]", "[[laser]]"))
    ),
)


def edited(text: str, edits: list[tuple[str, int, str | int]]) -> str:
    """The text with its lines dropped, doubled, swapped and changed."""
    found = text.splitlines()
    for what, number, with_ in edits:
        at = number % len(found)
        key, equals, _ = found[at].partition("=")
        if what == "drop" and len(found) > 1:
            del found[at]
        elif what == "double":
            found.insert(at, found[at])
        elif what == "swap":
            other = int(with_) % len(found)
            found[at], found[other] = found[other], found[at]
        elif what == "value" and equals:
            found[at] = f"{key}= {with_}"
        elif what == "name" and equals:
            found[at] = f"{with_} ={found[at].partition('=')[2]}"
        elif what in ("insert", "table"):
            found.insert(at, str(with_))
    return "\n".join(found)


def outcome(make: Callable[[], object]) -> object:
    """What is made, or what one of our errors says; any other error is a failure of the test."""
    try:
        return make()
    except BAD_INPUT as error:
        return str(error)


@settings(derandomize=True, deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.sampled_from([*SHIPPED, WHOLE]), edits=st.lists(edit, min_size=1, max_size=4))
def test_an_edited_scenario_is_read_or_refused(text: str, edits: list[tuple[str, int, str | int]]) -> None:
    assert outcome(lambda: parse(edited(text, edits), "mine.toml", Path("nowhere")))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(text=st.one_of(st.text(max_size=200), st.binary(max_size=200).map(lambda data: data.decode("latin-1"))))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(BAD_INPUT):
        parse(text, "mine.toml", None)


@settings(derandomize=True, deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(edits=st.lists(st.tuples(st.just("value"), lines, st.sampled_from(VALUES)), min_size=1, max_size=2))
def test_what_was_read_can_be_assembled_or_is_refused(edits: list[tuple[str, int, str | int]]) -> None:
    text = edited('extends = "three-body"\nname = "x"\n' + TABLES, edits)
    assert outcome(lambda: assemble(parse(text, "mine.toml", Path("nowhere"), duration_s=60.0), ["onboard"]))


key = st.sampled_from(("a", "b-c", "d_1"))
value = st.sampled_from(
    ("1", '"x # [y]"', "'[z]'", "[\n  1, # one ]\n  [2]\n]", '"""\n[q]\nr = 1\n"""', "'''\n[[s]]\n'''", "{ t = 1 }")
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    tables=st.lists(
        st.tuples(key, st.booleans(), st.lists(st.tuples(key, value), max_size=3, unique_by=lambda pair: pair[0])),
        max_size=4,
    )
)
def test_every_key_of_a_text_is_found_on_its_line(
    tables: list[tuple[str, bool, list[tuple[str, str]]]],
) -> None:
    text, expected = "", dict[Field, int]()
    seen: dict[str, int] = {}
    for number, (name, many, pairs) in enumerate(tables):
        header = f"{name}-{'many' if many else number}"  # one name for arrays, another for each table
        index = seen[header] = seen.get(header, -1) + 1
        path: Field = (header, index) if many else (header,)
        text += f"[[{header}]]\n" if many else f"[{header}]  # [w]\n"
        expected.setdefault(path, text.count("\n"))
        for each, given_value in pairs:
            expected[(*path, each)] = text.count("\n") + 1
            text += f"{each} = {given_value}\n"
    tomllib.loads(text)
    assert lines_of(text) == expected


def test_the_place_of_a_field_in_layers_of_texts() -> None:
    top = Layer("top", '[laser]\nk = 1\n[[stations]]\nname = "A"\n')
    base = Layer("base", 'name = "b"\n[laser]\nm = 1\n[[stations]]\nname = "B"\nn = 1\n[[stations]]\nname = "C"\n')
    for path, expected in {
        ("laser", "k"): "top:2",
        ("laser", "m"): "base:3",
        ("laser", "gone"): "top:1",
        ("name",): "base:1",
        ("gone",): "top",
        ("stations", 0, "name"): "top:4",
        ("stations", 0, "n"): "top:3",  # a list is replaced whole: the base's is not looked at
        (): "top",
    }.items():
        assert place((top, base), path) == expected
    assert place((Layer("top", ""), base), ("stations", 1, "name")) == "base:8"
