"""Writing elements: every form of OMM keeps every bit, a TLE its own digits, and what has no place is named."""

from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4 import omm as sgp4_omm
from sgp4.api import Satrec
from skyfield.api import EarthSatellite, load

from nodes.catalogue import parse_elements, read_elements
from nodes.element_files import elements_text, write_elements
from nodes.elements import Elements, satrec
from nodes.errors import ElementsError
from nodes.tle import read_tle
from workloads.importing.records import BadRow

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FORMS = ("tle", "csv", "json", "xml")
OMM = FORMS[1:]
# The ISS as Skyfield's own tests have it (test_earth_satellites.py), from Space Track
LINE1 = "1 25544U 98067A   18184.80969102  .00001614  00000-0  31745-4 0  9993"
LINE2 = "2 25544  51.6414 295.8524 0003435 262.6267 204.2868 15.54005638121106"
(ISS,) = read_tle(f"ISS (ZARYA)\n{LINE1}\n{LINE2}\n", "here")

satellites = st.builds(
    Elements,
    name=st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=20),
    epoch=st.datetimes(
        min_value=datetime(1980, 1, 1),
        max_value=datetime(2050, 1, 1),
    ).map(lambda at: at.isoformat() + "Z"),
    mean_motion_rev_per_day=st.floats(0.1, 17.0),
    eccentricity=st.floats(0.0, 0.999),
    inclination_deg=st.floats(0.0, 180.0),
    raan_deg=st.floats(-360.0, 360.0),
    arg_of_perigee_deg=st.floats(0.0, 360.0),
    mean_anomaly_deg=st.floats(0.0, 360.0),
    bstar=st.floats(-1.0, 1.0),
    mean_motion_dot=st.floats(-0.9, 0.9),
    mean_motion_ddot=st.floats(-1e-3, 1e-3),
    norad_cat_id=st.integers(1, 339_999),
)


@pytest.mark.parametrize("form", FORMS)
def test_a_satellite_from_a_tle_comes_back_the_same_to_the_bit(form, tmp_path):
    report = write_elements(tmp_path / "iss", [ISS], form)
    assert (report.written, report.skipped, report.notes) == (1, (), ())
    assert read_elements(tmp_path / "iss") == [ISS]
    assert [path.name for path in tmp_path.iterdir()] == ["iss"]


def test_a_tle_is_written_as_it_was_but_for_the_revolution_and_set_numbers():
    name, first, second = elements_text([ISS], "tle")[0].splitlines()
    assert (name, first[:44], first[52:64], second[:63]) == ("ISS (ZARYA)", LINE1[:44], LINE1[52:64], LINE2[:63])
    assert Satrec.twoline2rv(first, second).bstar == Satrec.twoline2rv(LINE1, LINE2).bstar


@given(satellites)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_omm_keeps_every_bit_of_any_satellite(elements):
    for form in OMM:
        assert parse_elements(elements_text([elements], form)[0], "here") == [_normal(elements)]


def _normal(elements: Elements) -> Elements:
    """Epochs come back with microseconds written out: the same instant."""
    whole, _, digits = elements.epoch.removesuffix("Z").partition(".")
    return msgspec.structs.replace(elements, epoch=f"{whole}.{digits.ljust(6, '0')}Z")


@given(satellites)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_tle_rounds_to_its_columns_and_says_so(elements):
    text, report = elements_text([elements], "tle")
    (back,) = parse_elements(text, "here")
    assert report.notes == () or "rounded" in report.notes[0]
    half = {"mean_motion_rev_per_day": 5e-9, "eccentricity": 5e-8, "inclination_deg": 5e-5, "mean_motion_dot": 5e-9}
    for field in ("bstar", "mean_motion_ddot"):  # five digits, the first of them not 0, and steps of 1e-14 at the least
        half[field] = max(5e-5 * abs(getattr(elements, field)), 5e-15)
    for field, within in half.items():
        assert abs(getattr(back, field) - getattr(elements, field)) <= 1.001 * within, field
    for field in ("raan_deg", "arg_of_perigee_deg", "mean_anomaly_deg"):
        apart = (getattr(back, field) - getattr(elements, field) + 180.0) % 360.0 - 180.0
        assert abs(apart) <= 5.001e-5, field
    (first, second) = (satrec(each) for each in (back, elements))
    days = (first.jdsatepoch - second.jdsatepoch) + (first.jdsatepochF - second.jdsatepochF)
    assert abs(days) <= 0.501e-8
    assert parse_elements(elements_text([back], "tle")[0], "here") == [back]


