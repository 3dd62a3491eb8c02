"""What people read: text as it is, but for what would steer their terminal."""

from io import StringIO
from pathlib import Path

import pytest

from emulator import console
from emulator.cli import main


def test_names_from_elsewhere_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;title\x07\x1b[31mred\x9b2J\x7f [bold]kept[/bold] \u00e9\u4e2d"
    made = console.table(evil, [evil], [evil])
    made.add_row(evil, evil)
    console.show(made)
    console.notes([evil])
    console.out.print(evil, soft_wrap=True)
    told = capsys.readouterr().out
    assert told.count("[bold]kept[/bold] \u00e9\u4e2d") == 7
    assert {each for each in told if not each.isprintable()} == {"\n"}


def test_an_error_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = "plan\x1b]0;title\x07\x9b2J\r.csv"
    (tmp_path / evil).write_text("a,b\n")
    assert main(["convert", evil, "out.jsonl"]) == 2
    assert main(["convert", f"no-{evil}", "out.jsonl"]) == 2
    told = capsys.readouterr().err
    assert told.count("plan\ufffd]0;title\ufffd\ufffd2J\ufffd.csv") == 2
    assert {each for each in told if not each.isprintable()} == {"\n"}


def test_the_title_of_a_bar_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    terminal = type(console.err)(file=stream, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    monkeypatch.setattr(console, "err", terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with console.progress() as bar:
        bar("three\x1b]0;title\x07\x9b2J-body", 1.0)(1.0)
    assert "three\ufffd]0;title\ufffd\ufffd2J-body" in stream.getvalue()
    assert "title\x07" not in stream.getvalue()
