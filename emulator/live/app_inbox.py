"""What waits for one service of a node: bounded in messages and bytes, and kept until the application has it.

A message is given to the application and stays here until it is `received`, so that a program that dies with
messages unread leaves them to its successor. No sockets here.
"""

from collections import deque

import msgspec

from emulator.live.app_requests import AppLimits, Payload

OVERHEAD_BYTES = 500  # Python's objects around a message of one short frame, so that empty messages count too [guess]


class Parcel(msgspec.Struct, frozen=True):
    """A message as it will be sent to the application: its head as JSON, then the payload."""

    id: str
    head: bytes
    payload: Payload

    @property
    def held_bytes(self) -> int:
        """The memory that keeping it takes."""
        return OVERHEAD_BYTES + len(self.head) + sum(map(len, self.payload))


class Inbox:
    """The messages of one service, oldest first: `waiting`, then given but not yet `received`.

    `held_bytes` counts both.
    """

    def __init__(self, limits: AppLimits) -> None:
        self._limits = limits
        self._waiting: deque[Parcel] = deque()
        self._given: dict[str, Parcel] = {}
        self._ids: set[str] = set()
        self._given_bytes = 0
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id: str) -> bool:
        return id in self._ids

    def has_room(self, parcel: Parcel) -> bool:
        """Whether the service's limits allow one more."""
        limits = self._limits
        return len(self) < limits.inbox_messages and self.held_bytes + parcel.held_bytes <= limits.inbox_bytes

    def put(self, parcel: Parcel) -> None:
        """Keep a message that is not here yet and for which there is room."""
        self._waiting.append(parcel)
        self._ids.add(parcel.id)
        self.held_bytes += parcel.held_bytes

    def next(self) -> Parcel | None:
        """The message to give now; None if there is none, or the application must first say `received`."""
        if not self._waiting or len(self._given) >= self._limits.window_messages:
            return None
        parcel = self._waiting[0]
        if self._given and self._given_bytes + parcel.held_bytes > self._limits.window_bytes:
            return None
        return parcel

    def given(self) -> None:
        """What `next` named has been given to the application."""
        parcel = self._waiting.popleft()
        self._given[parcel.id] = parcel
        self._given_bytes += parcel.held_bytes

    def received(self, id: str) -> int:
        """The application has message `id`: the bytes set free; 0 for a message that it was not given."""
        parcel = self._given.pop(id, None)
        if parcel is None:
            return 0
        self._ids.discard(id)
        self._given_bytes -= parcel.held_bytes
        self.held_bytes -= parcel.held_bytes
        return parcel.held_bytes

    def take_back(self) -> None:
        """The application is gone: what it was given and did not confirm waits again, in its old order."""
        self._waiting.extendleft(reversed(self._given.values()))
        self._given.clear()
        self._given_bytes = 0
