"""The main job at full size: twelve real satellites, 24 h, each scheduler; the whole command; the peak of memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import Notes, Target, in_turns, note
from emulator.assemble import Assembled, assemble
from emulator.run import run
from emulator.scenario import load

ROOT = Path(__file__).resolve().parents[1]
POLICIES = ("bent-pipe", "onboard", "mesh")
DAY_S = 86_400.0
LEAST_SCENES, LEAST_EVENTS = 30_000, 100_000


def adds_up(tasks: dict[str, int]) -> bool:
    return tasks["captured"] == tasks["done"] + tasks["dropped"] + tasks["lost"] + tasks["pending"]


@pytest.fixture(scope="module")
def day() -> Assembled:
    """Assembled once, so that every inference is in the runner's cache."""
    return assemble(load("three-body"), POLICIES)


@pytest.mark.parametrize("policy", POLICIES)
def test_one_policy_over_a_day(benchmark: Any, day: Assembled, policy: str) -> None:
    distinct_runs = day.runner.distinct_runs
    notes = Notes(f"three-body, 24 h, {policy}, inference cached", (Target("simulated s", ">=", 20_000),))
    result, _ = in_turns(benchmark, lambda: run(day, policy, None), notes)
    tasks = {field: getattr(result.row.tasks, field) for field in ("captured", "done", "dropped", "lost", "pending")}
    assert tasks["captured"] > LEAST_SCENES
    assert adds_up(tasks)
    assert result.row.events > LEAST_EVENTS
    assert day.runner.distinct_runs == distinct_runs > 0
    note(benchmark, amounts={"simulated s": DAY_S, "events": result.row.events})


def command(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A whole new Python process."""
    whole = [sys.executable, "-m", module, *arguments]
    return subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, check=True)


def test_peak_memory_of_a_run(benchmark: Any) -> None:
    notes = Notes("orbitmesh run three-body --policy mesh, whole process", (Target("MB", "<=", 400.0),), rounds=1)
    done, _ = in_turns(
        benchmark, lambda: command("benchmarks.peak", "run", "three-body", "--policy", "mesh", "--json"), notes
    )
    document = json.loads(done.stdout)
    assert document["tasks"]["captured"] > LEAST_SCENES
    assert adds_up(document["tasks"])
    note(benchmark, values={"MB": int(done.stderr.split()[-1]) / 1e6})


def test_compare_as_a_whole(benchmark: Any, tmp_path: Path) -> None:
    notes = Notes("orbitmesh compare, whole process, plots included", (Target("s", "<=", 60.0),), rounds=1)
    done, _ = in_turns(benchmark, lambda: command("emulator.cli", "compare", "--json", "--out", str(tmp_path)), notes)
    document = json.loads(done.stdout)
    assert [row["name"] for row in document["policies"]] == list(POLICIES)
    for row in document["policies"]:
        assert row["tasks"]["captured"] > LEAST_SCENES
        assert adds_up(row["tasks"])
    assert len(document["plots"]) == 6  # three, as PNG and SVG
