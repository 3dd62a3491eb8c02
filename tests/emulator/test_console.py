"""What people read: text as it is, but for what would steer their terminal."""

import pytest

from emulator import console


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
