"""What people and machines read: tables and progress through rich on one side, one JSON document on the other.

Human output goes to standard output, progress and errors to standard error; with `--json` standard output holds
one JSON document and nothing else. Text is printed as it is: names and notes are no markup.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from emulator.printable import printable as printable

WIDTH = 120  # characters, where there is no terminal to ask
WIDEST = 1000  # characters of a table


class _Plain(Console):
    """Shows no control characters, wherever names come from."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # for `emulator/cli.py`, as with JSON; rich's own would end the command here


out = _Plain(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else WIDTH)
err = _Plain(markup=False, emoji=False, highlight=False, stderr=True)


def print_json(document: Any) -> None:
    """One JSON document, two spaces deep, and a line end."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def table(title: str, left: Sequence[str], right: Sequence[str] = ()) -> Table:
    """A table with columns of words, then columns of numbers; no cell is ever wrapped."""
    made = Table(title=title)
    for name in left:
        made.add_column(name, no_wrap=True)
    for name in right:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def show(made: Table) -> None:
    """Print a table at its full width: where the terminal is narrower, lines run on, and nothing is cut."""
    made.width = Measurement.get(out, out.options.update(max_width=WIDEST), made).maximum
    out.print(made, crop=False)


def notes(lines: Sequence[str]) -> None:
    """What to beware of, a line each."""
    for line in lines:
        out.print(f"- {line}", style="dim")


@contextmanager
def progress(shown: bool = True) -> Iterator[Callable[[str, float | None], Callable[[float], None]]]:
    """Bars on standard error, on a terminal only. Yields `bar(title, total)`, which yields `advance_to(value)`.

    A bar without a total moves and counts the seconds.
    """
    if not (shown and sys.stderr.isatty()):  # rich before 14.3 writes a line end for a progress that it does not show
        yield lambda title, total: lambda value: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bars:

        def bar(title: str, total: float | None) -> Callable[[float], None]:
            task = bars.add_task(printable(title), total=total)

            def advance_to(value: float) -> None:
                bars.update(task, completed=value)

            return advance_to

        yield bar


_DURATIONS = (  # below a limit, s: how many of them are one, and what of
    (1e-3, 1e-6, "us"), (1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (7200.0, 60.0, "min"), (345600.0, 3600.0, "h"),
)  # fmt: skip


def seconds(value: float | None) -> str:
    """A duration for a person: `812 ms`, `4.2 s`, `37 min`, `5.1 h`, `14 d`."""
    if value is None:
        return "-"
    for limit, unit_s, unit in _DURATIONS:
        if value < limit:
            return f"{value / unit_s:.3g} {unit}"
    return f"{value / 86400.0:.3g} d"


def scaled(value: float | None, unit: str) -> str:
    """A quantity with a decimal prefix: `1.53 TB`, `744 Tops`."""
    if value is None:
        return "-"
    for limit, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def percent(value: float | None) -> str:
    """A share of one as per cent."""
    return "-" if value is None else f"{100.0 * value:.3g} %"
