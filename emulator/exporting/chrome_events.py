"""Events of a Chrome trace, written to a stream in pieces: slices and instants on tracks, arrows along a task's slices.

Source of the format: Trace Event Format, Google, 2016 ("JSON Object Format", complete, instant, flow, metadata).
"""

from typing import IO, Any, NamedTuple

import msgspec

from emulator.exporting.tracks import Track, Tracks, microseconds, nanoseconds

BATCH_BYTES = 1 << 20  # written at a time


class Place(NamedTuple):
    """Where a flow touches a slice."""

    start_ns: int
    pid: int
    tid: int


class ChromeEvents:
    """Writes events to `stream`; what names processes and threads comes from `tracks`, before its first use."""

    def __init__(self, stream: IO[str], tracks: Tracks) -> None:
        self._stream, self._tracks = stream, tracks
        self._encode = msgspec.json.Encoder().encode
        self._pieces: list[bytes] = []
        self._size_bytes, self._between = 0, ""
        self.count = 0
        self._flows: dict[str, list[Place]] = {}  # of tasks that have not ended
        self._flow = 0

    def slice(
        self, track: Track, name: str, start_s: float, stop_s: float, says: dict[str, Any], flow: str | None = None
    ) -> None:  # fmt: skip
        """What lasts from `start_s` to `stop_s`; arrows of `flow`, if one is named, touch it."""
        start_ns, stop_ns = nanoseconds(start_s), nanoseconds(stop_s)
        place = Place(start_ns, track.pid, self._tracks.lane(track, start_ns, stop_ns))
        length = {"ph": "X", "name": name, "cat": "run", "dur": microseconds(stop_ns - start_ns), "args": says}
        self._write(length | _where(place))
        if flow is not None:
            self._flows.setdefault(flow, []).append(place)

    def instant(self, track: Track, name: str, at_s: float, says: dict[str, Any]) -> None:
        """What happens at `at_s` and takes no time."""
        at_ns = nanoseconds(at_s)
        place = Place(at_ns, track.pid, self._tracks.lane(track, at_ns, at_ns))
        self._write({"ph": "i", "s": "t", "name": name, "cat": "task", "args": says} | _where(place))

    def draw(self, flow: str) -> None:
        """Arrows along the slices that a flow touched: start, steps, finish, each bound to the slice around it."""
        places = sorted(self._flows.pop(flow, ()))
        if len(places) < 2:
            return
        self._flow += 1
        last = len(places) - 1
        for k, place in enumerate(places):
            phase = {"ph": "s"} if k == 0 else {"ph": "f", "bp": "e"} if k == last else {"ph": "t"}
            self._write(phase | {"id": self._flow, "name": flow, "cat": "task"} | _where(place))

    def flush(self) -> None:
        """Have all of it in the stream."""
        if self._pieces:
            self._stream.write(self._between + b",\n".join(self._pieces).decode())
            self._pieces, self._size_bytes, self._between = [], 0, ",\n"

    def _write(self, event: dict[str, Any]) -> None:
        named = self._tracks.metadata
        if named:
            self._tracks.metadata = []
            for each in named:
                self._put(each)
        self._put(event)

    def _put(self, event: dict[str, Any]) -> None:
        piece = self._encode(event)
        self._pieces.append(piece)
        self._size_bytes += len(piece)
        self.count += 1
        if self._size_bytes >= BATCH_BYTES:
            self.flush()


def _where(place: Place) -> dict[str, Any]:
    return {"ts": microseconds(place.start_ns), "pid": place.pid, "tid": place.tid}
