"""How long data take from a satellite to the ground: one message now, and in the mean over all instants.

The rules are the emulator's: a message needs one contact that it fits into whole, takes its bits over the contact's
rate, and arrives one light time after its last bit left. Nothing else waits at the radio. Means are exact integrals
over the contact plan, which repeats when it ends; no sampling, no randomness, no clock.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from links.contacts import Contact
from links.errors import LinkError
from links.transfer import delay_s, finish_s

Array = NDArray[np.float64]


def delivered_s(passes: Sequence[Contact], ready_s: float, size_bytes: float) -> float | None:
    """When the last bit is on the ground if the message is ready at `ready_s`; None if no pass has room for it.

    `passes` are the radio contacts of one satellite in order of time.
    """
    for contact in passes:
        if contact.stop_s <= ready_s:
            continue
        end_s = finish_s(contact, max(ready_s, contact.start_s), size_bytes * 8)
        if end_s is not None:
            return end_s + delay_s(contact, True, end_s)
    return None


class Passes:
    """The radio contacts of satellites over `period_s` seconds, after which they come again.

    Arrays with one entry a satellite follow `satellites`; those with one a station follow `stations`, by default all
    that have a contact. Raises LinkError for a period that is not positive and a station that is not in `stations`.
    """

    def __init__(
        self, contacts: Mapping[str, Sequence[Contact]], period_s: float, stations: Sequence[str] = ()
    ) -> None:
        if not 0.0 < period_s < float("inf"):
            raise LinkError(f"contacts repeat after {period_s!r} s; give a finite number of seconds above 0")
        self.satellites = tuple(contacts)
        self.period_s = period_s
        ordered = [(at, c) for at, each in enumerate(contacts.values()) for c in sorted(each, key=_start)]
        self._of = np.array([at for at, _ in ordered], dtype=np.int64)
        self.stations = tuple(stations) or tuple(sorted({c.b for _, c in ordered}))
        self._to = _indices([c.b for _, c in ordered], self.stations)
        self._start_s = np.array([c.start_s for _, c in ordered], dtype=np.float64)
        self._knots_s, self._knots_bits, first = _curve([c for _, c in ordered])
        self._first_s, self._first_bits = self._knots_s[first], self._knots_bits[first]
        lengths_s = np.array([c.stop_s - c.start_s for _, c in ordered], dtype=np.float64)
        self._room_bits = np.diff(self._first_bits)
        self._rows = _rows(self._of, len(self.satellites))
        self._edges_s = self._edges(lengths_s)
        count = len(self.satellites)
        self.contact_s = np.bincount(self._of, lengths_s, count)  # (satellites,), seconds in one period
        self.capacity_bits = np.bincount(self._of, self._room_bits, count)  # (satellites,), in one period
        self.count = len(ordered)
        delays = [float(np.mean(c.delay_ab_s)) for _, c in ordered]
        self.light_s = float(np.average(delays, weights=lengths_s)) if ordered else 0.0
        self._seen: dict[float, Array] = {}

    @property
    def bits_per_s(self) -> float:
        """The mean rate while in contact; 0 without any contact."""
        contact_s = float(self.contact_s.sum())
        return float(self.capacity_bits.sum()) / contact_s if contact_s > 0.0 else 0.0

    def largest_bits(self) -> Array:
        """The room of each satellite's best contact (satellites,): nothing larger ever comes down."""
        best = np.zeros(len(self.satellites))
        np.maximum.at(best, self._of, self._room_bits)
        return best

    def sending_s(self, bits: float) -> Array:
        """Mean seconds (satellites,) from ready to the last bit sent, ready at a random instant; inf where none fits.

        For contacts of one rate with gaps g_i between them: t + sum((g_i + t)^2) / (2 period_s), with t = bits / rate.
        """
        found = self._seen.get(bits)
        if found is None:
            found = self._seen[bits] = self._sending_s(bits)
        return found

    def queued_s(self, satellite: int, ready_s: Array, bits: float) -> Array:
        """When the last bit of each message has left, first in, first out, within one period; inf where it has not.

        `ready_s` (messages,) rises; each has `bits`, and here one may run on into the next pass: the room at the end
        of a pass that a whole message would leave empty is counted as used.
        """
        low, high = np.searchsorted(self._of, (satellite, satellite + 1))
        if low == high:
            return np.full(len(ready_s), np.inf)
        start_s, first_s, first_bits = self._start_s[low:high], self._first_s[low : high + 1], self._first_bits
        last = np.maximum(np.searchsorted(start_s, ready_s, "right") - 1, 0)
        into_s = np.clip(ready_s - start_s[last], 0.0, np.diff(first_s)[last])
        could_bits = np.interp(first_s[last] + into_s, self._knots_s, self._knots_bits)
        left_bits = served(could_bits, bits)
        in_pass = np.searchsorted(first_bits[low : high + 1], left_bits, "left") - 1
        within = left_bits <= first_bits[high]
        in_pass = np.where(within, in_pass, 0)
        left_s = start_s[in_pass] + self._local_s(left_bits) - first_s[in_pass]
        return np.where(within, left_s, np.inf)

    def receiver(self, satellite: int, left_s: Array) -> NDArray[np.int64]:
        """The station (messages,), as an index, that each message goes to whose last bit leaves at `left_s`, finite."""
        low, high = np.searchsorted(self._of, (satellite, satellite + 1))
        within = np.searchsorted(self._start_s[low:high], left_s, "left") - 1  # at a pass's start: the one before
        return np.asarray(self._to[low:high][np.maximum(within, 0)], np.int64)

    def landing(self, bits: float) -> Array:
        """The share (satellites, stations) of all instants from which a message alone goes to a station; or all 0."""
        shares = np.zeros((len(self.satellites), len(self.stations)))
        fits = np.flatnonzero(self._room_bits >= bits)
        if len(fits):
            latest_s, before_s = self._latest_s(fits, bits)
            np.add.at(shares, (self._of[fits], self._to[fits]), (latest_s - before_s) / self.period_s)
        return shares

    def carried_per_s(self, bits: float, per_s: Array) -> Array:
        """Messages a second (satellites, stations) in the long run, if `per_s` (satellites,) come evenly; `bits` > 0.

        What comes waits for the next pass with room. Fluid: a message may run on into the next pass, and a pass has
        its mean rate; but nothing is carried where no pass takes a message whole.
        """
        room = np.append(self._room_bits, 0.0)[self._rows] / bits
        room[self.largest_bits() < bits] = 0.0
        twice = np.tile(room, 2)  # what an empty queue has become after one period, it is after every later one
        could = np.cumsum(np.stack((np.zeros_like(twice), twice), axis=2).reshape(len(room), -1), axis=1)
        came = per_s[:, np.newaxis] * self._edges_s
        left = could + np.minimum(np.minimum.accumulate(came - could, axis=1), 0.0)
        in_pass = (left[:, 1::2] - left[:, 0::2])[:, room.shape[1] :]
        full = per_s * self.period_s >= room.sum(axis=1)
        in_pass = np.where(full[:, np.newaxis], room, in_pass)
        carried = np.zeros((len(self.satellites), len(self.stations)))
        satellite, column = np.nonzero(self._rows >= 0)
        to = self._to[self._rows[satellite, column]]
        np.add.at(carried, (satellite, to), in_pass[satellite, column] / self.period_s)
        return carried

    def _edges(self, lengths_s: Array) -> Array:
        """When the passes of each satellite begin and end, in two periods (satellites, 4 passes); rows as `_rows`."""
        start_s = np.append(self._start_s, self.period_s)[self._rows]
        stop_s = np.append(self._start_s + lengths_s, self.period_s)[self._rows]
        once = np.stack((start_s, stop_s), axis=2).reshape(len(start_s), -1)
        return np.concatenate((once, once + self.period_s), axis=1)

    def _latest_s(self, fits: NDArray[np.int64], bits: float) -> tuple[Array, Array]:
        """By when a message has to be ready for each of the contacts `fits`, and for the satellite's one before it."""
        of = self._of[fits]
        latest_s = self._start_s[fits] + self._local_s(self._first_bits[fits + 1] - bits) - self._first_s[fits]
        last = np.flatnonzero(np.append(of[1:] != of[:-1], True))
        before_s = np.roll(latest_s, 1)
        before_s[np.append(0, last[:-1] + 1)] = latest_s[last] - self.period_s  # the last one of the period before
        return latest_s, before_s

    def _sending_s(self, bits: float) -> Array:
        fits = np.flatnonzero(self._room_bits >= bits)
        mean_s = np.full(len(self.satellites), np.inf)
        if not len(fits):
            return mean_s
        of, start_s = self._of[fits], self._start_s[fits]
        _, before_s = self._latest_s(fits, bits)
        ended_s = start_s + self._local_s(self._first_bits[fits] + bits) - self._first_s[fits]
        waiting = (start_s - before_s) * (ended_s - 0.5 * (start_s + before_s))
        total = np.bincount(of, waiting, len(mean_s)) + self._in_contact(bits)
        mean_s[of] = total[of] / self.period_s
        return mean_s

    def _in_contact(self, bits: float) -> Array:
        """The integral of the time to send over the instants in contact at which there is still room (satellites,)."""
        ends = self._first_bits[1:] - bits
        at_bits = np.sort(np.concatenate((self._knots_bits, self._knots_bits - bits)), kind="stable")  # merges two runs
        middle = 0.5 * (at_bits[1:] + at_bits[:-1])
        contact = np.clip(np.searchsorted(self._first_bits, middle, "right") - 1, 0, len(ends) - 1)
        inside = (at_bits[:-1] >= self._first_bits[contact]) & (at_bits[1:] <= ends[contact])
        local_s = self._local_s(at_bits)
        sending_s = self._local_s(at_bits + bits) - local_s
        pieces = 0.5 * (sending_s[1:] + sending_s[:-1]) * np.diff(local_s)
        return np.asarray(np.bincount(self._of[contact[inside]], pieces[inside], len(self.satellites)), np.float64)

    def _local_s(self, bits: Array) -> Array:
        """Seconds in contact by which so many bits, counted over all contacts one after the other, can have left."""
        return np.interp(bits, self._knots_bits, self._knots_s)


