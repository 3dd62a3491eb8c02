"""Draws the live table on standard error from pictures on standard input; a process of its own.

On a terminal the table stays in place; elsewhere a line is printed every ten seconds, and incidents as they come.
"""

import signal
import sys

import msgspec
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from emulator import console
from emulator.clock import wall_s
from emulator.live.board import Picture

LINE_EVERY_S = 10.0  # wall seconds, without a terminal
MOST_LINE_BYTES = 1 << 20
MOST_ROWS = 40  # nodes in the table; the rest is counted


def main() -> int:
    """Until the end of input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator gets it too, and closes our input
    pictures = msgspec.json.Decoder(Picture)
    if not console.err.is_terminal:
        next_s, known = 0.0, frozenset[str]()
        while line := sys.stdin.buffer.readline(MOST_LINE_BYTES):
            picture = pictures.decode(line)
            for incident in picture.incidents:
                if incident not in known:
                    console.err.print(incident, soft_wrap=True)
            known = frozenset(picture.incidents)
            if wall_s() >= next_s:
                next_s = wall_s() + LINE_EVERY_S
                console.err.print(headline(picture))
        return 0
    with Live(console=console.err, auto_refresh=False, transient=False) as live:
        while line := sys.stdin.buffer.readline(MOST_LINE_BYTES):
            live.update(draw(pictures.decode(line)), refresh=True)
    return 0


def headline(picture: Picture) -> str:
    """The run in one line."""
    late = f"late p50 {console.seconds(picture.p50_s)}, p99 {console.seconds(picture.p99_s)}"
    ended = picture.ended
    tasks = f"{picture.captured} scenes: {ended['done']} done, {ended['dropped']} dropped, {ended['lost']} lost"
    return (
        f"{picture.title}  {max(0.0, picture.now_s):,.1f} of {picture.duration_s:,.0f} s at rate {picture.rate:.3g}; "
        f"{late} of {console.seconds(picture.late_budget_s)}; {picture.overruns} overrun, {picture.restarts} restarts; "
        f"{tasks}; {picture.bundles} bundles; {picture.under_way} messages under way"
    )


def draw(picture: Picture) -> Group:
    """The run in full."""
    names = ["node", "state"]
    numbers = ["links", "radio at", "tasks", "stored", "sent", "received"]
    table = Table()
    for name in names:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for node in picture.nodes[:MOST_ROWS]:
        state = "up" if node.up else "down"
        table.add_row(
            node.name, state if node.epoch <= 1 else f"{state}, process {node.epoch}", str(node.linked), node.radio,
            str(node.queued), console.scaled(float(node.stored_bytes), "B"), f"{node.sent:,}", f"{node.received:,}",
        )  # fmt: skip
    rest = len(picture.nodes) - MOST_ROWS
    lines = [Text(line, style="yellow") for line in picture.incidents]
    if rest > 0:
        lines.insert(0, Text(f"... and {rest} more nodes"))
    return Group(Text(headline(picture)), table, *lines)


if __name__ == "__main__":
    sys.exit(main())
