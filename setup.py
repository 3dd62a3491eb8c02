"""Plain Python, unless `ORBITMESH_COMPILE=1` asks for the core as machine code: the same source, compiled by mypyc.

Same facts in, same digests out, 1.5 times as fast (docs/compiled.md). Everything else is said in pyproject.toml.
"""

import os
import sys
from typing import Any

from setuptools import setup

MODULES = [  # what every fact goes through; none does I/O, takes what users made, or defines structs
    "links/routing.py", "links/transfer.py", "nodes/ledger.py",
    "emulator/bundles.py", "emulator/compute.py", "emulator/consult.py", "emulator/core.py",
    "emulator/decision_log.py", "emulator/digest.py", "emulator/recorder.py", "emulator/routes.py",
    "emulator/scene_data.py", "emulator/stages.py", "emulator/state.py", "emulator/tally.py", "emulator/transport.py",
    "emulator/virtual.py", "emulator/withdrawal.py",
]  # fmt: skip
BUILT = "build/compiled"  # apart from what is built plainly: a plain wheel must not find machine code there


def compiled() -> dict[str, Any]:
    """What `setup` is told of compiled modules; nothing unless asked for."""
    if os.environ.get("ORBITMESH_COMPILE", "0") in ("", "0"):
        return {}
    if "editable_wheel" in sys.argv:
        sys.exit("ORBITMESH_COMPILE: not for an editable install, where compiled modules would hide what you edit")
    if "bdist_wheel" not in sys.argv:  # setuptools only asks for names and versions
        return {}
    from mypyc.build import mypycify

    modules = mypycify(["--ignore-missing-imports", *MODULES], opt_level="3", debug_level="0", target_dir=BUILT)
    return {"ext_modules": modules, "options": {"build": {"build_base": BUILT}}}


setup(**compiled())
