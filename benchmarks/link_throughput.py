"""One link's throughput, `links/wire.py` between two real processes over ipc, against bare pyzmq PUSH and PULL.

Run it from the repository's root: `python -m benchmarks.link_throughput`. Both sides have the same sizes, queue
(high-water mark) and order of play: in turns, each pair of processes started once, and a round is timed at the sender
from its first message to the receiver's word that all bytes are there. Bare pyzmq is the plainest good use: a loop of
`send` and of `recv`, `copy=False` from 10 kB on. Ours makes each letter, encodes, checksums, numbers, decodes, drops
duplicates and reads each payload as a view; letters go in batches, as an agent sends what is due together. Sender and
receiver have a core each, on both sides: left to itself, Linux often puts both on one core, and that is then measured.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import zmq

from links.envelope import Letter, Limits
from links.wire import Ear, Outbound

QUEUE = 1000  # ZeroMQ's own default high-water mark, at both ends of both sides
UNCOPIED_BYTES = 10_000  # from here on bare pyzmq gets copy=False
RUN = bytes(range(16))
PATIENCE_MS = 10_000  # a transfer that stands still for so long has failed
DRAIN = 8  # ZeroMQ messages an ear is asked for at a time
ROUNDS = 7


class Case(NamedTuple):
    """Messages of one size in one round, and how many letters go in one ZeroMQ message of ours."""

    size_bytes: int
    messages: int
    batch: int


CASES = (Case(100, 256_000, 64), Case(10_000, 48_000, 16), Case(1_000_000, 1_000, 1))
TARGET = 0.8  # of bare pyzmq


@contextmanager
def apart() -> Iterator[frozenset[int]]:
    """Keeps this process's new threads on one core, and gives the other cores for the receivers."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        yield frozenset()
        return
    cores = os.sched_getaffinity(0)
    mine = min(cores)
    os.sched_setaffinity(0, {mine})
    try:
        yield frozenset(cores - {mine})
    finally:
        os.sched_setaffinity(0, cores)


