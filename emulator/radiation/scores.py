"""How well a model answers on held-out synthetic scenes, over and over: scenes made once, a session scored in one call.

Scores are `workloads/scenery/evaluation.py`'s, by role. An answer that is NaN or infinite counts as wrong,
never as nothing. A model without a role that has truth is scored by its own unharmed answers: the share that stays the
same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from workloads.loading.opening import OpenModel
from workloads.loading.trial import is_ours
from workloads.providers import open_session
from workloads.scenery import evaluation, samples, vessels
from workloads.scenery.scenes import CLOUD, WATER, Bands
from workloads.sessions import ROLE, fit, input_shapes

SAME = "unchanged_answers"  # the score of a model whose answers have no truth here
NEAR = 0.01  # relative to the answers' spread: numbers that differ by less count as the same [guess]

Maps = NDArray[np.float32]
Judge = Callable[[Maps], dict[str, float]]


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """One session on all scenes: scores 0..1 by name, the headline first; `broken` scenes hold NaN or infinity."""

    scores: dict[str, float]
    broken: float

    @property
    def headline(self) -> float:
        """The first score."""
        return next(iter(self.scores.values()))


class Course:
    """The scenes that a model is scored on, and the truth, made once. Raises ModelError as `open_session` does."""

    def __init__(self, model: OpenModel, scenes: int, seed: int = samples.HELD_OUT_SEED) -> None:
        self.role = model.properties.get(ROLE, "")
        self.scenes, self.seed = scenes, seed
        images, judge = _exam(self.role, scenes, seed)
        self._feeds = _feeds(model, images)
        self.judge = judge or _sameness(self.answers(open_session(model)))
        self.headline = next(iter(self.score(open_session(model)).scores))

    def score(self, session: Any) -> Scored:
        """Score a session of the model, harmed or not."""
        answers = self.answers(session)
        good = np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)
        return Scored(scores=self.judge(answers), broken=float(1.0 - good.mean()))

    def run_once(self, session: Any) -> None:
        """One run on the first batch: what a session still has to do before it answers at its pace."""
        session.run(None, self._feeds[0])

    def answers(self, session: Any) -> Maps:
        """The first output for every scene, (scenes, ...)."""
        wanted = [session.get_outputs()[0].name]
        with np.errstate(all="ignore"):
            return np.concatenate([np.atleast_1d(session.run(wanted, feed)[0]) for feed in self._feeds])


def _exam(role: str, scenes: int, seed: int) -> tuple[tuple[Sequence[Bands], ...], Judge | None]:
    """The images for each input, and who scores the answers; nobody where there is no truth."""
    if role in ("cloud-screen", "water-mask"):
        tiles = samples.tiles(scenes, seed)
        truth = np.stack([tile.mask[None] == (CLOUD if role == "cloud-screen" else WATER) for tile in tiles])
        score = evaluation.cloud_scores if role == "cloud-screen" else evaluation.water_scores
        return ([tile.bands for tile in tiles],), lambda answers: score(_wrong(answers, truth), tiles)
    if role == "vessels":
        seas = samples.vessel_scenes(scenes, seed)

        def vessel_judge(answers: Maps) -> dict[str, float]:
            found = [vessels.peaks(each[0], evaluation.VESSEL_ABOVE) for each in _silent(answers)]
            return evaluation.vessel_scores(found, seas)

        return ([sea.bands for sea in seas],), vessel_judge
    if role == "change":
        pairs = samples.change_pairs(scenes, seed)
        images = ([pair.before for pair in pairs], [pair.after for pair in pairs])
        return images, lambda answers: evaluation.change_scores(_silent(answers)[:, 0], pairs)
    if role == "embedding":
        both = samples.places(scenes, seed)
        sides = ([place[side].bands for place in both] for side in (0, 1))
        return ([bands for side in sides for bands in side],), _found_again
    return ([tile.bands for tile in samples.tiles(scenes, seed)],), None


def _feeds(model: OpenModel, images: tuple[Sequence[Bands], ...]) -> list[dict[str, Any]]:
    """What `session.run` is fed with, batch by batch; a model of other inputs gets what fits them."""
    free = input_shapes(model, 2) != input_shapes(model, 1)
    batch = evaluation.BATCH if free and is_ours(model) else 1  # others were tried with one, and their memory may soar
    feeds = []
    for start in range(0, len(images[0]), batch):
        feed = {}
        for place, (name, (shape, dtype)) in enumerate(input_shapes(model, batch).items()):
            bands = np.stack(images[min(place, len(images) - 1)][start : start + batch])
            feed[name] = fit(bands, (len(bands), *shape[1:]) if free else shape, dtype)
        feeds.append(feed)
    return feeds


def _found_again(answers: Maps) -> dict[str, float]:
    """Retrieval of the second half of the answers by the first; what is no direction finds nothing."""
    queries, gallery = np.split(answers.astype(np.float64), 2)
    sizes = np.linalg.norm(queries, axis=1) * np.linalg.norm(gallery, axis=1)
    lost = ~(np.isfinite(sizes) & (sizes > 0.0))
    queries, gallery = np.where(lost[:, None], 1.0, queries), np.where(lost[:, None], -1.0, gallery)
    return evaluation.retrieval_scores(queries.astype(np.float32), gallery.astype(np.float32))


def _wrong(answers: Maps, truth: NDArray[np.bool_]) -> Maps:
    """Probabilities, those that are no numbers turned against the truth."""
    return np.where(np.isfinite(answers), answers, np.where(truth, 0.0, 1.0)).astype(np.float32)


def _silent(answers: Maps) -> Maps:
    """Scores of places, those that are no numbers turned to nothing seen."""
    return np.where(np.isfinite(answers), answers, 0.0).astype(np.float32)


def _sameness(before: Maps) -> Judge:
    """Shares of scenes with the same largest entry as before, and with numbers as near as NEAR to those before."""
    flat = before.reshape(len(before), -1).astype(np.float64)
    best, spread = flat.argmax(axis=1), max(float(flat.std()), float(np.finfo(np.float32).tiny))

    def judge(answers: Maps) -> dict[str, float]:
        now = answers.reshape(len(answers), -1).astype(np.float64)
        good = np.isfinite(now).all(axis=1)
        near = np.abs(np.where(np.isfinite(now), now, 0.0) - flat).max(axis=1) <= NEAR * spread
        top = np.where(good, np.where(np.isfinite(now), now, 0.0).argmax(axis=1), -1)
        return {SAME: float((good & near).mean()), "same_largest": float((top == best).mean())}

    return judge
