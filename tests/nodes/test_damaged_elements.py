"""Element files that were damaged byte by byte, or built to harm: refused by name, or a valid prefix."""

from collections.abc import Iterator

import msgspec
import pytest

from nodes.catalogue import parse_elements, read_elements
from nodes.element_files import Form, elements_text
from nodes.elements import Elements
from nodes.errors import ElementsError
from nodes.walker import walker_delta
from workloads.importing.records import BadRow

FORMS: tuple[Form, ...] = ("tle", "csv", "json", "xml")
TWO = [
    msgspec.structs.replace(each, norad_cat_id=number, object_id="2025-100A", mean_motion_dot=1.2e-4, bstar=3.1e-5)
    for number, each in enumerate(walker_delta(2, 1, 0, 500e3, 97.4, "2025-10-03T16:00:00Z"), 1)
]
TEXTS = {form: elements_text(TWO, form)[0] for form in FORMS}
WHOLE = {form: parse_elements(text, "here") for form, text in TEXTS.items()}


def read(text: str) -> list[Elements] | None:
    """The satellites; None where the text was refused, by its name."""
    said = ""
    try:
        return parse_elements(text, "here")
    except ElementsError as error:
        said = str(error)
    assert "here" in said
    assert len(said) < 2000
    return None


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_at_any_byte_is_refused_or_a_prefix(form: Form) -> None:
    text, whole = TEXTS[form], WHOLE[form]
    cut_short = 0
    for length in range(len(text.rstrip())):
        found = read(text[:length])
        if found is None:
            continue
        cut_short += 1
        if form == "csv":  # the last number of a row has no end that could be missed
            last = msgspec.structs.replace(found[-1], mean_motion_ddot=whole[len(found) - 1].mean_motion_ddot)
            found = [*found[:-1], last]
        assert found == whole[: len(found)]
    assert (cut_short > 0) == (form in ("tle", "csv"))  # which have no end of their own


def flips(data: bytes) -> Iterator[bytes]:
    """Every second byte with one bit another, all bits in turn."""
    for place in range(0, len(data), 2):
        yield data[:place] + bytes([data[place] ^ 1 << (place // 2) % 8]) + data[place + 1 :]


@pytest.mark.parametrize("form", FORMS)
def test_a_flipped_bit_anywhere_is_refused_or_gives_orbits_that_can_be(form: Form) -> None:
    refused = 0
    for data in flips(TEXTS[form].encode()):
        found = read(data.decode("utf-8", "replace"))
        refused += found is None
        assert found is None or (0 < len(found) <= 2 and not any(each.problems() for each in found))
    assert refused > 0


@pytest.mark.parametrize("form", FORMS)
def test_line_ends_and_a_byte_order_mark_change_nothing(form: Form) -> None:
    lines = TEXTS[form].splitlines()
    for end in ("\n", "\r\n"):
        assert parse_elements("\ufeff" + "".join(line + end for line in lines), "here") == WHOLE[form]


def test_a_row_without_its_last_columns_is_refused_and_not_one_without_drag() -> None:
    head, first, second = TEXTS["csv"].split("\r\n")[:3]
    cut = "\r\n".join([head, first, second.rsplit(",", 2)[0], ""])
    with pytest.raises(ElementsError, match="here, line 3: fewer values than the header has names; the row was cut"):
        parse_elements(cut, "here")
    with pytest.raises(ElementsError, match=r"here, line 2.*more values than the header"):
        parse_elements("\r\n".join([head, first + ",1", ""]), "here")


def test_a_column_or_a_field_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ElementsError, match="here, line 1: column 'BSTAR' is there twice"):
        parse_elements(TEXTS["csv"].replace("MEAN_MOTION_DOT", "BSTAR", 1), "here")
    twice = TEXTS["xml"].replace("</meanElements>", "<ECCENTRICITY>0.5</ECCENTRICITY></meanElements>", 1)
    with pytest.raises(ElementsError, match=r"here, line \d+: ECCENTRICITY stands there twice, with different values"):
        parse_elements(twice, "here")


@pytest.mark.parametrize(
    ("field", "unit", "right"),
    [("MEAN_MOTION", "deg/s", "rev/day"), ("INCLINATION", "rad", "deg"), ("BSTAR", "m", "1/ER")],
)
def test_a_unit_that_is_not_the_standards_is_refused(field: str, unit: str, right: str) -> None:
    with pytest.raises(ElementsError, match=f"{field} has units '{unit}'; in an OMM it is in {right}"):
        parse_elements(TEXTS["xml"].replace(f"<{field}>", f'<{field} units="{unit}">', 1), "here")
    said = TEXTS["xml"].replace(f"<{field}>", f'<{field} units="{right}">')
    assert parse_elements(said, "here") == WHOLE["xml"]


BOMBS = {
    "deep": ("<ndm>" * 100_000, "more than 16 levels"),
    "long": (
        f"<ndm><omm><body><segment><metadata><OBJECT_NAME>{'A' * 2000}</OBJECT_NAME>",
        "more than 1000 characters",
    ),
    "laughs": ('<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><ndm>&b;</ndm>', "declares a document type"),
    "outside": ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ndm>&a;</ndm>', "declares a document type"),
    "json": ("[" * 100_000, "not a JSON list"),
    "huge": ('[{"OBJECT_NAME": "A", "EPOCH": "2025-10-03T16:00:00", "MEAN_MOTION": 1e999}]', "not a JSON list"),
    "digits": ('[{"NORAD_CAT_ID": "' + "9" * 5000 + '"}]', "NORAD_CAT_ID"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_built_to_harm_is_refused_where_it_begins(name: str) -> None:
    text, says = BOMBS[name]
    with pytest.raises(ElementsError, match=says):
        parse_elements(text, "here")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "1_0", "0x10", "١٥"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    rows = TEXTS["csv"].split("\r\n")
    cells = rows[1].split(",")
    cells[rows[0].split(",").index("MEAN_MOTION")] = number
    with pytest.raises(ElementsError):
        parse_elements("\r\n".join([rows[0], ",".join(cells), ""]), "here")


@pytest.mark.parametrize("text", ["[" + "{}," * 99 + "{}]", "1 00001U\n2 00001\n" * 60], ids=["json", "tle"])
def test_more_bad_sets_than_a_file_can_have_are_not_collected(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.elements.MOST_SKIPPED", 20)
    skipped: list[BadRow] = []
    with pytest.raises(ElementsError, match="here: more than 20 bad element sets; this is no file of elements"):
        parse_elements(text, "here", skipped)
    assert len(skipped) == 20


def test_utf_16_a_folder_and_a_file_with_nothing_are_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "wide.tle").write_bytes(TEXTS["tle"].encode("utf-16"))
    with pytest.raises(ElementsError, match=r"wide\.tle: no UTF-8 text: byte 0 is 0xff"):
        read_elements(tmp_path / "wide.tle")
    with pytest.raises(ElementsError, match="is a folder, a pipe or a device"):
        read_elements(tmp_path)
    (tmp_path / "none.tle").write_bytes(b"")
    with pytest.raises(ElementsError, match=r"none\.tle"):
        read_elements(tmp_path / "none.tle")
