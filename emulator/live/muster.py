"""The start of a run: processes up, nodes of other hosts joined, models loaded, clocks known; or why not."""

from collections.abc import Callable

from emulator.clock import wall_s
from emulator.errors import BadInput, RunFailed
from emulator.live.crew import START_LIMIT_S, Crew
from emulator.live.supervisor import NOT_LET_IN

LOOK_S = 0.05  # wall seconds between looks at who is still missing
SOUND_S = 20.0  # wall seconds for the clocks of other hosts: sixteen exchanges with the far side of the Earth take 5
EARLY_DEATHS = 2  # of one node before the run begins: the first may be an accident


def muster(crew: Crew, advance: Callable[[float], None]) -> None:
    """Start all processes; returns when every node is ready and has its models. `advance` is told how many are.

    Raises RunFailed naming the node if one dies or is not ready in time, BadInput if nobody joins.
    """
    everyone = list(crew.members.values())
    for member in everyone:
        if not member.remote:
            crew.spawn(member)
    begun_s = wall_s()
    while waiting := [member.name for member in everyone if not (member.ready and member.loaded)]:
        crew.wait(wall_s() + LOOK_S)
        crew.hear()
        for member, death in crew.news():
            if member.remote:
                crew.note(str(death))  # somebody may bring it up again while we wait
                continue
            member.deaths += 1
            if member.deaths >= EARLY_DEATHS or death.code == NOT_LET_IN:
                raise RunFailed(f"a node did not start: {death}")
            crew.spawn(member)
        advance(float(len(everyone) - len(waiting)))
        _check_patience(crew, waiting, wall_s() - begun_s)
    _measure_clocks(crew)
    crew.begun()


def _check_patience(crew: Crew, waiting: list[str], waited_s: float) -> None:
    far = [name for name in waiting if crew.members[name].remote and not crew.members[name].identity]
    if far and waited_s > crew.options.join_s:
        text = ", ".join(far[:10])
        raise BadInput(
            f"nobody has joined as {text} within {crew.options.join_s:g} s: run `orbitmesh node --join "
            f"{crew.roster.endpoint}` there (with --key FILE); refused so far: {crew.refused or 'none'}"
        )
    near = [name for name in waiting if name not in far]
    if near and waited_s > START_LIMIT_S:
        raise RunFailed(f"{', '.join(near[:10])} not ready within {START_LIMIT_S:g} s")


def _measure_clocks(crew: Crew) -> None:
    """Learn how far other hosts' clocks are from ours, now that all is quiet."""
    far = crew.abroad.members
    for member in far:
        crew.abroad.sound(member)
    until_s = wall_s() + SOUND_S
    while waiting := [member.name for member in far if not crew.abroad.sounded(member)]:
        crew.wait(until_s)
        crew.hear()
        for _, death in crew.news():
            raise RunFailed(f"a node died before time began: {death}")
        if wall_s() > until_s:
            raise RunFailed(f"{', '.join(waiting[:10])} did not say within {SOUND_S:g} s what time it is there")
    problems = [problem for member in far if (problem := crew.abroad.objection(member))]
    if problems:
        raise BadInput("; ".join(problems))
    for member in far:
        crew.abroad.admit(member)
