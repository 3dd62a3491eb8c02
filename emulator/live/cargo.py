"""What a node holds of application data until the next node has it, within a limit, and filler where asked for.

Payloads are kept as the frames they came in, never copied. Scenes and products have a stated size only, unless a run
asks for real bytes: those are zeros, said so in the results.
"""

from collections.abc import Sequence

import msgspec

from links.envelope import Buffer

FILLER_BYTES = 16 << 20  # one block of zeros, sent again and again: a frame is never larger


class Tag(msgspec.Struct, frozen=True, array_like=True):
    """The first part of a bundle's payload: who sent it to whom, when, and as how many bytes it counts for them."""

    source: str
    target: str
    service_from: str
    service: str
    offered_s: float
    size_bytes: int


tag_of = msgspec.msgpack.Decoder(Tag).decode


class Cargo:
    """Held payloads by the name of what they belong to."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self._held: dict[str, Sequence[Buffer]] = {}
        self._zeros = memoryview(bytes(1))

    def room_for(self, parts: Sequence[Buffer]) -> bool:
        """Whether they fit."""
        return self.held_bytes + sum(map(len, parts)) <= self.most_bytes

    def keep(self, name: str, parts: Sequence[Buffer]) -> None:
        """Hold them until `drop`. What has arrived is kept even over the limit; only offers are refused."""
        self.drop(name)
        self._held[name] = parts
        self.held_bytes += sum(map(len, parts))

    def drop(self, name: str) -> None:
        """Let go, if held."""
        parts = self._held.pop(name, ())
        self.held_bytes -= sum(map(len, parts))

    def has(self, name: str) -> bool:
        """Whether there is a payload of that name."""
        return name in self._held

    def parts(self, name: str, real_bytes: int) -> Sequence[Buffer]:
        """The payload of that name, or else `real_bytes` zeros in frames."""
        held = self._held.get(name)
        if held is not None or real_bytes <= 0:
            return held or ()
        if len(self._zeros) < min(real_bytes, FILLER_BYTES):
            self._zeros = memoryview(bytes(min(real_bytes, FILLER_BYTES)))
        whole, rest = divmod(real_bytes, FILLER_BYTES)
        return [self._zeros] * whole + ([self._zeros[:rest]] if rest else [])
