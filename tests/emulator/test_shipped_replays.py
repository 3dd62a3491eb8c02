"""replay(run) == run for every shipped scenario: the same digest and the same figures on each level of replay.

Each is flown for a minute from 2025-10-04T04:13:40Z, when stations are passed over: scenes are captured, lasers and
radios carry, answers come down. Four distinct tiles instead of 256 keep inference short.
"""

from pathlib import Path

import pytest

from emulator.assemble import assemble
from emulator.events import Captured, ContactOpened, Delivered, Finished
from emulator.layers import shipped
from emulator.orders import Run
from emulator.replay import replay
from emulator.report import Row
from emulator.rerun import LEVELS, rerun
from emulator.run import run, uniform_source
from emulator.scenario import parse
from emulator.schedulers import SHIPPED, load
from emulator.trace import Trace, TraceWriter

ON_ALL_LEVELS = ("mesh", "random")  # one that plans, one that draws


class Flown:
    """A shipped scenario, and the traces and figures of what its schedulers did."""

    def __init__(self, name: str, folder: Path) -> None:
        text = f'extends = "{name}"\nepoch = "2025-10-04T04:13:40Z"\nduration_s = 60.0\n'
        made = assemble(parse(text + "[imaging]\ndistinct_tiles = 4\n", f"{name}.toml", None), list(SHIPPED))
        self.rows: dict[str, Row] = {}
        self.traces: dict[str, Trace] = {}
        for policy in SHIPPED:
            self.rows[policy] = run(made, policy, folder / policy).row
            self.traces[policy] = Trace(folder / policy)


@pytest.fixture(scope="module", params=shipped())
def flown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Flown:
    return Flown(request.param, tmp_path_factory.mktemp(request.param))


def test_much_happens_in_the_recorded_runs(flown: Flown) -> None:
    kinds = {type(event) for _, _, (event, _) in flown.traces["mesh"].lines()}
    assert {Captured, ContactOpened, Delivered, Finished} <= kinds
    assert flown.rows["mesh"].tasks.done > 0
    assert len({row.digest for row in flown.rows.values()}) > 1


@pytest.mark.parametrize("policy", SHIPPED)
def test_an_exact_replay_is_the_run(flown: Flown, policy: str) -> None:
    trace = flown.traces[policy]
    found, _ = replay(trace, load(policy, uniform_source(trace.header.seed, policy)))
    assert (found.matches, found.mismatch) == (True, "")  # of the figures, too
    assert found.digest == flown.rows[policy].digest


@pytest.mark.parametrize("policy", ON_ALL_LEVELS)
@pytest.mark.parametrize("level", LEVELS)
def test_what_is_computed_anew_from_the_same_is_the_same(flown: Flown, tmp_path: Path, level: str, policy: str) -> None:
    trace = flown.traces[policy]
    scheduler = None if level == "decisions" else load(policy, uniform_source(trace.header.seed, policy))
    with TraceWriter(tmp_path / "again") as writer:
        found = rerun(trace, writer, level, scheduler)
    assert (found.matches, found.digest) == (True, flown.rows[policy].digest)
    assert found.row == flown.rows[policy]
    assert (found.parted_s, found.decisions_left) == (None, 0)
    if level == "measured":
        started = sum(isinstance(order, Run) for _, _, (_, orders) in trace.lines() for order in orders)
        assert found.runs_measured + found.runs_modelled == started  # of those that had not ended, some have no time
        assert found.runs_measured >= sum(isinstance(event, Finished) for _, _, (event, _) in trace.lines())
        assert "the virtual engine, which measures no power" in found.power_from
