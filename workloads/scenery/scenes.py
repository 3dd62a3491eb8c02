"""Synthetic satellite tiles with ground truth: land, water and cloud in four bands, the same from the same seed.

Everything here is SYNTHETIC: fractal fields lit by simple optics, no pixel was ever seen from orbit. It gives
inference something real to decide on, and an exact truth to score the decision against.
Rules: no file, no clock; tile `i` of a bank draws only from its own stream, so a larger bank keeps its first tiles.
Reflectances are rounded to 12 bits, as an imager's are, so the last bits of a host's sines do not matter.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.errors import WorkloadError

Bands = NDArray[np.float32]
Mask = NDArray[np.uint8]
Field = NDArray[np.float64]

BANDS = ("blue", "green", "red", "near-infrared")
TILE_PX = 128
LAND, WATER, CLOUD = 0, 1, 2

# Mean cloud fraction over land: about 55 %. King et al. 2013, IEEE TGRS 51(7) 3826, MODIS, 2000-2012
MEAN_CLOUD_FRACTION = 0.55
# Sum of the two Beta parameters; below 2 is U-shaped: most small tiles are all clear or all cloud [guess]
COVER_CONCENTRATION = 0.6
# Optical depth from which a pixel is truly cloud. Ackerman et al. 2008, JTECH 25(7) 1073: MODIS's detection limit
CLOUD_OPTICAL_DEPTH = 0.4
# Asymmetry of scattering by cloud droplets at visible wavelengths. Bohren 1987, Am. J. Phys. 55(6) 524
ASYMMETRY = 0.85
# Thickest cloud drawn. Rossow and Schiffer 1999, BAMS 80(11) 2261: deep convection lies above 23 [guess: 60]
MAX_OPTICAL_DEPTH = 60.0
# Rayleigh optical depth at 490, 560, 665, 842 nm: Hansen and Travis 1974, eq. 2.30
RAYLEIGH_DEPTH = np.array([0.1560, 0.0904, 0.0450, 0.0173])
# Noise of a pixel, standard deviation of reflectance: signal-to-noise about 150 at 0.3 [guess]
NOISE_REFLECTANCE = 0.002
# Steps of reflectance: 12 bits over 0 to 1.6, the radiometric resolution of Sentinel-2's imager (ESA user handbook)
LEVELS_PER_REFLECTANCE = 4095 / 1.6

# Reflectance of surfaces in the four bands, rounded from the USGS spectral library (Kokaly et al. 2017) [guess]
SURFACES = {
    "forest": (0.03, 0.06, 0.04, 0.40),
    "crops": (0.05, 0.09, 0.07, 0.48),
    "soil": (0.09, 0.13, 0.18, 0.28),
    "sand": (0.15, 0.24, 0.34, 0.43),
    "bright sand": (0.24, 0.36, 0.47, 0.55),
    "roofs": (0.17, 0.18, 0.19, 0.24),
    "fresh snow": (0.92, 0.92, 0.90, 0.80),
    "old snow": (0.72, 0.74, 0.71, 0.56),
    "clear water": (0.05, 0.035, 0.015, 0.005),
    "silty water": (0.08, 0.11, 0.10, 0.04),
}
# What a tile's land is made of, two surfaces mixed, and how often. Snow is the confuser: bright as cloud [guess]
LANDSCAPES = (
    ("forest", "crops", 0.30),
    ("crops", "soil", 0.20),
    ("crops", "roofs", 0.10),
    ("sand", "bright sand", 0.15),
    ("soil", "sand", 0.10),
    ("forest", "old snow", 0.07),
    ("old snow", "fresh snow", 0.08),
)
WATER_SHARE = 0.35  # of tiles have some water [guess]
GLINT_SHARE = 0.2  # of tiles with water mirror the Sun [guess]


@dataclass(frozen=True)
class Tile:
    """One synthetic tile: `bands` (4, n, n) float32 reflectance in the order of `BANDS`; `mask` (n, n) uint8 truth.

    The mask holds LAND, WATER or CLOUD; a pixel is CLOUD where the optical depth is CLOUD_OPTICAL_DEPTH or more.
    """

    bands: Bands
    mask: Mask

    @property
    def cloud_fraction(self) -> float:
        """Share of the pixels that truly are cloud, 0..1."""
        return float(np.mean(self.mask == CLOUD))

    @property
    def sha256(self) -> str:
        """Of the reflectances' bytes, little-endian: the tile's content, whatever its number."""
        return hashlib.sha256(np.ascontiguousarray(self.bands, dtype="<f4").tobytes()).hexdigest()


@dataclass(frozen=True)
class Surface:
    """The ground of a tile before light and cloud: reflectance (4, n, n), where water is (n, n), its two materials."""

    reflectance: Field
    water: NDArray[np.bool_]
    landscape: tuple[str, str]


class TileBank:
    """`count` distinct tiles, made when asked for and not kept: one costs milliseconds, all of them megabytes.

    Raises WorkloadError for a count, seed or size that cannot be, or a tile that is not in the bank.
    """

    def __init__(self, count: int = 256, seed: int = 0, size_px: int = TILE_PX) -> None:
        _require("tile count", count, 1, 1_000_000)
        _require("tile seed", seed, 0, 2**63 - 1)
        _require("tile size_px", size_px, 16, 4096)
        self.count, self.seed, self.size_px = count, seed, size_px

    def __len__(self) -> int:
        return self.count

    def tile(self, index: int) -> Tile:
        """The tile `index`, 0 to count - 1; the same for the same bank, whatever was asked before."""
        if not 0 <= index < self.count:
            raise WorkloadError(f"tile {index} is not in a bank of {self.count}: take 0 to {self.count - 1}")
        return synthesise(np.random.Generator(np.random.PCG64([self.seed, index])), self.size_px)


def _require(what: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise WorkloadError(f"{what} is {value!r}: give a whole number from {least} to {most}")


def synthesise(rng: np.random.Generator, size_px: int = TILE_PX) -> Tile:
    """One tile of `size_px` squared from `rng`: a surface, a cloud layer over it, the light that comes up.

    The light is that of one conservative cloud layer over a diffuse surface (adding method), plus Rayleigh path.
    """
    sun_cosine = float(np.cos(np.radians(rng.uniform(15.0, 65.0))))
    ground = surface(rng, size_px)
    cover = float(rng.beta(COVER_CONCENTRATION * MEAN_CLOUD_FRACTION, COVER_CONCENTRATION * (1 - MEAN_CLOUD_FRACTION)))
    depth = optical_depth(rng, size_px, cover)
    return look(rng, ground.reflectance, ground.water, depth, sun_cosine)


def look(
    rng: np.random.Generator, reflectance: Field, water: NDArray[np.bool_], depth: Field, sun_cosine: float
) -> Tile:
    """What the imager sees of a surface, (4, n, n) and (n, n), under cloud of optical `depth` (n, n), and its truth."""
    size_px = depth.shape[0]
    albedo = _cloud_albedo(depth, sun_cosine)
    shift = rng.integers(-size_px // 8, size_px // 8 + 1, size=2)
    lit = reflectance * (1 - 0.8 * np.roll(albedo, tuple(shift), axis=(0, 1)))  # shadow; 0.2 is skylight [guess]
    seen = albedo + (1 - albedo) ** 2 * lit / (1 - albedo * lit)
    path = RAYLEIGH_DEPTH[:, None, None] / (4 * sun_cosine) * (1 - albedo)  # single scattering, nadir view
    bands = seen + path + rng.normal(0.0, NOISE_REFLECTANCE, reflectance.shape)
    counts = np.rint(np.clip(bands, 0.0, 1.6) * LEVELS_PER_REFLECTANCE)
    mask = np.where(water, WATER, LAND)
    mask[depth >= CLOUD_OPTICAL_DEPTH] = CLOUD
    return Tile((counts / LEVELS_PER_REFLECTANCE).astype(np.float32), mask.astype(np.uint8))


def fractal(rng: np.random.Generator, size_px: int, slope: float) -> Field:
    """A periodic random field (n, n) of mean 0 and variance 1 whose power falls with wavenumber as k^-slope."""
    k = np.fft.fftfreq(size_px)
    power = (k[:, None] ** 2 + np.fft.rfftfreq(size_px)[None, :] ** 2) * size_px**2
    power[0, 0] = 1.0
    amplitude = power ** (-slope / 4)
    amplitude[0, 0] = 0.0
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size_px, size_px))) * amplitude, s=(size_px, size_px))
    return np.asarray(field / field.std())


def surface(rng: np.random.Generator, size_px: int = TILE_PX) -> Surface:
    """Land of two materials, and on some tiles water."""
    weights = np.array([share for *_, share in LANDSCAPES])
    first, second, _ = LANDSCAPES[int(rng.choice(len(LANDSCAPES), p=weights / weights.sum()))]
    blend = rng.uniform(0.5, 4.0) * (fractal(rng, size_px, rng.uniform(2.0, 3.2)) + rng.normal(0.0, 0.7))
    land = mix(first, second, blend) * (1 + rng.uniform(0.03, 0.15) * fractal(rng, size_px, rng.uniform(0.8, 2.2)))
    water = np.zeros((size_px, size_px), dtype=bool)
    if rng.random() < WATER_SHARE:
        height = fractal(rng, size_px, 3.0)
        water = height < np.quantile(height, rng.uniform(0.02, 1.0))
        sea = mix("clear water", "silty water", fractal(rng, size_px, 3.2) + rng.normal(0.0, 1.0))
        if rng.random() < GLINT_SHARE:
            sea = sea + rng.uniform(0.05, 0.6) * (1 + 0.25 * fractal(rng, size_px, 1.5))
        land[:, water] = sea[:, water]
    return Surface(np.clip(land, 0.0, 0.98), water, (first, second))


def mix(first: str, second: str, blend: Field) -> Field:
    """Reflectance (4, n, n) of two of `SURFACES`, from all the first to all the second as `blend` (n, n) rises."""
    share = 1 / (1 + np.exp(-blend))
    a, b = (np.array(SURFACES[name])[:, None, None] for name in (first, second))
    return np.asarray(a * (1 - share) + b * share)


def optical_depth(rng: np.random.Generator, size_px: int, cover: float) -> Field:
    """Log-normal optical depth (n, n) that is CLOUD_OPTICAL_DEPTH or more on a share `cover` of the pixels."""
    slope = rng.uniform(2.4, 3.6)  # of cloud radiance fields about 8/3 and steeper: Davis et al. 1997, JAS 54(2) 241
    contrast = rng.uniform(1.2, 4.0)  # thin veil with wide edges to compact cumulus [guess]
    field = fractal(rng, size_px, slope)
    edge = np.quantile(field, 1 - cover)
    return np.asarray(np.minimum(CLOUD_OPTICAL_DEPTH * np.exp(contrast * (field - edge)), MAX_OPTICAL_DEPTH))


def _cloud_albedo(depth: Field, sun_cosine: float) -> Field:
    """Reflectance (n, n) of a cloud that absorbs nothing (Bohren 1987, two-stream), along the Sun's slant path."""
    scaled = (1 - ASYMMETRY) * depth / (2 * sun_cosine)
    return np.asarray(scaled / (1 + scaled))
