"""The schedulers that ship, by name, and how one of your own is found.

orbitmesh run three-body --policy mesh
orbitmesh run three-body --policy my_scheduler:Nearest
"""

import importlib
import inspect
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from emulator.consult import Decider
from emulator.errors import SchedulerError
from emulator.schedulers.ground import bent_pipe
from emulator.schedulers.orbit import least_loaded, mesh, onboard
from emulator.schedulers.spread import Random, RoundRobin
from emulator.watchdog import watch

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
    decider: Decider
    if ":" in name:
        with watch(lambda: 0, name):
            decider = _made(name, _import(name), uniform)
    elif name in SHIPPED:
        decider = _made(name, SHIPPED[name], uniform)
    else:
        close = get_close_matches(name, SHIPPED, 1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise SchedulerError(f"no scheduler {name!r}{hint} Shipped: {', '.join(SHIPPED)}; your own: module:Name")
    if not callable(getattr(decider, "decide", decider)):
        kind = type(decider).__name__
        raise SchedulerError(f"scheduler {name} is a {kind}: neither a function of the view nor has it decide(view)")
    return decider


def _made(name: str, found: Any, uniform: Callable[[], float]) -> Any:
    if not isinstance(found, type):
        return found
    make: Callable[..., Any] = found
    try:
        wants = "uniform" in inspect.signature(make).parameters
        return make(uniform=uniform) if wants else make()
    except (Exception, SystemExit) as error:
        raise SchedulerError(f"scheduler {name} cannot be made: {type(error).__name__}: {error}") from error


def _import(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        text = f"scheduler {name}: module {module_name!r}: {type(error).__name__}: {error}"
        if module_name.endswith(".py") or "/" in module_name:
            text += f"; name the module, not its file: {Path(module_name).stem}:{attribute}, from the folder it lies in"
        raise SchedulerError(text) from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        there = ", ".join(each for each in vars(module) if not each.startswith("_"))
        text = f"scheduler {name}: module {module_name} has no {attribute!r}; it has {there[:200] or 'nothing'}"
        raise SchedulerError(text) from error
