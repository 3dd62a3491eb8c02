"""Synthetic tiles: the same from the same seed, cover as the atmosphere has it, truth that belongs to the pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.scenery.scenes import BANDS, CLOUD, CLOUD_OPTICAL_DEPTH, LAND, WATER, TileBank, fractal, optical_depth

# King et al. 2013, IEEE TGRS 51(7) 3826: "cloud fraction over land ... approximately 55%"
MODIS_LAND_CLOUD_FRACTION = 0.55
three_sigma_of_400_tiles = 3 * 0.40 / 20  # the U-shaped cover's standard deviation is 0.40
one_pixel = 1 / 64**2


def test_a_tile_depends_on_nothing_but_its_bank_s_seed_and_its_number() -> None:
    small, large = TileBank(4, seed=3), TileBank(100, seed=3)
    large.tile(50)
    assert small.tile(2).sha256 == large.tile(2).sha256
    assert np.array_equal(small.tile(2).mask, large.tile(2).mask)
    assert len({TileBank(9, seed=3).tile(i).sha256 for i in range(9)}) == 9
    assert small.tile(2).sha256 != TileBank(4, seed=4).tile(2).sha256


def test_cloud_cover_is_that_over_land_and_u_shaped() -> None:
    bank = TileBank(400, seed=11, size_px=32)
    cover = np.array([bank.tile(i).cloud_fraction for i in range(400)])
    assert cover.mean() == pytest.approx(MODIS_LAND_CLOUD_FRACTION, abs=three_sigma_of_400_tiles)
    ends, middle = np.mean((cover < 0.1) | (cover > 0.9)), np.mean((cover > 0.4) & (cover < 0.6))
    assert ends > 4 * middle


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**63 - 1), size_px=st.sampled_from([16, 33, 64, 128]))
def test_every_tile_is_finite_reflectance_with_a_known_class(seed: int, size_px: int) -> None:
    tile = TileBank(1, seed, size_px).tile(0)
    assert tile.bands.shape == (len(BANDS), size_px, size_px)
    assert tile.bands.dtype == np.float32
    assert np.isfinite(tile.bands).all()
    assert tile.bands.min() >= 0
    assert tile.bands.max() <= 1.6
    assert set(np.unique(tile.mask)) <= {LAND, WATER, CLOUD}
    assert 0 <= tile.cloud_fraction <= 1


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), cover=st.floats(0, 1))
def test_optical_depth_reaches_the_threshold_on_the_share_asked_for(seed: int, cover: float) -> None:
    depth = optical_depth(np.random.Generator(np.random.PCG64(seed)), 64, cover)
    assert np.mean(depth >= CLOUD_OPTICAL_DEPTH) == pytest.approx(cover, abs=2 * one_pixel)


def test_a_fractal_field_has_the_slope_asked_for() -> None:
    fields = [fractal(np.random.Generator(np.random.PCG64(seed)), 128, 3.0) for seed in range(20)]
    power = np.mean([np.abs(np.fft.fft2(field)) ** 2 for field in fields], axis=0)
    slope = np.log(power[0, 32] / power[0, 4]) / np.log(32 / 4)
    assert slope == pytest.approx(-3.0, abs=0.6)  # 20 periodograms of one wavenumber each: +-0.5 at 3 sigma
    assert np.mean(fields[0]) == pytest.approx(0, abs=1e-12)
    assert np.std(fields[0]) == pytest.approx(1, abs=1e-12)


def test_clouds_are_brighter_than_water_in_every_band() -> None:
    bank = TileBank(60, seed=2, size_px=64)
    tiles = [bank.tile(i) for i in range(60)]
    cloud, water = (np.concatenate([t.bands[:, t.mask == kind] for t in tiles], axis=1) for kind in (CLOUD, WATER))
    assert (np.median(cloud, axis=1) > 3 * np.median(water, axis=1)).all()


@pytest.mark.parametrize(("count", "seed", "size_px"), [(0, 0, 64), (True, 0, 64), (4, -1, 64), (4, 0, 8)])
def test_a_bank_that_cannot_be_is_refused(count: int, seed: int, size_px: int) -> None:
    with pytest.raises(WorkloadError, match="give a whole number from"):
        TileBank(count, seed, size_px)


def test_a_tile_outside_the_bank_is_refused() -> None:
    for index in (-1, 4):
        with pytest.raises(WorkloadError, match=f"tile {index} is not in a bank of 4"):
            TileBank(4).tile(index)
