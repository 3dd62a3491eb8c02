"""Reading TLE and OMM: the same orbit from every form, and messages that name file, line and value."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4.api import Satrec, SatrecArray

from nodes.catalogue import parse_elements, read_elements
from nodes.elements import Elements, satrec
from nodes.errors import ElementsError
from nodes.omm import read_omm
from nodes.tle import checksum, read_tle

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
# The ISS as Skyfield's own tests have it (test_earth_satellites.py), from Space Track
LINE1 = "1 25544U 98067A   18184.80969102  .00001614  00000-0  31745-4 0  9993"
LINE2 = "2 25544  51.6414 295.8524 0003435 262.6267 204.2868 15.54005638121106"
TLE = f"ISS (ZARYA)\n{LINE1}\n{LINE2}\n"
OMM = {
    "OBJECT_NAME": "ISS (ZARYA)",
    "OBJECT_ID": "1998-067A",
    "CENTER_NAME": "EARTH",
    "REF_FRAME": "TEME",
    "TIME_SYSTEM": "UTC",
    "MEAN_ELEMENT_THEORY": "SGP4",
    "EPOCH": "2018-07-03T19:25:57.304128",  # 0.80969102 day
    "MEAN_MOTION": "15.54005638",
    "ECCENTRICITY": ".0003435",
    "INCLINATION": "51.6414",
    "RA_OF_ASC_NODE": "295.8524",
    "ARG_OF_PERICENTER": "262.6267",
    "MEAN_ANOMALY": "204.2868",
    "EPHEMERIS_TYPE": "0",
    "CLASSIFICATION_TYPE": "U",
    "NORAD_CAT_ID": "25544",
    "ELEMENT_SET_NO": "999",
    "REV_AT_EPOCH": "12110",
    "BSTAR": ".31745E-4",
    "MEAN_MOTION_DOT": ".1614E-4",
    "MEAN_MOTION_DDOT": "0",
}
one_millimetre_km = 1e-6


def xml(fields: dict[str, str]) -> str:
    leaves = "".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ndm xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><omm><body>'
        f"<segment><metadata>{leaves}</metadata></segment></body></omm></ndm>"
    )


def csv(fields: dict[str, str]) -> str:
    return ",".join(fields) + "\r\n" + ",".join(fields.values()) + "\r\n"


def one(text: str) -> Elements:
    (elements,) = parse_elements(text, "here")
    return elements


def with_checksum(line: str) -> str:
    return line[:68] + str(checksum(line))


def altered(old: str, new: str) -> str:
    """The TLE with other digits and checksums that fit them."""
    return "\n".join(with_checksum(line.replace(old, new)) for line in (LINE1, LINE2))


def test_the_iss_is_read_as_printed():
    assert one(TLE) == Elements(
        name="ISS (ZARYA)",
        epoch="2018-07-03T19:25:57.304128Z",
        mean_motion_rev_per_day=15.54005638,
        eccentricity=0.0003435,
        inclination_deg=51.6414,
        raan_deg=295.8524,
        arg_of_perigee_deg=262.6267,
        mean_anomaly_deg=204.2868,
        bstar=0.31745e-4,
        mean_motion_dot=0.00001614,
        norad_cat_id=25544,
        object_id="1998-067A",
    )


@pytest.mark.parametrize(
    "text",
    [
        csv(OMM),
        xml(OMM),
        msgspec.json.encode([OMM]).decode(),
        msgspec.json.encode(OMM).decode(),
        msgspec.json.encode([OMM | {"MEAN_MOTION": 15.54005638, "NORAD_CAT_ID": 25544, "BSTAR": 3.1745e-05}]).decode(),
        csv(OMM | {"EPOCH": "2018-184T19:25:57.304128Z"}),
        csv(OMM | {"EPOCH": "2018-07-03T19:25:57.304127"}),  # cut, as exporters do
        "\ufeff" + csv(OMM),
    ],
)
def test_every_form_gives_the_tles_orbit(text):
    ours, tle = satrec(one(text)), satrec(one(TLE))
    for minutes in (0.0, 1440.0):
        assert np.abs(np.subtract(ours.sgp4_tsince(minutes)[1], tle.sgp4_tsince(minutes)[1])).max() < one_millimetre_km
    assert (ours.jdsatepoch, ours.jdsatepochF) == (tle.jdsatepoch, tle.jdsatepochF)


def test_the_tles_record_is_sgp4s_own_to_the_bit():
    theirs, ours = Satrec.twoline2rv(LINE1, LINE2), satrec(one(TLE))
    for field in ("no_kozai", "ecco", "inclo", "nodeo", "argpo", "mo", "ndot", "nddot", "jdsatepoch", "jdsatepochF"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert abs(ours.bstar / theirs.bstar - 1.0) < 1e-15


def test_names_are_optional_and_may_have_a_zero_before():
    assert one(f"{LINE1}\n{LINE2}").name == "25544"
    assert one(f"0 ISS (ZARYA)\r\n{LINE1}\r\n{LINE2}\r\n").name == "ISS (ZARYA)"
    assert one(f"# a comment\n\n1 HOPEFUL\n{LINE1}\n{LINE2}").name == "1 HOPEFUL"


# https://www.space-track.org/documentation#tle-alpha5
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A0000", 100000),
        ("E8493", 148493),
        ("J2931", 182931),
        ("P4018", 234018),
        ("W1928", 301928),
        ("Z9999", 339999),
    ],
)
def test_alpha5_numbers(text, number):
    elements = one("\n".join(with_checksum(line.replace("25544", text)) for line in (LINE1, LINE2)))
    assert elements.norad_cat_id == number
    assert satrec(elements).satnum == number


def test_nine_digit_numbers_of_an_omm_propagate():
    assert satrec(one(csv(OMM | {"NORAD_CAT_ID": "799500123"}))).sgp4_tsince(0.0)[0] == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TLE.replace("51.6414", "51.6415"), r"here, line 3: checksum is '6' but the line adds up to '7'"),
        (TLE.replace("9993", "999"), r"here, line 2: 68 columns, must be 69"),
        (TLE.replace("25544U", "25545U").replace("9993", "9994"), r"here, line 3: satellite number '25544'.*'25545'"),
        (TLE + TLE, r"here, line 5: satellite 25544 \(ISS \(ZARYA\)\) is already on line 2"),
        (f"ISS\n{LINE1}\n", r"here, line 2: the file ends within an element set"),
        (f"ISS\n{LINE2}\n{LINE1}\n", r"here, line 2: line 1 of 'ISS' must stand here"),
        (f"ISS\n{LINE1}\nHST\n{LINE2}\n", r"here, line 3: line 2 of line 2's element set must stand here"),
        (altered("18184.", "18384."), r"here, line 1: day 384.80969102"),
        (altered(" 51.6414", "-51.6414"), r"line 2: columns 9-16 \(inclination\)"),
        (altered(" 51.6414", "251.6414"), r"inclination_deg is 251.6414; must be from 0"),
        (altered("-4 0  999", "-4 4  999"), r"columns 63-63 \(ephemeris type\) hold '4'"),
        ("", "no element set"),
    ],
)
def test_a_tle_that_is_none_is_refused_with_its_line(text, says):
    with pytest.raises(ElementsError, match=says):
        read_tle(text, "here")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"MEAN_MOTION": "fast"}, r"here, line 2 \(ISS \(ZARYA\)\): MEAN_MOTION is 'fast', which is no number"),
        ({"BSTAR": ""}, "BSTAR is missing"),
        ({"EPOCH": ""}, "EPOCH is missing"),
        ({"EPOCH": "2018-13-03T19:25:57"}, "epoch '2018-13-03T19:25:57Z' is no date"),
        ({"REF_FRAME": "ICRF"}, "REF_FRAME is 'ICRF'; only 'TEME'"),
        ({"TIME_SYSTEM": "TAI"}, "TIME_SYSTEM is 'TAI'; only 'UTC'"),
        ({"EPHEMERIS_TYPE": "4"}, "EPHEMERIS_TYPE is '4'"),
        ({"MEAN_MOTION": "-15"}, "mean_motion_rev_per_day is -15.0; must be above 0"),
        ({"MEAN_MOTION": "nan"}, "mean_motion_rev_per_day is nan"),
        ({"ECCENTRICITY": "1.0"}, "eccentricity is 1.0; must be from 0 to below 1"),
        ({"NORAD_CAT_ID": "inf"}, "NORAD_CAT_ID is 'inf'; must be a whole number"),
    ],
)
def test_an_omm_that_is_none_is_refused_with_its_field(change, says):
    with pytest.raises(ElementsError, match=says):
        read_omm(csv(OMM | change), "here", "csv")


def test_a_satellite_twice_in_an_omm_is_refused():
    with pytest.raises(ElementsError, match=r"record 2 \(ISS|satellite 25544"):
        read_omm(msgspec.json.encode([OMM, OMM]).decode(), "here", "json")


# the "billion laughs" and an external entity: CWE-776, CWE-611
@pytest.mark.parametrize(
    "head", ['<!DOCTYPE ndm [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>', '<!DOCTYPE ndm SYSTEM "file:///etc/hostname">']
)
def test_xml_with_entities_is_refused_where_they_are_declared(head):
    with pytest.raises(ElementsError, match="declares a document type or entities"):
        parse_elements(xml(OMM).replace("<ndm", head + "<ndm", 1), "here")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ElementsError, match=r"nowhere\.tle: cannot be read"):
        read_elements(tmp_path / "nowhere.tle")
    with pytest.raises(ElementsError, match="cannot be read"):
        read_elements(tmp_path)
    (tmp_path / "noise.tle").write_bytes(b"\xff\xfe\x00noise")
    with pytest.raises(ElementsError, match=r"noise\.tle: no UTF-8 text: byte 0 is 0xff"):
        read_elements(tmp_path / "noise.tle")


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.sampled_from([TLE, csv(OMM), xml(OMM), msgspec.json.encode([OMM]).decode()]), st.data())
def test_damaged_text_is_read_or_refused_but_never_breaks(text, data):
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    try:
        elements = parse_elements(damaged, "here")
    except ElementsError as error:
        message = str(error)
    else:
        message = "here are no problems" if not any(each.problems() for each in elements) else ""
    assert message.startswith("here")


def test_problems_lists_every_field():
    bad = msgspec.structs.replace(
        one(TLE),
        name=" ",
        epoch="now",
        eccentricity=-0.1,
        bstar=float("nan"),
        raan_deg=float("inf"),
        gravity="egm96",
        slot=-1,
    )
    assert [field for field, _ in bad.problems()] == [
        "name", "epoch", "eccentricity", "raan_deg", "bstar", "gravity", "slot",
    ]  # fmt: skip
    assert one(TLE).problems() == []


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_twelve_real_satellites_are_the_same_from_tle_and_omm():
    tle, omm = read_elements(SHARED / "scs01_2025-10-03.tle"), read_elements(SHARED / "scs01_2025-10-03.omm.csv")
    assert [each.norad_cat_id for each in tle] == [each.norad_cat_id for each in omm] == list(range(63982, 63994))
    days = np.full(145, 2_460_952.0), np.linspace(0.0, 1.0, 145)
    _, from_tle, _ = SatrecArray([satrec(each) for each in tle]).sgp4(*days)
    _, from_omm, _ = SatrecArray([satrec(each) for each in omm]).sgp4(*days)
    assert np.abs(from_tle - from_omm).max() < one_millimetre_km


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_large_real_catalogues_are_read_whole():
    assert len(read_elements(SHARED / "oneweb_2022-09-14.tle")) == 426
    assert len(read_elements(SHARED / "starlink_2024-10-21.tle")) == 6469


def kvn(fields: dict[str, str]) -> str:
    return "CCSDS_OMM_VERS = 2.0\nCOMMENT = or not\n" + "".join(
        f"{name:<20} = {value}\n" for name, value in fields.items()
    )


def test_keyword_value_notation_is_the_same_satellite_with_units_or_without() -> None:
    (expected,) = read_omm(csv(OMM), "iss.csv", "csv")
    with_units = OMM | {"MEAN_MOTION": "15.54005638 [rev/day]", "INCLINATION": "51.6414[deg]", "NORAD_CAT_ID": "25545"}
    first, second = parse_elements("\ufeff" + (kvn(OMM) + kvn(with_units)).replace("\n", "\r\n"), "two.kvn")
    assert first == expected
    assert msgspec.structs.replace(second, norad_cat_id=25544) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (kvn(OMM | {"MEAN_MOTION": "15.5 [deg/s]"}), "line 10: MEAN_MOTION has the unit 'deg/s'"),
        (kvn(OMM) + "BSTAR = 1\n", "line 24: BSTAR stands there twice"),
        (kvn(OMM).rstrip(), "the file was cut"),
        (kvn(OMM).replace("2.0", "9.0", 1), "line 1: OMM version '9.0'"),
        (kvn(OMM) + "END\n", "line 24: 'END'; must be KEYWORD = value"),
        ("CCSDS_OPM_VERS = 2.0\n", "begins with 'CCSDS_OPM_VERS = 2.0'; of CCSDS messages OMM and OEM are read"),
        (csv(OMM).replace(",", ";"), "is no header of a CSV with commas: 'OBJECT_NAME;OBJECT_ID"),
        (msgspec.json.encode([OMM]).decode().replace('"BSTAR"', '"BSTAR":"1","BSTAR"'), "'BSTAR' stands in one record"),
    ],
)  # fmt: skip
def test_what_no_form_of_omm_may_hold_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(ElementsError) as caught:
        parse_elements(text, "x.omm")
    assert told in str(caught.value)


def test_blanks_around_the_names_of_columns_are_no_part_of_them() -> None:
    spaced = csv(OMM).replace(",", " , ")
    assert parse_elements(spaced, "iss.csv") == parse_elements(csv(OMM), "iss.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "ISO-8859-2", "windows-1250", "utf-8-sig"])
def test_xml_may_be_in_the_encoding_that_it_declares(tmp_path, encoding):
    text = xml(OMM | {"OBJECT_NAME": "KOŠICE"}).replace("UTF-8", encoding)
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    (made,) = read_elements(tmp_path / "a.xml")
    assert made == msgspec.structs.replace(read_omm(xml(OMM), "here", "xml")[0], name="KOŠICE")


def test_of_a_combined_message_mean_elements_are_read_and_other_orbits_refused():
    attitude = "<aem><body><segment><metadata><OBJECT_NAME>A</OBJECT_NAME></metadata></segment></body></aem>"
    mixed = xml(OMM).replace("<omm>", f"{attitude}<omm>").replace("</ndm>", f"{attitude}</ndm>")
    assert parse_elements(mixed, "here") == parse_elements(xml(OMM), "here")
    with pytest.raises(ElementsError, match="line 1: holds <opm> beside or before <omm>"):
        parse_elements(xml(OMM).replace("</ndm>", "<opm/></ndm>"), "here")
