"""The conversation that the README shows, run as written there: two programs, real processes, the orbit's delay."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from emulator.scenario import load
from emulator.sky import contacts, read_sky
from links.geometry import LIGHT_M_PER_S

ROOT = Path(__file__).resolve().parents[2]
LIGHT_AROUND_THE_EARTH_S = 20_000e3 / LIGHT_M_PER_S  # no two nodes of the mesh need a longer way than half way round


def test_the_conversation_of_the_readme(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- a conversation -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    arguments = shlex.split(block.group(1))
    assert arguments[:2] == ["orbitmesh", "live"]
    command = [sys.executable, "-m", "emulator.cli", *arguments[1:], "--no-table", "--json"]
    command += ["--late-budget", "10"]  # how busy this machine is does not decide a test
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"PATH": path}
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["live"]["incidents"] == []
    bundles = document["bundles"]
    assert bundles == {"offered": 10, "done": 10, "lost": 0, "pending": 0}
    delays_s = [float(found) for found in re.findall(r"([0-9.]+) s on its way", done.stderr)]
    assert len(delays_s) == 10  # five pings, five pongs
    least_s = _nearest_m() / LIGHT_M_PER_S
    assert all(delay_s > least_s for delay_s in delays_s)  # nothing is quicker than light
    assert sorted(delays_s)[2] < LIGHT_AROUND_THE_EARTH_S + 1.0  # and most of it is light, not the machine


def _nearest_m() -> float:
    """The shortest range of any contact that touches Sanya or SCS-01 A in the first ten seconds, from the plan."""
    loaded = load("three-body-live", duration_s=10.0)
    plan = contacts(loaded, read_sky(loaded))
    return min(min(c.range_m) for c in plan.contacts if {"Sanya", "SCS-01 A"} & {c.a, c.b})
