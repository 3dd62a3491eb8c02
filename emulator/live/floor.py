"""How fast transport is on this host: messages over links between neighbours, timed before emulated time begins."""

from emulator.clock import wall_s
from emulator.errors import RunFailed
from emulator.live import control as say
from emulator.live.crew import Crew
from emulator.live.pace import Pace, Segment

BEFORE_TIME_S = -1e9  # emulated instant before any run: probes are due at once
PROBE_S = 1.0  # wall seconds until a message counts as lost: a thousand times what one takes
MOST_LOST = 10  # messages; then something is wrong, and more would only take time


def measure_floor(crew: Crew, rounds: int) -> list[float]:
    """Wall seconds from an order until the report of its arrival, sorted.

    It is what a message that is forwarded needs between its release at one node and at the next. Raises RunFailed if
    messages do not come through, or a node dies.
    """
    names = list(crew.members)
    begin = Pace(Segment(wall_s(), BEFORE_TIME_S / 2.0, 1.0))  # applications must not think that time has begun
    peers = dict(zip(names, names[1:] + names[:1], strict=True))
    for here, there in peers.items():
        crew.begin(crew.members[here], begin)
        crew.tell(here, say.Link(say.PROBE_LINK, there, crew.members[there].ear))
    samples: list[float] = []
    lost = 0
    for number in range(-2 * len(names), rounds):  # the first two over each link make and warm its connection
        here = names[number % len(names)]
        took_s = _probe_s(crew, here, say.letter_id("probe", number + 2 * len(names), ""))
        if took_s is None:
            lost += 1
        elif number >= 0:
            samples.append(took_s)
        if lost > MOST_LOST:
            raise RunFailed(
                f"{lost} messages from node to node did not come through before time began, the last one from {here} "
                f"to {peers[here]}; refused so far: {dict(crew.roster.refused) or 'none'}"
            )
    crew.tell_all(say.Unlink(say.PROBE_LINK))
    return sorted(samples)


def _probe_s(crew: Crew, here: str, letter: str) -> float | None:
    """Wall seconds that one message takes; None if it is lost."""
    sent_s = wall_s()
    crew.tell(here, say.Put(letter, say.PROBE_LINK, 1, 0, BEFORE_TIME_S, BEFORE_TIME_S))
    while wall_s() < sent_s + PROBE_S:
        crew.wait(sent_s + PROBE_S)
        if any(isinstance(message, say.Got) and message.letter == letter for _, message in crew.hear()):
            return wall_s() - sent_s
        for _, death in crew.deaths():
            raise RunFailed(f"a node died before time began: {death}")
    return None