def test_sgp4s_and_skyfields_own_readers_take_the_files(tmp_path):
    ours = satrec(ISS)
    readers = {"csv": sgp4_omm.parse_csv, "xml": sgp4_omm.parse_xml}
    for form, reader in readers.items():
        write_elements(tmp_path / form, [ISS], form)
        with (tmp_path / form).open(newline="") as stream:
            (fields,) = reader(stream)
        theirs = Satrec()
        sgp4_omm.initialize(theirs, fields)
        assert np.abs(np.subtract(theirs.sgp4_tsince(60.0)[1], ours.sgp4_tsince(60.0)[1])).max() < 1e-6  # 1 mm
    (fields,) = msgspec.json.decode(elements_text([ISS], "json")[0])
    satellite = EarthSatellite.from_omm(load.timescale(builtin=True), fields)
    assert satellite.model.no_kozai == ours.no_kozai


@pytest.mark.parametrize(
    ("change", "form", "said"),
    [
        ({"norad_cat_id": 340_000}, "tle", "339999"),
        ({"object_id": "SPARE"}, "tle", "SPARE"),
        ({"bstar": 1e12}, "tle", "bstar"),
        ({"gravity": "wgs84"}, "csv", "wgs84"),
        ({"name": "A\nB"}, "csv", "name"),
        ({"eccentricity": 2.0}, "json", "eccentricity"),
        ({"epoch": "2016-12-31T23:59:60.5Z"}, "tle", "leap second"),
    ],
)
def test_what_a_form_cannot_hold_is_refused_or_skipped_and_listed(change, form, said, tmp_path):
    bad = msgspec.structs.replace(ISS, **({"norad_cat_id": 7, "name": "BAD"} | change))
    with pytest.raises(ElementsError, match=said):
        write_elements(tmp_path / "x", [ISS, bad], form)
    assert list(tmp_path.iterdir()) == []
    report = write_elements(tmp_path / "x", [ISS, bad], form, skip_bad=True)
    assert (report.written, report.skipped[0].line) == (1, 2)
    assert said in report.skipped[0].reason
    with pytest.raises(ElementsError, match="no satellite"):
        elements_text([bad], form, skip_bad=True)


def test_names_that_look_like_lines_survive_a_tle():
    names = ("1 A", "2 B", "# C", "0 D")
    crew = [msgspec.structs.replace(ISS, name=name, norad_cat_id=number) for number, name in enumerate(names, 1)]
    assert [each.name for each in parse_elements(elements_text(crew, "tle")[0], "here")] == list(names)


def test_one_number_for_two_satellites_is_refused():
    with pytest.raises(ElementsError, match="another satellite"):
        elements_text([ISS, ISS], "json")


@pytest.mark.parametrize("form", FORMS)
def test_bad_rows_are_skipped_only_on_request_and_listed(form):
    other = msgspec.structs.replace(ISS, name="OTHER", norad_cat_id=2, mean_motion_rev_per_day=15.25)
    text = elements_text([other, ISS], form)[0]
    wrong = {"tle": "15.2x", "json": '"x"'}.get(form, "x")
    bad = text.replace("15.25", wrong)
    with pytest.raises(ElementsError):
        parse_elements(bad, "here")
    skipped: list[BadRow] = []
    assert parse_elements(bad, "here", skipped) == [ISS]
    assert len(skipped) == 1
    assert skipped[0].line in (1, 2)  # the first record, below a header or a name


def test_a_tle_picks_up_after_a_line_that_is_missing():
    text = f"GONE\n{LINE1}\nISS (ZARYA)\n{LINE1}\n{LINE2}\n"
    skipped: list[BadRow] = []
    assert parse_elements(text, "here", skipped) == [ISS]
    assert [each.line for each in skipped] == [3]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize("name", ["scs01_2025-10-03.tle", "oneweb_2022-09-14.tle"])
def test_real_catalogues_survive_every_form_to_the_bit(name):
    real = read_elements(SHARED / name)
    for form in FORMS:
        text, report = elements_text(real, form)
        assert parse_elements(text, "here") == real
        assert (report.written, report.notes) == (len(real), ())
    columns = [line[:64] if line.startswith("1 ") else line[:63] for line in elements_text(real, "tle")[0].splitlines()]
    printed = (SHARED / name).read_text().splitlines()
    assert columns == [
        line[:64] if line.startswith("1 ") else line[:63].removeprefix("0 ").rstrip() for line in printed
    ]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_real_tle_and_omm_of_the_same_satellites_are_one_orbit():
    """Not one text: sgp4's exporter cuts microseconds and prints other last digits; the propagated states are."""
    tle, omm = (read_elements(SHARED / f"scs01_2025-10-03{end}") for end in (".tle", ".omm.csv"))
    for ours, theirs in zip(tle, omm, strict=True):
        apart = np.subtract(satrec(ours).sgp4_tsince(720.0)[1], satrec(theirs).sgp4_tsince(720.0)[1])
        assert np.abs(apart).max() < 1e-6  # 1 mm
