"""The X-band rates of Orbital Edge Computing (Denby and Lucia, ASPLOS 2020, artifact), quoted in facts.md."""

import numpy as np
import pytest

from links.radio import Downlink

one_per_mille = 1e-3


@pytest.mark.parametrize(
    ("range_m", "mbits_per_s"),
    [
        # facts.md: 142.69 Mbit/s at 500 km, 103.30 at 1,000 km; vectors.md: tolerance 0.1 %
        (500e3, 142.69),
        (1000e3, 103.30),
    ],
)
def test_rates_of_the_artifact(range_m: float, mbits_per_s: float) -> None:
    rate = Downlink(preset="x-band-oec").rate_bits_per_s(np.array([range_m]))
    assert rate[0] / 1e6 == pytest.approx(mbits_per_s, rel=one_per_mille)
