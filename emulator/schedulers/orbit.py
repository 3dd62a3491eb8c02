"""Everything is processed in orbit: where it was taken, where it ends first, or where least is waiting."""

from collections.abc import Iterator

from emulator.decisions import Assign, Decision
from emulator.view import View


def onboard(view: View) -> Iterator[Decision]:
    """Infer on the satellite that took the scene; the result goes down by its own radio."""
    for task in view.waiting:
        yield Assign(task.id, task.at, relay=False)


def mesh(view: View) -> Iterator[Decision]:
    """Infer where it ends first, transfer and queue included; the result crosses the mesh to the first radio down."""
    for task in view.waiting:
        here = task.at
        fetch_s = view.fetch_s(task, here)  # of what a stage of a pipeline needs besides
        best = (fetch_s + (view.node(here).backlog_s + view.job_s(task, here)), "", here)  # ties: stay, then by name
        for name, delay_s in view.reachable(here).items():
            node = view.node(name)
            if name == here or node.kind != "satellite" or delay_s >= best[0]:
                continue
            compute_s = node.backlog_s + view.job_s(task, name)
            if delay_s + compute_s < best[0]:
                best = min(best, (view.fetch_s(task, name) + compute_s, name, name))
        yield Assign(task.id, best[2], relay=True)


def least_loaded(view: View) -> Iterator[Decision]:
    """Infer on the reachable satellite with the least work waiting; ties stay, then by name."""
    for task in view.waiting:
        names = [n for n in view.reachable(task.at) if view.node(n).kind == "satellite"]
        name = min(names, key=lambda n: (view.node(n).backlog_s, n != task.at, n))
        yield Assign(task.id, name, relay=True)
