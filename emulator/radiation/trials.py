"""Flips bits in a real model's weights and measures what becomes of its answers: by number, by bit, by layer, by rate.

Rules: every figure comes from onnxruntime sessions of the flipped bytes on held-out synthetic scenes, before and
after; a model that then does not load or run has a score of 0. Each trial draws from its own stream, so more trials
keep the first. Times are measured with the clock that is passed.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from emulator.radiation.scores import Course, Scored
from workloads.errors import ModelError, WorkloadError
from workloads.loading.opening import OpenModel
from workloads.providers import open_session
from workloads.radiation.scrubbing import Kept, Scrubber, Upkeep, loss_curve, reload_s, upsets_per_s
from workloads.radiation.upset_rates import RATES, UpsetRate
from workloads.radiation.upsets import DAY_S, Weights, chosen, draw, flipped, poisson, weights
from workloads.streams import stream

MANY_FLIPS = (1, 3, 10, 30, 100, 300, 1000)  # half a decade apart
HARMLESS = 0.001  # a score that falls by less is as good as before [guess]
INTERVALS_S = (1.0, 60.0, 600.0, 5640.0, DAY_S, 7 * DAY_S)  # 5640 s: an orbit at 500 km
LEAST_S, MOST_S = 0.01, 365 * DAY_S  # between which the best interval is looked for
CURVE = 58  # points of the curve, six to a power of ten, from LEAST_S to MOST_S


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Trials of one kind: mean flips, mean and worst headline score, and shares of trials.

    `harmless` trials lose less than HARMLESS; `broken` is the mean share of scenes with NaN or infinity; `refused`
    trials did not load or run. `scores` are the means of all scores.
    """

    what: str
    flips: float
    mean: float
    worst: float
    harmless: float
    broken: float
    refused: float
    scores: dict[str, float]


