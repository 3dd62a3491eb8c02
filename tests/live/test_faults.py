"""What befalls a run: nodes killed under load, noise on its sockets, messages that never come; and all adds up."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq

from emulator.decisions import Assign, Decision
from emulator.events import Captured, Finished, Missed, NodeFailed, NodeRecovered
from emulator.ledger import counts
from emulator.live import control as say
from emulator.live.leases import GRACE_S, RUN_GRACE_S, Lease, Leases
from emulator.orders import Run, Send
from emulator.schedulers.orbit import mesh
from emulator.view import View
from workloads.streams import stream
from workloads.tasks import Outcome

ROOT = Path(__file__).parent.parent.parent


def busy_b(view: View) -> Iterator[Decision]:
    """Everything to B, where it can be; what A keeps has less to do."""
    for task in view.waiting:
        yield Assign(task.id, "B" if view.node("B").up else "A", relay=True)


def test_a_node_killed_under_load_is_a_fact_and_comes_back(stage: Any) -> None:
    """B is killed with a task running, one queued, and raw data in flight to it."""
    links = [stage.laser("A", "B"), stage.laser("B", "C"), stage.radio("A"), stage.radio("C")]
    tasks = [stage.task(f"t{k:03d}", 0.05 + 0.2 * k, work_s=0.3, raw_bytes=100_000) for k in range(300)]
    made = stage.build(links, tasks, duration_s=60.0)
    seen: dict[str, Any] = {}

    def kill(engine: Any) -> bool:
        node, transport = engine.core.nodes["B"], engine.core.transport
        seen["engine"] = engine
        if node.running is None or not node.queue or not any(m.hop == "B" for m in transport.in_flight.values()):
            return False
        seen["running"] = node.running.task.id
        seen["flying"] = [m.id for m in transport.in_flight.values() if m.hop == "B"]
        os.kill(engine.crew.supervisor.pids["B"], signal.SIGKILL)
        return True

    def works_again(engine: Any) -> bool:
        """The second process has inferred something, and its results are down."""
        runs = [s for s in engine.core.tasks.values() if s.how == "done" and s.target == "B"]
        return (
            engine.crew.members["B"].epoch == 2
            and engine.core.nodes["B"].up
            and any(state.started_s > seen.setdefault("back_s", engine.now_s) for state in runs)
        )

    played = stage.live(made, busy_b, kill, works_again, stage.over)
    (failed,), (back,) = played.facts(NodeFailed), played.facts(NodeRecovered)
    assert (failed.node, back.node) == ("B", "B")
    assert failed.at_s < back.at_s
    member = seen["engine"].crew.members["B"]
    assert (member.epoch, member.deaths, played.figures.restarts) == (2, 1, 1)
    assert re.search(r"^B \(process \d+\) was killed by signal 9", played.figures.incidents[0])

    assert played.fates[seen["running"]] == ("lost", "B failed")
    assert {reason for how, reason in played.fates.values() if how == "lost"} == {"B failed"}
    for task in seen["flying"]:  # it waited again at A, and was assigned again, there or to B
        assert played.placements[task, 0] == "A" or played.hops[task, "raw"].count(("A", "B")) > 1
    runs = {order.task: order for order in played.orders(Run)}
    assert any(order.node == "B" and order.start_s > back.at_s for order in runs.values())
    assert any(fact.node == "B" and fact.at_s > back.at_s for fact in played.facts(Finished))

    total = counts(played.core)
    assert total.captured == len(played.facts(Captured)) == total.done + total.lost + total.pending
    assert total.done > 2
    assert stage.hangs(seen["engine"]) == []
    assert stage.replayed(made, busy_b, played) == played.digest


def test_a_coordinator_that_loses_two_nodes_at_once_learns_of_both(stage: Any) -> None:
    made = stage.build([stage.laser("A", "B"), stage.laser("B", "C")], [], duration_s=60.0)

    def kill(engine: Any) -> bool:
        pids = engine.crew.supervisor.pids
        for name in "AC":
            os.kill(pids[name], signal.SIGKILL)
        stage.until(lambda: not stage.alive([pids["A"], pids["C"]]))
        return True

    played = stage.live(made, mesh, kill, lambda engine: engine.restarts == 2, stage.over)
    assert sorted(fact.node for fact in played.facts(NodeFailed)) == ["A", "C"]
    assert played.figures.restarts == 2


def test_a_planned_fault_meets_a_node_that_has_just_died(stage: Any) -> None:
    """Its death is no second fault, and where the scenario lets it not come back, it stays away."""
    made = stage.build([stage.laser("A", "B")], [], [NodeFailed(0.5, "B")], duration_s=1.5, satellites="AB")
    seen: dict[str, Any] = {}

    def kill(engine: Any) -> bool:
        """So late that the planned fault is handled before the death is noticed."""
        seen["engine"] = engine
        if engine.now_s < 0.4:
            return False
        os.kill(engine.crew.supervisor.pids["B"], signal.SIGKILL)
        stage.until(lambda: engine.now_s > 0.5)
        return True

    played = stage.live(made, mesh, kill)
    assert [(fact.node, fact.at_s) for fact in played.facts(NodeFailed)] == [("B", 0.5)]
    assert played.facts(NodeRecovered) == []
    assert "B" not in seen["engine"].crew.supervisor.pids
    assert seen["engine"].crew.members["B"].epoch == 1
    assert len(played.figures.incidents) == 1


def noise(number: int) -> list[bytes]:
    """Frames of no message: empty, random, cut off, nested, strangers' words, and a huge one now and then."""
    source = stream(1, "noise", str(number))
    size_bytes = (0, 1, 7, 100, 5000)[number % 5]
    whole = say.encode(say.Beat({"sent": 1}))
    kinds = [
        [source.bytes(size_bytes)],
        [whole[: number % len(whole)]],
        [b"\x91" * (10, 1000, 50_000)[number % 3]],
        [b"OM" + source.bytes(size_bytes)],
        [source.bytes(8), source.bytes(8), source.bytes(8)],
        [whole],
        [say.encode(say.Ran("t00", 1, Outcome("clear", 0.0, 10), 0.0, 0.0, 0.0))],
    ]
    return [b"\0" * (2 << 20)] if number % 100 == 99 else kinds[number % len(kinds)]


