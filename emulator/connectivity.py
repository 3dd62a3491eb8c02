"""Who sees whom at an instant of the contact plan, and into which groups that joins the satellites."""

from collections.abc import Sequence

import msgspec

from links.contacts import ACQUIRING, LASER, NO_FREE_TERMINAL, NOT_CHOSEN, Contact, ContactPlan

SEEN_BUT_DOWN = (ACQUIRING, NO_FREE_TERMINAL, NOT_CHOSEN)  # the line of sight is free, something else is not


class Connectivity(msgspec.Struct, frozen=True, kw_only=True):
    """Satellites that see each other at `at_s`: pairs of names, and groups joined by sight, largest first."""

    at_s: float
    pairs: int
    seen: list[tuple[str, str]]
    connected: int  # pairs with a laser link up
    groups: list[list[str]]

    def short(self) -> str:
        """`32 of 66 pairs see each other`."""
        satellites = sum(len(group) for group in self.groups)
        every = self.pairs == satellites * (satellites - 1) // 2
        return f"{len(self.seen)} of {self.pairs} {'pairs' if every else 'pairs that may be linked'} see each other"

    def sentence(self, when: str = "At the start") -> str:
        """For people, with who stands alone."""
        alone = [group[0] for group in self.groups if len(group) == 1]
        joined = [str(len(group)) for group in self.groups if len(group) > 1]
        text = f"{when} {self.short()}, {self.connected} are linked"
        text += f"; joined by sight: {', '.join(joined) or 'none'}"
        if alone:
            text += f"; alone: {', '.join(alone[:12])}" + (f" and {len(alone) - 12} more" if len(alone) > 12 else "")
        return text + "."


def connectivity(plan: ContactPlan, satellites: Sequence[str], at_s: float = 0.0) -> Connectivity:
    """Read it off the plan. In large constellations only the pairs that the topology may want are listed."""
    known = set(satellites)
    pairs = connected = 0
    seen: list[tuple[str, str]] = []
    for (a, b), item in plan.at(at_s).items():
        if a not in known or b not in known:
            continue
        pairs += 1
        up = isinstance(item, Contact) and item.kind == LASER
        connected += up
        if up or (not isinstance(item, Contact) and item.reason in SEEN_BUT_DOWN):
            seen.append((a, b))
    seen.sort()
    return Connectivity(at_s=at_s, pairs=pairs, seen=seen, connected=connected, groups=groups(sorted(known), seen))


def groups(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Names joined by pairs, directly or through others; largest group first, then by name."""
    leader = {name: name for name in names}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for a, b in pairs:
        leader[find(a)] = find(b)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(find(name), []).append(name)
    return sorted(found.values(), key=lambda group: (-len(group), group[0]))
