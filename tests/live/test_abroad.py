"""Nodes on other hosts, as the coordinator keeps account of them: asked, measured, refused, put out. No sockets."""

from typing import Any

import pytest

from emulator.errors import RunFailed
from emulator.live import abroad as module
from emulator.live import control as say
from emulator.live.abroad import EVERY_S, EXCHANGES, Abroad
from emulator.live.governor import Governor
from emulator.live.offset import Exchange
from emulator.live.rates import Closest
from emulator.live.roster import Member


class Wire:
    """Stands where the roster is: what is said goes to a node far away, by a clock that the test turns."""

    def __init__(self, members: list[Member], there_s: float, ahead_s: float) -> None:
        self.members = {member.name: member for member in members}
        self.there_s, self.ahead_s = there_s, ahead_s
        self.now_s = 100.0
        self.endpoint, self.watch = "tcp://10.0.0.1:7100", None
        self.broken: set[bytes] = set()
        self.said: list[Any] = []

    def answer(self, identity: bytes, message: Any) -> bool:
        self.said.append(message)
        return identity not in self.broken

    def pinged(self, member: Member, pong: say.Pong) -> None:
        member.offset.add(Exchange(pong.sent_s, pong.came_s, pong.left_s, self.now_s))

    def pong(self) -> say.Pong:
        """The answer to the last ping, which comes back at once: only the way there takes time."""
        sent_s = next(one.sent_s for one in reversed(self.said) if isinstance(one, say.Ping))
        self.now_s = sent_s + self.there_s
        return say.Pong(sent_s, self.now_s + self.ahead_s, self.now_s + self.ahead_s)


def made(
    monkeypatch: pytest.MonkeyPatch, there_s: float, ahead_s: float = 7.0, rate: float | None = 1.0
) -> tuple[Abroad, Wire, Member]:
    near, far = Member("near", "satellite", remote=False), Member("far", "station", remote=True)
    wire = Wire([near, far], there_s, ahead_s)
    monkeypatch.setattr(module, "wall_s", lambda: wire.now_s)
    abroad = Abroad(wire, rate, budget_s=0.005)
    far.identity, far.host = b"1", "elsewhere"
    abroad.joined(far)
    abroad.sound(far)
    assert abroad.sounded(near)
    for _ in range(EXCHANGES):
        assert not abroad.sounded(far)
        abroad.heard(far, wire.pong())
    assert abroad.sounded(far)
    return abroad, wire, far


def test_a_clock_is_told_and_kept_account_of(monkeypatch: pytest.MonkeyPatch) -> None:
    abroad, wire, far = made(monkeypatch, there_s=0.002)
    assert abroad.objection(far) == ""
    assert abroad.unsure_s == 0.0
    abroad.admit(far)
    known = abroad.clocks["far"]
    assert abs(known.offset_s - 7.0) <= known.uncertainty_s == abroad.unsure_s == known.worst_s < 0.0011
    wire.said.clear()
    wire.now_s += EVERY_S
    abroad.look()
    abroad.look()  # not so soon again
    assert [type(one) for one in wire.said] == [say.Ping, say.Shift]
    wire.now_s += 30.0  # without an answer it grows unsure, and the worst is remembered
    abroad.look()
    assert abroad.clocks["far"].worst_s == abroad.clocks["far"].uncertainty_s > 0.003
    abroad.heard(far, wire.pong())
    wire.now_s += EVERY_S
    abroad.look()
    assert abroad.clocks["far"].uncertainty_s < 0.0012 < abroad.clocks["far"].worst_s


def test_a_clock_that_is_too_unsure_is_refused_before_and_ends_the_run_during_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    abroad, wire, far = made(monkeypatch, there_s=0.020)
    assert "the clock of far on elsewhere is known to 10.0" in abroad.objection(far)
    assert "at rate 1 more than the lateness budget of 5 ms; a nearer host, a slower" in abroad.objection(far)
    slow, _, far = made(monkeypatch, there_s=0.020, rate=0.1)
    assert slow.objection(far) == ""
    abroad, wire, far = made(monkeypatch, there_s=0.002)
    abroad.admit(far)
    wire.now_s += 60.0
    with pytest.raises(RunFailed, match=r"the clock of far on elsewhere is known to 7\.\d+ ms only"):
        abroad.look()


def test_auto_slows_down_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    abroad, _, far = made(monkeypatch, there_s=0.020, rate=None)
    assert abroad.objection(far) == ""
    abroad.admit(far)
    governor = Governor(Closest([], 10.0), 1e-4, 0.005, None, abroad.unsure_s)
    assert governor.rate * abroad.unsure_s <= 0.005 < abroad.unsure_s


@pytest.mark.parametrize("jump_s", [2.0, -2.0])
def test_a_node_whose_clock_jumps_is_put_out_and_may_come_back(monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    abroad, wire, far = made(monkeypatch, there_s=0.002)
    abroad.admit(far)
    wire.ahead_s += jump_s
    wire.now_s += EVERY_S
    abroad.look()
    abroad.heard(far, wire.pong())
    [(who, why)] = abroad.departed()
    assert who is far
    assert f"far (on elsewhere) is out of the run: its clock jumped by {jump_s:.3g} s" in why
    assert "`orbitmesh node --join tcp://10.0.0.1:7100 --name 'far'` brings it up again" in why
    assert isinstance(wire.said[-1], say.Unwelcome)
    assert abroad.departed() == []
    abroad.joined(far)
    abroad.sound(far)
    for _ in range(EXCHANGES):
        abroad.heard(far, wire.pong())
    abroad.admit(far)
    assert abs(abroad.clocks["far"].offset_s - 7.0 - jump_s) < 0.0011


def test_a_broken_connection_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    abroad, wire, far = made(monkeypatch, there_s=0.002)
    abroad.admit(far)
    wire.broken.add(far.identity)
    for _ in range(3):
        wire.now_s += EVERY_S
        abroad.look()
    [(_, why)] = abroad.departed()
    assert "its connection broke" in why
