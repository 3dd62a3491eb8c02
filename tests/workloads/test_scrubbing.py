"""Scrubbing: what a checksum is sure to find, and what an interval costs, against closed forms and a simulation."""

import zlib
from itertools import combinations
from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.loading.opening import open_model
from workloads.models import shipped_models
from workloads.radiation.scrubbing import (
    PAGE_BYTES,
    Scrubber,
    Upkeep,
    loss_curve,
    reload_s,
    upsets_per_s,
)
from workloads.radiation.upsets import Block, Weights, chosen, draw, flipped, weights
from workloads.streams import exponentials, stream

POLYNOMIAL = 0x104C11DB7  # IEEE 802.3
HELD = weights(open_model(shipped_models()["cloud-screen"]))


def page(size_bytes: int) -> Weights:
    rng = np.random.Generator(np.random.PCG64(5))
    block = Block(name="w", layer="l", format="UINT8", elements=size_bytes, offset=0)
    return Weights(rng.integers(0, 256, size_bytes, dtype=np.uint8).tobytes(), (block,))


def test_the_checksum_tells_three_flips_in_a_page_by_its_polynomial() -> None:
    # Three flips escape where 1 + x^i + x^j is a multiple: recomputed here, Koopman's table says 91,607 bits of data
    power, seen = 1, {1: 0}
    for j in range(1, 100_000):
        power <<= 1
        power ^= POLYNOMIAL if power >> 32 else 0
        if power ^ 1 in seen:
            break
        seen[power] = j
    longest_bits = j - 32  # data and checksum together have j + 1 bits where the first such multiple fits
    assert longest_bits == 91_607
    assert longest_bits >= 8 * PAGE_BYTES
    assert zlib.crc32(b"123456789") == 0xCBF43926  # that polynomial, reflected: the check value of CRC-32/ISO-HDLC


