"""Named random streams: one per purpose and entity, so that a new satellite changes nobody else's draws.

A stream is PCG64 seeded by the SHA-256 of its name. numpy promises the raw words of a bit generator for ever
(NEP 19), but not what its distributions make of them, so the few that are needed are made here: uniforms by
exact products, exponentials by `math.log1p`, one draw each. Drawn before the run, never during it.
"""

import hashlib
from math import log1p

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from workloads.errors import WorkloadError

UNIFORM_BITS = 53  # the mantissa of a double (IEEE 754)


def stream(seed: int, purpose: str, entity: str = "") -> Generator:
    """The stream for one purpose (`"imaging-phase"`) and one entity (`"A"`) of a run with `seed`.

    Names are joined by a zero byte, so ("ab", "c") and ("a", "bc") differ.
    Raises WorkloadError for a seed that is not a whole number from 0 up.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise WorkloadError(f"seed {seed!r} cannot be: a seed is a whole number, 0 or more")
    name = "\0".join((str(seed), purpose, entity))
    return Generator(PCG64(SeedSequence(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big"))))


def uniforms(source: Generator, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1), (count,): the upper 53 bits of each raw word, times 2**-53; exact."""
    words = np.asarray(source.bit_generator.random_raw(count), dtype=np.uint64)
    return (words >> np.uint64(64 - UNIFORM_BITS)).astype(np.float64) * 2.0**-UNIFORM_BITS


def exponentials(source: Generator, count: int, mean: float) -> list[float]:
    """`count` exponential numbers of that mean, in its unit, by inversion of `uniforms`.

    `math.log1p` and not `numpy.log1p`: the C library's last bit does not depend on numpy's version.
    """
    return [-mean * log1p(-uniform) for uniform in uniforms(source, count).tolist()]


def choices(source: Generator, count: int, below: int) -> NDArray[np.int64]:
    """`count` whole numbers from 0 to `below` - 1, (count,), alike in probability to within `below` / 2**53."""
    return (uniforms(source, count) * below).astype(np.int64)
