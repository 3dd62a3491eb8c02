"""Waiting for descriptors or an instant: what wakes it, what does not, and never early. No timing decides a test."""

import os
import resource
import sys
import threading
from collections.abc import Iterator

import pytest
import zmq

from emulator.clock import cpu_s, wall_s
from emulator.live.wait import LEAST_SPIN_S, MOST_SPIN_S, SPIN_MARGIN, Waiter, WaitError, bounded_spin, choose_spin

LONG_S = 60.0  # far beyond what any test takes: a wait that ends this late has failed


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("spin_s", [0.0, 200e-6, 1.0])
def test_it_is_never_early(spin_s: float) -> None:
    with Waiter(spin_s=spin_s) as waiter:
        for ahead_s in (0.0, 1e-5, 3e-4, 2e-3, 1e-2):
            until_wall_s = wall_s() + ahead_s
            assert waiter.wait(until_wall_s) == set()
            assert wall_s() >= until_wall_s


def test_an_instant_that_is_past_is_a_look(pipe: tuple[int, int]) -> None:
    with Waiter([pipe[0]]) as waiter:
        assert waiter.wait(wall_s() - 1.0) == set()
        os.write(pipe[1], b"x")
        assert waiter.wait(wall_s() - 1.0) == {pipe[0]}


@pytest.mark.parametrize("spin_s", [200e-6, LONG_S * 2], ids=["asleep", "spinning"])
def test_a_readable_descriptor_ends_it(pipe: tuple[int, int], spin_s: float) -> None:
    with Waiter([pipe[0]], spin_s) as waiter:
        until_wall_s = wall_s() + LONG_S
        writer = threading.Timer(0.01, os.write, (pipe[1], b"x"))
        writer.start()
        assert waiter.wait(until_wall_s) == {pipe[0]}
        assert wall_s() < until_wall_s
        writer.join()


def test_with_nothing_due_it_waits_for_descriptors_and_does_not_spin(pipe: tuple[int, int]) -> None:
    with Waiter([pipe[0]], spin_s=LONG_S) as waiter:
        writer = threading.Timer(0.3, os.write, (pipe[1], b"x"))
        writer.start()
        used_s = cpu_s()
        assert waiter.wait(None) == {pipe[0]}
        assert cpu_s() - used_s < 0.15  # spinning would have used all 0.3
        writer.join()


def test_all_that_are_readable_are_told_and_a_closed_peer_counts() -> None:
    pipes = [os.pipe() for _ in range(3)]
    with Waiter(reader for reader, _ in pipes) as waiter:
        os.write(pipes[0][1], b"x")
        os.close(pipes[2][1])
        assert waiter.wait(wall_s() + LONG_S) == {pipes[0][0], pipes[2][0]}
    for end in (*pipes[0], *pipes[1], pipes[2][0]):
        os.close(end)


def test_removed_descriptors_wake_no_more(pipe: tuple[int, int]) -> None:
    with Waiter([pipe[0]]) as waiter:
        os.write(pipe[1], b"x")
        waiter.remove(pipe[0])
        assert waiter.wait(wall_s() + 1e-3) == set()
        waiter.add(pipe[0])
        assert waiter.wait(wall_s() + LONG_S) == {pipe[0]}


def test_misuse_is_refused(pipe: tuple[int, int]) -> None:
    with Waiter([pipe[0]]) as waiter:
        with pytest.raises(WaitError, match="already"):
            waiter.add(pipe[0])
        with pytest.raises(WaitError, match="not waited for"):
            waiter.remove(pipe[1])
        with pytest.raises(WaitError, match="cannot be waited for"):
            waiter.add(-1)
        reader, writer = os.pipe()
        waiter.add(reader)
        os.close(reader)
        os.close(writer)
        with pytest.raises(WaitError, match="closed before"):
            waiter.remove(reader)


@pytest.mark.parametrize("never_s", [float("nan"), float("inf"), float("-inf")])
def test_an_instant_that_is_no_number_is_refused(never_s: float) -> None:
    with Waiter() as waiter, pytest.raises(WaitError, match="finite"):
        waiter.wait(never_s)


def test_an_instant_beyond_what_select_takes_is_waited_for(pipe: tuple[int, int]) -> None:
    with Waiter([pipe[0]]) as waiter:
        os.write(pipe[1], b"x")
        assert waiter.wait(1e300) == {pipe[0]}


def test_descriptors_above_1024_work() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1_500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this host allows {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    opened: list[int] = []
    try:
        with Waiter() as waiter:
            reader, writer = os.pipe()
            opened += [reader, writer]
            while opened[-1] <= 1_024:
                opened.append(os.dup(reader))
            for fd in opened[2:]:
                waiter.add(fd)
            assert waiter.wait(wall_s() + 1e-3) == set()
            os.write(writer, b"x")
            assert opened[-1] in waiter.wait(wall_s() + LONG_S)
            with pytest.raises(WaitError, match="before opening others"):
                Waiter()
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_epoll_select_does_it(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "another")
    with Waiter([pipe[0]]) as waiter:
        for bad in (-1, 1_024):
            with pytest.raises(WaitError, match="cannot be waited for"):
                waiter.add(bad)
        until_wall_s = wall_s() + 1e-3
        assert waiter.wait(until_wall_s) == set()
        assert wall_s() >= until_wall_s
        os.write(pipe[1], b"x")
        assert waiter.wait(wall_s() + LONG_S) == waiter.wait(None) == {pipe[0]}
        waiter.remove(pipe[0])
        assert waiter.wait(wall_s() + 1e-3) == set()


def test_no_message_of_a_zeromq_socket_is_slept_through() -> None:
    number = 2_000
    with zmq.Context() as context, context.socket(zmq.PULL) as ear, context.socket(zmq.PUSH) as out:
        ear.bind("inproc://ear")
        out.connect("inproc://ear")

        def send() -> None:
            for n in range(number):
                out.send(n.to_bytes(4, "big"))

        sender = threading.Thread(target=send)
        taken: list[int] = []
        until_wall_s = wall_s() + LONG_S
        with Waiter([ear.fileno()]) as waiter:
            sender.start()
            while len(taken) < number and wall_s() < until_wall_s:
                waiter.wait(until_wall_s)
                while int(ear.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                    taken.append(int.from_bytes(ear.recv(), "big"))
        sender.join()
        assert taken == list(range(number))


def test_a_spin_is_chosen_within_its_bounds_and_not_by_one_outlier() -> None:
    assert LEAST_SPIN_S <= choose_spin() <= MOST_SPIN_S
    assert bounded_spin([1e-6] * 24 + [1.0]) == LEAST_SPIN_S
    assert bounded_spin([1e-6] * 23 + [100e-6, 1.0]) == 100e-6 * SPIN_MARGIN
    assert bounded_spin([1.0] * 25) == MOST_SPIN_S
