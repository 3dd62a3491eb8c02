"""How often bits of memory flip in low Earth orbit, as published: upsets for each bit and day, each with its source.

Rules: a rate belongs to a device and an orbit; between devices it spans many powers of ten, and nobody has published
that of the constellation's. What is no published figure is marked [guess].
"""

import msgspec


class UpsetRate(msgspec.Struct, frozen=True, kw_only=True):
    """Upsets per bit and day of one kind of memory; `mark` is how well it is known: press (published) or guess."""

    name: str
    per_bit_day: float
    mark: str
    source: str


RATES = (
    UpsetRate(
        name="alsat-1-peak",
        per_bit_day=1e-6,  # "one error bit in one million bits per day"
        mark="press",
        source="Bentoutou and Djaifri, NSS 2008, doi 10.1109/NSSMIC.2008.4774882: commercial memories, Alsat-1, 686 km",
    ),
    UpsetRate(
        name="alsat-1",
        per_bit_day=4.04e-7,  # over eight years; 98.6 % of them single bits
        mark="press",
        source="A review of in-orbit observations of radiation-induced effects in commercial memories onboard Alsat-1",
    ),
    UpsetRate(
        name="dram",
        per_bit_day=1e-8,  # newer DRAM cells are smaller targets: one to three powers of ten below old SRAM
        mark="guess",
        source="order of magnitude for commercial DRAM without error correction, 500 km; no flight datum behind it",
    ),
    UpsetRate(
        name="dram-ecc",
        per_bit_day=1e-11,  # what single-error correction leaves: events that flip several bits of one word
        mark="guess",
        source="the same behind single-error correction, if one upset in a thousand flips two bits of a word",
    ),
)
