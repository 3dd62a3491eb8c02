"""Setuptools as it is, which also gets mypyc when `ORBITMESH_COMPILE=1` asks for a compiled core (setup.py)."""

import os

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  # the hooks of PEP 517 and 660, unchanged

# mypyc comes with mypy; msgspec, so that it knows the types of facts and orders
_NEEDED = ["mypy>=2.4,<2.5", "msgspec>=0.19"]


def get_requires_for_build_wheel(config_settings: dict[str, str] | None = None) -> list[str]:
    """What is needed beside setuptools to build a wheel."""
    found: list[str] = build_meta.get_requires_for_build_wheel(config_settings)
    return found if os.environ.get("ORBITMESH_COMPILE", "0") in ("", "0") else [*found, *_NEEDED]
