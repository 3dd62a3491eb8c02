"""Figures for people: in the unit of their name, and never alike where they differ."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.cells import cell, cells, instant


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("response_s.p50", 2028.0, "33.8 min"),
        ("downlink_bytes", 184_000_000_000, "184 GB"),
        ("span_s", 16 * 86400.0, "16 d"),
        ("laser.bits_per_s", 1e10, "10 Gbit/s"),
        ("deadline_miss_ratio", 0.5, "50 %"),
        ("energy.radio_j", 1500.0, "1.5 kJ"),
        ("joules_per_inference", 0.000309, "0.309 mJ"),
        ("tasks.captured", 38657, "38,657"),
        ("duration_s", 0.0, "0 s"),
        ("elements[3].norad_id", 63521, "63521"),
        ("scenario.seed", 20251003, "20251003"),
        ("seed", 20251003, "20251003"),
        ("digest", "a" * 64, "a" * 47 + "\u2026"),
        ("energy_j", None, "-"),
        ("batch_across", True, "True"),
    ],
)
def test_a_figure_is_told_in_the_unit_of_its_name(field: str, value: Any, told: str) -> None:
    assert cell(field, value) == told


def test_an_instant_keeps_its_milliseconds() -> None:
    assert instant(12345.6789) == "12,345.679 s"


@settings(derandomize=True, deadline=None)
@given(
    st.sampled_from(["response_s", "raw_bytes", "energy_j", "utilisation", "count"]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_differs_never_looks_alike(field: str, left: float, right: float) -> None:
    told = cells(field, left, right)
    assert (told[0] == told[1]) == (left == right)


@pytest.mark.parametrize(
    ("field", "left", "right", "told"),
    [
        ("response_s.mean", 2468.2646485, 2468.2701983, ("2,468.26 s", "2,468.27 s")),
        ("energy_j", 170487.30781, 170487.34533, ("170,487.31 J", "170,487.35 J")),
        ("inferences_per_s", 0.12345678, 0.12345679, ("0.12345678", "0.12345679")),
        ("ops", 10**17, 10**17 + 1, ("100,000,000,000,000,000 op", "100,000,000,000,000,001 op")),
    ],
)
def test_figures_that_differ_by_little_have_a_unit_and_no_more_digits_than_that_takes(
    field: str, left: float, right: float, told: tuple[str, str]
) -> None:
    assert cells(field, left, right) == told
