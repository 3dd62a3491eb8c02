"""Random streams: the raw words are numpy's published ones, the numbers made of them are ours and exact."""

import numpy as np
import pytest
from numpy.random import PCG64, Generator
from scipy.stats import kstest

from workloads.errors import WorkloadError
from workloads.streams import choices, exponentials, stream, uniforms

COUNT = 20_000
ONE_IN_A_HUNDRED = 0.01  # Kolmogorov-Smirnov: fixed seeds, so a pass is a pass for ever


def test_raw_words_are_those_numpy_publishes() -> None:
    # numpy/random/tests/data/pcg64-testset-1.csv:
    #   seed, 0xdeadbeaf
    #   0, 0x60d24054e17a0698
    #   1, 0xd5e79d89856e4f12
    #   2, 0xd254972fe64bd782
    words = [0x60D24054E17A0698, 0xD5E79D89856E4F12, 0xD254972FE64BD782]
    expected = [int(word) // 2**11 / 2**53 for word in words]
    assert uniforms(Generator(PCG64(0xDEADBEAF)), 3).tolist() == expected


def test_uniforms_are_numpy_doubles_today() -> None:
    """numpy makes doubles from words in the same way (NEP 19 does not promise it for ever)."""
    ours, numpys = stream(7, "test"), stream(7, "test")
    assert np.array_equal(uniforms(ours, COUNT), numpys.random(COUNT))


def test_a_stream_depends_on_its_name_and_seed_alone() -> None:
    alone = uniforms(stream(1, "phase", "A"), 8).tolist()
    uniforms(stream(1, "phase", "B"), 1000)
    assert uniforms(stream(1, "phase", "A"), 8).tolist() == alone
    names = [
        (1, "phase", "A"),
        (1, "phase", "B"),
        (2, "phase", "A"),
        (1, "phas", "eA"),
        (1, "tile", "A"),
        (1, "phase", ""),
    ]
    firsts = {uniforms(stream(seed, purpose, entity), 1)[0] for seed, purpose, entity in names}
    assert len(firsts) == len(names)


def test_draws_do_not_depend_on_how_many_are_drawn_at_once() -> None:
    at_once, in_parts = stream(3, "x"), stream(3, "x")
    parts = np.concatenate([uniforms(in_parts, count) for count in (1, 5, 14)])
    assert np.array_equal(uniforms(at_once, 20), parts)


def test_distributions_are_what_they_say() -> None:
    assert kstest(uniforms(stream(0, "u"), COUNT), "uniform").pvalue > ONE_IN_A_HUNDRED
    assert kstest(exponentials(stream(0, "e"), COUNT, 3.0), "expon", args=(0, 3.0)).pvalue > ONE_IN_A_HUNDRED
    picked = np.bincount(choices(stream(0, "c"), COUNT, 10), minlength=10)
    assert len(picked) == 10
    assert np.abs(picked - COUNT / 10).max() < 4.0 * np.sqrt(COUNT * 0.1 * 0.9)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7"])
def test_a_seed_that_cannot_be_is_refused(seed: object) -> None:
    with pytest.raises(WorkloadError, match="whole number"):
        stream(seed, "x")  # type: ignore[arg-type]