def test_every_single_and_every_double_flip_of_a_page_is_found() -> None:
    held = page(12)
    scrubber = Scrubber(held)
    assert scrubber.scrub(held.data) == []
    bits = [(0, place // 8, place % 8) for place in range(96)]
    for flips in [*((one,) for one in bits), *combinations(bits, 2)]:
        assert scrubber.scrub(flipped(held, np.array(flips))) == [0]


@settings(derandomize=True, deadline=None, max_examples=80)
@given(seed=st.integers(0, 10**6), flips=st.integers(1, 40))
def test_the_pages_that_changed_are_found_and_no_others(seed: int, flips: int) -> None:
    drawn = draw(stream(seed, "scrub"), HELD.blocks, chosen(HELD.blocks), flips)
    scrubber = Scrubber(HELD)
    places = [HELD.blocks[number].offset + 4 * element + bit // 8 for number, element, bit in drawn.tolist()]
    hit = {n for n, (start, stop) in enumerate(scrubber.pages) for place in places if start <= place < stop}
    assert scrubber.scrub(flipped(HELD, drawn)) == sorted(hit)
    assert scrubber.size_bytes * 8 == HELD.bits
    assert all(stop - start <= PAGE_BYTES for start, stop in scrubber.pages)


def test_a_scrub_is_measured_by_the_clock_that_is_passed() -> None:
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 29.0])
    assert Scrubber(page(8)).seconds(page(8).data, lambda: next(ticks), repeats=3) == 2.0


def upkeep(rate: float = 0.01, scrub: float = 2.0, reload: float = 30.0, loss: float = 0.2) -> Upkeep:
    losses = loss_curve([(1, loss), (5, 3 * loss)])
    return Upkeep(upsets_per_s=rate, scrub_s=scrub, reload_s=reload, score=0.9, losses=losses)


def test_without_upsets_only_the_scrub_itself_costs() -> None:
    kept = upkeep(rate=0.0).at(98.0)
    assert (kept.corrupted_share, kept.down_share) == (0.0, 2.0 / 100.0)
    assert kept.score == pytest.approx(0.9 * 0.98, rel=1e-12)
    assert kept.mean_corrupted_s == 98.0 / 2 + 2.0 + 30.0


def test_the_share_of_harmed_answers_is_the_mean_of_an_exponential() -> None:
    kept = upkeep().at(250.0)
    # share of time after the first flip, of Poisson flips that are gone at each scrub: 1 - (1 - exp(-m)) / m
    assert kept.corrupted_share == pytest.approx(1 - (1 - exp(-2.5)) / 2.5, rel=1e-12)
    assert kept.down_share == pytest.approx((2 + 30 * (1 - exp(-2.5))) / (250 + 2 + 30 * (1 - exp(-2.5))), rel=1e-12)


def test_the_score_over_time_is_that_of_simulated_cycles() -> None:
    keep, interval_s, cycles = upkeep(), 120.0, 4000
    losses, flips_at = dict(keep.losses), iter(exponentials(stream(3, "cycles"), 40_000, 100.0))
    useful, passed = [], []
    for _ in range(cycles):
        now, count, sum_ = 0.0, 0, 0.0
        while now < interval_s:
            then = min(interval_s, now + next(flips_at))
            loss = float(np.interp(count, list(losses), list(losses.values())))
            sum_ += (then - now) * (0.9 - loss)
            now, count = then, count + 1
        useful.append(sum_)
        passed.append(interval_s + 2.0 + (30.0 if count > 1 else 0.0))
    simulated = sum(useful) / sum(passed)
    spread = float(np.std(useful)) / sqrt(cycles) / (sum(passed) / cycles)
    assert abs(keep.at(interval_s).score - simulated) < 5 * spread
    assert spread < 0.003


@settings(derandomize=True, deadline=None, max_examples=20)
@given(rate=st.floats(1e-9, 1e-6), scrub=st.floats(1e-4, 1e-1), loss=st.floats(0.01, 0.5))
def test_the_best_interval_is_young_s_where_flips_are_few(rate: float, scrub: float, loss: float) -> None:
    keep = upkeep(rate, scrub, 0.0, loss)
    young_s = sqrt(2 * scrub * 0.9 / (rate * loss))  # CACM 17(9) 530 (1974), accuracy in the place of lost work
    if rate * young_s > 0.02:
        return  # no longer few
    best = keep.optimum(young_s / 50, young_s * 50)
    assert best.interval_s == pytest.approx(young_s, rel=0.05)  # the search goes in steps of 2 %
    assert best.score >= keep.at(young_s * 3).score


def test_harm_is_taken_to_grow_with_the_flips_and_to_stay_beyond_the_last() -> None:
    keep = upkeep()
    assert loss_curve([(10, 0.1), (1, 0.2), (30, 0.5)]) == ((0.0, 0.0), (1.0, 0.2), (10.0, 0.2), (30.0, 0.5))
    many = [keep.mean_loss(mean) for mean in (1e-3, 0.1, 1.0, 10.0, 700.0, 1e6)]
    assert many == sorted(many)
    assert many[0] == pytest.approx(1e-3 / 2 * 0.2, rel=1e-3)  # one flip at most, there for half of the interval
    assert many[-1] == pytest.approx(0.6, rel=1e-4)


def test_what_cannot_be_is_refused() -> None:
    assert upkeep().problems() == []
    bad = Upkeep(upsets_per_s=-1.0, scrub_s=float("inf"), reload_s=float("nan"), score=0.9, losses=((1.0, 0.2),))
    assert [name for name, _ in bad.problems()] == ["upsets_per_s", "scrub_s", "reload_s", "losses"]
    for interval_s in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(WorkloadError, match="above 0 and finite"):
            upkeep().at(interval_s)
    with pytest.raises(WorkloadError, match="1 or more"):
        Scrubber(HELD, 0)


def test_rates_and_reloads_are_plain_products() -> None:
    assert upsets_per_s(4.04e-7, 32_000_000_000) * 86400 == pytest.approx(12_928)  # 4 GB of weights, a day
    assert reload_s(1_000_000_000, 0.5, 500e6) == 2.5
