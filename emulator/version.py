"""The version of the installed distribution, and whether its core is machine code."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec


def installed_version() -> str:
    """As pip knows it; `0+unknown` in a tree that is not installed."""
    try:
        return version("orbitmesh")
    except PackageNotFoundError:
        return "0+unknown"


def told_version() -> str:
    """For people: the version, and what is unusual about it."""
    return installed_version() + (", compiled core" if core_kind() == "compiled" else "")


def core_kind() -> str:
    """`python`, or `compiled` where it was installed so (setup.py)."""
    found = find_spec("emulator.core")
    return "python" if found is None or (found.origin or "").endswith((".py", ".pyc")) else "compiled"
