"""Keys of too many names are found before the parser sees them, whatever strings and comments stand around them."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import ScenarioError
from emulator.layers import MOST_DEPTH, Layer, parsed
from emulator.toml_text import overlong_key

MOST = 4
DOTS = ". . . . . . . . ."
VALUES = [text.replace("~", DOTS) for text in (
    "1.5", "-0.1e-3", "1979-05-27T07:32:00.99", "[1.5, 2.5, 3.5, 4.5, 5.5, 6.5]", "{x = 1.5, y.z = 2.5, v.w = 0.5}",
    '"~"', "'~'", r'"\" ~"', '"""~\n~"""', "'''~\n~'''", '"""~""""', '"""~"""""', "'''~''''", "'''~'''''",
    r'"""\""" ~"""', '"""a" "" ~"""', "1 # it's ~", '1 # """ ~', '""', "''", '""""""', "''''''",
    """["~", '~', # "\n 1.5]""", r'"\\"', r"'\'", '"""\\\n  ~"""',
)]  # fmt: skip
names = st.sampled_from(["a", "b-1", "2", '"q.r.s.t.u"', "'l.m.n.o.p'", '"\\" .\u2028"', '""'])
joints = st.sampled_from([".", " . ", "\t.", ". "])


@st.composite
def documents(draw: Any) -> tuple[str, list[int]]:
    """TOML, and how many names each of its keys has, with values of VALUES between them."""
    lines, counts = [], []
    for number in range(draw(st.integers(1, 5))):
        key = f"k{number}"
        count = draw(st.integers(0, 6))
        for _ in range(count):
            key += draw(joints) + draw(names)
        value = draw(st.sampled_from(VALUES))
        kind = draw(st.sampled_from(["pair", "table", "tables", "inline"]))
        forms = {
            "pair": f"[t{number}]\n{key} = {value}",
            "table": f"[{key}]\nv = {value}",
            "tables": f"[[ {key} ]]\nv = {value}",
            "inline": f"[t{number}]\nk = {{n = 1, {key} = 1}} # {DOTS}",
        }
        lines.append(forms[kind])
        counts.append(count + 1)
    return "\n".join(lines), counts


@settings(derandomize=True, deadline=None, max_examples=300)
@given(documents())
def test_a_key_is_found_if_and_only_if_it_has_too_many_names(made: tuple[str, list[int]]) -> None:
    text, counts = made
    tomllib.loads(text)  # it is TOML
    assert (overlong_key(text, MOST) is not None) == any(count > MOST for count in counts)


@pytest.mark.parametrize("value", VALUES)
def test_no_value_hides_the_key_below_it_and_its_line_is_told(value: str) -> None:
    text = f"a.b.c.d = {value}\n"
    tomllib.loads(text)
    assert overlong_key(text + "a.b.c.e = 1\n", MOST) is None
    assert overlong_key(text + "a.b.c.d.e = 1\n", MOST) == text.count("\n") + 1


@pytest.mark.parametrize(
    "long",
    ["a." * 500_000 + "a = 1", "[" + "a . " * 250_000 + "a]", "x = {" + "'a'." * 250_000 + "a = 1}", "." * 1_000_000],
    ids=["key", "header", "inline", "dots"],
)
def test_a_megabyte_of_names_ends_with_file_and_line(long: str) -> None:
    with pytest.raises(ScenarioError, match=rf"^mine\.toml:2: is nested too deeply; {MOST_DEPTH} levels at most$"):
        parsed(Layer("mine.toml", "x1 = '''a''''\n" + long))


@pytest.mark.parametrize("quote", ['"""', "'''", '"', "'"])
def test_a_string_that_does_not_end_is_left_to_the_parser(quote: str) -> None:
    with pytest.raises(ScenarioError, match="is not TOML"):
        parsed(Layer("mine.toml", f"x = {quote}" + "." * 20 + f"\\{quote}\n" * 50_000))
