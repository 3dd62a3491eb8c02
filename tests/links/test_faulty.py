"""The faulty link does what it is told to, counts it, does the same again, and an ear behind it still hears once."""

import shutil
import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
import zmq

from links.envelope import WHOLE_BYTES, Letter, Limits
from links.errors import WireError
from links.faulty import Faults, Faulty
from links.wire import Ear, Outbound, Receipt

RUN = bytes(16)
PATIENCE_MS = 20_000
Ends = tuple[Outbound, Ear]


@pytest.fixture
def ends() -> Iterator[Ends]:
    folder = tempfile.mkdtemp(prefix="om-", dir="/tmp")
    context = zmq.Context()
    ear = Ear(context, f"ipc://{folder}/ear", RUN, Limits(), queue=10_000)
    outbound = Outbound(context, ear.endpoint, RUN, "A", 1, 0, Limits(), queue=10_000)
    yield outbound, ear
    outbound.close()
    ear.close()
    context.term()
    shutil.rmtree(folder)


def fixed(**chances: float) -> Faults:
    return Faults(**chances)  # type: ignore[arg-type]


def send(link: Faulty, count: int, payload: bytes = b"data") -> None:
    for _ in range(count):
        assert link.send([Letter(f"m{link.next_sequence}", 10**6, 2.0, 1.0)], [[payload]])


def heard(link: Faulty, ear: Ear) -> list[Receipt]:
    """All that comes up to a last letter without faults."""
    assert link.flush()
    last = Letter("last", 10, 2.0, 1.0)
    new = link.next_sequence + link.outbound.resent_letters  # no letter had this number before
    assert link.outbound.resend(new, [last], [[]])
    found: list[Receipt] = []
    while not found or found[-1].letter != last:
        assert ear.socket.poll(PATIENCE_MS), "the last letter did not come"
        found += ear.receive(1)
    return found[:-1]


def test_without_faults_it_is_an_outbound(ends: Ends) -> None:
    link = Faulty(ends[0], Faults(), np.random.default_rng(1).random)
    send(link, 20)
    assert [r.sequence for r in heard(link, ends[1])] == list(range(20))
    assert link.did["passed"] == link.outbound.sent_letters == 20


def test_what_is_dropped_has_a_number_and_can_be_sent_again(ends: Ends) -> None:
    link = Faulty(ends[0], fixed(drop=1.0), np.random.default_rng(1).random)
    send(link, 3)
    link.faults = Faults()
    assert link.resend(1, [Letter("m1", 10, 2.0, 1.0)], [[]])
    send(link, 1)
    assert [r.sequence for r in heard(link, ends[1])] == [1, 3]
    assert (link.did["dropped"], link.did["passed"]) == (3, 2)


def test_reordered_messages_change_places(ends: Ends) -> None:
    link = Faulty(ends[0], Faults(), lambda: 0.5)
    for chance in (1.0, 0.0) * 3:
        link.faults = fixed(reorder=chance)
        send(link, 1)
    assert [r.sequence for r in heard(link, ends[1])] == [1, 0, 3, 2, 5, 4]
    assert link.did["reordered"] == 3


def test_delayed_messages_come_after_as_many_as_drawn(ends: Ends) -> None:
    link = Faulty(ends[0], Faults(delay=1.0, hold_most=5), lambda: 0.5)  # the middle of 2 to 5: after 4 more
    send(link, 1)
    link.faults = Faults()
    send(link, 6)
    assert [r.sequence for r in heard(link, ends[1])] == [1, 2, 3, 4, 0, 5, 6]
    assert link.did["delayed"] == 1


def test_duplicates_are_heard_once(ends: Ends) -> None:
    link = Faulty(ends[0], fixed(duplicate=1.0), np.random.default_rng(1).random)
    send(link, 10)
    assert [r.sequence for r in heard(link, ends[1])] == list(range(10))
    assert link.did["duplicated"] == ends[1].duplicates == 10


@pytest.mark.parametrize("size_bytes", [5, 3 * WHOLE_BYTES])
def test_no_corrupted_message_is_heard_and_the_payload_is_untouched(ends: Ends, size_bytes: int) -> None:
    payload = bytes(size_bytes)
    link = Faulty(ends[0], fixed(corrupt=1.0), np.random.default_rng(1).random)
    send(link, 200, payload)
    assert heard(link, ends[1]) == []
    assert link.did["corrupted"] == sum(ends[1].refused.values()) == 200
    assert ends[1].refused["checksum"] > 150
    assert payload == bytes(size_bytes)


ALL = Faults(drop=0.1, duplicate=0.2, reorder=0.2, delay=0.2, corrupt=0.1)


def test_all_faults_at_once_add_up_and_resending_heals(ends: Ends) -> None:
    link, ear = Faulty(ends[0], ALL, np.random.default_rng(5).random), ends[1]
    send(link, 1000)
    arrived = {r.sequence for r in heard(link, ear)}
    assert 700 < len(arrived) < 850
    for sequence in sorted(set(range(1000)) - arrived):
        assert link.outbound.resend(sequence, [Letter(f"m{sequence}", 10, 2.0, 1.0)], [[]])
    found = [r.letter.id for r in heard(link, ear)]
    assert len(found) == len(set(found)) == 1000 - len(arrived)
    assert set(ear.refused) <= {"checksum", "malformed", "version", "too_large"}
    assert sum(ear.refused.values()) >= link.did["corrupted"]  # a corrupted message may be doubled


def test_the_same_source_gives_the_same_faults(ends: Ends) -> None:
    outbound, _ = ends
    done = []
    for _ in range(2):
        link = Faulty(outbound, ALL, np.random.default_rng(9).random)
        send(link, 300)
        done.append(link.did)
    assert done[0] == done[1]
    assert all(done[0].values())


def test_a_full_queue_changes_neither_fate_nor_what_is_held() -> None:
    """The same messages over a link with room and one without: the same faults, the same order."""

    class Narrow:
        """Takes every third message offered."""

        next_sequence = 0
        resent_letters = 0

        def __init__(self, every: int) -> None:
            self.every, self.offered, self.taken = every, 0, list[bytes]()

        def seal(self, first: int, letters: list[Letter], _: object) -> list[bytes]:
            return [letters[0].id.encode() * 50]

        def post(self, frames: list[bytes]) -> bool:
            self.offered += 1
            if self.offered % self.every:
                return False
            self.taken.append(bytes(frames[0]))
            return True

        def book(self, letters: list[Letter]) -> None:
            self.next_sequence += len(letters)

    results = []
    for every in (1, 3):
        narrow = Narrow(every)
        link = Faulty(narrow, ALL, np.random.default_rng(4).random)  # type: ignore[arg-type]
        for k in range(300):
            tries = 0
            while not link.send([Letter(f"m{k:03}", 10, 2.0, 1.0)], [[]]):
                tries += 1
                assert tries < 1000
        while not link.flush():
            pass
        results.append((link.did, sorted(narrow.taken), narrow.next_sequence))
    assert results[0] == results[1]


def test_closing_counts_what_was_held_as_dropped(ends: Ends) -> None:
    link = Faulty(ends[0], fixed(delay=1.0), np.random.default_rng(1).random)
    send(link, 2)
    held = len(link.held)
    link.close()
    assert (held, link.did["dropped"]) == (2, 2)


def test_chances_that_cannot_be_are_refused() -> None:
    for wrong in ({"drop": 1.5}, {"corrupt": -0.1}, {"delay": float("nan")}, {"hold_most": 1}, {"hold_most": 10**9}):
        with pytest.raises(WireError, match=next(iter(wrong))):
            Faults(**wrong)  # type: ignore[arg-type]
