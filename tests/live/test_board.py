"""What a live run says while it goes on, where no table is drawn."""

from types import SimpleNamespace
from typing import Any

import pytest

from emulator.live.board import Board


def test_without_a_table_what_goes_wrong_is_said_when_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    board, engine = Board("two, mesh", drawn=False), SimpleNamespace()
    incidents: list[str] = []
    shown: list[Any] = []
    for new in ([], ["A [1] died"], [], ["slows down to 0.1 at 3 s; inference", "B died"]):
        incidents += new
        board.show(engine, incidents)  # type: ignore[arg-type]
        shown.append(capsys.readouterr().err.splitlines())
    assert shown == [[], ["A [1] died"], [], ["slows down to 0.1 at 3 s; inference", "B died"]]