class Link:
    """A sender here and a receiver in a process of its own, on `cores` if there are any; `close` ends both."""

    def __init__(self, receiver: Callable[[str, Connection], None], cores: frozenset[int]) -> None:
        self.folder = tempfile.mkdtemp(prefix="om-")
        self.endpoint = f"ipc://{self.folder}/ear"
        spawn = get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_on, args=(receiver, cores, self.endpoint, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.context = zmq.Context()
        self._answer()  # the receiver is bound

    def _answer(self) -> Any:
        assert self.pipe.poll(PATIENCE_MS / 1000.0), "the receiver stands still"
        return self.pipe.recv()

    def transfer(self, case: Case) -> float:
        """Messages per second of one round."""
        payload = os.urandom(case.size_bytes)
        self.pipe.send(case)
        start_s = perf_counter()
        self.put(case, payload)
        got = self._answer()
        took_s = perf_counter() - start_s
        assert got == case.messages * case.size_bytes, f"{got} bytes came of {case}"
        return case.messages / took_s

    def put(self, case: Case, payload: bytes) -> None:
        """Send a round."""
        raise NotImplementedError

    def close(self) -> None:
        """End the receiver, then this end."""
        self.pipe.send(None)
        self.process.join(PATIENCE_MS / 1000.0)
        assert self.process.exitcode == 0
        self.pipe.close()
        self.context.term()
        shutil.rmtree(self.folder)


class Bare(Link):
    """pyzmq alone."""

    def __init__(self, cores: frozenset[int] = frozenset()) -> None:
        super().__init__(bare_receiver, cores)
        self.socket = self.context.socket(zmq.PUSH)
        self.socket.set_hwm(QUEUE)
        self.socket.sndtimeo = PATIENCE_MS
        self.socket.connect(self.endpoint)

    def put(self, case: Case, payload: bytes) -> None:
        send = self.socket.send
        if case.size_bytes < UNCOPIED_BYTES:
            for _ in range(case.messages):
                send(payload)
        else:
            for _ in range(case.messages):
                send(payload, copy=False)

    def close(self) -> None:
        self.socket.close(linger=0)
        super().close()


class Ours(Link):
    """The wire of `links`."""

    def __init__(self, cores: frozenset[int] = frozenset()) -> None:
        super().__init__(our_receiver, cores)
        self.outbound = Outbound(self.context, self.endpoint, RUN, "SCS-01 A", 1, 0, Limits(), queue=QUEUE)

    def put(self, case: Case, payload: bytes) -> None:
        size_bytes = case.size_bytes
        outbound = self.outbound
        number = outbound.next_sequence
        for left in range(case.messages, 0, -case.batch):
            letters = [
                Letter(f"m{k}", size_bytes, 0.5 * k, 0.5 * k - 0.005)
                for k in range(number, number + min(case.batch, left))
            ]
            payloads = [(payload,) for _ in letters]
            number += len(letters)
            while not outbound.send(letters, payloads):
                assert outbound.socket.poll(PATIENCE_MS, zmq.POLLOUT), "the receiver stands still"

    def close(self) -> None:
        self.outbound.close()
        super().close()


def _on(receiver: Callable[[str, Connection], None], cores: frozenset[int], endpoint: str, pipe: Connection) -> None:
    if cores:
        os.sched_setaffinity(0, cores)
    receiver(endpoint, pipe)


def bare_receiver(endpoint: str, pipe: Connection) -> None:
    """Receives rounds until told None."""
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.set_hwm(QUEUE)
        socket.rcvtimeo = PATIENCE_MS
        socket.bind(endpoint)
        pipe.send("bound")
        receive = socket.recv
        while case := pipe.recv():
            got = 0
            if case.size_bytes < UNCOPIED_BYTES:
                for _ in range(case.messages):
                    got += len(receive())
            else:
                for _ in range(case.messages):
                    got += len(receive(copy=False).buffer)
            pipe.send(got)


def our_receiver(endpoint: str, pipe: Connection) -> None:
    """Receives rounds until told None."""
    with zmq.Context() as context:
        ear = Ear(context, endpoint, RUN, Limits(), queue=QUEUE)
        pipe.send("bound")
        while case := pipe.recv():
            got = messages = 0
            while messages < case.messages:
                receipts = ear.receive(DRAIN)
                if not receipts:
                    assert ear.socket.poll(PATIENCE_MS), f"the sender stands still; refused: {ear.refused}"
                for receipt in receipts:
                    for part in receipt.parts:
                        got += len(part)
                messages += len(receipts)
            assert not ear.refused
            assert not ear.duplicates
            pipe.send(got)
        ear.close()


def measure(rounds: int = ROUNDS, cases: tuple[Case, ...] = CASES) -> dict[str, Any]:
    """Medians of `rounds` rounds of each side, in turns: per size messages and bytes per second, and their ratio."""
    with apart() as cores:
        bare, ours = Bare(cores), Ours(cores)
        try:
            found = [
                _row(case, [(bare.transfer(case), ours.transfer(case)) for _ in range(rounds + 1)]) for case in cases
            ]
        finally:
            bare.close()
            ours.close()
    return {"rounds": rounds, "queue": QUEUE, "target_share": TARGET, "sizes": found}


def _row(case: Case, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """What is said of one size; of pairs (bare, ours) of messages per second the first warmed up."""
    bare, ours = zip(*pairs[1:], strict=True)
    shares = [mine / plain for plain, mine in pairs[1:]]
    return {
        "size_bytes": case.size_bytes,
        "batch": case.batch,
        "messages": case.messages,
        "bare_messages_per_s": median(bare),
        "messages_per_s": median(ours),
        "bytes_per_s": median(ours) * case.size_bytes,
        "share_of_bare": median(shares),
        "shares": sorted(round(share, 3) for share in shares),
    }


def main() -> None:
    """Print the table, or with --json the figures."""
    singles = tuple(Case(case.size_bytes, case.messages // 4, 1) for case in CASES if case.batch > 1)
    figures = measure(cases=CASES + singles)
    if "--json" in sys.argv:
        print(json.dumps(figures, indent=1))
        return
    print(
        "  size, bytes  letters per message  bare, messages/s  ours, messages/s    GB/s  ours / bare  (least to most)"
    )
    for row in figures["sizes"]:
        shares = row["shares"]
        print(
            f"{row['size_bytes']:13,} {row['batch']:20} {row['bare_messages_per_s']:17,.0f}"
            f" {row['messages_per_s']:17,.0f} {row['bytes_per_s'] / 1e9:7.2f}"
            f" {row['share_of_bare']:12.2f}  ({shares[0]:.2f} to {shares[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