def served(arrived: Array, each: float) -> Array:
    """When each customer of a queue leaves it, first in, first out, if it comes at `arrived` (n,) and takes `each`.

    Lindley's recursion, left = max(arrived, left before) + each, as a running maximum.
    """
    number = np.arange(len(arrived), dtype=np.float64)
    return np.asarray(np.maximum.accumulate(arrived - number * each) + (number + 1.0) * each, np.float64)


def _start(contact: Contact) -> float:
    return contact.start_s


def _indices(names: Sequence[str], among: Sequence[str]) -> NDArray[np.int64]:
    number = {name: at for at, name in enumerate(among)}
    for name in names:
        if name not in number:
            raise LinkError(f"a contact goes to {name!r}, which is none of the stations {', '.join(among)}")
    return np.array([number[name] for name in names], dtype=np.int64)


def _rows(of: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The contacts of each satellite (count, most of any), -1 behind the last; `of` rises."""
    each = np.bincount(of, minlength=count)
    rows = np.full((count, int(each.max(initial=0))), -1, dtype=np.int64)
    rows[of, np.arange(len(of)) - np.repeat(np.cumsum(each) - each, each)] = np.arange(len(of))
    return rows


def _curve(contacts: Sequence[Contact]) -> tuple[Array, Array, NDArray[np.int64]]:
    """Seconds in contact and bits at every knot, contacts one after the other, and the knot at which each begins.

    One more knot ends the last contact.
    """
    steps_s: list[float] = []
    rates: list[float] = []
    first = [0]
    for contact in contacts:
        whole = len(contact.bits_per_s) - 1
        steps_s += [contact.step_s] * whole + [contact.stop_s - contact.start_s - whole * contact.step_s]
        rates += contact.bits_per_s
        first.append(len(rates))
    lengths = np.array(steps_s, dtype=np.float64)
    knots_s = np.append(0.0, np.cumsum(lengths))
    knots_bits = np.append(0.0, np.cumsum(lengths * np.array(rates, dtype=np.float64)))
    return knots_s, knots_bits, np.array(first, dtype=np.int64)
