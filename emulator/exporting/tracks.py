"""Tracks of a Chrome trace: processes, threads and lanes, such that slices on one thread never overlap.

Perfetto refuses slices that overlap on one thread without nesting. A track here is one thread as long as its slices
are serial, and gets a further lane, a thread of its own, for each that would overlap. Instants are whole nanoseconds.
"""

from math import inf, nextafter
from typing import Any

NS_PER_S = 1_000_000_000
FIRST_TID = 1_000_000  # above any process number: a thread numbered as its process would count as its main thread


def nanoseconds(at_s: float) -> int:
    """An instant or duration in whole nanoseconds; beyond 26 days one that a double holds, at most 2 ns away."""
    return int(microseconds(round(at_s * NS_PER_S)) * 1000.0)


def microseconds(ns: int) -> float:
    """In microseconds, the unit of a Chrome trace.

    Perfetto multiplies the number by 1000 and cuts what is behind the point: one nanosecond too few, and neighbours
    overlap. So this is a double from which it gets `ns` again, if `ns` came from `nanoseconds`.
    """
    us = ns / 1000.0
    return us if int(us * 1000.0) >= ns else nextafter(us, inf)


class Track:
    """One row of a process: its lanes, each a thread, with the instant at which its last slice ended."""

    __slots__ = ("lanes", "name", "pid", "rank")

    def __init__(self, pid: int, name: str, rank: int) -> None:
        self.pid, self.name, self.rank = pid, name, rank
        self.lanes: list[list[int]] = []  # [tid, free from, in ns]


class Tracks:
    """Gives out process and thread numbers, each once in the whole trace, and the metadata that name them."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}
        self._tracks: dict[tuple[int, str], Track] = {}
        self._threads = 0
        self.metadata: list[dict[str, Any]] = []  # events that name what was given out since it was last emptied

    def process(self, name: str, labels: str = "") -> int:
        """The number of a process; named when first asked for."""
        pid = self._pids.get(name)
        if pid is None:
            pid = self._pids[name] = len(self._pids) + 1
            self._name("process_name", pid, 0, {"name": name})
            self._name("process_sort_index", pid, 0, {"sort_index": pid})
            if labels:
                self._name("process_labels", pid, 0, {"labels": labels})
        return pid

    def track(self, pid: int, name: str, rank: int) -> Track:
        """A row of a process; rows are sorted by `rank`, then in the order in which they were first used."""
        found = self._tracks.get((pid, name))
        if found is None:
            found = self._tracks[pid, name] = Track(pid, name, rank)
        return found

    def lane(self, track: Track, start_ns: int, stop_ns: int) -> int:
        """The thread for a slice from `start_ns` to `stop_ns`: the first lane that is free by then, or a new one."""
        for lane in track.lanes:
            if lane[1] <= start_ns:
                lane[1] = stop_ns
                return lane[0]
        self._threads += 1
        tid = FIRST_TID + self._threads
        name = track.name if not track.lanes else f"{track.name} ({len(track.lanes) + 1})"
        track.lanes.append([tid, stop_ns])
        self._name("thread_name", track.pid, tid, {"name": name})
        self._name("thread_sort_index", track.pid, tid, {"sort_index": track.rank})
        return tid

    def _name(self, kind: str, pid: int, tid: int, said: dict[str, Any]) -> None:
        self.metadata.append({"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": said})
