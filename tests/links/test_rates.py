"""Laser terminals and radio downlinks: rates over range, presets, and every bad number named."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from links.errors import LinkError
from links.laser import LaserTerminals
from links.radio import X_BAND_1200, Downlink

range_m = st.floats(1e3, 1e7)


def test_a_laser_is_full_near_falls_with_the_square_and_ends_at_its_range() -> None:
    laser = LaserTerminals(bits_per_s=100e9, full_rate_range_m=1000e3, floor_bits_per_s=5e9, max_range_m=5000e3)
    rates = laser.rate_bits_per_s(np.array([0.0, 1000e3, 2000e3, 4500e3, 5000e3, 5001e3]))
    np.testing.assert_allclose(rates, [100e9, 100e9, 25e9, 5e9, 5e9, 0.0])


@settings(derandomize=True, deadline=None)
@given(range_m, range_m)
def test_no_link_is_faster_over_a_longer_way(a_m: float, b_m: float) -> None:
    both = np.array([min(a_m, b_m), max(a_m, b_m)])
    for link in (LaserTerminals(), Downlink(), Downlink(preset="x-band-oec")):
        near, far = link.rate_bits_per_s(both)
        assert near >= far >= 0.0


def test_the_modern_preset_is_capped_near_and_slower_far_off() -> None:
    rates = Downlink().rate_bits_per_s(np.array([500e3, 1500e3, 2000e3, 2500e3]))
    assert rates[0] == rates[1] == 1.2e9
    assert 0.8e9 < rates[3] < rates[2] < 1.2e9


def test_single_fields_of_a_preset_can_be_changed() -> None:
    assert Downlink().budget() == X_BAND_1200
    changed = Downlink(preset="x-band-oec", tx_power_w=4.0).budget()
    assert (changed.tx_power_w, changed.bandwidth_hz) == (4.0, 20e6)


def test_an_unknown_preset_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(LinkError, match="'ka-band' is unknown; it must be one of x-band-1200, x-band-oec"):
        Downlink(preset="ka-band").budget()
    assert [field for field, _ in Downlink(preset="ka-band").problems()] == ["preset"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_every_number_that_cannot_be_is_named(value: float) -> None:
    numbers = {name for name in LaserTerminals.__struct_fields__ if name != "per_satellite"}
    laser = LaserTerminals(per_satellite=-1, **dict.fromkeys(numbers, value))
    assert {field for field, _ in laser.problems()} == numbers | {"per_satellite"}
    positive = {"tx_power_w", "frequency_hz", "bandwidth_hz", "system_temperature_k", "gap_db", "max_bits_per_s"}
    downlink = Downlink(**dict.fromkeys(positive | {"power_w"}, value))
    assert {field for field, _ in downlink.problems()} == positive | {"power_w"}


def test_defaults_have_no_problems_and_unknown_fields_are_refused() -> None:
    assert LaserTerminals().problems() == Downlink().problems() == Downlink(preset="x-band-oec").problems() == []
    with pytest.raises(msgspec.ValidationError, match="unknown field `range_km`"):
        msgspec.convert({"range_km": 5.0}, LaserTerminals)


def test_a_floor_above_the_best_rate_is_named() -> None:
    problems = dict(LaserTerminals(bits_per_s=1e9, floor_bits_per_s=2e9).problems())
    assert "at most bits_per_s" in problems["floor_bits_per_s"]
