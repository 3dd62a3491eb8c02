"""`--realtime`: granted, the loops of nodes have it and their inference has not; refused, nothing is started."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from emulator import cli
from emulator.live.priority import realtime_refused
from emulator.schedulers.orbit import mesh

REFUSED = realtime_refused()
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="scheduling policies are Linux's here")


@pytest.mark.skipif(bool(REFUSED), reason=REFUSED or "granted")
def test_nodes_have_it_and_their_inference_and_the_coordinator_have_not(stage: Any) -> None:
    policies: dict[str, list[int]] = {}

    def look(engine: Any) -> bool:
        for node, pid in engine.crew.supervisor.pids.items():
            threads = sorted(int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir())
            policies[node] = [os.sched_getscheduler(thread) for thread in threads]
        policies["coordinator"] = [os.sched_getscheduler(0)]
        return True

    made = stage.build([stage.radio("A")], [stage.task("t", 0.1)], satellites="A")
    played = stage.live(made, mesh, stage.ended(1), look, stage.over, realtime=True)
    assert played.core.ended["done"] == 1
    assert policies["coordinator"] == [os.SCHED_OTHER]
    assert policies["A"][0] == policies["G"][0] == os.SCHED_RR  # the loop is the first thread
    assert policies["A"].count(os.SCHED_RR) >= 3  # with ZeroMQ's two, which belong to the way of a message
    assert os.SCHED_IDLE in policies["A"]  # and inference still steps back


def test_a_host_that_does_not_grant_it_says_so_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert cli.main(["live", "three-body-live", "--realtime", "--out", str(tmp_path / "run")]) == 2
    assert "grants no real-time priority (Operation not permitted): run as root" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert cli.main(["node", "--join", "tcp://127.0.0.1:7100", "--realtime"]) == 2
    assert "--realtime: this host grants no real-time priority" in capsys.readouterr().err
