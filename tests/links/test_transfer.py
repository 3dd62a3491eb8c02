"""What a message meets on a contact: bits and instants agree both ways."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from links.contacts import LASER, Contact, constant_contact
from links.transfer import bits_until, delay_s, finish_s

# four steps of 10 s from 100 to 140 s; delay t^3 / 1e6 + 1e-3 (t from the start), which a cubic holds exactly
KNOTS_S = [0.0, 10.0, 20.0, 30.0, 40.0]
CONTACT = Contact(
    "A", "B", LASER, 100.0, 140.0, 10.0,
    tuple(t**3 / 1e6 + 1e-3 for t in KNOTS_S), tuple(3.0 * t**2 / 1e6 for t in KNOTS_S),
    (2e-3,) * 5, (0.0,) * 5, (3e5,) * 5, (8.0, 2.0, 4.0, 1.0),
)  # fmt: skip
instant = st.floats(100.0, 140.0)
TOTAL_BITS = 150.0  # 10 s x (8 + 2 + 4 + 1) bit/s


@settings(derandomize=True, deadline=None)
@given(instant)
def test_delay_is_the_cubic_between_knots_and_constant_beyond(t_s: float) -> None:
    assert delay_s(CONTACT, True, t_s) == pytest.approx((t_s - 100.0) ** 3 / 1e6 + 1e-3, abs=1e-14)
    assert delay_s(CONTACT, False, t_s) == pytest.approx(2e-3, abs=1e-18)
    assert delay_s(CONTACT, True, 50.0) == 1e-3
    assert delay_s(CONTACT, True, 200.0) == 40.0**3 / 1e6 + 1e-3


def test_finishing_walks_the_rates() -> None:
    assert finish_s(CONTACT, 100.0, 0) == 100.0
    assert finish_s(CONTACT, 90.0, 80) == 110.0  # not before the contact starts
    assert finish_s(CONTACT, 105.0, 40 + 20 + 4) == 121.0
    assert finish_s(CONTACT, 100.0, 150) == 140.0
    assert finish_s(CONTACT, 100.0, 151) is None
    assert finish_s(CONTACT, 139.5, 1) is None
    assert finish_s(CONTACT, 140.0, 0) == 140.0
    assert finish_s(CONTACT, 141.0, 0) is None


def test_bits_until_counts_only_what_the_contact_covers() -> None:
    assert bits_until(CONTACT, 0.0, 1000.0) == TOTAL_BITS
    assert bits_until(CONTACT, 105.0, 112.0) == 40.0 + 4.0
    assert (
        bits_until(CONTACT, 120.0, 120.0) == bits_until(CONTACT, 130.0, 120.0) == bits_until(CONTACT, 150.0, 160.0) == 0
    )


@settings(derandomize=True, deadline=None)
@given(instant, st.floats(0.0, TOTAL_BITS))
def test_what_has_left_until_the_finish_is_the_message(start_s: float, bits: float) -> None:
    done_s = finish_s(CONTACT, start_s, bits)
    if done_s is None:
        assert bits_until(CONTACT, start_s, 140.0) < bits + 1e-9
    else:
        assert bits_until(CONTACT, start_s, done_s) == pytest.approx(bits, abs=1e-9)
        assert start_s <= done_s <= 140.0


@settings(derandomize=True, deadline=None)
@given(instant, instant, st.floats(0.0, TOTAL_BITS))
def test_who_starts_later_never_ends_earlier(one_s: float, two_s: float, bits: float) -> None:
    first, second = (finish_s(CONTACT, t_s, bits) for t_s in sorted((one_s, two_s)))
    if second is not None:
        assert first is not None
        assert first <= second + 1e-12


def test_a_constant_contact_is_constant() -> None:
    contact = constant_contact("1", "2", 10.0, 20.0, delay_s=1.0, bits_per_s=1000.0)
    assert delay_s(contact, True, 13.7) == delay_s(contact, False, 20.0) == 1.0
    assert bits_until(contact, 0.0, 100.0) == 10_000.0
