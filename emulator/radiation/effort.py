"""How much work a study of bit flips is: what is done unless asked otherwise, and how long it will take.

Rules: how many trials and scenes depends on the model's counted operations alone, so that the same call does the same
on every host; how long that takes is told after the first trial, by the clock that is passed.
"""

from collections.abc import Callable
from typing import NamedTuple

TRIALS, SCENES = 8, 32  # of each kind, and of each trial: two minutes of two cores for every model that ships
MOST_OPS = 5e12  # unless asked otherwise: the largest that ships takes 3e12; a minute or more of two cores [guess]
TOLD_ABOVE_S = 10.0  # a shorter wait needs no estimate


class Effort(NamedTuple):
    """`trials` of each of `kinds`, on `scenes` each; `cut` where the model is too large for the usual numbers."""

    kinds: int
    trials: int
    scenes: int
    cut: bool

    @property
    def total(self) -> int:
        """Sessions to load and score."""
        return self.kinds * self.trials

    def notes(self) -> list[str]:
        """What to beware of where it was cut."""
        if not self.cut:
            return []
        return [
            f"a large model: {self.trials} {'trial' if self.trials == 1 else 'trials'} of each kind on {self.scenes} "
            f"{'scene' if self.scenes == 1 else 'scenes'}, usually {TRIALS} on {SCENES}; --trials, --scenes for more"
        ]


def effort(ops: int, kinds: int, trials: int | None, scenes: int | None) -> Effort:
    """As asked for; what is None is the usual number, or as many as `MOST_OPS` allow: trials give way first.

    `ops` are those of one inference.
    """
    usual = trials or TRIALS, scenes or SCENES
    made_trials, made_scenes = usual
    if trials is None:
        made_trials = _fitting(made_trials, ops * kinds * made_scenes)
    if scenes is None:
        made_scenes = _fitting(made_scenes, ops * kinds * made_trials)
    return Effort(kinds, made_trials, made_scenes, (made_trials, made_scenes) != usual)


def _fitting(usual: int, ops_each: int) -> int:
    return max(1, min(usual, int(MOST_OPS // max(1, ops_each))))


class Counter:
    """Counts trials, tells a progress bar of each, and says after the first how long all will take, if that is long."""

    def __init__(self, clock: Callable[[], float], say: Callable[[float], None]) -> None:
        self.done, self.total = 0, 0
        self.advance: Callable[[float], None] = lambda value: None
        self._clock, self._say, self._began_s = clock, say, 0.0

    def begin(self, total: int, advance: Callable[[float], None]) -> None:
        """From now on they count."""
        self.total, self.advance, self._began_s = total, advance, self._clock()

    def __call__(self) -> None:
        self.done += 1
        self.advance(float(self.done))
        if self.done == 1:
            left_s = (self._clock() - self._began_s) * self.total
            if left_s > TOLD_ABOVE_S:
                self._say(left_s)
