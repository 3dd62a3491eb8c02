"""The compiled core (docs/compiled.md): built as a user would, into a folder of its own, timed in its own process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import Notes, Target, in_turns, note

HERE = Path(__file__).resolve().parent
FULL, ALONE = "events/s with a full trace", "events/s of the core alone"
PATIENCE_S = 600.0


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which our packages are compiled, and `benchmarks` is the same as here."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("compiled")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), str(HERE.parent)]
    made = subprocess.run(
        install, env=os.environ | {"ORBITMESH_COMPILE": "1"}, capture_output=True, text=True, timeout=PATIENCE_S
    )
    if made.returncode != 0:
        pytest.skip(f"not built: {made.stderr.strip()[-300:]}")
    shutil.copytree(HERE, folder / "benchmarks", ignore=shutil.ignore_patterns("__pycache__", "results"))
    return folder


def test_store_and_forward_on_the_compiled_core(benchmark: Any, compiled: Path) -> None:
    def time_it() -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.compiled_core"]
        told = subprocess.run(command, cwd=compiled, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        found: dict[str, Any] = json.loads(told.stdout)
        return found

    notes = Notes("store and forward, compiled core", (Target(FULL, ">=", 300_000),), rounds=1)
    found, _ = in_turns(benchmark, time_it, notes)
    assert Path(found["core"]).parent.parent == compiled
    assert not found["core"].endswith(".py")
    note(benchmark, values={FULL: found["full_trace"], ALONE: found["core_alone"]})
