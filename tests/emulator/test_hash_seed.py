"""The digest of a run does not depend on the order in which this Python happens to keep its sets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
from emulator.core import Core
from emulator.events import Captured, ContactClosed, ContactOpened, NodeFailed, NodeRecovered
from emulator.recorder import Recorder
from emulator.schedulers import load
from emulator.virtual import run
from emulator.world import SATELLITE, STATION, NodeSpec, Settings, World
from links.contacts import ContactPlan, constant_contact
from nodes.processor import Processor
from workloads.arrivals import UNIT_WORK, Poisson, poisson
from workloads.streams import stream, uniforms
from workloads.tasks import Outcome

names = ["Ada", "Bo", "Cy", "Dee", "Eli"]
contacts = [constant_contact(a, b, i * 3.0, 80.0 - i, 0.01, 8e3) for i, a in enumerate(names) for b in names if a < b]
contacts += [constant_contact(a, g, 5.0 + 9 * i, 12.0 + 9 * i, 0.003, 8e3, "radio")
             for i, (a, g) in enumerate(zip(names, ["Kiruna", "Miyun"] * 3))]
contacts.sort(key=lambda c: (c.start_s, c.a, c.b))
cpu = Processor(name="cpu", peak_ops_per_s={"int8": 1e9}, efficiency=1.0, memory_bytes_per_s=1e15, memory_bytes=1e6,
                idle_power_w=0.0, busy_power_w=0.0)
nodes = [NodeSpec(name=name, kind=SATELLITE, processor=cpu) for name in names]
nodes += [NodeSpec(name=name, kind=STATION, processor=cpu) for name in ("Kiruna", "Miyun")]
facts = [ContactOpened(c.start_s, c.a, n) for n, c in enumerate(contacts)]
facts += [ContactClosed(c.stop_s, c.a, n) for n, c in enumerate(contacts)]
facts += [NodeFailed(20.0, "Cy"), NodeRecovered(35.0, "Cy"), NodeFailed(30.0, "Bo")]
for name in names:
    facts += [Captured(t.at_s, name, t) for t in poisson(Poisson(node=name, rate_per_s=0.5, raw_bytes=900), 60.0, 1)]
world = World(nodes=nodes, plan=ContactPlan(100.0, tuple(contacts), ()), models={UNIT_WORK.name: UNIT_WORK},
              settings=Settings(duration_s=100.0, batch=1))
for policy in ("mesh", "random", "least-loaded", "bent-pipe"):
    numbers = iter(uniforms(stream(1, "scheduler"), 10_000).tolist())
    recorder = Recorder(Core(world, load(policy, lambda: next(numbers))))
    run(recorder, facts, 100.0, lambda task: Outcome("clear", 0.0, 300))
    print(policy, recorder.events, recorder.digest())
"""


@pytest.fixture(scope="module")
def unhashed() -> str:
    """What the program prints where hashes are not randomised."""
    return printed("0")


def printed(hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("hash_seed", ["1", "4294967295"])
def test_the_digest_is_the_same_for_every_hash_seed(unhashed, hash_seed) -> None:
    assert len(unhashed.splitlines()) == 4
    assert printed(hash_seed) == unhashed
