"""What only the coordinator knows, for applications that ask: where a node is, whom it sees, what it can compute.

Read off the shared ephemeris, the contact plan and the core's state; nothing is changed.
"""

import msgspec
import numpy as np

from emulator.assemble import Assembled
from emulator.core import Core
from links.contacts import LASER, RADIO, Contact
from links.transfer import delay_s
from nodes import protocol
from nodes.track import subpoints


class Answers:
    """Answers of one run."""

    def __init__(self, assembled: Assembled, core: Core) -> None:
        self.assembled, self.core, self.world = assembled, core, assembled.world
        self._sky = assembled.sky

    def answer(self, node: str, what: str, now_s: float) -> bytes:
        """The JSON object that answers `what` for a node; an empty one for a question that is none."""
        now_s = max(0.0, now_s)
        if what == "where":
            return msgspec.json.encode(self.where(node, now_s))
        if what == "links":
            return msgspec.json.encode(self.links(node, now_s))
        if what == "budget":
            return msgspec.json.encode(self.budget(node, now_s))
        return b"{}"

    def where(self, node: str, now_s: float) -> protocol.Where:
        """Position and velocity (TEME of date), and the point below on WGS84."""
        at = np.array([now_s])
        names = self._sky.ephemeris.names
        orbits = self._sky.ephemeris if node in names else self._sky.stations
        row = list(orbits.names).index(node)
        positions, velocities = orbits.states(at)
        position_m, velocity_m_per_s = positions[row, 0], velocities[row, 0]
        lat_deg, lon_deg, altitude_m = subpoints(position_m.reshape(1, 1, 3), self._sky.epoch, at)
        return protocol.Where(
            now_s, tuple(position_m.tolist()), tuple(velocity_m_per_s.tolist()), float(lat_deg[0, 0]),
            float(lon_deg[0, 0]), float(altitude_m[0, 0]), self.core.nodes[node].sunlit,
        )  # fmt: skip

    def links(self, node: str, now_s: float) -> protocol.Links:
        """Every pair of the plan that the node is in, as seen from it."""
        found: dict[str, protocol.Link] = {}
        for (a, b), item in sorted(self.world.plan.at(now_s).items()):
            if node not in (a, b):
                continue
            peer = b if node == a else a
            if not isinstance(item, Contact):
                found.setdefault(peer, protocol.Link(peer, False, reason=item.reason))
            elif item.kind == LASER or item.a == node:
                step = min(len(item.bits_per_s) - 1, int((now_s - item.start_s) / item.step_s))
                delay = delay_s(item, item.a == node, now_s)
                found[peer] = protocol.Link(peer, True, delay, item.bits_per_s[step])
            elif item.kind == RADIO:
                found.setdefault(peer, protocol.Link(peer, False, reason="no_uplink"))
        return protocol.Links(tuple(found[peer] for peer in sorted(found)))

    def budget(self, node: str, now_s: float) -> protocol.Budget:
        """The processor's peak, how busy it has been, and the work that waits for it."""
        state = self.core.nodes[node]
        if state.budget is None:
            return protocol.Budget(0.0, 0.0, 0.0)
        busy_share = state.budget.busy_s / now_s if now_s > 0.0 else 0.0
        return protocol.Budget(state.budget.peak_ops_per_s, min(1.0, busy_share), self.core.compute.backlog_s(state))
