"""Instants: every spelling of a zone is the same instant, digits are kept, and what is none is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.importing.instants import NS, Instants, iso_utc, utc_ns

NOON_NS = int(datetime(2024, 11, 28, 12, 0, tzinfo=UTC).timestamp()) * NS


@pytest.mark.parametrize(
    "text",
    [
        "2024-11-28T12:00:00Z", "2024-11-28 12:00:00", "2024-11-28T12:00:00.000", "2024-11-28T12:00:00+00:00",
        "2024-11-28T13:00:00+01:00", "2024-11-28T13:00:00+0100", "2024-11-28T13:00:00+01", "2024-11-28T06:30:00-05:30",
        "2024-11-28 12:00:00 UTC", "2024-11-28T12:00:00,000000000Z", " 2024-11-28T12:00:00Z ",
        "2024-11-29T00:00:00+12:00", "2024-11-28t12:00:00z", "2024-11-28T12:00:00.000000000000000Z",
    ],
)  # fmt: skip
def test_every_spelling_is_the_same_instant(text: str) -> None:
    assert utc_ns(text)[0] == NOON_NS


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_first_and_the_last_second_of_dates_come_back(text: str) -> None:
    assert iso_utc(utc_ns(text)[0]) == text


def test_seven_digits_of_a_second_are_kept() -> None:
    assert utc_ns("2023-11-16 18:17:03.9799600")[0] % NS == 979_960_000
    assert utc_ns("2023-11-16 18:17:03.0000001")[0] % NS == 100


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2024-11-28", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-11-28T24:00:01Z",
        "2024-11-28T12:00:60Z", "28.11.2024 12:00:00", "2024-11-28T12:00:00+15:00", "2024-11-28T12:00:00+01:75",
        "2024-11-28T12:00:00 CET", "٢٠٢٤-11-28T12:00:00Z", "1732795200", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(WorkloadError, match=r"no instant|no date|time zone"):
        utc_ns(text)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.datetimes(datetime(1957, 10, 5), datetime(2056, 12, 30)),
    st.integers(0, NS - 1),
    st.integers(-14 * 60, 14 * 60),
)
def test_any_instant_in_any_zone_agrees_with_the_standard_library(whole: datetime, rest_ns: int, zone_min: int) -> None:
    local = whole.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=zone_min)))
    text = local.isoformat()
    text = f"{text[:19]}.{rest_ns:09d}{text[19:]}"
    since = local - datetime(1970, 1, 1, tzinfo=UTC)
    expected_ns = (since.days * 86_400 + since.seconds) * NS + rest_ns
    assert utc_ns(text) == (expected_ns, True)
    assert utc_ns(iso_utc(expected_ns))[0] == expected_ns


def test_a_file_that_writes_its_zone_only_sometimes_is_refused() -> None:
    column = Instants()
    column.read("2024-11-28T12:00:00Z")
    column.read("2024-11-28T13:00:00+01:00")
    with pytest.raises(WorkloadError, match="names no time zone, those above do"):
        column.read("2024-11-28T12:00:00")
