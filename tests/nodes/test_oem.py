"""Ephemeris files as orbits: the stated interpolation, frames, time systems, spans, and every trap by name.

Truth: closed forms (a circle), Skyfield for frames, the `oem` package for interpolation and as reader of what we write.
"""

from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import load
from skyfield.framelib import itrs
from skyfield.sgp4lib import TEME

from nodes.ephemerides import Interpolation, TabulatedOrbit, digest, fly, is_ephemeris, read, tabulate, write_oem
from nodes.ephemerides.interpolation import interpolate
from nodes.ephemerides.reading import parse
from nodes.ephemerides.times import ccsds_instant, instant_of, seconds_between, utc_text
from nodes.epoch import Epoch
from nodes.errors import EphemerisError, NodeError
from nodes.orbit import Ephemeris
from nodes.walker import walker_delta

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
LEO = SHARED / "leo_60s.oem"
NOON = "2020-06-01T12:00:00Z"
RADIUS_KM, TURN = 6878.137, 1.1068e-3  # a circle at 500 km and its rad/s
micrometre = 1e-6
millimetre = 1e-3
SYSTEMS_AHEAD_S = {"UTC": 0.0, "TAI": 37.0, "TT": 69.184, "GPS": 18.0}  # at 2020: IERS Bulletin C 52, IS-GPS-200


