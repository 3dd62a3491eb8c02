"""Epochs: text to seconds and back, leap seconds, the Julian date pair of SGP4, and the Earth's turn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyfield.api import load

from nodes.epoch import Epoch
from nodes.errors import NodeError

half_millisecond_s = 0.5e-3
one_milliarcsecond_deg = 1.0 / 3.6e6


def test_text_and_seconds_agree():
    epoch = Epoch("2025-10-03T16:00:00Z")
    assert epoch.iso(0.0) == "2025-10-03T16:00:00.000Z"
    assert epoch.iso(86_400.25) == "2025-10-04T16:00:00.250Z"
    assert epoch.seconds("2025-10-04T16:00:00.25Z") == 86_400.25
    assert epoch.seconds("2025-10-03 15:59") == -60.0
    assert epoch.seconds("2025-10-03T16:00:01.5+00:00") == 1.5


# IERS Bulletin C 52: "A positive leap second will be introduced at the end of December 2016. The sequence of dates of
# the UTC second markers will be: 2016 December 31, 23h 59m 59s; 2016 December 31, 23h 59m 60s; 2017 January 1, 0h 0m
# 0s"
def test_a_leap_second_counts():
    epoch = Epoch("2016-12-31T23:59:59Z")
    assert [epoch.iso(float(t)) for t in (0, 1, 2)] == [
        "2016-12-31T23:59:59.000Z",
        "2016-12-31T23:59:60.000Z",
        "2017-01-01T00:00:00.000Z",
    ]
    assert epoch.seconds("2016-12-31T23:59:60.5Z") == 1.5
    assert epoch.seconds("2017-01-01T00:00:00Z") == 2.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2057-01-01T00:00:00Z", "1957-10-04 to 2056-12-31"),
        ("1957-10-03T23:59:59Z", "1957-10-04 to 2056-12-31"),
        ("2025-02-30T00:00:00Z", "day is out of range"),
        ("2025-10-03T24:00:00Z", "hour must be in 0..23"),
        ("2025-10-03T23:59:60Z", "no leap second"),
        ("2025-10-03T16:00:00+02:00", "YYYY-MM-DDTHH:MM:SSZ"),
        ("tomorrow", "YYYY-MM-DDTHH:MM:SSZ"),
        ("", "YYYY-MM-DDTHH:MM:SSZ"),
    ],
)
def test_text_that_is_no_epoch_is_refused_with_what_would_be_right(text, says):
    with pytest.raises(NodeError, match=says) as caught:
        Epoch(text)
    assert repr(text) in str(caught.value)


def test_the_first_and_the_last_day_are_good():
    assert Epoch("1957-10-04T00:00:00Z").iso(0.0) == "1957-10-04T00:00:00.000Z"
    assert Epoch("2056-12-31T23:59:59Z").iso(0.0) == "2056-12-31T23:59:59.000Z"


def test_the_julian_date_pair_is_the_one_that_skyfield_hands_to_sgp4():
    epoch = Epoch("2016-12-31T23:59:00Z")
    times_s = np.concatenate((np.arange(0.0, 120.0, 0.75), [1e3, 1e5, 1e7]))
    time = epoch.skyfield(times_s)
    whole, fraction = epoch.jd_utc(times_s)
    # skyfield.sgp4lib.EarthSatellite._position_and_velocity_TEME_km
    assert np.array_equal(whole, time.whole)
    assert np.array_equal(fraction, time.tai_fraction - time._leap_seconds() / 86_400.0)


def test_skyfields_time_is_the_same_instant():
    utc = load.timescale(builtin=True).utc(2025, 10, 3, 16, 0, np.array([0.0, 0.125, 3600.0, 86_400.0]))
    ours = Epoch("2025-10-03T16:00:00Z").skyfield(np.array([0.0, 0.125, 3600.0, 86_400.0]))
    assert np.abs((ours - utc) * 86_400.0).max() < 1e-9


# Vallado, Fundamentals of Astrodynamics and Applications, example 3-5: 1992 August 20, 12:14 UT1 is GMST
# 152.578787810 deg
def test_gmst82_of_vallados_example():
    epoch = Epoch("1992-08-20T12:14:00Z")
    ut1_minus_utc_s = float(epoch.skyfield(0.0).dut1)
    angle_deg = np.degrees(epoch.gmst82_rad(-ut1_minus_utc_s))
    assert abs(angle_deg - 152.578787810) < one_milliarcsecond_deg


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_times_must_be_finite(bad):
    with pytest.raises(NodeError, match="finite"):
        Epoch("2025-10-03T16:00:00Z").skyfield([0.0, bad])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.floats(-1e9, 9e8))
def test_seconds_undo_iso_to_half_a_millisecond(t_s):
    epoch = Epoch("2020-01-01T00:00:00Z")
    assert abs(epoch.seconds(epoch.iso(t_s)) - t_s) <= half_millisecond_s + 1e-6
