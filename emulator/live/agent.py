"""A node's process: puts messages on links, holds what arrives until it is due, runs inference, serves applications.

It decides nothing: the coordinator's orders come over one socket, and everything that happens is reported there. One
loop, one thread beside it for inference. Messages are released at their emulated instant, never before.
"""

import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import zmq

from emulator.clock import wall_s
from emulator.errors import BadInput, RunFailed
from emulator.live import control as say
from emulator.live.app_requests import Offer
from emulator.live.cargo import Cargo, Tag, tag_of
from emulator.live.exits import Exits
from emulator.live.pace import Pace
from emulator.live.reception import Reception
from emulator.live.release import Releases
from emulator.live.wait import Waiter
from emulator.live.worker import Done, Worker
from links.envelope import Limits, Refused
from links.keys import Keys
from links.wire import Ear, Receipt

BEAT_S = 1.0  # wall seconds between signs of life: a twentieth of a per cent of a core for twelve nodes
MOST_AT_ONCE = 256  # messages taken from one socket before the others, and what is due, have their turn
MOST_FLYING_BYTES = 1 << 30  # of real payload held until due; beyond, the ear listens no more for a while [guess]
READABLE = int(zmq.POLLIN)
INBOX_FULL = "inbox_full"  # as applications are told
MOST_REQUESTS = 32  # of applications at a time: a millisecond or so [guess]
RETRY_S = 2e-3  # wall seconds until a full pipe is tried again

_decode = msgspec.msgpack.Decoder(say.ToNode).decode


class Struck(Exception):
    """The scenario has this node fail; `comes_back`: another process is to take its place."""

    def __init__(self, comes_back: bool) -> None:
        super().__init__(comes_back)
        self.comes_back = comes_back


