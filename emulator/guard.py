"""Makes sure at start-up that `nodes`, `links` and `workloads` are ours and not a user's `nodes.py`.

The folder name is the import name, so a file of the same name in the current folder could stand in the way.
Imports nothing of ours.
"""

from importlib.util import find_spec
from pathlib import Path

SIBLINGS = ("nodes", "links", "workloads")


def stranger() -> str:
    """What stands in the way of our packages, and what to rename; empty if nothing does."""
    home = Path(__file__).resolve().parent.parent
    for name in SIBLINGS:
        spec = find_spec(name)
        if spec is None:
            return f"orbitmesh: its package {name!r} is not installed beside {home}; install orbitmesh again"
        origin = Path(spec.origin or next(iter(spec.submodule_search_locations or ["?"]))).resolve()
        if origin.parent != home / name:
            found = origin if origin.name != "__init__.py" else origin.parent
            return f"orbitmesh: {found} hides its package {name!r}; rename {found.name}, or run from another folder"
    return ""
