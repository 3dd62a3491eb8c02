"""Who says hello: the member of the crew that a newcomer is, or why it is none. Pure; no sockets, no processes."""

from collections.abc import Mapping

from emulator.live import control as say
from emulator.live.roster import Member
from emulator.version import installed_version


def who(hello: say.Hello, members: Mapping[str, Member], run: bytes, scenario_sha256: str) -> tuple[Member | None, str]:
    """The member that says hello, or None and what is wrong with it."""
    if hello.protocol != say.PROTOCOL or hello.version != installed_version():
        ours = f"orbitmesh {installed_version()} and protocol {say.PROTOCOL}"
        return None, f"this run speaks {ours}, the node {hello.version} and {hello.protocol}: install the same"
    awaited = [m for m in members.values() if m.remote and not m.identity]
    if hello.run == b"" and not hello.node:
        return (awaited[0], "") if awaited else (None, "no node is awaited from another host (any more)")
    member = members.get(hello.node)
    if member is None:
        names = ", ".join(m.name for m in awaited[:20])
        return None, f"there is no node {hello.node!r} in this run; awaited: {names or 'nobody (any more)'}"
    if not (member.remote or hello.run):
        return None, f"{member.name} runs on the coordinator's host; name one of those given with --remote"
    if member.identity:
        again = "; if it has just died there, try again in some seconds" if member.remote else ""
        return None, f"{member.name} is here already, from {member.host}{again}"
    if member.remote:
        return member, ""
    if hello.run != run or hello.epoch != member.epoch:
        return None, f"{member.name} runs on the coordinator's host, which has not started this process"
    if hello.scenario_sha256 != scenario_sha256:
        return None, f"{member.name} was started for another scenario ({hello.scenario_sha256[:12]})"
    return member, ""