def test_noise_on_every_socket_is_counted_and_harms_nothing(stage: Any) -> None:
    tasks = [stage.task(f"t{k:02d}", 0.05 + 0.3 * k, work_s=0.2, raw_bytes=100_000) for k in range(6)]
    links = [stage.laser("A", "B"), stage.radio("A"), stage.radio("B")]
    made = stage.build(links, tasks, duration_s=2.4, satellites="AB")
    sent = {"control": 0, "A": 0, "B": 0, "G": 0}

    def shout(engine: Any) -> bool:
        context: zmq.Context[Any] = zmq.Context()
        control = context.socket(zmq.DEALER)
        control.connect(engine.crew.roster.endpoint)
        for number in range(500):
            control.send_multipart(noise(number))
            sent["control"] += 1
        control.close(linger=5000)
        for name, member in engine.crew.members.items():
            ear = context.socket(zmq.PUSH)
            ear.connect(member.ear)
            for number in range(300):
                ear.send_multipart(noise(number))
                sent[name] += 1
            ear.close(linger=5000)
        context.term()
        return True

    live = stage.live(made, mesh, shout)
    virtual = stage.virtual(made, mesh)
    assert (live.placements, live.fates) == (virtual.placements, virtual.fates)
    refused = live.figures.refused
    assert {"malformed", "stranger"} <= set(refused)
    assert (
        refused["malformed"] + refused["stranger"] >= 99
    )  # ZeroMQ cuts the connection at the first huge frame, and says no more
    for name in "ABG":
        counted = live.figures.nodes[name]
        assert sum(n for what, n in counted.items() if what.startswith("refused: ")) == sent[name]
    assert live.figures.stale == live.figures.restarts == 0


# leases


def lease(task: str, contact: int = 0, due_s: float = 1.25, letter: str = "") -> Lease:
    return Lease(Send("A", "B", task, "raw", contact, 100, 0.0, 1.0, due_s), 1, letter or f"raw:1:{task}")


def wall(emulated_s: float) -> float:
    """Half as fast as the wall."""
    return 2.0 * emulated_s