def circle(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = TURN * times_s
    x, y, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    return RADIUS_KM * np.stack((x, y, zero), -1), RADIUS_KM * TURN * np.stack((-y, x, zero), -1)


def rows(times_s: np.ndarray, ahead_s: float = 0.0) -> list[str]:
    found = []
    for t_s, r, v in zip(times_s.tolist(), *circle(times_s), strict=True):
        epoch = utc_text((instant_of(Epoch(NOON))[0] + int(t_s) + int(ahead_s // 1), ahead_s % 1.0))
        found.append(f"{epoch} {' '.join(f'{number:.12e}' for number in (*r, *v))}")
    return found


def oem(lines: list[str] | None = None, **meta: str | None) -> str:
    """An OEM of the circle from 12:00 to 12:20, with other metadata where given (None: without)."""
    lines = rows(np.arange(0.0, 1201.0, 60.0)) if lines is None else lines
    states = [line for line in lines if line[:2] == "20"]
    fields = {
        "OBJECT_NAME": "CIRCLE", "OBJECT_ID": "2020-001A", "CENTER_NAME": "EARTH", "REF_FRAME": "TEME",
        "TIME_SYSTEM": "UTC", "START_TIME": states[0].split()[0], "STOP_TIME": states[-1].split()[0],
        "INTERPOLATION": "HERMITE", "INTERPOLATION_DEGREE": "7",
    } | meta  # fmt: skip
    head = "CCSDS_OEM_VERS = 2.0\nCREATION_DATE = 2020-06-01T00:00:00\nORIGINATOR = TEST\n"
    body = "".join(f"{key} = {value}\n" for key, value in fields.items() if value is not None)
    return head + f"META_START\n{body}META_STOP\n" + "".join(f"{line}\n" for line in lines)


def xml(text: str) -> str:
    """The same message as XML, by hand."""
    _, _, rest = text.partition("META_START\n")
    meta, _, states = rest.partition("META_STOP\n")
    leaves = "".join("<{0}>{1}</{0}>".format(*line.split(" = ", 1)) for line in meta.splitlines())
    axes = (("X", "km"), ("Y", "km"), ("Z", "km"), ("X_DOT", "km/s"), ("Y_DOT", "km/s"), ("Z_DOT", "km/s"))
    vectors = ""
    for line in states.splitlines():
        epoch, *numbers = line.split()
        values = "".join(
            f'<{axis} units="{unit}">{number}</{axis}>' for (axis, unit), number in zip(axes, numbers, strict=True)
        )
        vectors += f"<stateVector><EPOCH>{epoch}</EPOCH>{values}</stateVector>\n"
    return (
        '<?xml version="1.0"?><oem id="CCSDS_OEM_VERS" version="2.0"><header></header><body><segment>'
        f"<metadata>{leaves}</metadata>\n<data>{vectors}</data></segment></body></oem>\n"
    )


def stk(times_s: np.ndarray, unit: str = "Kilometers", velocities: bool = True, **words: str | None) -> str:
    scale = {"Kilometers": 1.0, "Meters": 1000.0}.get(unit, 1.0)
    fields = {
        "NumberOfEphemerisPoints": str(len(times_s)), "ScenarioEpoch": "1 Jun 2020 12:00:00.000",
        "InterpolationMethod": "Lagrange", "InterpolationSamplesM1": "7", "CentralBody": "Earth",
        "CoordinateSystem": "TEMEOfDate", "DistanceUnit": unit,
    } | words  # fmt: skip
    lines = [f"{key} {value}" for key, value in fields.items() if value is not None]
    lines.append("EphemerisTimePosVel" if velocities else "EphemerisTimePos")
    for t_s, r, v in zip(times_s.tolist(), *circle(times_s), strict=True):
        lines.append(" ".join(f"{number:.15e}" for number in (t_s, *(r * scale), *(v * scale if velocities else ()))))
    return "stk.v.11.0\n# a comment\nBEGIN Ephemeris\n" + "\n".join(lines) + "\nEND Ephemeris\n"


def one(text: str, assume: Interpolation | None = None) -> TabulatedOrbit:
    (orbit,) = parse(text, "here", "file", assume)
    return orbit


def refused(text: str) -> str:
    with pytest.raises(EphemerisError) as caught:
        parse(text, "here", "file")
    return str(caught.value)


def off_m(orbit: TabulatedOrbit, times_s: np.ndarray, epoch: str = NOON) -> float:
    positions, _ = orbit.states(Epoch(epoch), times_s)
    return float(np.abs(positions - 1000.0 * circle(times_s)[0]).max())


@pytest.mark.parametrize("rule", [("lagrange", 1), ("lagrange", 5), ("lagrange", 7), ("hermite", 3), ("hermite", 7)])
def test_polynomials_of_the_stated_degree_err_as_theory_says(rule):
    """The error is f^(N+1) / (N+1)! times the product of distances to the nodes, largest at mid-window."""
    wanted, step_s = Interpolation(*rule), 60.0
    nodes_s, times_s = np.arange(0.0, 6001.0, step_s), np.arange(600.0, 5400.0, 7.7)
    distances_s = step_s * (np.arange(wanted.samples) - (wanted.samples - 1) / 2.0)
    product = np.prod(np.abs(distances_s)) ** (1 if wanted.method == "lagrange" else 2)
    bound_m = 1000.0 * RADIUS_KM * TURN ** (wanted.degree + 1) * product / factorial(wanted.degree + 1)
    positions, velocities = (1000.0 * each for each in circle(nodes_s))
    found, speed = interpolate(wanted, nodes_s, positions, velocities, times_s)
    error_m = np.abs(found - 1000.0 * circle(times_s)[0]).max()
    assert error_m < 1.05 * bound_m + 1e-7
    assert error_m > 0.9 * bound_m or bound_m < 1e-7
    if wanted.method == "lagrange":
        assert np.abs(speed - 1000.0 * circle(times_s)[1]).max() < 1.05 * bound_m * TURN + 1e-10


@given(st.integers(1, 9), st.lists(st.floats(1.0, 100.0), min_size=12, max_size=20), st.integers(0, 2**32 - 1))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_polynomial_of_the_degree_is_met_exactly_on_any_grid(degree, steps_s, seed):
    nodes_s = np.cumsum(steps_s)
    scale_s = nodes_s[-1]
    numbers = np.random.default_rng(seed)
    curve = np.polynomial.Polynomial(numbers.uniform(-1.0, 1.0, degree + 1))
    wanted = [Interpolation("lagrange", degree)] + [Interpolation("hermite", degree)] * (degree % 2 and degree > 1)
    times_s = np.append(numbers.uniform(nodes_s[0], nodes_s[-1], 30), nodes_s)
    positions = np.repeat(curve(nodes_s / scale_s)[:, np.newaxis], 3, axis=1)
    velocities = np.repeat(curve.deriv()(nodes_s / scale_s)[:, np.newaxis] / scale_s, 3, axis=1)
    for rule in wanted:
        found, speed = interpolate(rule, nodes_s, positions, velocities, times_s)
        assert np.abs(found[:, 0] - curve(times_s / scale_s)).max() < 1e-7
        assert np.abs(speed[:, 0] * scale_s - curve.deriv()(times_s / scale_s)).max() < 1e-4


def test_every_form_and_unit_gives_the_same_orbit():
    times_s = np.arange(0.0, 1201.0, 60.0)
    asked_s = np.arange(0.0, 1200.5, 7.5)
    for text in (oem(), xml(oem()), stk(times_s), stk(times_s, "Meters"), stk(times_s, "Meters", velocities=False),
                 stk(times_s, InterpolationMethod="Hermite", InterpolationSamplesM1="3")):  # fmt: skip
        assert off_m(one(text), asked_s) < millimetre
    assert [one(oem()).name, one(stk(times_s)).name] == ["CIRCLE", "file"]


@pytest.mark.parametrize("system", SYSTEMS_AHEAD_S)
def test_time_systems_count_from_the_right_second(system):
    lines = rows(np.arange(0.0, 1201.0, 60.0), SYSTEMS_AHEAD_S[system])
    assert off_m(one(oem(lines, TIME_SYSTEM=system)), np.arange(0.0, 1200.0, 33.0)) < millimetre


def test_instants_agree_with_skyfield_in_every_time_system():
    ts = load.timescale(builtin=True)
    text = "2021-03-04T05:06:07.125"
    for system, time in (("TT", ts.tt), ("TDB", ts.tdb), ("TAI", ts.tai), ("UTC", ts.utc)):
        wanted = time(2021, 3, 4, 5, 6, 7.125)
        epoch = Epoch("2021-03-04T05:00:00Z")
        found = epoch.skyfield(seconds_between(instant_of(epoch), ccsds_instant(text, system)))
        assert abs((found - wanted) * 86_400.0) < 2e-6, system


def test_days_of_the_year_leap_seconds_and_text_back():
    assert ccsds_instant("2020-153T12:00:00", "UTC") == ccsds_instant("2020-06-01T12:00:00.0Z", "UTC")
    before, leap, after = (
        ccsds_instant(text, "UTC") for text in ("2016-12-31T23:59:59", "2016-12-31T23:59:60.5", "2017-01-01T00:00:00")
    )
    assert (seconds_between(before, leap), seconds_between(before, after)) == (1.5, 2.0)
    for text in ("2016-12-31T23:59:60.500000", "2017-01-01T00:00:00.000000", "2020-06-01T12:00:00.123456789"):
        assert utc_text(ccsds_instant(text, "UTC")) == text
    for bad in ("2020-06-01T23:59:60", "2020-13-01T00:00:00", "2020-000T00:00:00", "2020-06-01", "1 Jun 2020"):
        with pytest.raises(NodeError):
            ccsds_instant(bad, "UTC")


@pytest.mark.parametrize("name", ["ICRF", "GCRF", "EME2000", "ITRF2014", "ITRF-97", "EFG", "TEME"])
def test_frames_are_turned_as_by_skyfield(name):
    """Each frame's state, turned into GCRS by Skyfield alone, is the orbit's TEME state turned into GCRS by it."""
    orbit, epoch, t_s = one(oem(REF_FRAME=name)), Epoch(NOON), 600.0
    time = epoch.skyfield(t_s)
    (position,), (velocity,) = (1000.0 * each for each in circle(np.array([t_s])))
    (teme,), (teme_speed,) = orbit.states(epoch, [t_s])
    to_gcrs = {"TEME": TEME.rotation_at(time).T, "E": itrs.rotation_at(time).T, "I": np.eye(3)}
    if name.startswith(("ITRF", "EFG")):
        turn, velocity = to_gcrs["E"], velocity + np.cross([0.0, 0.0, 7.292115e-5], position)
    else:
        turn = to_gcrs.get(name, to_gcrs["I"])
    tolerance = 1.0 if name == "EME2000" else millimetre  # its bias, 0.02 arcsec, is 0.8 m here
    assert np.abs(to_gcrs["TEME"] @ teme - turn @ position).max() < tolerance
    assert np.abs(to_gcrs["TEME"] @ teme_speed - turn @ velocity).max() < tolerance
    if name == "EME2000":
        assert np.abs(to_gcrs["TEME"] @ teme - position).max() > 0.1


def test_segments_are_never_joined_and_the_later_one_counts():
    early, late = oem(), oem([line.replace("e", "E") for line in rows(np.arange(1200.0, 2401.0, 60.0))])
    jump = late.replace("REF_FRAME = TEME", "REF_FRAME = EFG").partition("META_START")[2]
    orbit = one(early + "META_START" + jump)
    assert off_m(orbit, np.array([0.0, 1140.0, 1199.9])) < millimetre
    assert off_m(orbit, np.array([1200.0])) > 1e5  # the later segment's state, which is in another frame
    text = early + "META_START" + oem(rows(np.arange(1260.0, 2401.0, 60.0))).partition("META_START")[2]
    with pytest.raises(EphemerisError, match="12:20:30"):
        one(text).states(Epoch(NOON), [1230.0])
    overlap = early + "META_START" + oem(rows(np.arange(1140.0, 2401.0, 60.0))).partition("META_START")[2]
    assert "begins 60 s before" in refused(overlap)


def test_useable_times_bound_what_can_be_asked_for_but_not_the_window():
    orbit = one(oem(USEABLE_START_TIME="2020-06-01T12:05:00", USEABLE_STOP_TIME="2020-06-01T12:15:00"))
    assert orbit.span_s(Epoch(NOON)) == (300.0, 900.0)
    assert off_m(orbit, np.array([300.0, 330.0, 900.0])) < millimetre
    with pytest.raises(EphemerisError, match="12:05:00"):
        orbit.states(Epoch(NOON), [299.0])


def test_what_is_passed_over_is_said():
    covariance = "COVARIANCE_START\nEPOCH = 2020-06-01T12:00:00\n1.0\n1.0 2.0\nCOVARIANCE_STOP\n"
    assert one(oem() + covariance).notes == ("covariances are passed over",)
    wide = [line + " 0.0 0.0 0.0" for line in rows(np.arange(0.0, 1201.0, 60.0))]
    assert one(oem(wide)).notes == ("accelerations are passed over",)
    assumed = one(oem(INTERPOLATION=None, INTERPOLATION_DEGREE=None), Interpolation("hermite", 3))
    assert assumed.notes == ("no interpolation stated: HERMITE of degree 3 is assumed [guess]",)


def test_a_state_off_its_neighbours_line_is_said():
    lines = rows(np.arange(0.0, 1201.0, 60.0))
    epoch, x, *rest = lines[9].split()
    lines[9] = " ".join((epoch, f"{float(x) + 0.5:.12e}", *rest))  # 500 m: too little to be refused
    (note,) = one(oem(lines)).notes
    assert "line 24" in note
    assert abs(float(note.partition("by ")[2].split()[0]) - 500.0) < 10.0  # cubic Hermite over 120 s errs by 5.4 m


STATES = rows(np.arange(0.0, 1201.0, 60.0))
BAD_OEM = {
    "mixed time systems": (oem() + "META_START" + oem(TIME_SYSTEM="TAI").partition("META_START")[2], "mixes the time"),
    "no interpolation": (oem(INTERPOLATION=None, INTERPOLATION_DEGREE=None), "INTERPOLATION = HERMITE"),
    "no degree": (oem(INTERPOLATION_DEGREE=None), "INTERPOLATION_DEGREE"),
    "an even Hermite degree": (oem(INTERPOLATION_DEGREE="6"), "2n - 1"),
    "too high a degree": (oem(INTERPOLATION_DEGREE="99"), "3 to 15"),
    "another method": (oem(INTERPOLATION="PROPAGATE"), "PROPAGATE"),
    "too few states": (oem(STATES[:3]), "needs 4 states"),
    "backwards": (oem([*STATES[:5], STATES[3], *STATES[5:]]), "line 20: lies 60 s before line 19"),
    "a duplicate epoch": (oem([*STATES[:5], STATES[4], *STATES[5:]]), "line 20: repeats the epoch of line 19"),
    "another frame": (oem(REF_FRAME="MOON_ME"), "MOON_ME"),
    "a frozen frame": (oem(REF_FRAME_EPOCH="2000-01-01T12:00:00"), "REF_FRAME_EPOCH"),
    "another time system": (oem(TIME_SYSTEM="SCLK"), "SCLK"),
    "another centre": (oem(CENTER_NAME="MARS"), "MARS"),
    "states that end early": (oem(STOP_TIME="2020-06-01T12:30:00"), "was the file cut"),
    "a keyword twice": (oem().replace("REF_FRAME = TEME", "REF_FRAME = TEME\nREF_FRAME = ICRF"), "twice"),
    "an unknown keyword": (oem().replace("REF_FRAME", "REF_FRAM"), "REF_FRAM"),
    "no number": (oem([STATES[0].replace("e+03", "x+03"), *STATES[1:]]), "is no number"),
    "not a number": (oem([" ".join((*STATES[0].split()[:6], "nan")), *STATES[1:]]), "'nan' is no number"),
    "a number left out": (oem([STATES[0].rsplit(" ", 1)[0], *STATES[1:]]), "5 numbers"),
    "another version": (oem().replace("VERS = 2.0", "VERS = 9.0"), "CCSDS_OEM_VERS"),
    "no line end": (oem()[:-1], "cut"),
    "XML in metres": (xml(oem()).replace('units="km"', 'units="m"', 1), "units 'm'"),
    "an entity": (xml(oem()).replace("<oem", '<!DOCTYPE oem [<!ENTITY a "b">]><oem', 1), "document type"),
    "deep XML": ("<oem version='2.0'>" + "<a>" * 100_000, "16 levels"),
    "a long value": ("<oem version='2.0'><header>" + "a" * 2_000_000, "1000 characters"),
    "a state without Z": (xml(oem()).replace("<Z ", "<W ").replace("</Z>", "</W>"), "without Z"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_OEM)
def test_what_an_oem_cannot_be_is_refused_by_name(case):
    text, said = BAD_OEM[case]
    assert said in refused(text)


@pytest.mark.parametrize(("factor", "axes"), [(1000.0, slice(0, 6)), (1000.0, slice(3, 6)), (0.001, slice(0, 6))])
def test_other_units_than_stated_are_seen(factor, axes):
    lines = []
    for line in STATES:
        epoch, *numbers = line.split()
        values = np.array(numbers, np.float64)
        values[axes] *= factor
        lines.append(f"{epoch} {' '.join(f'{number:.12e}' for number in values)}")
    assert "unit" in refused(oem(lines))


TIMES = np.arange(0.0, 1201.0, 60.0)
BAD_STK = {
    "another unit": (stk(TIMES, "NauticalMiles"), "NauticalMiles"),
    "metres said of kilometres": (stk(TIMES).replace("Kilometers", "Meters"), "kilometres or metres"),
    "no interpolation": (stk(TIMES, InterpolationMethod=None, InterpolationSamplesM1=None), "InterpolationMethod"),
    "another frame": (stk(TIMES, CoordinateSystem="B1950"), "B1950"),
    "no frame": (stk(TIMES, CoordinateSystem=None), "CoordinateSystem"),
    "another centre": (stk(TIMES, CentralBody="Moon"), "Moon"),
    "another epoch": (stk(TIMES, ScenarioEpoch="2459002.0"), "1 Jun 2020 12:00:00.000"),
    "another count": (stk(TIMES, NumberOfEphemerisPoints="22"), "there are 21"),
    "another table": (stk(TIMES).replace("EphemerisTimePosVel", "EphemerisLLATimePos"), "EphemerisLLATimePos"),
    "Hermite of positions": (stk(TIMES, velocities=False, InterpolationMethod="Hermite"), "velocities"),
    "a point twice": (stk(np.sort(np.append(TIMES, 60.0))), "repeats the epoch"),
    "cut": (stk(TIMES)[:-15], "END Ephemeris"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_STK)
def test_what_an_stk_file_cannot_be_is_refused_by_name(case):
    text, said = BAD_STK[case]
    assert said in refused(text)


def test_stk_segment_boundaries_part_the_table():
    times_s = np.sort(np.append(np.arange(0.0, 2401.0, 60.0), 1200.0))
    text = stk(times_s).replace(
        "EphemerisTime", "BEGIN SegmentBoundaryTimes\n1200.0\nEND SegmentBoundaryTimes\nEphemerisTime"
    )
    orbit = one(text)
    assert [len(segment.times_s) for segment in orbit.segments] == [21, 21]
    assert off_m(orbit, np.arange(0.0, 2400.0, 31.0)) < millimetre


@pytest.mark.parametrize("form", [oem(STATES[:5]), xml(oem(STATES[:5])), stk(TIMES[:9])], ids=["kvn", "xml", "stk"])
def test_a_file_cut_anywhere_is_refused(form):
    text = form.rstrip("\n") + "\n"
    accepted = []
    for length in range(len(text) - 1):
        try:
            parse(text[:length], "here", "file")
        except NodeError:
            continue
        accepted.append(length)
    assert accepted == []


@given(st.sampled_from([oem(), xml(oem()), stk(TIMES)]), st.integers(0, 10**9), st.integers(0, 7))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_flipped_bit_is_refused_or_leaves_an_orbit_near_by(text, place, bit):
    data = bytearray(text.encode())
    data[place % len(data)] ^= 1 << bit
    try:
        orbits = parse(data.decode("utf-8", "surrogateescape"), "here", "file")
    except NodeError:
        return
    for orbit in orbits:
        for segment in orbit.segments:
            assert np.isfinite(segment.positions).all()
            assert (np.diff(segment.times_s) > 0.0).all()


def test_a_scenario_outside_of_the_span_is_refused_with_the_span():
    for epoch, duration_s in ((NOON, 1201.0), ("2020-06-01T11:59:00Z", 600.0), ("2021-01-01T00:00:00Z", 60.0)):
        with pytest.raises(EphemerisError, match=r"CIRCLE covers 2020-06-01T12:00:00.000Z to 2020-06-01T12:20:00.000Z"):
            fly([one(oem())], Epoch(epoch), duration_s, 60.0)
    flown = fly([one(oem())], Epoch(NOON), 1200.0, 60.0)
    assert (flown.start_s, flown.stop_s) == (0.0, 1200.0)
    assert np.abs(flown.states([700.0])[0][0] - 1000.0 * circle(np.array([700.0]))[0]).max() < 0.03  # hermite, 10 s


def test_two_of_one_name_and_none_are_refused():
    for orbits, said in (([one(oem())] * 2, "CIRCLE"), ([], "no satellites")):
        with pytest.raises(EphemerisError, match=said):
            fly(orbits, Epoch(NOON), 600.0, 60.0)


def flown_by_sgp4() -> tuple[Ephemeris, Epoch]:
    epoch = Epoch("2025-10-03T16:00:00Z")
    return Ephemeris.propagate(walker_delta(3, 1, 0, 500e3, 97.4, epoch.utc), epoch, 3600.0), epoch


@pytest.mark.parametrize("form", ["kvn", "xml"])
@pytest.mark.parametrize(
    ("frame", "within_m"), [("TEME", micrometre), ("ICRF", millimetre), ("EME2000", millimetre), ("ITRF", 0.1)]
)
def test_what_is_written_flies_the_same_orbits(tmp_path, form, frame, within_m):
    ephemeris, epoch = flown_by_sgp4()
    folder = tmp_path / "three"
    states = write_oem(folder, tabulate(ephemeris, epoch, frame=frame), created="2025-10-03T16:00:00", form=form)
    assert states == 3 * len(ephemeris.grid_s)
    assert is_ephemeris(folder)
    again = fly(read(folder), epoch, 3600.0, 60.0)
    times_s = np.arange(0.0, 3600.0, 11.0)
    assert again.names == ephemeris.names
    assert np.abs(again.states(times_s)[0] - ephemeris.states(times_s)[0]).max() < within_m
    grid = ephemeris.grid_s[1:-1]
    exact = [orbit.states(epoch, grid)[0] for orbit in read(folder)]
    assert np.abs(np.array(exact) - ephemeris.states(grid)[0]).max() < micrometre


def test_names_lead_nowhere_and_nothing_is_half_written(tmp_path):
    ephemeris, epoch = flown_by_sgp4()
    orbits = tabulate(ephemeris, epoch)
    names = ["../../up", "a\nMETA_START", "."]
    evil = [TabulatedOrbit(name, "", "", o.zero, o.segments) for name, o in zip(names, orbits, strict=True)]
    write_oem(tmp_path / "in", evil, created="2025-10-03T16:00:00")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "0001-up.oem",
        "0002-a-META_START.oem",
        "0003-satellite.oem",
        "in",
    ]
    assert [orbit.name for orbit in read(tmp_path / "in")] == ["../../up", "a META_START", "."]
    with pytest.raises(EphemerisError, match="is there already"):
        write_oem(tmp_path / "in", orbits, created="2025-10-03T16:00:00")
    with pytest.raises(OSError, match=r"(?i)no such"):
        write_oem(tmp_path / "not" / "there.oem", orbits[:1], created="2025-10-03T16:00:00")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("count", [1, 3])
def test_files_of_others_beside_it_are_left_alone(tmp_path, count):
    ephemeris, epoch = flown_by_sgp4()
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "thesis.txt").write_text("mine")
    write_oem(tmp_path / "out", tabulate(ephemeris, epoch)[:count], created="2025-10-03T16:00:00")
    assert (tmp_path / ".out.partial" / "thesis.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.partial", "out"]


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "x.oem").write_bytes(b"CCSDS_OEM_VERS = \xff\xfe")
    (tmp_path / "empty").mkdir()
    for name in ("x.oem", "empty", "nothing.oem"):
        with pytest.raises(EphemerisError, match=name):
            read(tmp_path / name)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_the_real_file_is_interpolated_as_by_the_oem_package():
    package = pytest.importorskip("oem", reason="the oem package is not installed")
    time = pytest.importorskip("astropy.time")
    truth, (orbit,) = package.OrbitEphemerisMessage.open(LEO), read(LEO)
    (segment,) = orbit.segments
    times_s = np.append(np.arange(1.0, 3600.0, 97.0), (0.0, 60.0, 3599.5))
    positions, velocities = interpolate(segment.rule, segment.times_s, segment.positions, segment.velocities, times_s)
    start = time.Time("2020-06-01T12:00:00", scale="utc")
    for t_s, position, velocity in zip(times_s, positions, velocities, strict=True):
        state = truth(start + time.TimeDelta(t_s, format="sec"))
        assert np.abs(position - 1000.0 * state.position).max() < micrometre
        assert np.abs(velocity - 1000.0 * state.velocity).max() < micrometre


def test_the_oem_package_reads_what_is_written(tmp_path):
    package = pytest.importorskip("oem", reason="the oem package is not installed")
    ephemeris, epoch = flown_by_sgp4()
    orbits = tabulate(ephemeris, epoch, frame="ICRF", note="synthetic: SGP4")
    for form in ("kvn", "xml"):
        write_oem(tmp_path / form, orbits[:1], created="2025-10-03T16:00:00", form=form)
        (segment,) = package.OrbitEphemerisMessage.open(tmp_path / form).segments
        assert segment.metadata["INTERPOLATION_DEGREE"] == 3
        ours = orbits[0].segments[0]
        assert np.abs(1000.0 * np.array([s.position for s in segment]) - ours.positions).max() < micrometre
        assert np.abs(1000.0 * np.array([s.velocity for s in segment]) - ours.velocities).max() < micrometre


@pytest.mark.parametrize("ask", [read, digest])
def test_a_folder_of_too_many_too_much_or_nothing_is_refused_before_any_is_read(tmp_path, ask):
    with pytest.raises(EphemerisError, match=r"0 files of \.oem, \.xml, \.e; must be 1 to 5000"):
        ask(tmp_path)
    for number in range(63):
        with (tmp_path / f"{number:02d}.oem").open("wb") as file:
            file.truncate(64_000_000)  # a hole: nothing lies on the disk
    with pytest.raises(EphemerisError, match=r"63 ephemerides of 4032000000 bytes together; at most 4000000000"):
        ask(tmp_path)
    for number in range(5001):
        (tmp_path / f"{number:04d}.e").touch()
    with pytest.raises(EphemerisError, match=r"5064 files of .*; must be 1 to 5000"):
        ask(tmp_path)


def declared(encoding: str, text: str) -> bytes:
    """An XML document in an encoding that it declares, as an editor of another platform saves it."""
    return text.replace('version="1.0"', f'version="1.0" encoding="{encoding}"', 1).encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "ISO-8859-1", "windows-1252", "utf-8-sig"])
def test_xml_may_be_in_the_encoding_that_it_declares(tmp_path, encoding):
    text = xml(oem(OBJECT_NAME="MÜNCHEN"))
    (tmp_path / "a.xml").write_bytes(declared(encoding, text))
    assert is_ephemeris(tmp_path / "a.xml")
    (made,) = read(tmp_path / "a.xml")
    assert made.name == "MÜNCHEN"
    assert np.array_equal(made.segments[0].positions, parse(text, "here", "a")[0].segments[0].positions)


def test_another_encoding_than_declared_is_named(tmp_path):
    text = xml(oem(OBJECT_NAME="MÜNCHEN"))
    (tmp_path / "a.xml").write_bytes(text.encode("latin-1"))
    with pytest.raises(EphemerisError, match=r"a\.xml: no UTF-8 text: byte \d+ is 0xdc"):
        read(tmp_path / "a.xml")
    (tmp_path / "b.xml").write_bytes(text.replace('"1.0"?', '"1.0" encoding="ISO-8859-99"?', 1).encode())
    with pytest.raises(EphemerisError, match="unknown encoding: ISO-8859-99; write it as UTF-8"):
        read(tmp_path / "b.xml")


def combined(*messages: str) -> str:
    return "<ndm>\n" + "".join(each.replace('<?xml version="1.0"?>', "") for each in messages) + "</ndm>\n"


AEM = '<aem id="CCSDS_AEM_VERS" version="1.0"><body><segment><metadata><OBJECT_NAME>CIRCLE</OBJECT_NAME></metadata>'
AEM += "<data><attitudeState><Q1>0</Q1></attitudeState></data></segment></body></aem>\n"


@pytest.mark.parametrize("many", [1, 60])
def test_a_combined_message_is_an_ephemeris_wherever_it_stands_in_it(tmp_path, many):
    (tmp_path / "a.xml").write_text(combined(*[AEM] * many, xml(oem()), AEM))
    assert is_ephemeris(tmp_path / "a.xml")
    (made,) = read(tmp_path / "a.xml")
    assert (made.name, len(made.segments), len(made.segments[0].times_s)) == ("CIRCLE", 1, 21)
    assert "the AEM beside it is passed over" in made.notes


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("other", ["omm", "opm"])
def test_two_kinds_of_orbit_in_one_message_are_refused(tmp_path, before, other):
    state = "<stateVector><EPOCH>2020-06-01T12:21:00</EPOCH></stateVector>"
    said = f"<{other}><body><segment><metadata/><data>{state}{'<A/>' * 2000}</data></segment></body></{other}>"
    (tmp_path / "a.xml").write_text(combined(*((said, xml(oem())) if before else (xml(oem()), said))))
    assert is_ephemeris(tmp_path / "a.xml")
    with pytest.raises(EphemerisError, match=f"holds <{other}> beside or before <oem>, and the two are diff"):
        read(tmp_path / "a.xml")
