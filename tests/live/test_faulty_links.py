"""A whole run over links that lose, double, reorder and damage: everything is still accounted for, nothing twice."""

from typing import Any

from emulator.events import Bundle, Missed, Offered
from emulator.ledger import bundle_counts
from emulator.orders import End
from links.faulty import Faults

MESSAGES = 40


def offers() -> list[Offered]:
    return [Offered(0.05 + 0.02 * n, "A", Bundle(f"b{n}", "A", "B", 100)) for n in range(MESSAGES)]


def play(stage: Any, faults: Faults, duration_s: float) -> Any:
    made = stage.build([stage.laser("A", "B")], [], offers(), duration_s, satellites="AB", stations="")
    return stage.live(made, lambda view: None, faults=faults)


def total(played: Any, name: str) -> int:
    return sum(counts.get(name, 0) for counts in played.figures.nodes.values())


def test_what_goes_wrong_is_sent_again_and_taken_once(stage: Any) -> None:
    faults = Faults(drop=0.15, duplicate=0.3, reorder=0.2, corrupt=0.15)
    played = play(stage, faults, 8.0)  # time for three tries
    assert bundle_counts(played.core).pending == 0
    ends = [order.task for order in played.orders(End)]
    assert sorted(ends) == sorted(f"b{n}" for n in range(MESSAGES))  # each ended once
    assert total(played, "on purpose: dropped") > 0
    assert total(played, "on purpose: corrupted") > 0
    assert total(played, "on purpose: duplicated") > 0
    assert total(played, "resent") == played.figures.resent > 0
    assert total(played, "duplicates") > 0
    assert total(played, "refused: checksum") > 0
    done = bundle_counts(played.core).done
    assert total(played, "released") == done  # nothing was released twice
    assert done + len(played.facts(Missed)) == MESSAGES


def test_a_link_that_carries_nothing_loses_all_with_the_reason(stage: Any) -> None:
    played = play(stage, Faults(drop=1.0), 12.0)  # three tries, two seconds each
    assert played.fates == {f"b{n}": ("lost", "never came to B") for n in range(MESSAGES)}
    assert total(played, "released") == 0
    account = played.core.transport.accounts["A", "B"]
    assert (account.received_bytes, account.lost_bytes) == (0, account.sent_bytes)