def test_a_message_has_one_lease_and_an_echo_settles_nothing() -> None:
    leases = Leases()
    first, second = lease("t"), lease("t", contact=3, letter="raw:2:t")
    assert leases.grant(first) is None
    assert leases.grant(second) is first
    assert leases.by_contact == {0: 0, 3: 1}
    assert leases.settled(("t", "raw"), "raw:1:t", "B") is None  # of the hop before
    assert leases.settled(("t", "raw"), "raw:2:t", "A") is None  # by somebody else
    assert leases.settled(("u", "raw"), "raw:2:u", "B") is None
    assert leases.settled(("t", "raw"), "raw:2:t", "B") is second
    assert leases.settled(("t", "raw"), "raw:2:t", "B") is None  # a second time
    assert leases.by_contact == {0: 0, 3: 0}


def test_what_is_not_reported_in_time_is_asked_for_again_a_few_times() -> None:
    leases = Leases()
    leases.grant(lease("late", due_s=4.0))
    leases.grant(lease("early", due_s=20.0))
    due_s = wall(4.0) + GRACE_S
    assert leases.expired(due_s, wall) == []
    assert [(found.order.task, found.tries) for found in leases.expired(due_s + 0.5, wall)] == [("late", 1)]
    assert leases.expired(due_s + 0.5 + GRACE_S, wall) == []
    assert [(found.order.task, found.tries) for found in leases.expired(due_s + 0.6 + GRACE_S, wall)] == [("late", 2)]


def test_a_slower_pace_gives_what_is_under_way_its_time() -> None:
    leases = Leases()
    leases.grant(lease("t", due_s=10.0))
    assert leases.expired(15.0 + GRACE_S, lambda emulated_s: 10.0 * emulated_s) == []
    assert len(leases.expired(15.0 + GRACE_S, lambda emulated_s: emulated_s)) == 1


def test_a_run_that_should_be_over_long_since_hangs() -> None:
    leases = Leases()
    leases.runs[1] = Run("A", "t", 1, 0.0, 1.0)
    assert leases.hung(wall(1.0) + RUN_GRACE_S, wall) == []
    assert leases.hung(wall(1.0) + RUN_GRACE_S + 0.5, wall) == [leases.runs[1]]


def test_a_message_that_nobody_can_send_again_is_missed_and_lost_with_the_reason(stage: Any) -> None:
    """A dies when its message has left it by the plan, but not its process: nothing will ever come."""
    made = stage.build(
        [stage.laser("A", "B")], [stage.task("t", 0.1, raw_bytes=100_000)], duration_s=60.0, satellites="AB"
    )
    stopped: list[int] = []

    def stop(engine: Any) -> bool:
        stopped.append(engine.crew.supervisor.pids["A"])
        os.kill(stopped[0], signal.SIGSTOP)  # before t is captured: the order to send it is never carried out
        return True

    def kill(engine: Any) -> bool:
        flying = engine.core.transport.in_flight
        if not flying or engine.now_s < next(iter(flying.values())).free_s:
            return False
        os.kill(stopped[0], signal.SIGKILL)
        return True

    def to_b(view: View) -> Iterator[Decision]:
        for task in view.waiting:
            yield Assign(task.id, "B")

    played = stage.live(made, to_b, stop, kill, lambda engine: engine.core.ended["lost"] == 1, stage.over)
    assert [fact.node for fact in played.facts(NodeFailed)] == ["A"]
    assert [(fact.node, fact.task) for fact in played.facts(Missed)] == [("B", "t")]
    assert played.fates == {"t": ("lost", "never came to B")}
    assert stage.replayed(made, to_b, played) == played.digest


def test_nodes_killed_at_random_under_load_leave_nothing_unaccounted() -> None:
    """The soak of `benchmarks/soak_kill.py` in small: scenes and programs' messages, and nodes that come and go."""
    command = [sys.executable, "-m", "benchmarks.soak_kill", "--kills", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["kills"] == found["facts"]["NodeFailed"] == found["facts"]["NodeRecovered"] == 5
    assert found["tasks"]["lost"] > 0
    for what in ("tasks", "bundles"):
        assert found[what]["done"] > 50