class Study:
    """One model, its weights, its scenes and its score before. `say` hears of each session that was scored."""

    def __init__(self, model: OpenModel, scenes: int, seed: int, trials: int, say: Callable[[], None]) -> None:
        if trials < 1 or scenes < 1:
            raise WorkloadError(f"{trials} trials on {scenes} scenes cannot be: 1 or more of each")
        self.model, self.seed, self.trials, self.say = model, seed, trials, say
        self.weights: Weights = weights(model)
        self.course = Course(model, scenes)
        self.before: Scored = self.course.score(self.session(self.weights.data))

    def row(
        self, what: str, flips: int | None, *, bits: str = "", layer: str = "", expected: float = 0.0, title: str = ""
    ) -> Row:
        """The trials with `flips` bits turned, or, if that is None, a Poisson number of which `expected`.

        `what` names the stream that they are drawn from, and the row where it has no `title`.
        """
        where = chosen(self.weights.blocks, bits, layer)
        results, counts = [], []
        for trial in range(self.trials):
            source = stream(self.seed, "upsets", f"{what}/{trial}")
            count = poisson(source, expected) if flips is None else flips
            counts.append(count)
            results.append(self._after(flipped(self.weights, draw(source, self.weights.blocks, where, count))))
            self.say()
        return self._summed(title or what, counts, results)

    def by_bit(self, flips: int, bits: str = "", layer: str = "") -> list[Row]:
        """One row for each position of those, the sign last."""
        places = sorted({place for _, each in chosen(self.weights.blocks, bits, layer) for place in each})
        return [self.row(f"bit {place}", flips, bits=str(place), layer=layer) for place in places]

    def bits_at(self, place: int, layer: str = "") -> int:
        """How many weights have a bit at that position."""
        return sum(self.weights.blocks[number].elements for number, _ in self._bits_of(str(place), layer))

    def by_layer(self, flips: int, bits: str = "") -> list[Row]:
        """One row for each layer that has those bits, as many flips in each."""
        rows = []
        for layer in dict.fromkeys(block.layer for block in self.weights.blocks):
            there = sum(self.weights.blocks[n].elements * len(places) for n, places in self._bits_of(bits, layer))
            if there:
                rows.append(self.row(layer, min(flips, there), bits=bits, layer=layer))
        return rows

    def _bits_of(self, bits: str, layer: str) -> list[tuple[int, tuple[int, ...]]]:
        try:
            return chosen(self.weights.blocks, bits, layer)
        except WorkloadError:  # a layer without such bits has no row
            return []

    def _after(self, data: bytes) -> Scored | None:
        try:
            return self.course.score(self.session(data))
        except ModelError:  # counted: `refused`
            return None
        except Exception as error:  # onnxruntime's errors share no base of their own
            if "onnxruntime" not in type(error).__module__:
                raise
            return None

    def session(self, data: bytes) -> Any:
        """onnxruntime's session of the model in those bytes. Raises ModelError where they do not load."""
        return open_session(dataclasses.replace(self.model, data=data))

    def _summed(self, what: str, counts: Sequence[int], results: Sequence[Scored | None]) -> Row:
        names = list(self.before.scores)
        scores = {name: sum(r.scores[name] if r else 0.0 for r in results) / len(results) for name in names}
        heads = [each.headline if each else 0.0 for each in results]
        return Row(
            what=what,
            flips=sum(counts) / len(counts),
            mean=scores[names[0]],
            worst=min(heads),
            harmless=sum(self.before.headline - head < HARMLESS for head in heads) / len(heads),
            broken=sum(each.broken if each else 0.0 for each in results) / len(results),
            refused=sum(each is None for each in results) / len(results),
            scores=scores,
        )


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What scrubbing and reloading take here, in wall seconds: measured, but for the bytes from storage [guess]."""

    size_bytes: int
    scrub_s: float
    cold_start_s: float
    reload_s: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """At one rate: flips a day in all weights, what comes of some intervals, the best of all, and a curve to draw."""

    rate: UpsetRate
    flips_per_day: float
    kept: tuple[Kept, ...]
    best: Kept
    curve: tuple[Kept, ...]


def costs(study: Study, clock: Callable[[], float]) -> Costs:
    """Measure a scrub and a cold start: a session made and run once."""
    scrubber = Scrubber(study.weights)
    began = clock()
    study.course.run_once(study.session(study.weights.data))
    cold_start_s = clock() - began
    return Costs(
        size_bytes=scrubber.size_bytes,
        scrub_s=scrubber.seconds(study.weights.data, clock),
        cold_start_s=cold_start_s,
        reload_s=reload_s(len(study.weights.data), cold_start_s),
    )


def one_flip_loss(study: Study, by_bit: Sequence[Row]) -> float:
    """What one flip anywhere costs on average: each position's mean loss, by how many weights have it.

    Few positions do nearly all the harm, so drawing from all at once would mostly miss them.
    """
    rows = [(study.bits_at(int(row.what.removeprefix("bit "))), study.before.headline - row.mean) for row in by_bit]
    return max(0.0, sum(count * loss for count, loss in rows) / sum(count for count, _ in rows))


def plans(
    study: Study, spent: Costs, one_flip: float, by_flips: Sequence[Row], rates: Sequence[UpsetRate] = RATES
) -> list[Plan]:
    """What each rate means for this model, with the losses that were measured; `one_flip` is that of a single one."""
    score = study.before.headline
    more = [(round(row.flips), score - row.mean) for row in by_flips if row.flips > 1]
    losses = loss_curve([(1, one_flip), *more])
    found = []
    for rate in rates:
        upkeep = Upkeep(
            upsets_per_s=upsets_per_s(rate.per_bit_day, study.weights.bits),
            scrub_s=spent.scrub_s,
            reload_s=spent.reload_s,
            score=score,
            losses=losses,
        )
        found.append(
            Plan(
                rate=rate,
                flips_per_day=upkeep.upsets_per_s * DAY_S,
                kept=tuple(upkeep.at(interval_s) for interval_s in INTERVALS_S),
                best=upkeep.optimum(LEAST_S, MOST_S),
                curve=tuple(upkeep.at(LEAST_S * 10 ** (n / 6)) for n in range(CURVE)),
            )
        )
    return found
