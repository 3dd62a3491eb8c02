"""Everything is processed in orbit, spread without looking at load: the baselines that others must beat."""

from collections.abc import Callable, Iterator

from emulator.decisions import Assign, Decision
from emulator.view import TaskView, View


def _choices(view: View, task: TaskView) -> list[str]:
    return sorted(n for n in view.reachable(task.at) if view.node(n).kind == "satellite")


class Random:
    """Infer on any reachable satellite, drawn evenly from the run's own stream."""

    def __init__(self, uniform: Callable[[], float]) -> None:
        self._uniform = uniform

    def decide(self, view: View) -> Iterator[Decision]:
        """Draw one reachable satellite for each waiting task."""
        for task in view.waiting:
            names = _choices(view, task)
            yield Assign(task.id, names[int(self._uniform() * len(names))], relay=True)


class RoundRobin:
    """Infer on the reachable satellites in turn."""

    def __init__(self) -> None:
        self._turn = 0

    def decide(self, view: View) -> Iterator[Decision]:
        """Give each waiting task to the next satellite by name."""
        for task in view.waiting:
            names = _choices(view, task)
            yield Assign(task.id, names[self._turn % len(names)], relay=True)
            self._turn += 1