class Agent:
    """One node, from its welcome to its farewell."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", control: "zmq.Socket[bytes]", welcome: say.Welcome,
        waiter: Waiter, folder: Path, keys: Keys | None, alone: Callable[[set[int]], bool],
    ) -> None:  # fmt: skip
        """`alone` says, of the descriptors that are ready, whether the coordinator is gone."""
        self.welcome = welcome
        self.control = control
        self.waiter = waiter
        waiter.spin_s = welcome.spin_s
        self.counts: Counter[str] = Counter()
        self._alone = alone
        self.pace: Pace | None = None
        self.limits = Limits()
        self.exits = Exits(context, welcome, self.limits, keys)
        self.ear = Ear(context, welcome.ear, welcome.run, self.limits, self.exits.admit if keys is not None else None)
        self.reception = Reception(context, welcome, self.now_s, self.rate)
        self.cargo = Cargo(welcome.held_bytes)
        self.worker = Worker(welcome, folder)
        self.releases: Releases[tuple[float, Receipt] | Done] = Releases()  # letters with when they came, on the wall
        self._heard_before = (0, 0)
        self._ear_full = False  # there is more in it than was taken
        self._flying_bytes = 0  # held until they are due
        self.forgotten: set[str] = set()
        self.left: set[int] = set()
        self.finished = False
        self._loading = True
        self._next_beat_s = wall_s() + BEAT_S
        for fd in (self.ear.fd, self.reception.fd, self.worker.fd):
            waiter.add(fd)

    def now_s(self) -> float:
        """Emulated seconds; 0 before time begins."""
        return max(0.0, self.pace.emulated(wall_s())) if self.pace is not None else 0.0

    def rate(self) -> float:
        """Emulated seconds per wall second; 0 before time begins."""
        now_wall_s = wall_s()
        if self.pace is None or self.pace.emulated(now_wall_s) < 0.0:
            return 0.0
        return self.pace.rate(now_wall_s)

    def serve(self) -> None:
        """Until the coordinator says that the run is over, or is gone."""
        self.tell(say.Ready(self.ear.endpoint, self.reception.endpoint))
        self.worker.start()
        ready = {self.ear.fd, self.reception.fd, self.worker.fd}
        while not self.finished:
            self._work(ready)
            ready = self.waiter.wait(wall_s() if self.reception.spoke else self._until_s())
            if self._alone(ready):
                return
        self.tell(say.Farewell(self._counted()))

    def close(self) -> None:
        """Let go of everything but the control socket."""
        self.worker.stop()
        self.reception.close("the run is over")
        self.ear.close()
        self.exits.close()

    def tell(self, message: Any) -> None:
        """Say something to the coordinator."""
        self.control.send(say.encode(message), zmq.NOBLOCK)

    def _until_s(self) -> float:
        due_s = self.releases.next_due_s()
        until_s = self._next_beat_s
        if due_s is not None and self.pace is not None:
            until_s = min(until_s, self.pace.wall(due_s))
        if self.exits.waiting or self.reception.held_back or self._ear_full:
            until_s = min(until_s, wall_s() + RETRY_S)
        return until_s

    def _work(self, ready: set[int]) -> None:
        """See to what is due and to the sockets that are ready.

        Sending on a socket may use up the wake-up of what came in there: after the last word that was said to control
        and door they are asked once more, the door in a round of its own without waiting.
        """
        self._release()
        if self.ear.fd in ready or self._ear_full:
            self._ear_full = self._hear_peers()
        if self.worker.fd in ready:
            self._hear_worker()
        if self.exits.waiting:
            self.exits.flush()
        if wall_s() >= self._next_beat_s:
            self._next_beat_s = wall_s() + BEAT_S
            self.tell(say.Beat(self._counted()))
        if self.reception.fd in ready or self.reception.spoke:
            self._hear_applications()
        while not self.finished and self._hear_control():
            self._release()

    # what is due

    def _release(self) -> None:
        pace = self.pace
        due_s = self.releases.next_due_s()
        if due_s is None or pace is None or pace.emulated(wall_s()) < due_s:
            return
        for due_s, item in self.releases.pop_due(pace.emulated(wall_s())):
            now_s = pace.emulated(wall_s())
            if isinstance(item, Done):
                self._report(item, now_s)
                continue
            came_s, receipt = item
            self._flying_bytes -= sum(map(len, receipt.parts))
            if receipt.letter.id in self.forgotten:
                self.forgotten.discard(receipt.letter.id)
                self.counts["forgotten"] += 1
            else:
                self._arrived(receipt, came_s, now_s, now_s - due_s)

    def _arrived(self, receipt: Receipt, came_s: float, now_s: float, late_s: float) -> None:
        """The last bit is here: to the application, if this is where it was going, and to the coordinator's notice."""
        letter = receipt.letter
        problem = ""
        if letter.id.startswith("bundle:") and receipt.parts:
            tag = tag_of(receipt.parts[0])
            if tag.target != self.welcome.node:
                self.exits.forget(say.holding(letter.id))  # it may have been here before: that is not to be settled now
                self.cargo.keep(say.holding(letter.id), receipt.parts)
            elif not self.reception.deliver(tag, say.letter_parts(letter.id)[2], now_s, receipt.parts[1:]):
                problem = INBOX_FULL
        if not _is_probe(letter.id):
            self.counts["released"] += 1
        self.tell(say.Got(letter.id, came_s, now_s, late_s, problem))

    def _report(self, done: Done, now_s: float) -> None:
        order = done.order
        if order.run in self.left:
            self.left.discard(order.run)
            self.counts["left"] += 1
        elif done.outcome is None:
            self.tell(say.Broke(order.task, order.run, done.problem[:4000]))
        else:
            self.counts["inferred" if isinstance(order, say.Infer) else "waited for"] += 1
            late_s = now_s - order.finish_s
            self.tell(say.Ran(order.task, order.run, done.outcome, now_s, late_s, done.host_s, done.energy_j))

    # what is heard

    def _hear_peers(self) -> bool:
        """Whether there may be more, which is not announced again."""
        if self._flying_bytes > MOST_FLYING_BYTES:
            return True  # pipes fill up, and senders wait, until something is released
        receipts = self.ear.receive(MOST_AT_ONCE)
        came_s = wall_s()
        for receipt in receipts:
            self.counts["received"] += not _is_probe(receipt.letter.id)
            self._flying_bytes += sum(map(len, receipt.parts))
            self.releases.push(receipt.letter.due_s, (came_s, receipt))
        return self.ear.waiting

    def _hear_worker(self) -> None:
        worker = self.worker
        worker.clear()
        if self._loading and (worker.loaded_s is not None or worker.broken):
            self._loading = False
            if worker.broken:
                raise RunFailed(f"the models cannot be loaded: {worker.broken}")
            counter, why = worker.metered
            source = counter.source if counter is not None else ""
            self.tell(say.Loaded(worker.loaded_s or 0.0, source[:512], why[:512]))
        while worker.done:
            done = worker.done.popleft()
            self.releases.push(done.order.finish_s, done)

    def _hear_applications(self) -> None:
        """A few of what applications want; then others have their turn, however much they ask."""
        self.reception.spoke = False
        for request in self.reception.receive(MOST_REQUESTS):
            if isinstance(request, Offer):
                self._offer(request)
            else:
                self.tell(say.Ask(self.reception.asked(request), request.what))

    def _offer(self, offer: Offer) -> None:
        problem = self.reception.objection(offer)
        tag = Tag(self.welcome.node, offer.to, offer.service_from, offer.service, self.now_s(), offer.size_bytes)
        parts = [msgspec.msgpack.encode(tag), *offer.payload]
        if not problem and not self.cargo.room_for(parts):
            problem = ("node_full", f"{self.welcome.node} holds {self.cargo.held_bytes} bytes that wait for links")
        if problem:
            self.reception.refuse(offer, *problem)
            return
        bundle = self.reception.next_bundle()
        if tag.target == self.welcome.node and not self.reception.deliver(tag, bundle, tag.offered_s, offer.payload):
            self.reception.refuse(offer, INBOX_FULL, "nobody reads there, and its inbox is full")  # no link leads there
            return
        self.reception.accept(offer, bundle)
        self.cargo.keep(f"bundle:{bundle}", parts)
        size_bytes = max(1, offer.size_bytes, sum(map(len, parts)))
        self.tell(say.Offer(bundle, offer.to, size_bytes, offer.priority, tag.offered_s))

    def _hear_control(self) -> bool:
        heard = False
        control = self.control
        for _ in range(MOST_AT_ONCE):
            if not int(control.getsockopt(zmq.EVENTS)) & READABLE:  # quicker than an exception
                break
            heard = True
            self._obey(_decode(control.recv(zmq.NOBLOCK)))
        return heard

    def _obey(self, order: Any) -> None:
        obey = self._OBEY.get(type(order))
        if obey is None:
            raise RunFailed(f"{self.welcome.node} was told {type(order).__name__}, which it does not expect now")
        obey(self, order)

    def _begin(self, order: say.Begin) -> None:
        pace = Pace(order.segments[0], order.offset_s)
        for segment in order.segments[1:]:
            pace.change(segment)
        self.pace = pace
        gc.collect()
        gc.freeze()  # a collection that walks through all that was imported takes milliseconds
        self._heard_before = (self.ear.received_bytes, self.ear.duplicates)

    def _turn(self, order: say.Turn) -> None:
        if self.pace is None:
            return
        self.pace.change(order.segment)
        late_s = self.pace.emulated(wall_s()) - order.segment.emulated_s
        if late_s > 0.0:  # until now this node went on at the old rate
            self.counts["turned late"] += 1
            self.counts["turned late, most us"] = max(self.counts["turned late, most us"], round(1e6 * late_s))

    def _shift(self, order: say.Shift) -> None:
        if self.pace is not None:
            self.pace.lead(wall_s(), order.offset_s)

    def _ping(self, order: say.Ping) -> None:
        came_s = wall_s()
        self.tell(say.Pong(order.sent_s, came_s, wall_s()))

    def _put(self, order: say.Put) -> None:
        name = say.holding(order.letter)
        bundle = order.letter.startswith("bundle:")
        if bundle and order.real_bytes and not self.cargo.has(name):
            self.tell(say.Stuck(order.letter))
            return
        try:
            put = self.exits.put(order, self.cargo.parts(name, 0 if bundle else order.real_bytes))
        except Refused as refusal:  # larger than a link takes
            self.counts[f"refused: {refusal.code}"] += 1
            put = False
        if not put:
            self.tell(say.Stuck(order.letter))

    def _again(self, order: say.Again) -> None:
        if not self.exits.again(order.letter):
            self.tell(say.Stuck(order.letter))

    def _news(self, order: say.News) -> None:
        for letter in order.settled:
            if self.exits.settled(letter):
                self.cargo.drop(say.holding(letter))
        for name in (*order.ended, *(f"bundle:{fate.bundle}" for fate in order.fates)):
            self.exits.forget(name)
            self.cargo.drop(name)
        for fate in order.fates:
            self.reception.fate(fate.bundle, fate.how, fate.reason)

    def _hold(self, order: say.Hold) -> None:
        self.releases.push(order.finish_s, Done(order, order.outcome))

    def _fail(self, order: say.Fail) -> None:
        raise Struck(order.comes_back)

    def _unwelcome(self, order: say.Unwelcome) -> None:
        raise BadInput(order.problem)  # let in, and put out again

    def _finish(self, order: say.Finish) -> None:
        self.finished = True

    def _counted(self) -> dict[str, int]:
        """Everything that this process has counted."""
        counts = dict(self.counts)
        counts |= self.exits.counted() | self.reception.counted()
        counts |= {f"refused: {code}": n for code, n in self.ear.refused.items()}
        counts["received_bytes"] = self.ear.received_bytes - self._heard_before[0]
        counts["duplicates"] = self.ear.duplicates - self._heard_before[1]
        counts["held"] = len(self.releases)
        counts["held_bytes"] = self.cargo.held_bytes
        return counts

    _OBEY: ClassVar[dict[type, Callable[["Agent", Any], Any]]] = {
        say.Begin: _begin,
        say.Turn: _turn,
        say.Shift: _shift,
        say.Ping: _ping,
        say.Link: lambda self, order: self.exits.open(order),
        say.Unlink: lambda self, order: self.exits.shut(order.contact),
        say.Put: _put,
        say.Again: _again,
        say.News: _news,
        say.Forget: lambda self, order: self.forgotten.add(order.letter),
        say.Infer: lambda self, order: self.worker.submit(order),
        say.Hold: _hold,
        say.Leave: lambda self, order: self.left.add(order.run),
        say.Reply: lambda self, order: self.reception.reply(order.token, order.fields),
        say.Fail: _fail,
        say.Unwelcome: _unwelcome,
        say.Finish: _finish,
    }


def _is_probe(letter: str) -> bool:
    """Whether a letter only measures transport, and counts for nothing."""
    return letter.startswith("probe:")
