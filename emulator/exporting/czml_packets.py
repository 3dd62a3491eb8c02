"""Pieces of CZML packets: the run's time in UTC texts, dots, labels, references, and how a packet is written.

Source: CZML Guide, AnalyticalGraphicsInc/czml-writer.
"""

from typing import IO, Any

import msgspec
import numpy as np

from emulator.exporting.frames import iso
from emulator.exporting.orbits import Orbits
from emulator.tracing.spans import Span

Packet = dict[str, Any]
FAILED = (255, 40, 40, 255)


class Clock:
    """The run's time in UTC texts."""

    def __init__(self, orbits: Orbits) -> None:
        self.epoch, self.duration_s = orbits.epoch, orbits.duration_s
        self.start, self.stop = iso(self.epoch, np.array([0.0, self.duration_s]))
        self.whole = f"{self.start}/{self.stop}"

    def intervals(self, spans: list[Span]) -> list[str]:
        """`start/stop` of each span, cut to the run; spans without length are left out."""
        cut = [(max(0.0, a), min(b, self.duration_s)) for a, b in spans if min(b, self.duration_s) > max(0.0, a)]
        texts = iso(self.epoch, np.array([instant for span in cut for instant in span]))
        return [f"{a}/{b}" for a, b in zip(texts[::2], texts[1::2], strict=True)]


def reference(name: str) -> str:
    """A packet's id as references write it: Cesium splits at `#` and reads `\\` as an escape."""
    return name.replace("\\", "\\\\").replace("#", "\\#")


def point(color: tuple[int, ...], size_px: int, outages: list[Span], clock: Clock) -> Packet:
    """A dot, red while its node has failed."""
    failed = [{"interval": span, "rgba": FAILED} for span in clock.intervals(outages)]
    if not failed:
        return {"pixelSize": size_px, "color": {"rgba": color}}
    return {"pixelSize": size_px, "color": [{"interval": clock.whole, "rgba": color}, *failed]}


def label(name: str) -> Packet:
    """A name beside its dot."""
    offset = {"cartesian2": [8, -8]}
    return {"text": name, "font": "11pt sans-serif", "horizontalOrigin": "LEFT", "pixelOffset": offset}


def text(packet: Packet) -> str:
    """A packet as JSON, on one line."""
    return msgspec.json.encode(packet).decode()


def put(stream: IO[str], packet: Packet) -> None:
    """Write one more packet: any but the first."""
    stream.write(",\n" + text(packet))
