"""Wait for descriptors or an instant, whichever is first, as precisely as this host can.

Far from the instant it sleeps in the kernel, close to it it spins; with nothing due it never spins. A ZeroMQ socket's
descriptor (`zmq.FD`) is edge-triggered: after every wait, and after every send or receive on that socket, take all that
there is (until `zmq.Again`) before waiting again, or the next message may not wake. One Waiter belongs to one thread.
"""

import ctypes
import select
import sys
from collections.abc import Iterable
from math import isfinite
from types import TracebackType

from emulator.clock import wall_s
from emulator.errors import RunFailed

PR_SET_TIMERSLACK = 29  # linux/prctl.h
FD_SETSIZE = 1024  # glibc: select() takes no greater descriptor
SPIN_S = 300e-6  # p99 38-50 us, with 200 us 54-74 (2,000/s, two virtual cores): benchmarks/release_lateness.py --spins
LEAST_SPIN_S, MOST_SPIN_S = 50e-6, 500e-6  # below: a core is barely saved; above: half a core at 1,000 a second
SPIN_MARGIN = 3.0  # sleeps end 50 to 110 us late while choose_spin looks, and a spin of 200 to 300 us is needed
LONGEST_SLEEP_S = 86_400.0  # select() refuses what a time_t cannot hold; a very slow pace may ask for it
PROBES, PROBE_S = 25, 2e-3  # 50 ms in all; 2 ms: long enough for a core to fall idle, as between messages


class WaitError(RunFailed, ValueError):
    """A descriptor or an instant that cannot be waited for."""


class Waiter:
    """Waits on a set of readable descriptors; `spin_s` is how long before an instant sleeping ends and spinning begins.

    On Linux the descriptors (any number) are in one epoll, which itself is waited for by `select`: epoll's own timeout
    has whole milliseconds. Elsewhere `select` takes them directly. Making one sets this thread's timer slack to 1 ns.
    """

    def __init__(self, fds: Iterable[int] = (), spin_s: float = SPIN_S) -> None:
        """Raises WaitError if a descriptor cannot be waited for."""
        self.spin_s = spin_s
        self._fds: set[int] = set()
        self._epoll = select.epoll() if sys.platform == "linux" else None
        if self._epoll is not None and self._epoll.fileno() >= FD_SETSIZE:
            number = self._epoll.fileno()
            self._epoll.close()
            raise WaitError(f"descriptor {number} is too great for select(); make the Waiter before opening others")
        tighten_timer_slack()
        for fd in fds:
            self.add(fd)

    def __enter__(self) -> "Waiter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the descriptors; they stay open."""
        self._fds.clear()
        if self._epoll is not None:
            self._epoll.close()

    def add(self, fd: int) -> None:
        """Wait for `fd` too. Raises WaitError if it is waited for already or cannot be."""
        if fd in self._fds:
            raise WaitError(f"descriptor {fd} is waited for already")
        if self._epoll is None and not 0 <= fd < FD_SETSIZE:
            raise WaitError(f"descriptor {fd} cannot be waited for: select() takes 0 to {FD_SETSIZE - 1}")
        try:
            if self._epoll is not None:
                self._epoll.register(fd, select.EPOLLIN)
        except (OSError, ValueError) as error:
            raise WaitError(f"descriptor {fd} cannot be waited for: {error}") from error
        self._fds.add(fd)

    def remove(self, fd: int) -> None:
        """Wait for `fd` no more; before it is closed. Raises WaitError if it is not waited for."""
        if fd not in self._fds:
            raise WaitError(f"descriptor {fd} is not waited for")
        self._fds.discard(fd)
        try:
            if self._epoll is not None:
                self._epoll.unregister(fd)
        except OSError as error:
            raise WaitError(f"descriptor {fd} was closed before it was removed: {error}") from error

    def wait(self, until_wall_s: float | None) -> set[int]:
        """The descriptors that are readable (or broken), as soon as one is; empty at `until_wall_s`; `None`: no end.

        An instant that is past is a look at the descriptors. Never returns early with an empty set. Raises WaitError if
        the instant is not finite.
        """
        if until_wall_s is None:
            return self._readable(None)
        if not isfinite(until_wall_s):
            raise WaitError(f"{until_wall_s!r} s never comes: give a finite instant, or None for no end")
        while (asleep_s := until_wall_s - self.spin_s - wall_s()) > 0.0:
            if found := self._readable(min(asleep_s, LONGEST_SLEEP_S)):
                return found
        while not (found := self._readable(0.0)):
            if wall_s() >= until_wall_s:
                break
        return found

    def overslept_s(self, asleep_s: float) -> float:
        """How many seconds too late a sleep of `asleep_s` ends, without spinning."""
        until_wall_s = wall_s() + asleep_s
        self._readable(asleep_s)
        return wall_s() - until_wall_s

    def _readable(self, timeout_s: float | None) -> set[int]:
        if self._epoll is None:
            return set(select.select(self._fds, (), (), timeout_s)[0])
        if timeout_s and not select.select((self._epoll,), (), (), timeout_s)[0]:
            return set()
        ready = self._epoll.poll(None if timeout_s is None else 0)
        return {fd for fd, _ in ready} if ready else set()


def tighten_timer_slack() -> None:
    """Let this thread's sleeps end at their time, not up to 50 us later (the kernel's default). Linux; else nothing.

    Threads started from here on inherit it. Best effort: where it is refused, sleeps are late by as much, and spinning
    makes up for it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)  # in ns; 0 would mean the default


def choose_spin() -> float:
    """Seconds to spin, from how late this host ends sleeps now, within the bounds above; measures for 50 ms.

    Measure once per host, before its nodes start, and tell them: twelve that measure at once measure each other.
    """
    with Waiter() as waiter:
        return bounded_spin([waiter.overslept_s(PROBE_S) for _ in range(PROBES)])


def bounded_spin(late_s: list[float]) -> float:
    """The second worst of how late sleeps ended, as one outlier must not set it, with a margin, within the bounds."""
    return min(max(SPIN_MARGIN * sorted(late_s)[-2], LEAST_SPIN_S), MOST_SPIN_S)
