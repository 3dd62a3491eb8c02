"""Finds flipped weights by checksums, and says what scrubbing costs and saves: time, accuracy, the best interval.

Rules: the CRC is the 32-bit one of IEEE 802.3 (`zlib.crc32`), over pages of 8 KiB. Its Hamming distance is 4 up to
91,607 bits of data and 3 far beyond (Koopman, "32-Bit Cyclic Redundancy Codes for Internet Applications", DSN 2002,
table 1), so in a page of 65,536 bits every one, two or three flips are found; more escape once in 2^32.
No clock here: whoever measures passes one.
"""

import zlib
from collections.abc import Callable, Sequence
from math import expm1, log

import msgspec
import numpy as np

from workloads.errors import WorkloadError
from workloads.radiation.upsets import DAY_S, Weights

PAGE_BYTES = 8192  # 65,536 bits, within the 91,607 of Hamming distance 4; 4 bytes of CRC to a page are 0.05 %
STORAGE_BYTES_PER_S = 500e6  # a satellite reads its models back at this rate: a SATA SSD's [guess]


class Scrubber:
    """Checksums of a model's weights as loaded; `scrub` tells which pages are no longer the same."""

    def __init__(self, held: Weights, page_bytes: int = PAGE_BYTES) -> None:
        if page_bytes < 1:
            raise WorkloadError(f"pages of {page_bytes} bytes cannot be: 1 or more")
        self.pages = [
            (start, min(start + page_bytes, block.offset + block.size_bytes))
            for block in held.blocks
            for start in range(block.offset, block.offset + block.size_bytes, page_bytes)
        ]
        self.size_bytes = sum(stop - start for start, stop in self.pages)
        self._sums = self._checksums(held.data)

    def scrub(self, data: bytes) -> list[int]:
        """Numbers of the pages whose checksum has changed."""
        return [number for number, found in enumerate(self._checksums(data)) if found != self._sums[number]]

    def seconds(self, data: bytes, clock: Callable[[], float], repeats: int = 5) -> float:
        """The least wall seconds of a scrub of all pages, of `repeats`."""
        taken = []
        for _ in range(repeats):
            began = clock()
            self.scrub(data)
            taken.append(clock() - began)
        return min(taken)

    def _checksums(self, data: bytes) -> list[int]:
        view = memoryview(data)
        return [zlib.crc32(view[start:stop]) for start, stop in self.pages]


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """A processor that answers for an interval, scrubs for `scrub_s`, and reloads for `reload_s` where pages changed.

    Flips come at `upsets_per_s`, at random. While it scrubs or reloads it answers nothing.
    `score` is the model's unharmed, 0..1; `losses` are (flips, mean score lost), rising from (0, 0).
    """

    upsets_per_s: float
    scrub_s: float
    reload_s: float
    score: float
    losses: tuple[tuple[float, float], ...]

    def problems(self) -> list[tuple[str, str]]:
        """Every field that cannot be."""
        found = []
        for name in ("upsets_per_s", "scrub_s", "reload_s"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                found.append((name, f"is {value}; finite and 0 or more"))
        flips = [count for count, _ in self.losses]
        if flips[:1] != [0] or flips != sorted(set(flips)):
            found.append(("losses", "must start at 0 flips and rise"))
        return found

    def at(self, interval_s: float) -> "Kept":
        """What comes of scrubbing every `interval_s` of work. Raises WorkloadError for an interval not above 0."""
        if not 0.0 < interval_s < float("inf"):
            raise WorkloadError(f"a scrub every {interval_s} s cannot be: above 0 and finite")
        mean = self.upsets_per_s * interval_s
        detected = -expm1(-mean)
        down_s = self.scrub_s + detected * self.reload_s
        cycle_s = interval_s + down_s
        clean = detected / mean if mean else 1.0  # share of the interval before its first flip, on average
        lost = self.mean_loss(mean) if mean else 0.0
        return Kept(
            interval_s=interval_s,
            corrupted_share=1.0 - clean,
            down_share=down_s / cycle_s,
            mean_corrupted_s=interval_s / 2 + self.scrub_s + self.reload_s,
            score_while_answering=self.score - lost,
            score=(self.score - lost) * interval_s / cycle_s,
        )

    def mean_loss(self, mean: float) -> float:
        """The loss averaged over an interval in which `mean` flips are expected, each there from its instant on.

        Exact for a Poisson process: k flips are there for (1/mean) P(N > k) of the interval, N those at its end.
        """
        from scipy.special import pdtrc  # P(N > k); 0.1 s that only who plans scrubs pays

        flips, losses = np.array(self.losses).T
        counts = np.arange(flips[-1])
        shares = pdtrc(counts, mean) / mean
        return float(np.interp(counts, flips, losses) @ shares + losses[-1] * max(0.0, 1.0 - shares.sum()))

    def optimum(self, least_s: float, most_s: float) -> "Kept":
        """The best of intervals from `least_s` to `most_s`, each 2 % longer than the last."""
        steps = int(log(most_s / least_s) / log(1.02)) + 1
        return max((self.at(least_s * 1.02**step) for step in range(steps + 1)), key=lambda kept: kept.score)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of one scrub interval.

    `corrupted_share` of the answers come from flipped weights, `down_share` of the time has no answers,
    `mean_corrupted_s` is from an upset until the weights are whole again, `score` counts time without answers as 0.
    """

    interval_s: float
    corrupted_share: float
    down_share: float
    mean_corrupted_s: float
    score_while_answering: float
    score: float


def upsets_per_s(per_bit_day: float, bits: int) -> float:
    """Flips a second in `bits` of memory."""
    return per_bit_day * bits / DAY_S


def reload_s(size_bytes: int, cold_start_s: float, storage_bytes_per_s: float = STORAGE_BYTES_PER_S) -> float:
    """Reading a model back from storage and making a session of it."""
    return size_bytes / storage_bytes_per_s + cold_start_s


def loss_curve(points: Sequence[tuple[int, float]]) -> tuple[tuple[float, float], ...]:
    """(flips, loss) from 0 on that never falls: more flips are taken to do no less harm than fewer."""
    curve = [(0.0, 0.0)]
    for flips, loss in sorted(points):
        if flips > 0:
            curve.append((float(flips), max(loss, curve[-1][1])))
    return tuple(curve)
