"""The schedulers that ship, by name, and how one of your own is found.

    orbitmesh run three-body --policy mesh
    orbitmesh run three-body --policy my_scheduler:Nearest
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from emulator.consult import Scheduler
from emulator.decisions import Decision
from emulator.errors import SchedulerError
from emulator.schedulers.ground import bent_pipe
from emulator.schedulers.orbit import least_loaded, mesh, onboard
from emulator.schedulers.spread import Random, RoundRobin
from emulator.view import View

Decider = Scheduler | Callable[[View], Iterable[Decision] | None]

SHIPPED: dict[str, Any] = {
    "bent-pipe": bent_pipe,
    "onboard": onboard,
    "mesh": mesh,
    "random": Random,
    "round-robin": RoundRobin,
    "least-loaded": least_loaded,
}


def load(name: str, uniform: Callable[[], float]) -> Decider:
    """The scheduler of that name, or `module:Name` from the current folder or the path.

    A class is called without arguments, or with `uniform` (a source of numbers in [0, 1) of the run's own stream)
    if it asks for one. Raises `SchedulerError` for what cannot be found or is none.
    """
    if ":" in name:
        found = _import(name)
    elif name in SHIPPED:
        found = SHIPPED[name]
    else:
        close = get_close_matches(name, SHIPPED, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise SchedulerError(f"no scheduler {name!r}{hint} Shipped: {', '.join(SHIPPED)}; your own: module:Name")
    if not inspect.isclass(found):
        decider = found
    else:
        try:
            wants = "uniform" in inspect.signature(found).parameters
            decider = found(uniform=uniform) if wants else found()
        except Exception as error:
            raise SchedulerError(f"scheduler {name} cannot be made: {type(error).__name__}: {error}") from error
    if not callable(getattr(decider, "decide", decider)):
        raise SchedulerError(f"{name} is a {type(decider).__name__}: neither a function of the view nor has it decide(view)")
    return decider  # type: ignore[no-any-return]


def _import(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise SchedulerError(f"scheduler {name}: module {module_name!r}: {type(error).__name__}: {error}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise SchedulerError(f"scheduler {name}: module {module_name} has no {attribute!r}") from error
