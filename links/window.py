"""Which sequence numbers have come in: exact, in bounded memory, whatever is lost, doubled or out of order.

Kept are the next number expected and the gaps below it. A number in no gap has come before; a gap that has to be
forgotten is closed for good. So nothing is ever taken twice, and a loss blocks nothing that comes after it.
"""

from bisect import bisect_right
from math import inf
from typing import Literal

REACH = 1 << 20  # how far ahead a number may jump: 1,000 messages in a queue x 1,024 letters each, all lost
GAPS = 1024  # losses kept open at a time, some 100 kB; a resend that comes after so many others is refused [guess]

Verdict = Literal["new", "duplicate", "too_late", "too_far_ahead"]


class Window:
    """The numbers of one sender's letters on one contact."""

    def __init__(self, first: int) -> None:
        """`first` is the first number met: what went before may still come, up to `REACH` back."""
        self.next = first
        self.floor = max(0, first - REACH)  # below it everything is closed
        self.gaps: list[tuple[int, int]] = (
            [(self.floor, first)] if first > self.floor else []
        )  # [start, stop), ascending

    def admit_run(self, first: int, count: int) -> bool:
        """Take `count` numbers from `first` at once, if they are just the ones expected; the usual case."""
        if first != self.next:
            return False
        self.next = first + count
        return True

    def admit(self, sequence: int) -> Verdict:
        """Take one number if it is new, and say what it is."""
        ahead = sequence - self.next
        if ahead > REACH:
            return "too_far_ahead"
        if ahead >= 0:
            if ahead:
                self.gaps.append((self.next, sequence))
            self.next = sequence + 1
        elif sequence < self.floor:
            return "too_late"
        elif not self._fill(sequence):
            return "duplicate"
        if len(self.gaps) > GAPS:
            self.floor = self.gaps.pop(0)[1]
        return "new"

    def _fill(self, sequence: int) -> bool:
        """Take a number out of its gap; False if it lies in none."""
        k = bisect_right(self.gaps, (sequence, inf)) - 1
        if k < 0:
            return False
        start, stop = self.gaps[k]
        if sequence >= stop:
            return False
        self.gaps[k : k + 1] = [gap for gap in ((start, sequence), (sequence + 1, stop)) if gap[0] < gap[1]]
        return True
