"""Signals that come while a process is being started."""

import signal
from types import FrameType

import pytest

from emulator.live.interrupts import held


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_waits_for_what_has_been_begun(number: int) -> None:
    done: list[str] = []

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        done.append("interrupted")
        raise KeyboardInterrupt

    def begin() -> None:
        with held():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("begun")

    before = signal.signal(number, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            begin()
        assert done == ["begun", "interrupted"]
        assert signal.getsignal(number) is interrupted
    finally:
        signal.signal(number, before)
