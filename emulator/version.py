"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """As pip knows it; `0+unknown` in a tree that is not installed."""
    try:
        return version("orbitmesh")
    except PackageNotFoundError:
        return "0+unknown"
