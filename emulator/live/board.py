"""The live table: nodes, links, lateness, drawn by a process of its own so that drawing never makes anything late.

The coordinator writes a line of JSON now and then and never waits: a board that does not read misses lines.
"""

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from emulator import console
from emulator.clock import wall_s
from links.contacts import RADIO

if TYPE_CHECKING:
    from emulator.live.engine import Engine

EVERY_S = 0.5  # wall seconds between two pictures
PAINTED_S = 2.0  # wall seconds that the last picture may take
MOST_INCIDENTS = 5  # the last ones, on the board


class NodeLine(msgspec.Struct, frozen=True, array_like=True):
    """One node on the board."""

    name: str
    up: bool
    epoch: int
    linked: int  # peers it can send to
    radio: str  # station its radio is at
    queued: int  # tasks queued or running
    stored_bytes: int
    sent: int
    received: int


class Picture(msgspec.Struct, frozen=True):
    """What the board shows."""

    title: str
    now_s: float
    duration_s: float
    rate: float
    p50_s: float | None
    p99_s: float | None
    late_budget_s: float
    overruns: int
    restarts: int
    captured: int
    ended: dict[str, int]
    bundles: int
    under_way: int
    nodes: list[NodeLine]
    incidents: list[str]


class Board:
    """Hands pictures to the process that draws them; without `drawn` it only says what goes wrong, when it does."""

    def __init__(self, title: str, drawn: bool) -> None:
        self.title = title
        self._told = 0  # incidents that were said here
        self._next_s = 0.0
        self._painter: subprocess.Popen[bytes] | None = None
        if drawn:
            self._painter = subprocess.Popen(
                [sys.executable, "-P", "-m", "emulator.live.painter"], stdin=subprocess.PIPE, start_new_session=True
            )
            if self._painter.stdin is not None:
                os.set_blocking(self._painter.stdin.fileno(), False)

    def show(self, engine: "Engine", incidents: list[str]) -> None:
        """Draw, if it is time again."""
        painter, now_wall_s = self._painter, wall_s()
        if painter is None and len(incidents) > self._told:
            console.err.print("\n".join(incidents[self._told :]), soft_wrap=True)
            self._told = len(incidents)
        if painter is None or painter.stdin is None or now_wall_s < self._next_s:
            return
        self._next_s = now_wall_s + EVERY_S
        line = msgspec.json.encode(self._picture(engine, incidents)) + b"\n"
        with suppress(BlockingIOError, BrokenPipeError):  # it draws a later one, or is gone
            if len(line) <= 4096 * 15:  # what a pipe takes whole or not at all: 64 KiB less what may be in it
                os.write(painter.stdin.fileno(), line)

    def close(self) -> None:
        """Leave the last picture where it is."""
        if self._painter is not None and self._painter.stdin is not None:
            with suppress(BrokenPipeError):
                self._painter.stdin.close()
            try:
                self._painter.wait(timeout=PAINTED_S)
            except subprocess.TimeoutExpired:  # a terminal that was stopped
                self._painter.kill()
                self._painter.wait()

    def _picture(self, engine: "Engine", incidents: list[str]) -> Picture:
        core = engine.core
        late = engine.late.recent(1000)
        lines = []
        for name, node in core.nodes.items():
            member = engine.crew.members[name]
            peers = core.transport.routes.open[name]
            radios = [peer for peer, n in peers.items() if engine.contacts[n].kind == RADIO]
            sent, received = member.counts.get("sent", 0), member.counts.get("received", 0)
            lines.append(
                NodeLine(
                    name, node.up and engine.crew.fit(name), member.epoch, len(peers) - len(radios),
                    radios[0] if radios else "", len(node.queue) + (node.running is not None), node.stored_bytes, sent,
                    received,
                )
            )  # fmt: skip
        return Picture(
            title=self.title, now_s=engine.now_s, duration_s=engine.duration_s, rate=engine.governor.rate,
            p50_s=late.p50, p99_s=late.p99, late_budget_s=engine.options.late_budget_s, overruns=engine.overruns,
            restarts=engine.restarts, captured=len(core.tasks), ended=dict(core.ended), bundles=len(core.bundles),
            under_way=len(engine.leases.messages), nodes=lines, incidents=incidents[-MOST_INCIDENTS:],
        )  # fmt: skip
